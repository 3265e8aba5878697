"""A template's resources made in moto, each through its type's own API, and read back through it.

Rules: what is made is what template.yaml says after SAM's transform, in every detail; names of other resources become what those
are really called, once they are made. A maker gives what its resource is known by, and its properties as the service shows them.
Nothing is compared here. A type without an API of its own goes through moto's CloudFormation.
"""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3

if TYPE_CHECKING:
    from collections.abc import Callable

REGION = "us-east-1"
Properties = dict[str, Any]


class Made(NamedTuple):
    """What became of a resource.

    Attributes:
        known_by: what its ``Ref`` and its attributes stand for, by their names in a resolved template.
        found: its properties as they were read back, by their names in CloudFormation.
    """

    known_by: dict[str, str]
    found: Properties


class Account:
    """An empty account in moto, which must be switched on.

    Args:
        functions: names of functions to come; roles name them before they are made.
    """

    def __init__(self, *functions: str) -> None:
        self._known = {f"{name}.Arn": f"arn:aws:lambda:{REGION}:123456789012:function:{name}" for name in functions}
        self._archive = io.BytesIO()
        with zipfile.ZipFile(self._archive, "w") as zipped:
            zipped.writestr("code.py", "")
        store = self.client("s3")
        store.create_bucket(Bucket="packages")
        for key in ("0123", "4567"):
            store.put_object(Bucket="packages", Key=key, Body=self._archive.getvalue())
        network = self.client("ec2")
        vpc = network.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self._known["vpc-0a1b2c3d"] = vpc
        for number, (subnet, zone) in enumerate((("subnet-0a1b2c3d", "a"), ("subnet-1a2b3c4d", "b"))):
            made = network.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=REGION + zone)
            self._known[subnet] = made["Subnet"]["SubnetId"]
        group = network.create_security_group(GroupName="functions", Description="x", VpcId=vpc)["GroupId"]
        self._known["sg-0a1b2c3d"] = group

    def client(self, service: str) -> Any:
        """boto3's."""
        return boto3.client(service, region_name=REGION)  # type: ignore[call-overload] - a service's name

    def real(self, value: Any) -> Any:
        """A value with the real names of what is made already."""
        if isinstance(value, list):
            return [self.real(one) for one in value]
        if isinstance(value, dict):
            return {key: self.real(one) for key, one in value.items()}
        if not isinstance(value, str) or value in self._known:
            return self._known.get(value, value)
        # Within a text only what can be nothing else: an attribute, or an ARN.
        for name in (name for name in self._known if "." in name or ":" in name):
            value = value.replace(name, self._known[name])
        return value

    def ordered(self, resources: dict[str, Properties]) -> list[tuple[str, Properties]]:
        """Resources of one type, those that name another of them last."""
        return sorted(resources.items(), key=lambda one: sum(f"'{name}." in str(one[1]) for name in resources))

    def make(self, kind: str, name: str, properties: Properties) -> tuple[Properties, Properties]:
        """Make a resource; gives what was wanted and what was read back."""
        wanted = self.real(properties)
        made = MAKERS[kind](self, name, wanted)
        self._known |= made.known_by
        return wanted, made.found


def _lower(properties: Properties) -> Properties:
    return {key[0].lower() + key[1:]: value for key, value in properties.items()}


def _upper(properties: Properties) -> Properties:
    return {key[0].upper() + key[1:]: value for key, value in properties.items()}


def _parsed(text: Any) -> Any:
    return json.loads(text) if isinstance(text, str) else text


def _pick(answer: Properties, wanted: Properties) -> Properties:
    return {key: answer[key] for key in wanted if key in answer}


def _alarm(aws: Account, name: str, wanted: Properties) -> Made:
    client = aws.client("cloudwatch")
    client.put_metric_alarm(AlarmName=name, **wanted)
    (found,) = client.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return Made({name: name, f"{name}.Arn": found["AlarmArn"]}, _pick(found, wanted))


def _dashboard(aws: Account, name: str, wanted: Properties) -> Made:
    client = aws.client("cloudwatch")
    client.put_dashboard(DashboardName=name, DashboardBody=wanted["DashboardBody"])
    return Made({name: name}, {"DashboardBody": client.get_dashboard(DashboardName=name)["DashboardBody"]})


