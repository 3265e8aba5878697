"""template.yaml, each part alone and all together: nothing dangles, nothing else comes along, and it fits."""

from __future__ import annotations

import json
import tomllib
from copy import deepcopy
from typing import Any

import pytest
from cfnlint.api import ManualArgs, lint
from tests.deploy.ways import WAYS, deployed, template, whole
from tests.simulators.cloudformation import Dangling, Deployed

from vaultgate_ops.local.paths import checkout

_RECORDS = {"RecordsFunction", "RecordsApi", "RecordsRole", "RecordsLogGroup", "ApiLogGroup", "RecordsErrorsAlarm"}
_ROTATION = {"DatabaseSecret", "OverdueFunction", "OverdueRole", "RotationTopic", "RotationEvents", "RotationOverdueAlarm"}
_OWN = {"RotationFunction", "RotationRole", "RotationFailures", "DatabaseRotation", "DatabaseRotationPermission"}
_MIRROR = {"AuditLogGroup", "AuditMirrorPolicy", "AuditSilentAlarm", "AuditBus", "AuditDeniedQuery"}
_PARTS = {
    "VaultgateLayer": {
        "layer",
        "both layers",
        "records",
        "records with SnapStart",
        "records in a VPC",
        "rotation with Vault",
        "everything",
    },
    "OtherVaultgateLayer": {"both layers", "everything"},
    "RecordsVersion": {"records with SnapStart", "everything"},
    "RotationTrailLog": {"everything"},
    "RotationEncryptionKey": {"everything"},
    "HostedDatabaseRotation": {"hosted rotation"},
    "DatabaseInstance": {"rotation with an instance", "everything"},
    "ParameterRotationFunction": {"parameter", "everything"},
    "AuditFunction": {"mirror from S3", "mirror from another's bucket", "everything"},
    "AuditFiles": {"mirror from S3", "everything"},
    **dict.fromkeys(_RECORDS, frozenset({"records", "records with SnapStart", "records in a VPC", "everything"})),
    **dict.fromkeys(_OWN, frozenset({"rotation", "rotation with an instance", "rotation with Vault", "everything"})),
    **dict.fromkeys(
        _ROTATION, frozenset({"rotation", "rotation with an instance", "rotation with Vault", "hosted rotation", "everything"})
    ),
    **dict.fromkeys(_MIRROR, frozenset({"mirror", "mirror from S3", "mirror from another's bucket", "everything"})),
    "VaultgateDashboard": set(WAYS) - {"layer", "both layers"},
}
# What SAM's transform of today may make, and CloudFormation takes: "CloudFormation quotas" of its user guide.
_DIRECT_BODY, _BODY_IN_S3, _PARAMETERS, _OUTPUTS, _RESOURCES, _DESCRIPTION, _PARAMETER_DESCRIPTION = (
    51_200,
    1_000_000,
    200,
    200,
    500,
    1024,
    4000,
)


@pytest.mark.parametrize("way", WAYS)
def test_nothing_dangles(way: str) -> None:
    """After SAM's transform no resource and no output names one that the way's conditions leave out."""
    made = deployed(way)
    assert made.refusals() == []
    assert made.resources


@pytest.mark.parametrize("way", WAYS)
def test_a_part_comes_alone(way: str) -> None:
    """What a way asks for is there, and nothing of the parts that it doesn't ask for."""
    made = set(Deployed(template(), **WAYS[way]).resources)
    assert {name for name in _PARTS if name in made} == {name for name, ways in _PARTS.items() if way in ways}


def test_the_layer_alone_is_one_resource() -> None:
    """Neither certificates nor a dashboard, a role or a log group come with it."""
    assert [one["Type"] for one in deployed("layer").resources.values()] == ["AWS::Lambda::LayerVersion"]
    assert len(deployed("both layers").resources) == 2


def _layers(way: str) -> dict[str, list[str]]:
    found = Deployed(template(), **WAYS[way]).of("AWS::Serverless::LayerVersion")
    return {name: one["CompatibleArchitectures"] for name, one in found.items() if name != "CertificatesLayer"}


def test_a_layer_for_each_architecture() -> None:
    """The function's own one, and the other where both are asked for; their names say which is which."""
    assert _layers("layer") == {"VaultgateLayer": ["arm64"]}
    assert _layers("both layers") == {"VaultgateLayer": ["x86_64"], "OtherVaultgateLayer": ["arm64"]}
    assert _layers("everything") == {"VaultgateLayer": ["arm64"], "OtherVaultgateLayer": ["x86_64"]}
    for way in ("both layers", "everything"):
        for one in Deployed(template(), **WAYS[way]).of("AWS::Serverless::LayerVersion").values():
            assert len(one["CompatibleArchitectures"]) == 2 or one["LayerName"].endswith(one["CompatibleArchitectures"][0])


