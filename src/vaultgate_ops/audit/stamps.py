"""When an entry happened, by its own words, as CloudWatch Logs wants to hear it.

Rules: the time is read out of the line by its place, never by parsing the line; a line that says no time happened when its
neighbour before it did. A time that the service would drop (over 14 days or the group's retention ago, over 2 hours ahead)
becomes now: the line still holds the original, and the proof event counts it.

Sources: Vault's audit entries (``time`` is RFC 3339 with up to nine digits, in UTC; JSON puts it before or behind everything
that a client can influence, JSONx in an element of that name); API_PutLogEvents for the two limits.
"""

from __future__ import annotations

import datetime as dt

DAY_MS = 24 * 3600 * 1000
OLDEST_MS = 14 * DAY_MS
NEWEST_MS = 2 * 3600 * 1000

MARGIN_MS = 10 * 60 * 1000
"""How far within the limits a time must be, so that neither a slow call nor a clock that is a little off pushes it over."""

_SECONDS_KEPT = 4096
_JSON_FIRST = b'{"time":"'
_JSON = b'"time":"'
_JSONX = b'<json:string name="time">'
_LONGEST = len("2026-11-21T02:46:51.123456789+00:00")
_TO_SECONDS = len("2026-11-21T02:46:51")


class Stamps:
    """Times of the lines of one stream, one after another.

    Args:
        retention_days: of the log group; None where it keeps events for ever.

    Attributes:
        replaced: how many lines so far got another time than their own.
    """

    def __init__(self, retention_days: int | None = None) -> None:
        self._oldest_ms = min(OLDEST_MS, retention_days * DAY_MS if retention_days else OLDEST_MS) - MARGIN_MS
        self._seconds: dict[bytes, int] = {}
        self._last_ms: int | None = None
        self.replaced = 0

    def of(self, line: bytes, now_ms: int) -> int:
        """The timestamp to send a line with, ms since 1970.

        Args:
            line: an entry in any of Vault's formats, or anything else.
            now_ms: by this machine, corrected by what the service says of the time.
        """
        own_ms = self._own(line)
        if own_ms is None:
            return now_ms if self._last_ms is None else self._sendable(self._last_ms, now_ms)
        self._last_ms = own_ms
        return self._sendable(own_ms, now_ms)

    def _sendable(self, own_ms: int, now_ms: int) -> int:
        if now_ms - self._oldest_ms <= own_ms <= now_ms + NEWEST_MS - MARGIN_MS:
            return own_ms
        self.replaced += 1
        return now_ms

    def _own(self, line: bytes) -> int | None:
        if line.startswith(_JSON_FIRST):
            place = len(_JSON_FIRST)
        elif (found := line.rfind(_JSON)) >= 0:
            # The last one: in the alphabetical order of newer versions nothing but the type follows it.
            place = found + len(_JSON)
        elif (found := line.find(_JSONX)) >= 0:
            place = found + len(_JSONX)
        else:
            return None
        text = line[place : place + _LONGEST]
        whole = self._seconds.get(text[:_TO_SECONDS])
        if whole is None:
            whole = _seconds(text[:_TO_SECONDS])
            if whole is None:
                return None
            if len(self._seconds) >= _SECONDS_KEPT:
                self._seconds.clear()
            self._seconds[text[:_TO_SECONDS]] = whole
        rest = text[_TO_SECONDS:]
        digits = rest[1:4]
        if rest[:1] == b"." and len(rest) > 4 and digits.isdigit() and b"Z" in rest:  # noqa: PLR2004 - a point, three digits, a Z
            return whole * 1000 + int(digits)
        return _slowly(text)


def _seconds(text: bytes) -> int | None:
    """Seconds since 1970 of ``2026-11-21T02:46:51`` in UTC."""
    try:
        moment = dt.datetime.strptime(text.decode("ascii"), "%Y-%m-%dT%H:%M:%S").replace(tzinfo=dt.UTC)
    except ValueError:
        return None
    return int(moment.timestamp())


def _slowly(text: bytes) -> int | None:
    """Milliseconds since 1970 of any RFC 3339 time that begins the text."""
    written = text.partition(b'"')[0].partition(b"<")[0]
    try:
        moment = dt.datetime.fromisoformat(written.decode("ascii"))
    except ValueError:
        return None
    return None if moment.tzinfo is None else int(moment.timestamp() * 1000)
