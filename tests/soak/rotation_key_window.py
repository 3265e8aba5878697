"""Promise 12 for an API's key in full: 200 rotations with gaps of up to two seconds, a call every 5 ms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.rotation.conftest import key_bed as key_bed  # noqa: PLC0414 - a fixture
from tests.rotation.test_key_window import trial

if TYPE_CHECKING:
    from tests.rotation.keys import KeyBed


def test_two_hundred_rotations(key_bed: KeyBed) -> None:
    """0 failed calls with AWSCURRENT's key."""
    with key_bed.account() as account:
        outcome = trial(account, 200, 2)
    assert outcome.figures.failed == 0, outcome.figures
