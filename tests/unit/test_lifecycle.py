"""The order of events in a sandbox's life: in this process step by step, then as the process that Lambda starts."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.simulators.clock import MovableClock
from tests.simulators.extension import CREDS, KEYS, Beside, Extension, eventually, user
from tests.simulators.lambda_api import LambdaApi, lambda_api
from tests.simulators.loopback import loopback
from tests.simulators.vault import SERVER_ID, SimulatedVault, over_http

import vaultgate
from vaultgate.client import Client
from vaultgate.clock import Clock
from vaultgate.errors import LoginRefused
from vaultgate.generation import Watch
from vaultgate.lifecycle import Lifecycle
from vaultgate.model import Answer, Origin, Request
from vaultgate.runtime_api import RuntimeApi
from vaultgate.transport import Connections

if TYPE_CHECKING:
    from collections.abc import Iterator

LOGIN = ("POST", "auth/aws/login")
NEXT = "event/next"


@pytest.fixture
def api() -> Iterator[LambdaApi]:
    """Lambda's side."""
    with lambda_api() as running:
        yield running


@pytest.fixture
def extension() -> Extension:
    """The broker that the lifecycle drives."""
    return Extension()


@contextmanager
def living(api: LambdaApi, extension: Extension, start: str, patience_s: float = 5.0) -> Iterator[Beside]:
    """A lifecycle that runs while the block runs, and ends with the sandbox."""
    clock = Clock()
    connections = Connections(clock)
    runtime = RuntimeApi(api.origin, "vaultgate", connections, clock)
    lifecycle = Lifecycle(runtime, start, lambda: extension.broker, extension.clock, extension.log, patience_s=patience_s)
    life = Beside(lifecycle.run)
    try:
        yield life
    finally:
        api.shut_down()
        life.ended()
        connections.close()
    life.result()


def test_overlap(api: LambdaApi, extension: Extension) -> None:
    """`overlap` registers first, so that the function's init begins; the login runs beside it; Next comes after the login."""
    gate = extension.server.hold(*LOGIN)
    with living(api, extension, "overlap") as life:
        assert gate.arrived.wait(10)
        life.until_it_waits()
        assert api.calls == ["register"]
        gate.open()
        api.until("register", NEXT)
        assert extension.server.logins == 1


def test_overlap_goes_on_without_vault(api: LambdaApi, extension: Extension) -> None:
    """Vault's state never fails the init under `overlap`: the login's failure is logged, and Next called."""
    extension.server.state = "sealed"
    with living(api, extension, "overlap"):
        api.until("register", NEXT)
        assert "login-failed" in extension.events
        extension.server.state = "active"
        assert extension.ask().ok


def test_early(api: LambdaApi, extension: Extension) -> None:
    """`early` calls Next while the login is still under way; it doesn't wait the 5 seconds that `overlap` would."""
    gate = extension.server.hold(*LOGIN)
    with living(api, extension, "early"):
        assert gate.arrived.wait(10)
        api.until("register", NEXT, seconds=4)
        gate.open()


def test_ready(api: LambdaApi, extension: Extension) -> None:
    """`ready` registers only once it has a token."""
    gate = extension.server.hold(*LOGIN)
    with living(api, extension, "ready"):
        assert gate.arrived.wait(10)
        assert api.calls == []
        gate.open()
        api.until("register", NEXT)


def test_ready_fails_with_the_login(api: LambdaApi, extension: Extension) -> None:
    """Under `ready` a refused login is the init's failure; nothing was registered yet."""
    extension.server.principal = None
    with pytest.raises(LoginRefused), living(api, extension, "ready") as life:
        life.result()
    assert api.calls == []


@pytest.mark.parametrize("start", ["overlap", "early", "ready"])
def test_shutdown_gives_the_token_back(api: LambdaApi, extension: Extension, start: str) -> None:
    """At SHUTDOWN the token is revoked, however the sandbox began."""
    with living(api, extension, start):
        api.until("register", NEXT)
        extension.ask()
    assert list(extension.server.tokens) == [extension.server.root_token]
    assert extension.server.count("POST", "auth/token/revoke-self") == 1
    assert extension.events[-1] == "token-revoked"


def test_invoke_brings_its_deadline(api: LambdaApi, extension: Extension) -> None:
    """An invocation's deadline bounds every call to Vault from then on."""
    with living(api, extension, "overlap"):
        api.until("register", NEXT)
        api.invoke(round((extension.clock.wall() + 3) * 1000))
        api.until("register", NEXT, NEXT)
        assert extension.broker.deadline() - extension.clock.steady() == pytest.approx(2.7, abs=0.01)


def test_invoke_after_a_freeze_logs_in_before_next(api: LambdaApi, extension: Extension) -> None:
    """When a freeze outlived the token, the invocation's Next waits for the new login, so that no freeze falls into it."""
    with living(api, extension, "overlap") as life:
        api.until("register", NEXT)
        extension.clock.freeze(4000)
        gate = extension.server.hold(*LOGIN)
        api.invoke()
        assert gate.arrived.wait(10)
        life.until_it_waits()
        assert api.calls == ["register", NEXT]
        gate.open()
        api.until("register", NEXT, NEXT)
        assert extension.server.logins == 2


