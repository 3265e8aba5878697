"""What AWS refuses, never delivers, or takes for another's, though cfn-lint, SAM and moto have nothing against it.

Each test's sentence has its source. Nothing of this could be seen in an account.
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.deploy.holder import statements_of
from tests.deploy.ways import PARAMETER_KEY, SECOND_KEY, WAYS, deployed, template
from tests.simulators.cloudformation import Deployed

_ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:billing"
_ROTATIONS = [way for way in WAYS if "RotationTopic" in deployed(way).resources]


def _layers(way: str) -> list[dict[str, Any]]:
    return [one for one in deployed(way).resources.values() if one["Type"] == "AWS::Lambda::LayerVersion"]


def _with(parameter: str, value: str) -> list[str]:
    return Deployed(template(), **{parameter: value}).refusals()


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


@pytest.mark.parametrize("role", ["RotationRole", "ParameterRotationRole"])
def test_a_secret_of_somebody_elses_key_can_be_read(role: str) -> None:
    """The rotator's secret, or the API key's: whoever reads it needs its key too, and gets that through Secrets Manager alone."""
    given = [one for one in statements_of(deployed("everything"), role) if one["Resource"] == [PARAMETER_KEY, SECOND_KEY]]
    through = {"StringEquals": {"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"}}
    assert [(one["Condition"], "kms:Decrypt" in one["Action"]) for one in given] == [(through, True)]
    assert PARAMETER_KEY not in str(statements_of(deployed("rotation"), "RotationRole"))


@pytest.mark.parametrize(
    ("parameter", "taken", "refused"),
    [
        ("DatabaseHost", ["", "db.example.com", "10.0.0.7", "2001:db8::1"], ['db", "x": "y', "db.example.com:3306/x", "db host"]),
        ("DatabaseName", ["shop", "shop_2", "shop-eu"], ["", 'shop"', "{}"]),
        ("DatabaseInstanceClass", ["db.t4g.micro", "db.r6gd.2xlarge"], ["t4g.micro", ""]),
        ("RotatorArn", ["", "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-1b2c-AbCdEf"], [_ARN, f"{_ARN}-??????"]),
        ("ApiKeyArn", ["", f"{_ARN}-AbCdEf"], [_ARN, f"{_ARN}-??????", "billing"]),
        (
            "OtherKeyArns",
            ["", PARAMETER_KEY, f"{PARAMETER_KEY},{SECOND_KEY}"],
            [f"{PARAMETER_KEY}, {SECOND_KEY}", "alias/x", "*"],
        ),
        ("OtherHosts", ["", "api.example.com", "*.example.com,10.0.0.7"], ["*", "api.example.com, b", "a,", "https://api"]),
        ("RotatedParameterKeyArn", ["", PARAMETER_KEY, SECOND_KEY], [f"{PARAMETER_KEY[:-4]}*", "alias/x"]),
    ],
)
def test_what_goes_into_json_and_policies_fits_there(parameter: str, taken: list[str], refused: list[str]) -> None:
    """No quote that ends the secret's JSON, no star that widens a role, no ARN without the six characters that IAM compares."""
    for value in taken:
        assert not [one for one in _with(parameter, value) if one.startswith(f"{parameter}:")], value
    for value in refused:
        assert f"{parameter}: {value!r}" in _with(parameter, value)


def test_a_layer_that_others_have_stays() -> None:
    """A function that names a deleted version can't be deployed again, nor rolled back; our own certificates nobody else has."""
    layers = {one["Properties"]["LayerName"]: one for one in _layers("everything")}
    assert {name: one["DeletionPolicy"] for name, one in layers.items()} == {
        "stack-vaultgate-arm64": "Retain",
        "stack-vaultgate-x86_64": "Retain",
        "stack-certificates": "Delete",
    }


@pytest.mark.parametrize("way", [way for way in WAYS if deployed(way).of("AWS::S3::Bucket")])
def test_nothing_is_brought_to_a_bucket_in_clear(way: str) -> None:
    """Each has a policy that denies what comes without TLS, and is closed to the public."""
    buckets, policies = (deployed(way).of(f"AWS::S3::{kind}") for kind in ("Bucket", "BucketPolicy"))
    for name, bucket in buckets.items():
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        (policy,) = (one["PolicyDocument"] for one in policies.values() if one["Bucket"] == name)
        (deny,) = (one for one in policy["Statement"] if one["Effect"] == "Deny")
        assert (deny["Principal"], deny["Action"]) == ("*", "s3:*")
        assert deny["Resource"] == [f"{name}.Arn", f"{name}.Arn/*"]
        assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


@pytest.mark.parametrize("way", [way for way in WAYS if "RecordsApi" in deployed(way).resources])
def test_nobody_calls_without_a_signature(way: str) -> None:
    """Every route asks for SigV4 in the words that API Gateway imports; with other words it would be open, without an error."""
    (api,) = deployed(way).of("AWS::ApiGatewayV2::Api").values()
    schemes = api["Body"]["components"]["securitySchemes"]
    routes = [one for path in api["Body"]["paths"].values() for one in path.values()]
    assert routes
    assert [one["security"] for one in routes] == [[{"AWS_IAM": []}] for _ in routes]
    assert (schemes["AWS_IAM"]["type"], schemes["AWS_IAM"]["x-amazon-apigateway-authtype"]) == ("apiKey", "awsSigv4")


@pytest.mark.parametrize("way", [way for way in WAYS if deployed(way).of("AWS::EC2::VPCEndpoint")])
def test_an_endpoint_that_takes_a_services_name_is_one_that_the_parameter_warns_of(way: str) -> None:
    """With private DNS whoever else is in the VPC goes through it as well, and the group lets in only its own members."""
    made = deployed(way)
    assert all(one["PrivateDnsEnabled"] for one in made.of("AWS::EC2::VPCEndpoint").values())
    warning = made.template["Parameters"]["EndpointVpcId"]["Description"]
    assert "Everything else in the VPC goes through them too" in warning
    door = made.resources["EndpointDoor"]["Properties"]
    assert door["SourceSecurityGroupId"] == door["GroupId"]
