"""The crash matrix in full: each call, each kind of fault, several starting points, reads that lag by up to five seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.rotation.conftest import bed as bed  # noqa: PLC0414 - a fixture
from tests.rotation.faults import Faults, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.rotation.bed import Bed

STRATEGIES = ("dual", "alternating", "single")


@pytest.fixture(params=[0.0, 5.0])
def lag_s(request: pytest.FixtureRequest, bed: Bed) -> Iterator[float]:
    """How old the state is that reads of the secret see."""
    bed.amazon.service.lag_s = request.param
    yield request.param
    bed.amazon.service.lag_s = 0


@pytest.mark.parametrize("before", [0, 3])
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("kind", list(Kind))
def test_any_fault_at_any_call(bed: Bed, strategy: str, kind: Kind, before: int, lag_s: float) -> None:
    """Ends, after retries, as an undisturbed rotation does: labels, grants, TLS, limits, hosts, passwords."""
    model, undisturbed = bed.user(strategy), Faults()
    settle(bed)
    for _ in range(before):
        model.rotate()
        settle(bed)
    model.drive(model.begin(), undisturbed)
    clean = model.state()
    for at in range(1, len(undisturbed.calls) + 1):
        user, faults = bed.user(strategy), Faults(at, kind)
        settle(bed)
        for _ in range(before):
            user.rotate()
            settle(bed)
        user.drive(user.begin(), faults, attempts=6)
        assert faults.struck, at
        assert user.state() == clean, f"{kind.value} call {at}, {faults.calls[at - 1]}, lag {lag_s} s"
        assert user.works(-1), at


def settle(bed: Bed) -> None:
    """Let a rotation become visible everywhere: the service starts none more often than every four hours."""
    bed.clock.advance(10)
