"""When a failing server is left alone, and when it is tried again."""

from __future__ import annotations

import pytest

from vaultgate.circuit import Budget, Circuit, pause_s, retry_after_s
from vaultgate.clock import Instant
from vaultgate.model import Answer


def at(steady: float, wall: float | None = None) -> Instant:
    """A moment; both clocks agree unless told otherwise."""
    return Instant(wall=1000.0 + (steady if wall is None else wall), steady=steady)


def opened(after: int = 3) -> Circuit:
    """A circuit that has just opened, for one second."""
    circuit = Circuit(after)
    for _ in range(after):
        circuit.failed(at(0), 1.0)
    return circuit


def test_it_opens_after_failures_in_a_row() -> None:
    """Two failures do nothing, the third opens it and says so; a success in between starts the count anew."""
    circuit = Circuit(3)
    assert [circuit.failed(at(0), 1.0) for _ in range(2)] == [False, False]
    circuit.succeeded()
    assert [circuit.failed(at(0), 1.0) for _ in range(3)] == [False, False, True]
    assert circuit.state(at(0)) == "open"
    assert not circuit.admits(at(0.9))


def test_one_trial_at_a_time() -> None:
    """When its time is up one call is let through; another one only if that never came back."""
    circuit = opened()
    assert circuit.state(at(1)) == "half-open"
    assert [circuit.admits(at(1)), circuit.admits(at(1)), circuit.admits(at(2.9))] == [True, False, False]
    assert circuit.admits(at(3))


def test_a_trial_that_succeeds_closes_it() -> None:
    """After a success everybody may pass, and the next failure is the first again."""
    circuit = opened()
    assert circuit.admits(at(1))
    circuit.succeeded()
    assert circuit.state(at(1)) == "closed"
    assert [circuit.admits(at(1)), circuit.admits(at(1))] == [True, True]
    assert not circuit.failed(at(1), 1.0)


def test_each_failed_trial_doubles_the_time_up_to_half_a_minute() -> None:
    """1, 2, 4, 8, 16, 30, 30 s; and a trial may take as long as it was open."""
    circuit = opened()
    now, waits, trials = 0.0, [], []
    for _ in range(7):
        wait = circuit.opens_in_s(at(now))
        waits.append(wait)
        trials.append(circuit.trial_s)
        now += wait
        assert circuit.admits(at(now))
        assert not circuit.failed(at(now), 1.0)
    assert waits == [1, 2, 4, 8, 16, 30, 30]
    assert trials == [2, 2, 4, 8, 16, 30, 30]


def test_calls_that_began_before_it_opened_do_not_count() -> None:
    """Sixteen readers who fail together open it for a second, not for half a minute."""
    circuit = opened()
    assert [circuit.failed(at(0.1), 1.0) for _ in range(13)] == [False] * 13
    assert circuit.opens_in_s(at(0.1)) == pytest.approx(0.9)


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 0.5), (0.5, 0.75), (1.0, 1.0)])
def test_chance_spreads_the_trials(chance: float, seconds: float) -> None:
    """A thousand sandboxes don't come back at one moment."""
    circuit = Circuit(1)
    circuit.failed(at(0), chance)
    assert circuit.opens_in_s(at(0)) == seconds


def test_a_freeze_is_as_good_as_waiting() -> None:
    """The wall clock counts, too: the steady one may stand still while the sandbox is frozen."""
    assert opened().admits(at(0.1, wall=3600))


def test_it_remembers_a_failure_for_half_a_minute() -> None:
    """Who has a choice goes elsewhere meanwhile, whether the circuit opened or not."""
    circuit = Circuit(3)
    assert not circuit.failed_lately(at(0))
    circuit.failed(at(0), 1.0)
    assert circuit.failed_lately(at(29))
    assert not circuit.failed_lately(at(30))
    circuit.failed(at(30), 1.0)
    circuit.succeeded()
    assert not circuit.failed_lately(at(30))


def test_retries_are_paid_for() -> None:
    """Ten at the beginning; two calls that succeed at once earn one more, and never more than ten are saved."""
    budget = Budget()
    assert [budget.take() for _ in range(11)] == [True] * 10 + [False]
    budget.earn()
    assert not budget.take()
    budget.earn()
    assert [budget.take(), budget.take()] == [True, False]
    for _ in range(100):
        budget.earn()
    assert [budget.take() for _ in range(11)] == [True] * 10 + [False]


def test_pauses_grow_and_spread() -> None:
    """Between a half and all of 0.1, 0.2, 0.4 s."""
    assert [pause_s(attempt, 1.0, None) for attempt in (1, 2, 3)] == pytest.approx([0.1, 0.2, 0.4])
    assert [pause_s(attempt, 0.0, None) for attempt in (1, 2, 3)] == pytest.approx([0.05, 0.1, 0.2])


def test_what_the_server_asks_for_is_the_least() -> None:
    """Retry-After is waited for, and a little more by chance."""
    assert pause_s(1, 0.0, 3.0) == 3.0
    assert pause_s(1, 1.0, 3.0) == pytest.approx(3.1)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("7", 7.0), (" 0 ", 0.0), ("", None), ("soon", None), ("-1", None), ("Wed, 21 Oct 2015 07:28:00 GMT", None)],
)
def test_retry_after(said: str, seconds: float | None) -> None:
    """Seconds count; a date doesn't, and nonsense doesn't."""
    assert retry_after_s(Answer(429, (("retry-after", said),))) == seconds


def test_no_retry_after() -> None:
    """An answer without one asks for nothing."""
    assert retry_after_s(Answer(429)) is None
