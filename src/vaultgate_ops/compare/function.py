"""The function that every contender is measured in: it reads one store by one way, or answers GET /records with it.

Rules: it imports at its init what its way needs and no more; an answer holds counts, times and a mark by which two
passwords can be told apart, never a password. A failure is an answer too, by its kind alone.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from vaultgate_ops.clock import Clock
from vaultgate_ops.compare import ways
from vaultgate_ops.compare.stopwatch import read, timed

if TYPE_CHECKING:
    from collections.abc import Callable

_environ = dict(os.environ)
_clock = Clock()
_read = ways.make(_environ)
_applications: dict[str, Callable[[dict[str, Any], Any], dict[str, Any]]] = {}


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Do what the event says under ``do``: read, many, or records."""
    match event["do"]:
        case "read":
            return read(_read, _clock, anew=bool(event.get("anew")))
        case "many":
            return {"us": timed(_read, _clock, int(event["reads"]), anew=bool(event.get("anew")))}
        case "records":
            return _records(str(event["application"]), context)
    raise ValueError(event["do"])


def _records(application: str, context: Any) -> dict[str, Any]:
    # Heavy, and no part of the cold starts that are measured.
    from vaultgate_ops.local.proxy_events import GET_RECORDS  # noqa: PLC0415

    if application not in _applications:
        from vaultgate_ops.compare.applications import make  # noqa: PLC0415

        _applications[application] = make(application, ways.make(_environ), _environ)
    return _applications[application](GET_RECORDS, context)
