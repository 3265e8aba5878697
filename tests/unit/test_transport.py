"""Bytes with deadlines, over real sockets and real TLS on loopback."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
from tests.simulators.certificates import DAY, Authority
from tests.simulators.clock import MovableClock
from tests.simulators.fork import in_a_fork
from tests.simulators.loopback import OK, always, answering, loopback, silent

from vaultgate.clock import Clock
from vaultgate.errors import ConfigurationError, DeadlineExceeded, ProtocolViolation, Unreachable
from vaultgate.model import Origin, Request, TlsSettings
from vaultgate.transport import FOREVER, Connections, require_readable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GET = Request("GET", "/v1/a")


@pytest.fixture
def connections() -> Iterator[Connections]:
    """The real network with the real clock."""
    made = Connections(Clock())
    yield made
    made.close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority that the tests' servers have their certificates from."""
    return Authority(tmp_path)


def ask(connections: Connections, origin: Origin, seconds: float = 10) -> bytes:
    """The body of an answer that must come within so many seconds."""
    return connections.exchange(origin, GET, Clock().steady() + seconds).body


def test_exchange(connections: Connections) -> None:
    """A request arrives with its Host, the origin's prefix before its path, and its answer comes back."""
    with loopback(always()) as server:
        origin = Origin("http", "127.0.0.1", server.origin.port, "/vault")
        answer = connections.exchange(origin, Request("PUT", "/v1/a", (("X-A", "b"),), b"{}"), Clock().steady() + 10)
    assert (answer.status, answer.body) == (200, b"ok")
    [request] = server.requests
    assert (request.method, request.target, request.body) == ("PUT", "/vault/v1/a", b"{}")
    assert request.headers == (("Host", f"127.0.0.1:{origin.port}"), ("X-A", "b"), ("Content-Length", "2"))


def test_connection_is_used_again(connections: Connections) -> None:
    """Several requests in a row share one connection."""
    with loopback(always()) as server:
        assert [ask(connections, server.origin) for _ in range(3)] == [b"ok"] * 3
        assert server.connections == 1


def test_connection_close_is_heeded(connections: Connections) -> None:
    """After an answer that says close, the next request has a connection of its own."""
    closing = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with loopback(answering(closing)) as server:
        assert [ask(connections, server.origin) for _ in range(2)] == [b"ok"] * 2
        assert server.connections == 2


@pytest.mark.parametrize("hand", ["advance", "freeze"])
def test_old_connection_is_not_used(hand: str) -> None:
    """A connection that rested for half a minute on either clock may be dead without telling: a new one is opened."""
    clock = MovableClock()
    connections = Connections(clock)
    with loopback(always()) as server:
        for pause in (0, 29, 31):
            getattr(clock, hand)(pause)
            connections.exchange(server.origin, GET, FOREVER)
        connections.close()
        assert server.connections == 2


def test_server_restart_costs_nothing(connections: Connections) -> None:
    """A kept connection that the server closed meanwhile is noticed before it is used."""
    with loopback(always()) as server:
        ask(connections, server.origin)
    with loopback(always(), port=server.origin.port) as again:
        assert ask(connections, again.origin) == b"ok"
        assert again.connections == 1


