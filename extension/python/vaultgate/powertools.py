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

    def __init__(self, read: Callable[..., VaultSecret] = client.read, clock: Clock | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Powertools' own
        self._read = read
        self._clock = Clock() if clock is None else clock
        self._ending: dict[str, bool] = {}  # by name: whether it ends by itself, so that nobody may keep it
        self._kept: dict[Key, Lifetime] = {}

    def get(
        self,
        name: str,
        max_age: int | None = None,
        transform: Any = None,
        force_fetch: bool = False,  # noqa: FBT001, FBT002 - Powertools' signature
        **sdk_options: Any,
    ) -> Any:
        """The value of `path#field`, or all fields of `path` as JSON.

        Args:
            name: a path below `/v1/`, and perhaps a field.
            max_age: seconds that a value may be kept here; by default Powertools' own, which POWERTOOLS_PARAMETERS_MAX_AGE sets.
            transform: `json`, `binary`, or `auto` by the name's ending.
            force_fetch: ask Vault, whatever is kept here, in the client's memory or by the extension.
            **sdk_options: there are none.

        Raises:
            GetParameterError: the value can't be had; with our error's words, and the error itself as its context.
            TransformParameterError: it isn't what the transform wants.
        """
        return super().get(name, max_age, transform, force_fetch, anew=force_fetch, **sdk_options)

    def get_multiple(
        self,
        path: str,
        max_age: int | None = None,
        transform: Any = None,
        raise_on_transform_error: bool = False,  # noqa: FBT001, FBT002 - as above
        force_fetch: bool = False,  # noqa: FBT001, FBT002 - as above
        **sdk_options: Any,
    ) -> Any:
        """The fields of the secret at a path, each as text; otherwise like `get`."""
        return super().get_multiple(
            path, max_age, transform, raise_on_transform_error, force_fetch, anew=force_fetch, **sdk_options
        )

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

    def _get(self, name: str, *, anew: bool = False, **sdk_options: Any) -> str:
        path, hash_mark, field = name.partition("#")
        fields = self._fields(name, path, sdk_options, anew=anew)
        if not hash_mark:
            return json.dumps(fields)
        if field not in fields:
            raise NotFound(
                f"{path!r} has no field {field!r}", f"choose one of {', '.join(sorted(fields)) or 'none: it is empty'}"
            )
        return _text(fields[field])

    def _get_multiple(self, path: str, *, anew: bool = False, **sdk_options: Any) -> dict[str, str]:
        return {field: _text(value) for field, value in self._fields(path, path, sdk_options, anew=anew).items()}

    def _fields(self, name: str, path: str, sdk_options: dict[str, Any], *, anew: bool) -> dict[str, Any]:
        if sdk_options:
            raise TypeError(f"Vault's provider takes no further options: {', '.join(sorted(sdk_options))}")
        secret = self._read(path, anew=anew)
        self._ending[name] = bool(secret.lease_id) or not _ROTATED.isdisjoint(secret.data)
        return fields_of(secret.document)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
