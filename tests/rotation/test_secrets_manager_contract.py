"""What Secrets Manager does, held against our simulator and, where it is right, moto behind its signature checks.

Each rule is a function that any Secrets Manager must pass. `MOTO_DIFFERS` lists those that moto doesn't, and a test sees
that it still doesn't: whoever updates moto finds the list shrinking.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.simulators.secrets_manager import SimulatedSecretsManager
from tests.simulators.secrets_manager_direct import DirectClient
from tests.simulators.secrets_manager_http import served

from vaultgate_ops.clock import Clock
from vaultgate_ops.local.aws import REGION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vaultgate_ops.local.stack import Stack

    Rule = Callable[[Any, str], None]

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:rotate"
RULES: list[Rule] = []


def rule(check: Rule) -> Rule:
    """Note a rule."""
    RULES.append(check)
    return check


def refused(code: str, call: Callable[..., object], **parameters: object) -> str:
    """The message of the error that a call must end with."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    assert caught.value.response["Error"]["Code"] == code, caught.value
    return str(caught.value.response["Error"]["Message"])


def token() -> str:
    """A version's id."""
    return str(uuid.uuid4())


def created(client: Any, name: str, text: str = "one") -> str:
    """Make the secret; the id of its version."""
    version: str = client.create_secret(Name=name, SecretString=text, ClientRequestToken=token())["VersionId"]
    return version


def stages(client: Any, name: str) -> dict[str, set[str]]:
    """Labels of each version that has any."""
    return {key: set(labels) for key, labels in client.describe_secret(SecretId=name)["VersionIdsToStages"].items() if labels}


def pending(client: Any, name: str, text: str = "two") -> str:
    """Put a pending version; its id."""
    version = token()
    client.put_secret_value(SecretId=name, SecretString=text, ClientRequestToken=version, VersionStages=["AWSPENDING"])
    return version


def promote(client: Any, name: str, source: str, target: str) -> None:
    """Move AWSCURRENT."""
    client.update_secret_version_stage(
        SecretId=name, VersionStage="AWSCURRENT", MoveToVersionId=target, RemoveFromVersionId=source
    )


@rule
def a_new_secret_is_current(client: Any, name: str) -> None:
    """Its only version is AWSCURRENT, by default, by label and by id."""
    version = created(client, name)
    answers = [
        client.get_secret_value(SecretId=name, **by) for by in ({}, {"VersionStage": "AWSCURRENT"}, {"VersionId": version})
    ]
    assert {(one["SecretString"], one["VersionId"], *one["VersionStages"]) for one in answers} == {("one", version, "AWSCURRENT")}


@rule
def an_arn_names_a_secret(client: Any, name: str) -> None:
    """As well as its name does."""
    arn = client.create_secret(Name=name, SecretString="one")["ARN"]
    assert client.get_secret_value(SecretId=arn)["Name"] == name


@rule
def creating_is_idempotent(client: Any, name: str) -> None:
    """The same request once more changes nothing, another one of the same name is refused."""
    version = created(client, name)
    assert client.create_secret(Name=name, SecretString="one", ClientRequestToken=version)["VersionId"] == version
    refused("ResourceExistsException", client.create_secret, Name=name, SecretString="two", ClientRequestToken=token())


@rule
def nothing_is_found_that_is_not_there(client: Any, name: str) -> None:
    """No secret, no label, no version."""
    refused("ResourceNotFoundException", client.get_secret_value, SecretId=name)
    created(client, name)
    refused("ResourceNotFoundException", client.get_secret_value, SecretId=name, VersionStage="AWSPENDING")
    refused("ResourceNotFoundException", client.get_secret_value, SecretId=name, VersionId=token())


@rule
def a_label_that_is_elsewhere_is_refused(client: Any, name: str) -> None:
    """Id and label must name the same version."""
    created(client, name)
    version = pending(client, name)
    refused("InvalidRequestException", client.get_secret_value, SecretId=name, VersionId=version, VersionStage="AWSCURRENT")


@rule
def a_pending_version_leaves_the_current_one(client: Any, name: str) -> None:
    """AWSPENDING is another version."""
    old = created(client, name)
    new = pending(client, name)
    assert stages(client, name) == {old: {"AWSCURRENT"}, new: {"AWSPENDING"}}
    assert client.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")["SecretString"] == "one"
    assert client.get_secret_value(SecretId=name, VersionStage="AWSPENDING")["SecretString"] == "two"


@rule
def putting_the_same_twice_is_once(client: Any, name: str) -> None:
    """A lost answer is mended by asking again."""
    created(client, name)
    new = pending(client, name)
    client.put_secret_value(SecretId=name, SecretString="two", ClientRequestToken=new, VersionStages=["AWSPENDING"])
    assert client.get_secret_value(SecretId=name, VersionId=new)["SecretString"] == "two"


