"""Parameters, in full: each call, each kind of fault, two starting points, reads that lag; and 200 rotations under load."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.rotation.conftest import bed as bed  # noqa: PLC0414 - a fixture
from tests.rotation.faults import Faults, Kind
from tests.rotation.parameter_bed import ParameterUser
from tests.simulators.parameter_store import SimulatedParameterStore
from tests.simulators.secrets_manager import random_lags

from vaultgate_ops.clock import Clock
from vaultgate_ops.rotation.load import Logins

if TYPE_CHECKING:
    from tests.rotation.bed import Bed, State

STRATEGIES = ("dual", "alternating", "single")


@pytest.fixture(params=[0.0, 5.0, "each its own"])
def service(request: pytest.FixtureRequest, bed: Bed) -> SimulatedParameterStore:
    """A Parameter Store whose reads are of that age."""
    made = SimulatedParameterStore(bed.clock)
    made.lag_s = random_lags(1) if isinstance(request.param, str) else request.param
    return made


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("kind", list(Kind))
def test_any_fault_at_any_call(bed: Bed, service: SimulatedParameterStore, strategy: str, kind: Kind) -> None:
    """Ends, after deliveries, as an undisturbed rotation does: values, grants, TLS, limits, hosts, passwords."""
    user, undisturbed = ParameterUser(bed, service, strategy), Faults()
    for faults in (Faults(), Faults(), undisturbed):
        settled(bed, user, faults)
    clean = user.state()
    # With reads of any age each rotation has its own number of calls.
    for at in range(1, len(undisturbed.calls) + 1):
        broken(bed, user, Faults(at, kind), clean)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("kind", list(Kind))
def test_any_fault_at_any_call_of_the_first_rotation(
    bed: Bed, service: SimulatedParameterStore, strategy: str, kind: Kind
) -> None:
    """The same where there is no previous value yet, and no twin."""
    model, undisturbed = ParameterUser(bed, service, strategy), Faults()
    settled(bed, model, undisturbed)
    clean = model.state()
    for at in range(1, len(undisturbed.calls) + 1):
        broken(bed, ParameterUser(bed, service, strategy), Faults(at, kind), clean)


def test_two_hundred_rotations(bed: Bed) -> None:
    """0 failed logins with `dual` and `alternating`; no version and no waiting value piles up."""
    service = SimulatedParameterStore(bed.clock)
    for strategy in ("dual", "alternating"):
        user = ParameterUser(bed, service, strategy)
        with Logins(lambda user=user: user.current, user.login, Clock()) as load:  # type: ignore[misc] - bound now
            user.rotate(200)
        assert load.figures.failed == 0, (strategy, load.figures)
        assert len([name for name in service.names() if user.name in name]) == 2


def broken(bed: Bed, user: ParameterUser, faults: Faults, clean: State) -> None:
    """Rotate with a fault, and compare."""
    values = len(user.values)
    settled(bed, user, faults)
    where = f"{faults.kind.value} call {faults.at}, {faults.calls[-1]}"
    assert faults.struck or callable(user.service.lag_s), where
    assert len(user.values) == values + 1, where
    assert user.state() == clean, where
    assert user.works(-1), where


def settled(bed: Bed, user: ParameterUser, faults: Faults) -> None:
    """Let the schedule fire where everything before is visible everywhere, and wait until what it did is."""
    bed.clock.advance(10)
    user.fire(faults)
    bed.clock.advance(10)
