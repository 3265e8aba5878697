"""Plots as strips of SVG, one for each row of a table: the words beside them stay words at any width.

Rules: pure, numbers in, numbers out: no text of others is drawn. A strip is stretched to its column, so nothing in it depends on
its proportions; what a colour says, a height or a dash says too. The figure in words stands in the row, and a plot's head has its
scale, at the same shares of the width as the lines in its strips.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from vaultgate_ops.compare.report import names, words
from vaultgate_ops.compare.result import NEVER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

WIDTH: Final = 1000
HEIGHT: Final = 100
_FASTEST_S: Final = 0.01
_MOST_CALLS: Final = 400
_MOST_TICKS: Final = 6
_APART: Final = WIDTH / 8

Row = dict[str, Any]
"""``{"title", "what", "strip": Markup, "figures": [(index of a measurement, what it is called)]}``"""
Tick = tuple[float, str]
"""Where across the strip, and what is written there."""


def plots(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every plot that the measurements allow: ``{"id", "title", "about", "scale", "axis": Markup, "of", "rows"}``."""
    made = [
        _latency(document, "warm"),
        _latency(document, "miss"),
        _rotations(document, "careful", "reads past what it keeps when a login is refused"),
        _rotations(document, "trusting", "goes on with what it keeps although logins are refused"),
        _leaks(document),
        _outages(document),
    ]
    return [plot for plot in made if plot["rows"]]


