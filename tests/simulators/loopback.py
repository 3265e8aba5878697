"""A server on a loopback port that says, byte for byte, what a test wants said."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from vaultgate.errors import VaultgateError
from vaultgate.http1 import Reader
from vaultgate.model import Origin, Request

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    Conversation = Callable[[socket.socket, Callable[[], Request | None]], None]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def answering(*answers: bytes) -> Conversation:
    """A conversation that answers each request with the next of these, and hangs up after the last."""

    def converse(connection: socket.socket, next_request: Callable[[], Request | None]) -> None:
        for answer in answers:
            if next_request() is None:
                return
            connection.sendall(answer)

    return converse


def always(answer: bytes = OK) -> Conversation:
    """A conversation that answers every request alike, until the client hangs up."""

    def converse(connection: socket.socket, next_request: Callable[[], Request | None]) -> None:
        while next_request() is not None:
            connection.sendall(answer)

    return converse


def silent(connection: socket.socket, next_request: Callable[[], Request | None]) -> None:
    """Take the request and never answer; ends when the client hangs up."""
    while next_request() is not None:
        pass


class Loopback:
    """A server that is up.

    Attributes:
        origin: where it is.
        requests: every request that came, over all connections.
        connections: how many clients connected.
    """

    def __init__(self, converse: Conversation, context: ssl.SSLContext | None, port: int) -> None:
        self._converse = converse
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", port))
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self.origin = Origin("https" if context else "http", "127.0.0.1", self._listener.getsockname()[1])
        self.requests: list[Request] = []
        self.connections = 0
        self._threads[0].start()

    def close(self) -> None:
        """Hang up everywhere and stop listening."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError, VaultgateError), connection:
            if self._context is None:
                self._speak(connection)
                return
            with self._context.wrap_socket(connection, server_side=True) as encrypted:
                self._open.append(encrypted)
                self._speak(encrypted)

    def _speak(self, connection: socket.socket) -> None:
        reader = Reader(connection.recv)

        def next_request() -> Request | None:
            request = reader.request()
            if request is not None:
                self.requests.append(request)
            return request

        self._converse(connection, next_request)


@contextmanager
def loopback(converse: Conversation, context: ssl.SSLContext | None = None, port: int = 0) -> Iterator[Loopback]:
    """Run a server while the block runs; port 0 lets the kernel choose."""
    server = Loopback(converse, context, port)
    try:
        yield server
    finally:
        server.close()
