"""Bytes as nobody should send them, and what has to hold whatever they are.

The generator glues what has ever confused an HTTP server: two lengths, chunks, folded lines, bare line ends, absolute and
escaped targets, heads without an end, requests inside bodies, then breaks some of it at random. The judge doesn't know what
was meant; it has a reading of its own, stricter than RFC 9112, and finds whatever was accepted and isn't plain in it.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from vaultgate.clock import Clock
from vaultgate.errors import Refused, VaultgateError
from vaultgate.guard import check_door, check_path, uses_our_token
from vaultgate.http1 import HEAD_LIMIT, Reader, answer_bytes, request_bytes
from vaultgate.model import Answer, Origin, Request
from vaultgate.secret import Secret
from vaultgate.values import path_rules
from vaultgate.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from random import Random  # noqa: TID251 - the type of what hypothesis hands out

METHODS = ("GET", "PUT", "POST", "LIST", "HEAD", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get", "G\tT", "", "GE T")
VERSIONS = ("HTTP/1.1",) * 100 + ("HTTP/1.0", "HTTP/2.0", "HTTP/1.1 ", "http/1.1", "HTTP/1.10", "")
ENDS = ("\r\n",) * 60 + ("\n", "\r", "\r\r\n", "\n\r", "\x0b", "\x85", "\r\n ", "\r\n\t")
PIECES = (
    "secret",
    "data",
    "app",
    "sys",
    "mounts",
    "seal",
    "health",
    "auth",
    "token",
    "create",
    "lookup-self",
    "wrapping",
    "..",
    ".",
    "",
)
GLUES = ("/",) * 100 + (
    "//",
    "/./",
    "/../",
    "%2f",
    "%2F",
    "\\",
    "%5c",
    "%252f",
    "?",
    "?list=true&",
    ";",
    "#",
    "%00",
    "%0d%0a",
    "%",
    "\xe4",
    " ",
)
HOSTS = ("127.0.0.1:8200",) * 60 + (
    "localhost",
    "[::1]:1",
    "evil.example.com",
    "127.0.0.1.evil",
    "127.0.0.1@evil",
    "",
    "0",
    "127.0.0.1, a",
)
FIELDS = (
    "X-Vault-Request: true",
    "X-Vault-Request: true",
    "x-vault-request:TRUE",
    "X-Vault-Token: vaultgate",
    "X-Vault-Token: hvs.own",
    "X-Vault-Namespace: team",
    "X-Vault-Wrap-TTL: 60",
    "X-Forwarded-For: 10.0.0.1",
    "Origin: null",
    "Connection: close",
    "Connection: keep-alive, X-Vault-Token",
    "Content-Length: 5",
    "Content-Length: 0",
    "Content-Length: +5",
    "Content-Length: 5, 5",
    "Content-Length: 0x5",
    "Content-Length: 5_0",
    "Content-Length: \xb2",
    "Content-Length : 5",
    "content-length:\t7 ",
    "Content-Length: 99999999999",
    "Content-Length: 9999999999999999",
    "Content-Length:",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding:\x0bchunked",
    "Transfer-Encoding : chunked",
    "TE: trailers",
    "Expect: 100-continue",
    "Upgrade: h2c",
    " folded: 5",
    "\tContent-Length: 5",
    ": nameless",
    "no colon",
    "X-\x00: b",
    "X-A: b\x00c",
    "X-A: b\rContent-Length: 5",
    "X-A: \x7f",
    "X-A: \xff\xe4",
    "X-A:",
)
BODIES = (
    "",
    "",
    "hello",
    "hell",
    "0\r\n\r\n",
    "5\r\nhello\r\n0\r\n\r\n",
    "GET /v1/sys/mounts HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "\r\n",
)
STATUS_LINES = ("HTTP/1.1 200 OK",) * 5 + (
    "HTTP/1.0 200",
    "HTTP/1.1 100 Continue",
    "HTTP/1.1 204",
    "HTTP/1.1 600",
    "HTTP/2 200",
    "SSH-2.0",
)
CHUNKS = (
    "5\r\nhello\r\n",
    "5;a=b\r\nhello\r\n",
    "4\r\nhello\r\n",
    "-1\r\n",
    "ffffffff\r\n",
    "0\r\n\r\n",
    "0\r\nX: y\r\n\r\n",
    "g\r\n",
)
OPEN = {
    "auth/token/lookup-self",
    "auth/token/renew-self",
    "sys/capabilities-self",
    "sys/health",
    "sys/internal/ui/mounts",
    "sys/leases/lookup",
    "sys/leases/renew",
}
OPEN_BELOW = ("sys/internal/ui/mounts/", "sys/wrapping/")
_LIST = path_rules("secret/*")
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def _answer_to_get(reader: Reader) -> Answer:
    return reader.answer("GET")


def _answer_to_head(reader: Reader) -> Answer:
    return reader.answer("HEAD")


def unescape(text: str) -> str:
    """One pass over the escapes, as Go's net/url makes it; what is no escape stays."""
    pieces = text.split("%")
    plain = pieces[0]
    for piece in pieces[1:]:
        try:
            plain += chr(int(piece[:2], 16)) + piece[2:] if len(piece) > 1 else "%" + piece
        except ValueError:
            plain += "%" + piece
    return plain


