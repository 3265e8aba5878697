"""HTTP/1.1 as bytes: what is read, what is refused, and that the pieces it comes in don't matter."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaultgate.errors import MalformedRequest, ProtocolViolation, Unreachable, VaultgateError
from vaultgate.http1 import BODY_LIMIT, HEAD_LIMIT, REQUEST_LIMIT, Reader, answer_bytes, keeps_alive, request_bytes
from vaultgate.model import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def arriving(*pieces: bytes) -> Reader:
    """A reader of a stream that comes in these pieces and then ends."""
    rest = list(pieces)

    def receive(size: int) -> bytes:
        if not rest:
            return b""
        piece = rest.pop(0)
        if len(piece) > size:
            rest.insert(0, piece[size:])
        return piece[:size]

    return Reader(receive)


def told(request: Request | None) -> tuple[object, ...] | None:
    """A request's parts, to be compared."""
    return request and (request.method, request.target, request.headers, request.body)


GET = b"GET /v1/secret/data/app?version=2 HTTP/1.1\r\nHost: 127.0.0.1:8200\r\nX-Vault-Request: true\r\n\r\n"
PUT = b"PUT /v1/a HTTP/1.1\r\nHost:127.0.0.1\r\nContent-Length: 5\r\n\r\nhello"


def test_request() -> None:
    """A request is its method, target, headers in order and body."""
    assert told(arriving(GET).request()) == (
        "GET",
        "/v1/secret/data/app?version=2",
        (("Host", "127.0.0.1:8200"), ("X-Vault-Request", "true")),
        b"",
    )
    assert told(arriving(PUT).request()) == ("PUT", "/v1/a", (("Host", "127.0.0.1"), ("Content-Length", "5")), b"hello")


def test_end_between_requests() -> None:
    """A stream that ends where a request could begin is a caller who left; inside one it is broken off."""
    assert arriving().request() is None
    for cut in (1, len(PUT) - 6, len(PUT) - 1):
        with pytest.raises(Unreachable, match="closed inside"):
            arriving(PUT[:cut]).request()


def test_pipelined_requests() -> None:
    """Two requests in one piece are two requests, and nothing is left over."""
    reader = arriving(PUT + GET + PUT)
    assert [told(reader.request()) for _ in range(4)] == [
        told(arriving(PUT).request()),
        told(arriving(GET).request()),
        told(arriving(PUT).request()),
        None,
    ]
    assert reader.idle


def head(*lines: bytes, body: bytes = b"") -> bytes:
    """A POST with these header lines."""
    return b"\r\n".join([b"POST /v1/a HTTP/1.1", b"Host: 127.0.0.1", *lines, b"", b""]) + body