def _role(aws: Account, name: str, wanted: Properties) -> Made:
    client = aws.client("iam")
    made = client.create_role(
        RoleName=name,
        Description=wanted["Description"],
        AssumeRolePolicyDocument=json.dumps(wanted["AssumeRolePolicyDocument"]),
    )["Role"]
    for policy in wanted["Policies"]:
        client.put_role_policy(
            RoleName=name, PolicyName=policy["PolicyName"], PolicyDocument=json.dumps(policy["PolicyDocument"])
        )
    for arn in wanted.get("ManagedPolicyArns", []):
        client.attach_role_policy(RoleName=name, PolicyArn=arn)
    found = client.get_role(RoleName=name)["Role"]
    inline = [client.get_role_policy(RoleName=name, PolicyName=policy["PolicyName"]) for policy in wanted["Policies"]]
    shown = {
        "Description": found["Description"],
        "AssumeRolePolicyDocument": _parsed(found["AssumeRolePolicyDocument"]),
        "Policies": [
            {key: _parsed(one[key]) if key[6:] == "Document" else one[key] for key in policy}
            for one, policy in zip(inline, wanted["Policies"], strict=True)
        ],
    }
    attached = client.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    if "ManagedPolicyArns" in wanted:
        shown["ManagedPolicyArns"] = [one["PolicyArn"] for one in attached]
    return Made({name: name, f"{name}.Arn": made["Arn"]}, shown)


def _managed_policy(aws: Account, name: str, wanted: Properties) -> Made:
    client = aws.client("iam")
    made = client.create_policy(
        PolicyName=name, Description=wanted["Description"], PolicyDocument=json.dumps(wanted["PolicyDocument"])
    )["Policy"]
    found = client.get_policy(PolicyArn=made["Arn"])["Policy"]
    version = client.get_policy_version(PolicyArn=made["Arn"], VersionId=found["DefaultVersionId"])["PolicyVersion"]
    shown = {"Description": found["Description"], "PolicyDocument": _parsed(version["Document"])}
    return Made({name: made["Arn"]}, shown)


def _log_group(aws: Account, name: str, wanted: Properties) -> Made:
    client, called = aws.client("logs"), wanted.get("LogGroupName", name)
    client.create_log_group(logGroupName=called)
    client.put_retention_policy(logGroupName=called, retentionInDays=int(wanted["RetentionInDays"]))
    (found,) = client.describe_log_groups(logGroupNamePrefix=called)["logGroups"]
    shown = {"LogGroupName": found["logGroupName"], "RetentionInDays": found["retentionInDays"]}
    return Made({name: called, f"{name}.Arn": found["arn"] + ":*"}, _pick(shown, wanted))


def _metric_filter(aws: Account, name: str, wanted: Properties) -> Made:
    client = aws.client("logs")
    client.put_metric_filter(
        filterName=name,
        logGroupName=wanted["LogGroupName"],
        filterPattern=wanted["FilterPattern"],
        metricTransformations=[_lower(one) for one in wanted["MetricTransformations"]],
    )
    (found,) = client.describe_metric_filters(filterNamePrefix=name)["metricFilters"]
    shown = _upper(found) | {"MetricTransformations": [_upper(one) for one in found["metricTransformations"]]}
    return Made({name: name}, _pick(shown, wanted))


def _query(aws: Account, name: str, wanted: Properties) -> Made:
    client = aws.client("logs")
    client.put_query_definition(name=wanted["Name"], logGroupNames=wanted["LogGroupNames"], queryString=wanted["QueryString"])
    (found,) = client.describe_query_definitions(queryDefinitionNamePrefix=wanted["Name"])["queryDefinitions"]
    return Made({name: name}, _pick(_upper(found), wanted))


def _bus(aws: Account, name: str, wanted: Properties) -> Made:
    client = aws.client("events")
    client.create_event_bus(Name=wanted["Name"])
    found = client.describe_event_bus(Name=wanted["Name"])
    return Made({name: found["Name"], f"{name}.Arn": found["Arn"]}, {"Name": found["Name"]})


