"""Promise 12, shortened: `make soak SUITE=rotation` runs 200 rotations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.rotation.window import trial

from vaultgate_ops.rotation.trial import WITHOUT_WINDOW

if TYPE_CHECKING:
    from tests.rotation.bed import Bed

pytestmark = pytest.mark.stack


def test_nobody_with_the_current_value_is_turned_away(bed: Bed) -> None:
    """0 failed logins and only 200 from GET /records for `dual` and `alternating`; for `single` the window is seen."""
    outcomes, killed = trial(bed, rotations=20, longest_gap_s=2)
    for strategy in WITHOUT_WINDOW:
        outcome = outcomes[strategy]
        assert (outcome.figures.failed, outcome.figures.numbers) == (0, frozenset()), strategy
        assert set(outcome.answers) == {"200"}, strategy
        assert outcome.figures.logins > 40, "the poller hardly polled"
    assert killed > 2, "the function was hardly disturbed"
    assert outcomes["single"].figures.failed > 0, "a trial that sees no window here would see none anywhere"