@rule
def a_version_never_changes(client: Any, name: str) -> None:
    """A token that has a value refuses another one."""
    created(client, name)
    new = pending(client, name)
    again = {"SecretId": name, "SecretString": "three", "ClientRequestToken": new, "VersionStages": ["AWSPENDING"]}
    refused("ResourceExistsException", client.put_secret_value, **again)
    assert client.get_secret_value(SecretId=name, VersionId=new)["SecretString"] == "two"


@rule
def putting_without_labels_promotes(client: Any, name: str) -> None:
    """AWSCURRENT moves to it, AWSPREVIOUS to the one before."""
    old = created(client, name)
    new = client.put_secret_value(SecretId=name, SecretString="two")["VersionId"]
    assert stages(client, name) == {old: {"AWSPREVIOUS"}, new: {"AWSCURRENT"}}


@rule
def a_pending_label_moves_with_a_later_put(client: Any, name: str) -> None:
    """One version has it at a time."""
    old = created(client, name)
    pending(client, name)
    newer = pending(client, name, "three")
    assert stages(client, name) == {old: {"AWSCURRENT"}, newer: {"AWSPENDING"}}


@rule
def promoting_moves_previous_too(client: Any, name: str) -> None:
    """The pending label stays where it is."""
    old = created(client, name)
    new = pending(client, name)
    promote(client, name, old, new)
    assert stages(client, name) == {old: {"AWSPREVIOUS"}, new: {"AWSCURRENT", "AWSPENDING"}}
    assert client.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")["SecretString"] == "two"


@rule
def a_promoted_version_is_the_default(client: Any, name: str) -> None:
    """Whoever names no label gets AWSCURRENT."""
    old = created(client, name)
    promote(client, name, old, pending(client, name))
    assert client.get_secret_value(SecretId=name)["SecretString"] == "two"


@rule
def current_moves_only_from_where_it_is(client: Any, name: str) -> None:
    """Without the right source a move is refused, so that of two movers one wins."""
    old = created(client, name)
    new = pending(client, name)
    move = {"SecretId": name, "VersionStage": "AWSCURRENT", "MoveToVersionId": new}
    refused("InvalidParameterException", client.update_secret_version_stage, **move)
    promote(client, name, old, new)
    refused("InvalidParameterException", client.update_secret_version_stage, **move, RemoveFromVersionId=old)


@rule
def current_can_not_be_taken_away(client: Any, name: str) -> None:
    """There is always one."""
    old = created(client, name)
    away = {"SecretId": name, "VersionStage": "AWSCURRENT", "RemoveFromVersionId": old}
    refused("InvalidParameterException", client.update_secret_version_stage, **away)


@rule
def pending_can_be_taken_away(client: Any, name: str) -> None:
    """Which is how a stuck rotation is repaired."""
    old = created(client, name)
    new = pending(client, name)
    client.update_secret_version_stage(SecretId=name, VersionStage="AWSPENDING", RemoveFromVersionId=new)
    assert stages(client, name) == {old: {"AWSCURRENT"}}


@rule
def rotating_needs_a_function(client: Any, name: str) -> None:
    """Named now or before."""
    created(client, name)
    refused("InvalidRequestException", client.rotate_secret, SecretId=name)


@rule
def rotating_makes_an_empty_pending_version(client: Any, name: str) -> None:
    """It has the request's token as its id and no value; the current one stays."""
    old, new = created(client, name), token()
    client.rotate_secret(SecretId=name, ClientRequestToken=new, RotationLambdaARN=FUNCTION)
    assert stages(client, name) == {old: {"AWSCURRENT"}, new: {"AWSPENDING"}}
    refused("ResourceNotFoundException", client.get_secret_value, SecretId=name, VersionStage="AWSPENDING")
    client.put_secret_value(SecretId=name, SecretString="two", ClientRequestToken=new, VersionStages=["AWSPENDING"])
    assert client.get_secret_value(SecretId=name, VersionStage="AWSPENDING")["SecretString"] == "two"
    assert client.describe_secret(SecretId=name)["RotationEnabled"] is True


@rule
def rotating_waits_for_the_rotation_before(client: Any, name: str) -> None:
    """While AWSPENDING is on another version than AWSCURRENT; afterwards it may."""
    old, new = created(client, name), token()
    client.rotate_secret(SecretId=name, ClientRequestToken=new, RotationLambdaARN=FUNCTION)
    message = refused("InvalidRequestException", client.rotate_secret, SecretId=name, ClientRequestToken=token())
    assert "previous rotation" in message.lower()
    client.put_secret_value(SecretId=name, SecretString="two", ClientRequestToken=new, VersionStages=["AWSPENDING"])
    promote(client, name, old, new)
    client.rotate_secret(SecretId=name, ClientRequestToken=token())


