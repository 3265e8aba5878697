"""The function's side: memory first, then the extension."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.simulators.clock import MovableClock

from vaultgate import errors
from vaultgate.client import Client
from vaultgate.generation import Generation, Watch
from vaultgate.log import Log
from vaultgate.model import Answer, Origin, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CREDS = "database/creds/records"
KV = "secret/data/app"
LISTEN = ("127.0.0.1", 8299)


class Proxy:
    """The extension's answers, as its proxy gives them.

    Attributes:
        answers: the next ones.
        seen: every request.
        meanwhile: what happens while the next answer is on its way.
    """

    def __init__(self, clock: MovableClock) -> None:
        self._clock = clock
        self.answers: list[Answer | errors.VaultgateError] = []
        self.seen: list[tuple[Origin, Request, float]] = []
        self.meanwhile: list[Callable[[], object]] = []

    def exchange(self, origin: Origin, request: Request, deadline: float) -> Answer:
        """Give the next answer."""
        self.seen.append((origin, request, deadline - self._clock.steady()))
        answer = self.answers.pop(0)
        while self.meanwhile:
            self.meanwhile.pop(0)()
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


class Watching(Watch):
    """A watch that counts.

    Attributes:
        looks: how often it was asked.
    """

    looks = 0

    def look(self) -> tuple[int, int, int] | None:
        """Look."""
        self.looks += 1
        return super().look()


@pytest.fixture
def generation(clock: MovableClock, tmp_path: Path) -> Iterator[Generation]:
    """The extension's file."""
    made = Generation(LISTEN, Log(io.StringIO(), "info", clock), str(tmp_path))
    made.begin()
    yield made
    made.end()


@pytest.fixture
def watch(generation: Generation, tmp_path: Path) -> Watching:
    """The client's look at it."""
    return Watching(LISTEN, str(tmp_path))


@pytest.fixture
def client(clock: MovableClock, proxy: Proxy, watch: Watching) -> Client:
    """The function's client."""
    return Client(LISTEN, 65, proxy, clock, watch)


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


def unleased(number: int, fresh_for: object = None) -> Answer:
    """A KV secret as the proxy hands it out."""
    headers = (("X-Vaultgate-Fresh-For", str(fresh_for)),) if fresh_for is not None else ()
    return Answer(200, headers, json.dumps({"data": {"data": {"n": number}}}).encode())


def number(client: Client) -> int:
    """What the KV secret says."""
    return int(client.read(KV).data["data"]["n"])


@pytest.mark.parametrize("hand", ["advance", "freeze"])
def test_what_the_extension_keeps_is_kept_as_long(client: Client, proxy: Proxy, clock: MovableClock, hand: str) -> None:
    """A secret without a lease stays in memory as long as the extension keeps it, by either clock; it still has no end."""
    proxy.answers += [unleased(1, 30), unleased(2, 30)]
    assert (number(client), client.read(KV).expires_in_s()) == (1, -1)
    getattr(clock, hand)(29)
    assert number(client) == 1
    getattr(clock, hand)(1)
    assert number(client) == 2


@pytest.mark.parametrize("hand", ["advance", "freeze", "advance, though the wall clock was set back"])
def test_what_was_taken_back_is_asked_for_anew(
    client: Client, proxy: Proxy, clock: MovableClock, generation: Generation, hand: str
) -> None:
    """A second, by either clock, after the extension has taken something back, nothing from before is handed out."""
    proxy.answers += [leased(1), unleased(1, 30), leased(2), unleased(2, 30)]
    client.read(CREDS)
    number(client)
    generation.advance()
    if "set back" in hand:
        clock.set_back(3600)
    getattr(clock, hand.partition(",")[0])(1)
    assert (client.read(CREDS).lease_id, number(client)) == ("lease-2", 2)
    assert (client.read(CREDS).lease_id, number(client)) == ("lease-2", 2)


def test_one_look_a_second(client: Client, proxy: Proxy, clock: MovableClock, watch: Watching) -> None:
    """The generation file is looked at when a read comes, at most once a second."""
    proxy.answers.append(leased(1))
    for _ in range(10):
        client.read(CREDS)
    assert watch.looks == 1
    clock.advance(0.9)
    client.read(CREDS)
    assert watch.looks == 1
    clock.advance(0.1)
    client.read(CREDS)
    client.read(CREDS)
    assert watch.looks == 2


@pytest.mark.parametrize("seconds", [0, 1, 60])
def test_without_the_file_each_read_asks(
    client: Client, proxy: Proxy, clock: MovableClock, generation: Generation, seconds: float
) -> None:
    """Where there is no generation file, nothing in memory can be trusted."""
    generation.end()
    proxy.answers += [leased(1), leased(2)]
    client.read(CREDS)
    clock.advance(seconds)
    assert client.read(CREDS).lease_id == "lease-2"


def test_memory_ends_with_the_file(client: Client, proxy: Proxy, clock: MovableClock, generation: Generation) -> None:
    """A file that is taken away takes with it what was kept."""
    proxy.answers += [leased(1), leased(2)]
    client.read(CREDS)
    generation.end()
    clock.advance(1)
    assert client.read(CREDS).lease_id == "lease-2"


def test_answer_that_was_taken_back_on_its_way(client: Client, proxy: Proxy, clock: MovableClock, generation: Generation) -> None:
    """An answer that was on its way when something was taken back is not kept as if it had come after that."""
    proxy.answers += [leased(1), leased(2)]
    proxy.meanwhile.append(generation.advance)
    client.read(CREDS)
    clock.advance(1)
    assert client.read(CREDS).lease_id == "lease-2"


def test_answer_that_comes_after_the_look(client: Client, proxy: Proxy, clock: MovableClock, generation: Generation) -> None:
    """An answer that was on its way when another thread saw the new generation isn't kept in that."""
    proxy.answers += [leased(1), unleased(1), leased(2)]
    proxy.meanwhile += [generation.advance, lambda: clock.advance(1), lambda: number(client)]
    client.read(CREDS)
    assert client.read(CREDS).lease_id == "lease-2"


def test_memory_is_bounded(client: Client, proxy: Proxy, clock: MovableClock) -> None:
    """A thousand secrets are kept at a time; what is over makes room."""
    proxy.answers += [leased(one, 10) for one in range(1001)]
    for one in range(1001):
        client.read(f"{CREDS}/{one}")
    proxy.answers.append(leased(7))
    assert client.read(f"{CREDS}/1000").lease_id == "lease-7"
    assert client.read(f"{CREDS}/999").lease_id == "lease-999"
    clock.advance(10)
    proxy.answers.append(leased(8))
    assert [client.read(f"{CREDS}/1000").lease_id for _ in range(2)] == ["lease-8", "lease-8"]


def test_secret_without_a_lease_is_not_kept(client: Client, proxy: Proxy) -> None:
    """KV has no lease: each read asks the extension, which knows how long it may keep it."""
    for one in (1, 2):
        proxy.answers.append(unleased(one))
        secret = client.read(KV)
        assert (secret.data, secret.lease_id, secret.expires_in_s()) == ({"data": {"n": one}}, "", -1)


def test_lifetime_counts_from_asking(client: Client, proxy: Proxy, clock: MovableClock) -> None:
    """The seconds that the answer took are not added to what the extension said."""
    proxy.answers.append(leased(1))
    proxy.meanwhile.append(lambda: clock.advance(7))
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
