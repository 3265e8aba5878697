"""A document as a page for a repository: docs/comparison.md.

Rules: pure. No number without its tag; text of others can't leave its cell, and is never a link or an element.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from vaultgate_ops.compare.report import chosen, names, words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_LINE: Final = "<br>"
"""A new line within a cell; GitHub and most others know no other."""

HEAD: Final = """# The comparison

Vault, Secrets Manager, Parameter Store and environment variables, measured side by side on one machine, and judged by rules
that are shown. This page is what `vaultgate compare` wrote; its date stands below. Every figure says where it comes from:
measured here, computed, or published (when, where).

## Repeating it

```
make compare                # eight to ten minutes on 2 cores; QUICK=1: about a minute; then open build/compare/index.html
vaultgate compare --from build/compare/result.json --format markdown > docs/comparison.md   # this page, from any result
vaultgate compare --prices mine.yaml --from build/compare/result.json                       # with your prices
vaultgate compare --target aws                                                              # in your own account; asks first
```

`index.html` has the plots, the raw data, and a calculator with sliders; it asks nobody for anything. Copy
`src/vaultgate_ops/compare/prices.yaml` to change prices: each has its source and day. The rules are in `verdicts.yaml` beside
it, the matrix in `features.yaml`; a test holds each to its source. An interrupted run goes on with the same command.

## The result
"""


def as_markdown(document: Mapping[str, Any]) -> str:
    """The verdicts, the figures and where they come from, for a repository."""
    return "\n".join(_markdown(document)) + "\n"


def _markdown(document: Mapping[str, Any]) -> Iterator[str]:
    judged = document["verdicts"]
    yield HEAD
    made = words.moment(document["made"])
    yield from (_md(f"Made {made}, mode {document['mode']}, target {document['target']}."), "")
    for warning in words.warnings(document):
        yield from (warning, "")
    yield from _table(["choose", "when", "because"], [_verdict_row(document, one) for one in judged["verdicts"]])
    yield from ("", "### Rules", "")
    for rule in judged["rules"]:
        yield f"- {_md(rule['id'])}: {_md(rule['text'])} {_md('; '.join(chosen.meant(document, rule)))}."
    for dimension, title in words.DIMENSIONS.items():
        of: dict[str, list[str]] = {}
        for one in document["measurements"]:
            if one["dimension"] == dimension:
                of.setdefault(one["contender"], []).append(_said(one))
        if of:
            rows = [[_md(words.title_of(document, contender)), _LINE.join(said)] for contender, said in of.items()]
            yield from ("", f"### {title}", "", *_table(["of", "figures"], rows))
    yield from ("", "### Cost a month", "", *_costs(document["cost"]))
    yield from ("", "### What each can do", "", *_features(document["features"]))
    absent = [one for one in document["contenders"] if not one["ran"]]
    if absent:
        rows = [[_md(words.title_of(document, one["id"])), _md(one["why_not"])] for one in absent]
        yield from ("", "### What could not run", "", *_table(["contender", "why"], rows))
    facts = names.facts(document)
    yield from ("", "### Machine", "", *_table(["fact", "value"], [[_md(key), _md(value)] for key, value in facts.items()]))


def _said(one: Mapping[str, Any]) -> str:
    """A measurement in one go: what, under what, how much, and where from."""
    held = f" ({words.conditions(one)})" if one["conditions"] else ""
    return _md(f"{names.name(one['name'])}{held}: {words.stated(one)}")


def _verdict_row(document: Mapping[str, Any], one: Mapping[str, Any]) -> list[str]:
    """What is chosen, when, and the figures: those that are chosen first."""
    cells = sorted(chosen.cells(document, one), key=lambda cell: not cell["wins"])
    because = [_because(cell, wins=bool(one["choose"]) and cell["wins"]) for cell in cells]
    aside = chosen.resolve(document, one["rule"])["aside"]
    when = [f"{_md(one['when'])} (rule {_md(one['id'])})", *([_md(aside)] if aside else [])]
    return [_md(chosen.in_words(document, one)), _LINE.join(when), _LINE.join(because)]


def _because(cell: Mapping[str, Any], *, wins: bool) -> str:
    around = "**" if wins else ""
    return f"{around}{_md(cell['title'])}{around}: {_md('; '.join(filter(None, (words.stated(cell), cell['remark']))))}"


def _costs(cost: Mapping[str, Any]) -> Iterator[str]:
    titles = [scenario["title"] for scenario in cost["scenarios"]]
    rows = [
        [
            _md(usage["title"]),
            *(_total(usage["totals"][one["id"]], cost["tag"]) for one in cost["scenarios"]),
        ]
        for usage in cost["usages"]
    ]
    yield from _table(["use", *map(_md, titles)], rows)
    yield from _even(cost)
    for head, said in (("Assumed:", cost["assumptions"]), ("Left out:", cost["left_out"])):
        yield from ("", head, "", *(f"- {_md(one)}" for one in said))
    yield from ("", f"Prices of {_md(cost['region'])}:", "")
    yield from _table(
        ["price", "USD", "for", "of", "read", "source"],
        [
            [
                _md(key),
                words.price(one["usd"]) + (f" ({words.TAGS['published']})" if one["usd"] is not None else ""),
                words.number(one["per"]),
                _md(one["unit"]),
                f"{one['date']}, {one['standing']}",
                _md(one["source"]),
            ]
            for key, one in cost["prices"].items()
        ],
    )


def _even(cost: Mapping[str, Any]) -> Iterator[str]:
    """From where on Secrets Manager costs what Vault's servers do, and the mirrored audit what they do."""
    tag, mirror = words.TAGS[cost["tag"]], cost["break_even"]["mirror"]["calls"]
    yield from ("", "Secrets Manager costs at least what Vault on three servers does, all else as the calculator begins:", "")
    yield from _table(
        ["environments", "calls a month, all together", "from so many secrets in each"],
        [
            [
                words.number(one["environments"]),
                words.number(one["calls"]),
                "never" if one["secrets"] is None else f"{words.number(one['secrets'])} ({tag})",
            ]
            for one in cost["break_even"]["lines"]
        ],
    )
    if mirror is not None:
        yield from (
            "",
            f"Mirroring all of Vault's audit to CloudWatch Logs costs what Vault's servers do from {mirror:,} calls a month",
        )
        yield f"in one environment ({tag})."


def _total(amount: float | None, tag: str) -> str:
    return "not decided" if amount is None else f"{words.figure(amount, 'USD')} ({words.TAGS[tag]})"


def _features(features: Mapping[str, Any]) -> Iterator[str]:
    rows = [[_md(row["title"]), *map(_cell, row["cells"].values())] for row in features["rows"]]
    yield from _table(["", *map(_md, features["stores"].values())], rows)


def _cell(cell: Mapping[str, Any]) -> str:
    """What a store can do, and what backs it: a test of this repository, or an address, and neither is others' text."""
    source = cell["source"]
    backed = f"`{source['test']}`" if "test" in source else f"[{words.tag(cell)}]({source['url']})"
    said = ": ".join(filter(None, (chosen.CAN[cell["can"]], cell["text"])))
    return f"{_md(said)} ({backed})"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _md(text: object) -> str:
    """Text of others in a cell of a Markdown table: no cell, no tag, no link, no line of its own."""
    return re.sub(r"([\\`*_|<>\[\]&])", r"\\\1", " ".join(str(text).split()))
