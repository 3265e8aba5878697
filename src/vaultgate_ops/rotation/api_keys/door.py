"""The door to an API: one request, one answer, by HTTP/1.1 over checked TLS.

Rules: every request goes through a `Send`, which is where faults are put in tests; nothing is followed, kept or tried again;
an answer is bounded in length and time. What goes wrong is told by method, path and host: an exception of the HTTP library's
may quote the header that holds the key, so none is chained or quoted.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from vaultgate_ops.rotation.errors import RotationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vaultgate_ops.clock import Clock

CONNECT_S, ANSWER_S = 5.0, 15.0
LONGEST_ANSWER = 1024 * 1024
_DONE, _REDIRECT = 200, 300


@dataclass(frozen=True)
class Call:
    """One request.

    Attributes:
        url: without any secret.
        headers: with the key.
        body: JSON as it is sent; None for none.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)

    @property
    def what(self) -> str:
        """The request in an error."""
        parts = urlsplit(self.url)
        return f"{self.method} {parts.path} at {parts.netloc}"


@dataclass(frozen=True)
class Reply:
    """One answer."""

    status: int
    content: bytes = field(repr=False)

    @property
    def done(self) -> bool:
        """Whether it says that what was asked was done: not so an interim answer, which `http.client` takes for the last."""
        return _DONE <= self.status < _REDIRECT


class Send(Protocol):
    """Makes a request, whatever the answer's status is; raises a `RotationError` that says why there is none."""

    def __call__(self, call: Call) -> Reply: ...  # noqa: D102 - the class says it


class Door:
    """A `Send` for real.

    Args:
        ca_file: PEM bundle that may vouch for the API's certificate too, beside the system's: one function has one bundle, which
            for a database is RDS's, and knows no API in the internet. None for the system's alone.
        clock: for the answer's deadline.
        answer_s: from the request to the answer's last byte.
    """

    def __init__(self, ca_file: str | None, clock: Clock, answer_s: float = ANSWER_S) -> None:
        self._ca_file, self._clock, self._answer_s = ca_file, clock, answer_s

    def __call__(self, call: Call) -> Reply:
        """Connect, ask, hang up."""
        connection = self._connected(call)
        try:
            return self._asked(connection, call)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise RotationError(
                "connection-lost",
                f"{call.what} got no whole answer: {type(error).__name__}.",
                "Run the step again; the service does so by itself.",
            ) from None
        finally:
            connection.close()

    def _connected(self, call: Call) -> http.client.HTTPConnection:
        parts = urlsplit(call.url)
        host = parts.hostname or ""
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            port = parts.port or http.client.HTTPS_PORT  # without one the end of an IPv6 address would be taken for it
            connection = http.client.HTTPSConnection(host, port, timeout=CONNECT_S, context=self._context())
        else:
            connection = http.client.HTTPConnection(host, parts.port or http.client.HTTP_PORT, timeout=CONNECT_S)
        try:
            connection.connect()
        except socket.gaierror:
            raise RotationError("host-unknown", f"The name {host} has no address.", "Correct the secret's api.url.") from None
        except ssl.SSLError as error:
            raise RotationError(
                "tls",
                f"No TLS with {parts.netloc}: {error.reason or type(error).__name__}.",
                "Name the API's CA bundle in ROTATION_CA_BUNDLE.",
            ) from None
        except OSError as error:
            raise RotationError(
                "unreachable",
                f"No connection to {parts.netloc}: {type(error).__name__}.",
                "Give the function a way there.",
            ) from None
        return connection

    def _asked(self, connection: http.client.HTTPConnection, call: Call) -> Reply:
        deadline = self._clock.steady() + self._answer_s
        connection.sock.settimeout(self._answer_s)
        connection.response_class = partial(_Answer, left=lambda: deadline - self._clock.steady())  # type: ignore[assignment]  # is called only
        headers = {"Accept": "application/json", "User-Agent": "vaultgate-rotation", **call.headers}
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        connection.request(call.method, _target(call.url), body=call.body, headers=headers)
        with connection.getresponse() as answer:
            content = answer.read(LONGEST_ANSWER + 1)
        if len(content) > LONGEST_ANSWER:
            raise RotationError(
                "api-answer-wrong", f"{call.what} answered with more than {LONGEST_ANSWER} bytes.", "Ask for fewer items."
            )
        if answer.length:
            raise http.client.IncompleteRead(b"", answer.length)
        return Reply(answer.status, content)

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        try:
            if self._ca_file is not None:
                context.load_verify_locations(self._ca_file)
        except OSError as error:
            raise RotationError(
                "tls", f"The CA bundle can't be read: {type(error).__name__}.", "Correct ROTATION_CA_BUNDLE."
            ) from None
        return context


class _Answer(http.client.HTTPResponse):
    """An answer whose head and body have one deadline together: a socket's own time-out is for each piece."""

    def __init__(self, sock: socket.socket, *given: Any, left: Callable[[], float], **named: Any) -> None:
        super().__init__(sock, *given, **named)
        pieces = sock.makefile("rb", buffering=0)
        self.fp.close()
        self.fp = io.BufferedReader(_Timed(sock, pieces, left))


class _Timed(io.RawIOBase):
    """A socket's bytes, each wait for them no longer than what is left."""

    def __init__(self, sock: socket.socket, pieces: io.RawIOBase, left: Callable[[], float]) -> None:
        self._sock, self._pieces, self._left = sock, pieces, left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left_s = self._left()
        if left_s <= 0:
            raise TimeoutError
        self._sock.settimeout(left_s)
        return self._pieces.readinto(buffer)

    def close(self) -> None:
        self._pieces.close()
        super().close()


def _target(url: str) -> str:
    """What stands in the request's first line."""
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
