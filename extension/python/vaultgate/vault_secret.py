"""What the function holds of a secret: Vault's answer, and how long it may be used."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from vaultgate.clock import Clock
    from vaultgate.leases import Lifetime


class VaultSecret:
    """What Vault has at a path.

    Args:
        path: below `/v1/`.
        document: Vault's answer, whole: `data`, `lease_id`, `lease_duration`, `warnings` and so on.
        lifetime: how long it may be used; without end for what has no lease.
        clock: tells how much of that is left.
        fresh: how long it may be handed out from memory; by default as long as it may be used.
    """

    __slots__ = ("_clock", "document", "fresh", "lifetime", "path")

    def __init__(
        self, path: str, document: dict[str, Any], lifetime: Lifetime, clock: Clock, fresh: Lifetime | None = None
    ) -> None:
        self.path = path
        self.document = document
        self.lifetime = lifetime
        self.fresh = lifetime if fresh is None else fresh
        self._clock = clock

    def __repr__(self) -> str:
        """Show path and field names, no values."""
        return f"VaultSecret({self.path!r}, fields={sorted(self.data)})"

    @property
    def data(self) -> dict[str, Any]:
        """The secret's fields; under KV v2 they are in here under `data` once more, as Vault answers them."""
        return self.document.get("data") or {}

    @property
    def lease_id(self) -> str:
        """The lease it came with; empty for none."""
        return self.document.get("lease_id") or ""

    def expires_in_s(self) -> int:
        """Whole seconds of use left; 0 once it is over, -1 for a secret that doesn't end by itself."""
        remaining = self.lifetime.remaining_s(self._clock.now())
        return -1 if remaining == float("inf") else max(0, int(remaining))
