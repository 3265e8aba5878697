"""Metrics as CloudWatch takes them out of a log: one line of the embedded metric format for what happened since the last.

Rules: imported only where VAULTGATE_METRICS=emf; numbers come from the log's own events, whatever its level, so nothing else in
the extension knows of them; a line is written when something was counted, at an invocation's beginning and at the end, because
a sandbox may be frozen in between; no field tells a path or a name but the function's.
Source: Amazon CloudWatch User Guide, "Specification: Embedded metric format".
"""

from __future__ import annotations

import json
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

NAMESPACE = "Vaultgate"
UNITS = {
    "LoginMs": "Milliseconds",
    "RefreshMs": "Milliseconds",
    "Hits": "Count",
    "Misses": "Count",
    "StaleServed": "Count",
    "Relogins": "Count",
    "Refused": "Count",
    "LeasesHeld": "Count",
    "CircuitOpen": "Count",
}
"""Every metric and its unit; docs/metrics.md says what each means."""

_TIMES = {"login": "LoginMs", "refresh": "RefreshMs"}
_COUNTS = {"token-dead": "Relogins", "token-over": "Relogins", "refused": "Refused"}
_ANSWERS = {"hit": "Hits", "miss": "Misses", "stale": "StaleServed"}
# The most values that one metric may have in a line.
_MOST = 100


class Metrics:
    """Hears what the log is told. Safe for threads.

    Args:
        function: the function's name, the only dimension.
    """

    def __init__(self, function: str) -> None:
        self._function = function
        self._lock = threading.Lock()
        self._times: dict[str, list[float]] = {}
        self._counts: dict[str, int] = {}

    def hear(self, event: str, fields: Mapping[str, object]) -> None:
        """Count an event of the log, if it is one that counts."""
        counted = _ANSWERS.get(str(fields.get("cache"))) if event == "request" else _COUNTS.get(event)
        timed, ms = _TIMES.get(event), fields.get("ms")
        with self._lock:
            if counted is not None:
                self._counts[counted] = self._counts.get(counted, 0) + 1
            if timed is not None and isinstance(ms, int | float):
                values = self._times.setdefault(timed, [])
                if len(values) < _MOST:
                    values.append(ms)

    def line(self, wall: float, health: Mapping[str, object]) -> str | None:
        """What was counted since the last line, and how things stand; None where nothing was.

        Args:
            wall: seconds since 1970.
            health: `leases_held` and `circuit`, as the broker tells them.
        """
        with self._lock:
            values: dict[str, object] = {**self._times, **self._counts}
            self._times, self._counts = {}, {}
        if not values:
            return None
        values["LeasesHeld"] = health["leases_held"]
        values["CircuitOpen"] = int(health["circuit"] != "closed")
        directive = {
            "Namespace": NAMESPACE,
            "Dimensions": [["FunctionName"]],
            "Metrics": [{"Name": name, "Unit": UNITS[name]} for name in values],
        }
        told = {"_aws": {"Timestamp": int(wall * 1000), "CloudWatchMetrics": [directive]}, "FunctionName": self._function}
        return json.dumps({**told, **values})