@pytest.mark.parametrize(
    ("resource", "condition", "way"),
    [
        ("RecordsRole", "WithAudit", "records"),
        ("RotationLogGroup", "WithRecords", "rotation"),
        ("AuditQueue", "OwnAuditBucket", "mirror from another's bucket"),
        ("ParameterScheduleRole", "WithRotation", "parameter"),
    ],
)
def test_what_dangles_is_found(resource: str, condition: str, way: str) -> None:
    """With the condition of one resource spoiled; an output is looked at as well."""
    spoiled = deepcopy(whole(way))
    spoiled["Resources"][resource]["Condition"] = condition
    with pytest.raises(Dangling, match=resource):
        Deployed(spoiled, **WAYS[way])
    spoiled = deepcopy(whole("layer"))
    spoiled["Outputs"]["RecordsUrl"].pop("Condition")
    with pytest.raises(Dangling, match="RecordsApi"):
        Deployed(spoiled, **WAYS["layer"])


@pytest.mark.parametrize("way", ["layer", "records", "rotation", "hosted rotation", "mirror", "everything"])
def test_cfn_lint_has_nothing_to_say(way: str) -> None:
    """About what CloudFormation would see: transformed, conditions decided."""
    # W2001: parameters of the other parts are not used then. The template says why not W1033 and W1035.
    config = ManualArgs(regions=["us-east-1"], ignore_checks=["W2001", "W1033", "W1035"])
    found = lint(json.dumps(deployed(way).decided()), config=config)
    assert [f"{one.rule.id} {one.message}" for one in found] == []


@pytest.mark.parametrize(
    ("parameters", "refusal"),
    [
        (
            {"Records": "no", "Layers": "none"},
            "Records, Layers, Rotation, RotatedParameter or AuditLogGroupName must ask for something",
        ),
        ({"DatabaseHost": "db.example.com", "VaultServerId": "x"}, "Records and RotationVaultRole need VaultAddress"),
        ({"DatabaseHost": "db.example.com", "VaultAddress": "https://v"}, "Records and RotationVaultRole need VaultServerId"),
        (
            {**WAYS["rotation"], "RotationVaultRole": "rotation", "VaultServerId": "x"},
            "Records and RotationVaultRole need VaultAddress",
        ),
        ({"Records": "no", "Rotation": "hosted"}, "DatabaseHost, or CreateDatabase"),
        ({"Records": "no", "SubnetIds": "subnet-0a"}, "SubnetIds needs SecurityGroupIds beside it"),
        ({"Records": "no", "EndpointVpcId": "vpc-0a"}, "EndpointVpcId needs SubnetIds for its endpoints"),
        (
            {"Records": "no", "SubnetIds": "subnet-0a, subnet-0b", "SecurityGroupIds": "sg-0a"},
            "SubnetIds: 'subnet-0a, subnet-0b'",
        ),
        ({"Records": "no", "ReplicaRegion": "eu-west-9"}, "ReplicaRegion: 'eu-west-9'"),
        ({"Records": "no", "RotationSchedule": "cron(15 2 ? * MON-FRI *)"}, "RotationSchedule: 'cron(15 2 ? * MON-FRI *)'"),
        ({"Records": "no", "RotationWindow": "25h"}, "RotationWindow: '25h'"),
        ({"Records": "no", "SnapStartVersion": "one two"}, "SnapStartVersion: 'one two'"),
        ({"Records": "no", "RotationDays": "0"}, "RotationDays: '0'"),
        ({"Records": "no", "ApiBurst": "5001"}, "ApiBurst: '5001'"),
        ({"Records": "no", "SecretPath": ""}, "SecretPath: ''"),
    ],
)
def test_parameters_that_do_not_fit(parameters: dict[str, str], refusal: str) -> None:
    """A rule, or the parameter's own pattern, refuses them before anything is made."""
    assert Deployed(template(), **parameters).refusals() == [refusal]


def test_rules_use_what_rules_may_use() -> None:
    """CloudFormation takes conditions' functions there, and none that makes a text of another."""
    known = {"Fn::And", "Fn::Contains", "Fn::EachMemberEquals", "Fn::EachMemberIn", "Fn::Equals", "Fn::Not", "Fn::Or", "Ref"}

    def functions(value: Any) -> set[str]:
        if isinstance(value, list):
            return {one for inner in value for one in functions(inner)}
        if not isinstance(value, dict):
            return set()
        return {name for name in value if name[:4] in {"Fn::", "Ref"}} | functions(list(value.values()))

    assert functions(template()["Rules"]) <= known
    parameters = template()["Parameters"]
    assert {one["Type"] for one in parameters.values()} <= {"String", "Number"}


def test_it_fits_into_cloudformation() -> None:
    """With room; it is too large to be passed along by itself, so samconfig.toml takes it through a bucket, as the page says."""
    made = whole("everything")
    size = max(len(json.dumps(made)), (checkout() / "template.yaml").stat().st_size)
    assert _DIRECT_BODY < size < _BODY_IN_S3 / 2
    assert len(made["Parameters"]) < _PARAMETERS / 2
    assert len(made["Resources"]) < _RESOURCES / 2
    assert len(made["Outputs"]) < _OUTPUTS / 2
    assert len(made["Description"].encode()) <= _DESCRIPTION
    assert max(len(one["Description"].encode()) for one in made["Parameters"].values()) <= _PARAMETER_DESCRIPTION
    settings = tomllib.loads((checkout() / "samconfig.toml").read_text(encoding="utf-8"))
    assert settings["default"]["deploy"]["parameters"]["resolve_s3"] is True
    page = (checkout() / "docs/deploy.md").read_text(encoding="utf-8")
    assert "51,200 bytes" in page


