"""The sender, the key and `verify` against emulated AWS that checks signatures: not only against our own simulator."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

import botocore.session
import pytest
from tests.audit.cloud.conftest import QUICK, File, entry, send

from vaultgate_ops.audit.cloudwatch import CloudWatchLogs, Service
from vaultgate_ops.audit.destinations import Creation
from vaultgate_ops.audit.model import Destination
from vaultgate_ops.audit.sender import open_sender
from vaultgate_ops.audit.verify import mirrored_streams, read_back
from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import Denied, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vaultgate_ops.local.stack import Stack

LINES = [entry(number) for number in range(50)]


@pytest.fixture
def aws(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudWatchLogs]:
    """The stack's CloudWatch Logs, reached as its administrator; KMS and STS by the same environment."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", stack.aws.endpoint)
    service = CloudWatchLogs(Service("us-east-1", stack.aws.endpoint), Clock(), _session(stack))
    yield service
    service.close()


def _session(stack: Stack) -> botocore.session.Session:
    made = botocore.session.Session()
    keys = stack.aws.administrator
    made.set_credentials(keys.access_key, keys.secret_key)
    return made


def test_a_mirror_to_emulated_aws_is_complete(stack: Stack, aws: CloudWatchLogs) -> None:
    """Group and streams are made, lines and proofs arrive, and reading them back says so."""
    destination = Destination(f"/vault/{uuid.uuid4().hex}", "node-1/file")
    lines = [*LINES, b"", b"\xff", b"long" * 400_000]
    sender = open_sender(
        Service("us-east-1", stack.aws.endpoint),
        destination,
        Creation(retention_days=30),
        Clock(),
        pace=QUICK,
        session=_session(stack),
    )
    assert send(sender, File(*lines))
    sender.close()
    found = read_back(aws, destination).findings()
    assert (found.complete, found.lines, found.duplicates) == (True, len(lines), 0)
    assert mirrored_streams(aws, destination.group) == ["node-1/file"]


def test_a_missing_key_is_made_for_the_group_alone(stack: Stack, aws: CloudWatchLogs) -> None:
    """Its policy names CloudWatch Logs of the region and this group; a second group finds it there."""
    alias = f"alias/{uuid.uuid4().hex}"
    groups = [f"/vault/{uuid.uuid4().hex}" for _ in range(2)]
    for group in groups:
        Creation(kms_key=alias).make(aws, Destination(group, "node-1/file"))
    with stack.aws.client("kms") as kms, stack.aws.client("logs") as logs:
        key = kms.describe_key(KeyId=alias)["KeyMetadata"]
        policy = json.loads(kms.get_key_policy(KeyId=key["KeyId"], PolicyName="default")["Policy"])
        assert kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"]
        used = [logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["kmsKeyId"] for group in groups]
    assert used == [key["Arn"]] * 2
    (statement,) = [one for one in policy["Statement"] if "Service" in one["Principal"]]
    assert statement["Principal"] == {"Service": "logs.us-east-1.amazonaws.com"}
    context = statement["Condition"]["ArnEquals"]["kms:EncryptionContext:aws:logs:arn"]
    assert context == f"arn:aws:logs:us-east-1:123456789012:log-group:{groups[0]}"


def test_a_key_that_is_none_is_said(aws: CloudWatchLogs) -> None:
    """Before anything is made."""
    with pytest.raises(UsageProblem, match="no KMS key"):
        Creation(kms_key="my-key").make(aws, Destination(f"/vault/{uuid.uuid4().hex}", "node-1/file"))


def test_credentials_that_aws_does_not_know_are_a_denial(stack: Stack) -> None:
    """In one sentence that names the group."""
    session = botocore.session.Session()
    session.set_credentials("AKIANOBODY", "wrong")
    with pytest.raises(Denied, match="/vault/nobody"):
        open_sender(
            Service("us-east-1", stack.aws.endpoint), Destination("/vault/nobody", "s"), Creation(), Clock(), session=session
        )
