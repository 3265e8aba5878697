"""VAULT_RATE_LIMIT: a token bucket on a clock that the test moves, and requests that wait for their turn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.simulators.clock import MovableClock
from tests.simulators.vault import SimulatedVault

from vaultgate.errors import DeadlineExceeded
from vaultgate.model import Origin, Request
from vaultgate.pace import Pace, Paced

ORIGIN = Origin("https", "vault.example.com", 8200)
HEALTH = Request("GET", "/v1/sys/health")
FOREVER = float("inf")


def test_a_burst_goes_at_once_and_the_rest_in_step() -> None:
    """Two at once, then one each half second."""
    pace = Pace(2.0, 2, 100.0)
    assert [pace.wait_s(100.0, FOREVER) for _ in range(5)] == [0, 0, 0.5, 1.0, 1.5]


def test_a_rest_fills_the_bucket_and_no_more() -> None:
    """After a long rest the burst is there again, not all that could have been asked meanwhile."""
    pace = Pace(2.0, 2, 100.0)
    for _ in range(2):
        pace.wait_s(100.0, FOREVER)
    assert [pace.wait_s(1000.0, FOREVER) for _ in range(3)] == [0, 0, 0.5]


def test_who_would_wait_too_long_takes_no_turn() -> None:
    """A refused request leaves its turn to the next, and one whose turn comes just in time has it."""
    pace = Pace(1.0, 1, 0.0)
    assert pace.wait_s(0.0, 0.0) == 0
    assert pace.wait_s(0.0, 0.99) is None
    assert pace.wait_s(0.0, 1.0) == 1.0


@given(st.floats(0.1, 50), st.integers(1, 20), st.lists(st.floats(0, 3), min_size=1, max_size=60))
def test_no_span_of_time_holds_more_than_the_rate_allows(rate: float, burst: int, gaps: list[float]) -> None:
    """Between any two of the times at which requests go out there are at most burst + rate x seconds of them."""
    pace, now, out = Pace(rate, burst, 0.0), 0.0, []
    for gap in gaps:
        now += gap
        waited = pace.wait_s(now, FOREVER)
        assert waited is not None
        out.append(now + waited)
    for first in range(len(out)):
        for last in range(first, len(out)):
            assert last - first + 1 <= burst + rate * (out[last] - out[first]) + 1e-6


@pytest.fixture
def clock() -> MovableClock:
    """Its sleep moves it."""
    return MovableClock()


def test_requests_wait_for_their_turn(clock: MovableClock) -> None:
    """Ten requests at five a second take two seconds less the burst's, whoever asks."""
    server = SimulatedVault(clock)
    network, began = Paced(server, 5.0, 1, clock), clock.steady()
    for _ in range(11):
        assert network.exchange(ORIGIN, HEALTH, FOREVER).status == 200
    assert clock.steady() - began == pytest.approx(2.0)


def test_a_deadline_is_not_waited_out(clock: MovableClock) -> None:
    """A request whose turn would come too late fails at once, was not sent, and names the setting."""
    server = SimulatedVault(clock)
    network = Paced(server, 0.1, 1, clock)
    network.exchange(ORIGIN, HEALTH, FOREVER)
    began = clock.steady()
    with pytest.raises(DeadlineExceeded, match="was not asked in time") as caught:
        network.exchange(ORIGIN, HEALTH, began + 9)
    assert "VAULT_RATE_LIMIT" in caught.value.hint
    assert (clock.steady(), len(server.seen)) == (began, 1)


@pytest.mark.parametrize("path", ["auth/token/revoke-self", "sys/leases/revoke"])
def test_the_end_is_not_held_up(clock: MovableClock, path: str) -> None:
    """What gives something back goes at once, and takes no turn from others."""
    server = SimulatedVault(clock)
    network, began = Paced(server, 0.1, 1, clock), clock.steady()
    for _ in range(3):
        network.exchange(ORIGIN, Request("PUT", f"/v1/{path}", (), b"{}"), began + 1)
    network.exchange(ORIGIN, HEALTH, began + 1)
    assert (clock.steady(), len(server.seen)) == (began, 4)
