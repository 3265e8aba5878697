"""What AWS refuses, never delivers, or takes for another's, though cfn-lint, SAM and moto have nothing against it.

Each test's sentence has its source. Nothing of this could be seen in an account.
"""

from __future__ import annotations

import pytest
from tests.deploy.ways import WAYS, deployed

_ROTATIONS = [way for way in WAYS if "RotationTopic" in deployed(way).resources]


@pytest.mark.parametrize("way", _ROTATIONS)
def test_rules_may_publish_without_a_condition(way: str) -> None:
    """EventBridge gives SNS nothing that a condition could be held to ("Amazon SNS permissions", EventBridge user guide)."""
    (policy,) = deployed(way).of("AWS::SNS::TopicPolicy").values()
    said = {one["Principal"]["Service"]: one.get("Condition") for one in policy["PolicyDocument"]["Statement"]}
    account = {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    assert said == {"cloudwatch.amazonaws.com": account, "events.amazonaws.com": None}


def test_an_instances_parameters_are_an_instances() -> None:
    """RDS for MySQL takes 1 where Aurora takes ON (prowler-cloud/prowler #4116, with RDS's answers)."""
    (group,) = deployed("rotation with an instance").of("AWS::RDS::DBParameterGroup").values()
    assert group["Parameters"] == {"require_secure_transport": "1"}


def test_the_instance_is_of_no_minor_version() -> None:
    """RDS takes minor versions away after a while, and a template that names one makes no instance any more."""
    (instance,) = deployed("rotation with an instance").of("AWS::RDS::DBInstance").values()
    (group,) = deployed("rotation with an instance").of("AWS::RDS::DBParameterGroup").values()
    assert (instance["EngineVersion"], group["Family"]) == ("8.4", "mysql8.4")


def test_log_groups_are_listed_in_all() -> None:
    """IAM holds DescribeLogGroups to log-group:*, whatever prefix is asked for ("Logs sent to CloudWatch Logs" of its guide)."""
    (policy,) = deployed("mirror").of("AWS::IAM::ManagedPolicy").values()
    (look,) = (one for one in policy["PolicyDocument"]["Statement"] if "logs:DescribeLogGroups" in one["Action"])
    assert look["Action"] == "logs:DescribeLogGroups"
    assert look["Resource"] == "arn:aws:logs:us-east-1:123456789012:log-group:*"