def touches_the_system(path: str) -> bool:
    """Whether a path belongs to what our token must not do."""
    inside = path in {"sys", "auth/token"} or path.startswith(("sys/", "auth/token/"))
    return inside and path not in OPEN and not path.startswith(OPEN_BELOW)


def readings(target: str) -> list[str]:
    """What servers of all kinds have taken a target's path for: as it is, unescaped once and twice, dots and slashes resolved."""
    once = unescape(target.partition("?")[0])
    found = []
    for plain in (once, unescape(once)):
        below = plain.removeprefix("/v1/").strip("/")
        found += [below, posixpath.normpath(below), posixpath.normpath("/" + plain.lstrip("/")).removeprefix("/v1/")]
    return found


def requests(chance: Random) -> bytes:
    """One to three requests on one connection, or what is left of them."""
    return _broken(b"".join(_request(chance) for _ in range(chance.choice((1, 1, 1, 2, 3)))), chance)


def _request(chance: Random) -> bytes:
    """A plain request but for, on the average, one thing."""
    strange = lambda share=0.12: chance.random() < share  # noqa: E731 - reads as a word
    target = chance.choice(("/", "/v1", "//v1/", "http://127.0.0.1/v1/", "*", "127.0.0.1:80", "")) if strange() else "/v1/"
    pieces = PIECES if strange(0.4) else PIECES[:10]
    words = [chance.choice(pieces) for _ in range(chance.randint(1, 5))]
    if strange():
        at = chance.randrange(len(words))
        words[at] = "".join(f"%{ord(letter):02x}" for letter in words[at])
    target += words[0] + "".join(chance.choice(GLUES) + word for word in words[1:])
    if strange(0.01):
        target += "a" * chance.choice((1000, HEAD_LIMIT, 2 * HEAD_LIMIT))
    method = chance.choice(METHODS if strange() else METHODS[:7])
    lines = [f"{method} {target} {chance.choice(VERSIONS)}", f"Host: {chance.choice(HOSTS)}"]
    if not strange():
        lines.append(chance.choice(FIELDS[:4]))
    body = chance.choice(BODIES) if strange(0.4) else ""
    if body and not strange():
        lines.append(f"Content-Length: {len(body)}")
    if strange(0.3):
        lines.append(chance.choice(FIELDS))
    if strange(0.02):
        lines.append("X-Long: " + chance.choice(("b", " ", "\t")) * chance.choice((1000, HEAD_LIMIT)))
    if strange(0.02):
        lines.pop(chance.randrange(len(lines)))
    end = ENDS if strange() else ENDS[:1]
    return "".join([*(line + chance.choice(end) for line in lines), "\r\n", body]).encode("latin-1")


