"""The four steps over any strategy: tokens, labels, lost answers, reads that lag."""

from __future__ import annotations

import json
import uuid
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from tests.simulators.clock import MovableClock
from tests.simulators.secrets_manager import SimulatedSecretsManager, random_lags
from tests.simulators.secrets_manager_http import Served, served

from vaultgate_ops.rotation.engine import Engine
from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.model import Change, Request, SecretValue
from vaultgate_ops.rotation.service import SecretsManager
from vaultgate_ops.rotation.strategies.protocol import Surprised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vaultgate_ops.rotation.driver import Assignment

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:rotate"
STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")


class Noted:
    """A strategy for a service that takes anything, and notes what it was asked.

    Attributes:
        meanwhile: done while the service is being held, as another driver would.
        refuse: error code that `apply` ends with; ``surprised`` once.
    """

    name = "noted"

    def __init__(self) -> None:
        self.done: list[str] = []
        self.changes: list[Change] = []
        self.meanwhile: Callable[[], object] = lambda: None
        self.refuse = ""

    def propose(self, token: str, change: Change, draw: Callable[[], str], *, sure: bool) -> SecretValue:  # noqa: ARG002 - the protocol's
        if self.refuse == "surprised" and not sure:
            self.meanwhile()
            raise Surprised
        return SecretValue({**change.current.fields, "password": draw()})

    def outline(self, change: Change) -> list[tuple[str, str]]:  # noqa: ARG002 - the protocol's
        return []

    def check(self, change: Change) -> None:
        self.changes.append(change)

    @contextmanager
    def hold(self, change: Change) -> Iterator[Noted]:  # noqa: ARG002 - the protocol's
        self.meanwhile()
        yield self

    def grace_s(self, current: SecretValue) -> float | None:
        grace: float | None = current.fields.get("grace_s")
        return grace

    def apply(self, *, sure: bool) -> None:
        if self.refuse == "surprised" and not sure:
            raise Surprised
        if self.refuse not in {"", "surprised"}:
            raise RotationError(self.refuse, "no")
        self.done.append(f"apply{' surely' if sure else ''}")

    def prove(self) -> None:
        self.done.append("prove")

    def ready(self) -> None:
        self.done.append("ready")

    def retire(self, *, sure: bool, sessions: bool) -> bool:
        if self.refuse == "surprised" and not sure:
            raise Surprised
        self.done.append(f"retire{' surely' if sure else ''}")
        return sessions


class World:
    """A secret, its service and the engine."""

    def __init__(self, amazon: Served, clock: MovableClock, **fields: Any) -> None:
        self.amazon, self.clock = amazon, clock
        self.client = amazon.client()
        self.name = f"app/{uuid.uuid4()}"
        self.client.create_secret(Name=self.name, SecretString=json.dumps({"password": "first", **fields}))
        self.strategy = Noted()
        self.drawn = 0
        self.engine = Engine(SecretsManager(self.client, clock), lambda _: self.strategy, self._draw, clock)

    def _draw(self) -> str:
        self.drawn += 1
        return f"drawn-{self.drawn}"

    def begin(self) -> Assignment:
        self.client.rotate_secret(SecretId=self.name, ClientRequestToken=str(uuid.uuid4()), RotationLambdaARN=FUNCTION)
        return self.amazon.service.rotations.pop()

    def step(self, rotation: Assignment, step: str, rotation_token: str | None = None) -> str:
        event = {"SecretId": rotation.secret_id, "ClientRequestToken": rotation.token, "Step": step}
        token = rotation.rotation_token if rotation_token is None else rotation_token
        return self.engine.step(Request.parse({**event, "RotationToken": token} if token else event))

    def rotate(self) -> Assignment:
        rotation = self.begin()
        for step in STEPS:
            self.step(rotation, step)
        self.amazon.service.end(rotation)
        return rotation

    def password(self, stage: str = "AWSCURRENT") -> str:
        value: str = json.loads(self.amazon.service.value(self.name, stage))["password"]
        return value


