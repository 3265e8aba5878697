"""What Parameter Store does, held against our simulator and, where it is right, moto behind its signature checks.

Each rule is a function that any Parameter Store must pass. `MOTO_DIFFERS` lists those that moto doesn't, and a test sees that it
still doesn't.
Source: AWS Systems Manager API Reference, as the simulator's.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from tests.simulators.parameter_store import SimulatedParameterStore
from tests.simulators.secrets_manager_direct import DirectClient
from tests.simulators.secrets_manager_http import served

from vaultgate_ops.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vaultgate_ops.local.stack import Stack

    Rule = Callable[[Any, str], None]

KEY = "alias/own"
RULES: list[Rule] = []


def rule(check: Rule) -> Rule:
    """Note a rule."""
    RULES.append(check)
    return check


def refused(code: str, call: Callable[..., object], **parameters: object) -> None:
    """The error that a call must end with."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    assert caught.value.response["Error"]["Code"] == code, caught.value


def put(client: Any, name: str, value: str, **more: Any) -> int:
    """Make the parameter or a version of it; the version's number."""
    number: int = client.put_parameter(Name=name, Value=value, Type="SecureString", **more)["Version"]
    return number


def read(client: Any, name: str) -> tuple[str, int]:
    """A value and its version's number."""
    found = client.get_parameter(Name=name, WithDecryption=True)["Parameter"]
    return found["Value"], found["Version"]


@rule
def what_is_put_is_what_everybody_reads(client: Any, name: str) -> None:
    """At once, whoever names no version; older ones stay where they are."""
    assert (put(client, name, "one"), read(client, name)) == (1, ("one", 1))
    assert (put(client, name, "two", Overwrite=True), read(client, name)) == (2, ("two", 2))
    assert read(client, f"{name}:1") == ("one", 1)


@rule
def who_creates_it_first_wins(client: Any, name: str) -> None:
    """Without Overwrite nothing that exists is touched."""
    put(client, name, "one")
    refused("ParameterAlreadyExists", client.put_parameter, Name=name, Value="two", Type="SecureString")
    assert read(client, name) == ("one", 1)


@rule
def what_is_not_there_is_named(client: Any, name: str) -> None:
    """A parameter, and a version of one that exists."""
    refused("ParameterNotFound", client.get_parameter, Name=name)
    refused("ParameterNotFound", client.get_parameter_history, Name=name)
    refused("ParameterNotFound", client.delete_parameter, Name=name)
    put(client, name, "one")
    refused("ParameterVersionNotFound", client.get_parameter, Name=f"{name}:2")


@rule
def several_at_once(client: Any, name: str) -> None:
    """Those that exist are given, the others named; ten at most."""
    put(client, name, "one")
    answer = client.get_parameters(Names=[f"{name}/none", name], WithDecryption=True)
    assert [(one["Name"], one["Value"]) for one in answer["Parameters"]] == [(name, "one")]
    assert answer["InvalidParameters"] == [f"{name}/none"]
    refused("ValidationException", client.get_parameters, Names=[f"{name}/{n}" for n in range(11)])


@rule
def several_are_deleted_at_once(client: Any, name: str) -> None:
    """It is no error that some aren't there."""
    put(client, name, "one")
    answer = client.delete_parameters(Names=[name, f"{name}/none"])
    assert (answer["DeletedParameters"], answer["InvalidParameters"]) == ([name], [f"{name}/none"])
    refused("ParameterNotFound", client.get_parameter, Name=name)


@rule
def a_secure_string_is_enciphered(client: Any, name: str) -> None:
    """Without WithDecryption its value isn't told."""
    put(client, name, "planted-Passw0rd")
    assert client.get_parameter(Name=name)["Parameter"]["Value"] != "planted-Passw0rd"
    assert client.get_parameter(Name=name)["Parameter"]["Type"] == "SecureString"


@rule
def nothing_of_a_secure_string_is_told_enciphered(client: Any, name: str) -> None:
    """Not even behind something else."""
    put(client, name, "planted-Passw0rd")
    assert "planted" not in client.get_parameter(Name=name)["Parameter"]["Value"]


@rule
def history_tells_each_version(client: Any, name: str) -> None:
    """Oldest first, with its key and what it was described as."""
    put(client, name, "one", KeyId=KEY, Description="ours")
    put(client, name, "two", KeyId=KEY, Description="ours", Overwrite=True)
    history = client.get_parameter_history(Name=name, WithDecryption=True)["Parameters"]
    assert [(one["Version"], one["Value"], one["KeyId"], one["Description"]) for one in history] == [
        (1, "one", KEY, "ours"),
        (2, "two", KEY, "ours"),
    ]