def _bus_policy(aws: Account, name: str, wanted: Properties) -> Made:
    client, bus = aws.client("events"), wanted["EventBusName"]
    statement = {"Sid": wanted["StatementId"], **wanted["Statement"]}
    client.put_permission(EventBusName=bus, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    (found,) = json.loads(client.describe_event_bus(Name=bus)["Policy"])["Statement"]
    return Made({name: name}, {"EventBusName": bus, "StatementId": found.pop("Sid"), "Statement": found})


def _rule(aws: Account, name: str, wanted: Properties) -> Made:
    client = aws.client("events")
    given = {key: value for key, value in wanted.items() if key not in {"Targets", "EventPattern"}}
    pattern = {"EventPattern": json.dumps(wanted["EventPattern"])} if "EventPattern" in wanted else {}
    client.put_rule(Name=name, **given, **pattern)
    client.put_targets(Rule=name, Targets=wanted["Targets"])
    found = client.describe_rule(Name=name)
    shown = _pick(found, given)
    if pattern:
        shown["EventPattern"] = json.loads(found["EventPattern"])
    shown["Targets"] = client.list_targets_by_rule(Rule=name)["Targets"]
    return Made({name: name, f"{name}.Arn": found["Arn"]}, shown)


def _schedule(aws: Account, name: str, wanted: Properties) -> Made:
    client = aws.client("scheduler")
    client.create_schedule(Name=name, **wanted)
    return Made({name: name}, _pick(client.get_schedule(Name=name), wanted))


def _topic(aws: Account, name: str, wanted: Properties) -> Made:
    client = aws.client("sns")
    arn = client.create_topic(Name=name, Attributes={"DisplayName": wanted["DisplayName"]})["TopicArn"]
    found = client.get_topic_attributes(TopicArn=arn)["Attributes"]
    return Made({name: arn}, {"DisplayName": found["DisplayName"]})


def _topic_policy(aws: Account, name: str, wanted: Properties) -> Made:
    client = aws.client("sns")
    (arn,) = wanted["Topics"]
    client.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=json.dumps(wanted["PolicyDocument"]))
    found = client.get_topic_attributes(TopicArn=arn)["Attributes"]
    return Made({name: name}, {"Topics": [found["TopicArn"]], "PolicyDocument": json.loads(found["Policy"])})


def _subscription(aws: Account, name: str, wanted: Properties) -> Made:
    client = aws.client("sns")
    arn = client.subscribe(**wanted, ReturnSubscriptionArn=True)["SubscriptionArn"]
    found = client.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    return Made({name: arn}, _pick(found, wanted))


def _queue(aws: Account, name: str, wanted: Properties) -> Made:
    client = aws.client("sqs")
    given = {"MessageRetentionPeriod": "MessageRetentionPeriod", "VisibilityTimeout": "VisibilityTimeout"}
    attributes = {given[key]: str(value) for key, value in wanted.items() if key in given}
    if "SqsManagedSseEnabled" in wanted:
        attributes["SqsManagedSseEnabled"] = str(wanted["SqsManagedSseEnabled"]).lower()
    if "RedrivePolicy" in wanted:
        attributes["RedrivePolicy"] = json.dumps(wanted["RedrivePolicy"])
    url = client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    found = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    shown: Properties = {key: json.loads(found[key]) for key in (*given, "SqsManagedSseEnabled", "RedrivePolicy") if key in found}
    return Made({name: url, f"{name}.Arn": found["QueueArn"], f"{name}.QueueName": name}, _pick(shown, wanted))


def _queue_policy(aws: Account, name: str, wanted: Properties) -> Made:
    client = aws.client("sqs")
    (url,) = wanted["Queues"]
    client.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(wanted["PolicyDocument"])})
    found = client.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]
    return Made({name: name}, {"Queues": [url], "PolicyDocument": json.loads(found["Policy"])})


