"""The client where there is no extension: it logs in by itself, over real sockets to a simulated Vault."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.simulators.clock import MovableClock
from tests.simulators.extension import CREDS, KEYS, eventually
from tests.simulators.fork import in_a_fork
from tests.simulators.loopback import loopback
from tests.simulators.vault import SERVER_ID, SimulatedVault, over_http

import vaultgate
from vaultgate.client import Client, has_extension, without_extension
from vaultgate.errors import ConfigurationError, Denied, Refused
from vaultgate.model import Origin, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vaultgate.alone import Alone

KV = "secret/data/records"
LOGIN = ("POST", "auth/aws/login")
REVOKE = ("POST", "auth/token/revoke-self")


class Laptop:
    """A process without an extension.

    Attributes:
        environ: its settings.
        client: what it reads with.
        alone: the part that logs in.
    """

    def __init__(self, vault: SimulatedVault, address: str, clock: MovableClock) -> None:
        self.vault = vault
        self.clock = clock
        self.environ = KEYS | {
            "VAULT_ADDR": address,
            "VAULT_AUTH_ROLE": "records",
            "VAULT_IAM_SERVER_ID": SERVER_ID,
            "VAULTGATE_CACHE": "secret/*=1m",
        }
        self.client: Client
        self.alone: Alone
        self.client, self.alone = without_extension(self.environ, clock)

    def run(self, program: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a program with the layer's Python package, to its end."""
        package = str(Path(vaultgate.__file__).parents[1])
        lines = ["import sys", "sys.path.append(sys.argv[1])", "import os", "from vaultgate import client", program]
        return subprocess.run(
            [sys.executable, "-I", "-S", "-c", "\n".join(lines), package],
            env=self.environ | environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )


@pytest.fixture
def laptop() -> Iterator[Laptop]:
    """A laptop, and a Vault that it reaches."""
    clock = MovableClock()
    vault = SimulatedVault(clock)
    with loopback(over_http(vault)) as server:
        made = Laptop(vault, str(server.origin), clock)
        yield made
        made.alone.close()


@pytest.mark.parametrize(
    ("environ", "extension"),
    [
        ({}, False),
        ({"VAULT_ADDR": "https://vault"}, False),
        ({"AWS_LAMBDA_RUNTIME_API": "", "VAULTGATE_LISTEN": ""}, False),
        ({"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"}, True),
        ({"VAULTGATE_LISTEN": "127.0.0.1:8200"}, True),
    ],
    ids=str,
)
def test_the_environment_says_whether_there_is_an_extension(environ: dict[str, str], *, extension: bool) -> None:
    """In Lambda, and wherever VAULTGATE_LISTEN names one, there is an extension; anywhere else there is none."""
    assert has_extension(environ) is extension


def test_nothing_is_asked_before_the_first_read(laptop: Laptop) -> None:
    """The first read logs in; the next ones cost Vault nothing while what they want lives."""
    assert laptop.vault.seen == []
    secrets = [laptop.client.read(CREDS) for _ in range(3)]
    assert {one.lease_id for one in secrets} == {secrets[0].lease_id}
    assert secrets[0].expires_in_s() == 590
    assert [laptop.client.read(KV).data["data"]["greeting"] for _ in range(2)] == ["hello", "hello"]
    assert laptop.vault.seen == [LOGIN, ("GET", CREDS), ("GET", KV)]


@pytest.mark.parametrize("hand", ["advance", "freeze"])
def test_a_lease_ends_as_it_does_beside_an_extension(laptop: Laptop, hand: str) -> None:
    """By either clock, nothing outlives its lease."""
    first = laptop.client.read(CREDS)
    getattr(laptop.clock, hand)(590)
    assert laptop.client.read(CREDS).lease_id != first.lease_id


def test_refusals_keep_their_kind(laptop: Laptop) -> None:
    """What the guard denies beside an extension is denied here too; Vault's denials are the same errors."""
    with pytest.raises(Refused, match="'sys/mounts' is denied"):
        laptop.client.read("sys/mounts")
    with pytest.raises(Denied, match="secret/data/others"):
        laptop.client.read("secret/data/others")