@rule
def rotating_twice_with_one_token_is_once(client: Any, name: str) -> None:
    """A lost answer is mended by asking again."""
    _, new = created(client, name), token()
    client.rotate_secret(SecretId=name, ClientRequestToken=new, RotationLambdaARN=FUNCTION)
    client.put_secret_value(SecretId=name, SecretString="two", ClientRequestToken=new, VersionStages=["AWSPENDING"])
    client.rotate_secret(SecretId=name, ClientRequestToken=new, RotationLambdaARN=FUNCTION)
    assert [key for key, labels in stages(client, name).items() if "AWSPENDING" in labels] == [new]
    assert client.get_secret_value(SecretId=name, VersionStage="AWSPENDING")["SecretString"] == "two"


@rule
def days_and_schedule_exclude_each_other(client: Any, name: str) -> None:
    """And a schedule has at least four hours between two rotations."""
    created(client, name)
    both = {"AutomaticallyAfterDays": 1, "ScheduleExpression": "rate(4 hours)"}
    often = {"ScheduleExpression": "rate(3 hours)"}
    for rules in (both, often):
        asked = {"SecretId": name, "RotationLambdaARN": FUNCTION, "RotationRules": rules}
        refused("InvalidParameterException", client.rotate_secret, **asked)


@rule
def days_are_bounded(client: Any, name: str) -> None:
    """One to a thousand."""
    created(client, name)
    asked = {"SecretId": name, "RotationLambdaARN": FUNCTION, "RotationRules": {"AutomaticallyAfterDays": 1001}}
    refused("InvalidParameterException", client.rotate_secret, **asked)


@rule
def cancelling_leaves_the_pending_label(client: Any, name: str) -> None:
    """Rotation is off, the label is for whoever cancelled to take away."""
    _, new = created(client, name), token()
    client.rotate_secret(SecretId=name, ClientRequestToken=new, RotationLambdaARN=FUNCTION)
    client.cancel_rotate_secret(SecretId=name)
    assert client.describe_secret(SecretId=name)["RotationEnabled"] is False
    assert stages(client, name)[new] == {"AWSPENDING"}


@rule
def a_deleted_secret_gives_nothing(client: Any, name: str) -> None:
    """Nor does it take anything."""
    created(client, name)
    client.delete_secret(SecretId=name)
    refused("InvalidRequestException", client.get_secret_value, SecretId=name)
    refused("InvalidRequestException", client.put_secret_value, SecretId=name, SecretString="two")


@rule
def passwords_are_what_was_asked_for(client: Any, name: str) -> None:
    """Length, left-out letters, every kind once; too short for every kind is refused."""
    for _ in range(20):
        made = client.get_random_password(PasswordLength=20, ExcludeCharacters="/@\"'\\a")["RandomPassword"]
        assert len(made) == 20
        assert not set(made) & set("/@\"'\\a")
        assert any(map(str.isdigit, made))
        assert any(map(str.isupper, made))
    refused("InvalidParameterException", client.get_random_password, PasswordLength=2)


@rule
def tags_are_added_to_those_that_are_there(client: Any, name: str) -> None:
    """From the creation on; one of the same key is replaced, the others stay."""
    client.create_secret(Name=name, SecretString="one", Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}])
    client.tag_resource(SecretId=name, Tags=[{"Key": "a", "Value": "2"}, {"Key": "c:d", "Value": "x/y"}])
    tags = {tag["Key"]: tag["Value"] for tag in client.describe_secret(SecretId=name)["Tags"]}
    assert tags == {"a": "2", "b": "", "c:d": "x/y"}


@rule
def tags_have_their_letters(client: Any, name: str) -> None:
    """AWS's own prefix, a sign that isn't among those allowed, and 257 letters are refused."""
    created(client, name)
    for key, value in (("aws:mine", "x"), ("a", "x#y"), ("a", "x" * 257)):
        refused("InvalidParameterException", client.tag_resource, SecretId=name, Tags=[{"Key": key, "Value": value}])


@rule
def another_key_makes_no_version(client: Any, name: str) -> None:
    """UpdateSecret with a key alone."""
    version = created(client, name)
    client.update_secret(SecretId=name, KmsKeyId="alias/other")
    assert client.describe_secret(SecretId=name)["KmsKeyId"] == "alias/other"
    assert stages(client, name) == {version: {"AWSCURRENT"}}


@rule
def a_deletion_can_be_called_off(client: Any, name: str) -> None:
    """Within its window of 7 to 30 days; then all is as it was."""
    version = created(client, name)
    for days in (6, 31):
        refused("InvalidParameterException", client.delete_secret, SecretId=name, RecoveryWindowInDays=days)
    client.delete_secret(SecretId=name, RecoveryWindowInDays=30)
    assert "DeletedDate" in client.describe_secret(SecretId=name)
    client.restore_secret(SecretId=name)
    assert "DeletedDate" not in client.describe_secret(SecretId=name)
    assert client.get_secret_value(SecretId=name)["VersionId"] == version