def _bucket(aws: Account, name: str, wanted: Properties) -> Made:
    client, called = aws.client("s3"), name.lower()
    client.create_bucket(Bucket=called)
    shown: Properties = {}
    if "PublicAccessBlockConfiguration" in wanted:
        client.put_public_access_block(Bucket=called, PublicAccessBlockConfiguration=wanted["PublicAccessBlockConfiguration"])
        shown["PublicAccessBlockConfiguration"] = client.get_public_access_block(Bucket=called)["PublicAccessBlockConfiguration"]
    if "BucketEncryption" in wanted:
        rules = [
            {"ApplyServerSideEncryptionByDefault": one["ServerSideEncryptionByDefault"]}
            for one in wanted["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        ]
        client.put_bucket_encryption(Bucket=called, ServerSideEncryptionConfiguration={"Rules": rules})
        found = client.get_bucket_encryption(Bucket=called)["ServerSideEncryptionConfiguration"]["Rules"]
        shown["BucketEncryption"] = {
            "ServerSideEncryptionConfiguration": [
                {"ServerSideEncryptionByDefault": one["ApplyServerSideEncryptionByDefault"]} for one in found
            ]
        }
    if "LifecycleConfiguration" in wanted:
        (rule,) = wanted["LifecycleConfiguration"]["Rules"]
        days = int(rule["ExpirationInDays"])
        given = {"ID": "one", "Status": rule["Status"], "Filter": {"Prefix": ""}, "Expiration": {"Days": days}}
        client.put_bucket_lifecycle_configuration(Bucket=called, LifecycleConfiguration={"Rules": [given]})
        (kept,) = client.get_bucket_lifecycle_configuration(Bucket=called)["Rules"]
        shown["LifecycleConfiguration"] = {"Rules": [{"Status": kept["Status"], "ExpirationInDays": kept["Expiration"]["Days"]}]}
    if "NotificationConfiguration" in wanted:
        asked = wanted["NotificationConfiguration"]["QueueConfigurations"]
        told = [{"QueueArn": one["Queue"], "Events": [one["Event"]]} for one in asked]
        client.put_bucket_notification_configuration(Bucket=called, NotificationConfiguration={"QueueConfigurations": told})
        answered = client.get_bucket_notification_configuration(Bucket=called)["QueueConfigurations"]
        shown["NotificationConfiguration"] = {
            "QueueConfigurations": [{"Event": one["Events"][0], "Queue": one["QueueArn"]} for one in answered]
        }
    return Made({name: called, f"{name}.Arn": f"arn:aws:s3:::{called}"}, shown)


def _bucket_policy(aws: Account, name: str, wanted: Properties) -> Made:
    client, bucket = aws.client("s3"), wanted["Bucket"]
    client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(wanted["PolicyDocument"]))
    found = json.loads(client.get_bucket_policy(Bucket=bucket)["Policy"])
    return Made({name: name}, {"Bucket": bucket, "PolicyDocument": found})


def _trail(aws: Account, name: str, wanted: Properties) -> Made:
    client = aws.client("cloudtrail")
    given = {"TrailName": "Name", "EnableLogFileValidation": "EnableLogFileValidation"} | {
        key: key for key in ("S3BucketName", "IsMultiRegionTrail", "IncludeGlobalServiceEvents")
    }
    client.create_trail(**{given[key]: value for key, value in wanted.items() if key in given})
    client.put_event_selectors(TrailName=wanted["TrailName"], EventSelectors=wanted["EventSelectors"])
    if wanted["IsLogging"]:
        client.start_logging(Name=wanted["TrailName"])
    found = client.get_trail(Name=wanted["TrailName"])["Trail"]
    shown = _pick(found, wanted) | {
        "TrailName": found["Name"],
        "EnableLogFileValidation": found["LogFileValidationEnabled"],
        "IsLogging": client.get_trail_status(Name=wanted["TrailName"])["IsLogging"],
        "EventSelectors": client.get_event_selectors(TrailName=wanted["TrailName"])["EventSelectors"],
    }
    return Made({name: found["Name"], f"{name}.Arn": found["TrailARN"]}, shown)


def _key(aws: Account, name: str, wanted: Properties) -> Made:
    client = aws.client("kms")
    key = client.create_key(Description=wanted["Description"], Policy=json.dumps(wanted["KeyPolicy"]))["KeyMetadata"]
    client.enable_key_rotation(KeyId=key["KeyId"], RotationPeriodInDays=wanted["RotationPeriodInDays"])
    status = client.get_key_rotation_status(KeyId=key["KeyId"])
    shown = {
        "Description": client.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["Description"],
        "KeyPolicy": json.loads(client.get_key_policy(KeyId=key["KeyId"], PolicyName="default")["Policy"]),
        "EnableKeyRotation": status["KeyRotationEnabled"],
        "RotationPeriodInDays": status.get("RotationPeriodInDays"),
    }
    return Made({name: key["KeyId"], f"{name}.Arn": key["Arn"]}, shown)


def _secret(aws: Account, name: str, wanted: Properties) -> Made:
    client, drawn = aws.client("secretsmanager"), wanted["GenerateSecretString"]
    options = {key: drawn[key] for key in ("PasswordLength", "ExcludeCharacters", "RequireEachIncludedType")}
    password = client.get_random_password(**options)["RandomPassword"]
    value = json.loads(drawn["SecretStringTemplate"]) | {drawn["GenerateStringKey"]: password}
    replicas = {"AddReplicaRegions": wanted["ReplicaRegions"]} if "ReplicaRegions" in wanted else {}
    key = {"KmsKeyId": wanted["KmsKeyId"]} if "KmsKeyId" in wanted else {}
    arn = client.create_secret(
        Name=wanted["Name"], Description=wanted["Description"], SecretString=json.dumps(value), **key, **replicas
    )["ARN"]
    found, kept = client.describe_secret(SecretId=arn), json.loads(client.get_secret_value(SecretId=arn)["SecretString"])
    made = kept.pop(drawn["GenerateStringKey"])
    shown = _pick(found, wanted) | {
        "GenerateSecretString": drawn
        | {
            "SecretStringTemplate": json.dumps(kept),
            "PasswordLength": len(made),
            "RequireEachIncludedType": any(one.isupper() for one in made) and any(one.isdigit() for one in made),
            "ExcludeCharacters": "".join(one for one in drawn["ExcludeCharacters"] if one not in made),
        },
    }
    if "ReplicaRegions" in wanted:
        shown["ReplicaRegions"] = [{"Region": one["Region"]} for one in found["ReplicationStatus"]]
    resolved = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:{wanted['Name']}-AbCdEf"
    return Made({name: arn, resolved: arn}, shown)


def _rotation(aws: Account, name: str, wanted: Properties) -> Made:
    client, arn = aws.client("secretsmanager"), wanted["SecretId"]
    if ":secret:stack-" not in arn:
        # Of somebody else's secret only the name is known.
        arn = client.create_secret(Name=name, SecretString="{}")["ARN"]
    client.rotate_secret(
        SecretId=arn,
        RotationLambdaARN=wanted["RotationLambdaARN"],
        RotationRules=_numbers(wanted["RotationRules"]),
        RotateImmediately=wanted["RotateImmediatelyOnUpdate"],
    )
    found = client.describe_secret(SecretId=arn)
    shown = {"SecretId": wanted["SecretId"], **_pick(found, wanted)}
    shown["RotateImmediatelyOnUpdate"] = found.get("LastRotatedDate") is not None
    return Made({name: name}, shown)


def _numbers(properties: Properties) -> Properties:
    return {key: int(value) if str(value).isdigit() else value for key, value in properties.items()}


def _layer(aws: Account, name: str, wanted: Properties) -> Made:
    client = aws.client("lambda")
    given = {key: value for key, value in wanted.items() if key != "Content"}
    made = client.publish_layer_version(**given, Content=wanted["Content"])
    found = client.get_layer_version(LayerName=wanted["LayerName"], VersionNumber=made["Version"])
    shown = _pick(found, wanted) | {"LayerName": found["LayerArn"].rpartition(":")[2]}
    shown.pop("Content", None)
    return Made({name: made["LayerVersionArn"]}, shown)


def _function(aws: Account, name: str, wanted: Properties) -> Made:
    client = aws.client("lambda")
    given = dict(wanted)
    given["Tags"] = {one["Key"]: one["Value"] for one in wanted.get("Tags", [])}
    variables = {key: str(value) for key, value in wanted["Environment"]["Variables"].items()}
    given["Environment"] = {"Variables": variables}
    client.create_function(FunctionName=name, **given)
    found = client.get_function(FunctionName=name)
    shown = _pick(found["Configuration"], wanted)
    shown["Layers"] = [one["Arn"] for one in shown.get("Layers", [])]
    shown["Tags"] = [{"Key": key, "Value": value} for key, value in found["Tags"].items()]
    if "VpcConfig" in wanted:
        shown["VpcConfig"] = _pick(shown.get("VpcConfig", {}), wanted["VpcConfig"])
    if "SnapStart" in wanted:
        shown["SnapStart"] = _pick(shown.get("SnapStart", {}), wanted["SnapStart"])
    arn = found["Configuration"]["FunctionArn"]
    return Made({name: name, f"{name}.Arn": arn}, _pick(shown, wanted))


def _function_version(aws: Account, name: str, wanted: Properties) -> Made:
    client = aws.client("lambda")
    made = client.publish_version(**wanted)
    found = client.get_function(FunctionName=wanted["FunctionName"], Qualifier=made["Version"])["Configuration"]
    return Made({name: made["FunctionArn"], f"{name}.Version": made["Version"]}, _pick(found, wanted))


def _alias(aws: Account, name: str, wanted: Properties) -> Made:
    client = aws.client("lambda")
    arn = client.create_alias(**wanted)["AliasArn"]
    found = client.get_alias(FunctionName=wanted["FunctionName"], Name=wanted["Name"])
    return Made({name: arn}, _pick(found, wanted) | {"FunctionName": found["AliasArn"].split(":")[-2]})


def _permission(aws: Account, name: str, wanted: Properties) -> Made:
    client = aws.client("lambda")
    function, _, qualifier = wanted["FunctionName"].partition(":live")
    place = {"FunctionName": wanted["FunctionName"]}
    if qualifier or wanted["FunctionName"].endswith(":live"):
        place = {"FunctionName": function, "Qualifier": "live"}
    given = {key: value for key, value in wanted.items() if key != "FunctionName"}
    client.add_permission(StatementId=name, **place, **given)
    policy = json.loads(client.get_policy(**place)["Policy"])
    (found,) = (one for one in policy["Statement"] if one["Sid"] == name)
    condition = found.get("Condition", {})
    shown = {
        "FunctionName": found["Resource"] if wanted["FunctionName"].startswith("arn:") else found["Resource"].split(":")[6],
        "Action": found["Action"],
        "Principal": found["Principal"]["Service"],
        "SourceArn": condition.get("ArnLike", {}).get("AWS:SourceArn"),
        "SourceAccount": condition.get("StringEquals", {}).get("AWS:SourceAccount"),
    }
    return Made({name: name}, _pick(shown, wanted))


def _invoke_config(aws: Account, name: str, wanted: Properties) -> Made:
    client = aws.client("lambda")
    client.put_function_event_invoke_config(**wanted)
    found = client.get_function_event_invoke_config(FunctionName=wanted["FunctionName"], Qualifier=wanted["Qualifier"])
    function, _, qualifier = found["FunctionArn"].partition(":function:")[2].partition(":")
    return Made({name: name}, _pick(found, wanted) | {"FunctionName": function, "Qualifier": qualifier or "$LATEST"})


def _mapping(aws: Account, name: str, wanted: Properties) -> Made:
    client = aws.client("lambda")
    made = client.create_event_source_mapping(**wanted)
    found = client.get_event_source_mapping(UUID=made["UUID"])
    return Made({name: made["UUID"]}, _pick(found, wanted) | {"FunctionName": found["FunctionArn"].rpartition(":")[2]})


def _api(aws: Account, name: str, wanted: Properties) -> Made:
    client = aws.client("apigatewayv2")
    body = wanted["Body"]
    made = client.create_api(Name=body["info"]["title"], ProtocolType="HTTP")["ApiId"]
    client.reimport_api(ApiId=made, Body=json.dumps(body))
    shown = _pick(client.get_api(ApiId=made), {"Name": "", "Description": "", "Version": ""})
    paths = {}
    for route in client.get_routes(ApiId=made)["Items"]:
        method, _, path = route["RouteKey"].partition(" ")
        found = client.get_integration(ApiId=made, IntegrationId=route["Target"].rpartition("/")[2])
        integration = {
            "type": found["IntegrationType"].lower(),
            "httpMethod": found["IntegrationMethod"],
            "payloadFormatVersion": found["PayloadFormatVersion"],
            "uri": found["IntegrationUri"],
        }
        security = [{route["AuthorizationType"]: []}] if route.get("AuthorizationType", "NONE") != "NONE" else []
        paths[path] = {method.lower(): {"x-amazon-apigateway-integration": integration, "security": security}}
    told = {"title": shown.get("Name"), "description": shown.get("Description"), "version": shown.get("Version")}
    return Made({name: made}, {"Body": {"info": told, "paths": paths}})


def _stage(aws: Account, name: str, wanted: Properties) -> Made:
    client = aws.client("apigatewayv2")
    given = wanted | {"DefaultRouteSettings": {key: int(value) for key, value in wanted["DefaultRouteSettings"].items()}}
    client.create_stage(**given)
    found = client.get_stage(ApiId=wanted["ApiId"], StageName=wanted["StageName"])
    return Made({name: name}, _pick(found, wanted) | {"ApiId": wanted["ApiId"]})


def _ingress(aws: Account, name: str, wanted: Properties) -> Made:
    client = aws.client("ec2")
    pair = {"GroupId": wanted["SourceSecurityGroupId"], "Description": wanted["Description"]}
    ports = {key: int(wanted[key]) for key in ("FromPort", "ToPort")}
    permission = {"IpProtocol": wanted["IpProtocol"], **ports, "UserIdGroupPairs": [pair]}
    client.authorize_security_group_ingress(GroupId=wanted["GroupId"], IpPermissions=[permission])
    rules = client.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [wanted["GroupId"]]}])[
        "SecurityGroupRules"
    ]
    (found,) = (one for one in rules if not one["IsEgress"] and one["ToPort"] == ports["ToPort"])
    shown = _pick(found, wanted) | {"SourceSecurityGroupId": found["ReferencedGroupInfo"]["GroupId"]}
    return Made({name: name}, shown)


