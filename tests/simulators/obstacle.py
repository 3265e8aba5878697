"""Something between a function and the real Vault: a server over TLS that relays requests, unless a test says otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vaultgate.clock import Clock
from vaultgate.http1 import answer_bytes
from vaultgate.model import Answer, Request, TlsSettings
from vaultgate.transport import Connections
from vaultgate.values import origin

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from tests.simulators.loopback import Conversation

    from vaultgate_ops.local.stack import Stack

_FRAMING = {"connection", "content-length", "host", "transfer-encoding"}
_PATIENCE_S = 30.0


def relaying(stack: Stack, instead: Callable[[Request], Answer | None]) -> Conversation:
    """A conversation that asks the stack's Vault.

    Args:
        stack: whose Vault.
        instead: is shown each request first, and may answer it, or take its time.
    """
    clock = Clock()

    def converse(connection: socket.socket, next_request: Callable[[], Request | None]) -> None:
        vault = Connections(clock, TlsSettings(str(stack.vault.ca_file)))
        try:
            while (request := next_request()) is not None:
                end = clock.steady() + _PATIENCE_S
                answer = instead(request) or vault.exchange(origin(stack.vault.address), _plain(request), end)
                headers = tuple(header for header in answer.headers if header[0].lower() not in _FRAMING)
                whole = Answer(answer.status, headers, answer.body)
                connection.sendall(answer_bytes(whole, to_head=request.method == "HEAD"))
        finally:
            vault.close()

    return converse


def _plain(request: Request) -> Request:
    headers = tuple(header for header in request.headers if header[0].lower() not in _FRAMING)
    return Request(request.method, request.target, headers, request.body)
