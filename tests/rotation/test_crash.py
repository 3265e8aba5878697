"""A crash at any call of a rotation, and what the next attempts make of it: what an undisturbed rotation leaves.

Dying after a call and dying before the next one are the same thing, because nothing happens in between: so one of them is
tried at every call, the other at the first. `make soak SUITE=rotation` loses the answer of every call as well, from every
starting point and with reads that lag; here that is done for the calls that change something.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.rotation.faults import Faults, Kind

if TYPE_CHECKING:
    from tests.rotation.bed import Bed

pytestmark = pytest.mark.stack

STRATEGIES = ("dual", "alternating", "single")
READS = ("describe_secret", "get_secret_value", "get_random_password", "connect", "SELECT", "SHOW")


def calls_of(bed: Bed, strategy: str, before: int = 3) -> list[str]:
    """The calls of an undisturbed rotation, after some others."""
    user, faults = bed.user(strategy), Faults()
    user.rotate(before)
    user.drive(user.begin(), faults)
    return faults.calls


def changes_among(calls: list[str]) -> list[int]:
    """The numbers of the calls that change something."""
    return [at for at, call in enumerate(calls, 1) if not call.startswith(READS)]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_death_at_any_call(bed: Bed, strategy: str) -> None:
    """The next attempt ends the rotation as if nothing had happened: labels, grants, TLS, limits, hosts, passwords."""
    user = bed.user(strategy)
    user.rotate(3)
    clean = user.state()
    assert user.works(-1)
    attempts = [(1, Kind.DEATH_BEFORE), *((at, Kind.DEATH_AFTER) for at in range(1, len(calls_of(bed, strategy)) + 1))]
    for at, kind in attempts:
        faults = Faults(at, kind)
        took = user.drive(user.begin(), faults)
        assert (faults.struck, took) == (True, 2), f"{kind.value} call {at}"
        assert user.state() == clean, f"{kind.value} call {at}: {faults.calls[at - 1]}"
        assert user.works(-1), f"{kind.value} call {at}"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_lost_answer_of_any_change(bed: Bed, strategy: str) -> None:
    """The work was done and the function doesn't know: it, or its next attempt, ends as if it knew."""
    user = bed.user(strategy)
    user.rotate(3)
    clean = user.state()
    calls = calls_of(bed, strategy)
    changes = changes_among(calls)
    assert len(changes) >= 3, calls
    for at in changes:
        faults = Faults(at, Kind.ANSWER_LOST)
        user.drive(user.begin(), faults)
        assert faults.struck
        assert user.state() == clean, f"answer of call {at} lost: {calls[at - 1]}"
        assert user.works(-1)


def test_a_death_while_the_twin_is_made(bed: Bed) -> None:
    """After any change of `alternating`'s first rotation: the twin ends with all that the model has, at every host.

    This is where AWS's own sample promotes a user without privileges.
    """
    model = bed.user("alternating")
    model.rotate()
    clean = model.state()
    calls = calls_of(bed, "alternating", before=0)
    changes = changes_among(calls)
    assert len(changes) >= 8, calls
    for at in changes:
        user, faults = bed.user("alternating"), Faults(at, Kind.DEATH_AFTER)
        assert user.drive(user.begin(), faults) == 2
        assert faults.struck
        assert user.state() == clean, f"dies after call {at}: {calls[at - 1]}"
        assert user.works(-1)
