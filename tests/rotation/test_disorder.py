"""Steps that come twice, late, or at the same time as another's."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from tests.rotation.faults import Faults, FunctionFailed, Kind

from vaultgate_ops.rotation.driver import STEPS
from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.model import Request
from vaultgate_ops.rotation.mysql.administration import lock_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.rotation.bed import Bed, User

    from vaultgate_ops.rotation.driver import Assignment

    Eventually = Callable[[Callable[[], object]], None]

pytestmark = pytest.mark.stack

STRATEGIES = ("dual", "alternating", "single")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_step_replayed_after_the_end_changes_nothing(bed: Bed, strategy: str) -> None:
    """Each of the four, with the token of the rotation that is over."""
    user = bed.user(strategy)
    user.rotate(2)
    assignment = user.begin()
    user.drive(assignment)
    clean = user.state()
    assert [user.step(assignment, step) for step in STEPS] == ["nothing to do"] * 4
    assert user.state() == clean


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_late_step_of_an_old_token_changes_nothing(bed: Bed, strategy: str) -> None:
    """A later rotation has overtaken it: its version is AWSPREVIOUS, or has lost its last label."""
    user = bed.user(strategy)
    older, old = user.begin(), None
    user.drive(older)
    old = user.begin()
    user.drive(old)
    user.rotate()
    clean = user.state()
    for late in (old, older):
        for step in STEPS:
            with pytest.raises(RotationError) as caught:
                user.step(late, step)
            assert caught.value.code in {"token-not-pending", "token-unknown"}
    assert user.state() == clean


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_two_drivers_at_once(bed: Bed, strategy: str) -> None:
    """Both go through the same rotation at the same time; what is left is what one leaves."""
    user = bed.user(strategy)
    user.rotate(3)
    clean = user.state()
    for _ in range(3):
        assignment, together = user.begin(), threading.Barrier(2)

        def go(_number: int, assignment: object = assignment, together: threading.Barrier = together) -> None:
            for step in STEPS:
                together.wait(30)
                # Refused, because the other is at it or is through: the next attempt would find it done.
                with suppress(RotationError):
                    user.step(assignment, step)  # type: ignore[arg-type] - an Assignment

        with ThreadPoolExecutor(2) as two:
            list(two.map(go, range(2)))
        user.drive(assignment)
        assert user.state() == clean
        assert user.works(-1)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_step_waits_for_another_one_of_its_secret(bed: Bed, strategy: str, eventually: Eventually) -> None:
    """While the secret's lock is held nothing is changed; once it is free the step goes on, and leaves it free."""
    user = bed.user(strategy)
    rotation = user.begin()
    user.step(rotation, "createSecret")
    name = lock_name(rotation.secret_id)
    assert bed.execute("SELECT GET_LOCK(%s, 0)", name) == [(1,)]
    waiting = "SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'User lock'"
    with ThreadPoolExecutor(1) as other:
        step = other.submit(user.step, rotation, "setSecret")
        try:
            eventually(lambda: bed.execute(waiting) == [(1,)])
            assert not user.admits_pending()
        finally:
            bed.execute("SELECT RELEASE_LOCK(%s)", name)
        assert step.result() == "done"
    assert user.admits_pending()
    eventually(lambda: bed.execute("SELECT IS_FREE_LOCK(%s)", name) == [(1,)])


def test_a_step_that_fails_leaves_the_lock_free(bed: Bed, eventually: Eventually) -> None:
    """Though the function's process lives on."""
    user = bed.user("dual")
    rotation = user.begin()
    user.step(rotation, "createSecret")
    bed.execute("ALTER USER %s@'%%' ACCOUNT LOCK", user.name)
    event = {"SecretId": rotation.secret_id, "ClientRequestToken": rotation.token, "Step": "setSecret"}
    with pytest.raises(RotationError, match="account-unusable"):
        bed.engine(Faults()).step(Request.parse(event))
    eventually(lambda: bed.execute("SELECT IS_FREE_LOCK(%s)", lock_name(rotation.secret_id)) == [(1,)])


@pytest.mark.parametrize("strategy", ["dual", "alternating"])
def test_a_finish_while_the_user_is_only_half_made(bed: Bed, strategy: str) -> None:
    """A finishSecret that is late by one attempt finds what a death in setSecret left, and promotes nothing but a whole user."""

    def set_with(user: User, faults: Faults) -> Assignment:
        rotation = user.begin()
        user.step(rotation, "createSecret")
        event = {"SecretId": rotation.secret_id, "ClientRequestToken": rotation.token, "Step": "setSecret"}
        with suppress(FunctionFailed):
            faults.invoke(lambda: bed.engine(faults).step(Request.parse(event)))
        return rotation

    count = Faults()
    set_with(bed.user(strategy), count)
    changes = [at for at, call in enumerate(count.calls, 1) if call.startswith(("CREATE", "ALTER", "GRANT", "SET DEFAULT"))]
    assert len(changes) >= 2
    for at in changes[:-1]:
        user = bed.user(strategy)
        rotation = set_with(user, Faults(at, Kind.DEATH_AFTER))
        with pytest.raises(RotationError, match="privileges-differ"):
            user.step(rotation, "finishSecret")
        assert user.works(0)
        user.drive(rotation)
        assert user.works(-1)
