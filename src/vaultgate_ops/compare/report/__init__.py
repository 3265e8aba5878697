"""A result for people: one page of HTML, Markdown, lines for a terminal, CSV, and the JSON that they all come from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from vaultgate_ops.compare.report import markdown, page, terminal, words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

FORMATS: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "html": page.render,
    "markdown": markdown.as_markdown,
    "json": lambda document: json.dumps(document, indent=2, allow_nan=False) + "\n",
    "csv": words.as_csv,
    "terminal": terminal.as_lines,
}
"""What makes each; each takes a document with its readings."""

FILES: Final = {"index.html": "html", "result.md": "markdown", "result.csv": "csv", "result.json": "json"}


def text(document: Mapping[str, Any], form: str) -> str:
    """A document with its readings (`readings.add`) in one of `FORMATS`."""
    return FORMATS[form](document)


def write(document: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write `FILES` into a folder, which is made where it isn't there.

    Returns:
        the files, the page first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, form in FILES.items():
        (folder / name).write_text(text(document, form), encoding="utf-8", newline="")
        written.append(folder / name)
    return written
