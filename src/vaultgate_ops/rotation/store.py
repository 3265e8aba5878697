"""What the engine asks of whoever keeps the values: versions that don't change, and labels that move.

Rules: `service.SecretsManager` has such labels; `parameter_store.ParameterStore` hasn't, and tells from its versions' numbers
which of them would have which.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from vaultgate_ops.rotation.model import Description, SecretValue


class Store(Protocol):
    """Where secrets are kept. Each method raises a `RotationError` that says why it can't."""

    def describe(self, secret_id: str) -> Description:
        """The secret's stages, and whose it is."""

    def value(self, secret_id: str, version: str, label: str) -> SecretValue:
        """A version's value; ``secret-missing`` if it has none."""

    def put(self, secret_id: str, token: str, value: SecretValue, rotation_token: str) -> bool:
        """Store the pending value under its token; False if another one is stored there, which stays."""

    def promote(self, secret_id: str, token: str, former: str | None) -> None:
        """Make the token's version the current one, and the former one the previous; fine if it is so already."""

    def withdraw(self, secret_id: str, token: str) -> None:
        """Take the pending label off a version."""

    def eventually(self, holds: Callable[[], bool]) -> bool:
        """Ask until something is visible, as long as reads may lag; whether it came to that."""
