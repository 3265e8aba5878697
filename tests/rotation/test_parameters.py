"""A parameter's rotation by its schedule: events, what is refused, what is gone on with, the function as it ships."""

from __future__ import annotations

import contextlib
import io
import json
import re
from inspect import getsource
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools import Logger
from tests.rotation.bed import login_of
from tests.rotation.faults import BreakableClient, Death, Faults, FunctionFailed, Kind
from tests.rotation.parameter_bed import ParameterUser, parameters
from tests.rotation.test_template import deployed
from tests.simulators.clock import MovableClock
from tests.simulators.parameter_store import SimulatedParameterStore
from tests.simulators.secrets_manager_direct import DirectClient

from vaultgate_ops.local import paths
from vaultgate_ops.local.fetch.emulator import find_emulator
from vaultgate_ops.local.processes import free_port
from vaultgate_ops.local.sandbox import Sandbox
from vaultgate_ops.rotation import parameter_store
from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.model import SecretValue
from vaultgate_ops.rotation.parameter_store import ParameterStore, pending_name
from vaultgate_ops.rotation.parameters import make_handler

if TYPE_CHECKING:
    from tests.rotation.bed import Bed

SCHEDULED = "2026-11-21T02:00:00Z"
EVENT = {"parameters": ["/app/a", "/app/b"], "scheduled": SCHEDULED}


class Noted:
    """In the rotation's place."""

    def __init__(self, failing: str = "") -> None:
        self.failing, self.asked = failing, list[Any]()

    def rotate(self, name: str, since_s: float) -> str:
        self.asked.append((name, since_s))
        return self._answer(name)

    def sweep(self, name: str) -> str:
        self.asked.append(name)
        return self._answer(name)

    def _answer(self, name: str) -> str:
        if name == self.failing:
            raise RotationError("unreachable", "No connection.", "Open the port.")
        return "2"


def made(noted: Noted) -> tuple[Any, io.StringIO]:
    """The function, and where it logs to."""
    log = io.StringIO()
    return make_handler(noted, Logger(service=f"parameters-{id(log)}", stream=log)), log  # type: ignore[arg-type]


def test_a_schedule_rotates_what_it_names() -> None:
    """Each with the time that the schedule fired for; one line a parameter."""
    noted = Noted()
    handler, log = made(noted)
    assert handler(EVENT, None) == {"/app/a": "2", "/app/b": "2"}
    assert noted.asked == [("/app/a", 1795226400), ("/app/b", 1795226400)]
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [(line["message"], line["parameter"], line["outcome"]) for line in lines] == [
        ("done", "/app/a", "2"),
        ("done", "/app/b", "2"),
    ]


def test_a_schedule_sweeps_what_it_names() -> None:
    """Without a time: whether the older value's has come, the parameter says."""
    noted = Noted()
    assert made(noted)[0]({"sweep": ["/app/a"]}, None) == {"/app/a": "2"}
    assert noted.asked == ["/app/a"]


def test_one_that_fails_keeps_no_other_from_its_own() -> None:
    """The invocation fails with its error, so that Lambda delivers the event again."""
    noted = Noted(failing="/app/a")
    handler, log = made(noted)
    with pytest.raises(RotationError, match="unreachable"):
        handler(EVENT, None)
    assert [name for name, _ in noted.asked] == ["/app/a", "/app/b"]
    failed = json.loads(log.getvalue().splitlines()[0])
    assert (failed["reason"], failed["detail"], failed["hint"]) == ("unreachable", "No connection.", "Open the port.")


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"parameters": ["/app/a"]},
        {"parameters": ["/app/a"], "scheduled": "<aws.scheduler.scheduled-time>"},
        {"parameters": ["/app/a"], "scheduled": "2026-11-21T02:00:00"},
        {"parameters": ["/app/a"], "scheduled": 7},
        {"parameters": "/app/a", "scheduled": SCHEDULED},
        {"parameters": [], "scheduled": SCHEDULED},
        {"parameters": [""], "scheduled": SCHEDULED},
        {"parameters": [7], "scheduled": SCHEDULED},
        {"sweep": "/app/a"},
    ],
)
def test_an_event_that_is_no_schedules(event: dict[str, Any]) -> None:
    """Refused before anything is done: without the time, an event that comes twice would be two rotations."""
    noted = Noted()
    with pytest.raises(RotationError, match="event-malformed"):
        made(noted)[0](event, None)
    assert noted.asked == []


