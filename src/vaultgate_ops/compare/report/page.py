"""The page: one file that asks nobody for anything.

Rules: its Content-Security-Policy forbids every load and every script and style but its own two, by their hashes. All text goes
through the template's escaping; the data go in as JSON in which no ``<`` is left. Every figure is a link to where it stands
in the raw data, whose rows have their JSON pointer as their id.
"""

from __future__ import annotations

import base64
import hashlib
import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import jinja2
from markupsafe import Markup

from vaultgate_ops.compare.report import chosen, names, plots, words

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLACE: Final = files("vaultgate_ops.compare.report")


def render(document: Mapping[str, Any]) -> str:
    """A document with its readings as a page of HTML."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_text),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        figure=words.figure,
        number=words.number,
        name=names.name,
        moment=words.moment,
        price=words.price,
        conditions=words.conditions,
        samples=words.samples,
    )
    style, script = _text("page.css"), _text("page.js")
    return environment.get_template("page.html.j2").render(
        document=document,
        judged=document["verdicts"],
        cost=document["cost"],
        features=document["features"],
        measurements=document["measurements"],
        dimensions=words.DIMENSIONS,
        tags=words.TAGS,
        meanings=words.MEANINGS,
        warnings=words.warnings(document),
        plots=plots.plots(document),
        title_of=lambda contender: words.title_of(document, contender),
        resolved=lambda pointer: chosen.resolve(document, pointer),
        cells=lambda verdict: chosen.cells(document, verdict),
        choice=lambda verdict: chosen.choice(document, verdict),
        meant=lambda rule: chosen.meant(document, rule),
        spread=lambda verdict, some: chosen.spread(document, verdict, some),
        can=chosen.CAN,
        facts=names.facts(document),
        repeat=words.REPEAT,
        policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'",
        style=Markup(style),  # noqa: S704 - ours
        script=Markup(script),  # noqa: S704 - ours
        data=embedded({"document": document, "csv": words.as_csv(document)}),
    )


def embedded(value: object) -> Markup:
    """JSON that can stand in a ``script`` element: no ``<``, ``>`` or ``&`` is left in it as such."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)  # noqa: S704 - escaped above


def _text(name: str) -> str:
    return (_PLACE / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """As a Content-Security-Policy wants it: of the exact characters between the tags."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