SMUGGLING = {
    "two lengths": head(b"Content-Length: 5", b"Content-Length: 6", body=b"hello!"),
    "two equal lengths": head(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"),
    "two lengths in one": head(b"Content-Length: 5, 5", body=b"hello"),
    "length and chunks": head(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "chunks and length": head(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\n"),
    "two codings": head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=b"0\r\n\r\n"),
    "coding list": head(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"),
    "unknown coding": head(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
    "coding with a vertical tab": head(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"),
    "signed length": head(b"Content-Length: +5", body=b"hello"),
    "negative length": head(b"Content-Length: -5", body=b"hello"),
    "hexadecimal length": head(b"Content-Length: 0x5", body=b"hello"),
    "length with an underscore": head(b"Content-Length: 1_0", body=b"hellohello"),
    "length of a superscript": head(b"Content-Length: \xb2", body=b"he"),
    "empty length": head(b"Content-Length: ", body=b"hello"),
    "length of 16 digits": head(b"Content-Length: 1000000000000000"),
    "space before the colon": head(b"Content-Length : 5", body=b"hello"),
    "tab before the colon": head(b"Content-Length\t: 5", body=b"hello"),
    "folded line": head(b"X-A: b", b" Content-Length: 5", body=b"hello"),
    "folded first line": b"GET /v1/a HTTP/1.1\r\n Host: 127.0.0.1\r\n\r\n",
    "bare LF between headers": b"GET /v1/a HTTP/1.1\r\nHost: 127.0.0.1\nX-A: b\r\n\r\n",
    "bare LF after the request line": b"GET /v1/a HTTP/1.1\nHost: 127.0.0.1\r\n\r\n",
    "bare CR in a value": head(b"X-A: b\rContent-Length: 5", body=b"hello"),
    "NUL in a value": head(b"X-A: b\x00c"),
    "no name": head(b": b"),
    "no colon": head(b"X-A"),
    "name outside ASCII": head(b"X-\xc4: b"),
    "leading blank line": b"\r\nGET /v1/a HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "tab in the request line": b"GET\t/v1/a HTTP/1.1\r\n\r\n",
    "two spaces in the request line": b"GET  /v1/a HTTP/1.1\r\n\r\n",
    "space in the target": b"GET /v1/a b HTTP/1.1\r\n\r\n",
    "no version": b"GET /v1/a\r\n\r\n",
    "absolute target": b"GET http://127.0.0.1/v1/a HTTP/1.1\r\n\r\n",
    "asterisk": b"OPTIONS * HTTP/1.1\r\n\r\n",
    "authority": b"CONNECT 127.0.0.1:8200 HTTP/1.1\r\n\r\n",
    "fragment": b"GET /v1/a#b HTTP/1.1\r\n\r\n",
    "target outside ASCII": b"GET /v1/\xc4 HTTP/1.1\r\n\r\n",
    "control character in the target": b"GET /v1/a\x7f HTTP/1.1\r\n\r\n",
    "method with a colon": b"GE:T /v1/a HTTP/1.1\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}


@pytest.mark.parametrize("raw", SMUGGLING.values(), ids=SMUGGLING.keys())
def test_ambiguous_request_is_refused(raw: bytes) -> None:
    """What two readers could read differently is refused, not interpreted."""
    with pytest.raises(MalformedRequest) as caught:
        arriving(raw).request()
    assert caught.value.status == 400


OTHERS = {
    "old version": (b"GET /v1/a HTTP/1.0\r\n\r\n", 505),
    "new version": (b"GET /v1/a HTTP/2.0\r\n\r\n", 505),
    "small version": (b"GET /v1/a http/1.1\r\n\r\n", 505),
    "chunked body": (head(b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 501),
    "expectation": (head(b"Expect: 100-continue", b"Content-Length: 5"), 417),
    "expectation without a length": (head(b"Expect: 100-continue"), 417),
    "body beyond the bound": (head(b"Content-Length: %d" % (REQUEST_LIMIT + 1)), 413),
    "head beyond the bound": (head(b"X-A: " + b"b" * HEAD_LIMIT), 431),
    "head without an end": (b"GET /v1/" + b"a" * 2 * HEAD_LIMIT, 431),
}


@pytest.mark.parametrize(("raw", "status"), OTHERS.values(), ids=OTHERS.keys())
def test_unsupported_request_has_its_status(raw: bytes, status: int) -> None:
    """What is well-formed but not for us is refused with the status that says so, before a body is read."""
    with pytest.raises(MalformedRequest) as caught:
        arriving(raw).request()
    assert caught.value.status == status


def test_a_body_of_just_the_bound_is_waited_for() -> None:
    """What Vault itself would take by default is taken; the refusal above is of one byte more."""
    with pytest.raises(Unreachable, match="inside a body"):
        arriving(head(b"Content-Length: %d" % REQUEST_LIMIT)).request()


@pytest.mark.parametrize("tail", [b" ", b"\x01", b"b", b"\tb\t"])
def test_blanks_take_linear_time(tail: bytes) -> None:
    """A header of thirty thousand blanks is read at once: a pattern that backtracks would hold the process for hours."""
    raw = head(b"X-A:" + b" " * 30_000 + tail)
    try:
        request = arriving(raw).request()
    except MalformedRequest:
        assert tail == b"\x01"
    else:
        assert request is not None
        assert request.header("X-A") == tail.strip().decode()


def outcome(read: Callable[[], object]) -> object:
    """What reading gives or raises, to be compared."""
    try:
        return read()
    except VaultgateError as error:
        return type(error), str(error), error.status


def cut(raw: bytes, places: Iterable[int]) -> list[bytes]:
    """Raw bytes in the pieces that these places make of them."""
    edges = [0, *sorted({place % (len(raw) + 1) for place in places}), len(raw)]
    return [raw[start:end] for start, end in pairwise(edges) if end > start]


STREAMS = [GET, PUT, PUT + GET, *SMUGGLING.values(), *(raw for raw, _ in OTHERS.values() if len(raw) < 1000)]


@pytest.mark.parametrize("raw", STREAMS)
def test_every_cut_reads_the_same_request(raw: bytes) -> None:
    """A request cut in two anywhere, or into single bytes, is read like one that comes whole."""
    whole = outcome(lambda: told(arriving(raw).request()))
    for place in range(len(raw)):
        assert outcome(lambda place=place: told(arriving(*cut(raw, [place])).request())) == whole  # type: ignore[misc]
    assert outcome(lambda: told(arriving(*cut(raw, range(len(raw)))).request())) == whole


ANSWERS = {
    "with a length": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", (200, b"hello")),
    "in chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2 \r\nlo\r\n0\r\nX-T: 1\r\n\r\n",
        (200, b"hello"),
    ),
    "until the end": (b"HTTP/1.0 200 OK\r\n\r\nhello", (200, b"hello")),
    "without a body": (b"HTTP/1.1 204 No Content\r\n\r\n", (204, b"")),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", (304, b"")),
    "after informational ones": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        (200, b""),
    ),
    "without a reason": (b"HTTP/1.1 403\r\nContent-Length: 0\r\n\r\n", (403, b"")),
    "with a reason of its own": (b"HTTP/1.1 472 \xe4 b\r\nContent-Length: 0\r\n\r\n", (472, b"")),
}


@pytest.mark.parametrize(("raw", "expected"), ANSWERS.values(), ids=ANSWERS.keys())
def test_answer(raw: bytes, expected: tuple[int, bytes]) -> None:
    """An answer is read whichever way its end is told, and however it is cut."""

    def read(*pieces: bytes) -> tuple[int, bytes]:
        answer = arriving(*pieces).answer("GET")
        return answer.status, answer.body

    assert read(raw) == expected
    for place in range(len(raw)):
        assert read(*cut(raw, [place])) == expected
    assert read(*cut(raw, range(len(raw)))) == expected


def test_answer_to_head_has_no_body() -> None:
    """The length in an answer to HEAD is of a body that doesn't come; what follows is the next answer."""
    reader = arriving(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    assert reader.answer("HEAD").status == 200
    assert reader.answer("GET").status == 404


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
VIOLATIONS = {
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "status of two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "status of six hundred": b"HTTP/1.1 600 OK\r\n\r\n",
    "version": b"HTTP/2 200\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bad length": b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    "compressed": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "bare LF": b"HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n",
    "too long": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (BODY_LIMIT + 1),
    "chunk size with a sign": CHUNKED + b"-1\r\n\r\n",
    "chunk size not hexadecimal": CHUNKED + b"g\r\n\r\n",
    "chunk size with 0x": CHUNKED + b"0x1\r\na\r\n0\r\n\r\n",
    "chunk size of nine digits": CHUNKED + b"000000001\r\na\r\n0\r\n\r\n",
    "chunk beyond the bound": CHUNKED + b"ffffffff\r\n",
    "chunk longer than it said": CHUNKED + b"1\r\nab\r\n0\r\n\r\n",
    "chunk line without an end": CHUNKED + b"1" * 2 * HEAD_LIMIT,
    "head without an end": b"HTTP/1.1 200 OK\r\nA: " + b"b" * 2 * HEAD_LIMIT,
}


@pytest.mark.parametrize("raw", VIOLATIONS.values(), ids=VIOLATIONS.keys())
def test_answer_that_is_no_http(raw: bytes) -> None:
    """An answer that breaks the protocol is told as such."""
    with pytest.raises(ProtocolViolation):
        arriving(raw).answer("GET")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        CHUNKED + b"5\r\nhell",
        CHUNKED + b"5\r\nhello\r\n",
    ],
)
def test_answer_that_breaks_off(raw: bytes) -> None:
    """A connection that ends too early is a peer that went away: trying again may help."""
    with pytest.raises(Unreachable, match="closed"):
        arriving(raw).answer("GET")


tokens = st.text("abcXYZ019-_!", min_size=1, max_size=12)
values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_categories=["Cc"]), max_size=30)
framing = {"content-length", "transfer-encoding", "expect"}
headers = st.lists(st.tuples(tokens.filter(lambda name: name.lower() not in framing), values.map(lambda text: text.strip(" \t"))))


@given(st.sampled_from(["GET", "PUT", "LIST"]), st.text("ab/%?=&.", max_size=20), headers, st.binary(max_size=200), st.data())
def test_what_is_written_is_read(method: str, rest: str, pairs: list[tuple[str, str]], body: bytes, data: st.DataObject) -> None:
    """A request that we write is read back as it was, in whatever pieces it arrives, and leaves nothing behind."""
    request = Request(method, "/" + rest, tuple(pairs), body)
    raw = request_bytes(request)
    reader = arriving(*cut(raw, data.draw(st.lists(st.integers(0, len(raw)), max_size=6))))
    back = reader.request()
    assert back is not None
    assert (back.method, back.target, back.body) == (request.method, request.target, request.body)
    assert [pair for pair in back.headers if pair[0].lower() != "content-length"] == pairs
    assert reader.idle


@given(st.sampled_from([200, 204, 403, 503]), headers, st.binary(max_size=200), st.data())
def test_what_is_answered_is_read(status: int, pairs: list[tuple[str, str]], body: bytes, data: st.DataObject) -> None:
    """An answer that we write is read back as it was, in whatever pieces it arrives."""
    answer = Answer(status, tuple(pairs), b"" if status == 204 else body)
    raw = answer_bytes(answer)
    back = arriving(*cut(raw, data.draw(st.lists(st.integers(0, len(raw)), max_size=6)))).answer("GET")
    assert (back.status, back.body) == (answer.status, answer.body)


@given(st.binary(max_size=300))
def test_any_bytes_are_judged(raw: bytes) -> None:
    """Whatever bytes come, the outcome is a request, none, or an error of ours."""
    outcome(arriving(raw).request)
    outcome(lambda: arriving(raw).answer("GET"))
    outcome(lambda: arriving(b"HTTP/1.1 200 OK\r\n" + raw).answer("GET"))


@pytest.mark.parametrize(
    "pair", [("X-A", "b\r\nX-Injected: c"), ("X-A", "b\nc"), ("X-A", "b\x00"), ("X A", "b"), ("X-A:", "b"), ("", "b"), ("Ä", "b")]
)
def test_header_that_would_break_out_is_not_written(pair: tuple[str, str]) -> None:
    """A header that would become two lines, or none, is not written."""
    with pytest.raises(ProtocolViolation):
        request_bytes(Request("GET", "/v1/a", (pair,)))
    with pytest.raises(ProtocolViolation):
        answer_bytes(Answer(200, (pair,)))


@pytest.mark.parametrize("pair", [("X-A", "\u015d"), ("X-A", "\u20ac")])
def test_header_that_the_wire_cannot_carry(pair: tuple[str, str]) -> None:
    """A character outside Latin-1 has no place in a head, and is refused by name of its header only."""
    with pytest.raises(ProtocolViolation, match="X-A"):
        request_bytes(Request("GET", "/v1/a", (pair, ("X-Vault-Token", "hvs.PLANTED"))))


@pytest.mark.parametrize("target", ["v1/a", "/v1/a b", "/v1/a\r\nX: y", "/v1/\xe4", "", "http://a/"])
def test_target_that_would_break_out_is_not_written(target: str) -> None:
    """A target that would break the request line is not written."""
    with pytest.raises(ProtocolViolation):
        request_bytes(Request("GET", target))


def test_answer_to_head_is_written_without_its_body() -> None:
    """The answer to HEAD has the length of the body that isn't sent."""
    raw = answer_bytes(Answer(200, (), b"hello"), to_head=True, close=True)
    assert raw == b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(("value", "alive"), [(None, True), ("keep-alive", True), ("close", False), ("Close, x", False)])
def test_keeps_alive(value: str | None, *, alive: bool) -> None:
    """A connection goes on unless one side says close."""
    assert keeps_alive((("connection", value),) if value else ()) is alive
