"""Which events go into one call of PutLogEvents, and that call's body.

Rules: pure. A body is within every limit: 1,048,576 bytes counting 26 per event, 10,000 events, 24 hours, chronological;
events of one time keep the order of their lines. The body is written by hand, for one line costs a parser or botocore's
serializer several times what it may cost in all; what is written is what `json` would write.

Source: API_PutLogEvents of the Amazon CloudWatch Logs API reference; AWS JSON 1.1.
"""

from __future__ import annotations

import json
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from vaultgate_ops.audit.model import Destination

BATCH_BYTES = 1_048_576
BATCH_EVENTS = 10_000
BATCH_SPAN_MS = 24 * 3600 * 1000
EVENT_OVERHEAD = 26


class Body(NamedTuple):
    """One call.

    Attributes:
        content: its JSON.
        events: how many it holds.
        earliest, latest: their times, ms since 1970.
    """

    content: bytes
    events: int
    earliest: int
    latest: int


class Batcher:
    """Fills bodies for one stream.

    Args:
        group, stream: where they go.
    """

    def __init__(self, group: str, stream: str) -> None:
        self._opening = f'{{"logGroupName":{json.dumps(group)},"logStreamName":{json.dumps(stream)},"logEvents":['
        self._events: list[str] = []
        self._stamps: list[int] = []
        self._earliest = self._latest = self._bytes = 0
        self._sorted = True
        self._start()

    def __len__(self) -> int:
        """How many events wait in the body under way."""
        return len(self._events)

    def fits(self, timestamp: int, size: int) -> bool:
        """Whether an event may still be added to the body under way; into an empty one every legal event fits.

        Args:
            timestamp: ms since 1970.
            size: bytes of its message in UTF-8.
        """
        return (
            self._bytes + size + EVENT_OVERHEAD <= BATCH_BYTES
            and len(self._events) < BATCH_EVENTS
            and timestamp - self._earliest <= BATCH_SPAN_MS
            and self._latest - timestamp <= BATCH_SPAN_MS
        )

    def add(self, timestamp: int, message: str, size: int) -> None:
        """Add an event that fits.

        Args:
            timestamp: ms since 1970.
            message: not empty.
            size: its bytes in UTF-8.
        """
        if timestamp < self._latest:
            self._sorted = False
        else:
            self._latest = timestamp
        self._earliest = min(self._earliest, timestamp)
        self._bytes += size + EVENT_OVERHEAD
        self._stamps.append(timestamp)
        self._events.append(f'{{"timestamp":{timestamp},"message":{encode_basestring(message)}}}')

    def take(self) -> Body:
        """The body under way, of at least one event; the next one is empty."""
        events = self._events
        if not self._sorted:
            stamps = self._stamps
            events = [events[place] for place in sorted(range(len(events)), key=stamps.__getitem__)]
        content = f"{self._opening}{','.join(events)}]}}".encode()
        body = Body(content, len(events), self._earliest, self._latest)
        self._start()
        return body

    def _start(self) -> None:
        self._events, self._stamps, self._bytes = [], [], 0
        self._earliest, self._latest, self._sorted = 1 << 62, 0, True


def events_of(body: Body) -> list[tuple[int, str]]:
    """The events of a body, (timestamp, message) each, in its order."""
    return [(event["timestamp"], event["message"]) for event in json.loads(body.content)["logEvents"]]


def single(destination: Destination, stream: str, timestamp: int, message: str) -> Body:
    """A body of one event for one of a destination's streams."""
    batcher = Batcher(destination.group, stream)
    batcher.add(timestamp, message, len(message.encode()))
    return batcher.take()
