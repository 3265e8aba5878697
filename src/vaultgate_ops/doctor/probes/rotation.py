"""A secret of Secrets Manager: what may be called, and how its rotation stands.

Rules: every call is a real one that changes nothing; the value that GetSecretValue gives is dropped where it arrives. boto3 and
the rotation's own code are imported here only: the record-count function carries neither, and needs neither.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from vaultgate_ops.doctor.facts import RotationSeen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vaultgate.clock import Clock
    from vaultgate_ops.clock import Clock as Ours  # the layer's has the same methods
    from vaultgate_ops.rotation.errors import RotationError

_CONNECT_S, _ANSWER_S, _LONGEST = 3, 4, 300
_DAYS = 45
"""How old a value may get where no rotation is enabled: nobody says, so it isn't called overdue."""


def rotation(environ: Mapping[str, str], clock: Clock, secret: str) -> RotationSeen:
    """Look at one secret, and try what a rotation function needs and what is harmless."""
    import boto3  # noqa: PLC0415 - see the module's rules
    from botocore.config import Config  # noqa: PLC0415 - as above
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - as above

    # AWS_REGION is Lambda's and the other SDKs' name for it; boto3 alone doesn't know it.
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    terms = Config(connect_timeout=_CONNECT_S, read_timeout=_ANSWER_S, retries={"total_max_attempts": 1}, proxies={})
    try:
        client = boto3.client(
            "secretsmanager",
            region_name=region,
            endpoint_url=next((text for name in _ENDPOINTS if (text := environ.get(name))), None),
            aws_access_key_id=environ.get("AWS_ACCESS_KEY_ID"),
            aws_secret_access_key=environ.get("AWS_SECRET_ACCESS_KEY"),
            aws_session_token=environ.get("AWS_SESSION_TOKEN"),
            config=terms,
        )
    except (BotoCoreError, ValueError) as error:
        return RotationSeen(secret, code="failed", words=f"no client: {type(error).__name__}; is AWS_REGION set?")
    try:
        return _look(clock, client, secret, region or "")
    finally:
        client.close()


# What a rotation function calls and what changes nothing; PutSecretValue and UpdateSecretVersionStage do.
_CALLS: tuple[tuple[str, str, str], ...] = (
    ("DescribeSecret", "describe_secret", "SecretId"),
    ("ListSecretVersionIds", "list_secret_version_ids", "SecretId"),
    ("GetSecretValue", "get_secret_value", "SecretId"),
    ("GetRandomPassword", "get_random_password", ""),
)
_ENDPOINTS = ("SECRETS_MANAGER_ENDPOINT", "AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL")


def _look(clock: Clock, client: Any, secret: str, region: str) -> RotationSeen:
    from vaultgate_ops.errors import OpsError  # noqa: PLC0415 - see the module's rules
    from vaultgate_ops.rotation.errors import RotationError  # noqa: PLC0415 - as above
    from vaultgate_ops.rotation.overdue import overdue_s  # noqa: PLC0415 - as above
    from vaultgate_ops.rotation.service import SecretsManager  # noqa: PLC0415 - as above
    from vaultgate_ops.rotation.survey import survey  # noqa: PLC0415 - as above

    store = SecretsManager(client, cast("Ours", clock))
    refused: dict[str, str] = {}
    trouble: dict[str, RotationError] = {}
    for operation, name, parameter in _CALLS:
        try:
            store.call(name, **({parameter: secret} if parameter else {}))
        except RotationError as error:
            # A proxy's or an emulator's refusal may have no code but HTTP's.
            if error.code == "aws-denied" or getattr(error, "shape", "") == "403":
                refused[operation] = " ".join(error.message.split())[:_LONGEST]
            else:
                trouble[operation] = error
            if error.code in {"aws-unreachable", "aws-credentials"}:
                break
    # A secret without a value has nothing to get, and is there all the same.
    graver = [error for operation, error in trouble.items() if operation == "DescribeSecret" or error.code != "secret-missing"]
    if graver:
        return _broken(secret, refused, graver[0])
    if {"DescribeSecret", "ListSecretVersionIds"} & refused.keys():
        return RotationSeen(secret, refused)
    try:
        looked = survey(store, secret, region)
    except RotationError as error:
        return _broken(secret, refused, error)
    late = 0.0
    if looked.enabled and looked.current is not None:
        with suppress(OpsError):
            late = overdue_s(looked, _DAYS, clock.wall())
    pending = looked.pending
    return RotationSeen(
        secret,
        refused,
        enabled=looked.enabled,
        function=looked.function,
        current=looked.current is not None,
        pending=pending.version_id if pending else "",
        pending_s=clock.wall() - pending.created_at if pending else 0.0,
        overdue_s=late,
        owner=looked.owner,
    )


def _broken(secret: str, refused: dict[str, str], error: RotationError) -> RotationSeen:
    code = {"secret-missing": "missing", "aws-unreachable": "failed", "aws-credentials": "failed"}.get(error.code, "refused")
    return RotationSeen(secret, refused, code, " ".join(error.message.split())[:_LONGEST])
