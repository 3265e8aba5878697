"""Puts a rotation together from its doors.

Rules: this is the one place that knows all parts; every door can be handed in, so that tests break them one call at a time.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from vaultgate_ops.rotation.api_keys import plugin
from vaultgate_ops.rotation.api_keys.described import DescribedApi
from vaultgate_ops.rotation.api_keys.door import Door
from vaultgate_ops.rotation.api_keys.strategy import DESCRIBED, PLUGIN, ApiKey
from vaultgate_ops.rotation.engine import Engine
from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.mysql.server import connect as connect_for_real
from vaultgate_ops.rotation.rotators import Rotators
from vaultgate_ops.rotation.strategies.alternating import Alternating
from vaultgate_ops.rotation.strategies.database import Doors
from vaultgate_ops.rotation.strategies.dual import Dual
from vaultgate_ops.rotation.strategies.issued import Issued
from vaultgate_ops.rotation.strategies.single import Single
from vaultgate_ops.rotation.vault import own_role

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vaultgate_ops.clock import Clock
    from vaultgate_ops.rotation.api_keys.door import Send
    from vaultgate_ops.rotation.api_keys.strategy import Service
    from vaultgate_ops.rotation.mysql.server import Connect
    from vaultgate_ops.rotation.rotators import Rds
    from vaultgate_ops.rotation.service import SecretsManager
    from vaultgate_ops.rotation.settings import Settings
    from vaultgate_ops.rotation.store import Store
    from vaultgate_ops.rotation.strategies.protocol import Strategy
    from vaultgate_ops.rotation.vault import Vault


class Parts(NamedTuple):
    """What strategies are made of.

    Attributes:
        doors: to databases and Vault.
        described: the API that a secret describes.
        plugin: somebody else's service; None where no setting names one.
    """

    doors: Doors
    described: Service
    plugin: Service | None
    clock: Clock


def _plugin(parts: Parts) -> Strategy:
    if parts.plugin is None:
        raise RotationError(
            "strategy-unfit",
            f"The strategy is {PLUGIN}, and {plugin.SETTING} names none.",
            f"Set {plugin.SETTING} for the rotation function: module:attribute, or an entry point's name.",
        )
    return ApiKey(PLUGIN, parts.plugin, parts.clock)


STRATEGIES: Mapping[str, Callable[[Parts], Strategy]] = {
    Dual.name: lambda parts: Dual(parts.doors),
    Alternating.name: lambda parts: Alternating(parts.doors),
    Single.name: lambda parts: Single(parts.doors),
    Issued.name: lambda parts: Issued(parts.doors),
    DESCRIBED: lambda parts: ApiKey(DESCRIBED, parts.described, parts.clock),
    PLUGIN: _plugin,
}


def build(
    settings: Settings,
    store: SecretsManager,
    clock: Clock,
    *,
    connect: Connect = connect_for_real,
    rds: Callable[[], Rds] | None = None,
    vault: Callable[[str], Mapping[str, Any]] | None = None,
    issuer: Vault | None = None,
    values: Store | None = None,
    send: Send | None = None,
) -> Engine:
    """An engine for the secrets of a store.

    Args:
        settings: the function's.
        store: Secrets Manager's door.
        clock: tells how old a value is.
        connect: opens database sessions.
        rds: makes boto3's RDS client.
        vault: reads a path of Vault.
        issuer: opens sessions of Vault; by default for the process's role, by the variables of Vaultgate's layer.
        values: where the rotated values are, if not in the store, which then only draws passwords and has rotators.
        send: makes an API's requests.

    Raises:
        RotationError: ``settings-wrong``: there is no such plug-in.
    """
    rotators = Rotators(store, settings.hosts, rds or _rds, vault or _vault)
    doors = Doors(connect, rotators, settings.ca_file, issuer or own_role(os.environ))
    described = DescribedApi(send or Door(settings.ca_file, clock), settings.hosts)
    parts = Parts(doors, described, plugin.load(settings.plugin) if settings.plugin else None, clock)
    made: dict[str, Strategy] = {}

    def choose(fields: Mapping[str, object]) -> Strategy:
        name = fields.get("strategy") or settings.strategy or ("dual" if fields.get("masterarn") else "single")
        if not isinstance(name, str) or name not in STRATEGIES:
            raise RotationError("strategy-unknown", f"There is no strategy {name!r}.", f"Valid: {', '.join(sorted(STRATEGIES))}.")
        if name not in made:
            made[name] = STRATEGIES[name](parts)
        return made[name]

    return Engine(values or store, choose, lambda: store.random_password(settings.password), clock, settings.grace_s)


def _rds() -> Rds:
    import boto3  # noqa: PLC0415 - only for rotators that RDS manages

    client: Rds = boto3.client("rds")
    return client


def _vault(path: str) -> Mapping[str, Any]:
    from vaultgate import client  # noqa: PLC0415 - only where the function has Vaultgate's layer
    from vaultgate.errors import VaultgateError  # noqa: PLC0415 - as above

    try:
        return client.read(path).data
    except VaultgateError as error:
        raise RotationError("rotator-unreadable", f"Vault's {path} can't be read: {error.code}.", error.hint) from None
