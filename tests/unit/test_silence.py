"""Nothing that is secret shows in a log line, an exception or a repr, whatever goes wrong.

Secrets are planted everywhere one travels, and the whole extension is run into every wall at log level trace; the scan is
first shown to find one.
"""

from __future__ import annotations

import gc
import json
import traceback
from typing import TYPE_CHECKING

import pytest
from tests.simulators.extension import CREDS, KEYS, SETTINGS, Direct, Extension
from tests.unit.test_proxy import ASKED, Door, opened

from vaultgate.auth import AwsLogin
from vaultgate.client import Client
from vaultgate.credentials import Credentials
from vaultgate.errors import Unreachable, VaultgateError
from vaultgate.generation import Watch
from vaultgate.model import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CALLERS_TOKEN = "hvs.planted-callers-token"
SENT = "planted-sent-value"
ECHO = (
    "error making upstream request: error code 403 from STS: <Message>The request signature we calculated does not match "
    "the signature you provided. The Canonical String for this request should have been\n'POST\n/\n\nhost:sts.amazonaws.com\n"
    f"x-amz-security-token:{KEYS['AWS_SESSION_TOKEN']}\n\nhost;x-amz-security-token'</Message>"
)
"""What Vault says of a signature that STS found wrong, as STS writes it."""


class Scan:
    """Collects everything that shows, and looks for what must not."""

    def __init__(self, extension: Extension) -> None:
        self._extension = extension
        self._shown: list[str] = []

    def attempt(self, call: Callable[[], object]) -> None:
        """Make a call; what it gives or raises is shown as a careless program would: repr, str, traceback."""
        try:
            self._shown.append(repr(call()))
        except VaultgateError as error:
            stack = traceback.TracebackException.from_exception(error, capture_locals=False)
            self._shown += [repr(error), str(error), "".join(stack.format())]
            self._shown += [repr(value) for value in vars(error).values()]

    def found(self) -> list[str]:
        """Which secrets show."""
        server = self._extension.server
        tokens = [*server.tokens, *(name for name in server.ever if name != server.root_token)]
        passwords = [f"made-up-{number}" for number in range(60)]
        secrets = {
            KEYS["AWS_SECRET_ACCESS_KEY"],
            KEYS["AWS_SESSION_TOKEN"],
            CALLERS_TOKEN,
            SENT,
            "planted-kv-value",
            *tokens,
            *passwords,
        }
        text = "\n".join([*self._shown, *(repr(line) for line in self._extension.logged)])
        return sorted(secret for secret in secrets if secret in text)


@pytest.fixture
def door() -> Iterator[Door]:
    """An extension with its proxy, and a secret in its Vault."""
    with opened() as made:
        made.extension.server.kv["records"] = {"greeting": "planted-kv-value"}
        yield made


