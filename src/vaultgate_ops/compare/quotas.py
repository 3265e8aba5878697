"""Published quotas, and how many reads or cold starts a second they allow.

Rules: the numbers stand in quotas.yaml with their sources. Nothing is measured here, and moto has no quotas: what comes out
is tagged ``computed``, and stands on what is published.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import yaml

from vaultgate_ops.compare.result import Dimension, Measurement, Source, Tag

if TYPE_CHECKING:
    from collections.abc import Iterator

CALLS_PER_MILLION: Final = (1_000_000, 10_000)
"""Nothing kept, and one call for a hundred invocations."""


_EACH_COLD_START: Final = {
    ("sts.get_caller_identity", "vault-dynamic"): "one login",
    ("sts.get_caller_identity", "vault-static"): "one login",
    ("sts.get_caller_identity", "vault-kv"): "one login",
    ("kms.decrypt", "env"): "one Decrypt",
}
"""Quotas that cold starts meet, not reads."""


@dataclass(frozen=True)
class Quota:
    """How often something may be called.

    Args:
        id: ``SERVICE.ACTION``.
        stores: ids of the stores that meet it.
        title: of the action.
        per_second: calls, for an account in a region.
        adjustable: whether AWS raises it on request.
        standing: ``quoted`` or ``check``, as in the prices file.
        source: an address.
        date: when it was read there, ISO.
        note: what a reader must know.
    """

    id: str
    stores: tuple[str, ...]
    title: str
    per_second: float
    adjustable: bool
    standing: str
    source: str
    date: str
    note: str

    def as_source(self) -> Source:
        """Where it is published."""
        return Source(
            self.source, f"{self.title}: {'quoted' if self.standing == 'quoted' else 'as widely published, check'}", self.date
        )


def load() -> tuple[Quota, ...]:
    """All quotas that the package knows."""
    raw: list[dict[str, Any]] = yaml.safe_load((files("vaultgate_ops.compare") / "quotas.yaml").read_text(encoding="utf-8"))
    return tuple(Quota(**{**one, "stores": tuple(one["stores"]), "date": _iso(one["date"])}) for one in raw)


def _iso(day: dt.date | str) -> str:
    return day.isoformat() if isinstance(day, dt.date) else day


def invocations(per_second: float, calls_per_million: float) -> float:
    """How many invocations a second a quota allows, where a million of them call so often."""
    return per_second * 1_000_000 / calls_per_million


def measurements() -> list[Measurement]:
    """The dimension ``throttling``: each quota as published, and the invocations a second that it allows."""
    return [one for quota in load() for store in quota.stores for one in _of(quota, store)]


def _of(quota: Quota, store: str) -> Iterator[Measurement]:
    name = quota.id.replace(".", "_")
    source = quota.as_source()
    yield Measurement(
        Dimension.THROTTLING,
        store,
        f"{name}_quota",
        quota.per_second,
        "1/s",
        Tag.PUBLISHED,
        source,
        0,
        f"{quota.title}: {quota.note}",
        conditions={"adjustable": "yes" if quota.adjustable else "no"},
    )
    if (each := _EACH_COLD_START.get((quota.id, store))) is not None:
        yield Measurement(
            Dimension.THROTTLING,
            store,
            "cold_starts_per_second",
            quota.per_second,
            "1/s",
            Tag.COMPUTED,
            source,
            0,
            f"{each} for each cold start",
        )
        return
    for calls in CALLS_PER_MILLION:
        yield Measurement(
            Dimension.THROTTLING,
            store,
            f"{name}_invocations_per_second",
            invocations(quota.per_second, calls),
            "1/s",
            Tag.COMPUTED,
            source,
            0,
            "above it the service throttles",
            conditions={"calls_per_million": calls},
        )
