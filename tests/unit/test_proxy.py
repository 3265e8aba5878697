"""The loopback door over real sockets: HTTP in, the guard's verdict, the broker's answer out."""

from __future__ import annotations

import errno
import json
import socket
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.simulators.extension import CREDS, Beside, Extension, user

from vaultgate.clock import Clock
from vaultgate.errors import Unreachable
from vaultgate.http1 import Reader
from vaultgate.model import Answer, Origin, Request
from vaultgate.outlets.proxy import Proxy, bind
from vaultgate.transport import Connections
from vaultgate.values import path_rules

if TYPE_CHECKING:
    from collections.abc import Iterator

ASKED = ("X-Vault-Request", "true")
HEAD = b"Host: 127.0.0.1\r\nX-Vault-Request: true\r\n"


class Door:
    """An extension whose proxy is open."""

    def __init__(self, extension: Extension, listener: socket.socket, connections: Connections) -> None:
        self.extension = extension
        self.address: tuple[str, int] = listener.getsockname()[:2]
        self._connections = connections

    def ask(self, method: str, path: str, *headers: tuple[str, str], body: bytes = b"") -> Answer:
        """An answer to a well-formed request."""
        origin = Origin("http", *self.address)
        return self._connections.exchange(origin, Request(method, path, headers, body), Clock().steady() + 10)

    def say(self, raw: bytes) -> tuple[list[int], bool]:
        """Statuses of the answers to raw bytes, and whether the proxy hung up by itself."""
        with socket.create_connection(self.address, timeout=10) as connection:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            reader = Reader(connection.recv)
            statuses = []
            while True:
                try:
                    answer = reader.answer("GET")
                except Unreachable:
                    return statuses, False
                statuses.append(answer.status)
                if answer.header("Connection") == "close":
                    return statuses, connection.recv(1) == b""


@contextmanager
def opened(mode: str = "header", **options: Any) -> Iterator[Door]:
    """A door that is open while the block runs."""
    extension = Extension()
    listener = bind(("127.0.0.1", 0))
    proxy = Proxy(listener, extension.broker, mode, extension.log, **options)
    connections = Connections(Clock())
    proxy.start()
    try:
        yield Door(extension, listener, connections)
    finally:
        connections.close()
        listener.shutdown(socket.SHUT_RDWR)
        proxy.close()


@pytest.fixture
def door() -> Iterator[Door]:
    """A door in `header` mode."""
    with opened() as made:
        yield made


def test_secret_through_the_door(door: Door) -> None:
    """A read through the proxy is Vault's answer with our labels."""
    first, second = (door.ask("GET", f"/v1/{CREDS}", ASKED) for _ in range(2))
    assert user(first) == user(second)
    assert [one.header("X-Vaultgate-Cache") for one in (first, second)] == ["miss", "hit"]
    assert first.header("Content-Type") == "application/json"


@pytest.mark.parametrize(
    ("path", "headers", "word"),
    [
        (f"/v1/{CREDS}", (), "X-Vault-Request"),
        (f"/v1/{CREDS}", (ASKED, ("Origin", "http://evil.example.com")), "Origin"),
        (f"/v1/{CREDS}", (ASKED, ("X-Forwarded-For", "10.0.0.1")), "X-Forwarded-For"),
        ("/v1/sys/mounts", (ASKED,), "token of your own"),
        ("/v1/%73ys/mounts", (ASKED,), "token of your own"),
    ],
)
def test_guard_speaks_vaults_language(door: Door, path: str, headers: tuple[tuple[str, str], ...], word: str) -> None:
    """Whoever is refused gets a 403 that any Vault client shows, with the way to pass, and Vault hears nothing of it."""
    answer = door.ask("GET", path, *headers)
    assert (answer.status, answer.header("X-Vaultgate-Error")) == (403, "refused")
    assert word in "; ".join(json.loads(answer.body)["errors"])
    assert door.extension.server.seen == []
    assert door.extension.events == ["refused"]


