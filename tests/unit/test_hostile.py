"""What nobody should send, thousands of times: one reading or none, and no way past the guard.

The same with a million inputs, and over real sockets, is `make soak SUITE=extension`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.simulators.hostile import Judge, answers, requests

if TYPE_CHECKING:
    from random import Random  # noqa: TID251 - the type of what hypothesis hands out

BATCH = 100
ROUNDS = 100
MET = {
    "passed",
    "passed a list",
    "own token",
    "the end",
    "the head is too large",
    "the request line is malformed",
    "only HTTP/1.1 is spoken here",
    "the request target must be a path",
    "a header line is malformed",
    "the length of the body is ambiguous",
    "chunked request bodies are not accepted",
    "Expect is not supported",
    "the body is too large",
    "the connection was closed inside a head",
    "the connection was closed inside a body",
    "the Host header doesn't name a loopback address",
    "a request with Origin comes from somewhere else",
    "a request with X-Forwarded-For comes from somewhere else",
    "the method it is none of Vault's",
    "the request has neither X-Vault-Request nor X-Vault-Token",
    "it is not a path below /v1/",
    "it can be read in two ways",
    "it is denied to the extension's token",
}
MET_UPSTREAM = {
    "answered",
    "what came back is not HTTP",
    "a header of the answer is malformed",
    "the length of the answer is ambiguous",
    "a chunk's head is malformed",
    "a chunk is longer than it said",
    "the answer is too large",
    "the connection was closed before an answer came",
    "the connection was closed inside a head",
    "the connection was closed inside a body",
}
whole = settings(max_examples=ROUNDS, suppress_health_check=list(HealthCheck), report_multiple_bugs=False)


def test_a_hostile_request_has_one_reading_and_no_way_in() -> None:
    """Whatever comes is refused, or is one plain request in whatever pieces it comes, and reaches nothing it shouldn't."""
    judge = Judge()

    @whole
    @given(st.randoms(use_true_random=True))
    def batch(chance: Random) -> None:
        for _ in range(BATCH):
            raw = requests(chance)
            judge.requests(raw, [chance.randrange(len(raw) + 1) for _ in range(3)])

    batch()
    assert set(judge.seen) >= MET  # a generator that no longer gets everywhere finds nothing
    assert judge.seen["passed"] > BATCH * ROUNDS // 10


def test_a_hostile_answer_does_no_harm() -> None:
    """Whatever an upstream sends is an answer or an error of ours, the same in whatever pieces it comes."""
    judge = Judge()

    @whole
    @given(st.randoms(use_true_random=True))
    def batch(chance: Random) -> None:
        for _ in range(BATCH):
            raw = answers(chance)
            judge.answers(raw, [chance.randrange(len(raw) + 1) for _ in range(3)])

    batch()
    assert set(judge.seen) >= MET_UPSTREAM