@pytest.fixture
def world() -> Iterator[World]:
    """Everything new."""
    clock = MovableClock()
    with served(SimulatedSecretsManager(clock)) as amazon:
        yield World(amazon, clock)


def test_a_rotation(world: World) -> None:
    """Create, set, test, finish; the former value becomes AWSPREVIOUS."""
    world.rotate()
    assert (world.password(), world.password("AWSPREVIOUS")) == ("drawn-1", "first")
    assert world.strategy.done == ["apply", "prove", "ready"]


@pytest.mark.parametrize("spelling", ["create_secret", "createSecret", "CreateSecret", "CREATE_SECRET"])
def test_spellings_of_a_step(spelling: str) -> None:
    """The old and the new documentation's."""
    event = {"SecretId": "a", "ClientRequestToken": "b", "Step": spelling}
    assert Request.parse(event).step.value == "createSecret"


@pytest.mark.parametrize("change", [{"Step": "dance"}, {"SecretId": ""}, {"ClientRequestToken": 7}, {"RotationToken": None}])
def test_an_event_that_is_none(change: dict[str, Any]) -> None:
    """What isn't Secrets Manager's is refused with the field's name."""
    event = {"SecretId": "a", "ClientRequestToken": "b", "Step": "createSecret", **change}
    with pytest.raises(RotationError, match=f"event-malformed.*{next(iter(change))}"):
        Request.parse(event)


def test_the_rotation_token_is_passed_on(world: World) -> None:
    """Where the function runs under an assumed role, the service takes the new value with it only."""
    world.amazon.service.manage(world.name, foreign=True)
    rotation = world.begin()
    with pytest.raises(RotationError, match="aws-denied"):
        world.step(rotation, "createSecret", rotation_token="")
    world.step(rotation, "createSecret")
    assert world.password("AWSPENDING") == "drawn-2"


def test_a_value_is_drawn_once(world: World) -> None:
    """The first step, done again, keeps what is stored."""
    rotation = world.begin()
    world.step(rotation, "createSecret")
    world.step(rotation, "createSecret")
    assert (world.password("AWSPENDING"), world.drawn) == ("drawn-1", 1)


def test_two_that_create_at_once(world: World) -> None:
    """Whoever comes second takes the first one's value: a version doesn't change."""
    rotation = world.begin()
    store = SecretsManager(world.client, world.clock)

    def draw() -> str:
        world.step(rotation, "createSecret")
        return "the slower one's"

    slower = Engine(store, lambda _: world.strategy, draw, world.clock)
    slower.step(Request.parse({"SecretId": rotation.secret_id, "ClientRequestToken": rotation.token, "Step": "createSecret"}))
    assert world.password("AWSPENDING") == "drawn-1"


@pytest.mark.parametrize("operation", ["PutSecretValue", "UpdateSecretVersionStage"])
def test_an_answer_that_is_lost(world: World, operation: str) -> None:
    """The work was done; the step, run again, finds that out."""
    world.amazon.door.lost[operation] = 1
    rotation = world.begin()
    for step in STEPS:
        with suppress(RotationError):
            world.step(rotation, step)
        world.step(rotation, step)
    assert (world.password(), world.password("AWSPREVIOUS"), world.drawn) == ("drawn-1", "first", 1)


def test_a_promotion_whose_answer_is_lost(world: World) -> None:
    """The step looks whether it was done, and then ends well by itself."""
    rotation = world.begin()
    for step in STEPS[:3]:
        world.step(rotation, step)
    world.amazon.door.lost["UpdateSecretVersionStage"] = 1
    assert world.step(rotation, "finishSecret") == "done"
    assert world.password() == "drawn-1"


@pytest.mark.parametrize("lag_s", [0.5, 4.9, *(random_lags(seed) for seed in range(5))])
def test_reads_that_lag(world: World, lag_s: float | Callable[[], float]) -> None:
    """Each step waits until what it needs can be seen, and no longer than reads may lag, each by its own time too."""
    world.amazon.service.lag_s = lag_s
    world.clock.advance(10)
    for _ in range(3):
        world.rotate()
        world.clock.advance(10)
    assert (world.password(), world.password("AWSPREVIOUS")) == ("drawn-3", "drawn-2")