def test_a_silent_vault_holds_an_invocation_up_for_seconds_and_not_the_next(api: LambdaApi, extension: Extension) -> None:
    """However long an invocation may last, Next comes once the patience is over, and at once while that work still goes on."""
    with living(api, extension, "overlap", patience_s=1.0) as life:
        api.until("register", NEXT)
        extension.clock.freeze(4000)
        gate = extension.server.hold(*LOGIN)
        api.invoke(round((extension.clock.wall() + 900) * 1000))
        assert gate.arrived.wait(10)
        life.until_it_waits()
        assert api.calls == ["register", NEXT]
        api.until("register", NEXT, NEXT)
        began = Clock().steady()
        for _ in range(3):
            api.invoke(round((extension.clock.wall() + 900) * 1000))
        api.until("register", *[NEXT] * 5)
        assert Clock().steady() - began < 1.0
        assert extension.server.count(*LOGIN) == 2
        gate.open()


def test_unknown_event_is_passed_over(api: LambdaApi, extension: Extension) -> None:
    """An event that Lambda may invent one day doesn't end the extension."""
    with living(api, extension, "overlap"):
        api.until("register", NEXT)
        api.put({"eventType": "RESTORE"})
        api.until("register", NEXT, NEXT)


# --- the process that Lambda starts ---

PROGRAM = "import sys; sys.path.append(sys.argv.pop(1)); from vaultgate.__main__ import main; sys.exit(main('vaultgate'))"


class Process:
    """The extension as Lambda starts it: its interpreter without site-packages, its environment and nothing else."""

    def __init__(self, **environ: str) -> None:
        package = str(Path(vaultgate.__file__).parents[1])
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", PROGRAM, package],
            env={**environ, "COVERAGE_PROCESS_START": os.environ.get("COVERAGE_PROCESS_START", "")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self) -> tuple[int, list[dict[str, object]], str]:
        """Exit code, log lines and stderr, once it has ended by itself."""
        try:
            out, err = self._process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            raise
        return self._process.returncode, [json.loads(line) for line in out.splitlines()], err


def free_port() -> int:
    """A loopback port that the kernel just had to spare."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def asked(port: int, path: str) -> Answer:
    """What the proxy answers."""
    clock = Clock()
    connections = Connections(clock)
    try:
        request = Request("GET", path, (("X-Vault-Request", "true"),))
        return connections.exchange(Origin("http", "127.0.0.1", port), request, clock.steady() + 10)
    finally:
        connections.close()


def test_whole_life(api: LambdaApi) -> None:
    """The process binds its port before it registers, serves a secret, and gives its token back at SHUTDOWN."""
    vault = SimulatedVault(MovableClock())
    port = free_port()
    early: list[Beside] = []

    def knock() -> None:
        early.append(Beside(lambda: asked(port, f"/v1/{CREDS}")))
        with socket.create_connection(("127.0.0.1", port), timeout=10):
            pass

    api.on_register = knock
    with loopback(over_http(vault)) as server:
        process = Process(
            **KEYS,
            AWS_LAMBDA_RUNTIME_API=api.origin.authority,
            VAULT_ADDR=str(server.origin),
            VAULT_AUTH_ROLE="records",
            VAULT_IAM_SERVER_ID=SERVER_ID,
            VAULTGATE_LISTEN=f"127.0.0.1:{port}",
        )
        api.until("register", NEXT)
        first = early[0].result()
        assert user(first) == user(asked(port, f"/v1/{CREDS}"))
        refused = asked(port, "/v1/sys/mounts")
        assert (refused.status, refused.header("X-Vaultgate-Error")) == (403, "refused")
        api.shut_down()
        code, lines, err = process.end()
    assert (code, err) == (0, "")
    assert [line["event"] for line in lines] == ["login", "refused", "shutdown", "token-revoked"]
    assert api.registered == ("vaultgate", ["INVOKE", "SHUTDOWN"])
    assert list(vault.tokens) == [vault.root_token]


def test_a_function_that_keeps_a_lease_hears_of_its_death(api: LambdaApi) -> None:
    """What a function has in memory is asked for anew once somebody else found its lease dead; no file is left at the end."""
    vault = SimulatedVault(MovableClock())
    clock = Clock()
    listen = "127.0.0.1", free_port()
    watch = Watch(listen)
    connections = Connections(clock)
    client = Client(listen, 10, connections, clock, watch)
    with loopback(over_http(vault)) as server:
        process = Process(
            **KEYS,
            AWS_LAMBDA_RUNTIME_API=api.origin.authority,
            VAULT_ADDR=str(server.origin),
            VAULT_AUTH_ROLE="records",
            VAULT_IAM_SERVER_ID=SERVER_ID,
            VAULTGATE_LISTEN=f"{listen[0]}:{listen[1]}",
        )
        api.until("register", NEXT)
        assert watch.look() is not None
        dead = client.read(CREDS).lease_id
        assert client.read(CREDS).lease_id == dead
        assert vault.count("GET", CREDS) == 1
        vault.revoke_leases()
        somebody = Client(listen, 10, connections, clock, watch)
        assert somebody.lease_is_dead(dead)
        eventually(lambda: client.read(CREDS).lease_id != dead)
        api.shut_down()
        process.end()
    connections.close()
    assert watch.look() is None


def test_configuration_errors_fail_the_init(api: LambdaApi) -> None:
    """Wrong settings reach Lambda as the init's error, all of them in one text, and end the process."""
    process = Process(
        AWS_LAMBDA_RUNTIME_API=api.origin.authority, VAULT_CLIENT_TIMEOUT="soon", VAULTGATE_STRAT="ready", VAULTGATE_GUARD="none"
    )
    code, lines, err = process.end()
    assert (code, err) == (2, "")
    assert api.calls == ["register", "init/error"]
    [(_, kind, document)] = api.errors
    assert kind == "Vaultgate.configuration"
    wrong = ["VAULT_ADDR", "VAULT_AUTH_ROLE", "VAULT_CLIENT_TIMEOUT", "VAULTGATE_STRAT", "VAULTGATE_GUARD"]
    assert [name in document["errorMessage"] for name in wrong] == [True] * 5
    assert len(lines) == 1
    assert len(lines[0]["problems"]) == 5  # type: ignore[arg-type]


