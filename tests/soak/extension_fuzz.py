"""A million hostile inputs to the parser and the guard, and some of them over real sockets: `make soak SUITE=extension`.

`tests/unit/test_hostile.py` is the same in short; what is asked of each input stands in `tests/simulators/hostile.py`.
"""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.simulators.extension import Extension
from tests.simulators.hostile import Judge, answers, readings, requests, touches_the_system

from vaultgate.errors import Unreachable
from vaultgate.http1 import Reader
from vaultgate.outlets.proxy import Proxy, bind
from vaultgate_ops.clock import Clock

if TYPE_CHECKING:
    from collections import Counter
    from random import Random  # noqa: TID251 - the type of what hypothesis hands out

BATCH = 1000
REQUESTS, ANSWERS, CONNECTIONS = 800_000, 200_000, 5_000
log = logging.getLogger("soak")


def rounds(inputs: int) -> settings:
    """As many examples as it takes, each a batch by a seed of its own."""
    return settings(max_examples=inputs // BATCH, suppress_health_check=list(HealthCheck), report_multiple_bugs=False)


def told(what: str, inputs: int, seconds: float, seen: Counter[str]) -> None:
    """Say what was done."""
    log.info("%s: %d inputs in %.0f s", what, inputs, seconds)
    for words, times in seen.most_common():
        log.info("%9d  %s", times, words)


def test_hostile_requests() -> None:
    """Each of 800,000 is refused, or has one reading and reaches nothing it shouldn't."""
    judge, clock, count = Judge(), Clock(), 0

    @rounds(REQUESTS)
    @given(st.randoms(use_true_random=True))
    def batch(chance: Random) -> None:
        nonlocal count
        for _ in range(BATCH):
            raw = requests(chance)
            judge.requests(raw, [chance.randrange(len(raw) + 1) for _ in range(3)])
            count += 1

    began = clock.steady()
    batch()
    told("requests", count, clock.steady() - began, judge.seen)
    assert count >= REQUESTS
    assert judge.seen["passed"] > REQUESTS // 10


def test_hostile_answers() -> None:
    """Each of 200,000 is an answer or an error of ours."""
    judge, clock, count = Judge(), Clock(), 0

    @rounds(ANSWERS)
    @given(st.randoms(use_true_random=True))
    def batch(chance: Random) -> None:
        nonlocal count
        for _ in range(BATCH):
            raw = answers(chance)
            judge.answers(raw, [chance.randrange(len(raw) + 1) for _ in range(3)])
            count += 1

    began = clock.steady()
    batch()
    told("answers", count, clock.steady() - began, judge.seen)
    assert count >= ANSWERS


def test_hostile_connections() -> None:
    """Each of 5,000 real connections hears HTTP to its end, Vault hears of nothing that is denied, and the door stays up."""
    extension, clock = Extension(VAULT_LOG_LEVEL="off"), Clock()
    listener = bind(("127.0.0.1", 0))
    proxy = Proxy(listener, extension.broker, "header", extension.log)
    proxy.start()
    count = 0

    @rounds(CONNECTIONS)
    @given(st.randoms(use_true_random=True))
    def batch(chance: Random) -> None:
        nonlocal count
        for _ in range(BATCH):
            _converse(listener.getsockname(), requests(chance))
            count += 1
        asked = {path for _, path in extension.server.seen}
        assert not [path for path in asked if any(touches_the_system(reading) for reading in readings(f"/v1/{path}"))]
        extension.server.seen.clear()

    began = clock.steady()
    try:
        batch()
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        proxy.close()
    log.info("connections: %d in %.0f s", count, clock.steady() - began)
    assert count >= CONNECTIONS


def _converse(address: tuple[str, int], raw: bytes) -> None:
    """Send something, hang up, and read whatever is said to the end.

    Tokens of callers' own are made ours, for with theirs they go where they like; without HEAD an answer's end is where it says.
    """
    with socket.create_connection(address, timeout=30) as connection:
        try:
            connection.sendall(raw.replace(b"hvs.own", b"vaultgate").replace(b"HEAD", b"LIST"))
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # cut off already
        reader = Reader(connection.recv)
        try:
            while True:
                reader.answer("GET")
        except (Unreachable, ConnectionResetError):
            return