def test_a_token_that_nobody_issued(world: World) -> None:
    """It is waited for as long as reads may lag, then refused."""
    world.rotate()
    stray = world.begin()
    world.client.update_secret_version_stage(SecretId=world.name, VersionStage="AWSPENDING", RemoveFromVersionId=stray.token)
    before = world.clock.steady()
    with pytest.raises(RotationError, match="token-unknown"):
        world.step(stray, "setSecret")
    assert 5 < world.clock.steady() - before < 8


def test_a_rotation_that_somebody_finishes_meanwhile(world: World) -> None:
    """While a step waits for the service, another driver ends the rotation: the step does nothing."""
    rotation = world.begin()
    for step in STEPS[:3]:
        world.step(rotation, step)
    world.strategy.done.clear()

    def finish() -> None:
        world.strategy.meanwhile = lambda: None
        world.step(rotation, "finishSecret")

    world.strategy.meanwhile = finish
    assert world.step(rotation, "setSecret") == "nothing to do"
    assert world.strategy.done == ["ready"]


def test_labels_that_move_meanwhile(world: World) -> None:
    """A view from before the service was held is thrown away: the values are read again."""
    rotation = world.begin()
    world.step(rotation, "createSecret")

    def move() -> None:
        world.strategy.meanwhile = lambda: None
        world.client.put_secret_value(SecretId=world.name, SecretString=json.dumps({"password": "by hand"}))

    world.strategy.meanwhile = move
    world.step(rotation, "setSecret")
    assert world.strategy.changes[-1].current.fields["password"] == "by hand"
    assert world.strategy.done == ["apply"]


def test_labels_that_keep_moving(world: World) -> None:
    """Three looks, then it is somebody else's turn."""
    rotation = world.begin()
    world.step(rotation, "createSecret")
    world.strategy.meanwhile = lambda: world.client.put_secret_value(
        SecretId=world.name, SecretString=json.dumps({"password": str(uuid.uuid4())})
    )
    with pytest.raises(RotationError, match="rotation-running"):
        world.step(rotation, "setSecret")
    assert world.strategy.done == []


def test_a_surprise_is_looked_at_twice(world: World) -> None:
    """What contradicts the labels is written over only once reads can't be late any more."""
    rotation = world.begin()
    world.step(rotation, "createSecret")
    world.strategy.refuse = "surprised"
    before = world.clock.steady()
    world.step(rotation, "setSecret")
    assert world.strategy.done == ["apply surely"]
    assert world.clock.steady() - before >= 5


def test_a_surprise_at_the_beginning_is_looked_at_twice(world: World) -> None:
    """Where the service makes the value: what no stage has may be this very version's, stored a moment ago."""
    rotation = world.begin()
    world.strategy.refuse = "surprised"
    before = world.clock.steady()
    world.step(rotation, "createSecret")
    assert world.password("AWSPENDING") == "drawn-1"
    assert world.clock.steady() - before >= 5


def test_a_value_that_was_stored_meanwhile_is_the_value(world: World) -> None:
    """Another driver of the same step was faster: its value counts, and none is made beside it."""
    rotation = world.begin()
    world.strategy.refuse = "surprised"
    stored = {"SecretString": '{"password": "faster"}', "VersionStages": ["AWSPENDING"]}
    world.strategy.meanwhile = lambda: world.client.put_secret_value(
        SecretId=world.name, ClientRequestToken=rotation.token, **stored
    )
    world.step(rotation, "createSecret")
    assert (world.password("AWSPENDING"), world.drawn) == ("faster", 0)


def test_a_beginning_that_was_overtaken_makes_no_value(world: World) -> None:
    """The labels moved while the step waited for its reads to become true."""
    rotation = world.begin()
    world.strategy.refuse = "surprised"
    world.strategy.meanwhile = lambda: world.client.put_secret_value(SecretId=world.name, SecretString='{"password": "by hand"}')
    with pytest.raises(RotationError, match="rotation-running"):
        world.step(rotation, "createSecret")
    assert world.drawn == 0