@pytest.fixture
def service(bed: Bed) -> SimulatedParameterStore:
    """A Parameter Store, with the bed's clock."""
    return SimulatedParameterStore(bed.clock)


@pytest.mark.stack
def test_a_rotation_that_was_begun_is_gone_on_with(bed: Bed, service: SimulatedParameterStore) -> None:
    """Under its version and with its value, even by an event that is older than the parameter's value."""
    user = ParameterUser(bed, service, "dual")
    user.rotate()
    dying = Faults()
    user.fire(dying)
    at = next(n for n, call in enumerate(dying.calls, 1) if call == "put_parameter")
    faults = Faults(at + 1)
    with pytest.raises(FunctionFailed):
        faults.invoke(lambda: parameters(bed, user.client, faults).rotate(user.parameter, bed.clock.wall() + 1))
    waiting = service.value(pending_name(user.parameter, 4))
    assert parameters(bed, user.client, Faults()).rotate(user.parameter, 0) == "4"
    assert service.value(user.parameter) == waiting
    assert parameters(bed, user.client, Faults()).rotate(user.parameter, 0) == "nothing to do"
    user.login(login_of(waiting))


@pytest.mark.stack
def test_a_value_stored_meanwhile_is_never_overwritten_in_silence(bed: Bed, service: SimulatedParameterStore) -> None:
    """Whoever stored it decides: the error names what waits, and nothing of either is lost."""
    user = ParameterUser(bed, service, "single")
    user.rotate()
    client, name = user.client, user.parameter
    waiting = json.dumps(json.loads(user.values[-1]) | {"password": "waits-for-its-time-1A"})
    client.put_parameter(Name=pending_name(name, 3), Value=waiting, Type="SecureString")
    client.put_parameter(Name=name, Value=user.values[-1], Overwrite=True)
    function = parameters(bed, client, Faults())
    for act in (
        lambda: function.rotate(name, bed.clock.wall() + 1),
        lambda: function.sweep(name),
        lambda: function.take_back(name),
    ):
        with pytest.raises(RotationError, match=re.escape(pending_name(name, 3))) as caught:
            act()
        assert caught.value.code == "parameter-stray"
    assert service.value(pending_name(name, 3)) == waiting
    client.delete_parameter(Name=pending_name(name, 3))
    assert function.rotate(name, bed.clock.wall() + 1) == "4"
    user.login(user.current)


@pytest.mark.stack
def test_a_waiting_value_of_a_parameter_before_this_one(bed: Bed, service: SimulatedParameterStore) -> None:
    """Somebody deleted the parameter and made it again: what waited for the former one isn't taken."""
    user = ParameterUser(bed, service, "dual")
    user.rotate()
    bed.clock.advance(60)
    user.client.delete_parameter(Name=user.parameter)
    bed.clock.advance(60)
    user.client.put_parameter(Name=user.parameter, Value=user.values[-1], Type="SecureString")
    with pytest.raises(RotationError, match="parameter-stray"):
        parameters(bed, user.client, Faults()).rotate(user.parameter, bed.clock.wall() + 1)


@pytest.mark.stack
def test_the_older_value_ends_when_its_time_has_come(bed: Bed, service: SimulatedParameterStore) -> None:
    """As a secret's does, by its grace_s."""
    user = ParameterUser(bed, service, "dual")
    user.rotate()
    function = parameters(bed, user.client, Faults())
    assert (function.sweep(user.parameter), user.works(-2)) == ("too early", True)
    bed.clock.advance(61)
    assert (function.sweep(user.parameter), user.works(-2), user.works(-1)) == ("swept", False, True)
    assert function.sweep(user.parameter) == "nothing to do"


@pytest.mark.stack
def test_what_can_not_be_finished_is_taken_back(bed: Bed, service: SimulatedParameterStore) -> None:
    """On request; the next rotation draws another value, half a minute later at the earliest."""
    user = ParameterUser(bed, service, "dual")
    function = parameters(bed, user.client, Faults())
    assert function.take_back(user.parameter) == "nothing to do"
    wrong = json.dumps(json.loads(user.values[-1]) | {"host": "db.example.com"})
    user.client.put_parameter(Name=pending_name(user.parameter, 2), Value=wrong, Type="SecureString")
    for act in (function.sweep, function.rehearse):
        with pytest.raises(RotationError, match="rotation-unfinished"):
            act(user.parameter)
    with pytest.raises(RotationError, match="value-changed"):
        function.rotate(user.parameter, 0)
    assert function.take_back(user.parameter) == "taken back"
    with pytest.raises(RotationError, match="aws-throttled"):
        function.rotate(user.parameter, float("inf"))
    bed.clock.advance(30)
    assert function.rotate(user.parameter, float("inf")) == "2"
    user.login(user.current)


