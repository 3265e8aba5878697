"""Which leases hang on which of our tokens: a pure record, for what is done when a token goes.

Rules: a service token ends its leases with itself, so of those only the end of the last one matters; a batch token can't be
revoked, so each of its leases is kept by its id until it is over. What is over is let go of at the next note, in the order in
which it came.
Source: HashiCorp, "Tokens", section Token types in detail.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vaultgate.auth import Token
    from vaultgate.clock import Instant
    from vaultgate.leases import Lifetime


class Ledger:
    """The record. Not safe for threads: whoever has it has a lock."""

    def __init__(self) -> None:
        self._last: dict[str, Lifetime] = {}  # by token: what of a token's leases ends last
        self._leases: dict[str, dict[str, Lifetime]] = {}  # by batch token, then by lease

    def __len__(self) -> int:
        """How many leases are kept by their id."""
        return sum(len(leases) for leases in self._leases.values())

    def note(self, token: Token, lease_id: str, lifetime: Lifetime, now: Instant) -> None:
        """A lease was got, or renewed, with a token."""
        last = self._last.get(token.name)
        if last is None or last.remaining_s(now) < lifetime.remaining_s(now):
            self._last[token.name] = lifetime
        if token.batch:
            leases = self._leases.setdefault(token.name, {})
            leases.pop(lease_id, None)  # a renewed one goes to the end
            for oldest in tuple(leases):
                if not leases[oldest].ended(now):
                    break
                del leases[oldest]
            leases[lease_id] = lifetime

    def in_use(self, token: Token, now: Instant) -> bool:
        """Whether something that was got with a token may still be used."""
        last = self._last.get(token.name)
        return last is not None and not last.over(now)

    def living(self, token: Token, now: Instant) -> list[str]:
        """The ids of a batch token's leases that Vault still holds; of a service token none, they end with it."""
        return [lease_id for lease_id, lifetime in self._leases.get(token.name, {}).items() if not lifetime.ended(now)]

    def close(self, token: Token) -> None:
        """Forget a token and what hangs on it."""
        self._last.pop(token.name, None)
        self._leases.pop(token.name, None)