def answers(chance: Random) -> bytes:
    """What no Vault would answer."""
    lines = [chance.choice(STATUS_LINES)]
    lines += [chance.choice(FIELDS) for _ in range(chance.randint(0, 2))]
    if chance.random() < 0.5:
        lines.append(chance.choice(("Transfer-Encoding: chunked", "Content-Length: 5", "Content-Length: 11")))
    body = "".join(chance.choice(CHUNKS) for _ in range(chance.randint(0, 3))) if chance.random() < 0.5 else chance.choice(BODIES)
    return _broken(("\r\n".join(lines) + "\r\n\r\n" + body).encode("latin-1"), chance)


def _broken(raw: bytes, chance: Random) -> bytes:
    """Sometimes with a byte changed, taken out or put in, cut off, or with a piece of it twice."""
    if chance.random() < 0.85 or not raw:
        return raw
    broken = bytearray(raw)
    for _ in range(chance.randint(1, 3)):
        at, kind = chance.randrange(len(broken) + 1), chance.randrange(5)
        if kind == 0:
            broken[at:at] = bytes([chance.randrange(256)])
        elif kind == 1:
            del broken[at : at + 1]
        elif kind == 2:
            broken[at : at + 1] = chance.choice((b"\r", b"\n", b" ", b"\x00", b":", b"%", b"/"))
        elif kind == 3:
            del broken[at:]
        else:
            broken[at:at] = broken[max(0, at - 20) : at]
    return bytes(broken)


class Recorder:
    """A transport that keeps what it is to send."""

    def __init__(self) -> None:
        self.sent: Request | None = None

    def exchange(self, origin: Origin, request: Request, deadline: float) -> Answer:  # noqa: ARG002 - a transport takes them
        """Keep it."""
        self.sent = request
        return Answer(200)


class Judge:
    """Reads what comes by our parser and by its own eyes, and asks the guard.

    Attributes:
        seen: how often each outcome was met, by its words.
    """

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self._recorder = Recorder()
        self._vault = Vault(self._recorder, Origin("https", "vault.example.com", 8200), "team", 0, Clock())

    def requests(self, raw: bytes, cuts: Iterable[int]) -> None:
        """Judge a connection's bytes, as they come whole and in pieces.

        Raises:
            AssertionError: something was accepted that has another reading, or passed the guard and shouldn't have.
        """
        accepted, end = _read(raw, (), Reader.request)
        assert _parts(*_read(raw, cuts, Reader.request)) == _parts(accepted, end), raw
        self.seen[end.partition(", not")[0]] += 1
        place = 0
        for request in accepted:
            place = _plainly(raw, place, request)
            self.seen["accepted"] += 1
            self._guard(request, raw)

    def answers(self, raw: bytes, cuts: Iterable[int]) -> None:
        """Judge what came from upstream: the same however it is cut, and nothing raised but errors of ours."""
        for take in (_answer_to_get, _answer_to_head):
            answered, end = _read(raw, (), take)
            assert _parts(*_read(raw, cuts, take)) == _parts(answered, end), raw
            self.seen[end] += 1
            for answer in answered:
                self.seen["answered"] += 1
                kept = tuple(pair for pair in answer.headers if pair[0].lower() not in {"content-length", "transfer-encoding"})
                (back,), _ = _read(answer_bytes(Answer(answer.status, kept, answer.body)), (), _answer_to_get)
                assert (back.status, back.body) == (answer.status, answer.body), raw

    def _guard(self, request: Request, raw: bytes) -> None:
        try:
            check_door(request, "header")
            if not uses_our_token(request):
                self.seen["own token"] += 1
                return
            check_path(request)
        except Refused as refused:
            self.seen[_told(refused, request)] += 1
            return
        self.seen["passed"] += 1
        assert not any(touches_the_system(path) for path in readings(request.target)), raw
        assert not {"origin", "x-forwarded-for"} & {name.lower() for name, _ in request.headers}, raw
        try:
            below = check_path(request, _LIST)
            self.seen["passed a list"] += below.startswith("secret/")
        except Refused:
            pass
        else:
            inside = all(path.startswith("secret/") for path in readings(request.target))
            assert inside or below in OPEN or below.startswith(OPEN_BELOW), raw
        self._forward(request, raw)

    def _forward(self, request: Request, raw: bytes) -> None:
        """What goes on to Vault is one request, with our token once, and nothing of the framing that came."""
        self._vault.forward(request, Secret("hvs.OURS"), 1e12)
        sent = self._recorder.sent
        assert sent is not None
        onward = request_bytes(sent)
        (back,), end = _read(onward, (), Reader.request)
        assert end == "the end", raw
        _plainly(onward, 0, back)
        assert [value for name, value in back.headers if name.lower() == "x-vault-token"] == ["hvs.OURS"], raw
        assert (back.method, back.target, back.body) == (request.method, request.target, request.body), raw
        assert not {"host", "expect", "connection", "upgrade", "te"} & {name.lower() for name, _ in back.headers}, raw