def _endpoint(aws: Account, name: str, wanted: Properties) -> Made:
    client = aws.client("ec2")
    document = {"PolicyDocument": json.dumps(wanted["PolicyDocument"])} if "PolicyDocument" in wanted else {}
    made = client.create_vpc_endpoint(**(wanted | document))["VpcEndpoint"]["VpcEndpointId"]
    (found,) = client.describe_vpc_endpoints(VpcEndpointIds=[made])["VpcEndpoints"]
    shown = _pick(found, wanted) | {"SecurityGroupIds": [one["GroupId"] for one in found.get("Groups", [])]}
    if document:
        shown["PolicyDocument"] = _parsed(found["PolicyDocument"])
    return Made({name: made}, shown)


def _subnet_group(aws: Account, name: str, wanted: Properties) -> Made:
    client, called = aws.client("rds"), name.lower()
    client.create_db_subnet_group(DBSubnetGroupName=called, **wanted)
    (found,) = client.describe_db_subnet_groups(DBSubnetGroupName=called)["DBSubnetGroups"]
    subnets = [one["SubnetIdentifier"] for one in found["Subnets"]]
    return Made({name: called}, {"DBSubnetGroupDescription": found["DBSubnetGroupDescription"], "SubnetIds": subnets})


def _parameter_group(aws: Account, name: str, wanted: Properties) -> Made:
    client, called = aws.client("rds"), name.lower()
    family = {"DBParameterGroupName": called, "DBParameterGroupFamily": wanted["Family"], "Description": wanted["Description"]}
    client.create_db_parameter_group(**family)
    settings = [
        {"ParameterName": key, "ParameterValue": value, "ApplyMethod": "immediate"} for key, value in wanted["Parameters"].items()
    ]
    client.modify_db_parameter_group(DBParameterGroupName=called, Parameters=settings)
    (found,) = client.describe_db_parameter_groups(DBParameterGroupName=called)["DBParameterGroups"]
    kept = client.describe_db_parameters(DBParameterGroupName=called)["Parameters"]
    shown = {
        "Family": found["DBParameterGroupFamily"],
        "Description": found["Description"],
        "Parameters": {one["ParameterName"]: one["ParameterValue"] for one in kept},
    }
    return Made({name: called}, shown)


