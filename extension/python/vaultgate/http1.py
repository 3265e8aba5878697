"""HTTP/1.1 as bytes, for all three of our conversations: Vault's API, Lambda's, and the loopback proxy.

Rules: no sockets here, a `Reader` is handed the function that receives. What two readers could take differently (RFC
9112, section 11: two lengths, a length beside chunks, folded lines, a bare CR or LF) is refused, never interpreted.
Every size has a bound. `http.client` would do for the client's half, at 33 modules and 9 ms of each cold start.
"""

from __future__ import annotations

import re

from vaultgate.errors import MalformedRequest, ProtocolViolation, Unreachable
from vaultgate.model import Answer, Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from vaultgate.errors import VaultgateError
    from vaultgate.model import Headers

    # Made only where it is raised: an exception of ours costs as much as two header lines.
    Refusal = Callable[[], VaultgateError]

HEAD_LIMIT = 32 * 1024
# Vault's own default, its listener's max_request_size: what is larger it would refuse, and we would have held it for nothing.
REQUEST_LIMIT = 32 * 1024 * 1024
BODY_LIMIT = 64 * 1024 * 1024
_RECEIVE = 64 * 1024
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(r"/[!-~]*")
# Blanks around a value are stripped by hand: three adjoining repetitions that all match a blank take cubic time.
_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t\x20-\x7e\x80-\xff]*)")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(;[^\r\n]*)?")
_STATUS = re.compile(r"HTTP/1\.[01] ([1-5][0-9]{2})( [^\x00-\x08\x0a-\x1f\x7f]*)?")
_REASONS = {
    200: "OK",
    204: "No Content",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Content Too Large",
    417: "Expectation Failed",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}
_NO_BODY = frozenset({204, 304})
_FRAMING = frozenset({"content-length", "transfer-encoding", "expect"})
_LAST_INFORMATIONAL = 199


class Reader:
    """Takes messages out of a stream of bytes.

    Args:
        receive: like `socket.recv`: at most n bytes, none at the end of the stream. What it raises goes through.
    """

    __slots__ = ("_buffer", "_receive")

    def __init__(self, receive: Callable[[int], bytes]) -> None:
        self._receive = receive
        self._buffer = bytearray()

    @property
    def idle(self) -> bool:
        """Whether nothing has been received that was not taken."""
        return not self._buffer

    def request(self) -> Request | None:
        """The next request, or None where the stream ended between two.

        Raises:
            MalformedRequest: with the status to answer.
        """
        head = self._head(lambda: MalformedRequest("the head is too large", 431))
        if head is None:
            return None
        first, _, rest = head.partition("\r\n")
        parts = first.split(" ")
        if len(parts) != 3 or not _TOKEN.fullmatch(parts[0]):  # noqa: PLR2004 - method, target, version
            raise MalformedRequest("the request line is malformed")
        method, target, version = parts
        if version != "HTTP/1.1":
            raise MalformedRequest(f"only HTTP/1.1 is spoken here, not {version[:16]!r}", 505)
        if not _TARGET.fullmatch(target) or "#" in target:
            raise MalformedRequest("the request target must be a path")
        headers = _fields(rest, lambda: MalformedRequest("a header line is malformed"))
        if _FRAMING.isdisjoint([name.lower() for name, _ in headers]):
            return Request(method, target, headers)
        length = _length(headers, lambda: MalformedRequest("the length of the body is ambiguous"))
        if length == _CHUNKED:
            raise MalformedRequest("chunked request bodies are not accepted", 501)
        if _has(headers, "expect"):
            raise MalformedRequest("Expect is not supported", 417)
        if length > REQUEST_LIMIT:
            raise MalformedRequest("the body is too large", 413)
        return Request(method, target, headers, self._exactly(max(length, 0)))

    def answer(self, method: str) -> Answer:
        """The answer to a request that was sent with `method`; informational ones are passed over.

        Raises:
            ProtocolViolation: for what isn't HTTP.
            Unreachable: for a stream that ends too early.
        """
        while True:
            head = self._head(lambda: ProtocolViolation("the head of the answer is too large"))
            if head is None:
                raise Unreachable("the connection was closed before an answer came")
            first, _, rest = head.partition("\r\n")
            match = _STATUS.fullmatch(first)
            if not match:
                raise ProtocolViolation("what came back is not HTTP")
            status = int(match[1])
            headers = _fields(rest, lambda: ProtocolViolation("a header of the answer is malformed"))
            if status > _LAST_INFORMATIONAL:
                break
        if method == "HEAD" or status in _NO_BODY:
            return Answer(status, headers)
        length = _length(headers, lambda: ProtocolViolation("the length of the answer is ambiguous"))
        if length > BODY_LIMIT:
            raise ProtocolViolation("the answer is too large")
        if length == _CHUNKED:
            return Answer(status, headers, self._chunks())
        return Answer(status, headers, self._rest() if length == _UNTOLD else self._exactly(length))

    def _head(self, too_large: Refusal) -> str | None:
        searched = 0
        while True:
            end = self._buffer.find(b"\r\n\r\n", searched)
            if end >= 0:
                break
            if len(self._buffer) > HEAD_LIMIT:
                raise too_large()
            searched = max(0, len(self._buffer) - 3)
            received = self._receive(_RECEIVE)
            if not received:
                if self._buffer:
                    raise Unreachable("the connection was closed inside a head")
                return None
            self._buffer += received
        if end > HEAD_LIMIT:
            raise too_large()
        head = self._buffer[:end].decode("latin-1")
        del self._buffer[: end + 4]
        return head

    def _exactly(self, length: int) -> bytes:
        while len(self._buffer) < length:
            self._more()
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        return body

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > HEAD_LIMIT:
                raise ProtocolViolation("a chunk's head is too large")
            self._more()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def _chunks(self) -> bytes:
        body = bytearray()
        while True:
            match = _CHUNK.fullmatch(self._line())
            if not match:
                raise ProtocolViolation("a chunk's head is malformed")
            length = int(match[1], 16)
            if len(body) + length > BODY_LIMIT:
                raise ProtocolViolation("the answer is too large")
            if not length:
                while self._line():
                    pass  # trailers say nothing we need
                return bytes(body)
            body += self._exactly(length)
            if self._line():
                raise ProtocolViolation("a chunk is longer than it said")

    def _rest(self) -> bytes:
        while received := self._receive(_RECEIVE):
            self._buffer += received
            if len(self._buffer) > BODY_LIMIT:
                raise ProtocolViolation("the answer is too large")
        return self._exactly(len(self._buffer))

    def _more(self) -> None:
        received = self._receive(_RECEIVE)
        if not received:
            raise Unreachable("the connection was closed inside a body")
        self._buffer += received