@pytest.mark.stack
def test_a_test_changes_nothing(bed: Bed, service: SimulatedParameterStore) -> None:
    """It says what stands in the way; where nothing does, everything is as before."""
    user = ParameterUser(bed, service, "dual")
    before = service.names()
    function = parameters(bed, user.client, Faults())
    function.rehearse(user.parameter)
    bed.execute("ALTER USER %s@'%%' ACCOUNT LOCK", user.name)
    with pytest.raises(RotationError, match="account-unusable"):
        function.rehearse(user.parameter)
    assert service.names() == before


@pytest.mark.stack
def test_a_plain_string_is_refused(bed: Bed, service: SimulatedParameterStore) -> None:
    """Before anything is drawn; whoever may list it could read it."""
    service.call("PutParameter", {"Name": "/plain", "Value": "{}", "Type": "String"})
    with pytest.raises(RotationError, match="parameter-plain"):
        parameters(bed, DirectClient(service), Faults()).rotate("/plain", bed.clock.wall() + 1)  # type: ignore[arg-type] - as above
    assert "GetRandomPassword" not in service.calls


@pytest.mark.stack
@pytest.mark.parametrize("strategy", ["dual", "single"])
def test_what_would_keep_the_value_out_is_found_first(bed: Bed, service: SimulatedParameterStore, strategy: str) -> None:
    """A label on the oldest of a hundred versions, a pattern that no new password fits: the server has heard of nothing yet."""
    user = ParameterUser(bed, service, strategy)
    put = {"Name": user.parameter, "Value": user.values[0], "Overwrite": True}
    user.client.label_parameter_version(Name=user.parameter, Labels=["first"])
    for _ in range(98):
        service.call("PutParameter", put)
    service.call("PutParameter", {**put, "AllowedPattern": re.escape(login_of(user.values[0])[1])})
    function = parameters(bed, user.client, Faults())
    for code, says in (("parameter-full", "Version 1 of"), ("aws-refused", "ParameterPatternMismatch")):
        with pytest.raises(RotationError, match=says) as caught:
            function.rotate(user.parameter, float("inf"))
        assert caught.value.code == code
        assert not [name for name in service.names() if name == pending_name(user.parameter, 101)]
        user.login(user.current)
        user.client.label_parameter_version(Name=user.parameter, ParameterVersion=50, Labels=["first"])
    service.call("PutParameter", put)
    assert function.rotate(user.parameter, float("inf")) == "102"
    user.login(user.current)


@pytest.mark.stack
def test_a_version_or_an_arn_is_no_name(bed: Bed, service: SimulatedParameterStore) -> None:
    """An older value would be taken for the current one, which would then be ended."""
    user = ParameterUser(bed, service, "dual")
    user.rotate(2)
    user.client.label_parameter_version(Name=user.parameter, ParameterVersion=2, Labels=["live"])
    function = parameters(bed, user.client, Faults())
    arn = user.client.get_parameter(Name=user.parameter)["Parameter"]["ARN"]
    for name in (f"{user.parameter}:2", f"{user.parameter}:live", arn):
        for act in (function.drop_previous, function.sweep, function.take_back, function.rehearse, function.describe):
            with pytest.raises(RotationError, match="parameter-name"):
                act(name)
        with pytest.raises(RotationError, match="parameter-name"):
            function.rotate(name, float("inf"))
    assert user.works(-1)


def staged(store: ParameterStore, name: str = "/app/db") -> dict[str, set[str]]:
    """Stages by version."""
    return {version: set(stages) for version, stages in store.describe(name).stages.labels.items()}


