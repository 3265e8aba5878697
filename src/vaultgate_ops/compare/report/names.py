"""What the result's short names are called where people read them.

Rules: pure. A name that isn't here is written with spaces for its underscores: a new figure never breaks a report.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES: Final = {
    "first_secret_p50": "from the start to the first secret, median",
    "first_secret_max": "from the start to the first secret, slowest",
    "init_p50": "the sandbox's init, median",
    "warm_p50": "warm read, median",
    "warm_p99": "warm read, 99th percentile",
    "miss_p50": "read that asks the store, median",
    "miss_p99": "read that asks the store, 99th percentile",
    "first_calls": "calls to the store at a cold start",
    "miss_calls": "calls to the store for a read that asks it",
    "calls_per_million": "calls to the store for a million invocations",
    "failed_careful": "failed, careful application",
    "failed_trusting": "failed, trusting application",
    "new_value_careful": "until the new value is in use, careful application",
    "new_value_trusting": "until the new value is in use, trusting application",
    "default_lifetime": "an answer is kept by default for",
    "unnoticed": "until it ends, if nobody notices",
    "served": "served while the store was down",
    "failed": "failed while the store was down",
    "longest": "longest while the store was down",
    "back": "until served again, once the store is back",
    "file_ms": "until it stands in Vault's log",
    "searchable_ms": "until it can be searched",
    "searchable": "can be searched after",
    "session_traceable": "one session leads to one invocation",
    "readable_shipped": "also readable, by this project's policy",
    "readable_default": "also readable, with the makers' own policies",
    "opens_shipped": "opened by this project's policy",
    "opens_default": "opened with the makers' own policies",
    "decrypts": "who may decrypt",
    "share_of_quota": "share of the quota",
}
_LEAK: Final = re.compile(r"(login|session)_after_(\w+)")
_TRIES: Final = {"login": "logging in", "session": "an open session"}
_ACTS: Final = {
    "revoke_lease": "its lease is revoked",
    "revoke_token": "its token is revoked",
    "rotate": "a rotation",
    "rotate_single": "a rotation by 'single'",
    "rotate_dual": "a rotation by 'dual'",
    "drop_previous": "a rotation by 'dual' and --drop-previous",
    "delete": "the secret is deleted",
    "change": "the password is changed by hand",
}
_CONDITIONS: Final = {
    "per_second": "{} a second",
    "invocations_per_s": "{} invocations a second",
    "cold_starts_per_s": "{} cold starts a second",
    "concurrency": "{} at once",
    "lifetime_s": "kept for {} s",
    "horizon_s": "waited for up to {} s",
    "down_s": "down for {} s",
    "of": "of {} others",
    "load": "{}",
}
_FACTS: Final = {
    "cpu": "processor",
    "memory_mb": "memory",
    "load_before": "load before, mean of a minute",
    "load_after": "load after, mean of a minute",
}


def name(short: str) -> str:
    """A measurement as people call it."""
    if short in NAMES:
        return NAMES[short]
    if leak := _LEAK.fullmatch(short):
        return f"{_TRIES[leak[1]]}, after {_ACTS.get(leak[2], leak[2].replace('_', ' '))}"
    return short.replace("_", " ")


def condition(short: str, value: str) -> str:
    """What a figure holds under, with its value in words."""
    return _CONDITIONS[short].format(value) if short in _CONDITIONS else f"{short.replace('_', ' ')} {value}"


def facts(document: Mapping[str, Any]) -> dict[str, str]:
    """The machine's facts, then the versions."""
    machine = {_FACTS.get(short, short.replace("_", " ")): _fact(short, value) for short, value in document["machine"].items()}
    return {**machine, **document["versions"]}


def _fact(short: str, value: object) -> str:
    return f"{value:,} MB" if short.endswith("_mb") and isinstance(value, int) else str(value)
