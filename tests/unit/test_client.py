"""The function's side: memory first, then the extension."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.simulators.clock import MovableClock

from vaultgate import errors
from vaultgate.client import Client
from vaultgate.model import Answer, Origin, Request

CREDS = "database/creds/records"


class Proxy:
    """The extension's answers, as its proxy gives them.

    Attributes:
        answers: the next ones.
        seen: every request.
    """

    def __init__(self, clock: MovableClock) -> None:
        self._clock = clock
        self.answers: list[Answer | errors.VaultgateError] = []
        self.seen: list[tuple[Origin, Request, float]] = []

    def exchange(self, origin: Origin, request: Request, deadline: float) -> Answer:
        """Give the next answer."""
        self.seen.append((origin, request, deadline - self._clock.steady()))
        answer = self.answers.pop(0)
        if isinstance(answer, errors.VaultgateError):
            raise answer
        return answer


@pytest.fixture
def clock() -> MovableClock:
    """The function's clock."""
    return MovableClock()


@pytest.fixture
def proxy(clock: MovableClock) -> Proxy:
    """The extension."""
    return Proxy(clock)


@pytest.fixture
def client(clock: MovableClock, proxy: Proxy) -> Client:
    """The function's client."""
    return Client(("127.0.0.1", 8299), 65, proxy, clock)


def leased(number: int, remaining: object = 590) -> Answer:
    """A database credential as the proxy hands it out."""
    document = {"lease_id": f"lease-{number}", "data": {"username": f"user-{number}", "password": "planted"}}
    return Answer(200, (("X-Vaultgate-Lease-Remaining", str(remaining)),), json.dumps(document).encode())


def refused(status: int, code: str | None, *words: str) -> Answer:
    """An error as the extension writes it, or, without a code, as Vault does."""
    headers = (("X-Vaultgate-Error", code),) if code else ()
    return Answer(status, headers, json.dumps({"errors": list(words)}).encode())


def test_read(client: Client, proxy: Proxy) -> None:
    """A read asks the extension at its address, with the header that its guard wants, and waits a little longer than it does."""
    proxy.answers.append(leased(1))
    secret = client.read(CREDS)
    assert (secret.data["username"], secret.lease_id, secret.expires_in_s()) == ("user-1", "lease-1", 590)
    [(origin, request, seconds)] = proxy.seen
    assert (str(origin), request.method, request.target) == ("http://127.0.0.1:8299", "GET", f"/v1/{CREDS}")
    assert (request.header("X-Vault-Request"), request.header("X-Vault-Token")) == ("true", None)
    assert seconds == pytest.approx(65)


@pytest.mark.parametrize("path", [CREDS, f"/{CREDS}", f"v1/{CREDS}", f"/v1/{CREDS}"])
def test_paths_as_people_write_them(client: Client, proxy: Proxy, path: str) -> None:
    """A path with the slash or the v1 that people copy is the same path."""
    proxy.answers.append(leased(1))
    client.read(path)
    assert client.read(CREDS).lease_id == "lease-1"
    assert [request.target for _, request, _ in proxy.seen] == [f"/v1/{CREDS}"]


@pytest.mark.parametrize("hand", ["advance", "freeze"])
def test_memory_lasts_as_long_as_the_extension_said(client: Client, proxy: Proxy, clock: MovableClock, hand: str) -> None:
    """A leased secret is kept for the seconds that the extension gave, by either clock, and no longer."""
    proxy.answers += [leased(1), leased(2)]
    assert client.read(CREDS).lease_id == "lease-1"
    getattr(clock, hand)(589)
    assert client.read(CREDS).lease_id == "lease-1"
    getattr(clock, hand)(1)
    assert client.read(CREDS).lease_id == "lease-2"


def test_reading_anew_asks_past_every_memory(client: Client, proxy: Proxy) -> None:
    """Ours isn't looked at, the extension is told to ask Vault, and the answer replaces what was in memory."""
    proxy.answers += [leased(1), leased(2)]
    client.read(CREDS)
    assert client.read(CREDS, anew=True).lease_id == "lease-2"
    assert client.read(CREDS).lease_id == "lease-2"
    assert [request.header("X-Vault-Cache-Control") for _, request, _ in proxy.seen] == [None, "recache"]


def test_over_on_arrival_is_not_kept(client: Client, proxy: Proxy) -> None:
    """A secret with no time left is handed out, and asked for again at the next read."""
    proxy.answers += [leased(1, 0), leased(2)]
    assert client.read(CREDS).expires_in_s() == 0
    assert client.read(CREDS).lease_id == "lease-2"


