"""Rotation in template.yaml: every way to deploy it keeps our linter's rules, and the rules find what is wrong elsewhere."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from hypothesis import example, given
from hypothesis import strategies as st
from tests.rotation.template_rules import problems, unknown_fields
from tests.rotation.test_schedule import crons, durations, rates
from tests.simulators.cloudformation import ACCOUNT, Deployed, read

from vaultgate_ops.local.paths import checkout
from vaultgate_ops.rotation.model import SecretValue
from vaultgate_ops.rotation.mysql.secret import DatabaseSecret
from vaultgate_ops.rotation.schedule import check
from vaultgate_ops.rotation.settings import load

if TYPE_CHECKING:
    from collections.abc import Callable

VAULT = {"VaultAddress": "https://vault.example.com:8200", "VaultServerId": "vault.example.com"}
ROTATOR = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:rotator-AbCdEf"
API_KEY = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:api-key-AbCdEf"
OWN = {"Rotation": "own", "DatabaseHost": "db.example.com", "RotatorArn": ROTATOR}
INSTANCE = {"Rotation": "own", "CreateDatabase": "yes", "SubnetIds": "subnet-a,subnet-b", "SecurityGroupIds": "sg-a"}
WAYS = {
    "own": OWN,
    "everything": {
        **OWN,
        "ApiKeyArn": API_KEY,
        "RotationKey": "own",
        "ReplicaRegion": "eu-west-1",
        "SecondReplicaRegion": "eu-central-1",
        "RotationSchedule": "cron(0 2 ? * MON-FRI *)",
        "RotationWindow": "2h",
    },
    "instance": INSTANCE,
    "hosted": {"Rotation": "hosted", "DatabaseHost": "db.example.com"},
}

# The second seed's sample, with its secret, function and role.
SAMPLE = """
Resources:
  DatabaseSecret:
    Type: AWS::SecretsManager::Secret
    Properties:
      GenerateSecretString:
        SecretStringTemplate: '{"username": "admin"}'
        GenerateStringKey: "password"
        PasswordLength: 32
        ExcludeCharacters: '"@/'
  RotationLambda:
    Type: AWS::Lambda::Function
    Properties: {}
  RotationSchedule:
    Type: AWS::SecretsManager::RotationSchedule
    Properties:
      SecretId: !Ref DatabaseSecret
      RotationLambdaARN: !GetAtt RotationLambda.Arn
      RotationRules:
        AutomaticallyAfterDays: 45
        Duration: "2h"
        ScheduleExpression: "cron(0 2 ? * MON-FRI *)"
  RotationLambdaRole:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyName: SecretsRotationPolicy
          PolicyDocument:
            Version: '2012-10-17'
            Statement:
              - Effect: Allow
                Action:
                  - secretsmanager:DescribeSecret
                  - secretsmanager:GetSecretValue
                  - secretsmanager:PutSecretValue
                  - secretsmanager:UpdateSecretVersionStage
                Resource: !Ref DatabaseSecret
"""
SAMPLE_FUNCTION = """
def lambda_handler(event, context):
    client = boto3.client('secretsmanager')
    metadata = client.describe_secret(SecretId=event['SecretId'])
    if not metadata['RotationEnabled']:
        raise ValueError("not enabled for rotation")
    client.update_secret_version_stage(
        SecretId=event['SecretId'],
        VersionStage="AWSCURRENT",
        MoveToVersionId=event['ClientRequestToken'],
        RemoveFromVersionId=metadata['VersionId']
    )
"""


@cache
def template() -> dict[str, Any]:
    """The template; nobody changes it."""
    return read((checkout() / "template.yaml").read_text(encoding="utf-8"))


def deployed(**parameters: str) -> Deployed:
    """The template, given these parameters."""
    return Deployed(template(), **VAULT, **parameters)


def hosted(**parameters: str) -> Deployed:
    """The nested template of AWS's own function."""
    path = checkout() / "templates/hosted-rotation.yaml"
    return Deployed(read(path.read_text(encoding="utf-8")), SecretArn=ROTATOR, FunctionName="rotate", **parameters)