def test_stages_come_from_numbers() -> None:
    """Of each state that a rotation, a crash or a lost answer leaves; nothing else is asked than the three that hold it."""
    service = SimulatedParameterStore(MovableClock())
    client: Any = DirectClient(service)  # type: ignore[arg-type] - it serves any service
    store, name = ParameterStore(client, MovableClock()), "/app/db"

    def put(value: str, to: str = name) -> None:
        client.put_parameter(Name=to, Value=value, Type="SecureString", Overwrite=True)

    with pytest.raises(RotationError, match="ParameterNotFound"):
        staged(store)
    put("one")
    assert staged(store) == {"1": {"AWSCURRENT"}}
    assert staged(ParameterStore(client, MovableClock(), "2")) == {"1": {"AWSCURRENT"}, "2": {"AWSPENDING"}}
    assert staged(ParameterStore(client, MovableClock(), "3")) == {"1": {"AWSCURRENT"}}
    put("two", pending_name(name, 2))
    assert staged(store) == {"1": {"AWSCURRENT"}, "2": {"AWSPENDING"}}
    put("two")
    assert staged(store) == {"2": {"AWSCURRENT"}, "1": {"AWSPREVIOUS"}}
    put("two")  # the answer to the one before was lost
    assert staged(store) == {"3": {"AWSCURRENT"}, "2": {"AWSCURRENT"}, "1": {"AWSPREVIOUS"}}
    assert store.describe(name).stages.holder("AWSCURRENT") == "3"
    put("four", pending_name(name, 4))
    put("four")
    assert staged(store) == {"4": {"AWSCURRENT"}, "3": {"AWSPREVIOUS"}}
    put("by hand")
    assert staged(store) == {"5": {"AWSCURRENT"}, "4": {"AWSPREVIOUS"}}
    assert set(service.calls) == {"PutParameter", "GetParameter", "GetParameters"}


def test_who_comes_second_takes_what_waits() -> None:
    """Nothing that waits is written over; the second one is told."""
    service = SimulatedParameterStore(MovableClock())
    client: Any = DirectClient(service)  # type: ignore[arg-type] - it serves any service
    client.put_parameter(Name="/app/db", Value='{"n": 1}', Type="SecureString")
    store = ParameterStore(client, MovableClock())
    assert [store.put("/app/db", "2", SecretValue({"n": n}), "") for n in (2, 3)] == [True, False]
    assert service.value(pending_name("/app/db", 2)) == '{"n": 2}'
    with pytest.raises(RotationError, match="4096"):
        store.put("/app/db", "3", SecretValue({"n": "x" * 5000}), "")


def test_a_lost_answer_is_looked_up() -> None:
    """The value is current although nobody heard so; where it isn't, the error stands."""
    service = SimulatedParameterStore(MovableClock())
    client: Any = DirectClient(service)  # type: ignore[arg-type] - it serves any service
    client.put_parameter(Name="/app/db", Value="one", Type="SecureString")
    client.put_parameter(Name=pending_name("/app/db", 2), Value="two", Type="SecureString")
    calls = len(["get_parameter", "get_parameter_history", "delete_parameters", "put_parameter"])
    for kind, value in ((Kind.DEATH_BEFORE, "one"), (Kind.ANSWER_LOST, "two")):
        store = ParameterStore(BreakableClient(client, Faults(calls, kind)), MovableClock())
        with contextlib.suppress(Death):
            store.promote("/app/db", "2", None)
        assert service.value("/app/db") == value
    client.label_parameter_version(Name="/app/db", ParameterVersion=1, Labels=["kept"])
    for number in range(3, 101):
        client.put_parameter(Name="/app/db", Value=str(number), Overwrite=True)
    client.put_parameter(Name=pending_name("/app/db", 101), Value="new", Type="SecureString")
    with pytest.raises(RotationError, match="the oldest version"):
        store.promote("/app/db", "101", None)


def test_a_late_promotion_changes_nothing() -> None:
    """What waited is current already, however often it was put; or somebody stored another value, which stays."""
    service = SimulatedParameterStore(MovableClock())
    client: Any = DirectClient(service)  # type: ignore[arg-type] - it serves any service
    client.put_parameter(Name=pending_name("/app/db", 2), Value="two", Type="SecureString")
    for value in ("one", "two", "two"):
        client.put_parameter(Name="/app/db", Value=value, Type="SecureString", Overwrite=True)
    store = ParameterStore(client, MovableClock())
    store.promote("/app/db", "2", None)
    assert client.get_parameter(Name="/app/db")["Parameter"]["Version"] == 3
    client.put_parameter(Name="/app/db", Value="by hand", Overwrite=True)
    with pytest.raises(RotationError, match="parameter-stray"):
        store.promote("/app/db", "2", None)
    assert service.value("/app/db") == "by hand"


class Meanwhile:
    """A client that stores something else a moment before each version that is stored through it."""

    def __init__(self, client: Any, value: str) -> None:
        self._client, self._value, self.meta = client, value, client.meta

    def __getattr__(self, operation: str) -> Any:
        """A method of boto3's."""
        return getattr(self._client, operation)

    def put_parameter(self, **asked: Any) -> Any:
        self._client.put_parameter(**{**asked, "Value": self._value})
        return self._client.put_parameter(**asked)


