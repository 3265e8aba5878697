"""Throttling: how near a function's reads come to what AWS lets an account do in a second. Computed, never provoked.

Rules: two loads: the first second of a burst, with as many cold starts as Lambda lets one function begin at once, and a steady
load. What a cold start and a read cost in calls is what `reads` counted; without these counts nothing is computed. The function
is taken to be alone in its account. A quota is taken as AWS sets it; where an administrator may pay for a higher one, the same
loads are computed for that as well, under names of their own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vaultgate_ops.compare.contenders import VAULTS, Keeps, entry
from vaultgate_ops.compare.experiments import unmeasured
from vaultgate_ops.compare.published import COLD_STARTS_PER_S, QUOTAS
from vaultgate_ops.compare.result import Dimension, Measurement, Tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vaultgate_ops.compare.published import Quota

INVOCATIONS_PER_S = (10.0, 100.0, 1000.0)
_NAME = "share_of_quota"


def throttling(measured: Iterable[Measurement]) -> list[Measurement]:
    """Shares of the quotas, by contender and load; 1 is the quota.

    Args:
        measured: the figures of the comparison; `first_calls` and `miss_calls` of the dimension `reads` are used.
    """
    counts: dict[str, dict[str, float]] = {}
    for one in measured:
        if one.dimension is Dimension.READS and one.name in ("first_calls", "miss_calls") and isinstance(one.value, (int, float)):
            counts.setdefault(one.contender, {})[one.name] = one.value
    quotas = {quota.store: quota for quota in QUOTAS}
    figures = []
    for contender, counted in counts.items():
        store = entry(contender).store
        if store in VAULTS:
            why = "Vault has no quota of an account: its own limit is its servers', or a rate limit that an administrator sets."
            # Under the load that the verdict is about: who has no quota is told of there too.
            figures.append(replace(unmeasured(Dimension.THROTTLING, contender, _NAME, why), conditions={"load": "burst"}))
        elif contender != "env.plain":
            figures += _shares(contender, counted, quotas[store])
    return figures


def _shares(contender: str, counted: Mapping[str, float], quota: Quota) -> list[Measurement]:
    loads: list[tuple[str, float, dict[str, float | str]]] = [
        ("burst", COLD_STARTS_PER_S * counted["first_calls"], {"cold_starts_per_s": COLD_STARTS_PER_S})
    ]
    if entry(contender).keeps is Keeps.NOTHING:
        loads += [("steady", rate * counted["miss_calls"], {"invocations_per_s": rate}) for rate in INVOCATIONS_PER_S]
    figures = [_share(contender, calls, quota, quota.per_second, {"load": load, **held}) for load, calls, held in loads]
    if quota.paid:
        figures += [
            _share(contender, calls, quota, quota.paid, {"load": f"{load}, {quota.switch} paid for", **held})
            for load, calls, held in loads
        ]
    return figures


def _share(contender: str, calls: float, quota: Quota, most: float, conditions: dict[str, float | str]) -> Measurement:
    note = f"{calls:g} calls a second, {most:,.0f} {quota.call} allowed in us-east-1. {quota.note}".strip()
    share = round(calls / most, 4)
    return Measurement(
        Dimension.THROTTLING,
        contender,
        _NAME,
        share,
        "of the quota",
        Tag.COMPUTED,
        quota.source,
        note=note,
        conditions=conditions,
    )