def test_what_the_settings_deny_is_denied(laptop: Laptop) -> None:
    """VAULTGATE_DENY and VAULTGATE_ALLOW mean here what they mean to the extension."""
    client, alone = without_extension(laptop.environ | {"VAULTGATE_DENY": "database/*"}, laptop.clock)
    with pytest.raises(Refused):
        client.read(CREDS)
    assert client.read(KV).data
    alone.close()


def test_wrong_settings_are_all_named(laptop: Laptop) -> None:
    """A program that has neither an extension nor the settings to do without is told what to set, at its first read."""
    environ = {"VAULTGATE_STRAT": "ready"}
    client, _ = without_extension(environ, laptop.clock)
    with pytest.raises(ConfigurationError) as caught:
        client.read(KV)
    words = str(caught.value)
    assert all(name in words for name in ("VAULT_ADDR is missing", "VAULT_AUTH_ROLE is missing", "VAULTGATE_START?"))


def test_a_dead_token_takes_its_leases_out_of_memory(laptop: Laptop) -> None:
    """When Vault no longer knows the token, the client logs in anew and, within a second, forgets the old token's leases."""
    laptop.client.read(CREDS)
    dead = laptop.client.read(CREDS).lease_id
    laptop.vault.revoke_tokens()
    laptop.client.read(KV)
    laptop.clock.advance(1)
    assert laptop.client.read(CREDS).lease_id != dead
    assert laptop.vault.count(*LOGIN) == 2


def test_what_is_due_is_seen_to_while_reads_come(laptop: Laptop) -> None:
    """A long-running process renews its token beside its reads, before the token ends."""
    laptop.client.read(KV)
    laptop.clock.advance(2500)
    laptop.client.read(KV)
    eventually(lambda: laptop.vault.count("POST", "auth/token/renew-self") == 1)
    assert laptop.vault.count(*LOGIN) == 1


def test_close_gives_the_token_back(laptop: Laptop) -> None:
    """Closing revokes the token; a second time is fine; a later read logs in anew and gets what is new."""
    dead = laptop.client.read(CREDS).lease_id
    laptop.alone.close()
    laptop.alone.close()
    assert laptop.vault.count(*REVOKE) == 1
    assert list(laptop.vault.tokens) == [laptop.vault.root_token]
    laptop.clock.advance(1)
    assert laptop.client.read(CREDS).lease_id != dead


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_fork_is_a_stranger_to_its_parents_leases(laptop: Laptop) -> None:
    """A forked child has nothing of its parent's in memory, logs in by itself, and gives back only its own token."""
    lease_id = laptop.client.read(CREDS).lease_id

    def child() -> bool:
        own = laptop.client.read(CREDS).lease_id
        laptop.alone.close()
        return own != lease_id

    assert in_a_fork(child)
    assert laptop.client.read(CREDS).lease_id == lease_id
    assert lease_id in laptop.vault.leases
    assert (laptop.vault.count(*LOGIN), laptop.vault.count(*REVOKE)) == (2, 1)


def test_a_script_leaves_nothing_behind(laptop: Laptop) -> None:
    """A program that reads and ends, or fails, has given its token back, and said nothing of its own accord."""
    for program, code in (("pass", 0), ("raise SystemExit(3)", 3)):
        run = laptop.run(f"print(client.read({KV!r}).data['data']['greeting']); {program}")
        assert (run.returncode, run.stdout, run.stderr) == (code, "hello\n", "")
        assert list(laptop.vault.tokens) == [laptop.vault.root_token]


def test_a_script_that_forks_leaves_nothing_behind(laptop: Laptop) -> None:
    """Parent and child each give back the token that they got."""
    run = laptop.run(f"""
client.read({KV!r})
child = os.fork()
client.read({KV!r})
if not child:
    sys.exit(0)
os.waitpid(child, 0)
client.close()
client.read({KV!r})
""")
    assert (run.returncode, run.stderr) == (0, "")
    assert list(laptop.vault.tokens) == [laptop.vault.root_token]
    assert (laptop.vault.count(*LOGIN), laptop.vault.count(*REVOKE)) == (3, 3)


