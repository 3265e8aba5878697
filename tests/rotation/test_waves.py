"""Many secrets in waves: the canary first, and no new ones once one has failed."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.simulators.clock import MovableClock

from vaultgate_ops.errors import OpsError
from vaultgate_ops.rotation.waves import Candidate, Outcome, Plan, plan, run

if TYPE_CHECKING:
    from collections.abc import Callable

BEGAN = 1_000_000.0


def candidates(number: int, *, at: float = 0) -> list[Candidate]:
    """So many secrets, whose values were stored then."""
    return [Candidate(f"app/{n}", f"arn{n}", at) for n in range(number)]


def rotated(planned: Plan, rotate: Callable[[str], str], clock: MovableClock | None = None) -> tuple[Outcome, list[str]]:
    """What a run came to, and what it told."""
    told: list[str] = []
    return run(planned, rotate, clock or MovableClock(), 60, told.append), told


def test_a_canary_and_then_waves() -> None:
    """In the order given; the last wave has what is left; what is named twice is rotated once."""
    planned = plan([*candidates(8), *candidates(2)], size=3, canary=1, since_s=None)
    assert planned == Plan((("arn0",), ("arn1", "arn2", "arn3"), ("arn4", "arn5", "arn6"), ("arn7",)), ())
    assert plan(candidates(4), size=3, canary=0, since_s=None).waves == (("arn0", "arn1", "arn2"), ("arn3",))
    assert plan(candidates(4), size=1, canary=2, since_s=None).waves == (("arn0", "arn1"), ("arn2",), ("arn3",))
    assert plan([], size=3, canary=1, since_s=None) == Plan((), ())


def test_going_on_leaves_out_what_is_done() -> None:
    """What has a value of that second or a younger one; the canary has lived, so that there is none."""
    mixed = [Candidate("a", "a", BEGAN), Candidate("b", "b", BEGAN - 1), Candidate("c", "c", BEGAN + 9), *candidates(3)]
    assert plan(mixed, size=2, canary=1, since_s=BEGAN) == Plan((("b", "arn0"), ("arn1", "arn2")), ("a", "c"))
    assert plan(mixed, size=2, canary=1, since_s=None).done == ()
    assert plan(candidates(3), size=2, canary=1, since_s=BEGAN).waves == (("arn0",), ("arn1", "arn2"))


@given(st.integers(0, 40), st.integers(1, 9), st.integers(0, 9), st.sets(st.integers(0, 40)))
def test_each_is_in_one_place(number: int, size: int, canary: int, young: set[int]) -> None:
    """Done or in a single wave, no wave is empty or too large."""
    given_ = [Candidate(str(n), str(n), BEGAN if n in young else 0) for n in range(number)]
    planned = plan(given_, size, canary, BEGAN)
    assert sorted([*planned.done, *(arn for wave in planned.waves for arn in wave)]) == sorted(str(n) for n in range(number))
    assert all(1 <= len(wave) <= max(size, canary) for wave in planned.waves)
    assert all(len(wave) <= size for wave in planned.waves[1:])


def test_all_of_a_wave_at_once_and_one_wave_after_the_other() -> None:
    """Each wave meets, which it couldn't one by one; between two waves is the pause."""
    barriers = {"arn0": threading.Barrier(1)} | dict.fromkeys(("arn1", "arn2", "arn3"), threading.Barrier(3))
    clock, begun = MovableClock(), []

    def rotate(arn: str) -> str:
        begun.append((arn, clock.steady()))
        barriers[arn].wait(10)
        return f"{arn} new"

    before = clock.steady()
    outcome, told = rotated(plan(candidates(4), 3, 1, None), rotate, clock)
    assert outcome == Outcome({f"arn{n}": f"arn{n} new" for n in (0, 1, 2, 3)})
    assert {arn: at - before for arn, at in begun} == {"arn0": 0, "arn1": 60, "arn2": 60, "arn3": 60}
    assert clock.steady() - before == 60
    assert told[:3] == ["wave 1 of 2: 1 of 4", "rotated: arn0, version arn0 new", "wave 2 of 2: 3 of 4"]
    assert sorted(told[3:]) == [f"rotated: arn{n}, version arn{n} new" for n in (1, 2, 3)]


@pytest.mark.parametrize(("bad", "done", "left"), [("arn0", 0, 6), ("arn1", 3, 3), ("arn6", 6, 0)])
def test_the_first_failure_is_the_end(bad: str, done: int, left: int) -> None:
    """Its wave's others go on to their end, no wave begins after it, and each secret is accounted for."""
    planned = plan(candidates(7), 3, 1, None)
    error = OpsError("planted", "mend it")

    def rotate(arn: str) -> str:
        if arn == bad:
            raise error
        return "new"

    outcome, told = rotated(planned, rotate)
    assert outcome.failed == {bad: error}
    assert (len(outcome.rotated), len(outcome.left)) == (done, left)
    assert {*outcome.rotated, *outcome.failed, *outcome.left} == {f"arn{n}" for n in range(7)}
    assert outcome.left == tuple(f"arn{n}" for n in range(7 - left, 7))
    assert f"failed: {bad}: planted" in told
    assert not outcome.interrupted


def test_what_is_no_failure_of_a_rotation_is_not_hidden() -> None:
    """A mistake of the program's own ends the run as one."""
    with pytest.raises(ZeroDivisionError):
        rotated(plan(candidates(1), 1, 0, None), lambda _: str(1 / 0))


class Interrupted(MovableClock):
    """Somebody presses Ctrl-C in the pause."""

    def sleep(self, seconds: float) -> None:  # noqa: ARG002 - the clock's
        raise KeyboardInterrupt


def test_an_interruption_between_two_waves() -> None:
    """Nothing new begins; what was rotated is said, and what wasn't."""
    outcome, told = rotated(plan(candidates(3), 2, 1, None), lambda _: "new", Interrupted())
    assert outcome == Outcome({"arn0": "new"}, {}, ("arn1", "arn2"), interrupted=True)
    assert told[-1] == "interrupted: what is under way goes on to its end"


def test_an_interruption_in_a_wave() -> None:
    """What is under way goes on to its end and counts, as does a failure among it; another Ctrl-C changes nothing."""
    told: list[str] = []
    go_on, error = threading.Event(), OpsError("planted")

    def tell(text: str) -> None:
        told.append(text)
        if text.startswith("rotated: arn0"):
            raise KeyboardInterrupt
        if text.startswith("interrupted"):
            signal.raise_signal(signal.SIGINT)
            go_on.set()

    def rotate(arn: str) -> str:
        if arn == "arn0":
            return "new"
        assert go_on.wait(10)
        if arn == "arn1":
            raise error
        return "new"

    try:
        outcome = run(plan(candidates(5), 3, 0, None), rotate, MovableClock(), 60, tell)
    except KeyboardInterrupt:
        pytest.fail("the second interruption ended the run without its account")
    assert outcome == Outcome({"arn0": "new", "arn2": "new"}, {"arn1": error}, ("arn3", "arn4"), interrupted=True)


def test_no_waves_are_no_work() -> None:
    """Everything was rotated since."""
    assert rotated(Plan((), ("arn0",)), lambda _: "new") == (Outcome(), [])
