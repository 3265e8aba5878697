"""From numbers to "choose X when ...", by rules that are data.

Rules: pure. A rule names no winner: it names a figure, which end of it is better, and how close to the best is as good. Each
verdict says which rule made it and holds a JSON pointer (RFC 6901) for every figure that it stands on, so that a reader who
doubts it finds both. A rule whose figures are missing decides nothing, and says what is missing. Where all are as good, it
says that there is no difference: that is an answer too.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, Literal

import yaml

from vaultgate_ops.compare.result import NEVER, Tag

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Prefer = Literal["lowest", "highest", "true"]
DECIDED: Final = "decided"
SAME: Final = "no difference"
OPEN: Final = "not decided"
_RIVALS: Final = 2
"""Products that must have a figure, for there to be a choice; Vault's three engines are one."""


@dataclass(frozen=True)
class Rule:
    """One question and how it is answered.

    Args:
        id: stands in links.
        when: completes "Choose X when ...".
        source: which figures: a dimension's, by name and conditions; a use of the calculator; a row of the matrix.
        prefer: which end is better.
        enough: values at least this good are all good enough; None for none.
        within: values within this factor of the best are as good as it.
        samples: that a figure must be made of to count; a median of few decides nothing.
        able: a row of the matrix that a scenario's store must be able to do in full, to count; for uses.
        aside: what a reader must know beside the verdict, that its figures don't say.
    """

    id: str
    when: str
    source: Mapping[str, Any]
    prefer: Prefer
    enough: float | None = None
    within: float = 1
    samples: int = 1
    able: str | None = None
    aside: str = ""

    def in_words(self) -> str:
        """The rule as a sentence, for those who doubt a verdict."""
        if "usage" in self.source:
            able = "" if self.able is None else f' whose store can do "{self.able}" in full'
            what = f'the monthly cost, at the use "{self.source["usage"]}", of each scenario{able}'
        elif "feature" in self.source:
            what = f'the row "{self.source["feature"]}" of the matrix'
        else:
            held = "".join(f", {name} {value}" for name, value in self.source.get("conditions", {}).items())
            but = f", but {self.source['without']}" if "without" in self.source else ""
            what = f"{self.source['name']} of {self.source['dimension']}{but}{held}, the best of each store"
        if self.prefer == "true":
            return f"Take {what}. Chosen is where it is so in full; where it is so nowhere, where it is so in part."
        enough = "" if self.enough is None else f" Whatever is {self._bound()} {self.enough:g} is as good."
        within = "" if self.within == 1 else f" So is what is within a factor of {self.within:g} of the best."
        least = "" if self.samples == 1 else f" A figure of less than {self.samples:,} samples does not count."
        return f"Take {what}. The {self.prefer} is chosen.{enough}{within}{least}"

    def _bound(self) -> str:
        return "at most" if self.prefer == "lowest" else "at least"


@dataclass(frozen=True)
class Cell:
    """What one of the compared came to.

    Args:
        subject: id of a store or a scenario.
        title: of it, and of the way of reading it.
        value: the figure; None where it could not be had.
        unit: of it.
        tag: where it comes from.
        pointer: where it stands in the document.
        note: what a reader must know; why there is no value.
        rank: for comparison; smaller is better, None for no value.
        samples: that it is made of, where it was measured.
        conditions: that it was measured under.
        place: where a time was taken.
        wins: whether it is chosen.
    """

    subject: str
    title: str
    value: float | str | bool | None
    unit: str
    tag: str
    pointer: str
    note: str
    rank: float | None = field(repr=False)
    samples: int | None = None
    conditions: Mapping[str, Any] = field(default_factory=dict)
    place: str | None = None
    wins: bool = False


def load() -> tuple[Rule, ...]:
    """The package's rules."""
    raw = yaml.safe_load((files("vaultgate_ops.compare") / "verdicts.yaml").read_text(encoding="utf-8"))
    return tuple(Rule(**{("source" if key == "from" else key): value for key, value in one.items()}) for one in raw)


