"""Vault as a provider of Powertools' parameters.

    from vaultgate.powertools import VaultProvider

    vault = VaultProvider()
    settings = vault.get("secret/data/app", transform="json")  # all fields
    key = vault.get("secret/data/app#api_key", max_age=60)  # one of them
    login = vault.get_multiple("database/creds/app")  # each field as text

Rules: imported only by who uses it, because Powertools is no part of the layer. A `max_age` is an upper bound: what has a lease,
or is rotated, is never kept here, the client's own memory judges it at each read; what has neither is kept for `max_age`
by both clocks. What a text can't say is JSON, as it is for every provider of Powertools.
Source: Powertools for AWS Lambda (Python) 3, "Parameters", section "Create your own provider".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.parameters.base import BaseProvider

from vaultgate import client
from vaultgate.clock import Clock
from vaultgate.errors import NotFound
from vaultgate.leases import Lifetime
from vaultgate.rendering import fields_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from vaultgate.vault_secret import VaultSecret

    # Name, transform, and whether all fields were asked for one by one.
    Key = tuple[Any, ...]

# What Vault tells of a static role beside its login.
_ROTATED = frozenset({"rotation_period", "rotation_schedule"})


class VaultProvider(BaseProvider):
    """Reads from Vault by way of `vaultgate.client`. Safe for threads.

    Args:
        read: gives a secret; by default that of `vaultgate.client`.
        clock: judges how old a value is.
    """

    def __init__(self, read: Callable[[str], VaultSecret] = client.read, clock: Clock | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Powertools' own
        self._read = read
        self._clock = Clock() if clock is None else clock
        self._ending: dict[str, bool] = {}  # by name: whether it ends by itself, so that nobody may keep it
        self._kept: dict[Key, Lifetime] = {}

    def has_not_expired_in_cache(self, key: Key) -> bool:
        """Whether a value is kept and may be handed out."""
        lifetime = self._kept.get(key)
        return lifetime is not None and key in self.store and not lifetime.over(self._clock.now())

    def add_to_cache(self, key: Key, value: Any, max_age: int) -> None:
        """Keep a value, if it doesn't end by itself."""
        if self._ending[key[0]]:
            return
        super().add_to_cache(key, value, max_age)
        self._kept[key] = Lifetime(self._clock.now(), max_age)

    def _get(self, name: str, **sdk_options: Any) -> str:
        """The value of `path#field`, or all fields of `path` as JSON."""
        path, hash_mark, field = name.partition("#")
        fields = self._fields(name, path, sdk_options)
        if not hash_mark:
            return json.dumps(fields)
        if field not in fields:
            raise NotFound(
                f"{path!r} has no field {field!r}", f"choose one of {', '.join(sorted(fields)) or 'none: it is empty'}"
            )
        return _text(fields[field])

    def _get_multiple(self, path: str, **sdk_options: Any) -> dict[str, str]:
        """The fields of a secret, each as text."""
        return {field: _text(value) for field, value in self._fields(path, path, sdk_options).items()}

    def _fields(self, name: str, path: str, sdk_options: dict[str, Any]) -> dict[str, Any]:
        if sdk_options:
            raise TypeError(f"Vault's provider takes no further options: {', '.join(sorted(sdk_options))}")
        secret = self._read(path)
        self._ending[name] = bool(secret.lease_id) or not _ROTATED.isdisjoint(secret.data)
        return fields_of(secret.document)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