@pytest.mark.parametrize("way", WAYS)
def test_every_way_keeps_the_rules(way: str) -> None:
    """Neither the template's own rules nor our linter say anything."""
    stack = deployed(**WAYS[way])
    assert stack.refusals() == []
    assert problems(stack) == []


def test_without_rotation_there_is_none() -> None:
    """No secret, no schedule, no function, no key, no database."""
    stack = deployed(DatabaseHost="db.example.com")
    assert [name for name in stack.resources if re.match("Rotation|Database|ApiKey|Hosted", name)] == []


def test_the_seeds_sample() -> None:
    """Both rules, and a function that nobody may invoke; its code reads a field that no answer has."""
    assert problems(Deployed(read(SAMPLE))) == [
        "RotationSchedule: AutomaticallyAfterDays and ScheduleExpression exclude each other",
        "RotationSchedule: Secrets Manager may not invoke RotationLambda",
    ]
    client = boto3.client("secretsmanager", region_name="us-east-1", config=Config(signature_version=UNSIGNED))
    assert unknown_fields(SAMPLE_FUNCTION, client) == ["describe_secret: VersionId"]


def _statement(stack: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = stack["RotationRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][0]
    return found


@pytest.mark.parametrize(
    ("way", "spoil", "problem"),
    [
        ("own", lambda all_: all_.pop("DatabaseRotationPermission"), "Secrets Manager may not invoke RotationFunction"),
        (
            "own",
            lambda all_: all_["DatabaseRotationPermission"]["Properties"].pop("SourceAccount"),
            "any account's Secrets Manager may invoke the function, SourceAccount is missing",
        ),
        ("own", lambda all_: _statement(all_).update(Resource="*"), "on a wildcard resource"),
        (
            "own",
            lambda all_: _statement(all_).update(Resource="arn:aws:secretsmanager:us-east-1:123456789012:secret:*"),
            "on a wildcard resource",
        ),
        ("own", lambda all_: _statement(all_).update(Action="secretsmanager:*"), "is more than a rotation needs"),
        (
            "instance",
            lambda all_: all_["DatabaseRotation"]["Properties"].update(SecretId={"Ref": "DatabaseSecret"}),
            "doesn't wait for DatabaseAttachment",
        ),
        (
            "everything",
            lambda all_: all_["RotationEncryptionKey"]["Properties"].pop("EnableKeyRotation"),
            "the key is never rotated",
        ),
        (
            "own",
            lambda all_: all_["DatabaseSecret"]["Properties"]["GenerateSecretString"].update(PasswordLength=12),
            "12 characters, 32 are wanted",
        ),
        (
            "own",
            lambda all_: all_["DatabaseSecret"]["Properties"].update(SecretString="in the open"),
            "its value stands in the template",
        ),
        (
            "own",
            lambda all_: all_["DatabaseRotation"]["Properties"].update(HostedRotationLambda={"RotationType": "MySQLSingleUser"}),
            "needs either a function or HostedRotationLambda",
        ),
    ],
)
def test_what_the_linter_finds(way: str, spoil: Callable[[dict[str, Any]], object], problem: str) -> None:
    """Our own template with one thing spoiled."""
    spoiled = deepcopy(template())
    spoil(spoiled["Resources"])
    assert any(problem in one for one in problems(Deployed(spoiled, **VAULT, **WAYS[way])))


@pytest.mark.parametrize(
    ("parameters", "refusal"),
    [
        ({}, "DatabaseHost, or CreateDatabase"),
        ({**INSTANCE, "Rotation": "none"}, "CreateDatabase needs Rotation, own or hosted"),
        ({**INSTANCE, "SubnetIds": ""}, "CreateDatabase needs SubnetIds in two availability zones"),
        ({**OWN, "ReplicaRegion": "us-east-1"}, "ReplicaRegion is the stack's own region"),
        (
            {**OWN, "ReplicaRegion": "eu-west-1", "SecondReplicaRegion": "eu-west-1"},
            "ReplicaRegion and SecondReplicaRegion are the same",
        ),
    ],
)
def test_parameters_that_do_not_fit(parameters: dict[str, str], refusal: str) -> None:
    """A rule names them before anything is made."""
    assert deployed(**parameters).refusals() == [refusal]


def test_a_replicas_region_is_one_of_aws() -> None:
    """CloudFormation refuses an unknown one by name: the allowed values are the regions that Secrets Manager has."""
    regions = set(boto3.session.Session().get_available_regions("secretsmanager"))
    parameters = deployed(**OWN).template["Parameters"]
    for name in ("ReplicaRegion", "SecondReplicaRegion"):
        assert set(parameters[name]["AllowedValues"]) == {"", *regions}
    secret = deployed(**WAYS["everything"]).of("AWS::SecretsManager::Secret")["DatabaseSecret"]
    assert secret["ReplicaRegions"] == [{"Region": "eu-west-1"}, {"Region": "eu-central-1"}]
    assert "ReplicaRegions" not in deployed(**OWN).of("AWS::SecretsManager::Secret")["DatabaseSecret"]


def test_days_or_an_expression() -> None:
    """45 days and 30 by default; an expression takes the days' place, for our function and for AWS's."""
    rules = {name: one["RotationRules"] for name, one in _scheduled(deployed(**{**OWN, "ApiKeyArn": API_KEY})).items()}
    assert rules == {"DatabaseRotation": {"AutomaticallyAfterDays": 45}, "ApiKeyRotation": {"AutomaticallyAfterDays": 30}}
    by_expression = {"ScheduleExpression": "cron(0 2 ? * MON-FRI *)", "Duration": "2h"}
    assert _scheduled(deployed(**WAYS["everything"]))["DatabaseRotation"]["RotationRules"] == by_expression
    nested = hosted(Schedule="cron(0 2 ? * MON-FRI *)", Window="2h")
    assert problems(nested) == problems(hosted()) == []
    assert _scheduled(nested)["Rotation"]["RotationRules"] == by_expression
    assert _scheduled(hosted())["Rotation"]["RotationRules"] == {"AutomaticallyAfterDays": 45}


@example("cron(0 4/12 2/7 1/3 ? *)", None)
@example("cron(0 6 ? FEB,7-9 MON/3 *)", "3h")
@example("cron(0 6 L * ? *)", "18h")
@example("cron(0 6 ? * FRI#5 *)", None)
@example("rate(999 days)", "24h")
@given(st.one_of(crons, rates), durations)
def test_the_parameters_take_what_the_validator_takes(expression: str, duration: str | None) -> None:
    """No schedule that Secrets Manager would take is refused by the template's patterns."""
    given_duration = {"Duration": duration} if duration else {}
    if not check({"ScheduleExpression": expression, **given_duration})[1]:
        assert deployed(**OWN, RotationSchedule=expression, RotationWindow=duration or "").refusals() == []


def _scheduled(stack: Deployed) -> dict[str, dict[str, Any]]:
    return stack.of("AWS::SecretsManager::RotationSchedule")


def test_a_hosted_function_needs_its_transform() -> None:
    """Without it CloudFormation makes no function and says nothing."""
    nested = read((checkout() / "templates/hosted-rotation.yaml").read_text(encoding="utf-8"))
    del nested["Transform"]
    assert problems(Deployed(nested, SecretArn=ROTATOR, FunctionName="rotate")) == [
        "Rotation: HostedRotationLambda needs the transform AWS::SecretsManager-2024-09-16"
    ]


def test_the_hosted_stack_gets_what_it_takes() -> None:
    """The nested template knows each parameter that it is given."""
    (given,) = deployed(**WAYS["hosted"]).of("AWS::Serverless::Application").values()
    assert given["Parameters"].keys() == hosted().template["Parameters"].keys()
    assert (checkout() / given["Location"]).is_file()


@pytest.mark.parametrize("way", ["own", "hosted", "instance"])
def test_the_secret_is_one_that_our_rotation_takes(way: str) -> None:
    """With the password that Secrets Manager adds, and what an attachment does for an instance."""
    secret = deployed(**WAYS[way]).of("AWS::SecretsManager::Secret")["DatabaseSecret"]
    fields = json.loads(secret["GenerateSecretString"]["SecretStringTemplate"])
    if way == "instance":
        fields |= {"engine": "mysql", "host": "db.example.com", "port": 3306}
    fields[secret["GenerateSecretString"]["GenerateStringKey"]] = "drawn"
    read_back = DatabaseSecret.parse(SecretValue(fields))
    assert (read_back.host, read_back.username, read_back.masterarn) == (
        "db.example.com",
        "records",
        ROTATOR if way == "own" else None,
    )
    assert secret["GenerateSecretString"]["ExcludeCharacters"] == load({}, ["dual"]).password["ExcludeCharacters"]


def test_the_functions_variables_are_its_own() -> None:
    """They load, and the host is the only one that it may be sent to."""
    for way in ("own", "instance"):
        variables = deployed(**WAYS[way]).of("AWS::Serverless::Function")["RotationFunction"]["Environment"]["Variables"]
        settings = load({name: str(value) for name, value in variables.items()}, ["dual"])
        assert settings.grace_s == 86400
        assert settings.hosts == ("db.example.com" if way == "own" else "DatabaseInstance.Endpoint.Address",)


def test_failed_invocations_wait_in_a_queue() -> None:
    """For two weeks; the role may put them there."""
    stack = deployed(**OWN)
    function = stack.of("AWS::Serverless::Function")["RotationFunction"]
    assert function["EventInvokeConfig"]["DestinationConfig"]["OnFailure"] == {
        "Type": "SQS",
        "Destination": "RotationFailures.Arn",
    }
    assert stack.of("AWS::SQS::Queue")["RotationFailures"]["MessageRetentionPeriod"] == 14 * 86400
    assert '"Action": "sqs:SendMessage", "Resource": "RotationFailures.Arn"' in json.dumps(
        stack.of("AWS::IAM::Role")["RotationRole"]
    )


def test_the_role_knows_its_secrets_and_no_others() -> None:
    """Each optional one is there only with its parameter, and the rotator's may only be read."""

    def secrets(**parameters: str) -> set[tuple[str, str]]:
        statements = [
            statement
            for policy in deployed(**parameters).of("AWS::IAM::Role")["RotationRole"]["Policies"]
            for statement in policy["PolicyDocument"]["Statement"]
            if "secretsmanager" in str(statement["Action"])
        ]
        return {
            (action.partition(":")[2], resource)
            for statement in statements
            for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
            for resource in ([statement["Resource"]] if isinstance(statement["Resource"], str) else statement["Resource"])
        }

    ours = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:stack-database-AbCdEf"
    rotate = {"DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage"}
    least = {(action, ours) for action in rotate} | {("GetRandomPassword", "*")}
    assert secrets(**INSTANCE) == least
    reading = {("DescribeSecret", ROTATOR), ("GetSecretValue", ROTATOR)}
    assert secrets(**OWN) == least | reading
    assert secrets(**OWN, ApiKeyArn=API_KEY) == least | reading | {(action, API_KEY) for action in rotate}


def test_the_api_whose_key_is_rotated_may_be_contacted() -> None:
    """The function refuses every host but the database's and those that OtherHosts names."""

    def hosts(**parameters: str) -> tuple[str, ...]:
        environment = deployed(**parameters).resources["RotationFunction"]["Properties"]["Environment"]["Variables"]
        return load({name: value for name, value in environment.items() if isinstance(value, str)}, ()).hosts

    assert hosts(**OWN) == ("db.example.com",)
    assert hosts(**OWN, ApiKeyArn=API_KEY, OtherHosts="api.example.com,*.example.net") == (
        "db.example.com",
        "api.example.com",
        "*.example.net",
    )


def test_examples_in_the_documentation(tmp_path: Path) -> None:
    """Each template in docs/rotation.md is one that cfn-lint and our linter have nothing against."""
    page = (checkout() / "docs/rotation.md").read_text(encoding="utf-8")
    examples = re.findall(r"```yaml\n(AWSTemplateFormatVersion.*?)```", page, re.DOTALL)
    assert {kind for text in examples for kind in re.findall(r"RotationType: (\w+)", text)} == {
        "RedshiftSingleUser",
        "MongoDBSingleUser",
    }
    files = []
    for number, text in enumerate(examples):
        files.append(tmp_path / f"{number}.yaml")
        files[-1].write_text(text, encoding="utf-8")
        assert problems(Deployed(read(text))) == []
    program = Path(sys.executable).with_name("cfn-lint")
    files.append(checkout() / "templates/hosted-rotation.yaml")
    done = subprocess.run([program, *map(str, files)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
