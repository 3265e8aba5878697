"""Which events share a call: every border of PutLogEvents, one to either side."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.simulators.cloudwatch_logs import CloudWatchLogs

from vaultgate_ops.audit.batcher import BATCH_BYTES, BATCH_EVENTS, BATCH_SPAN_MS, EVENT_OVERHEAD, Batcher, Body, events_of
from vaultgate_ops.clock import Clock

NOW_MS = int(Clock().wall() * 1000) - 2 * BATCH_SPAN_MS


def fill(*events: tuple[int, bytes]) -> list[Body]:
    """The bodies that these events become."""
    batcher, bodies = Batcher("group", "stream"), []
    for timestamp, message in events:
        if not batcher.add(timestamp, message):
            bodies.append(batcher.take())
            assert batcher.add(timestamp, message)
    return [*bodies, batcher.take()]


LARGEST = BATCH_BYTES - EVENT_OVERHEAD
HALF = BATCH_BYTES // 2 - EVENT_OVERHEAD


@pytest.mark.parametrize(
    ("events", "calls"),
    [
        pytest.param([(0, b"m" * LARGEST)], 1, id="the largest message"),
        pytest.param([(0, b"m" * HALF)] * 2, 1, id="a full batch"),
        pytest.param([(0, b"m" * HALF), (0, b"m" * (HALF + 1))], 2, id="a byte over it"),
        pytest.param([(0, b"m")] * BATCH_EVENTS, 1, id="10,000 events"),
        pytest.param([(0, b"m")] * (BATCH_EVENTS + 1), 2, id="10,001 events"),
        pytest.param([(0, b"m"), (BATCH_SPAN_MS, b"m")], 1, id="24 hours"),
        pytest.param([(0, b"m"), (BATCH_SPAN_MS + 1, b"m")], 2, id="24 hours and a millisecond"),
        pytest.param([(BATCH_SPAN_MS + 1, b"m"), (0, b"m")], 2, id="24 hours and a millisecond, backwards"),
    ],
)
def test_a_call_is_as_full_as_the_service_allows(events: list[tuple[int, bytes]], calls: int) -> None:
    """At each limit everything fits into one call, and one step over it into two; the service takes all of them."""
    service = CloudWatchLogs(Clock())
    named = {"logGroupName": "group", "logStreamName": "stream"}
    service.answer("CreateLogGroup", named)
    service.answer("CreateLogStream", named)
    bodies = fill(*((NOW_MS + timestamp, message) for timestamp, message in events))
    assert len(bodies) == calls
    for body in bodies:
        status, answer = service.answer("PutLogEvents", json.loads(body.content))
        assert (status, "rejectedLogEventsInfo" in answer) == (200, False)
    assert len(service.messages("group", "stream")) == len(events)


@given(st.lists(st.tuples(st.integers(0, 3 * BATCH_SPAN_MS), st.text(min_size=1)), min_size=1, max_size=40))
def test_nothing_is_changed_on_the_way_into_a_body(events: list[tuple[int, str]]) -> None:
    """Whatever the order and the characters, the bodies hold each event once, as it was, by time and then by order."""
    encoded = [(timestamp, text.encode("utf-8", "surrogatepass")) for timestamp, text in events]
    sendable = [(timestamp, text) for timestamp, text in encoded if _utf8(text)]
    if not sendable:
        return
    found: list[tuple[int, bytes]] = []
    for body in fill(*sendable):
        held = events_of(body)
        assert [timestamp for timestamp, _ in held] == sorted(timestamp for timestamp, _ in held)
        assert (body.events, body.earliest, body.latest) == (len(held), held[0][0], held[-1][0])
        assert body.latest - body.earliest <= BATCH_SPAN_MS
        found += held
    assert Counter(found) == Counter(sendable)


def test_events_of_one_time_keep_their_order() -> None:
    """Sorting by time moves only what has to move."""
    (body,) = fill((5, b"a"), (5, b"b"), (3, b"c"), (5, b"d"), (3, b"e"))
    assert [message for _, message in events_of(body)] == [b"c", b"e", b"a", b"b", b"d"]


def _utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
