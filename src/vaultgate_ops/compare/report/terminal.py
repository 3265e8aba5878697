"""A document as plain lines for a terminal of 80 columns: first what to choose, then the figures.

Rules: pure; no control characters of others, no number without its tag.
"""

from __future__ import annotations

import textwrap
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

from vaultgate_ops.compare.report import chosen, words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LEFT: Final = 32
_RIGHT: Final = 46


def as_lines(document: Mapping[str, Any]) -> str:
    """Every verdict in a table that fits a screen, then each with its figures, then what could not run."""
    return "\n".join(_plain(line).rstrip() for line in _lines(document)) + "\n"


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    judged = document["verdicts"]
    yield f"Made {words.moment(document['made'])}, mode {document['mode']}, target {document['target']}"
    for warning in words.warnings(document):
        yield from textwrap.wrap(warning, _LEFT + 2 + _RIGHT)
    yield ""
    yield from _beside("CHOOSE", "WHEN")
    for one in judged["verdicts"]:
        words_of = chosen.in_words(document, one) if one["choose"] else f"({one['state']})"
        yield from _beside(words_of, one["when"])
    yield ""
    yield "The figures of each; * is what is chosen. Rules, plots and data are in the page."
    for one in judged["verdicts"]:
        yield ""
        if one["choose"]:
            yield f"Choose {chosen.in_words(document, one)}"
            yield f"  when {one['when']}"
        else:
            yield f"When {one['when']}"
            yield f"  {one['why']}"
        for cell in chosen.cells(document, one):
            mark = "*" if cell["wins"] and one["choose"] else " "
            yield f"  {mark} {cell['title']}: {'; '.join(filter(None, (words.stated(cell), cell['remark'])))}"
        aside = chosen.resolve(document, one["rule"])["aside"]
        yield from textwrap.wrap(aside, _LEFT + 2 + _RIGHT, initial_indent="    ", subsequent_indent="    ")
        yield f"    rule {one['id']}"
    yield ""
    for one in document["contenders"]:
        if not one["ran"]:
            yield f"not measured: {one['id']}: {one['why_not']}"


def _beside(left: str, right: str) -> Iterator[str]:
    """Two texts as two columns."""
    columns = textwrap.wrap(left, _LEFT), textwrap.wrap(right, _RIGHT)
    for one, other in zip_longest(*columns, fillvalue=""):
        yield f"{one:<{_LEFT}}  {other}"


def _plain(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())
