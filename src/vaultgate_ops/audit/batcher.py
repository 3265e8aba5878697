"""Which events go into one call of PutLogEvents, and that call's body.

Rules: pure. A body is within every limit: 1,048,576 bytes counting 26 per event, 10,000 events, 24 hours, chronological;
events of one time keep the order of their lines. The body is written by hand, for one line costs a parser or botocore's
serializer several times what it may cost in all; what is written is what `json` would write.

Source: API_PutLogEvents of the Amazon CloudWatch Logs API reference; AWS JSON 1.1.
"""

from __future__ import annotations

import json
from json.encoder import encode_basestring
from typing import NamedTuple

BATCH_BYTES = 1_048_576
BATCH_EVENTS = 10_000
BATCH_SPAN_MS = 24 * 3600 * 1000
EVENT_OVERHEAD = 26
_CONTROLS = bytes(range(32))


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
        names = f'{{"logGroupName":{json.dumps(group)},"logStreamName":{json.dumps(stream)},"logEvents":['
        self._opening = names.encode()
        self._events: list[bytes] = []
        self._stamps: list[int] = []
        self._earliest = self._latest = self._bytes = 0
        self._sorted = True
        self._start()

    def __len__(self) -> int:
        """How many events wait in the body under way."""
        return len(self._events)

    def add(self, timestamp: int, message: bytes) -> bool:
        """Add an event; whether it fitted. Into an empty body every legal event fits.

        Args:
            timestamp: ms since 1970.
            message: UTF-8, 1 to 1,048,550 bytes.
        """
        # No calls that could be spared: this is done for each line.
        size = len(message) + EVENT_OVERHEAD
        if (
            self._bytes + size > BATCH_BYTES
            or len(self._events) >= BATCH_EVENTS
            or timestamp - self._earliest > BATCH_SPAN_MS
            or self._latest - timestamp > BATCH_SPAN_MS
        ):
            return False
        if timestamp < self._latest:
            self._sorted = False
        else:
            self._latest = timestamp
        if timestamp < self._earliest:  # noqa: PLR1730 - as above
            self._earliest = timestamp
        self._bytes += size
        self._stamps.append(timestamp)
        self._events.append(b'{"timestamp":%d,"message":"%b"}' % (timestamp, _escaped(message)))
        return True

    def take(self) -> Body:
        """The body under way, of at least one event; the next one is empty."""
        events = self._events
        if not self._sorted:
            stamps = self._stamps
            events = [events[place] for place in sorted(range(len(events)), key=stamps.__getitem__)]
        # One join, so that no second copy of a megabyte is made.
        events[0] = self._opening + events[0]
        events[-1] += b"]}"
        content = b",".join(events)
        body = Body(content, len(events), self._earliest, self._latest)
        self._start()
        return body

    def _start(self) -> None:
        self._events, self._stamps, self._bytes = [], [], 0
        self._earliest, self._latest, self._sorted = 1 << 62, 0, True


def _escaped(text: bytes) -> bytes:
    """UTF-8 as the inside of a JSON string: quotes and backslashes escaped, and control characters, which are rare."""
    if len(text.translate(None, _CONTROLS)) != len(text):
        return encode_basestring(text.decode())[1:-1].encode()
    if b"\\" in text:
        text = text.replace(b"\\", b"\\\\")
    return text.replace(b'"', b'\\"')


def events_of(body: Body) -> list[tuple[int, bytes]]:
    """The events of a body, (timestamp, message) each, in its order."""
    return [(event["timestamp"], event["message"].encode()) for event in json.loads(body.content)["logEvents"]]


def single(group: str, stream: str, timestamp: int, message: bytes) -> Body:
    """A body of one event."""
    batcher = Batcher(group, stream)
    batcher.add(timestamp, message)
    return batcher.take()
