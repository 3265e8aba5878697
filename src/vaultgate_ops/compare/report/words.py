"""A figure in words, and a document as CSV.

Rules: pure. No number leaves here without its tag, and no published one without its day and place. What could not be had is
said in words, never as 0 or a dash. Text of others is escaped for what it goes into.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from vaultgate_ops.compare.report import names
from vaultgate_ops.compare.result import NEVER

if TYPE_CHECKING:
    from collections.abc import Mapping

TAGS: Final = {"measured-here": "measured here", "computed": "computed", "published": "published"}
MEANINGS: Final = {
    "measured-here": "on the machine named below, in this comparison or in the test that is named",
    "computed": "from measured or published figures, by a formula that is shown",
    "published": "somebody else's, with the day it was read and where",
}
DIMENSIONS: Final = {
    "cold_start": "Cold start",
    "reads": "Reads",
    "staleness": "Staleness",
    "leak": "Life of a leaked credential",
    "outage": "Outage of the store",
    "audit": "Audit",
    "blast_radius": "Blast radius",
    "throttling": "Throttling",
}
LOOPBACK: Final = (
    "Vault and the database are real, AWS's stores are emulated, and times were taken on one machine's loopback."
    " They compare ways of reading with each other on that machine. They are not AWS's times."
)
REPEAT: Final = {
    "make compare": "everything again, from nothing: a stack of its own, eight to ten minutes on 2 cores",
    "make compare QUICK=1": "the same with fewer samples, in about a minute",
    "vaultgate compare --from result.json --prices mine.yaml": "this result with your prices; nothing is measured",
    "vaultgate compare --target aws": "with AWS's stores in an account of yours; says what it makes and costs, and asks first",
}
"""Commands, and what each does."""
_NAMED: Final = frozenset({"application", "policy"})
_COUNTED: Final = frozenset({"requests", "calls", "secrets"})
_TIMES: Final = frozenset({"us", "ms", "s"})
_SMALL: Final = 0.001
_THOUSAND: Final = 1000


def figure(value: object, unit: str = "") -> str:
    """A value with its unit, rounded to what a reader can use: three digits, all of them from 100 on."""
    if value is None:
        return "no figure"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _amount(value, unit) if isinstance(value, int | float) else str(value)


def _amount(value: float, unit: str) -> str:
    """A number as its unit wants it."""
    if unit.startswith("USD"):
        return f"${value:,.2f}{unit.removeprefix('USD')}"
    if unit == "yes/no":
        return figure(bool(value))
    if unit == "of the quota" and value >= 1:
        unit = "times the quota"
    elif unit == "us" and value >= _THOUSAND:
        value, unit = (value / _THOUSAND, "ms") if value < _THOUSAND**2 else (value / _THOUSAND**2, "s")
    elif unit in _COUNTED and value == 1:
        unit = unit.removesuffix("s")
    return f"{number(value)} {unit}".strip()


def number(value: float) -> str:
    """With three digits that count, and commas between thousands."""
    if value == 0:
        return "0"
    if abs(value) < _SMALL:
        return f"{value:.2g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def price(usd: float | None) -> str:
    """A price in all its digits, without an exponent."""
    return "not published" if usd is None else f"{Decimal(repr(usd)).normalize():f}"


def tag(one: Mapping[str, Any]) -> str:
    """Where a figure comes from, as it stands beside it."""
    words = TAGS[one["tag"]]
    source = one.get("source")
    if source and "url" in source and one["tag"] == "published":
        return f"{words} {source['date']}, {urlsplit(source['url']).hostname}"
    return words


def stated(cell: Mapping[str, Any]) -> str:
    """A verdict's or a measurement's figure with its tag; the reason where there is none."""
    if cell["value"] is None:
        return f"{figure(None)}: {cell['note']}" if cell["note"] else figure(None)
    return f"{figure(cell['value'], cell['unit'])}{horizon(cell)} ({tag(cell)}{samples(cell)})"


def samples(cell: Mapping[str, Any]) -> str:
    """Of how many samples a measured time is made; nothing for others."""
    many = cell.get("samples")
    if not many or cell["tag"] != "measured-here" or cell["unit"] not in _TIMES or not isinstance(cell["value"], int | float):
        return ""
    return f", {many:,} sample{'' if many == 1 else 's'}"


def horizon(cell: Mapping[str, Any]) -> str:
    """How long was waited for what did not come."""
    waited = cell.get("conditions", {}).get("horizon_s") if cell["value"] == NEVER else None
    return "" if waited is None else f" within {number(waited)} s"


def moment(made: str) -> str:
    """An instant for people, in UTC; what is no instant stays as it is."""
    try:
        return dt.datetime.fromisoformat(made).astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
    except ValueError:
        return made


def conditions(one: Mapping[str, Any]) -> str:
    """What a figure holds under, but for what its name says."""
    return ", ".join(names.condition(key, figure(value)) for key, value in one["conditions"].items() if key not in _NAMED)


def warnings(document: Mapping[str, Any]) -> list[str]:
    """What a reader must know before any figure: whose times these are, what else the machine did, what is missing."""
    told = [LOOPBACK] if document["target"] == "local" else []
    load, cores = (document["machine"].get(fact) for fact in ("load_before", "cores"))
    if isinstance(load, int | float) and isinstance(cores, int) and load > cores / 2:
        told.append(
            f"The machine had other work: {number(load)} processes wanted to run in the minute before, on {cores} cores."
            " On an idle one times are shorter."
        )
    if not document["complete"]:
        told.append("Only a part of the comparison was asked for: the other figures are missing.")
    return told


def title_of(document: Mapping[str, Any], contender: str) -> str:
    """A contender or a store, for people."""
    stores = document["stores"]
    for one in document["contenders"]:
        if one["id"] == contender:
            return f"{stores.get(one['store'], one['store'])}: {one['title']}"
    return str(stores.get(contender, contender))


def as_csv(document: Mapping[str, Any]) -> str:
    """Every measurement, one line each; series are left to the JSON.

    A text that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    columns = ("dimension", "contender", "name", "value", "unit", "tag", "samples", "place", "note")
    writer.writerow(["pointer", *columns, "conditions", "source", "source_date"])
    for at, one in enumerate(document["measurements"]):
        source = one["source"] or {}
        row = [*(one[column] for column in columns), json.dumps(one["conditions"], sort_keys=True)]
        row += [source.get("url", ""), source.get("date", "")]
        writer.writerow([f"/measurements/{at}", *("" if cell is None else _harmless(cell) for cell in row)])
    return out.getvalue()


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
