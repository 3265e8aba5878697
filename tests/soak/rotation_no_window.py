"""Promise 12 in full: 200 rotations of each strategy with gaps of up to two seconds, a login every 5 ms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.rotation.conftest import bed as bed  # noqa: PLC0414 - a fixture
from tests.rotation.window import trial

from vaultgate_ops.rotation.trial import WITHOUT_WINDOW

if TYPE_CHECKING:
    from tests.rotation.bed import Bed


def test_two_hundred_rotations(bed: Bed) -> None:
    """0 failed logins and only 200 from GET /records for `dual` and `alternating`."""
    outcomes, _ = trial(bed, rotations=200, longest_gap_s=2)
    for strategy in WITHOUT_WINDOW:
        assert outcomes[strategy].figures.failed == 0, (strategy, outcomes[strategy].figures)
        assert set(outcomes[strategy].answers) == {"200"}, (strategy, outcomes[strategy].answers)
    assert outcomes["single"].figures.failed > 0