def _instance(aws: Account, name: str, wanted: Properties) -> Made:
    client, renamed = aws.client("rds"), {"VPCSecurityGroups": "VpcSecurityGroupIds"}
    given = {renamed.get(key, key): value for key, value in wanted.items()}
    given |= {key: int(given[key]) for key in ("AllocatedStorage", "Port", "BackupRetentionPeriod")}
    client.create_db_instance(DBInstanceIdentifier=name.lower(), **given)
    (found,) = client.describe_db_instances(DBInstanceIdentifier=name.lower())["DBInstances"]
    shown = _pick(found, wanted) | {
        "Port": found["Endpoint"]["Port"],
        "DBSubnetGroupName": found["DBSubnetGroup"]["DBSubnetGroupName"],
        "DBParameterGroupName": found["DBParameterGroups"][0]["DBParameterGroupName"],
        "VPCSecurityGroups": [one["VpcSecurityGroupId"] for one in found["VpcSecurityGroups"]],
    }
    return Made({name: name.lower(), f"{name}.Endpoint.Address": found["Endpoint"]["Address"]}, shown)


def _by_cloudformation(kind: str) -> Callable[[Account, str, Properties], Made]:
    def made(aws: Account, name: str, wanted: Properties) -> Made:
        client = aws.client("cloudformation")
        body = json.dumps({"Resources": {name: {"Type": kind, "Properties": wanted}}})
        with warnings.catch_warnings():
            # Moto warns of what it leaves out, and goes on.
            warnings.simplefilter("ignore")
            client.create_stack(StackName=f"of-{name}", TemplateBody=body)
            (resource,) = client.describe_stack_resources(StackName=f"of-{name}")["StackResources"]
        if "PhysicalResourceId" not in resource:
            raise NotImplementedError(kind)
        return Made({name: resource["PhysicalResourceId"]}, wanted)

    return made


