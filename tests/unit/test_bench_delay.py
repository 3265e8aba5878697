"""The proxy that makes logins slow, between a client and a server that both count connections."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING

import pytest
from benchmarks.delay import CALLS_PATH, LOGIN_PATH, DelayProxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\nab\r\n\r\n2\r\ncd\r\n0\r\nTrailer: t\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
CONTINUED = b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
ENDLESS = b"HTTP/1.1 200 OK\r\n\r\nuntil the end"


class Between:
    """A proxy before a server that answers by a script, and one client's connection to the proxy.

    Attributes:
        received: what reached the server, request by request.
        connections: how many the server was offered.
        pauses_s: how long the proxy would have waited, each time it did.
    """

    def __init__(self, answers: Sequence[bytes], hang_up_after: int = 99) -> None:
        self._answers = list(answers)
        self._hang_up_after = hang_up_after
        self.received: list[bytes] = []
        self.connections = 0
        self.pauses_s: list[float] = []

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError):
            for _ in range(self._hang_up_after):
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0] or 0)
                self.received.append(head + await reader.readexactly(length))
                answer = self._answers.pop(0)
                writer.write(answer)
                if answer in (CLOSING, ENDLESS):
                    break
        writer.close()
        await writer.wait_closed()

    async def _sleep(self, seconds: float) -> None:
        self.pauses_s.append(seconds)

    @contextlib.asynccontextmanager
    async def client(self, delay_s: float = 0.0) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Connect to the proxy."""
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0) as server:
            upstream = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            proxy = DelayProxy(upstream, sleep=self._sleep)
            async with await proxy.listen(0, delay_s) as listener:
                reader, writer = await asyncio.open_connection(*listener.sockets[0].getsockname())
                yield reader, writer
                writer.close()
                await writer.wait_closed()
                conversations = asyncio.all_tasks() - {asyncio.current_task()}
                if conversations:
                    await asyncio.wait(conversations, timeout=20)


def request(target: str, method: str = "GET", body: bytes = b"", headers: str = "") -> bytes:
    """A request with what the proxy has to understand."""
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{method} {target} HTTP/1.1\r\nHost: vault\r\n{headers}{length}\r\n".encode() + body


async def exchange(client: tuple[asyncio.StreamReader, asyncio.StreamWriter], question: bytes, answer: bytes) -> None:
    """Ask, and see the answer come back byte for byte."""
    client[1].write(question)
    async with asyncio.timeout(20):
        assert await client[0].readexactly(len(answer)) == answer


def test_connections_are_kept_on_both_sides() -> None:
    """Three requests with bodies and without pass unchanged over one connection at either end."""
    questions = [request("/v1/a"), request("/v1/b", "PUT", b'{"x": 1}'), request("/v1/c?list=true")]

    async def scene() -> Between:
        between = Between([OK] * 3)
        async with between.client() as client:
            for question in questions:
                await exchange(client, question, OK)
        return between

    between = asyncio.run(scene())
    assert between.received == questions
    assert between.connections == 1


def test_only_the_login_waits() -> None:
    """The delay of the port meets the login, with a query too, and nothing else."""

    async def scene() -> Between:
        between = Between([OK] * 4)
        async with between.client(delay_s=0.2) as client:
            for target in ("/v1/secret/data/records", LOGIN_PATH, LOGIN_PATH + "?x=y", "/v1/auth/aws/role/records"):
                await exchange(client, request(target, "PUT", b"{}"), OK)
        return between

    assert asyncio.run(scene()).pauses_s == [0.2, 0.2]


def test_calls_are_counted_by_method_and_path() -> None:
    """Asking for the count reaches nobody and is not counted."""

    async def scene() -> tuple[bytes, Between]:
        between = Between([OK] * 3)
        async with between.client() as client:
            for question in (request("/v1/a"), request("/v1/a?x=y"), request("/v1/a", "PUT", b"{}")):
                await exchange(client, question, OK)
            client[1].write(request(CALLS_PATH, headers="Connection: close\r\n"))
            async with asyncio.timeout(20):
                return await client[0].read(), between

    told, between = asyncio.run(scene())
    assert json.loads(told.partition(b"\r\n\r\n")[2]) == {"GET /v1/a": 2, "PUT /v1/a": 1}
    assert len(between.received) == 3


@pytest.mark.parametrize(
    ("method", "answer"),
    [("GET", CHUNKED), ("HEAD", HEAD), ("GET", NO_CONTENT), ("GET", CONTINUED)],
    ids=["chunked", "head", "no content", "informational"],
)
def test_an_answer_ends_where_its_framing_says(method: str, answer: bytes) -> None:
    """The next request on the same connection gets its own answer."""

    async def scene() -> Between:
        between = Between([answer, OK])
        async with between.client() as client:
            await exchange(client, request("/v1/a", method), answer)
            await exchange(client, request("/v1/b"), OK)
        return between

    assert asyncio.run(scene()).connections == 1


@pytest.mark.parametrize("answer", [CLOSING, ENDLESS], ids=["said", "by ending"])
def test_a_server_that_closes_closes_the_client_too(answer: bytes) -> None:
    """After an answer that nothing may follow, the client sees the end and not silence."""

    async def scene() -> bytes:
        async with Between([answer]).client() as client:
            client[1].write(request("/v1/a"))
            async with asyncio.timeout(20):
                return await client[0].read()

    assert asyncio.run(scene()) == answer


def test_a_client_that_closes_is_let_go() -> None:
    """A request with Connection: close gets its answer, then the end."""

    async def scene() -> bytes:
        async with Between([OK, OK]).client() as client:
            client[1].write(request("/v1/a", headers="Connection: close\r\n"))
            async with asyncio.timeout(20):
                return await client[0].read()

    assert asyncio.run(scene()) == OK
