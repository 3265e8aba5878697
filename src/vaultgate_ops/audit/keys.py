"""The KMS key that encrypts a log group: by ARN as it is, by alias made where it is missing.

Rules: a key that is there is never changed. One that we make lets CloudWatch Logs of this region use it for this log group
alone, and leaves everything else to the account's IAM; it rotates every year.

Source: "Encrypt log data in CloudWatch Logs using AWS Key Management Service" of the CloudWatch Logs user guide, for the
policy and its encryption context.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from vaultgate_ops.errors import Denied, Unreachable, UsageProblem

if TYPE_CHECKING:
    from vaultgate_ops.audit.cloudwatch import CloudWatchLogs

ALIAS = "alias/"


def key_arn(service: CloudWatchLogs, name: str, group: str) -> str:
    """The ARN of a key.

    Args:
        service: knows region and credentials.
        name: an ARN, which is not looked at, or ``alias/...``.
        group: the log group that a new key is for.

    Raises:
        Denied: AWS does not permit it.
        UsageProblem: it is neither.
        Unreachable: AWS does not answer.
    """
    if name.startswith("arn:"):
        return name
    if not name.startswith(ALIAS):
        raise UsageProblem(f"{name} is no KMS key.", "Give its ARN, or alias/... for one that may be made.")
    try:
        with service.other_client("kms") as kms:
            try:
                return str(kms.describe_key(KeyId=name)["KeyMetadata"]["Arn"])
            except kms.exceptions.NotFoundException:
                return _made(service, kms, name, group)
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        allow = "Allow kms:DescribeKey, kms:CreateKey, kms:EnableKeyRotation and kms:CreateAlias, or give the key's ARN."
        raise Denied(f"KMS key {name} can't be had: {code}: {message}", allow) from error
    except BotoCoreError as error:
        raise Unreachable(f"KMS key {name} can't be had: {error}", "Check the region and the way to KMS.") from error


def _made(service: CloudWatchLogs, kms: Any, alias: str, group: str) -> str:
    with service.other_client("sts") as sts:
        own = str(sts.get_caller_identity()["Arn"])
    _, partition, _, _, account, _ = own.split(":", 5)
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "AccountDecides",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:{partition}:iam::{account}:root"},
                "Action": "kms:*",
                "Resource": "*",
            },
            {
                "Sid": "LogsOfThisGroup",
                "Effect": "Allow",
                "Principal": {"Service": f"logs.{service.region}.amazonaws.com"},
                "Action": ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"],
                "Resource": "*",
                "Condition": {
                    "ArnEquals": {
                        "kms:EncryptionContext:aws:logs:arn": f"arn:{partition}:logs:{service.region}:{account}:log-group:{group}"
                    }
                },
            },
        ],
    }
    made = kms.create_key(Policy=json.dumps(policy), Description=f"Vault's audit log in {group}")["KeyMetadata"]
    kms.enable_key_rotation(KeyId=made["KeyId"])
    kms.create_alias(AliasName=alias, TargetKeyId=made["KeyId"])
    return str(made["Arn"])
