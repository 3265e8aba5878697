"""A clock whose hands a test moves.

Rules: nothing here waits; `sleep` moves both hands at once, so that a call that backs off takes no time; a freeze moves
only the wall's hand, which is how Lambda's looks from inside.
"""

from __future__ import annotations

import threading

from vaultgate.clock import Clock, Instant

NOON = 1_795_262_400.0  # 2026-11-21T12:00:00Z


class MovableClock(Clock):
    """Stands still until it is moved. Safe for threads.

    Args:
        wall: where the wall's hand begins, seconds since 1970.
        steady: where the steady hand begins.
    """

    def __init__(self, wall: float = NOON, steady: float = 1000.0) -> None:
        self._wall = wall
        self._steady = steady
        self._lock = threading.Lock()

    def wall(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return self._wall

    def steady(self) -> float:
        """Seconds on the clock that is never set."""
        return self._steady

    def now(self) -> Instant:
        """Both at once."""
        return Instant(self._wall, self._steady)

    def sleep(self, seconds: float) -> None:
        """Let the time pass instead of waiting for it."""
        self.advance(seconds)

    def jitter(self, upper: float) -> float:
        """Always the middle."""
        return upper / 2

    def advance(self, seconds: float) -> None:
        """Time passes as it should."""
        with self._lock:
            self._wall += seconds
            self._steady += seconds

    def freeze(self, seconds: float) -> None:
        """The sandbox is frozen: the world goes on, our steady clock does not."""
        with self._lock:
            self._wall += seconds

    def set_back(self, seconds: float) -> None:
        """Somebody sets the wall clock back, say NTP; the steady one does not mind."""
        with self._lock:
            self._wall -= seconds
