"""The bench's tables, as plain lines that survive a file, a pipe and a narrow window.

Rules: every column says where its figures come from; a reference from another machine is never called a peer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.figures import REFERENCE_NOTE, Figure, Figures, median, quantile, rounded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_WORDS = {True: "yes", False: "NO", None: ""}
_WIDTHS = (26, 33, 11, 15, 11, 7, 9, 6)


def lines(figures: Figures, machine: Mapping[str, Any], *, measured_peer: bool, note: str = REFERENCE_NOTE) -> Iterator[str]:
    """The figures as text, one line each; those on half a core in a table of their own."""
    whole = [figure for figure in figures if figure.ours and "cores" not in figure.params]
    half = [figure for figure in figures if figure.ours and "cores" in figure.params]
    yield ", ".join(f"{name} {value}" for name, value in machine.items())
    yield from _table("", whole, measured_peer=measured_peer)
    if half:
        yield from _table("Function, emulator and extension together on half a core", half, measured_peer=measured_peer)
    if not measured_peer:
        yield f"reference: {note}"


def _table(title: str, figures: list[Figure], *, measured_peer: bool) -> Iterator[str]:
    other = "peer" if measured_peer else "reference"
    yield title
    yield _line(("figure", "", "ours", "middle half", other, "ratio", "limit", "holds"))
    for figure in sorted(figures, key=_place):
        yield _line(_row(figure))
    yield ""


def _place(figure: Figure) -> tuple[str, ...]:
    """By name, then function, then number."""
    return figure.name, str(figure.params.get("function", "")), *(f"{value:>8}" for value in figure.params.values())


def _row(figure: Figure) -> tuple[str, ...]:
    ours, compared, limit = median(figure.ours), figure.compared(), figure.limit()
    ordered = sorted(figure.ours)
    return (
        figure.name,
        " ".join(f"{name}={value}" for name, value in figure.params.items() if name != "cores"),
        f"{rounded(ours):g} {figure.unit}",
        f"{rounded(quantile(ordered, 0.25)):g}..{rounded(quantile(ordered, 0.75)):g}",
        "" if compared is None else f"{rounded(compared):g}",
        "" if not compared else f"{ours / compared:.2f}",
        "" if limit is None else f"{rounded(limit):g}",
        _WORDS[figure.holds()],
    )


def _line(cells: tuple[str, ...]) -> str:
    """Words to the left, numbers to the right."""
    words = [cell.ljust(width) for cell, width in zip(cells[:2], _WIDTHS[:2], strict=True)]
    words += [cell.rjust(width) for cell, width in zip(cells[2:], _WIDTHS[2:], strict=True)]
    return " ".join(words).rstrip()