def test_unasked_words_spoil_a_connection(connections: Connections) -> None:
    """A server that says more than it was asked, as in response splitting, is not believed in the next exchange."""
    with loopback(answering(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged", OK)) as server:
        assert [ask(connections, server.origin) for _ in range(2)] == [b"ok"] * 2
        assert server.connections == 2


def test_nobody_listens(connections: Connections) -> None:
    """A port where nobody listens is told at once, with the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unreachable, match=f"http://127.0.0.1:{port} can't be reached: nobody listens there"):
        ask(connections, Origin("http", "127.0.0.1", port))


def test_what_was_never_sent_is_told_from_what_may_have_been_carried_out(connections: Connections) -> None:
    """Where no connection came about, somebody else can be asked, whatever the request was."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unreachable) as refused:
        ask(connections, Origin("http", "127.0.0.1", port))
    with loopback(answering(b"")) as server, pytest.raises(Unreachable) as broken:
        ask(connections, server.origin)
    with loopback(silent) as server, pytest.raises(DeadlineExceeded) as late:
        ask(connections, server.origin, 0.05)
    assert [caught.value.sent for caught in (refused, broken, late)] == [False, True, True]


def test_name_that_does_not_resolve(connections: Connections) -> None:
    """A name that DNS doesn't know is told as that; .invalid is reserved for never being known."""
    with pytest.raises(Unreachable, match=r"the name 'vault\.invalid' can't be resolved"):
        ask(connections, Origin("http", "vault.invalid", 8200))


def test_a_silent_resolver_ends_at_the_deadline() -> None:
    """The system's resolver has time-outs of its own, many seconds long: a name server that is away doesn't outlive ours."""
    answered = threading.Event()

    def resolve(*_: object, **__: object) -> list[Any]:
        answered.wait(10)
        return []

    connections = Connections(Clock(), resolve=resolve)
    with pytest.raises(DeadlineExceeded, match=r"the name 'vault\.internal' was not resolved in time") as caught:
        ask(connections, Origin("http", "vault.internal", 8200), 0.05)
    assert (caught.value.sent, answered.is_set()) == (False, False)
    answered.set()


def test_an_address_needs_no_resolver() -> None:
    """It is its own answer, and costs no thread."""
    with loopback(always()) as server:
        threads: list[int] = []

        def resolve(*asked: Any, **options: Any) -> Any:
            threads.append(threading.get_ident())
            return socket.getaddrinfo(*asked, **options)

        noticing = Connections(Clock(), resolve=resolve)
        assert ask(noticing, server.origin) == b"ok"
        assert threads == [threading.get_ident()]
        noticing.close()


def test_silence_ends_at_the_deadline(connections: Connections) -> None:
    """A server that takes the request and says nothing is left at the deadline."""
    with loopback(silent) as server, pytest.raises(DeadlineExceeded, match="did not answer in time"):
        ask(connections, server.origin, 0.05)


def test_dripping_ends_at_the_deadline() -> None:
    """The deadline is of the whole answer: a server that sends a byte now and then doesn't lengthen it."""
    clock = MovableClock()
    connections = Connections(clock)

    def drip(connection: socket.socket, next_request: object) -> None:
        assert callable(next_request)
        next_request()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 60000000\r\n\r\n")
        while True:
            clock.advance(0.01)
            connection.sendall(b".")

    with loopback(drip) as server, pytest.raises(DeadlineExceeded):
        connections.exchange(server.origin, GET, clock.steady() + 5)


@pytest.mark.parametrize("late_s", [0.0, 5.0])
def test_past_deadline_sends_nothing(late_s: float) -> None:
    """With no time left nothing is sent, not even over a kept connection."""
    clock = MovableClock()
    connections = Connections(clock)
    with loopback(always()) as server:
        connections.exchange(server.origin, GET, FOREVER)
        with pytest.raises(DeadlineExceeded):
            connections.exchange(server.origin, GET, clock.steady() - late_s)
        assert len(server.requests) == 1
        connections.close()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", Unreachable),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", Unreachable),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", ProtocolViolation),
    ],
)
def test_broken_answer_ends_its_connection(connections: Connections, answer: bytes, error: type[Exception]) -> None:
    """After an answer that broke off, or was none, the next request begins afresh."""
    with loopback(answering(answer)) as server:
        with pytest.raises(error):
            ask(connections, server.origin)
        with pytest.raises(error):
            ask(connections, server.origin)
        assert server.connections == 2


def trusting(authority: Authority, **settings: str) -> Connections:
    """A network that trusts an authority."""
    return Connections(Clock(), TlsSettings(str(authority.certificate_file), **settings))


def test_tls(authority: Authority) -> None:
    """With the right authority, name and time, TLS works, and its connection is used again."""
    connections = trusting(authority)
    with loopback(always(), authority.server("127.0.0.1")) as server:
        assert [ask(connections, server.origin) for _ in range(3)] == [b"ok"] * 3
        assert server.connections == 1
        connections.close()


@pytest.mark.parametrize(("host", "days", "word"), [("127.0.0.1", -1, "expired"), ("vault.example.com", 1, "127.0.0.1")])
def test_bad_certificate_is_refused(authority: Authority, host: str, days: int, word: str) -> None:
    """An expired certificate and one for somebody else are refused, each in words, with the setting that may help."""
    with loopback(always(), authority.server(host, days * DAY)) as server:
        with pytest.raises(Unreachable) as caught:
            ask(trusting(authority), server.origin)
        assert "certificate" in caught.value.message
        assert word in caught.value.message
        assert "VAULT_CACERT" in caught.value.hint
        assert server.requests == []


