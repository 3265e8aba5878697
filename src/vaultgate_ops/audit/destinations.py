"""Where the mirror writes: log group, streams, retention and key, made where they are missing and may be made.

Rules: what is there is never changed, but for a retention or a key that a group we just made does not have yet; what can't
be made is said with the permission that is missing. Nothing is ever deleted.

Sources: API_CreateLogGroup, API_CreateLogStream and API_PutRetentionPolicy of the Amazon CloudWatch Logs API reference.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from vaultgate_ops.audit.keys import key_arn
from vaultgate_ops.errors import Denied, Missing, OpsError, Unreachable, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vaultgate_ops.audit.cloudwatch import CloudWatchLogs
    from vaultgate_ops.audit.model import Destination

_FORBIDDEN = 403
_EXISTS = "ResourceAlreadyExistsException"
_DENIALS = frozenset(
    ("AccessDeniedException", "AccessDenied", "UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException")
)


class Creation(NamedTuple):
    """What may be made.

    Attributes:
        allowed: whether a missing log group may be; its streams always may.
        retention_days: of a new group; None keeps its events for ever.
        kms_key: ARN of the key that encrypts a new group, or ``alias/...`` of one that may be made; empty for CloudWatch's own.
    """

    allowed: bool = True
    retention_days: int | None = None
    kms_key: str = ""

    def make(self, service: CloudWatchLogs, destination: Destination) -> int | None:
        """See that the group and both streams are there.

        Returns:
            the group's retention in days, None for ever or where it may not be looked at.

        Raises:
            Missing: the group is not there and may not be made.
            Denied: AWS does not permit it.
            UsageProblem: a retention or a key that AWS does not know.
            Unreachable: AWS does not answer.
        """
        with service.client() as client:
            for stream in (destination.stream, destination.proof_stream):
                self._stream(service, client, destination.group, stream)
            return _retention(client, destination.group)

    def _stream(self, service: CloudWatchLogs, client: Any, group: str, stream: str) -> None:
        for may_make_group in (True, False):
            try:
                with _explained(f"make stream {stream} in log group {group} ({service.region})", "logs:CreateLogStream"):
                    client.create_log_stream(logGroupName=group, logStreamName=stream)
            except _Named as named:
                if named.code == _EXISTS:
                    return
                if named.code == "ResourceNotFoundException" and may_make_group:
                    self._group(service, client, group)
                    continue
                raise named.explained from named
            return

    def _group(self, service: CloudWatchLogs, client: Any, group: str) -> None:
        if not self.allowed:
            raise Missing(f"There is no log group {group} in {service.region}.", "Make it, or check the region.")
        key = {"kmsKeyId": key_arn(service, self.kms_key, group)} if self.kms_key else {}
        try:
            with _explained(f"make log group {group} in {service.region}", "logs:CreateLogGroup"):
                client.create_log_group(logGroupName=group, **key)
            if self.retention_days:
                with _explained(f"set the retention of log group {group}", "logs:PutRetentionPolicy"):
                    client.put_retention_policy(logGroupName=group, retentionInDays=self.retention_days)
        except _Named as named:
            if named.code != _EXISTS:
                raise named.explained from named


def _retention(client: Any, group: str) -> int | None:
    try:
        with _explained(f"look at log group {group}", "logs:DescribeLogGroups"):
            described = client.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    except _Named:
        return None
    return next((found.get("retentionInDays") for found in described if found["logGroupName"] == group), None)


class _Named(Exception):
    """An exception of the service, and what we would say of it."""

    def __init__(self, code: str, explained: OpsError) -> None:
        super().__init__(code)
        self.code, self.explained = code, explained


@contextmanager
def _explained(what: str, permission: str) -> Iterator[None]:
    """Say what failed, in our own sentences."""
    try:
        yield
    except ClientError as error:
        code, message = str(error.response["Error"]["Code"]), str(error.response["Error"]["Message"])
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if code in _DENIALS or status == _FORBIDDEN:
            explained: OpsError = Denied(f"AWS doesn't let this role {what}: {message}", f"Allow {permission} on it.")
        elif code == "ResourceNotFoundException":
            explained = Missing(f"Could not {what}: {message}", "Check the name and the region.")
        else:
            explained = UsageProblem(f"Could not {what}: {code}: {message}", "Change what it names.")
        raise _Named(code, explained) from error
    except BotoCoreError as error:
        raise Unreachable(f"Could not {what}: {error}", "Check the region and the way to AWS.") from error