def test_secret_without_a_lease_is_not_kept(client: Client, proxy: Proxy) -> None:
    """KV has no lease: each read asks the extension, which knows how long it may keep it."""
    for number in (1, 2):
        proxy.answers.append(Answer(200, (), json.dumps({"data": {"data": {"n": number}}}).encode()))
        secret = client.read("secret/data/app")
        assert (secret.data, secret.lease_id, secret.expires_in_s()) == ({"data": {"n": number}}, "", -1)


def test_lifetime_counts_from_asking(client: Client, proxy: Proxy, clock: MovableClock) -> None:
    """The seconds that the answer took are not added to what the extension said."""
    proxy.answers.append(leased(1))
    real = proxy.exchange

    def slow(origin: Origin, request: Request, deadline: float) -> Answer:
        clock.advance(7)
        return real(origin, request, deadline)

    proxy.exchange = slow  # type: ignore[method-assign] - the double's own
    assert client.read(CREDS).expires_in_s() == 583


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (refused(403, None, "permission denied"), errors.Denied, "permission denied"),
        (refused(404, None), errors.NotFound, CREDS),
        (refused(400, None, "unknown role"), errors.VaultRejected, "unknown role"),
        (refused(503, None, "Vault is sealed"), errors.Unreachable, "Vault is sealed"),
        (refused(403, "refused", "vaultgate: no", "fix: ask nicely"), errors.Refused, "no (ask nicely)"),
        (refused(403, "login-refused", "vaultgate: no", "fix: set it"), errors.LoginRefused, "no (set it)"),
        (refused(503, "no-credentials", "vaultgate: none"), errors.NoCredentials, "none"),
        (refused(503, "unreachable", "vaultgate: gone", "fix: look"), errors.Unreachable, "gone (look)"),
        (refused(503, "deadline", "vaultgate: late"), errors.DeadlineExceeded, "late"),
        (refused(503, "closing", "vaultgate: bye"), errors.Closing, "bye"),
        (refused(500, "brand-new", "vaultgate: odd"), errors.VaultRejected, "odd"),
        (Answer(200, (), b"<html>"), errors.ProtocolViolation, "is this address Vault's"),
        (Answer(200, (), b"[]"), errors.ProtocolViolation, "is this address Vault's"),
        (Answer(500, (), b"<html>"), errors.Unreachable, "status 500"),
        (Answer(418, (), b'{"errors": 7}'), errors.VaultRejected, "status 418"),
    ],
    ids=repr,
)
def test_refusals_keep_their_kind(client: Client, proxy: Proxy, answer: Answer, kind: type[Exception], words: str) -> None:
    """What the extension or Vault refused is raised as the same kind of error, with the same words and the fix."""
    proxy.answers.append(answer)
    with pytest.raises(kind) as caught:
        client.read(CREDS)
    assert type(caught.value) is kind
    assert words in str(caught.value)


def test_failed_read_keeps_what_lives(client: Client, proxy: Proxy) -> None:
    """An extension that is gone costs nothing while what is in memory lives."""
    proxy.answers.append(leased(1))
    client.read(CREDS)
    proxy.answers.append(errors.Unreachable("gone"))
    assert client.read(CREDS).lease_id == "lease-1"
    with pytest.raises(errors.Unreachable):
        client.read("secret/data/app")


def test_dead_lease_is_forgotten(client: Client, proxy: Proxy) -> None:
    """A lease that Vault calls invalid is dead, and its secret is read anew."""
    proxy.answers += [leased(1), refused(400, None, "invalid lease"), leased(2)]
    client.read(CREDS)
    assert client.lease_is_dead("lease-1")
    _, request, _ = proxy.seen[-1]
    assert (request.method, request.target, json.loads(request.body)) == ("PUT", "/v1/sys/leases/lookup", {"lease_id": "lease-1"})
    assert client.read(CREDS).lease_id == "lease-2"


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, (), b'{"data": {"id": "lease-1"}}'),
        refused(400, None, "something else"),
        refused(403, None, "permission denied"),
        refused(503, None, "Vault is sealed"),
        refused(403, "refused", "vaultgate: no"),
    ],
    ids=repr,
)
def test_lease_that_may_live_is_kept(client: Client, proxy: Proxy, answer: Answer) -> None:
    """Anything but Vault's own word leaves the secret in memory."""
    proxy.answers += [leased(1), answer]
    client.read(CREDS)
    assert not client.lease_is_dead("lease-1")
    assert client.read(CREDS).lease_id == "lease-1"


def test_secret_does_not_print(client: Client, proxy: Proxy) -> None:
    """A secret shows its path and its fields' names, no value."""
    proxy.answers.append(leased(1))
    secret: Any = client.read(CREDS)
    assert repr(secret) == f"VaultSecret({CREDS!r}, fields=['password', 'username'])"
