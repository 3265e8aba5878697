"""The function under a Secrets Manager that is slow to show, busy, loses answers, or asks for something else than a rotation."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from tests.rotation.bed import FUNCTION
from tests.simulators.secrets_manager import random_lags

from vaultgate_ops.rotation.driver import STEPS, Assignment
from vaultgate_ops.rotation.errors import RotationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.rotation.bed import Bed, User

pytestmark = pytest.mark.stack

STRATEGIES = ("dual", "alternating", "single")
LAG_S = 5.0


@pytest.fixture
def lagging(bed: Bed) -> Iterator[Any]:
    """Reads see what was true five seconds ago, from the moment this is called."""

    def lag(lag_s: float | Callable[[], float] = LAG_S) -> None:
        bed.clock.advance(2 * LAG_S)
        bed.amazon.service.lag_s = lag_s

    yield lag
    bed.amazon.service.lag_s = 0


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_reads_may_be_five_seconds_old(bed: Bed, lagging: Any, strategy: str) -> None:
    """One attempt is enough, and leaves what a rotation leaves."""
    user = bed.user(strategy)
    user.rotate(3)
    clean = user.state()
    lagging()
    assert user.drive(user.begin()) == 1
    assert user.state() == clean
    assert user.works(-1)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("seed", range(3))
def test_each_read_may_be_of_another_age(bed: Bed, lagging: Any, strategy: str, seed: int) -> None:
    """What one read saw, the next one may not see yet: the rotation ends as it would have."""
    user = bed.user(strategy)
    user.rotate(3)
    clean = user.state()
    lagging(random_lags(seed))
    user.drive(user.begin())
    bed.clock.advance(LAG_S)
    assert user.state() == clean
    assert user.works(-1)


def test_a_replay_before_the_end_is_visible_changes_nothing(bed: Bed, lagging: Any) -> None:
    """The promotion isn't seen yet, so the step looks undone: it is done again, to no effect."""
    user = bed.user("dual")
    user.rotate(2)
    lagging()
    assignment = user.begin()
    user.drive(assignment)
    clean = user.state()
    for step in STEPS:
        user.step(assignment, step)
    assert user.state() == clean


@pytest.mark.parametrize(
    "operation", ["DescribeSecret", "GetSecretValue", "GetRandomPassword", "PutSecretValue", "UpdateSecretVersionStage"]
)
def test_a_busy_service_is_asked_again(bed: Bed, operation: str) -> None:
    """A throttled call ends the attempt with its own code; the next one goes on."""
    user = bed.user("dual")
    user.rotate()
    assignment = user.begin()
    bed.amazon.service.throttle(operation, 1)
    assert user.drive(assignment) <= 2
    assert user.works(-1)


@pytest.mark.parametrize("operation", ["PutSecretValue", "UpdateSecretVersionStage"])
def test_an_answer_lost_on_the_wire(bed: Bed, operation: str) -> None:
    """The work was done: one value is stored, and it is the one that ends as current."""
    user = bed.user("dual")
    user.rotate()
    assignment, before = user.begin(), len(bed.amazon.service.texts())
    bed.amazon.door.lost[operation] = 1
    user.drive(assignment, client=bed.amazon.client())
    assert bed.amazon.door.lost[operation] == 0
    assert len(bed.amazon.service.texts()) - before <= 2
    assert user.works(-1)
    assert set(bed.amazon.service.stages(user.secret)) == {"AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_rotation_switched_on_without_rotating(bed: Bed, strategy: str) -> None:
    """RotateImmediately=False is testSecret with the current value: it passes, and changes nothing."""
    user = bed.user(strategy)
    accounts = user.state().accounts
    rotation = {"RotateImmediately": False, "RotationRules": {"AutomaticallyAfterDays": 30}, "RotationLambdaARN": FUNCTION}
    bed.client.rotate_secret(SecretId=user.secret, ClientRequestToken=str(uuid.uuid4()), **rotation)
    assignment = bed.amazon.service.rotations.pop()
    assert assignment.steps == ("testSecret",)
    assert user.step(assignment, "testSecret") == "done"
    bed.amazon.service.end(assignment)
    assert user.state().accounts == accounts
    assert set(bed.amazon.service.stages(user.secret)) == {"AWSCURRENT"}


def test_an_assumed_role_passes_the_rotation_token_on(bed: Bed) -> None:
    """Without it the service takes no value."""
    user = bed.user("dual")
    bed.amazon.service.manage(user.secret, foreign=True)
    assignment = user.begin()
    with pytest.raises(RotationError) as caught:
        user.step(Assignment(assignment.secret_id, assignment.token), "createSecret")
    assert caught.value.code == "aws-denied"
    user.drive(assignment)
    assert user.works(-1)


def test_a_cancelled_rotation_is_refused(bed: Bed) -> None:
    """Until it is enabled again; the current value goes on."""
    user = bed.user("dual")
    assignment = user.begin()
    bed.client.cancel_rotate_secret(SecretId=user.secret)
    assert refusals(user, assignment) == {"rotation-disabled"}
    assert user.works(-1)


def test_another_region_or_another_owner_is_refused(bed: Bed) -> None:
    """A replica is changed where its primary is, a managed secret by its service."""
    user = bed.user("dual")
    assignment = user.begin()
    bed.amazon.service.manage(user.secret, owner="rds")
    assert refusals(user, assignment) == {"managed-elsewhere"}
    bed.amazon.service.manage(user.secret)
    bed.client.replicate_secret_to_regions(SecretId=user.secret, AddReplicaRegions=[{"Region": "eu-west-1"}])
    assert refusals(user, assignment, bed.amazon.client("eu-west-1")) == {"replica-region"}
    assert user.drive(assignment) == 1


def test_an_unknown_token_is_refused(bed: Bed) -> None:
    """Nothing was begun with it."""
    user = bed.user("dual")
    assignment = user.begin()
    assert refusals(user, Assignment(assignment.secret_id, str(uuid.uuid4()))) == {"token-unknown"}


def refusals(user: User, assignment: Assignment, client: Any = None) -> set[str]:
    """The codes that the four steps end with."""
    codes = set()
    for step in STEPS:
        with pytest.raises(RotationError) as caught:
            user.step(assignment, step, client)
        codes.add(caught.value.code)
    return codes