def test_the_environment_is_read_as_it_is(api: LambdaApi) -> None:
    """What stands in a variable reaches the settings whole, and what is no UTF-8 in another one harms nobody."""
    process = Process(
        AWS_LAMBDA_RUNTIME_API=api.origin.authority,
        VAULT_ADDR="https://vault",
        VAULT_AUTH_ROLE="r",
        VAULTGATE_GUARD="größer",
        OTHER="\udcff",
    )
    assert process.end()[0] == 2
    [(_, _, document)] = api.errors
    assert "VAULTGATE_GUARD='größer'" in document["errorMessage"]


def test_port_taken_fails_the_init(api: LambdaApi) -> None:
    """A port that somebody else has is the init's error, with the setting to change."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        process = Process(
            AWS_LAMBDA_RUNTIME_API=api.origin.authority, VAULT_ADDR="https://vault", VAULT_AUTH_ROLE="r", VAULTGATE_LISTEN=place
        )
        code, _, err = process.end()
    assert (code, err) == (2, "")
    [(call, _, document)] = api.errors
    assert call == "init/error"
    assert f"VAULTGATE_LISTEN={place} can't be used (Address already in use)" in document["errorMessage"]


def test_refused_login_fails_the_init_under_ready(api: LambdaApi) -> None:
    """Under `ready` Vault's refusal reaches Lambda with its likely fix."""
    vault = SimulatedVault(MovableClock())
    vault.principal = None
    with loopback(over_http(vault)) as server:
        process = Process(
            **KEYS,
            AWS_LAMBDA_RUNTIME_API=api.origin.authority,
            VAULT_ADDR=str(server.origin),
            VAULT_AUTH_ROLE="records",
            VAULT_IAM_SERVER_ID=SERVER_ID,
            VAULTGATE_START="ready",
            VAULTGATE_LISTEN=f"127.0.0.1:{free_port()}",
        )
        code, _, err = process.end()
    assert (code, err) == (1, "")
    [(call, kind, document)] = api.errors
    assert (call, kind) == ("init/error", "Vaultgate.login-refused")
    assert "sts_region" in document["errorMessage"]


def test_what_goes_wrong_later_is_an_exits_error(api: LambdaApi) -> None:
    """When Lambda's API breaks off after the registration, Lambda hears why we leave; it takes no second registration."""
    process = Process(
        **KEYS,
        AWS_LAMBDA_RUNTIME_API=api.origin.authority,
        VAULT_ADDR=f"http://127.0.0.1:{free_port()}",
        VAULT_AUTH_ROLE="records",
        VAULTGATE_LISTEN=f"127.0.0.1:{free_port()}",
    )
    api.until("register", NEXT)
    api.close()
    code, lines, err = process.end()
    assert (code, err) == (1, "")
    assert [(call, kind) for call, kind, _ in api.errors] == [("exit/error", "Vaultgate.protocol")]
    assert "unheard" not in [line["event"] for line in lines]


def test_outside_lambda() -> None:
    """Started by hand, the program says in one line what it is."""
    code, lines, err = Process().end()
    assert (code, lines) == (2, [])
    assert err.startswith("vaultgate: AWS_LAMBDA_RUNTIME_API is not set")
    assert err.count("\n") == 1


def test_lambda_that_refuses_is_logged(api: LambdaApi) -> None:
    """A Lambda that takes neither registration, asked twice, nor error leaves a line in the log, and the process ends."""
    api.refuse = 500
    code, lines, err = Process(AWS_LAMBDA_RUNTIME_API=api.origin.authority).end()
    assert (code, err) == (2, "")
    assert [line["event"] for line in lines] == ["configuration", "unheard"]
    eventually(lambda: api.calls == ["register", "register"])
