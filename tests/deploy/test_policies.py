"""Who may do what, in every way to deploy: no ``*`` for an action, none for a resource that IAM could name."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
from tests.deploy.ways import WAYS, deployed, whole
from tests.rotation.template_rules import problems
from tests.simulators.cloudformation import ACCOUNT, Deployed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What IAM has no resource for, or checks with none in hand: the service authorization reference of each service.
_WITHOUT_RESOURCE = {
    "secretsmanager:GetRandomPassword",
    "ssm:DescribeParameters",
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
}
_ROOT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
# Who can't be told by a condition: test_what_tools_miss.py says why.
_WITHOUT_CONDITION = [("RotationTopicPolicy", {"Service": "events.amazonaws.com"}, ["sns:Publish"])]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(made: Deployed) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every statement of a stack, with its resource's name: of roles, of policies, and of what has a policy of its own."""
    for name, one in made.resources.items():
        properties = one["Properties"]
        documents = [inner["PolicyDocument"] for inner in properties.get("Policies", [])]
        documents += [properties[key] for key in ("PolicyDocument", "KeyPolicy", "AssumeRolePolicyDocument") if key in properties]
        if "Statement" in properties:
            documents.append({"Statement": properties["Statement"]})
        for document in documents:
            for statement in _list(document["Statement"]):
                yield name, statement


def too_wide(made: Deployed) -> list[str]:
    """What allows more than it says it is for."""
    found = []
    for name, one in statements(made):
        if one["Effect"] != "Allow":
            continue
        actions = _list(one["Action"])
        if "NotAction" in one or "NotResource" in one or "NotPrincipal" in one or "*" in actions:
            found.append(f"{name}: everything")
        elif "Principal" in one:
            # Of a bucket, a queue, a key, an endpoint: whose account, or whose doing, has to be said.
            told = one["Principal"] == _ROOT or one.get("Condition") or "sts:AssumeRole" in actions
            if not told and (name, one["Principal"], actions) not in _WITHOUT_CONDITION:
                found.append(f"{name}: {', '.join(actions)} for anybody")
        elif any("*" in action for action in actions):
            found.append(f"{name}: {', '.join(actions)}")
        elif any(str(resource) == "*" for resource in _list(one["Resource"])) and set(actions) - _WITHOUT_RESOURCE:
            found.append(f"{name}: {', '.join(actions)} on everything")
    return found


@pytest.mark.parametrize("way", WAYS)
def test_nobody_may_more_than_it_needs(way: str) -> None:
    """No action and no resource is a star but where IAM knows nothing narrower; secrets are named one by one."""
    assert too_wide(deployed(way)) == []
    assert problems(deployed(way)) == []


def _first(made: dict[str, Any], role: str) -> dict[str, Any]:
    found: dict[str, Any] = made[role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][0]
    return found


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda made: _first(made, "RecordsRole").update(Action="*"), "RecordsRole: everything"),
        (lambda made: _first(made, "RecordsRole").update(Action="logs:*"), "RecordsRole: logs:*"),
        (lambda made: _first(made, "AuditFunctionRole").update(Resource="*"), "AuditFunctionRole: s3:GetObject on everything"),
        (
            lambda made: made["SecretsManagerEndpoint"]["Properties"]["PolicyDocument"]["Statement"][0].pop("Condition"),
            "SecretsManagerEndpoint: secretsmanager:* for anybody",
        ),
        (
            lambda made: made["RotationTopicPolicy"]["Properties"]["PolicyDocument"]["Statement"][0].pop("Condition"),
            "RotationTopicPolicy: sns:Publish for anybody",
        ),
    ],
)
def test_what_is_too_wide_is_found(spoil: Callable[[dict[str, Any]], object], said: str) -> None:
    """With one statement spoiled."""
    spoiled = deepcopy(whole("everything"))
    spoil(spoiled["Resources"])
    assert too_wide(Deployed(spoiled, **WAYS["everything"])) == [said]


@pytest.mark.parametrize("way", WAYS)
def test_a_role_is_assumed_by_one_service(way: str) -> None:
    """By that which runs it, for this account where the service says whose."""
    for name, one in statements(deployed(way)):
        if one.get("Action") != "sts:AssumeRole" or deployed(way).resources[name]["Type"] != "AWS::IAM::Role":
            continue
        service = one["Principal"]["Service"]
        assert service in {"lambda.amazonaws.com", "events.amazonaws.com", "scheduler.amazonaws.com"}
        condition = {} if service.startswith("lambda") else {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
        assert one.get("Condition", {}) == condition


@pytest.mark.parametrize("way", WAYS)
def test_who_may_invoke_a_function(way: str) -> None:
    """A service, from one source of this account: no permission is open to whoever names the function."""
    for name, one in deployed(way).of("AWS::Lambda::Permission").items():
        assert one["Action"] == "lambda:InvokeFunction", name
        assert one.get("SourceArn"), name
