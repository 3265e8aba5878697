"""A verdict in words: what it chooses, and its figures with where each comes from.

Rules: pure; nothing is judged here. A verdict's cell has the source of the figure that its pointer leads to.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from vaultgate_ops.compare.report import names, words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CAN: Final = {"full": "yes", "partly": "partly", "none": "no"}
"""How far a store can do something, in an answer."""
_UNITS: Final = frozenset({"us", "ms", "s"})
_MANY: Final = 3
_FEW: Final = 2


def resolve(document: object, pointer: str) -> Any:
    """What a JSON pointer (RFC 6901) points at.

    Raises:
        KeyError, IndexError, ValueError: nothing.
    """
    here: Any = document
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        here = here[int(key)] if isinstance(here, list) else here[key]
    return here


def cells(document: Mapping[str, Any], verdict: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A verdict's cells, each with its ``source``; what a row of the matrix says is an answer: yes, partly, no.

    ``remark`` is what nobody may leave out: why a cost that is lower than the chosen one doesn't count.
    """
    return [_sourced(document, cell) for cell in verdict["cells"]]


def _sourced(document: Mapping[str, Any], cell: Mapping[str, Any]) -> dict[str, Any]:
    kind = cell["pointer"].split("/")[1]
    if kind == "features":
        row = resolve(document, cell["pointer"])
        return {**cell, "source": row["source"], "value": CAN[cell["value"]], "remark": ""}
    if kind == "measurements":
        return {**cell, "source": resolve(document, cell["pointer"].removesuffix("/value"))["source"], "remark": ""}
    return {**cell, "source": None, "remark": cell["note"] if cell["value"] is not None else ""}


def meant(document: Mapping[str, Any], rule: Mapping[str, Any]) -> list[str]:
    """What the short names of a rule mean, and the unit of its figures: ``["warm_p99: warm read, 99th percentile, in us"]``."""
    source = rule["source"]
    rows = {row["id"]: row["title"] for row in document["features"]["rows"]}
    told = []
    if "usage" in source:
        told += [f'"{one["id"]}": {one["title"]}' for one in document["cost"]["usages"] if one["id"] == source["usage"]]
    elif "feature" in source:
        told.append(f'"{source["feature"]}": {rows[source["feature"]]}')
    else:
        found = (one for one in document["measurements"] if one["dimension"] == source["dimension"])
        units = {one["unit"] for one in found if fnmatchcase(one["name"], source["name"])} & _UNITS
        known = "" if source["name"].endswith("*") else f": {names.name(source['name'])}"
        told.append(f"{source['name']}{known}{''.join(f', in {unit}' for unit in sorted(units))}")
    if rule["able"] is not None:
        told.append(f'"{rule["able"]}": {rows[rule["able"]]}')
    return told


def choice(document: Mapping[str, Any], verdict: Mapping[str, Any]) -> tuple[str, list[str]]:
    """What is chosen: words before the titles, and the titles, to be joined by "or".

    Where nearly all stores are as good, those that are not are what a reader looks for: ``("any but", [those])``. No titles where
    nothing is chosen.
    """
    if not verdict["choose"]:
        return "", []
    wins = [cell["store_title"] for cell in verdict["cells"] if cell["wins"]]
    rest = [cell for cell in verdict["cells"] if not cell["wins"]]
    everybody = {cell["subject"] for cell in verdict["cells"]} >= document["stores"].keys()
    if everybody and len(wins) > _MANY and len(rest) <= _FEW and all(cell["value"] is not None for cell in rest):
        return "any but", [cell["store_title"] for cell in rest]
    return "", wins


def in_words(document: Mapping[str, Any], verdict: Mapping[str, Any]) -> str:
    """The choice in one go; the reason where there is none."""
    before, titles = choice(document, verdict)
    return f"{before} {' or '.join(titles)}".strip() or str(verdict["why"])


def spread(document: Mapping[str, Any], verdict: Mapping[str, Any], some: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """From where to where the figures of some cells go, so that a reader needn't open their list to see how far apart they are.

    Returns:
        ``{"text", "value", "tag"}``, the tag None for answers, which aren't numbers; None where nothing holds for all: no
        figures, more than one unit or tag, numbers beside words, or a rule that lets only some of them count.
    """
    figures = [cell for cell in some if cell["value"] is not None]
    kinds = {(cell["unit"], cell["tag"]) for cell in figures}
    if not figures or resolve(document, verdict["rule"])["able"] is not None:
        return None
    said = list(dict.fromkeys(words.figure(cell["value"], cell["unit"]) for cell in figures))
    if all(one in CAN.values() for one in said):
        return {"text": " or ".join(said), "value": said[0], "tag": None}
    if len(kinds) != 1:
        return None
    [(unit, tag)] = kinds
    told = {f"{words.figure(cell['value'], unit)}{words.horizon(cell)}" for cell in figures}
    if len(told) == 1:
        return {"text": told.pop(), "value": figures[0]["value"], "tag": tag}
    if any(isinstance(cell["value"], str | bool) for cell in figures):
        return None
    low, high = min(cell["value"] for cell in figures), max(cell["value"] for cell in figures)
    return {"text": f"{words.figure(low, unit)} to {words.figure(high, unit)}", "value": f"{low}/{high}", "tag": tag}