def test_lists_rule_our_token_and_nobody_elses() -> None:
    """VAULTGATE_ALLOW and VAULTGATE_DENY hold for the extension's token; whoever brings their own is Vault's to judge."""
    with opened(allow=path_rules("secret/*"), deny=path_rules("GET secret/data/absent")) as door:
        assert door.ask("GET", "/v1/secret/data/records", ASKED).ok
        for path in (f"/v1/{CREDS}", "/v1/secret/data/absent", "/v1/secret/data/%61bsent"):
            answer = door.ask("GET", path, ASKED)
            assert (answer.status, answer.header("X-Vaultgate-Error")) == (403, "refused")
        assert [path for _, path in door.extension.server.seen if "login" not in path] == ["secret/data/records"]
        root = ("X-Vault-Token", door.extension.server.root_token)
        assert door.ask("GET", f"/v1/{CREDS}", root).ok


def raw_get(path: str, *headers: str) -> bytes:
    """A GET as it goes over the wire."""
    return "\r\n".join([f"GET {path} HTTP/1.1", *headers, "", ""]).encode()


@pytest.mark.parametrize("mode", ["header", "warn", "open"])
def test_a_rebound_name_is_refused(mode: str) -> None:
    """A page whose name was rebound to 127.0.0.1 may send any header, but its Host is its own name: no mode lets it in."""
    with opened(mode) as door:
        for host in ("attacker.example.com", "attacker.example.com:8200", "127.0.0.1.nip.io:8200", "localtest.me"):
            assert door.say(raw_get(f"/v1/{CREDS}", f"Host: {host}", "X-Vault-Request: true"))[0] == [403]
        assert door.extension.server.seen == []


def test_a_plain_get_that_was_forged_is_refused(door: Door) -> None:
    """A fetch that was talked into our address (SSRF) chooses its URL, not its headers: a client's usual ones don't pass."""
    host, port = door.address
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://{host}:{port}/v1/{CREDS}", timeout=10)
    with refused.value as answer:
        assert answer.code == 403
        assert b"X-Vault-Request" in answer.read()
    usual = ("Host: 127.0.0.1:8200", "User-Agent: curl/8.5.0", "Accept: */*")
    assert door.say(raw_get(f"/v1/{CREDS}", *usual))[0] == [403]
    # Line ends in a URL are what lets such a fetch add headers; an HTTP client that escapes them gets nowhere either.
    assert door.say(raw_get(f"/v1/{CREDS}%20HTTP/1.1%0d%0aX-Vault-Request:%20true", *usual))[0] == [403]
    assert door.extension.server.seen == []


def test_whoever_dribbles_is_cut_off() -> None:
    """A client that sends a byte now and then, each in good time, is told so and cut off when its request takes too long."""
    with opened(request_s=0.3) as door, socket.create_connection(door.address, timeout=10) as connection:
        connection.sendall(b"GET /v1/a HTTP/1.1\r\n" + HEAD)
        connection.settimeout(0.02)
        while True:
            try:
                connection.sendall(b"a")
                first = connection.recv(1)
                break
            except TimeoutError:
                continue
        connection.settimeout(10)
        rest = [first]
        assert Reader(lambda size: rest.pop() if rest else connection.recv(size)).answer("GET").status == 408
        assert door.ask("GET", f"/v1/{CREDS}", ASKED).ok


def test_a_body_that_dribbles_is_cut_off() -> None:
    """The same holds for a body that doesn't come to its end."""
    with opened(request_s=0.3) as door, socket.create_connection(door.address, timeout=10) as connection:
        connection.sendall(b"PUT /v1/a HTTP/1.1\r\n" + HEAD + b"Content-Length: 100\r\n\r\nabc")
        assert Reader(connection.recv).answer("PUT").status == 408
        assert door.extension.server.seen == []


def test_a_client_that_rests_is_not_slow() -> None:
    """The time between two requests isn't counted, however short a request's time is."""
    with opened(request_s=0.05) as door, socket.create_connection(door.address, timeout=10) as connection:
        reader = Reader(connection.recv)
        for _ in range(3):
            connection.sendall(b"GET /v1/secret/data/records HTTP/1.1\r\n" + HEAD + b"\r\n")
            assert reader.answer("GET").status == 200
            connection.settimeout(0.1)
            with pytest.raises(TimeoutError):
                connection.recv(1)
            connection.settimeout(10)


def test_own_token_may_go_anywhere(door: Door) -> None:
    """With a token of their own a caller reaches what ours may not."""
    root = ("X-Vault-Token", door.extension.server.root_token)
    assert door.ask("GET", "/v1/secret/data/records", root).ok
    assert door.ask("GET", "/v1/sys/mounts", root).status == 404
    assert door.extension.server.logins == 0