def test_every_parameter_has_its_place() -> None:
    """In one group of the console, under a description."""
    interface = template()["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in interface for name in group["Parameters"]]
    assert sorted(grouped) == sorted(template()["Parameters"])
    assert all(one["Description"] for one in template()["Parameters"].values())


@pytest.mark.parametrize("way", WAYS)
def test_outputs_say_what_to_do_next(way: str) -> None:
    """Whatever was deployed, one of its outputs says what comes now, and none is about something else."""
    described = template()["Outputs"]
    told = [described[name]["Description"] for name in deployed(way).outputs]
    wanted = "If its alarm goes off" if way == "parameter" else "Next"
    assert [one for one in told if one.startswith(wanted)]
    assert all("Condition" in one for one in described.values())


_ENDPOINTS = {
    "records": set[str](),
    "records in a VPC": {"sts"},
    "rotation with an instance": {"secretsmanager"},
    "rotation with Vault": {"sts", "secretsmanager"},
    "everything": {"sts", "secretsmanager", "ssm", "logs"},
}


@pytest.mark.parametrize("way", _ENDPOINTS)
def test_endpoints_for_what_is_there(way: str) -> None:
    """Each part's own, for this account alone where a secret passes, behind the functions' group; the page has their reasons."""
    made = {one["ServiceName"].rpartition(".")[2]: one for one in deployed(way).of("AWS::EC2::VPCEndpoint").values()}
    assert made.keys() == _ENDPOINTS[way]
    page = (checkout() / "docs/deploy.md").read_text(encoding="utf-8")
    for name, one in made.items():
        assert f"| `{name}` |" in page
        assert one["SecurityGroupIds"] == ["sg-0a1b2c3d"]
        document = one.get("PolicyDocument")
        conditions = [statement["Condition"] for statement in document["Statement"]] if document else []
        assert conditions == ([] if name == "sts" else [{"StringEquals": {"aws:PrincipalAccount": "123456789012"}}])
    doors = [one for one in deployed(way).of("AWS::EC2::SecurityGroupIngress").values() if one["ToPort"] == 443]
    assert len(doors) == bool(made)


def _called(way: str) -> list[str]:
    made = deployed(way)
    (api,) = made.of("AWS::ApiGatewayV2::Api").values()
    uri = api["Body"]["paths"]["/records"]["get"]["x-amazon-apigateway-integration"]["uri"]
    return [uri.split("/functions/")[1].partition("/")[0], made.resources["RecordsApiPermission"]["Properties"]["FunctionName"]]


def test_snapstart_is_for_a_published_version() -> None:
    """The API and its permission then name the alias, and a new label replaces the version and changes the function."""
    assert _called("records") == ["RecordsFunction.Arn"] * 2
    assert _called("records with SnapStart") == ["RecordsAlias"] * 2
    made = deployed("records with SnapStart").resources
    assert made["RecordsFunction"]["Properties"]["SnapStart"] == {"ApplyOn": "PublishedVersions"}
    assert made["RecordsVersion"]["Properties"]["Description"] == "1.2.0"
    assert made["RecordsFunction"]["Properties"]["Description"].endswith(" (1.2.0)")
    plain = deployed("records").resources["RecordsFunction"]["Properties"]
    assert (plain["SnapStart"], plain["Description"][-6:]) == ({"ApplyOn": "None"}, "for it")


def test_the_api_is_held_back() -> None:
    """By a rate and a burst that the deployer chooses, with a line for each request."""
    (stage,) = deployed("records").of("AWS::ApiGatewayV2::Stage").values()
    assert stage["DefaultRouteSettings"] == {"ThrottlingBurstLimit": 20, "ThrottlingRateLimit": 10}
    assert json.loads(stage["AccessLogSettings"]["Format"])["status"] == "$context.status"
    assert stage["AccessLogSettings"]["DestinationArn"] == "ApiLogGroup.Arn"


def test_the_rotation_function_knows_vault_only_where_it_is_asked_to() -> None:
    """The layer and the extension's variables, as the record-count function has them but for the role."""
    plain, asked = (deployed(way).resources["RotationFunction"]["Properties"] for way in ("rotation", "rotation with Vault"))
    assert not [name for name in plain["Environment"]["Variables"] if name.startswith("VAULT")]
    assert [len(one["Layers"]) for one in (plain, asked)] == [1, 2]
    records = deployed("records in a VPC").resources["RecordsFunction"]["Properties"]["Environment"]["Variables"]
    same = {name: value for name, value in records.items() if name.startswith("VAULT_")} | {"VAULT_AUTH_ROLE": "rotation"}
    assert {name: one for name, one in asked["Environment"]["Variables"].items() if name.startswith("VAULT")} == same
