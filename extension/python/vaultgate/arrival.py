"""The first milliseconds: the loopback port taken and Lambda told of us, before anything else is imported.

The runtime starts only once every extension has registered, so whatever is imported before that delays the function's init,
and whatever is imported after it runs beside it. Rules: nothing is imported but `_socket`, the half of `socket` that is C
and costs a fourteenth of it; nothing is judged here: what isn't plain is left to `process`, which says what is wrong.
Source of the call: AWS Lambda Developer Guide, "Using the Lambda Extensions API to create extensions".
"""

from __future__ import annotations

import _socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

ON_DEMAND = "on-demand"
SNAP_START = "snap-start"
MANAGED = "lambda-managed-instances"
"""How a sandbox came to be, in the words of AWS_LAMBDA_INITIALIZATION_TYPE; provisioned concurrency is treated as on demand."""

BACKLOG = 128
_DEFAULT_LISTEN = "127.0.0.1:8200"
_CALL_S = 5.0
_HEAD_BYTES = 16 * 1024
_LAST_PORT = 65535


class Arrival:
    """What was done.

    Args:
        identifier: what Lambda calls us in this sandbox.
        fileno: of the listening socket; whoever takes it closes it.
    """

    __slots__ = ("fileno", "identifier")

    def __init__(self, identifier: str, fileno: int) -> None:
        self.identifier = identifier
        self.fileno = fileno


def kind_of(environ: Mapping[str, str]) -> str:
    """How this sandbox came to be."""
    kind = environ.get("AWS_LAMBDA_INITIALIZATION_TYPE", "").strip()
    return kind if kind in {SNAP_START, MANAGED} else ON_DEMAND


def events_of(kind: str) -> tuple[str, ...]:
    """What to register for; Managed Instances refuse a registration for INVOKE, because many run at once."""
    return ("SHUTDOWN",) if kind == MANAGED else ("INVOKE", "SHUTDOWN")


def arrive(environ: Mapping[str, str], name: str) -> Arrival | None:
    """Listen, then register; None where nothing was done, because the settings ask for another order or something failed.

    Args:
        environ: the process's.
        name: the launcher's file name, by which Lambda knows the extension.
    """
    address = _listen_address(environ)
    if address is None:
        return None
    listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    try:
        listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        identifier = _register(environ.get("AWS_LAMBDA_RUNTIME_API", ""), name, events_of(kind_of(environ)))
    except (OSError, ValueError):
        identifier = ""
    if not identifier:
        listener.close()
        return None
    return Arrival(identifier, listener.detach())


def _listen_address(environ: Mapping[str, str]) -> tuple[str, int] | None:
    """The port to take first; None where the settings don't plainly ask for one, or for something slow before registering."""
    start = environ.get("VAULTGATE_START", "").strip().lower()
    if environ.get("VAULTGATE_GUARD", "").strip().lower() == "secret":
        return None
    if environ.get("VAULTGATE_CONFIG", "").strip():
        return None
    if start not in {"", "overlap", "early"} or environ.get("VAULT_RUN_MODE", "").strip().lower() == "file":
        return None
    if not start and any(name.startswith("VAULT_SECRET_PATH") and text.strip() for name, text in environ.items()):
        return None
    host, _, port = (environ.get("VAULTGATE_LISTEN", "").strip() or _DEFAULT_LISTEN).rpartition(":")
    if host != "127.0.0.1" or not (port.isascii() and port.isdecimal() and 1 <= int(port) <= _LAST_PORT):
        return None
    return host, int(port)


def _register(api: str, name: str, events: tuple[str, ...]) -> str:
    """What Lambda calls us; empty where it refused."""
    host, _, port = api.rpartition(":")
    named = ", ".join(f'"{event}"' for event in events)
    body = f'{{"events": [{named}]}}'
    request = (
        f"POST /2020-01-01/extension/register HTTP/1.1\r\nHost: {api}\r\nLambda-Extension-Name: {name}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
    )
    connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    try:
        connection.settimeout(_CALL_S)
        connection.connect((host, int(port)))
        connection.sendall(request.encode())
        head = b""
        while b"\r\n\r\n" not in head and len(head) < _HEAD_BYTES:
            piece = connection.recv(_HEAD_BYTES)
            if not piece:
                return ""
            head += piece
    finally:
        connection.close()
    status, *lines = head.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    if status.split(" ")[1:2] != ["200"]:
        return ""
    headers = (line.partition(":") for line in lines)
    return next((value.strip() for key, _, value in headers if key.lower() == "lambda-extension-identifier"), "")
