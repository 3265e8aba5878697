"""The demo of rotations: what it checks, what it prints, and that it runs on the local stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import CheckFailed
from vaultgate_ops.local import markers
from vaultgate_ops.local.rotation_demo import RotationDemo, judge
from vaultgate_ops.local.wiring import ROLE
from vaultgate_ops.rotation.load import Figures
from vaultgate_ops.rotation.trial import Outcome, table

if TYPE_CHECKING:
    from vaultgate_ops.local.stack import Stack

FINE = Outcome(10, Figures(logins=400), {"200": 20})
SHUT = Outcome(10, Figures(logins=300, failed=50, window_s=0.5, numbers=frozenset({1045})), {"200": 19, "500: {}": 1})


def test_the_table_of_a_trial() -> None:
    """One line for each strategy; a window is given per rotation."""
    assert [line.split() for line in table({"dual": FINE, "single": SHUT})[1:]] == [
        ["dual", "10", "400", "0", "none", "seen", "20", "0"],
        ["single", "10", "300", "50", "50.0", "ms", "20", "1"],
    ]


def test_what_a_strategy_promises_is_checked() -> None:
    """A refused login, an answer that isn't 200, and a load that can't see a window each end the demo."""
    judge({"dual": FINE, "alternating": FINE, "single": SHUT})
    with pytest.raises(CheckFailed, match="dual: clients were turned away 51 times"):
        judge({"dual": SHUT})
    with pytest.raises(CheckFailed, match="alternating: clients were turned away 1 times"):
        judge({"alternating": Outcome(10, Figures(logins=300), {"200": 19, "503: {}": 1})})
    judge({"api-key": Outcome(10, Figures(logins=300))})
    with pytest.raises(CheckFailed, match="api-key: clients were turned away 50 times"):
        judge({"api-key": Outcome(10, Figures(logins=300, failed=50))})
    with pytest.raises(CheckFailed, match="proves nothing"):
        judge({"single": FINE})


@pytest.mark.stack
def test_the_demo_runs_on_the_local_stack(stack: Stack) -> None:
    """By moto, the real server and the function in AWS's emulator, with a rotator that may do no more than documented."""
    demo = RotationDemo(stack, Clock())
    demo.prepare()
    outcome = demo.strategy("alternating", rotations=3, longest_gap_s=0.05)
    with stack.aws.client("iam") as iam:
        iam.delete_role_policy(RoleName=ROLE, PolicyName="read-secrets")
    assert outcome.turned_away == 0, outcome
    assert outcome.figures.logins > 5
    assert set(outcome.answers) == {"200"}


@pytest.mark.stack
def test_the_demo_rotates_an_api_key(stack: Stack) -> None:
    """Of an API that is a process of its own; not one call with AWSCURRENT's key fails, and nothing is left running."""
    outcome = RotationDemo(stack, Clock()).key(rotations=3, longest_gap_s=0.05)
    assert (outcome.rotations, outcome.turned_away) == (3, 0), outcome
    assert outcome.figures.logins > 5
    assert not markers.find(stack.folder, "key-api")