def test_warn_mode_lets_in_and_logs() -> None:
    """In `warn` mode a request without the header passes and leaves a line; in `open` mode it just passes."""
    with opened("warn") as door:
        assert door.ask("GET", f"/v1/{CREDS}").ok
        assert "guard" in door.extension.events
    with opened("open") as door:
        assert door.ask("GET", f"/v1/{CREDS}").ok
        assert "guard" not in door.extension.events


def test_unreachable_vault_says_when_to_come_back(door: Door) -> None:
    """Without Vault the answer is a 503 with Retry-After."""
    door.extension.server.state = "gone"
    answer = door.ask("GET", f"/v1/{CREDS}", ASKED)
    assert (answer.status, answer.header("Retry-After"), answer.header("X-Vaultgate-Error")) == (503, "1", "unreachable")


def test_an_open_circuit_says_when_to_come_back(door: Door) -> None:
    """The longer Vault was gone, the later: Retry-After is the time until it is tried again, in whole seconds."""
    door.extension.server.state = "gone"
    said = []
    for _ in range(3):
        door.ask("GET", f"/v1/{CREDS}", ASKED)
    for _ in range(3):
        answer = door.ask("GET", f"/v1/{CREDS}", ASKED)
        assert answer.header("X-Vaultgate-Error") == "circuit-open"
        said.append(int(answer.header("Retry-After") or 0))
        door.extension.clock.advance(said[-1])
        door.ask("GET", f"/v1/{CREDS}", ASKED)
    assert said == [1, 2, 3]


def test_fault_of_ours_is_an_answer(door: Door) -> None:
    """Whatever we did wrong, the caller gets a 500 and the log a line; the extension goes on."""
    door.extension.server.afterwards("auth/aws/login", lambda: 1 / 0)  # type: ignore[arg-type, return-value]
    answer = door.ask("GET", f"/v1/{CREDS}", ASKED)
    assert (answer.status, answer.header("X-Vaultgate-Error")) == (500, "internal")
    assert [line["kind"] for line in door.extension.logged if line["event"] == "internal"] == ["ZeroDivisionError"]
    assert door.ask("GET", f"/v1/{CREDS}", ASKED).ok


def test_whoever_rests_for_too_long_loses_the_connection() -> None:
    """A connection that nobody speaks on is not kept for ever, and its end costs nobody else anything."""
    with opened(rest_s=0.1) as door, socket.create_connection(door.address, timeout=10) as connection:
        connection.sendall(b"GET /v1/secret/data/records HTTP/1.1\r\n" + HEAD + b"\r\n")
        reader = Reader(connection.recv)
        assert reader.answer("GET").status == 200
        assert reader.idle
        assert connection.recv(1) == b""
        assert door.ask("GET", f"/v1/{CREDS}", ASKED).ok


def test_a_large_answer_waits_for_its_reader(door: Door) -> None:
    """An answer that the system has no room for at once arrives whole, and the next one after it."""
    door.extension.server.kv["records"] = {"a": "x" * 12_000_000}
    get = b"GET /v1/secret/data/records HTTP/1.1\r\n" + HEAD + b"\r\n"
    with socket.create_connection(door.address, timeout=10) as connection:
        connection.sendall(get + get)
        reader = Reader(connection.recv)
        for _ in range(2):
            assert len(json.loads(reader.answer("GET").body)["data"]["data"]["a"]) == 12_000_000


def test_write_through_the_door(door: Door) -> None:
    """A body reaches Vault as it was sent."""
    door.extension.server.policies["records"] += (("secret/data/records", {"update"}),)
    assert door.ask("PUT", "/v1/secret/data/records", ASKED, body=b'{"data": {"a": "\xc3\xa4"}}').ok
    assert door.extension.server.kv["records"] == {"a": "ä"}


def test_head_has_no_body(door: Door) -> None:
    """The answer to HEAD ends with its head; the connection goes on."""
    raw = b"HEAD /v1/secret/data/records HTTP/1.1\r\n" + HEAD + b"\r\n"
    with socket.create_connection(door.address, timeout=10) as connection:
        reader = Reader(connection.recv)
        for _ in range(2):
            connection.sendall(raw)
            assert reader.answer("HEAD").status == 200
            assert reader.idle


def test_pipelined_requests_are_answered_in_order(door: Door) -> None:
    """Two requests in one piece get two answers, in their order."""
    absent = b"GET /v1/secret/data/absent HTTP/1.1\r\n" + HEAD + b"\r\n"
    there = b"GET /v1/secret/data/records HTTP/1.1\r\n" + HEAD + b"\r\n"
    assert door.say(there + absent + there) == ([200, 403, 200], False)


