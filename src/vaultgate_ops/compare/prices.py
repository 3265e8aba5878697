"""The prices file: dated, sourced, and meant to be edited.

Rules: nothing here is a price; all of them stand in prices.yaml or in a file that somebody named. Every problem of a file is
told at once, with its line and field. A price that nobody publishes is None and stays None: what depends on it isn't decided.
"""

from __future__ import annotations

import datetime as dt
import math
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any, Final

from vaultgate_ops.bootstrap.variables import nearest
from vaultgate_ops.bootstrap.yamlfile import Findings, parse
from vaultgate_ops.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KNOWN: Final = (
    "secrets_manager.secret",
    "secrets_manager.call",
    "ssm.standard_parameter",
    "ssm.advanced_parameter",
    "ssm.call",
    "kms.key",
    "kms.call",
    "logs.ingested_gb",
    "logs.stored_gb",
    "lambda.gb_second",
    "endpoint.hour",
    "ec2.server_hour",
    "ec2.disk_gb",
    "elb.hour",
    "hcp.cluster_hour",
)
"""Each price that the calculator uses; a file has all of them and no other."""

STANDINGS: Final = ("quoted", "check")
_FIELDS: Final = ("usd", "unit", "per", "free", "standing", "source", "date", "note")
_HINT: Final = "Correct the file; src/vaultgate_ops/compare/prices.yaml has every field with its meaning."


@dataclass(frozen=True)
class Price:
    """What ``per`` units cost.

    Args:
        usd: of ``per`` units; None where nobody publishes it.
        unit: what is counted, in the plural.
        per: how many units ``usd`` is for.
        free: units a month that cost nothing.
        standing: ``quoted`` where it stood in these figures at ``source``, by a copy of the page, else ``check``.
        source: an address.
        date: of the copy, or of the day on which it was last said, ISO.
        note: what it leaves out, or empty.
    """

    usd: float | None
    unit: str
    per: float
    free: float
    standing: str
    source: str
    date: str
    note: str

    def each(self) -> float | None:
        """What one unit costs."""
        return None if self.usd is None else self.usd / self.per


@dataclass(frozen=True)
class Prices:
    """A whole file.

    Args:
        currency: of all prices.
        region: the AWS region they hold in.
        by_id: the prices, by their names in the file.
    """

    currency: str
    region: str
    by_id: Mapping[str, Price]

    def as_json(self) -> dict[str, Any]:
        """As it stands in the result."""
        return {
            "currency": self.currency,
            "region": self.region,
            "prices": {name: {**asdict(price), "usd_each": price.each()} for name, price in self.by_id.items()},
        }


def load(path: Path | None = None) -> Prices:
    """Read a prices file, ours where none is named.

    Raises:
        UsageProblem: it can't be read, or something in it is wrong; each problem has its line and field.
    """
    if path is None:
        with as_file(files("vaultgate_ops.compare") / "prices.yaml") as ours:
            return load(ours)
    raw, findings = parse(path, hint="Name a file of prices with --prices, or leave the option out.")
    prices = _prices(raw, findings)
    if findings.found:
        count = len(findings.found)
        raise UsageProblem(f"{path} can't be used, {count} problem{'' if count == 1 else 's'}:{findings.text()}", _HINT)
    return prices


def _prices(raw: object, findings: Findings) -> Prices:
    if not isinstance(raw, dict):
        findings.add((), "the file must be a mapping with currency, region and prices")
        raw = {}
    for key in raw.keys() - {"currency", "region", "prices"}:
        findings.add((key,), f"unknown{nearest(key, ('currency', 'region', 'prices'))}")
    table = raw.get("prices")
    if not isinstance(table, dict):
        findings.add(("prices",), "must be a mapping of names to prices")
        table = {}
    for name in table.keys() - set(KNOWN):
        findings.add(("prices", name), f"no such price{nearest(name, KNOWN)}")
    for name in (name for name in KNOWN if name not in table):
        findings.add(("prices",), f"{name} is missing")
    currency = _text(raw, "currency", (), findings)
    if currency and currency != "USD":
        findings.add(("currency",), "must be USD: the field of a price is named usd")
    return Prices(
        currency,
        _text(raw, "region", (), findings),
        {name: _price(table[name], ("prices", name), findings) for name in KNOWN if name in table},
    )


def _price(raw: object, where: tuple[str, ...], findings: Findings) -> Price:
    if not isinstance(raw, dict):
        findings.add(where, f"must be a mapping with {', '.join(_FIELDS)}")
        return Price(None, "", 1, 0, "check", "", "", "")
    for key in raw.keys() - set(_FIELDS):
        findings.add((*where, key), f"unknown{nearest(key, _FIELDS)}")
    standing = _text(raw, "standing", where, findings)
    if standing and standing not in STANDINGS:
        findings.add((*where, "standing"), f"must be one of {', '.join(STANDINGS)}")
    source = _text(raw, "source", where, findings)
    if source and not source.startswith("https://"):
        findings.add((*where, "source"), "must be an address that begins with https://")
    if "usd" not in raw:
        findings.add(where, "usd is missing; null says that it is not published")
    per = _number(raw.get("per", 1), (*where, "per"), findings)
    if per == 0:
        findings.add((*where, "per"), "must be above 0")
    return Price(
        None if raw.get("usd") is None else _number(raw["usd"], (*where, "usd"), findings),
        _text(raw, "unit", where, findings),
        per or 1,
        _number(raw.get("free", 0), (*where, "free"), findings),
        standing,
        source,
        _day(raw.get("date"), (*where, "date"), findings),
        _text(raw, "note", where, findings) if "note" in raw else "",
    )


def _text(raw: Mapping[str, object], key: str, where: tuple[str, ...], findings: Findings) -> str:
    value = raw.get(key)
    if not isinstance(value, str) or not value.strip():
        findings.add((*where, key), "must be a text" if key in raw else "is missing")
        return ""
    return value.strip()


def _number(value: object, where: tuple[str, ...], findings: Findings) -> float:
    number = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):
            number = float(value)
    if math.isfinite(number) and number >= 0:
        return number
    findings.add(where, "must be a number that is not below 0")
    return 0


def _day(value: object, where: tuple[str, ...], findings: Findings) -> str:
    """A date as YAML has it, or as a text."""
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value.isoformat()
    try:
        return dt.date.fromisoformat(str(value)).isoformat()
    except ValueError:
        findings.add(where, "must be a date such as 2026-11-21")
        return ""