_UNTOLD = -1
_CHUNKED = -2


def _fields(text: str, malformed: Refusal) -> Headers:
    fields = []
    for line in text.split("\r\n") if text else ():
        match = _FIELD.fullmatch(line)
        if not match:
            raise malformed()
        fields.append((match[1], match[2].strip(" \t")))
    return tuple(fields)


def _has(headers: Headers, name: str) -> bool:
    return any(key.lower() == name for key, _ in headers)


def _length(headers: Headers, ambiguous: Refusal) -> int:
    """Bytes of the body, `_UNTOLD` or `_CHUNKED`."""
    lengths = [value for name, value in headers if name.lower() == "content-length"]
    codings = [value.lower() for name, value in headers if name.lower() == "transfer-encoding"]
    if codings:
        if codings != ["chunked"] or lengths:
            raise ambiguous()
        return _CHUNKED
    if not lengths:
        return _UNTOLD
    if len(lengths) > 1 or not lengths[0].isascii() or not lengths[0].isdigit() or len(lengths[0]) > 15:  # noqa: PLR2004 - a petabyte
        raise ambiguous()
    return int(lengths[0])


def keeps_alive(headers: Headers) -> bool:
    """Whether the connection may carry another message after one with these headers."""
    return not any(name.lower() == "connection" and "close" in value.lower() for name, value in headers)


def request_bytes(request: Request) -> bytes:
    """A request for the wire. Its body's length is added; other framing headers must not be among its own.

    Raises:
        ProtocolViolation: for a header or target that would break out of its line.
    """
    lines = [f"{request.method} {request.target} HTTP/1.1", *_lines(request.headers)]
    if request.body or request.method in {"POST", "PUT", "PATCH"}:
        lines.append(f"Content-Length: {len(request.body)}")
    if not _TARGET.fullmatch(request.target):
        raise ProtocolViolation("a request target holds characters that can't stand in a request line")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + request.body


def answer_bytes(answer: Answer, *, to_head: bool = False, close: bool = False) -> bytes:
    """An answer for the wire: `to_head` leaves out the body, `close` says that nothing follows."""
    lines = [f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'Status')}", *_lines(answer.headers)]
    if answer.status not in _NO_BODY:
        lines.append(f"Content-Length: {len(answer.body)}")
    if close:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (b"" if to_head else answer.body)


def _lines(headers: Headers) -> list[str]:
    lines = []
    for name, value in headers:
        plain = value.isascii() and value.isprintable()  # as nearly all are, and this is the quickest way to see it
        if not (_TOKEN.fullmatch(name) and (plain or _FIELD.fullmatch(f"{name}:{value}"))):
            raise ProtocolViolation(f"the header {name[:40]!r} can't stand in a head")
        lines.append(f"{name}: {value}")
    return lines