@pytest.mark.parametrize("own", [True, False])
def test_unknown_authority_is_refused(authority: Authority, tmp_path: Path, *, own: bool) -> None:
    """A certificate that our authority did not sign is refused, and so is any of a private one where none is set."""
    stranger = Connections(Clock(), TlsSettings(str(Authority(tmp_path, "other").certificate_file)) if own else None)
    with loopback(always(), authority.server("127.0.0.1")) as server:
        with pytest.raises(Unreachable, match="certificate"):
            ask(stranger, server.origin)
        assert server.requests == []


def test_server_name(authority: Authority) -> None:
    """VAULT_TLS_SERVER_NAME is the name that is expected, whatever the address."""
    connections = trusting(authority, server_name="vault.example.com")
    with loopback(always(), authority.server("vault.example.com")) as server:
        assert ask(connections, server.origin) == b"ok"
        connections.close()


def test_skip_verify(authority: Authority) -> None:
    """VAULT_SKIP_VERIFY takes anybody's certificate."""
    connections = Connections(Clock(), TlsSettings(verify=False))
    with loopback(always(), authority.server("nobody.example.com", -DAY)) as server:
        assert ask(connections, server.origin) == b"ok"
        connections.close()


def test_client_certificate(authority: Authority) -> None:
    """A Vault that asks for a certificate gets ours, and refuses us without it."""
    certificate, key = (str(file) for file in authority.issue("client"))
    known = trusting(authority, client_certificate=certificate, client_key=key)
    with loopback(always(), authority.server("127.0.0.1", asks_for=authority)) as server:
        assert ask(known, server.origin) == b"ok"
        known.close()
        with pytest.raises(Unreachable):
            ask(trusting(authority), server.origin)


def test_clear_text_where_tls_is_expected(connections: Connections) -> None:
    """A server that doesn't speak TLS is told as that."""

    def speak_first(connection: socket.socket, _: object) -> None:
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with loopback(speak_first) as server, pytest.raises(Unreachable, match="TLS"):
        ask(connections, Origin("https", "127.0.0.1", server.origin.port))


def test_tls_restart_costs_nothing(authority: Authority) -> None:
    """Over TLS too a connection that the server closed meanwhile is noticed before it is used."""
    connections = trusting(authority)
    context = authority.server("127.0.0.1")
    with loopback(always(), context) as server:
        ask(connections, server.origin)
    with loopback(always(), context, server.origin.port) as again:
        assert ask(connections, again.origin) == b"ok"
        connections.close()


@pytest.mark.parametrize(
    "content", [None, b"", b"not a certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_unreadable_authority_is_a_wrong_setting(tmp_path: Path, content: bytes | None) -> None:
    """A VAULT_CACERT that isn't there or holds no certificate is told by its name."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    connections = Connections(Clock(), TlsSettings(str(file)))
    with loopback(silent) as server, pytest.raises(ConfigurationError, match="VAULT_CACERT"):
        ask(connections, Origin("https", "127.0.0.1", server.origin.port))


def test_unreadable_client_certificate_is_a_wrong_setting(authority: Authority, tmp_path: Path) -> None:
    """A client certificate that can't be read is told by its variables."""
    connections = trusting(authority, client_certificate=str(tmp_path / "absent"), client_key=str(tmp_path / "absent"))
    with loopback(silent) as server, pytest.raises(ConfigurationError, match="VAULT_CLIENT_CERT"):
        ask(connections, Origin("https", "127.0.0.1", server.origin.port))


# Python 3.12 warns of any fork beside threads; the server of this test is one.
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_fork_has_conversations_of_its_own(connections: Connections) -> None:
    """A forked child opens its own connection, and leaves its parent's for the parent to go on with."""
    with loopback(always()) as server:
        ask(connections, server.origin)
        assert in_a_fork(lambda: ask(connections, server.origin) == b"ok")
        ask(connections, server.origin)
        assert server.connections == 2
        assert len(server.requests) == 3


def test_certificate_files_are_looked_at_before_the_first_connection(authority: Authority, tmp_path: Path) -> None:
    """A missing file, one that is no PEM, and a folder that isn't there are all named at once; good ones pass."""
    empty = tmp_path / "empty.pem"
    empty.touch()
    with pytest.raises(ConfigurationError) as caught:
        require_readable(TlsSettings(str(tmp_path / "none.pem"), str(empty), str(empty), None))
    told = "\n".join(caught.value.problems)
    assert "VAULT_CACERT" in told
    assert "VAULT_CAPATH" in told
    assert "VAULT_CLIENT_CERT" in told
    require_readable(TlsSettings(str(authority.certificate_file), str(tmp_path)))
    require_readable(TlsSettings())
