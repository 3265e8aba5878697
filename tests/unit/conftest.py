"""How properties are tried: the same examples each time, and nothing written outside build/."""

from __future__ import annotations

from pathlib import Path

from hypothesis import configuration, settings

configuration.set_hypothesis_home_dir(Path(__file__).parents[2] / "build" / "hypothesis")
# Deadlines measure the machine, and two cores may be busy.
settings.register_profile("same-each-time", derandomize=True, database=None, deadline=None)
settings.load_profile("same-each-time")
