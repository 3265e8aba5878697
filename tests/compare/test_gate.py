"""The gate before a store: what passes, what is counted, and what shut means."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from vaultgate_ops.compare.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that says everything back; its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                came, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=say_back, args=(came,), daemon=True).start()

    def say_back(came: socket.socket) -> None:
        with came:
            while chunk := came.recv(4096):
                came.sendall(chunk)

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def connect(gate: Gate) -> socket.socket:
    return socket.create_connection(("127.0.0.1", gate.port), timeout=10)


def said_back(connection: socket.socket, text: bytes) -> bytes:
    connection.sendall(text)
    received = b""
    while len(received) < len(text):
        received += connection.recv(4096)
    return received


def test_open_it_passes_everything(echo: int) -> None:
    """Both ways, byte for byte, for several at once."""
    with Gate("127.0.0.1", echo) as gate, connect(gate) as one, connect(gate) as other:
        assert said_back(one, b"a" * 100_000) == b"a" * 100_000
        assert said_back(other, b"b") == b"b"


def test_shut_it_refuses_and_cuts_off(echo: int) -> None:
    """Who is inside is thrown out, who comes is refused; opened again, it is on the same port."""
    with Gate("127.0.0.1", echo) as gate:
        with connect(gate) as inside:
            assert said_back(inside, b"hello") == b"hello"
            gate.shut()
            assert inside.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            connect(gate)
        port = gate.port
        gate.open()
        assert gate.port == port
        with connect(gate) as again:
            assert said_back(again, b"hello") == b"hello"


def test_calls_are_counted_by_their_target(echo: int, eventually: Callable[[Callable[[], object]], None]) -> None:
    """Whatever the header's case, and however its bytes come in pieces; a body that quotes half a header is no call."""
    request = b"POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: secretsmanager.GetSecretValue\r\nContent-Length: 0\r\n\r\n"
    with Gate("127.0.0.1", echo) as gate, connect(gate) as connection:
        said_back(connection, request)
        said_back(connection, request[:40])
        said_back(connection, request[40:])
        said_back(connection, request.replace(b"X-Amz-Target", b"x-amz-target").replace(b"GetSecretValue", b"DescribeSecret"))
        said_back(connection, b"POST / HTTP/1.1\r\n\r\nX-Amz-Target:")
        eventually(lambda: gate.total == 3)
        assert gate.calls == {"secretsmanager.GetSecretValue": 2, "secretsmanager.DescribeSecret": 1}
