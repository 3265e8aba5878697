"""Who hears of what: template.yaml's rules against the events that AWS documents, and its alarms.

The service events are built from the documented envelope and names; AWS prints no whole example of them. The call's errorMessage
is the one that its guide filters for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from tests.rotation.test_template import INSTANCE, OWN, WAYS, deployed
from tests.simulators.cloudformation import ACCOUNT
from tests.simulators.event_patterns import delivered

if TYPE_CHECKING:
    from tests.simulators.cloudformation import Deployed

SECRET = f"arn:aws:secretsmanager:us-east-2:{ACCOUNT}:secret:MyDatabaseSecret-a1b2c3"
DELETED = "You can't perform this operation on the secret because it was marked for deletion."
SERVICE, CALL = "AWS Service Event via CloudTrail", "AWS API Call via CloudTrail"


def event(name: str, kind: str = CALL, source: str = "secretsmanager", **detail: Any) -> dict[str, Any]:
    """An event of CloudTrail's, as it stands on the default bus."""
    return {
        "version": "0",
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detail-type": kind,
        "source": f"aws.{source}",
        "account": ACCOUNT,
        "time": "2018-04-03T17:51:02Z",
        "region": "us-east-2",
        "resources": [],
        "detail": {
            "eventVersion": "1.08",
            "eventTime": "2018-04-03T17:51:02Z",
            "eventSource": f"{source}.amazonaws.com",
            "eventName": name,
            "awsRegion": "us-east-2",
            "requestParameters": None,
            "responseElements": None,
            "eventType": "AwsServiceEvent" if kind == SERVICE else "AwsApiCall",
            "recipientAccountId": ACCOUNT,
            **detail,
        },
    }


def asked(**detail: Any) -> dict[str, Any]:
    """Somebody reads a secret."""
    return event("GetSecretValue", requestParameters={"secretId": "MyDatabaseSecret"}, readOnly=True, **detail)


# DeleteSecret and its elements as in the guide's example.
DELETE = event(
    "DeleteSecret",
    requestParameters={"recoveryWindowInDays": 30, "secretId": "MyDatabaseSecret"},
    responseElements={"name": "MyDatabaseSecret", "deletionDate": "May 3, 2018 5:51:02 PM", "aRN": SECRET},
)
ROTATED = {
    name: event(name, SERVICE, additionalEventData={"SecretId": SECRET})
    for name in ("RotationStarted", "RotationSucceeded", "RotationFailed", "RotationAbandoned")
}
HEARD = {
    **{name: (one, {"RotationEvents"}) for name, one in ROTATED.items()},
    "without any field of its own": (event("RotationFailed", SERVICE), {"RotationEvents"}),
    "deletion": (DELETE, {"SecretEndsEvents"}),
    "cancelled": (event("CancelRotateSecret", requestParameters={"secretId": SECRET}), {"SecretEndsEvents"}),
    "deleted and used": (asked(errorCode="InvalidRequestException", errorMessage=DELETED), {"DeletedUseEvents"}),
    # Nobody's business.
    "used": (asked(), set()),
    "used, denied": (asked(errorCode="AccessDenied", errorMessage="User: x is not authorized"), set()),
    "read otherwise": (event("DescribeSecret", errorMessage=DELETED), set()),
    "asked to rotate": (event("RotateSecret", requestParameters={"secretId": SECRET}), set()),
    "restored": (event("RestoreSecret", requestParameters={"secretId": SECRET}), set()),
    "version ended": (event("EndSecretVersionDelete", SERVICE), set()),
    "a call of that name": (event("RotationFailed"), set()),
    "a service event of that name": (event("DeleteSecret", SERVICE), set()),
    "another service's": (event("RotationFailed", SERVICE, "kms"), set()),
    "forged": ({**ROTATED["RotationFailed"], "source": "my.secretsmanager"}, set()),
}


def rules(stack: Deployed) -> dict[str, dict[str, Any]]:
    """The rules of rotation that tell somebody."""
    found = stack.of("AWS::Events::Rule")
    return {name: one for name, one in found.items() if one["Targets"] == [{"Id": "topic", "Arn": "RotationTopic"}]}


@pytest.mark.parametrize("name", HEARD)
def test_what_is_heard(name: str) -> None:
    """Each event reaches the topic by the one rule that is meant for it, or by none."""
    happened, expected = HEARD[name]
    assert {rule for rule, one in rules(deployed(**OWN)).items() if delivered(one, happened)} == expected


def test_an_ordinary_rule_is_deaf_to_reads() -> None:
    """The state is what lets a failing GetSecretValue through."""
    rule = rules(deployed(**OWN))["DeletedUseEvents"]
    happened, _ = HEARD["deleted and used"]
    assert not delivered({**rule, "State": "ENABLED"}, happened)


@mock_aws
def test_the_words_of_a_deleted_secret() -> None:
    """Moto gives the other of the service's two sentences; it is caught too."""
    client = boto3.client("secretsmanager", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    client.create_secret(Name="one", SecretString="value")
    client.delete_secret(SecretId="one")
    with pytest.raises(ClientError) as caught:
        client.get_secret_value(SecretId="one")
    happened = asked(errorCode=caught.value.response["Error"]["Code"], errorMessage=caught.value.response["Error"]["Message"])
    assert delivered(rules(deployed(**OWN))["DeletedUseEvents"], happened)


@pytest.mark.parametrize("way", WAYS)
def test_the_topic_takes_what_it_is_sent(way: str) -> None:
    """From rules and alarms of this account; every alarm of rotation tells it, both ways."""
    stack = deployed(**WAYS[way])
    (policy,) = stack.of("AWS::SNS::TopicPolicy").values()
    statements = {one["Principal"]["Service"]: one.get("Condition") for one in policy["PolicyDocument"]["Statement"]}
    assert statements == {
        "cloudwatch.amazonaws.com": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
        # With a condition EventBridge's would not arrive: tests/deploy/test_what_tools_miss.py has the source.
        "events.amazonaws.com": None,
    }
    alarms = {name: one for name, one in stack.of("AWS::CloudWatch::Alarm").items() if name.startswith("Rotation")}
    ours = {"RotationErrorsAlarm", "RotationThrottlesAlarm", "RotationFailuresAlarm"} if way != "hosted" else set[str]()
    assert alarms.keys() == ours | {"RotationOverdueAlarm"}
    assert all(one["AlarmActions"] == one["OKActions"] == ["RotationTopic"] for one in alarms.values())


def test_silence_is_an_alarm() -> None:
    """The checker's figure is waited for: two hours without it are as bad as a late rotation."""
    stack = deployed(**OWN)
    alarm = stack.of("AWS::CloudWatch::Alarm")["RotationOverdueAlarm"]
    assert (alarm["TreatMissingData"], alarm["Period"] * alarm["EvaluationPeriods"]) == ("breaching", 7200)
    checker = stack.of("AWS::Serverless::Function")["OverdueFunction"]
    assert checker["Events"]["Hourly"]["Properties"]["Schedule"] == "rate(1 hour)"
    assert checker["Role"] == "OverdueRole.Arn"


def test_a_trail_on_request() -> None:
    """It records calls that only read; none by default."""
    assert not deployed(**OWN).of("AWS::CloudTrail::Trail", "AWS::S3::Bucket")
    (trail,) = deployed(**INSTANCE, RotationTrail="yes").of("AWS::CloudTrail::Trail").values()
    (selector,) = trail["EventSelectors"]
    assert (selector["IncludeManagementEvents"], selector["ReadWriteType"], trail["IsLogging"]) == (True, "All", True)
