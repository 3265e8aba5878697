"""The function that is measured, with the least imports a function can have that reads a secret over HTTP.

Rules: what it needs for its first answer is imported with it, as everybody's function does; the rest where it is used.
It returns counts and times, never a secret.
"""

from __future__ import annotations

import http.client
import os
from time import perf_counter_ns  # noqa: TID251 - measuring time is all that this module is for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

PROXY = os.environ.get("BENCH_PROXY", "")  # host:port of the extension
HEADERS = {"X-Vault-Request": "true"}


def handler(event: dict[str, object], _context: object) -> object:
    """Do what the event says under ``do``, with its other fields as arguments."""
    arguments = dict(event)
    return ACTIONS[str(arguments.pop("do"))](**arguments)


def nothing() -> dict[str, object]:
    """Answer: what a function without an extension can be asked."""
    return {}


def secret(path: str) -> dict[str, object]:
    """Read a secret once, on a connection of its own."""
    connection = http.client.HTTPConnection(PROXY)
    length = _get(connection, path)
    connection.close()
    return {"bytes": length}


def many(path: str, reads: int, address: str = PROXY) -> dict[str, object]:
    """Read a secret on one connection, of the extension or of another server.

    Returns:
        ``us``: each read's time in microseconds, sorted; ``bytes``: the length of one body.
    """
    connection = http.client.HTTPConnection(address)
    times, length = [], 0
    for _ in range(reads):
        begin = perf_counter_ns()
        length = _get(connection, path)
        times.append((perf_counter_ns() - begin) / 1000)
    connection.close()
    return {"us": sorted(times), "bytes": length}


def rate(path: str, threads: int, reads: int) -> dict[str, object]:
    """Read with several threads, each on a connection of its own, by a client that does as little as one can.

    Returns:
        ``per_second``: reads by all of them together.
    """
    import socket  # noqa: PLC0415 - not needed for the first answer
    import threading  # noqa: PLC0415

    host, _, port = PROXY.partition(":")
    question = f"GET /v1/{path} HTTP/1.1\r\nHost: {PROXY}\r\nX-Vault-Request: true\r\n\r\n".encode()
    with socket.create_connection((host, int(port))) as probe:
        probe.sendall(question)
        body_length = len(_whole(probe))
    ready = threading.Barrier(threads + 1)

    def read() -> None:
        with socket.create_connection((host, int(port))) as connection:
            ready.wait()
            for _ in range(reads):
                connection.sendall(question)
                received = b""
                while (head := received.find(b"\r\n\r\n")) < 0 or len(received) < head + 4 + body_length:
                    received += connection.recv(65536)
        ready.wait()

    workers = [threading.Thread(target=read) for _ in range(threads)]
    for worker in workers:
        worker.start()
    ready.wait()
    begin = perf_counter_ns()
    ready.wait()
    took_s = (perf_counter_ns() - begin) / 1e9
    for worker in workers:
        worker.join()
    return {"per_second": threads * reads / took_s}


def memory(path: str, batches: int, reads: int) -> dict[str, object]:
    """Read a secret with vaultgate's client, which has it in memory after the first time.

    Returns:
        ``batch_us``: microseconds of one read, in each batch the mean; the loop's own cost is part of it.
        ``single_us``: microseconds of single reads, sorted; reading the stopwatch twice is part of each.
    """
    from vaultgate import client  # noqa: PLC0415 - only where the layer is Vaultgate's

    read: Callable[[str], object] = client.read
    read(path)
    batch_us = []
    for _ in range(batches):
        begin = perf_counter_ns()
        for _ in range(reads):
            read(path)
        batch_us.append((perf_counter_ns() - begin) / 1000 / reads)
    single_us = []
    for _ in range(batches * reads):
        begin = perf_counter_ns()
        read(path)
        single_us.append((perf_counter_ns() - begin) / 1000)
    return {"batch_us": sorted(batch_us), "single_us": sorted(single_us)}


ACTIONS: dict[str, Callable[..., dict[str, object]]] = {
    "nothing": nothing,
    "secret": secret,
    "many": many,
    "rate": rate,
    "memory": memory,
}


def _get(connection: http.client.HTTPConnection, path: str) -> int:
    connection.request("GET", f"/v1/{path}", headers=HEADERS)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != http.client.OK:
        raise RuntimeError(f"status {answer.status} instead of a secret")
    return len(body)


def _whole(connection: socket) -> bytes:
    """The body of one answer with a Content-Length; it is the same each time, for the secret is kept."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:])
    while len(body) < int(fields[b"content-length"]):
        body += connection.recv(65536)
    return body