def test_a_surprise_at_the_end_is_looked_at_twice(world: World) -> None:
    """A value that no stage has may be current by now: it is ended only once reads can't be late any more."""
    world.rotate()
    world.strategy.refuse = "surprised"
    before = world.clock.steady()
    assert world.engine.drop_previous(world.name) == "swept"
    assert world.strategy.done[-1] == "retire surely"
    assert world.clock.steady() - before >= 5


def test_a_value_that_the_service_never_takes(world: World) -> None:
    """It loses AWSPENDING, so that the next rotation draws another; any other refusal leaves it for a retry."""
    rotation = world.begin()
    world.step(rotation, "createSecret")
    world.strategy.refuse = "unreachable"
    with pytest.raises(RotationError, match="unreachable"):
        world.step(rotation, "setSecret")
    assert world.password("AWSPENDING") == "drawn-1"
    world.strategy.refuse = "password-policy"
    with pytest.raises(RotationError, match="password-policy"):
        world.step(rotation, "setSecret")
    assert "AWSPENDING" not in world.amazon.service.stages(world.name)
    world.strategy.refuse = ""
    world.rotate()
    assert world.password() == "drawn-2"


def test_nothing_is_set_or_finished_without_a_value(world: World) -> None:
    """The first step comes first; a test without a value is a look at the configuration."""
    rotation = world.begin()
    for step in ("setSecret", "finishSecret"):
        with pytest.raises(RotationError, match="secret-missing"):
            world.step(rotation, step)
    assert world.step(rotation, "testSecret") == "done"
    assert world.strategy.done == ["prove"]
    assert world.strategy.changes[-1].pending is None


def test_a_previous_value_that_nobody_can_read(world: World) -> None:
    """A former value that was no JSON doesn't stand in the way."""
    world.client.put_secret_value(SecretId=world.name, SecretString="free text")
    world.client.put_secret_value(SecretId=world.name, SecretString=json.dumps({"password": "second"}))
    world.rotate()
    assert world.strategy.changes[-1].previous is None


def test_a_secret_whose_rotation_was_cancelled(world: World) -> None:
    """Nothing more is done for it."""
    rotation = world.begin()
    world.client.cancel_rotate_secret(SecretId=world.name)
    with pytest.raises(RotationError, match="rotation-disabled"):
        world.step(rotation, "createSecret")


def test_a_secret_of_another_service(world: World) -> None:
    """RDS's own are RDS's."""
    rotation = world.begin()
    world.amazon.service.manage(world.name, owner="rds")
    with pytest.raises(RotationError, match="managed-elsewhere"):
        world.step(rotation, "createSecret")


def test_a_secret_that_isnt_there(world: World) -> None:
    """Named by the service itself."""
    with pytest.raises(RotationError, match="secret-missing"):
        world.engine.sweep("no-such-secret")


def test_throttling_is_worth_another_try(world: World) -> None:
    """The service asks for patience: the step fails and may be run again."""
    rotation = world.begin()
    world.amazon.service.throttle("DescribeSecret", 1)
    with pytest.raises(RotationError, match="aws-throttled") as caught:
        world.step(rotation, "createSecret")
    assert caught.value.retryable
    assert world.step(rotation, "createSecret") == "done"


def test_a_sweep_waits_for_the_grace() -> None:
    """The secret's own, else the function's; without either nothing is swept."""
    clock = MovableClock()
    with served(SimulatedSecretsManager(clock)) as amazon:
        world = World(amazon, clock, grace_s=100)
        world.rotate()
        assert world.engine.sweep(world.name) == "too early"
        clock.advance(100)
        assert world.engine.sweep(world.name) == "nothing to do"
        assert world.engine.drop_previous(world.name) == "swept"
        other = World(amazon, clock)
        other.rotate()
        clock.advance(1e9)
        assert other.engine.sweep(other.name) == "too early"
        assert other.strategy.done[-1] != "retire"
