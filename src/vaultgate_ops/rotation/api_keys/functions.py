"""The four functions by which a service's keys rotate; whoever has another service writes these four.

Rules: each of them may be called again, after a crash at any place, with the same `Keys` or later ones, and must then come to
the same end. None of them decides what is current: that is moved by Secrets Manager's labels, after `verify` and `promote`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from vaultgate_ops.rotation.strategies.protocol import Surprised as Surprised  # noqa: PLC0414 - raised by plug-ins

if TYPE_CHECKING:
    from collections.abc import Mapping

    Value = Mapping[str, Any]


@dataclass(frozen=True)
class Keys:
    """The values of a secret at one moment.

    Attributes:
        secret_id: its ARN.
        token: the version that is being made; empty in a sweep.
        current: what clients use.
        pending: what they will use; None before it is made, and in a sweep.
        previous: what they used before; None if there was nothing.
        doubted: what a function named when it was `Surprised`, several seconds ago; no value has come to have it since.
    """

    secret_id: str
    token: str
    current: Value = field(repr=False)
    pending: Value | None = field(default=None, repr=False)
    previous: Value | None = field(default=None, repr=False)
    doubted: frozenset[str] = frozenset()


class Functions(Protocol):
    """What a plug-in has: a module or an object with these four."""

    def create(self, keys: Keys) -> Value:
        """Make a key for the version `keys.token`; gives the secret's fields that it changes, such as key and id.

        The current key stays valid. The previous one may end, to make room. A key that an earlier call made for this version,
        or for one that came to nothing, is an orphan: its answer was lost, so end it.

        Raises:
            Surprised: with the ids of keys that look like orphans and aren't in `keys.doubted`. Nothing was made or ended.
        """

    def verify(self, value: Value) -> bool:
        """Whether the service takes a value at this moment; raises if it can't tell."""

    def promote(self, keys: Keys) -> None:
        """Tell the service that the pending value is about to become the current one, where it wants to know."""

    def retire(self, keys: Keys) -> bool:
        """End all keys of this secret but the current and the pending one; gives whether there was any.

        Raises:
            Surprised: as for `create`; nothing was ended.
        """
