"""Killed anywhere, the mirror loses nothing: a thousand stories."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from tests.audit.conftest import lives as lives  # noqa: PLC0414 - a fixture
from tests.audit.conftest import scene as scene  # noqa: PLC0414 - a fixture
from tests.audit.crash import trial

if TYPE_CHECKING:
    from pathlib import Path

    from tests.audit.crash import Nursery

log = logging.getLogger("soak")
TOGETHER = 20


@pytest.mark.parametrize("first", range(0, 1000, TOGETHER))
def test_whatever_is_killed_when_every_line_arrives(first: int, scene: Path, lives: Nursery) -> None:
    """Every line on disk arrived, no other did, and what came twice was under way when something was killed."""
    problems, lines, deaths, twice = {}, 0, 0, 0
    for seed in range(first, first + TOGETHER):
        folder = scene / str(seed)
        folder.mkdir()
        outcome = trial(seed, folder, lives)
        lines, deaths, twice = lines + outcome.lines, deaths + outcome.deaths, twice + outcome.twice
        if outcome.problems:
            problems[seed] = outcome.problems
    log.info("seeds %d to %d: %d lines, %d deaths, %d lines came twice", first, seed, lines, deaths, twice)
    assert problems == {}
