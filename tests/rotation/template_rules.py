"""Our own linter for templates that rotate secrets: what cfn-lint can't see and CloudFormation says late or never.

Rules: each problem is one sentence that begins with the resource's logical name; a template without rotation has none.
Sources: "AWS::SecretsManager::RotationSchedule" of the AWS CloudFormation template reference; AWS Secrets Manager User Guide,
"Lambda rotation function execution role permissions".
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from vaultgate_ops.rotation.schedule import check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.client import BaseClient
    from tests.simulators.cloudformation import Deployed

_SERVICE = "secretsmanager.amazonaws.com"
_SCHEDULE = "AWS::SecretsManager::RotationSchedule"
# Draws characters; IAM knows no resource for it.
_WITHOUT_RESOURCE = frozenset({"secretsmanager:GetRandomPassword"})
_SHORTEST = 32


def problems(deployed: Deployed) -> list[str]:
    """Everything that is wrong with a template and its parameters."""
    return [
        *_schedules(deployed),
        *_permissions(deployed),
        *_policies(deployed),
        *_secrets(deployed),
        *(
            f"{name}: the key is never rotated"
            for name, key in deployed.of("AWS::KMS::Key").items()
            if not key.get("EnableKeyRotation")
        ),
    ]


def _schedules(deployed: Deployed) -> Iterator[str]:
    attached = {one["SecretId"]: name for name, one in deployed.of("AWS::SecretsManager::SecretTargetAttachment").items()}
    invocable = {_function(one["FunctionName"]) for one in deployed.of("AWS::Lambda::Permission").values() if _of_service(one)}
    transforms = deployed.template.get("Transform", [])
    for name, schedule in deployed.of(_SCHEDULE).items():
        for problem in check(_numbers(schedule.get("RotationRules", {})))[1]:
            yield f"{name}: {problem}"
        if schedule["SecretId"] in attached and attached[schedule["SecretId"]] not in str(deployed.template["Resources"][name]):
            yield f"{name}: doesn't wait for {attached[schedule['SecretId']]}"
        function, hosted = schedule.get("RotationLambdaARN"), "HostedRotationLambda" in schedule
        if hosted == bool(function):
            yield f"{name}: needs either a function or HostedRotationLambda"
        if hosted and "AWS::SecretsManager-" not in str(transforms):
            yield f"{name}: HostedRotationLambda needs the transform AWS::SecretsManager-2024-09-16"
        if function and _function(function) not in invocable:
            yield f"{name}: Secrets Manager may not invoke {_function(function)}"


def _numbers(rules: dict[str, Any]) -> dict[str, Any]:
    """Rules as CloudFormation passes them on: a parameter's number is a text until then."""
    return {
        name: int(value) if name == "AutomaticallyAfterDays" and str(value).isdigit() else value for name, value in rules.items()
    }


def _function(reference: str) -> str:
    return reference.removesuffix(".Arn")


def _of_service(permission: dict[str, Any]) -> bool:
    return permission["Principal"] == _SERVICE and permission["Action"] == "lambda:InvokeFunction"


def _permissions(deployed: Deployed) -> Iterator[str]:
    for name, permission in deployed.of("AWS::Lambda::Permission").items():
        if permission["Principal"] == _SERVICE and "SourceAccount" not in permission:
            yield f"{name}: any account's Secrets Manager may invoke the function, SourceAccount is missing"


def _policies(deployed: Deployed) -> Iterator[str]:
    for name, one in deployed.of("AWS::IAM::Role", "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy").items():
        for document in [*(inner["PolicyDocument"] for inner in one.get("Policies", [])), *_list(one.get("PolicyDocument"))]:
            for statement in _list(document["Statement"]):
                actions = [
                    action for action in _list(statement["Action"]) if action == "*" or action.startswith("secretsmanager:")
                ]
                wide = [action for action in actions if "*" in action]
                if statement["Effect"] != "Allow":
                    continue
                if wide:
                    yield f"{name}: {', '.join(wide)} is more than a rotation needs"
                if any("*" in str(resource) for resource in _list(statement["Resource"])) and set(actions) - _WITHOUT_RESOURCE:
                    yield f"{name}: {', '.join(actions)} on a wildcard resource"


def _secrets(deployed: Deployed) -> Iterator[str]:
    for name, secret in deployed.of("AWS::SecretsManager::Secret").items():
        drawn = secret.get("GenerateSecretString")
        if drawn is None or "SecretString" in secret:
            yield f"{name}: its value stands in the template"
        elif drawn.get("PasswordLength", _SHORTEST) < _SHORTEST:
            yield f"{name}: {drawn['PasswordLength']} characters, {_SHORTEST} are wanted"


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def unknown_fields(source: str, client: BaseClient) -> list[str]:
    """What a function's code reads from an answer that doesn't have it, such as ``describe_secret: VersionId``.

    Args:
        source: Python; looks at variables that a call of the API was assigned to, and at subscripts of them.
        client: boto3's, for the API's model.
    """
    nodes, answers = list(ast.walk(ast.parse(source))), dict[str, str]()
    for node in nodes:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
            operation = node.value.func.attr
            if operation in client.meta.method_to_api_mapping and isinstance(node.targets[0], ast.Name):
                answers[node.targets[0].id] = operation
    found = []
    for node in nodes:
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in answers:
            operation = answers[node.value.id]
            shape = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation]).output_shape
            if isinstance(node.slice, ast.Constant) and shape is not None and node.slice.value not in shape.members:
                found.append(f"{operation}: {node.slice.value}")
    return found
