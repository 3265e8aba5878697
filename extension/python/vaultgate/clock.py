"""The one door to time and chance.

Rules: no other module imports `time` or `random`. A lifetime is judged on both clocks, because a frozen sandbox's
steady clock may stall while the wall clock goes on, and a wall clock may be set back while the steady one goes on.
One operation is judged at one `Instant`.
"""

from __future__ import annotations

import os
import time


class Instant:
    """One moment on both clocks.

    Args:
        wall: seconds since 1970-01-01 UTC.
        steady: seconds on a clock that is never set; only differences mean something.
    """

    __slots__ = ("steady", "wall")

    def __init__(self, wall: float, steady: float) -> None:
        self.wall = wall
        self.steady = steady

    def __repr__(self) -> str:
        """Show both readings."""
        return f"Instant(wall={self.wall!r}, steady={self.steady!r})"

    def since(self, earlier: Instant) -> float:
        """Seconds gone by since `earlier`: the larger of the two clocks' opinions."""
        return max(self.wall - earlier.wall, self.steady - earlier.steady)

    def jumped_since(self, earlier: Instant, tolerance_s: float = 2.0) -> bool:
        """Whether the two clocks disagree about how long ago `earlier` was: a freeze, or somebody set the time."""
        return abs((self.wall - earlier.wall) - (self.steady - earlier.steady)) > tolerance_s


class Clock:
    """Real time, real chance. Tests pass an object with the same methods whose hands they move."""

    def wall(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return time.time()

    def steady(self) -> float:
        """Seconds on a clock that is never set."""
        return time.monotonic()

    def now(self) -> Instant:
        """Both at once; every read from memory asks for it, so it doesn't go through the other two."""
        return Instant(time.time(), time.monotonic())

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def jitter(self, upper: float) -> float:
        """A number between 0 and `upper`.

        It comes from the kernel each time: a generator's state would be the same in every sandbox restored from one snapshot.
        """
        return upper * int.from_bytes(os.urandom(4), "big") / 0xFFFFFFFF


def basic_iso8601(wall: float) -> str:
    """A wall time as SigV4 writes it, `20260131T235959Z`."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(wall))


def rfc3339(wall: float) -> str:
    """A wall time as logs write it, `2026-01-31T23:59:59.123Z`."""
    millis = int(wall * 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(millis // 1000)) + f".{millis % 1000:03d}Z"