def test_workers_of_multiprocessing_leave_nothing_behind(laptop: Laptop) -> None:
    """So do children of `multiprocessing`, which don't end as other processes do."""
    run = laptop.run(f"""
import multiprocessing
context = multiprocessing.get_context("fork")
workers = [context.Process(target=client.read, args=({KV!r},)) for _ in range(2)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
""")
    assert (run.returncode, run.stderr) == (0, "")
    assert list(laptop.vault.tokens) == [laptop.vault.root_token]
    assert (laptop.vault.count(*LOGIN), laptop.vault.count(*REVOKE)) == (2, 2)


def test_by_approle(laptop: Laptop, tmp_path: Path) -> None:
    """A laptop that has no IAM role logs in by AppRole, with two files."""
    files = {}
    for name, asked in (("ROLE_ID", "GET"), ("SECRET_ID", "POST")):
        path = f"auth/approle/role/records/{name.lower().replace('_', '-')}"
        request = Request(asked, f"/v1/{path}", (("X-Vault-Token", laptop.vault.root_token),), b"{}" if asked == "POST" else b"")
        answer = laptop.vault.exchange(Origin("http", "127.0.0.1", 1), request, float("inf"))
        file = tmp_path / name
        file.touch(0o600)
        file.write_text(json.loads(answer.body)["data"][name.lower()])
        files[f"VAULTGATE_APPROLE_{name}_FILE"] = str(file)
    environ = {"VAULT_ADDR": laptop.environ["VAULT_ADDR"], "VAULTGATE_AUTH_METHOD": "approle"} | files
    client, alone = without_extension(environ, laptop.clock)
    assert client.read(KV).data["data"]["greeting"] == "hello"
    alone.close()
    assert list(laptop.vault.tokens) == [laptop.vault.root_token]


def test_it_speaks_when_asked_to(laptop: Laptop) -> None:
    """With VAULT_LOG_LEVEL its log goes to stderr; the program's own output stays its own."""
    run = laptop.run(f"client.read({KV!r})", VAULT_LOG_LEVEL="info")
    assert run.stdout == ""
    assert '"event": "login"' in run.stderr


@pytest.mark.parametrize("name", ["AWS_LAMBDA_RUNTIME_API", "VAULTGATE_LISTEN"])
def test_a_missing_extension_is_an_error(laptop: Laptop, name: str) -> None:
    """Where there should be an extension, nobody logs in behind the deployer's back: the error says what to look at."""
    listen = {"VAULTGATE_LISTEN": "127.0.0.1:1"}
    run = laptop.run(f"client.read({KV!r})", **listen | ({name: "127.0.0.1:1"} if name != "VAULTGATE_LISTEN" else {}))
    assert run.returncode == 1
    assert "no extension answers" in run.stderr
    assert "attach Vaultgate's layer" in run.stderr
    assert laptop.vault.seen == []


def test_nobody_beside_an_extension_pays_for_it() -> None:
    """Importing the client imports neither the way to Vault nor TLS, nor anybody else's library."""
    program = "import sys; sys.path.append(sys.argv[1]); import vaultgate.client; print(*sys.modules)"
    package = str(Path(vaultgate.__file__).parents[1])
    arguments = [sys.executable, "-I", "-S", "-c", program, package]
    loaded = set(subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=30).stdout.split())
    assert "vaultgate.reading" in loaded
    ours = {
        f"vaultgate.{name}"
        for name in ("alone", "assembly", "broker", "config", "session", "auth", "sigv4", "pool", "sqlalchemy_pool")
    }
    assert not loaded & (ours | {"ssl", "hashlib", "hmac", "pymysql", "sqlalchemy", "aws_lambda_powertools"})
