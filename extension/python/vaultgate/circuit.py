"""When to stop asking, and when to ask again: pure decisions about a server that fails.

Rules: the circuit opens after a few failures in a row, and lets one call through when its time is up; each failure of such
a call doubles that time; chance comes from outside, so that a thousand sandboxes don't come back in step; time is judged on
both clocks, for a freeze is as good as waiting. Retries are paid from a budget that successes fill.

Source: M. Nygard, "Release It!", chapter on stability patterns; for the budget gRPC's proposal A6, "Throttling Retry
Attempts and Hedged RPCs".
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vaultgate.clock import Instant
    from vaultgate.model import Answer

_FIRST_S = 1.0
_LONGEST_S = 30.0
# What a call that tries a silent server may take at least; more where the server has been silent for longer.
_TRIAL_S = 2.0
_PAUSE_S = 0.05
_FULL = 10.0
_EARNED = 0.5


class Circuit:
    """What is known of one server's failures.

    Args:
        after: failures in a row that open it.
    """

    def __init__(self, after: int) -> None:
        self._after = after
        self._failures = 0
        self._open_s = 0.0
        self._since: Instant | None = None
        self._trial: Instant | None = None
        self._last: Instant | None = None

    def __repr__(self) -> str:
        """Show what was counted."""
        return f"Circuit({self._failures} failures, open for {self._open_s!r} s)"

    def state(self, now: Instant) -> str:
        """`closed`, `open`, or `half-open` where the next call is let through as a trial."""
        if self._since is None:
            return "closed"
        return "open" if self.opens_in_s(now) > 0 else "half-open"

    def opens_in_s(self, now: Instant) -> float:
        """Seconds until the next trial; 0 for none to wait."""
        return max(0.0, self._open_s - now.since(self._since)) if self._since is not None else 0.0

    def admits(self, now: Instant) -> bool:
        """Whether a call may be made now; while a trial is under way there is no second one."""
        if self._since is None:
            return True
        if self.opens_in_s(now) > 0 or (self._trial is not None and now.since(self._trial) < self.trial_s):
            return False
        self._trial = now
        return True

    def failed_lately(self, now: Instant) -> bool:
        """Whether it failed a moment ago, and did not succeed since."""
        return self._last is not None and now.since(self._last) < _LONGEST_S

    @property
    def trial_s(self) -> float:
        """The longest that a trial may take."""
        return max(_TRIAL_S, self._open_s)

    def succeeded(self) -> None:
        """The server answered."""
        self._failures, self._open_s = 0, 0.0
        self._since = self._trial = self._last = None

    def failed(self, now: Instant, chance: float) -> bool:
        """The server didn't; True if that opened the circuit.

        Args:
            now: of the failure.
            chance: between 0 and 1; the time it stays open is between a half and all of what is due.
        """
        self._last = now
        if self._since is not None and self._trial is None:
            return False  # a call that began before it opened says nothing new
        self._failures += 1
        self._trial = None
        if self._failures < self._after:
            return False
        due = min(_LONGEST_S, _FIRST_S * 2 ** (self._failures - self._after))
        opened = self._since is None
        self._open_s, self._since = due * (0.5 + chance / 2), now
        return opened


class Budget:
    """What may be spent on retries: each costs one, a call that succeeds at once earns a half. It begins full."""

    def __init__(self) -> None:
        self._left = _FULL

    def __repr__(self) -> str:
        """Show what is left."""
        return f"Budget({self._left!r} of {_FULL!r})"

    def take(self) -> bool:
        """Pay for a retry; False where nothing is left."""
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def earn(self) -> None:
        """A call succeeded at its first try."""
        self._left = min(_FULL, self._left + _EARNED)


def pause_s(attempt: int, chance: float, asked_s: float | None) -> float:
    """Seconds before the next try.

    Args:
        attempt: the one that failed, from 1.
        chance: between 0 and 1.
        asked_s: what the server asked for; never less than that, and a little more, so that not all come at once.
    """
    due = float(_PAUSE_S * 2**attempt)
    return due * (0.5 + chance / 2) if asked_s is None else asked_s + due * chance


def retry_after_s(answer: Answer) -> float | None:
    """The seconds an answer asks to wait, or None; a date says nothing to a clock that may be wrong.

    Source: RFC 9110, section 10.2.3.
    """
    said = (answer.header("Retry-After") or "").strip()
    return float(said) if said.isascii() and said.isdigit() else None