def walls(door: Door) -> Iterator[Callable[[], object]]:
    """Everything that can go well or wrong, one after the other."""
    server, extension = door.extension.server, door.extension
    own = ("X-Vault-Token", CALLERS_TOKEN)
    body = f'{{"data": {{"a": "{SENT}"}}}}'.encode()
    yield lambda: door.ask("GET", f"/v1/{CREDS}", ASKED)
    yield lambda: door.ask("GET", f"/v1/{CREDS}", own)
    yield lambda: door.ask("GET", "/v1/secret/data/records", ASKED)
    yield lambda: door.ask("GET", "/v1/secret/data/others", ASKED)
    yield lambda: door.ask("GET", "/v1/sys/mounts", ASKED)
    yield lambda: door.ask("GET", "/v1/sys/mounts", own)
    yield lambda: door.ask("GET", f"/v1/{CREDS}", own, ("Origin", "http://example.com"))
    yield lambda: door.ask("GET", f"/v1/{CREDS}")
    yield lambda: door.ask("PUT", "/v1/secret/data/records", ASKED, body=body)
    yield lambda: door.ask("PUT", "/v1/sys/leases/lookup", ASKED, body=body)
    yield lambda: door.ask("GET", "/v1/auth/token/lookup-self", ASKED)
    yield lambda: door.say(b"GET /v1/a HTTP/1.1\r\nX-Vault-Token: " + CALLERS_TOKEN.encode() + b"\nA: b\r\n\r\n")
    yield lambda: extension.ask(CREDS, ("X-Vault-Cache-Control", "recache"))
    for outcome in (
        Unreachable("gone"),
        Answer(500, (), b'{"errors": ["oops"]}'),
        Answer(200, (), b"<html>"),
        Answer(200, (), b'{"lease_id": 7}'),
    ):
        yield lambda outcome=outcome: server.next(*[outcome] * (3 if isinstance(outcome, Unreachable) else 1))  # type: ignore[misc]
        yield lambda: door.ask("GET", f"/v1/{CREDS}?x=1", ASKED)
    server.revoke_tokens()
    yield lambda: door.ask("GET", "/v1/secret/data/records", ASKED)
    for breaks in ("principal", "state"):
        yield lambda breaks=breaks: setattr(server, breaks, None if breaks == "principal" else "sealed")  # type: ignore[misc]
        extension.clock.freeze(8000)
        yield lambda: door.ask("GET", f"/v1/{CREDS}", ASKED)
        yield lambda: extension.ask(CREDS, own)
    server.principal, server.state = "arn:aws:sts::123456789012:assumed-role/vaultgate-records/session", "active"
    yield extension.ask
    login = AwsLogin(extension.vault, Credentials(KEYS, server), extension.config, extension.clock)
    yield lambda: login.login(extension.clock.steady() + 60)
    server.next(Answer(200, (), b'{"auth": {"client_token": 7}}'))
    yield lambda: login.login(extension.clock.steady() + 60)
    server.next(Answer(400, (), json.dumps({"errors": [ECHO]}).encode()))
    yield lambda: login.login(extension.clock.steady() + 60)
    client = Client(door.address, 10, Direct(extension), extension.clock, Watch(door.address))
    yield lambda: client.read(CREDS)
    yield lambda: client.read("secret/data/records")
    yield lambda: client.read("secret/data/others")
    server.state = "gone"
    yield extension.broker.close


def test_scan_finds_what_shows(door: Door) -> None:
    """The scan sees secrets in a log line, in an exception's text and in a repr."""
    journal = door.extension.log
    for plant in (
        lambda: journal.debug("any", f"token {CALLERS_TOKEN}"),
        lambda: journal.info("any", "x", field={"deep": [KEYS["AWS_SECRET_ACCESS_KEY"]]}),
        lambda: SENT,
        lambda: _fail(f"no {KEYS['AWS_SESSION_TOKEN']}"),
    ):
        scan = Scan(door.extension)
        scan.attempt(plant)
        assert len(scan.found()) >= 1


def _fail(words: str) -> None:
    raise Unreachable(words)


def test_nothing_shows(door: Door) -> None:
    """Through every success and every failure, at level trace, no planted secret shows anywhere."""
    assert SETTINGS["VAULT_LOG_LEVEL"] == "trace"
    scan = Scan(door.extension)
    for wall in walls(door):
        scan.attempt(wall)
    assert {"login", "refused", "login-failed", "token-dead", "revoke-failed"} <= set(door.extension.events)
    assert scan.found() == []


def test_no_record_of_ours_prints_a_secret(door: Door) -> None:
    """After all that, every object of the layer that is still alive has a repr without a secret in it."""
    scan = Scan(door.extension)
    for wall in walls(door):
        scan.attempt(wall)
    alive = [one for one in gc.get_objects() if str(type(one).__module__).startswith("vaultgate.")]
    assert len(alive) > 20
    for one in alive:
        scan.attempt(lambda one=one: one)  # type: ignore[misc]
    assert scan.found() == []