@rule
def without_a_key_it_is_the_accounts_own(client: Any, name: str) -> None:
    """Also for a version of a parameter that had another one."""
    put(client, name, "one", KeyId=KEY)
    put(client, name, "two", Overwrite=True)
    assert [one["KeyId"] for one in client.get_parameter_history(Name=name)["Parameters"]] == [KEY, "alias/aws/ssm"]


@rule
def a_label_moves(client: Any, name: str) -> None:
    """It is on one version at a time, and can be read by."""
    put(client, name, "one")
    put(client, name, "two", Overwrite=True)
    for version, value in ((1, "one"), (2, "two")):
        told = client.label_parameter_version(Name=name, ParameterVersion=version, Labels=["current"])
        assert told["InvalidLabels"] == []
        assert read(client, f"{name}:current") == (value, version)
    assert [one["Labels"] for one in client.get_parameter_history(Name=name)["Parameters"]] == [[], ["current"]]


@rule
def a_label_can_not_be_a_stage(client: Any, name: str) -> None:
    """None may begin with aws, in whatever case."""
    put(client, name, "one")
    told = client.label_parameter_version(Name=name, Labels=["AWSPENDING", "awspending", "1st", "fine"])
    assert told["InvalidLabels"] == ["AWSPENDING", "awspending", "1st"]


@rule
def the_hundred_and_first_version_ends_the_first(client: Any, name: str) -> None:
    """Unless that has a label: then nothing is put."""
    put(client, name, "0")
    for number in range(1, 101):
        put(client, name, str(number), Overwrite=True)
    refused("ParameterVersionNotFound", client.get_parameter, Name=f"{name}:1")
    client.label_parameter_version(Name=name, ParameterVersion=2, Labels=["kept"])
    more = {"Name": name, "Value": "more", "Overwrite": True}
    refused("ParameterMaxVersionLimitExceeded", client.put_parameter, **more)
    assert read(client, name) == ("100", 101)


@rule
def a_value_is_four_kilobytes_at_most(client: Any, name: str) -> None:
    """Eight in the advanced tier."""
    refused("ValidationException", client.put_parameter, Name=name, Value="x" * 4097, Type="SecureString")
    put(client, name, "x" * 4097, Tier="Advanced")


@rule
def a_value_fits_its_pattern(client: Any, name: str) -> None:
    """Of a first version and of any other."""
    more = {"AllowedPattern": "^o"}
    put(client, name, "one", **more)
    refused("ParameterPatternMismatchException", client.put_parameter, Name=name, Value="two", Overwrite=True, **more)
    assert read(client, name) == ("one", 1)
    put(client, name, "two", Overwrite=True)


@rule
def a_value_refers_to_nothing(client: Any, name: str) -> None:
    """Double braces are refused."""
    refused("ValidationException", client.put_parameter, Name=name, Value='{"a": "{{b}}"}', Type="SecureString")


@rule
def a_name_has_fifteen_levels_at_most(client: Any, name: str) -> None:
    """And doesn't begin with aws or ssm."""
    for bad in ("aws-name", "ssm-name"):
        refused("ValidationException", client.put_parameter, Name=bad, Value="x", Type="SecureString")


@rule
def a_deep_name_is_refused(client: Any, name: str) -> None:
    """With an error of its own."""
    deep = name + "/x" * 16
    refused("HierarchyLevelLimitExceededException", client.put_parameter, Name=deep, Value="x", Type="SecureString")


@rule
def tags_are_added_to_those_that_are_there(client: Any, name: str) -> None:
    """One of the same key is replaced, the others stay; what isn't there has none."""
    put(client, name, "one", Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}])
    client.add_tags_to_resource(ResourceType="Parameter", ResourceId=name, Tags=[{"Key": "a", "Value": "2"}])
    tags = client.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"a": "2", "b": ""}
    none = {"ResourceType": "Parameter", "ResourceId": f"{name}/none"}
    refused("InvalidResourceId", client.list_tags_for_resource, **none)
    refused("InvalidResourceId", client.add_tags_to_resource, **none, Tags=[{"Key": "a", "Value": "2"}])


