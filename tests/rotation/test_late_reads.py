"""Reads of the secret that are up to five seconds old, on a real server: AWSCURRENT goes on working, whatever they show."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from tests.rotation.bed import GRACE_S

from vaultgate_ops.rotation.by_hand import ByHand
from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.rotation import STRATEGIES, build
from vaultgate_ops.rotation.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.rotation.bed import Bed

pytestmark = pytest.mark.stack


@contextmanager
def late(bed: Bed) -> Iterator[None]:
    """Reads are as old as they may be."""
    bed.amazon.service.lag_s = 5
    try:
        yield
    finally:
        bed.amazon.service.lag_s = 0


@pytest.mark.parametrize("strategy", ["dual", "alternating", "single"])
def test_an_emergency_just_after_a_rotation(bed: Bed, strategy: str) -> None:
    """The stages still show the value before as AWSCURRENT: what ends is that one, never the new one."""
    user = bed.user(strategy)
    user.rotate(2)
    bed.clock.advance(10)
    user.rotate()
    with late(bed), suppress(RotationError):
        user.drop_previous()
    assert user.works(-1)
    assert not user.works(-2)


def test_rotating_by_hand_waits_until_it_can_be_seen(bed: Bed) -> None:
    """So that the older value can be ended at once, as in an emergency."""
    user = bed.user("dual")
    user.rotate()
    bed.clock.advance(10)
    settings = load({"ROTATION_CA_BUNDLE": str(bed.stack.database.ca_file)}, STRATEGIES)
    hand = ByHand(bed.client, lambda store: build(settings, store, bed.clock), bed.clock)
    with late(bed):
        hand.rotate_here(user.secret)
        assert hand.drop_previous(user.secret) == "swept"
    assert not user.works(-1)
    user.login(user.current)


@pytest.mark.parametrize("strategy", ["dual", "alternating"])
def test_a_sweep_just_after_a_rotation(bed: Bed, strategy: str) -> None:
    """By the late stages its time has come; by the real ones it hasn't, and nothing is ended."""
    user = bed.user(strategy)
    user.rotate(2)
    bed.clock.advance(GRACE_S + 10)
    user.rotate()
    with late(bed):
        assert user.sweep() == "too early"
    assert [user.works(-1), user.works(-2)] == [True, True]


def test_a_late_step_that_cannot_see_the_next_rotation(bed: Bed) -> None:
    """An old setSecret sees its own token pending, though a later value is AWSCURRENT: that one isn't written over."""
    user = bed.user("dual")
    user.rotate(2)
    bed.clock.advance(10)
    old = user.begin()
    for step in ("createSecret", "setSecret"):
        user.step(old, step)
    bed.clock.advance(4)
    user.drive(old)
    bed.clock.advance(0.5)
    user.rotate()
    with late(bed), suppress(RotationError):
        user.step(old, "setSecret")
    assert [user.works(-1), user.works(-2)] == [True, True]
