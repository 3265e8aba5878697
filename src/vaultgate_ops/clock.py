"""The one door to time for everything outside the layer."""

import time


class Clock:
    """Real time. Tests pass their own object with the same three methods."""

    def steady(self) -> float:
        """Seconds on a clock that never jumps; only differences mean something."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)
