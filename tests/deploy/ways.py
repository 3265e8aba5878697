"""The ways to deploy template.yaml that docs/deploy.md names: each part alone, and all of it."""

from __future__ import annotations

from functools import cache
from typing import Any

from tests.simulators.cloudformation import ACCOUNT, Deployed, read
from tests.simulators.sam import transformed

from vaultgate_ops.local.paths import checkout

ROTATOR = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:rotator-AbCdEf"
API_KEY = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:api-key-AbCdEf"
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:alarms"
PARAMETER_KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
SECOND_KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/mrk-1234abcd12ab34cd56ef1234567890ab"

_ALONE = {"Records": "no", "Layers": "none"}
_NETWORK = {"SubnetIds": "subnet-0a1b2c3d,subnet-1a2b3c4d", "SecurityGroupIds": "sg-0a1b2c3d", "EndpointVpcId": "vpc-0a1b2c3d"}
_RECORDS = {
    "VaultAddress": "https://vault.example.com:8200",
    "VaultServerId": "vault.example.com",
    "DatabaseHost": "db.example.com",
}

WAYS: dict[str, dict[str, str]] = {
    "layer": {"Records": "no"},
    "both layers": {"Records": "no", "Layers": "both", "Architecture": "x86_64"},
    "records": _RECORDS,
    "records with SnapStart": {**_RECORDS, "SnapStartVersion": "1.2.0", "ExtensionMetrics": "emf"},
    "records in a VPC": {**_RECORDS, **_NETWORK, "VaultCaBundle": "vault.pem"},
    "rotation": {**_ALONE, "Rotation": "own", "DatabaseHost": "db.example.com"},
    "rotation with an instance": {**_ALONE, **_NETWORK, "Rotation": "own", "CreateDatabase": "yes"},
    "rotation with Vault": {
        **_ALONE,
        **_NETWORK,
        **_RECORDS,
        "Records": "no",
        "Rotation": "own",
        "VaultCaBundle": "vault.pem",
        "ApiKeyArn": API_KEY,
        "RotationVaultRole": "rotation",
    },
    "hosted rotation": {**_ALONE, "Rotation": "hosted", "DatabaseHost": "db.example.com"},
    "parameter": {**_ALONE, "RotatedParameter": "/shop/database"},
    "mirror": {**_ALONE, "AuditLogGroupName": "/vault/audit"},
    "mirror from S3": {**_ALONE, "AuditLogGroupName": "/vault/audit", "AuditBucket": "new"},
    "mirror from another's bucket": {**_ALONE, "AuditLogGroupName": "/vault/audit", "AuditBucket": "audit-files"},
    "everything": {
        **_RECORDS,
        **_NETWORK,
        "Layers": "both",
        "VaultCaBundle": "vault.pem",
        "SnapStartVersion": "1.2.0",
        "ExtensionMetrics": "emf",
        "AlarmTopicArn": TOPIC,
        "Rotation": "own",
        "RotatorArn": ROTATOR,
        "ApiKeyArn": API_KEY,
        "RotationVaultRole": "rotation",
        "RotationKey": "own",
        "OtherKeyArns": f"{PARAMETER_KEY},{SECOND_KEY}",
        "OtherHosts": "api.example.com",
        "ReplicaRegion": "eu-west-1",
        "SecondReplicaRegion": "eu-central-1",
        "RotationSchedule": "cron(0 2 ? * MON-FRI *)",
        "RotationWindow": "2h",
        "RotationAlarmEmail": "ops@example.com",
        "RotationTrail": "yes",
        "CreateDatabase": "yes",
        "RotatedParameter": "/shop/database",
        "RotatedParameterKeyArn": PARAMETER_KEY,
        "AuditLogGroupName": "/vault/audit",
        "AuditBucket": "new",
    },
}


@cache
def template() -> dict[str, Any]:
    """template.yaml; nobody changes it."""
    return read((checkout() / "template.yaml").read_text(encoding="utf-8"))


@cache
def whole(way: str) -> dict[str, Any]:
    """template.yaml after SAM's transform, for a way's parameters; nobody changes it."""
    return transformed(template(), **WAYS[way])


@cache
def deployed(way: str) -> Deployed:
    """What CloudFormation makes of that; nobody changes it."""
    return Deployed(whole(way), **WAYS[way])


def nested() -> dict[str, Any]:
    """templates/hosted-rotation.yaml."""
    return read((checkout() / "templates/hosted-rotation.yaml").read_text(encoding="utf-8"))
