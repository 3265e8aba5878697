"""How a secret's rotation stands: what DescribeSecret and ListSecretVersionIds say, in a form for people.

Rules: reads no value, so it needs no permission to; what it can't know it doesn't say: a pending version may be a rotation
under way or one that got stuck, its age tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vaultgate_ops.rotation.model import CURRENT, PENDING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vaultgate_ops.rotation.service import SecretsManager


@dataclass(frozen=True)
class Version:
    """One version that has a label.

    Attributes:
        created_at: seconds since 1970.
    """

    version_id: str
    stages: tuple[str, ...]
    created_at: float


@dataclass(frozen=True)
class Survey:
    """A secret as its labels show it.

    Attributes:
        function: ARN of the rotation function; empty for none.
        schedule: such as ``every 30 days`` or a cron expression; empty for none.
        owner: the service of AWS that manages it; empty for the user's own.
        primary_region: where it is the user's to change; empty for here.
        rules: RotationRules, as DescribeSecret tells them; empty for none.
        rotated_at: seconds since 1970; 0 for never.
        versions: AWSCURRENT's first, then the youngest.
        replicas: regions where it can be read too.
    """

    name: str
    arn: str
    enabled: bool
    function: str
    schedule: str
    rules: Mapping[str, Any]
    owner: str
    primary_region: str
    rotated_at: float
    versions: tuple[Version, ...]
    replicas: frozenset[str] = frozenset()

    @property
    def pending(self) -> Version | None:
        """The version whose rotation isn't finished, if there is one."""
        return next((one for one in self.versions if PENDING in one.stages and CURRENT not in one.stages), None)

    @property
    def current(self) -> Version | None:
        """The version that clients use."""
        return next((one for one in self.versions if CURRENT in one.stages), None)


def survey(store: SecretsManager, secret_id: str, region: str) -> Survey:
    """Look at a secret.

    Args:
        store: where it is.
        secret_id: its name or ARN.
        region: that the store serves.

    Raises:
        RotationError: it can't be read.
    """
    seen = store.call("describe_secret", SecretId=secret_id)
    listed = store.call("list_secret_version_ids", SecretId=secret_id)["Versions"]
    versions = [
        Version(one["VersionId"], tuple(sorted(one["VersionStages"])), one["CreatedDate"].timestamp())
        for one in listed
        if one.get("VersionStages")
    ]
    primary, rotated = seen.get("PrimaryRegion", ""), seen.get("LastRotatedDate")
    return Survey(
        name=seen["Name"],
        arn=seen["ARN"],
        enabled=bool(seen.get("RotationEnabled")),
        function=seen.get("RotationLambdaARN", ""),
        schedule=_schedule(seen.get("RotationRules") or {}),
        rules=seen.get("RotationRules") or {},
        owner=seen.get("OwningService", ""),
        primary_region="" if primary == region else primary,
        rotated_at=rotated.timestamp() if rotated else 0,
        versions=tuple(sorted(versions, key=lambda one: (CURRENT not in one.stages, -one.created_at))),
        replicas=frozenset(one["Region"] for one in seen.get("ReplicationStatus", [])),
    )


def _schedule(rules: dict[str, Any]) -> str:
    days = rules.get("AutomaticallyAfterDays")
    return str(rules.get("ScheduleExpression") or (f"every {days} days" if days else ""))
