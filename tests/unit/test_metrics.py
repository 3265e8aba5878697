"""Metrics: what is counted of the log's events, and the line that CloudWatch reads."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

from tests.simulators.clock import MovableClock

from vaultgate.log import Log
from vaultgate.metrics import UNITS, Metrics

HEALTH = {"leases_held": 3, "circuit": "closed"}
DOCS = Path(__file__).parents[2] / "docs/metrics.md"


def line(metrics: Metrics, **health: object) -> dict[str, Any]:
    """A line, which must be there, as CloudWatch reads it."""
    text = metrics.line(1_795_262_400.5, {**HEALTH, **health})
    assert text is not None
    assert "\n" not in text
    document: dict[str, Any] = json.loads(text)
    return document


def test_a_line_is_the_embedded_metric_format() -> None:
    """Every value of the line is declared with its unit, under one dimension, at the time in milliseconds."""
    metrics = Metrics("records")
    metrics.hear("login", {"ms": 21.7})
    metrics.hear("request", {"cache": "hit"})
    told = line(metrics)
    assert told == {
        "_aws": {
            "Timestamp": 1_795_262_400_500,
            "CloudWatchMetrics": [
                {
                    "Namespace": "Vaultgate",
                    "Dimensions": [["FunctionName"]],
                    "Metrics": [
                        {"Name": "LoginMs", "Unit": "Milliseconds"},
                        {"Name": "Hits", "Unit": "Count"},
                        {"Name": "LeasesHeld", "Unit": "Count"},
                        {"Name": "CircuitOpen", "Unit": "Count"},
                    ],
                }
            ],
        },
        "FunctionName": "records",
        "LoginMs": [21.7],
        "Hits": 1,
        "LeasesHeld": 3,
        "CircuitOpen": 0,
    }


def test_each_event_counts_as_what_it_is() -> None:
    """Hits, misses, stale answers, logins again and refusals are told apart; a bypass is none of them."""
    metrics = Metrics("records")
    for cache, times in (("hit", 3), ("miss", 2), ("stale", 1), ("bypass", 5), (None, 1)):
        for _ in range(times):
            metrics.hear("request", {"cache": cache})
    for event in ("token-dead", "token-over", "refused", "file-written"):
        metrics.hear(event, {"cache": "hit", "ms": 1})
    metrics.hear("refresh", {"ms": 4})
    metrics.hear("refresh", {"ms": 5.5})
    told = line(metrics, circuit="open")
    counts = {name: told.get(name) for name in UNITS}
    assert counts == {
        "LoginMs": None,
        "RefreshMs": [4, 5.5],
        "Hits": 3,
        "Misses": 2,
        "StaleServed": 1,
        "Relogins": 2,
        "Refused": 1,
        "LeasesHeld": 3,
        "CircuitOpen": 1,
    }


def test_nothing_counted_is_no_line() -> None:
    """An idle sandbox costs no log; what was told is not told again."""
    metrics = Metrics("records")
    assert metrics.line(0, HEALTH) is None
    metrics.hear("refused", {})
    assert line(metrics)["Refused"] == 1
    assert metrics.line(0, HEALTH) is None


def test_a_metric_has_at_most_a_hundred_values() -> None:
    """CloudWatch takes no more in one line."""
    metrics = Metrics("records")
    for ms in range(150):
        metrics.hear("login", {"ms": ms})
    assert line(metrics)["LoginMs"] == list(range(100))


def test_the_log_is_heard_whatever_its_level() -> None:
    """Metrics don't depend on how much is logged, and the log doesn't change by being heard."""
    metrics, stream = Metrics("records"), io.StringIO()
    journal = Log(stream, "error", MovableClock(), metrics.hear)
    journal.debug("request", "answered", cache="hit")
    journal.error("refused", "no")
    assert (line(metrics)["Hits"], stream.getvalue().count("\n")) == (1, 1)


def test_the_page_names_every_metric() -> None:
    """docs/metrics.md has each metric with its unit."""
    rows = [row.split("|")[1:3] for row in DOCS.read_text(encoding="utf-8").splitlines() if row.startswith("| `")]
    described = {name: unit.strip() for names, unit in rows for name in re.findall(r"`(\w+)`", names)}
    assert described == UNITS
