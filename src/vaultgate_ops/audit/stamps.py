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
_POINT, _A_POINT = _TO_SECONDS, ord(".")


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
        # The last one: in the alphabetical order of newer versions nothing but the type follows it.
        place = len(_JSON_FIRST) if line.startswith(_JSON_FIRST) else line.rfind(_JSON) + len(_JSON)
        whole = self._seconds.get(line[place : place + _TO_SECONDS])
        digits = line[place + _TO_SECONDS + 1 : place + _TO_SECONDS + 4]
        if whole is not None and digits.isdigit() and len(digits) == 3 and line[place + _POINT] == _A_POINT:  # noqa: PLR2004 - ms
            own_ms = whole + int(digits)
        else:
            neighbours_ms = now_ms if self._last_ms is None else self._last_ms
            own_ms = neighbours_ms if (found := self._slowly(line, place)) is None else found
        self._last_ms = own_ms
        if now_ms - self._oldest_ms <= own_ms <= now_ms + NEWEST_MS - MARGIN_MS:
            return own_ms
        self.replaced += 1
        return now_ms

    def _slowly(self, line: bytes, place: int) -> int | None:
        """The time of a line of another second than those before, of another format, or without one."""
        if place < len(_JSON):
            found = line.find(_JSONX)
            if found < 0:
                return None
            place = found + len(_JSONX)
        written = line[place : place + _LONGEST].partition(b'"')[0].partition(b"<")[0]
        try:
            moment = dt.datetime.fromisoformat(written.decode("ascii"))
        except ValueError:
            return None
        if moment.tzinfo is None:
            return None
        if written.endswith(b"Z"):
            if len(self._seconds) >= _SECONDS_KEPT:
                self._seconds.clear()
            self._seconds[written[:_TO_SECONDS]] = int(moment.timestamp()) * 1000
        return int(moment.timestamp() * 1000)