def reading(document: Mapping[str, Any], rules: Sequence[Rule]) -> dict[str, Any]:
    """Judge a document that has its cost and features already.

    Returns:
        ``{"rules": [{..., "text"}], "verdicts": [verdict], "summary": [{"subject", "title", "verdicts": [pointer]}]}``, as it
        stands at ``/verdicts`` of the document.
    """
    verdicts = [_verdict(document, rule, at) for at, rule in enumerate(rules)]
    return {
        "rules": [{**asdict(rule), "text": rule.in_words()} for rule in rules],
        "verdicts": verdicts,
        "summary": list(_summary(verdicts)),
    }


def _summary(verdicts: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """For each that was chosen, where."""
    titles: dict[str, str] = {}
    chosen: dict[str, list[str]] = {}
    for at, verdict in enumerate(verdicts):
        if verdict["state"] == DECIDED:
            for cell in verdict["cells"]:
                if cell["wins"]:
                    titles.setdefault(cell["subject"], cell["store_title"])
                    chosen.setdefault(cell["subject"], []).append(f"/verdicts/verdicts/{at}")
    for subject, where in chosen.items():
        yield {"subject": subject, "title": titles[subject], "verdicts": where}


def _verdict(document: Mapping[str, Any], rule: Rule, at: int) -> dict[str, Any]:
    cells = _cells(document, rule)
    ranks = [cell.rank for cell in cells if cell.rank is not None]
    base = {"id": rule.id, "when": rule.when, "rule": f"/verdicts/rules/{at}"}
    places = sorted({cell.place for cell in cells if cell.rank is not None and cell.place})
    if len(places) > 1:
        why = f"not decided: the times were taken in different places, {' and '.join(places)}, and do not compare"
        return {**base, "state": OPEN, "choose": [], "why": why, "cells": _shown(document, cells, set())}
    families = sorted({cell.subject.partition("-")[0] for cell in cells if cell.rank is not None})
    if len(families) < _RIVALS:
        missing = (
            _missing(rule, cells) if not families else f"only {families[0]} has a figure, so there is nothing to compare it with"
        )
        return {**base, "state": OPEN, "choose": [], "why": f"not decided: {missing}", "cells": _shown(document, cells, set())}
    limit = _limit(rule, min(ranks))
    wins = {cell.subject for cell in cells if cell.rank is not None and cell.rank <= limit}
    if len(wins) == len(ranks):
        return {
            **base,
            "state": SAME,
            "choose": [],
            "why": "no difference: all that have a figure are as good by this rule",
            "cells": _shown(document, cells, wins),
        }
    return {**base, "state": DECIDED, "choose": sorted(wins), "why": "", "cells": _shown(document, cells, wins)}


def _missing(rule: Rule, cells: Sequence[Cell]) -> str:
    if any(_few(cell.value, cell.samples, rule) for cell in cells):
        return f"no figure has the {rule.samples:,} samples that the rule wants; a full run takes more than a quick one"
    if "dimension" in rule.source:
        return f"nothing has a figure for {rule.source['name']} of {rule.source['dimension']}"
    return "nothing has a figure for it"


def _few(value: object, samples: int | None, rule: Rule) -> bool:
    """Whether a figure is made of too little to decide anything."""
    return value is not None and samples is not None and samples < rule.samples


def _limit(rule: Rule, best: float) -> float:
    """The rank up to which something is as good as the best."""
    if math.isinf(best):
        return best
    limit = best * rule.within if best > 0 else best / rule.within
    if rule.enough is None or rule.prefer == "true":
        return limit
    return max(limit, rule.enough if rule.prefer == "lowest" else -rule.enough)


def _shown(document: Mapping[str, Any], cells: Sequence[Cell], wins: set[str]) -> list[dict[str, Any]]:
    shown = []
    for cell in cells:
        whole = asdict(cell)
        del whole["rank"]
        shown.append({**whole, "store_title": _title(document, cell.subject), "wins": cell.subject in wins})
    return shown


def _title(document: Mapping[str, Any], subject: str) -> str:
    scenarios = {one["id"]: one["title"] for one in document["cost"]["scenarios"]}
    # A feature is a store's, a cost a scenario's; the ids that both know ("env") mean the same.
    known: dict[str, str] = {**document["features"]["stores"], **scenarios, **document["stores"]}
    return known.get(subject, subject)


def _cells(document: Mapping[str, Any], rule: Rule) -> list[Cell]:
    if "usage" in rule.source:
        return list(_of_usage(document, rule.source["usage"], rule.able))
    if "feature" in rule.source:
        return list(_of_feature(document, rule.source["feature"]))
    return list(_of_measurements(document, rule))


def _of_usage(document: Mapping[str, Any], usage: str, able: str | None) -> Iterator[Cell]:
    cost = document["cost"]
    rows = {row["id"]: row for row in document["features"]["rows"]}
    [at] = [index for index, one in enumerate(cost["usages"]) if one["id"] == usage]
    for scenario in cost["scenarios"]:
        amount = cost["usages"][at]["totals"][scenario["id"]]
        unfit = able is not None and rows[able]["cells"][scenario["store"]]["can"] != "full"
        yield Cell(
            scenario["id"],
            scenario["title"],
            amount,
            "USD a month",
            cost["tag"],
            f"/cost/usages/{at}/totals/{scenario['id']}",
            scenario["why_not"] or (f"does not count: {rows[able]['title']}: not in full" if unfit else ""),
            None if unfit else amount,
        )


def _of_feature(document: Mapping[str, Any], feature: str) -> Iterator[Cell]:
    matrix = document["features"]
    [at] = [index for index, row in enumerate(matrix["rows"]) if row["id"] == feature]
    ranks = {"full": 0.0, "partly": 1.0, "none": 2.0}
    for store, cell in matrix["rows"][at]["cells"].items():
        where = f"/features/rows/{at}/cells/{store}"
        yield Cell(store, matrix["stores"][store], cell["can"], "", cell["tag"], where, cell["text"], ranks[cell["can"]])


def _of_measurements(document: Mapping[str, Any], rule: Rule) -> Iterator[Cell]:
    """For each store its best way; a store without any figure has the reason."""
    titles = {one["id"]: one["title"] for one in document["contenders"]}
    best: dict[str, Cell] = {}
    for at, one in enumerate(document["measurements"]):
        if not _meant(one, rule.source):
            continue
        store = one["contender"].partition(".")[0]
        title = ": ".join(filter(None, (document["stores"].get(store, store), titles.get(one["contender"], ""))))
        taken = one["samples"] if one["tag"] == Tag.MEASURED else None
        rank = None if _few(one["value"], taken, rule) else _rank(one["value"], rule.prefer)
        where = f"/measurements/{at}/value"
        # What holds for one way of reading says how it was taken; what holds for a store says what it means.
        note = one["note"] if one["value"] is None or one["contender"] == store else ""
        if one["value"] == NEVER and "horizon_s" in one["conditions"]:
            note = f"waited {one['conditions']['horizon_s']} s. {note}".strip()
        measured = {"samples": taken, "conditions": one["conditions"], "place": one["place"]}
        cell = Cell(store, title, one["value"], one["unit"], one["tag"], where, note, rank, **measured)
        if store not in best or _better(cell, best[store]):
            best[store] = cell
    order = list(document["stores"])
    yield from sorted(best.values(), key=lambda cell: order.index(cell.subject) if cell.subject in order else len(order))


def _meant(one: Mapping[str, Any], source: Mapping[str, Any]) -> bool:
    held = source.get("conditions", {})
    return (
        one["dimension"] == source["dimension"]
        and fnmatchcase(one["name"], source["name"])
        and one["name"] != source.get("without")
        and all(one["conditions"].get(name) == value for name, value in held.items())
    )


def _better(cell: Cell, other: Cell) -> bool:
    return cell.rank is not None and (other.rank is None or cell.rank < other.rank)


def _rank(value: object, prefer: Prefer) -> float | None:
    """Smaller is better; what never happens is later than anything."""
    if value == NEVER:
        return math.inf if prefer == "lowest" else -math.inf
    if isinstance(value, bool):
        return 0.0 if value == (prefer != "lowest") else 1.0
    if isinstance(value, int | float):
        return float(value) if prefer == "lowest" else -float(value)
    return None
