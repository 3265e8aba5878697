"""Parameters: no window, and a crash at any call of a rotation.

`make soak SUITE=rotation` breaks each call in every way, for all strategies, from two starting points and with reads that lag.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from tests.rotation.faults import Faults, Kind
from tests.rotation.parameter_bed import KEY, ParameterUser, parameters
from tests.simulators.parameter_store import SimulatedParameterStore

from vaultgate_ops.clock import Clock
from vaultgate_ops.rotation.load import Logins
from vaultgate_ops.rotation.parameter_store import pending_name

if TYPE_CHECKING:
    from tests.rotation.bed import Bed

pytestmark = pytest.mark.stack


@pytest.fixture
def service(bed: Bed) -> SimulatedParameterStore:
    """A Parameter Store, with the bed's clock."""
    return SimulatedParameterStore(bed.clock)


def test_nobody_is_turned_away(bed: Bed, service: SimulatedParameterStore) -> None:
    """Whoever logs in with the parameter's latest version, every 5 ms, is let in; with `single` the window is seen."""
    figures = {}
    for strategy, rotations in (("dual", 12), ("alternating", 6), ("single", 6)):
        user = ParameterUser(bed, service, strategy)
        with Logins(lambda user=user: user.current, user.login, Clock()) as load:  # type: ignore[misc] - bound now
            user.rotate(rotations)
        figures[strategy] = load.figures
        assert len(user.values) == rotations + 1
    assert (figures["dual"].failed, figures["alternating"].failed) == (0, 0), figures
    assert figures["dual"].logins > 20, figures
    assert figures["single"].failed > 0, "a load that sees no window here would see none anywhere"


def test_a_death_at_any_call(bed: Bed, service: SimulatedParameterStore) -> None:
    """The next delivery of the event ends the rotation as if nothing had happened, and no delivery begins another one."""
    user = ParameterUser(bed, service, "dual")
    user.rotate(3)
    clean, undisturbed = user.state(), Faults()
    user.fire(undisturbed)
    attempts = [(1, Kind.DEATH_BEFORE), *((at, Kind.DEATH_AFTER) for at in range(1, len(undisturbed.calls) + 1))]
    for at, kind in attempts:
        faults, values = Faults(at, kind), len(user.values)
        assert user.fire(faults) == 2, f"{kind.value} call {at}"
        assert faults.struck
        assert len(user.values) == values + 1
        assert user.state() == clean, f"{kind.value} call {at}: {faults.calls[at - 1]}"
        assert user.works(-1)
        assert user.works(-2)


@pytest.mark.parametrize("strategy", ["dual", "single"])
def test_a_lost_answer_of_any_change(bed: Bed, service: SimulatedParameterStore, strategy: str) -> None:
    """The work was done and the function doesn't know: it, or its next delivery, ends as if it knew."""
    user = ParameterUser(bed, service, strategy)
    user.rotate(3)
    clean, undisturbed = user.state(), Faults()
    user.fire(undisturbed)
    reads = ("get_", "connect", "SELECT", "SHOW")
    changes = [at for at, call in enumerate(undisturbed.calls, 1) if not call.startswith(reads)]
    assert len(changes) >= 4, undisturbed.calls
    for at in changes:
        faults = Faults(at, Kind.ANSWER_LOST)
        user.fire(faults)
        assert faults.struck
        assert user.state() == clean, f"answer of call {at} lost: {undisturbed.calls[at - 1]}"
        assert user.works(-1)


def test_two_schedules_at_once(bed: Bed, service: SimulatedParameterStore) -> None:
    """They make one rotation, and one that comes late finds it done."""
    user = ParameterUser(bed, service, "dual")
    user.rotate()
    bed.clock.advance(1)
    scheduled_s = bed.clock.wall()
    function = parameters(bed, user.client, Faults(), attempts=9)
    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(lambda _: function.rotate(user.parameter, scheduled_s), range(4)))
    assert {"3"} <= set(told) <= {"3", "nothing to do"}
    assert user.client.get_parameter(Name=user.parameter, WithDecryption=True)["Parameter"]["Version"] == 3
    assert function.rotate(user.parameter, scheduled_s) == "nothing to do"
    user.values.append(service.value(user.parameter))
    assert user.works(-1)
    assert user.works(-2)


def test_what_belongs_to_the_parameter_stays(bed: Bed, service: SimulatedParameterStore) -> None:
    """Key, description and labels; the waiting value has the same key, and its parameters don't pile up."""
    user = ParameterUser(bed, service, "dual")
    user.client.label_parameter_version(Name=user.parameter, Labels=["first"])
    user.rotate(4)
    history = user.client.get_parameter_history(Name=user.parameter)["Parameters"]
    assert [one["Labels"] for one in history] == [["first"], [], [], [], []]
    assert {(one["KeyId"], one["Description"], one["Tier"]) for one in history} == {(KEY, "ours", "Standard")}
    waiting = [name for name in service.names() if name.startswith("/vaultgate-pending/") and user.name in name]
    assert waiting == [pending_name(user.parameter, 5)]
    assert user.client.get_parameter_history(Name=waiting[0])["Parameters"][0]["KeyId"] == KEY
