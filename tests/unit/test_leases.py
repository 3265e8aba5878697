"""How long something may be used."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaultgate.clock import Instant
from vaultgate.leases import Lifetime, due, margin_s

seconds = st.floats(0, 1e7)
ttls = st.floats(1, 1e7)
instants = st.builds(Instant, st.floats(1e9, 2e9), st.floats(0, 1e9))


@pytest.mark.parametrize(
    ("ttl_s", "configured_s", "expected_s"),
    [
        (600, None, 10),
        (100, None, 10),
        (99, None, 9.9),
        (10, None, 1),
        (600, 0.0, 0),
        (600, 60.0, 60),
        (10, 3.0, 3),
        (10, 60.0, 5),
    ],
)
def test_margin(ttl_s: float, configured_s: float | None, expected_s: float) -> None:
    """The margin is what was configured but never more than half the life, else the smaller of ten seconds and a tenth."""
    assert margin_s(ttl_s, configured_s) == pytest.approx(expected_s)


@given(sent=instants, ttl_s=ttls, margin=seconds, wall=st.floats(-1e6, 1e7), steady=seconds)
def test_never_over_estimates(sent: Instant, ttl_s: float, margin: float, wall: float, steady: float) -> None:
    """Whatever the two clocks did since the request was sent, neither of them would have given it longer."""
    now = Instant(sent.wall + wall, sent.steady + steady)
    life = Lifetime(sent, ttl_s, margin)
    slack = 1e-5  # floats near 2e9 are this coarse
    assert life.remaining_s(now) <= ttl_s - margin - (now.wall - sent.wall) + slack
    assert life.remaining_s(now) <= ttl_s - margin - (now.steady - sent.steady) + slack
    assert life.over(now) == (life.remaining_s(now) <= 0)


@given(sent=instants, ttl_s=ttls, later=seconds)
def test_only_shrinks(sent: Instant, ttl_s: float, later: float) -> None:
    """Time never gives life back."""
    life = Lifetime(sent, ttl_s, 0)
    first = Instant(sent.wall + 1, sent.steady + 1)
    assert life.remaining_s(Instant(first.wall + later, first.steady + later)) <= life.remaining_s(first)


@pytest.mark.parametrize(("wall", "steady"), [(90, 0), (0, 90), (90, 90), (-1000, 90), (90, 0.001)])
def test_either_clock_ends_it(wall: float, steady: float) -> None:
    """A lease is over when the wall clock says so or the steady one does, at its end less the margin."""
    sent = Instant(1e9, 500)
    life = Lifetime(sent, 100, 10)
    assert life.over(Instant(sent.wall + wall, sent.steady + steady))
    assert not life.over(Instant(sent.wall + min(wall, 89.5), sent.steady + min(steady, 89.5)))


@given(sent=instants, token_age=seconds, ttl_s=ttls, token_ttl_s=ttls, margin=st.floats(0, 100), token_margin=st.floats(0, 100))
def test_a_lease_ends_with_its_token(
    *, sent: Instant, token_age: float, ttl_s: float, token_ttl_s: float, margin: float, token_margin: float
) -> None:
    """A lease cut to its token's life has the remaining time of whichever of the two ends first."""
    token = Lifetime(Instant(sent.wall - token_age, sent.steady - token_age), token_ttl_s, token_margin)
    own = Lifetime(sent, ttl_s, margin)
    now = Instant(sent.wall + 0.25, sent.steady + 0.25)
    cut = own.within(token, now).remaining_s(now)
    assert cut == pytest.approx(min(own.remaining_s(now), token.remaining_s(now)), abs=1e-5)


@pytest.mark.parametrize(("surplus_s", "left_s"), [(0.5, 60), (1, 60), (0, 60), (-0.5, 59.5)])
def test_even_a_little_surplus_is_cut(surplus_s: float, left_s: float) -> None:
    """A lease that would outlive its token by less than a second is cut to the token's end too; one that doesn't is left."""
    now = Instant(1e9, 0)
    own, token = Lifetime(now, 60 + surplus_s), Lifetime(now, 60)
    assert own.within(token, now).remaining_s(now) == pytest.approx(left_s)


@pytest.mark.parametrize(("age_s", "is_due"), [(0, False), (39.9, False), (40, False), (40.1, True), (59, True), (61, True)])
def test_due_when_a_third_is_left(age_s: float, *, is_due: bool) -> None:
    """It is time for the next when less than a third of what Vault gave is left, whichever clock says so."""
    life = Lifetime(Instant(1e9, 0), 60)
    assert due(life, Instant(1e9 + age_s, 0)) is is_due
    assert due(life, Instant(1e9, age_s)) is is_due


def test_a_margin_makes_it_due_earlier() -> None:
    """What counts as over before its end is due as much earlier."""
    life = Lifetime(Instant(1e9, 0), 60, margin_s=10)
    assert [due(life, Instant(1e9, age)) for age in (29, 31)] == [False, True]


def test_what_never_ends_is_never_due() -> None:
    """A life without an end needs no next one, however long ago it began."""
    assert not due(Lifetime(Instant(1e9, 0), float("inf")), Instant(2e9, 1e9))


@pytest.mark.parametrize(
    ("wall", "steady", "ended"), [(100, 100, True), (100, 99.9, False), (99.9, 100, False), (1000, 0, False), (0, 1000, False)]
)
def test_the_very_end_is_when_both_clocks_say_so(wall: float, steady: float, *, ended: bool) -> None:
    """Past its margin a lease still exists in Vault: nothing is left to give back only once both clocks are past its end."""
    life = Lifetime(Instant(1e9, 500), 100, margin_s=50)
    assert life.ended(Instant(1e9 + wall, 500 + steady)) is ended


def test_no_end_stays_no_end() -> None:
    """What never ends is not over in a hundred years, and takes a finite life's end when it is bound to one."""
    sent, now = Instant(1e9, 0), Instant(1e9 + 3.2e9, 3.2e9)
    assert not Lifetime(sent, float("inf")).over(now)
    assert Lifetime(sent, float("inf")).within(Lifetime(sent, 60), sent).remaining_s(sent) == pytest.approx(60)
    assert Lifetime(sent, 60).within(Lifetime(sent, float("inf")), sent).remaining_s(sent) == pytest.approx(60)


@pytest.mark.parametrize(
    ("wall", "steady", "jumped"), [(1, 1, False), (3, 1.5, False), (4, 1, True), (1, 4, True), (-5, 1, True)]
)
def test_jump(wall: float, steady: float, *, jumped: bool) -> None:
    """Two clocks that disagree by more than two seconds betray a freeze or somebody who set the time."""
    assert Instant(1e9 + wall, steady).jumped_since(Instant(1e9, 0)) is jumped


@pytest.mark.parametrize(("wall", "steady", "ended"), [(100, 100, True), (99.9, 100, False), (100, 99.9, False), (1e6, 0, False)])
def test_both_clocks_must_say_that_it_is_gone(wall: float, steady: float, *, ended: bool) -> None:
    """Past its very end, without the margin, by both clocks: before that there is something in Vault to give back."""
    sent = Instant(1e9, 500)
    assert Lifetime(sent, 100, 10).ended(Instant(sent.wall + wall, sent.steady + steady)) == ended