def test_connection_close_is_heeded(door: Door) -> None:
    """A client that says close is hung up on after its answer."""
    with socket.create_connection(door.address, timeout=10) as connection:
        connection.sendall(b"GET /v1/secret/data/records HTTP/1.1\r\n" + HEAD + b"Connection: close\r\n\r\n")
        assert Reader(connection.recv).answer("GET").header("Connection") == "close"
        assert connection.recv(1) == b""


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET /v1/a HTTP/1.1\r\nHost: 127.0.0.1\nX-Vault-Request: true\r\n\r\n", 400),
        (b"GET http://127.0.0.1/v1/a HTTP/1.1\r\n" + HEAD + b"\r\n", 400),
        (b"POST /v1/a HTTP/1.1\r\n" + HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST /v1/a HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n", 501),
        (b"GET /v1/a HTTP/1.0\r\n" + HEAD + b"\r\n", 505),
    ],
)
def test_malformed_request_ends_the_conversation(door: Door, raw: bytes, status: int) -> None:
    """After what could be read in two ways nothing more is read from that connection, and Vault heard nothing."""
    assert door.say(raw) == ([status], True)
    assert door.extension.server.seen == []


def test_caller_that_leaves_does_no_harm(door: Door) -> None:
    """A caller that hangs up in the middle costs only itself."""
    assert door.say(b"GET /v1/a HT") == ([], False)
    assert door.ask("GET", f"/v1/{CREDS}", ASKED).ok


def test_early_caller_waits_in_the_backlog() -> None:
    """Between bind and start a caller is kept waiting, not refused."""
    extension = Extension()
    listener = bind(("127.0.0.1", 0))
    connections = Connections(Clock())
    try:
        door = Door(extension, listener, connections)
        early = Beside(lambda: door.ask("GET", f"/v1/{CREDS}", ASKED))
        proxy = Proxy(listener, extension.broker, "header", extension.log)
        proxy.start()
        assert early.result().ok
        listener.shutdown(socket.SHUT_RDWR)
    finally:
        connections.close()
        listener.close()


def test_port_taken() -> None:
    """A port that is taken is the system's error, for whoever builds the extension to put into words."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        bind(taken.getsockname()[:2])


def test_a_refusal_arrives_although_its_body_was_not_read(door: Door) -> None:
    """Whoever sends more than is taken still reads why: the proxy doesn't reset the connection over what it left unread."""
    with socket.create_connection(door.address, timeout=10) as connection:
        connection.sendall(b"POST /v1/a HTTP/1.1\r\n" + HEAD + b"Content-Length: 99999999\r\n\r\n" + bytes(300_000))
        connection.shutdown(socket.SHUT_WR)
        assert Reader(connection.recv).answer("POST").status == 413
        assert connection.recv(1) == b""


class _Exhausted(socket.socket):
    """A listener whose process is out of descriptors once."""

    def accept(self) -> tuple[socket.socket, Any]:
        if self.gettimeout() is None:
            self.settimeout(10)
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


def test_the_door_outlives_a_shortage() -> None:
    """When the system can't give a connection, the door logs that and goes on to accept."""
    extension = Extension()
    listener = _Exhausted(fileno=bind(("127.0.0.1", 0)).detach())
    proxy = Proxy(listener, extension.broker, "header", extension.log)
    connections = Connections(Clock())
    proxy.start()
    try:
        assert Door(extension, listener, connections).ask("GET", f"/v1/{CREDS}", ASKED).ok
        assert extension.events[0] == "not-accepted"
    finally:
        connections.close()
        listener.shutdown(socket.SHUT_RDWR)
        proxy.close()


def test_resting_connections_leave_room(door: Door) -> None:
    """However many clients keep their connection open without a word, the next one is served."""
    resting = []
    try:
        for _ in range(64):
            resting.append(connection := socket.create_connection(door.address, timeout=10))
            connection.sendall(b"GET /v1/sys/vaultgate/health HTTP/1.1\r\n" + HEAD + b"\r\n")
            assert Reader(connection.recv).answer("GET").status == 200
        assert door.ask("GET", f"/v1/{CREDS}", ASKED).ok
    finally:
        for connection in resting:
            connection.close()
