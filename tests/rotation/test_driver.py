"""The driver calls a function the way Secrets Manager does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.simulators.clock import MovableClock

from vaultgate_ops.rotation.driver import Assignment, Driver

if TYPE_CHECKING:
    from collections.abc import Mapping

APP = Assignment("app", "token-1")


class Function:
    """Remembers its events, and fails at the calls that it is told to, counted from 1."""

    def __init__(self, *fails_at: int) -> None:
        self.events: list[dict[str, str]] = []
        self._fails_at = fails_at

    def __call__(self, event: Mapping[str, str]) -> None:
        self.events.append(dict(event))
        if len(self.events) in self._fails_at:
            raise RuntimeError(f"call {len(self.events)}")

    def steps(self) -> list[str]:
        """The steps that were called, in order."""
        return [event["Step"] for event in self.events]


def test_the_steps_come_in_order_with_one_token() -> None:
    """And without a RotationToken where there is none."""
    function = Function()
    assert Driver(function, MovableClock()).drive(APP) == 1
    assert function.steps() == ["createSecret", "setSecret", "testSecret", "finishSecret"]
    assert {tuple(sorted(set(event.items()) - {("Step", event["Step"])})) for event in function.events} == {
        (("ClientRequestToken", "token-1"), ("SecretId", "app"))
    }


def test_the_newer_spelling_and_the_rotation_token() -> None:
    """Both are what newer documentation shows."""
    function = Function()
    Driver(function, MovableClock(), snake=True).drive(Assignment("app", "t", "rotation-1"))
    assert function.steps() == ["create_secret", "set_secret", "test_secret", "finish_secret"]
    assert {event["RotationToken"] for event in function.events} == {"rotation-1"}


def test_a_failure_begins_again_after_a_growing_pause() -> None:
    """From the first step, with the same token."""
    clock, function = MovableClock(), Function(2, 4)
    began = clock.steady()
    assert Driver(function, clock, pause_s=1).drive(APP) == 3
    assert function.steps() == [
        *("createSecret", "setSecret"),
        *("createSecret", "setSecret"),
        *("createSecret", "setSecret", "testSecret", "finishSecret"),
    ]
    assert clock.steady() - began == 1 + 2


def test_the_last_failure_is_the_callers() -> None:
    """After as many attempts as were allowed, with no pause behind the last."""
    clock, function = MovableClock(), Function(*range(1, 99))
    began = clock.steady()
    with pytest.raises(RuntimeError, match="call 3"):
        Driver(function, clock, attempts=3, pause_s=50).drive(APP)
    assert clock.steady() - began == 50 + 60


def test_a_failure_that_will_come_again_ends_it() -> None:
    """Where whoever drives can tell, as Secrets Manager can't."""
    function = Function(1)
    with pytest.raises(RuntimeError, match="call 1"):
        Driver(function, MovableClock(), worth=lambda error: "call 1" not in str(error)).drive(APP)


def test_a_test_alone_is_one_step() -> None:
    """As the service does for RotateImmediately=False."""
    function = Function()
    Driver(function, MovableClock()).drive(Assignment("app", "t", steps=("testSecret",)))
    assert function.steps() == ["testSecret"]
