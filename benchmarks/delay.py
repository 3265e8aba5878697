"""A reverse proxy before Vault that makes logins slow and counts every call.

Rules: only the login waits, everything else passes at once; messages pass as the bytes they came in, so that what is
measured is the two ends; connections are kept alive as long as both ends keep them. It answers one path itself, the count
of calls. Nothing that passes is logged.

Source: RFC 9112, sections 6 (length of a body) and 9 (connections).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import ssl
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Sleep = Callable[[float], Awaitable[None]]

LOGIN_PATH = "/v1/auth/aws/login"
CALLS_PATH = "/-/calls"
"""Answered by the proxy itself: a JSON object, ``METHOD /path`` to how often it was called since the start."""

_LAST_INFORMATIONAL = 199
_NO_BODY = frozenset({204, 304})
_HEAD_LIMIT = 64 * 1024


class Message(NamedTuple):
    """An HTTP message as it came.

    Attributes:
        first: the request line or status line.
        raw: all of its bytes.
        last: nothing may follow it on its connection.
    """

    first: str
    raw: bytes
    last: bool


async def receive(reader: asyncio.StreamReader, method: str | None = None) -> Message | None:
    """The next message of a stream; None where the stream ended before it began.

    Args:
        reader: the stream.
        method: of the request that this is the answer to; None to receive a request.

    Raises:
        EOFError, ValueError, asyncio.LimitOverrunError: it breaks off, or is no HTTP.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    fields = {name.strip().lower(): value.strip().lower() for name, _, value in (line.partition(":") for line in lines)}
    last = "close" in fields.get("connection", "") or (first if method is None else first[:8]).endswith("HTTP/1.0")
    if method is not None:
        status = int(first.split(" ")[1])
        if method == "HEAD" or status <= _LAST_INFORMATIONAL or status in _NO_BODY:
            return Message(first, head, last)
    if "chunked" in fields.get("transfer-encoding", ""):
        return Message(first, head + await _chunks(reader), last)
    if "content-length" in fields:
        return Message(first, head + await reader.readexactly(int(fields["content-length"])), last)
    if method is None:
        return Message(first, head, last)
    return Message(first, head + await reader.read(), last=True)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    """A chunked body with its framing and trailers."""
    raw = b""
    while True:
        line = await reader.readuntil(b"\r\n")
        size = int(line.split(b";")[0], 16)
        raw += line
        if not size:
            break
        raw += await reader.readexactly(size + 2)
    while line != b"\r\n":
        line = await reader.readuntil(b"\r\n")
        raw += line
    return raw


class DelayProxy:
    """The proxy; one object serves any number of ports, each with a delay of its own.

    Args:
        upstream: base URL of Vault, http or https.
        ca_file: whom to trust for https.
        sleep: how to wait, in seconds; tests pass one that only takes note.
    """

    def __init__(self, upstream: str, ca_file: str | None = None, sleep: Sleep = asyncio.sleep) -> None:
        parts = urlsplit(upstream)
        self._host, self._port = parts.hostname or "", parts.port or 0
        self._tls = ssl.create_default_context(cafile=ca_file) if parts.scheme == "https" else None
        self._sleep = sleep
        self._calls: Counter[str] = Counter()

    async def listen(self, port: int, delay_s: float, tls: ssl.SSLContext | None = None) -> asyncio.Server:
        """Serve on 127.0.0.1.

        Args:
            port: 0 for one of the kernel's choice.
            delay_s: how long a login waits before it is passed on, in seconds.
            tls: the certificate to show; None for plain HTTP.
        """

        async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # Ends that leave in the middle are theirs to explain.
            with contextlib.suppress(OSError, EOFError, ValueError, asyncio.LimitOverrunError):
                await self._converse(reader, writer, delay_s)
            await _hang_up(writer)

        return await asyncio.start_server(converse, "127.0.0.1", port, ssl=tls, limit=_HEAD_LIMIT)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
        upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        try:
            while (request := await receive(reader)) is not None:
                method, target, _ = request.first.split(" ")
                path = target.partition("?")[0]
                if path == CALLS_PATH:
                    body = json.dumps(self._calls).encode()
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
                    last = request.last
                else:
                    self._calls[f"{method} {path}"] += 1
                    if path == LOGIN_PATH:
                        await self._sleep(delay_s)
                    if upstream is None or upstream[0].at_eof():
                        upstream = await self._renewed(upstream)
                    last = await self._pass_on(request, method, upstream, writer)
                await writer.drain()
                if last:
                    return
        finally:
            if upstream is not None:
                await _hang_up(upstream[1])

    async def _renewed(
        self, dead: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if dead is not None:
            await _hang_up(dead[1])
        return await asyncio.open_connection(self._host, self._port, ssl=self._tls, limit=_HEAD_LIMIT)

    async def _pass_on(
        self,
        request: Message,
        method: str,
        upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        writer: asyncio.StreamWriter,
    ) -> bool:
        """Pass a request on and its answer back; True if nothing may follow."""
        upstream[1].write(request.raw)
        await upstream[1].drain()
        while True:
            answer = await receive(upstream[0], method)
            if answer is None:
                raise EOFError
            writer.write(answer.raw)
            if int(answer.first.split(" ")[1]) > _LAST_INFORMATIONAL:
                return answer.last or request.last


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        writer.close()
        await writer.wait_closed()


async def _main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.delay")
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--ca", required=True)
    parser.add_argument("--certificate", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--listen", action="append", required=True, metavar="PORT:DELAY_MS")
    arguments = parser.parse_args()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(arguments.certificate, arguments.key)
    proxy = DelayProxy(arguments.upstream, arguments.ca)
    for place in arguments.listen:
        port, _, delay_ms = place.partition(":")
        await proxy.listen(int(port), int(delay_ms) / 1000, tls)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())