def _latency(document: Mapping[str, Any], kind: str) -> dict[str, Any]:
    found = list(_found(document, "reads", f"{kind}_p50"))
    points = [value for _, one in found for _, value in one["series"] or () if value > 0]
    low, high = (10 ** math.floor(math.log10(min(points))), 10 ** math.ceil(math.log10(max(points)))) if points else (1.0, 10.0)
    high = max(high, low * 10)
    slowest = {one["contender"]: at for at, one in _found(document, "reads", f"{kind}_p99")}

    def across(value: float) -> float:
        return WIDTH * math.log10(max(value, low) / low) / math.log10(high / low)

    powers = range(round(math.log10(low)), round(math.log10(high)) + 1)
    rows = []
    for at, one in found:
        curve = " ".join(f"{across(value):.1f},{HEIGHT * (1 - share):.1f}" for share, value in one["series"] or ())
        middle = one["value"]
        shapes = [_grid(across(10.0**power)) for power in powers[1:-1]]
        if curve:
            shapes.append(f'<polyline class="curve" points="{curve}"/>')
        if isinstance(middle, int | float) and middle > 0:
            shapes.append(f'<line class="middle" x1="{across(middle):.1f}" x2="{across(middle):.1f}" y1="0" y2="{HEIGHT}"/>')
        slow = [(slowest[one["contender"]], "99 %")] if one["contender"] in slowest else []
        rows.append(_row(document, one, shapes, [(at, "median"), *slow]))
    ticks = [(across(10.0**power), words.figure(10.0**power, "us")) for power in powers]
    return {
        "id": f"latency-{kind}",
        "title": "Latency of warm reads" if kind == "warm" else "Latency of reads that ask the store",
        "about": "Each curve is the share of reads, from none at the bottom to all at the top, that took at most so long;"
        " the upright line is the median.",
        "scale": f"From {ticks[0][1]} to {ticks[-1][1]}, logarithmic; a thin line at each power of ten.",
        "axis": _axis(ticks[:: 1 + len(ticks) // (_MOST_TICKS + 1)]),
        "of": "Way of reading",
        "rows": rows,
    }


def _rotations(document: Mapping[str, Any], application: str, does: str) -> dict[str, Any]:
    return _timelines(
        document,
        "staleness",
        f"failed_{application}",
        {
            "id": f"rotation-{application}",
            "title": f"Failed requests through a rotation, {application} application",
            "about": f"The application {does}. Each stroke is a request: short where it was served, over the whole height where"
            " it failed.",
            "moment": "the rotation",
        },
    )


def _outages(document: Mapping[str, Any]) -> dict[str, Any]:
    return _timelines(
        document,
        "outage",
        "failed",
        {
            "id": "outage",
            "title": "Reads while the store is down",
            "about": "Each stroke is a read: short where it was served, over the whole height where it failed.",
            "moment": "the beginning of the outage",
        },
    )


def _timelines(document: Mapping[str, Any], dimension: str, name: str, plot: dict[str, Any]) -> dict[str, Any]:
    found = [
        (at, one)
        for at, one in enumerate(document["measurements"])
        if (one["dimension"], one["name"]) == (dimension, name) and one["series"]
    ]
    times = [at_s for _, one in found for at_s, _ in one["series"]]
    first, last = (min(times), max(times)) if times else (0.0, 1.0)

    def across(at_s: float) -> float:
        return WIDTH * (at_s - first) / max(last - first, 1e-9)

    moment = plot.pop("moment")
    rows = []
    for at, one in found:
        shapes = [f'<line class="moment" x1="{across(0):.1f}" x2="{across(0):.1f}" y1="0" y2="{HEIGHT}"/>']
        shapes += _strokes(one["series"], across)
        rows.append(_row(document, one, shapes, [(at, "")]))
    scale = f"From {words.number(first)} to {words.number(last)} s; the dashed line is {moment}."
    ticks = [(across(at_s), words.figure(at_s, "s")) for at_s in _round(first, last)]
    return {**plot, "scale": scale, "axis": _axis(ticks), "of": "Way of reading", "rows": rows}


def _round(first: float, last: float) -> list[float]:
    """A few round numbers between two, 0 among them."""
    apart = 10.0 ** math.floor(math.log10(max(last - first, 1e-9)))
    step = next(apart * part for part in (0.2, 0.5, 1, 2) if (last - first) / (apart * part) <= _MOST_TICKS)
    return [round(step * many, 9) for many in range(math.ceil(first / step), math.floor(last / step) + 1)]


def _strokes(series: Sequence[Sequence[float]], across: Any) -> Iterator[str]:
    """Two paths, of served and of failed calls; of very many calls, every failed one and a part of the others."""
    served = [at_s for at_s, ok in series if ok]
    failed = [at_s for at_s, ok in series if not ok]
    every = max(1, len(served) // _MOST_CALLS)
    for name, times, top in (("served", served[::every], 70), ("failed", failed, 0)):
        if times:
            yield f'<path class="{name}" d="{"".join(f"M{across(at_s):.1f} {HEIGHT}V{top}" for at_s in times)}"/>'


def _leaks(document: Mapping[str, Any]) -> dict[str, Any]:
    found = [
        (at, one)
        for at, one in enumerate(document["measurements"])
        if one["dimension"] == "leak" and (one["name"].startswith(("login_", "session_")))
    ]
    horizon = max((float(one["conditions"].get("horizon_s", 1)) for _, one in found), default=1.0)
    rows = []
    for at, one in found:
        shapes = [_grid(_life(10.0**power, horizon)) for power in range(-1, math.ceil(math.log10(horizon)))]
        if one["value"] == NEVER:
            shapes.append(f'<line class="never" x1="0" x2="{WIDTH}" y1="50" y2="50"/>')
        elif isinstance(one["value"], int | float):
            shapes.append(f'<rect class="life" x="0" y="25" width="{max(_life(one["value"], horizon), 4):.1f}" height="50"/>')
        rows.append(_row(document, one, shapes, [(at, "")], names.name(one["name"])))
    powers = [10.0**power for power in range(round(math.log10(_FASTEST_S)), math.ceil(math.log10(horizon)))]
    ticks = [(x, words.figure(power, "s")) for power in powers if (x := _life(power, horizon)) <= WIDTH - 2 * _APART]
    return {
        "id": "leak",
        "title": "Life of a leaked credential",
        "about": "How long the database still let the copy in after somebody acted: by a login, and on a session that was open.",
        "scale": f"From {_FASTEST_S} to {words.number(horizon)} s, logarithmic; dashed over all of it: still let in at the end.",
        "axis": _axis([*ticks, (WIDTH, words.figure(horizon, "s"))]),
        "of": "Store",
        "rows": rows,
    }


def _life(value: float, horizon: float) -> float:
    return WIDTH * math.log10(max(value, _FASTEST_S) / _FASTEST_S) / math.log10(max(horizon, 1.0) / _FASTEST_S)


def _found(document: Mapping[str, Any], dimension: str, name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for at, one in enumerate(document["measurements"]):
        if (one["dimension"], one["name"]) == (dimension, name) and one["value"] is not None:
            yield at, one


def _row(
    document: Mapping[str, Any], one: Mapping[str, Any], shapes: Iterable[str], figures: list[tuple[int, str]], what: str = ""
) -> Row:
    title = words.title_of(document, one["contender"])
    return {"title": title, "what": what, "strip": _strip(shapes), "figures": figures}


def _grid(x: float) -> str:
    return f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{HEIGHT}"/>'


def _axis(ticks: Sequence[Tick]) -> Markup:
    """The scale in words of our own; its text isn't stretched with the strips. The caption says the same to those who hear it."""
    drawn = []
    for x, text in ticks:
        side = "start" if x < _APART / 2 else "end" if x > WIDTH - _APART / 2 else "middle"
        drawn.append(f'<text x="{100 * x / WIDTH:.2f}%" y="75%" text-anchor="{side}">{text}</text>')
    return Markup(f'<svg class="axis" aria-hidden="true" focusable="false">{"".join(drawn)}</svg>')  # noqa: S704 - made of numbers


def _strip(shapes: Iterable[str]) -> Markup:
    """Shapes of numbers and our own names only; nothing in them needs escaping."""
    drawn = "".join(shapes)
    head = f'<svg class="strip" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
    return Markup(f"{head}{drawn}</svg>")  # noqa: S704 - made of numbers
