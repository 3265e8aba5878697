"""Killed anywhere, the mirror loses nothing: fifty of the stories that the soak tells a thousand of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.audit.crash import trial

if TYPE_CHECKING:
    from pathlib import Path

    from tests.audit.crash import Nursery


@pytest.mark.parametrize("seed", range(50))
def test_whatever_is_killed_when_every_line_arrives(seed: int, scene: Path, lives: Nursery) -> None:
    """Every line on disk arrived, no other did, and what came twice was under way when something was killed."""
    outcome = trial(seed, scene, lives)
    assert outcome.problems == []
    assert outcome.lines
