"""How long something may be used: pure arithmetic on instants.

Rules: a lifetime counts from when the request for it was SENT, because Vault's clock started before the answer
arrived; it is over as soon as either clock says so; it is over a margin early, so that what is handed out can still
be used.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vaultgate.clock import Instant

_MARGIN_S = 10.0
_MARGIN_SHARE = 0.1
# When this share of a life is left, it is time to see to the next: early enough for several tries, late enough to be rare.
_DUE_SHARE = 1 / 3


def margin_s(ttl_s: float, configured_s: float | None) -> float:
    """How long before its end a lease counts as over: as configured, else the smaller of 10 s and a tenth of it.

    Never more than half of it: a margin that leaves no life would make every read cost a new lease.
    """
    if configured_s is not None:
        return min(configured_s, ttl_s / 2)
    return min(_MARGIN_S, ttl_s * _MARGIN_SHARE)


class Lifetime:
    """From when, and for how long.

    Args:
        sent: when the request left.
        ttl_s: seconds that Vault gave; infinity for what never ends.
        margin_s: seconds before the end at which it counts as over.
    """

    __slots__ = ("margin_s", "sent", "ttl_s")

    def __init__(self, sent: Instant, ttl_s: float, margin_s: float = 0.0) -> None:
        self.sent = sent
        self.ttl_s = ttl_s
        self.margin_s = margin_s

    def __repr__(self) -> str:
        """Show its terms."""
        return f"Lifetime(sent={self.sent!r}, ttl_s={self.ttl_s!r}, margin_s={self.margin_s!r})"

    def remaining_s(self, now: Instant) -> float:
        """Seconds of use left, the margin taken off; negative once it is over."""
        return self.ttl_s - self.margin_s - now.since(self.sent)

    def over(self, now: Instant) -> bool:
        """Whether it may no longer be used.

        That is `remaining_s(now) <= 0`, spelt out: every read from memory comes through here, and calls are what it would spend.
        """
        usable_s = self.ttl_s - self.margin_s
        sent = self.sent
        return now.wall - sent.wall >= usable_s or now.steady - sent.steady >= usable_s

    def ended(self, now: Instant) -> bool:
        """Whether it is past its very end, margin or not, by both clocks: then there is nothing left in Vault to give back."""
        return min(now.wall - self.sent.wall, now.steady - self.sent.steady) >= self.ttl_s

    def within(self, other: Lifetime, now: Instant) -> Lifetime:
        """This life, cut short where `other` ends first: a lease dies with its token."""
        surplus = self.remaining_s(now) - other.remaining_s(now)
        if surplus <= 0:
            return self
        # Not `ttl_s - surplus`: infinity less infinity is no number, and would never be over.
        return Lifetime(self.sent, now.since(self.sent) + other.remaining_s(now) + self.margin_s, self.margin_s)


def due(lifetime: Lifetime, now: Instant) -> bool:
    """Whether it is time to renew or replace what has this lifetime; never, for what never ends."""
    return lifetime.ttl_s < float("inf") and lifetime.remaining_s(now) < lifetime.ttl_s * _DUE_SHARE
