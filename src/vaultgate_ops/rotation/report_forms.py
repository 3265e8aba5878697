"""A report as a table, as CSV, as JSON, as a page.

Rules: pure; all four have the same rows in the same order, what needs somebody first. A spreadsheet must not compute what
somebody named a secret: a cell that would be a formula begins with an apostrophe. The page is one file that loads nothing and
runs nothing, and each text in it is escaped by the template.
Source: OWASP, "CSV Injection" (the characters that begin a formula).
"""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from vaultgate_ops.rotation.report import FINE, NONE, OVERDUE, UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from vaultgate_ops.rotation.report import Row

FIELDS = (
    "kind",
    "name",
    "state",
    "policy",
    "value since",
    "last rotation",
    "next rotation",
    "overdue days",
    "read by",
    "note",
    "arn",
)
# The last four are the wide ones of East Asian keyboards.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_DAY_S = 86400
_ORDER = {OVERDUE: 0, UNREADABLE: 1, NONE: 2, FINE: 4}


def ordered(rows: Iterable[Row]) -> list[Row]:
    """What needs somebody first, what is fine last, by name within."""
    return sorted(rows, key=lambda row: (_ORDER.get(row.state, 3), -row.overdue_s, row.state, row.kind, row.name, row.arn))


def summary(rows: Sequence[Row]) -> str:
    """How many there are of each state."""
    counted: dict[str, int] = {}
    for row in ordered(rows):
        counted[row.state] = counted.get(row.state, 0) + 1
    return ", ".join(f"{number} {state}" for state, number in counted.items()) or "nothing to report on"


def table(rows: Sequence[Row], at_s: float) -> str:
    """For people; one line each, and one for each reader."""
    head = f"{'name':<40} {'state':<18} {'policy':<24} {'value since':<12} {'last':<12} {'next':<12}"
    lines = [f"{summary(rows)}, at {_minute(at_s)}", head.rstrip()]
    for row in ordered(rows):
        dates = " ".join(f"{_day(at):<12}" for at in (row.value_at, row.rotated_at, row.next_at))
        late = f" late by {_days(row)} days" if row.overdue_s else ""
        note = f" {_plain(row.note)}" if row.note else ""
        lines.append(f"{_plain(row.name):<40} {row.state:<18} {row.policy:<24} {dates}{late}{note}".rstrip())
        lines.extend(f"    read by {_plain(one.who)}, {one.times} times, last {_minute(one.last_at)}" for one in row.readers)
    return "\n".join(lines)


def as_csv(rows: Sequence[Row], at_s: float) -> str:  # noqa: ARG001 - the forms' shape
    """For spreadsheets."""
    text = io.StringIO()
    # All in quotes: a lone carriage return, which the writer would leave bare, begins a new row elsewhere.
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(FIELDS)
    for row in ordered(rows):
        writer.writerow([_inert(cell) for cell in _cells(row)])
    return text.getvalue().rstrip("\n")


def as_json(rows: Sequence[Row], at_s: float) -> str:
    """For programs; dates are ISO 8601 in UTC, or null."""
    shown = [
        {
            "kind": row.kind,
            "name": row.name,
            "arn": row.arn,
            "state": row.state,
            "policy": row.policy or None,
            "value_since": _iso(row.value_at),
            "last_rotation": _iso(row.rotated_at),
            "next_rotation": _iso(row.next_at),
            "overdue_s": round(row.overdue_s),
            "note": row.note or None,
            "readers": [{"who": one.who, "times": one.times, "last": _iso(one.last_at)} for one in row.readers],
        }
        for row in ordered(rows)
    ]
    return json.dumps({"at": _iso(at_s), "rows": shown}, indent=2, ensure_ascii=False)


def as_html(rows: Sequence[Row], at_s: float) -> str:
    """For auditors: one file that loads nothing."""
    import jinja2  # noqa: PLC0415 - only for this form

    page = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    shown = [(row, dict(zip(FIELDS, _cells(row), strict=True))) for row in ordered(rows)]
    return page.from_string(_PAGE).render(fields=FIELDS, rows=shown, summary=summary(rows), at=_minute(at_s), minute=_minute)


FORMS: Mapping[str, Callable[[Sequence[Row], float], str]] = {
    "table": table,
    "csv": as_csv,
    "json": as_json,
    "html": as_html,
}


def _cells(row: Row) -> list[str]:
    read = "; ".join(f"{one.who} ({one.times}, last {_minute(one.last_at)})" for one in row.readers)
    dates = [_day(at) for at in (row.value_at, row.rotated_at, row.next_at)]
    late = _days(row) if row.overdue_s else ""
    return [row.kind, row.name, row.state, row.policy, *dates, late, read, row.note, row.arn]


def _inert(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _plain(text: str) -> str:
    """A text that can't steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _days(row: Row) -> str:
    return f"{row.overdue_s / _DAY_S:.1f}"


def _day(at: float | None) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}" if at else ""


def _minute(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%MZ}"


def _iso(at: float | None) -> str | None:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}" if at else None


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Rotation of secrets, {{ at }}</title>
<style>
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem; color: #1b1f24; background: #fff }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid #d0d7de; overflow-wrap: anywhere }
thead th { position: sticky; top: 0; background: #f6f8fa }
tr.bad td { background: #ffebe9 }
ul { margin: 0; padding-left: 1rem }
@media (prefers-color-scheme: dark) {
  body { color: #e6edf3; background: #0d1117 } thead th { background: #161b22 } tr.bad td { background: #4b1113 }
}
</style>
</head>
<body>
<h1>Rotation of secrets</h1>
<p>{{ at }}: {{ summary }}. No value was read to make this page.</p>
<table>
<thead><tr>{% for field in fields %}<th scope="col">{{ field }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row, cells in rows %}
<tr{% if row.bad %} class="bad"{% endif %}>
{% for field in fields %}
{% if field == "read by" %}
<td>{% if row.readers %}<ul>
{% for one in row.readers %}
<li>{{ one.who }}, {{ one.times }} times, last {{ minute(one.last_at) }}</li>
{% endfor %}
</ul>{% endif %}</td>
{% else %}
<td>{{ cells[field] }}</td>
{% endif %}
{% endfor %}
</tr>
{% endfor %}
</tbody>
</table>
</body>
</html>
"""