@pytest.mark.parametrize("lost", [False, True])
def test_what_was_stored_at_the_same_moment_is_told(lost: bool) -> None:  # noqa: FBT001 - whether the answer was
    """No condition can keep it from being overtaken; the same value twice, which a lost answer leaves, is no reason."""
    service = SimulatedParameterStore(MovableClock())
    client: Any = DirectClient(service)  # type: ignore[arg-type] - it serves any service
    client.put_parameter(Name="/app/db", Value="one", Type="SecureString")
    client.put_parameter(Name=pending_name("/app/db", 2), Value="two", Type="SecureString")
    busy = Meanwhile(client, "by hand")
    breakable = BreakableClient(busy, Faults(4 if lost else 0, Kind.ANSWER_LOST))
    with pytest.raises(RotationError, match="version 2 of /app/db while version 3") as caught:
        ParameterStore(breakable, MovableClock()).promote("/app/db", "2", None)
    assert caught.value.code == "parameter-stray"
    assert [service.value("/app/db"), client.get_parameter(Name="/app/db:2", WithDecryption=True)["Parameter"]["Value"]] == [
        "two",
        "by hand",
    ]
    client.put_parameter(Name=pending_name("/app/db", 4), Value="four", Type="SecureString")
    ParameterStore(Meanwhile(client, "four"), MovableClock()).promote("/app/db", "4", None)
    assert service.value("/app/db") == "four"


def actions() -> set[str]:
    """What the template's role may do in Parameter Store."""
    stack = deployed(RotatedParameter="/app/db", DatabaseHost="db.example.com")
    role = stack.of("AWS::IAM::Role")["ParameterRotationRole"]
    statements = [one for policy in role["Policies"] for one in policy["PolicyDocument"]["Statement"]]
    named = [one for statement in statements for one in statement["Action"] if isinstance(statement["Action"], list)]
    return {one for one in named if one.startswith("ssm:")}


def test_the_role_has_what_the_code_calls() -> None:
    """Every operation in the door's source, and no other."""
    called = re.findall(r'call\(\s*"(\w+)"', getsource(parameter_store))
    assert actions() == {f"ssm:{''.join(word.capitalize() for word in name.split('_'))}" for name in called}


@pytest.mark.stack
def test_the_function_as_it_ships(bed: Bed) -> None:
    """By the schedule's event, in AWS's emulator, with the role's actions, which moto enforces; no password is in its log."""
    user, aws = bed.user("dual"), bed.stack.aws
    name, role = f"/app/{user.name}", f"parameters-{user.name}"
    aws.create_role(role)
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": sorted(actions()), "Resource": "*"}]}
    with aws.client("iam") as iam:
        iam.put_role_policy(RoleName=role, PolicyName="template", PolicyDocument=json.dumps(document))
    keys = aws.assume(role)
    environment = {
        **bed.stack.function_environment(free_port()),
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        "AWS_SESSION_TOKEN": keys.session_token,
        "AWS_ENDPOINT_URL_SSM": aws.endpoint,
        "SECRETS_MANAGER_ENDPOINT": bed.amazon.endpoint,
        "ROTATION_CA_BUNDLE": str(bed.stack.database.ca_file),
    }
    layer, handler = paths.build_folder() / "layer", "vaultgate_ops.rotation.parameter_handler.handler"
    with aws.client("ssm") as ssm, Sandbox(find_emulator(), layer, environment, handler, bed.stack.folder, name=role) as sandbox:
        ssm.put_parameter(Name=name, Value=user.values[0], Type="SecureString")
        event = {"parameters": [name], "scheduled": "2199-01-01T00:00:00Z"}
        assert sandbox.invoke(event) == {name: "2"}
        assert sandbox.invoke({**event, "scheduled": "2020-01-01T00:00:00Z"}) == {name: "nothing to do"}
        assert sandbox.invoke({"sweep": [name]}) == {name: "too early"}
        assert sandbox.invoke({"parameters": [name]})["errorMessage"].startswith("event-malformed")
        new = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
    user.login(login_of(new))
    user.login(login_of(user.values[0]))
    log = sandbox.log()
    assert '"message":"done"' in log
    assert not [text for text in (new, user.values[0]) if login_of(text)[1] in log]