@rule
def a_name_is_taken_until_the_deletion_is_over(client: Any, name: str) -> None:
    """With an error of its own, for the secret can still be restored."""
    created(client, name)
    client.delete_secret(SecretId=name)
    refused("InvalidRequestException", client.create_secret, Name=name, SecretString="two")


def listed(client: Any, **wanted: Any) -> list[dict[str, Any]]:
    """A whole listing, by pages of two."""
    entries, more = [], {}
    while True:
        answer = client.list_secrets(MaxResults=2, **wanted, **more)
        assert len(answer["SecretList"]) <= 2
        entries += answer["SecretList"]
        if "NextToken" not in answer:
            return entries
        more = {"NextToken": answer["NextToken"]}


@rule
def a_listing_has_pages_and_filters(client: Any, name: str) -> None:
    """By tags, of which key and value may be different ones, and by beginnings; deleted ones are left out unless asked for."""
    for n in range(5):
        tags = [{"Key": "team", "Value": f"{name}-{n}"}, {"Key": "other", "Value": "x"}]
        client.create_secret(Name=f"{name}-{n}", SecretString="one", Tags=tags)
    filters = [{"Key": "tag-key", "Values": ["tea"]}, {"Key": "tag-value", "Values": [name]}]
    found = listed(client, Filters=filters)
    assert sorted(one["Name"] for one in found) == [f"{name}-{n}" for n in range(5)]
    assert all({"ARN", "Tags", "SecretVersionsToStages"} <= set(one) for one in found)
    client.delete_secret(SecretId=f"{name}-0")
    assert len(listed(client, Filters=filters)) == 4
    assert [one["Name"] for one in listed(client, Filters=filters, IncludePlannedDeletion=True) if "DeletedDate" in one] == [
        f"{name}-0"
    ]


MOTO_DIFFERS = {
    "a_version_never_changes": "it takes another value for a pending version's token",
    "a_promoted_version_is_the_default": "without a label it gives the old value after a promotion",
    "current_can_not_be_taken_away": "it takes AWSCURRENT away",
    "rotating_needs_a_function": "it promotes an empty version on the spot",
    "rotating_makes_an_empty_pending_version": "it wants the function to be one of its own",
    "rotating_waits_for_the_rotation_before": "as before",
    "rotating_twice_with_one_token_is_once": "as before",
    "cancelling_leaves_the_pending_label": "as before",
    "days_and_schedule_exclude_each_other": "it knows no schedules",
    "a_deleted_secret_gives_nothing": "it takes values for a deleted secret",
    "a_name_is_taken_until_the_deletion_is_over": "it only says that there is one",
    "tags_have_their_letters": "it takes any letters, and as many as there are",
}


@pytest.fixture(params=["boto3", "direct"])
def simulated(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A client of the simulator, by HTTP or without the wire."""
    service = SimulatedSecretsManager(Clock())
    if request.param == "direct":
        yield DirectClient(service)
        return
    with served(service) as one:
        yield one.client()


@pytest.fixture
def moto(stack: Stack) -> Any:
    """A client of moto, with an administrator's signature."""
    keys = stack.aws.administrator
    return boto3.client(
        "secretsmanager",
        region_name=REGION,
        endpoint_url=stack.aws.endpoint,
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret_key,
        config=Config(proxies={}, retries={"total_max_attempts": 1}),
    )


def named(rules: list[Rule]) -> pytest.MarkDecorator:
    """One test for each."""
    return pytest.mark.parametrize("check", rules, ids=lambda check: check.__name__)


@named(RULES)
def test_the_simulator(check: Rule, simulated: Any) -> None:
    """Every rule holds in the simulator."""
    check(simulated, f"contract/{uuid.uuid4()}")


@pytest.mark.stack
@named([check for check in RULES if check.__name__ not in MOTO_DIFFERS])
def test_moto(check: Rule, moto: Any) -> None:
    """The rules hold in moto too, but for those it is known to break."""
    check(moto, f"contract/{uuid.uuid4()}")


@pytest.mark.stack
@named([check for check in RULES if check.__name__ in MOTO_DIFFERS])
def test_moto_still_differs(check: Rule, moto: Any) -> None:
    """What the list says of moto is true of this version of it."""
    with pytest.raises((AssertionError, ClientError, pytest.fail.Exception)):
        check(moto, f"contract/{uuid.uuid4()}")


def test_the_list_names_rules() -> None:
    """And nothing else."""
    assert {check.__name__ for check in RULES} > set(MOTO_DIFFERS)