def _nested(aws: Account, name: str, wanted: Properties) -> Made:
    client, store = aws.client("cloudformation"), aws.client("s3")
    parameters = {key: {"Type": "String"} for key in wanted["Parameters"]}
    waiting = {"Waiting": {"Type": "AWS::SNS::Topic"}}
    store.put_object(Bucket="packages", Key="89ab", Body=json.dumps({"Parameters": parameters, "Resources": waiting}))
    body = {"Resources": {name: {"Type": "AWS::CloudFormation::Stack", "Properties": wanted}}}
    client.create_stack(StackName=f"of-{name}", TemplateBody=json.dumps(body))
    (resource,) = client.describe_stack_resources(StackName=f"of-{name}")["StackResources"]
    (found,) = client.describe_stacks(StackName=resource["PhysicalResourceId"])["Stacks"]
    shown = {one["ParameterKey"]: one["ParameterValue"] for one in found["Parameters"]}
    kept = {"Parameters": {key: shown[key] for key in wanted["Parameters"]}, "Tags": found["Tags"]}
    return Made({name: found["StackId"]}, kept)


_ATTACHMENT = "AWS::SecretsManager::SecretTargetAttachment"
# In an order in which whatever is named is there already.
MAKERS: dict[str, Callable[[Account, str, Properties], Made]] = {
    "AWS::Logs::LogGroup": _log_group,
    "AWS::SQS::Queue": _queue,
    "AWS::SNS::Topic": _topic,
    "AWS::KMS::Key": _key,
    "AWS::S3::Bucket": _bucket,
    "AWS::Events::EventBus": _bus,
    "AWS::IAM::ManagedPolicy": _managed_policy,
    "AWS::SecretsManager::Secret": _secret,
    "AWS::RDS::DBSubnetGroup": _subnet_group,
    "AWS::RDS::DBParameterGroup": _parameter_group,
    "AWS::RDS::DBInstance": _instance,
    _ATTACHMENT: _by_cloudformation(_ATTACHMENT),
    "AWS::IAM::Role": _role,
    "AWS::Lambda::LayerVersion": _layer,
    "AWS::Lambda::Function": _function,
    "AWS::Lambda::Version": _function_version,
    "AWS::Lambda::Alias": _alias,
    "AWS::Lambda::EventInvokeConfig": _invoke_config,
    "AWS::Lambda::EventSourceMapping": _mapping,
    "AWS::ApiGatewayV2::Api": _api,
    "AWS::ApiGatewayV2::Stage": _stage,
    "AWS::Lambda::Permission": _permission,
    "AWS::SecretsManager::RotationSchedule": _rotation,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::CloudWatch::Dashboard": _dashboard,
    "AWS::Logs::MetricFilter": _metric_filter,
    "AWS::Logs::QueryDefinition": _query,
    "AWS::Events::Rule": _rule,
    "AWS::Events::EventBusPolicy": _bus_policy,
    "AWS::Scheduler::Schedule": _schedule,
    "AWS::SNS::TopicPolicy": _topic_policy,
    "AWS::SNS::Subscription": _subscription,
    "AWS::SQS::QueuePolicy": _queue_policy,
    "AWS::S3::BucketPolicy": _bucket_policy,
    "AWS::CloudTrail::Trail": _trail,
    "AWS::EC2::SecurityGroupIngress": _ingress,
    "AWS::EC2::VPCEndpoint": _endpoint,
    "AWS::CloudFormation::Stack": _nested,
}
