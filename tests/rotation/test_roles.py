"""The roles of template.yaml, enforced by moto: with them the calls work, without any one of their actions its call is denied.

Moto compares actions and knows no resource of a call, so the resources are opened here; `test_template.py` holds them.
"""

from __future__ import annotations

import json
import re
import uuid
from inspect import getsource
from typing import TYPE_CHECKING, Any

import pytest
from tests.rotation.test_template import OWN, deployed

from vaultgate_ops.clock import Clock
from vaultgate_ops.rotation import service, survey
from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.model import SecretValue
from vaultgate_ops.rotation.service import SecretsManager

if TYPE_CHECKING:
    from collections.abc import Callable

    from vaultgate_ops.local.stack import Stack

pytestmark = pytest.mark.stack

ROLE = "rotate-by-template"
DOORS = {"RotationRole": [service], "OverdueRole": [survey]}


def actions(role: str) -> set[str]:
    """What a role may do to secrets, but for reading the rotator's."""
    statements = [
        statement
        for policy in deployed(**OWN).of("AWS::IAM::Role")[role]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
    ]
    named = [one for statement in statements for one in _list(statement["Action"])]
    return {one.removeprefix("secretsmanager:") for one in named if one.startswith("secretsmanager:")}


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else value


@pytest.mark.parametrize("role", DOORS)
def test_the_role_has_what_the_code_calls(role: str) -> None:
    """Every operation in the door's source, and no other."""
    called = {name for module in DOORS[role] for name in re.findall(r'call\(\s*"(\w+)"', getsource(module))}
    assert actions(role) == {"".join(word.capitalize() for word in name.split("_")) for name in called}


def denied(store: SecretsManager, arn: str, version: str) -> set[str]:
    """The operations that a store's credentials don't allow."""
    mine = {"SecretId": arn, "VersionStage": "mine", "MoveToVersionId": version}
    calls: dict[str, Callable[[], object]] = {
        "DescribeSecret": lambda: store.describe(arn),
        "GetSecretValue": lambda: store.value(arn, version, "AWSCURRENT"),
        "PutSecretValue": lambda: store.put(arn, str(uuid.uuid4()), SecretValue({"password": "made up"}), ""),
        "UpdateSecretVersionStage": lambda: store.call("update_secret_version_stage", **mine),
        "GetRandomPassword": lambda: store.random_password({"PasswordLength": 32}),
        "ListSecretVersionIds": lambda: store.call("list_secret_version_ids", SecretId=arn),
    }
    refused = set()
    for name, call in calls.items():
        try:
            call()
        except RotationError as error:
            # Moto denies in XML whatever the service speaks, so the code is not AWS's.
            if f"not authorized to perform: secretsmanager:{name}" not in error.message:
                raise
            refused.add(name)
    return refused


@pytest.mark.parametrize("role", DOORS)
def test_each_action_is_needed(stack: Stack, role: str) -> None:
    """All that the role names works, nothing else does, and what is taken from it is denied."""
    aws, allowed = stack.aws, actions(role)
    everything = {*actions("RotationRole"), *actions("OverdueRole")}
    name = f"{ROLE}-{role}"
    aws.create_role(name)
    with aws.client("secretsmanager") as administrator:
        made = administrator.create_secret(Name=str(uuid.uuid4()), SecretString='{"password": "made up"}')
    with aws.client("iam") as iam, aws.client("secretsmanager", aws.assume(name)) as client:
        for taken in ("", *sorted(allowed)):
            left = sorted(f"secretsmanager:{action}" for action in allowed - {taken})
            document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": left, "Resource": "*"}]}
            iam.put_role_policy(RoleName=name, PolicyName="actions", PolicyDocument=json.dumps(document))
            refused = denied(SecretsManager(client, Clock()), made["ARN"], made["VersionId"])
            assert refused == everything - allowed | ({taken} if taken else set())