@rule
def lists_are_by_tag_name_and_path(client: Any, name: str) -> None:
    """With the number and the date of the latest version, and no value."""
    put(client, f"{name}/a", "one", Tags=[{"Key": "days", "Value": "30"}])
    put(client, f"{name}/b/c", "two")

    def listed(**wanted: Any) -> list[str]:
        found = client.describe_parameters(ParameterFilters=[wanted])["Parameters"]
        assert all({"LastModifiedDate", "Version", "Type"} <= set(one) and "Value" not in one for one in found)
        return sorted(one["Name"] for one in found if one["Name"].startswith(name))

    assert listed(Key="tag:days") == [f"{name}/a"]
    assert listed(Key="Name", Option="Equals", Values=[f"{name}/a", f"{name}/none"]) == [f"{name}/a"]
    assert listed(Key="Path", Option="Recursive", Values=[name]) == [f"{name}/a", f"{name}/b/c"]
    tags = client.list_tags_for_resource(ResourceType="Parameter", ResourceId=f"{name}/a")["TagList"]
    assert tags == [{"Key": "days", "Value": "30"}]


@rule
def a_page_is_no_longer_than_asked(client: Any, name: str) -> None:
    """The next one has the rest, and the last one leads nowhere."""
    for letter in "ab":
        put(client, f"{name}/{letter}", "one")
    wanted: dict[str, Any] = {"ParameterFilters": [{"Key": "Path", "Option": "Recursive", "Values": [name]}], "MaxResults": 1}
    first = client.describe_parameters(**wanted)
    assert len(first["Parameters"]) == 1
    second = client.describe_parameters(**wanted, NextToken=first["NextToken"])
    assert sorted(one["Name"] for page in (first, second) for one in page["Parameters"]) == [f"{name}/a", f"{name}/b"]
    assert "NextToken" not in second


@rule
def lists_tell_the_arn(client: Any, name: str) -> None:
    """Of each parameter."""
    put(client, name, "one")
    (found,) = client.describe_parameters(ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": [name]}])["Parameters"]
    assert found.get("ARN") == client.get_parameter(Name=name)["Parameter"]["ARN"]


MOTO_DIFFERS = {
    "a_page_is_no_longer_than_asked": "its pages are of ten, whatever was asked for",
    "lists_tell_the_arn": "it leaves it out",
    "nothing_of_a_secure_string_is_told_enciphered": "it tells the value behind the key's name",
    "without_a_key_it_is_the_accounts_own": "it keeps the key of the version before",
    "a_label_can_not_be_a_stage": "it takes AWSPENDING",
    "a_value_is_four_kilobytes_at_most": "it takes any length",
    "a_value_fits_its_pattern": "it takes any value",
    "a_value_refers_to_nothing": "it takes double braces",
    "a_deep_name_is_refused": "it takes any depth",
}


@pytest.fixture(params=["boto3", "direct"])
def simulated(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A client of the simulator, by HTTP or without the wire."""
    service = SimulatedParameterStore(Clock())
    if request.param == "direct":
        yield DirectClient(service)  # type: ignore[arg-type] - it serves any service
        return
    with served(service) as one:  # type: ignore[arg-type] - as above
        made_up = {"aws_access_key_id": "made-up", "aws_secret_access_key": "made-up"}
        yield boto3.Session().client("ssm", region_name="us-east-1", endpoint_url=one.endpoint, **made_up)


@pytest.fixture
def moto(stack: Stack) -> Iterator[Any]:
    """A client of the stack's moto."""
    with stack.aws.client("ssm") as client:
        yield client


def named(checks: list[Rule]) -> Any:
    """A parametrisation by rule."""
    return pytest.mark.parametrize("check", checks, ids=lambda check: check.__name__)


@named(RULES)
def test_simulator(check: Rule, simulated: Any) -> None:
    """Each rule holds in the simulator."""
    check(simulated, f"/contract/{uuid.uuid4()}")


@pytest.mark.stack
@named([check for check in RULES if check.__name__ not in MOTO_DIFFERS])
def test_moto(check: Rule, moto: Any) -> None:
    """The rules hold in moto too, but for those it is known to break."""
    check(moto, f"/contract/{uuid.uuid4()}")


@pytest.mark.stack
@named([check for check in RULES if check.__name__ in MOTO_DIFFERS])
def test_moto_still_differs(check: Rule, moto: Any) -> None:
    """What the list says of moto is true of this version of it."""
    with pytest.raises((AssertionError, ClientError, pytest.fail.Exception)):
        check(moto, f"/contract/{uuid.uuid4()}")


def test_the_list_names_rules() -> None:
    """And nothing else."""
    assert {check.__name__ for check in RULES} > set(MOTO_DIFFERS)