def _read(raw: bytes, cuts: Iterable[int], take: Callable[[Reader], Any]) -> tuple[list[Any], str]:
    """Every message in the bytes, cut at these places, and in which words it ended."""
    edges = [0, *sorted({cut % (len(raw) + 1) for cut in cuts}), len(raw)]
    pieces = [raw[start:end] for start, end in pairwise(edges) if end > start][::-1]

    def receive(size: int) -> bytes:
        piece = pieces.pop() if pieces else b""
        if len(piece) > size:
            pieces.append(piece[size:])
        return piece[:size]

    reader, found = Reader(receive), []
    while True:
        try:
            message = take(reader)
        except VaultgateError as error:
            return found, error.message
        if message is None:
            return found, "the end"
        found.append(message)


def _told(refused: Refused, request: Request) -> str:
    """Why the guard refused, without what it looked at."""
    message = refused.message.replace(repr(request.path), "it").replace(request.method, "it")
    return "it is denied to the extension's token" if message.endswith("denied to the extension's token") else message


def _parts(messages: list[Any], end: str) -> tuple[object, ...]:
    """All that can be told of what was read, to be compared."""
    return end, [[getattr(message, name) for name in message.__slots__] for message in messages]


def _plainly(raw: bytes, place: int, request: Request) -> int:
    """Read the request at a place the only way there is, and give the place behind it.

    Raises:
        AssertionError: it can be read otherwise, or says otherwise.
    """
    head, blank, rest = raw[place:].partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    assert blank, raw
    assert not {b"\r", b"\n", b"\x00"} & {bytes([byte]) for byte in b"".join([first, *lines])}, raw
    assert first == f"{request.method} {request.target} HTTP/1.1".encode(), raw
    assert request.target.startswith("/"), raw
    assert first.count(b" ") == 2, raw
    fields = [(name.lower(), value.strip(b" \t")) for name, _, value in (line.partition(b":") for line in lines)]
    assert all(_NAME.fullmatch(name) for name, _ in fields), raw
    assert not {b"transfer-encoding", b"expect"} & {name for name, _ in fields}, raw
    assert fields == [(name.lower().encode(), value.encode("latin-1")) for name, value in request.headers], raw
    lengths = [value for name, value in fields if name == b"content-length"]
    assert len(lengths) <= 1, raw
    assert all(re.fullmatch(b"[0-9]+", length) for length in lengths), raw
    length = int(lengths[0]) if lengths else 0
    assert request.body == rest[:length], raw
    assert len(request.body) == length, raw
    return place + len(head) + 4 + length
