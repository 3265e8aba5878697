"""The report without a browser: nothing of others gets out of its place, and no number stands without its tag."""

from __future__ import annotations

import copy
import csv
import html
import io
import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.compare.documents import measured, whole

from vaultgate_ops.compare import prices, readings, report, result
from vaultgate_ops.compare.report import chosen, markdown, names, page, plots, terminal, words

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = (
    "<script>window.owned=1</script>",
    "</script><img src=x onerror=alert(1)>",
    "</script ><img src=x>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "<!--",
    "&lt;b&gt;",
    "| a | b |",
    "[link](javascript:alert(1))",
    '=HYPERLINK("http://x")',
    "\x1b[31mred\x1b[0m",
    "two\nlines\r\nthree",
)


class Elements(HTMLParser):
    """The elements of a page with their attributes, and the text of those that were asked for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.open: list[tuple[str, dict[str, str | None]]] = []
        self.figures: list[tuple[str, str]] = []
        self.bare: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(sorted(name for name, _ in attrs))))
        if tag not in {"meta", "input", "line", "path", "polyline", "rect", "br"}:
            self.open.append((tag, dict(attrs)))
        if tag == "data":
            inside = any("figure" in (held.get("class") or "").split() for _, held in self.open)
            self.figures.append(("figure" if inside else "", ""))
        if tag == "span" and "tag" in (dict(attrs).get("class") or "").split() and self.figures:
            self.figures[-1] = (self.figures[-1][0], dict(attrs).get("class") or "")

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop()[0] != tag:
            pass


def poisoned(text: str) -> dict[str, Any]:
    """The made-up result with this text wherever a text of others may stand."""
    document = measured()
    document["machine"]["cpu"] = text
    document["versions"]["vault"] = text
    document["stores"]["ssm"] = text
    document["made"] = text
    for contender in document["contenders"]:
        contender["title"] = text
        contender["why_not"] = contender["why_not"] and text
    for one in document["measurements"]:
        one["note"] = text
        if isinstance(one["value"], str) and one["value"] != "never":
            one["value"] = text
        if one["source"]:
            one["source"] |= {"url": text, "title": text}
    return readings.add(document, prices.load())


@pytest.fixture(scope="module")
def plain() -> Elements:
    """The page with a harmless word in the same places."""
    return Elements(page.render(poisoned("word")))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_adds_no_element_and_no_attribute(text: str, plain: Elements) -> None:
    """Whatever a title, a note, a version or an address says, the page has the same elements with the same attributes."""
    rendered = page.render(poisoned(text))
    assert Elements(rendered).elements == plain.elements
    assert json.loads(re.findall(r'id="document">(.*?)</script>', rendered, re.DOTALL)[0])["document"]["machine"]["cpu"] == text


SMALL = {
    **whole(),
    "measurements": [{**one, "value": None} for one in measured()["measurements"][:2]],
    "verdicts": {"rules": [], "verdicts": [], "summary": []},
}
_TRICKY = st.text(st.sampled_from("<>&|=+-@\\`*[]'\"/\x1b\r\n\t a"), min_size=1, max_size=8)


@given(text=st.sampled_from(HOSTILE) | _TRICKY | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
@settings(max_examples=90)
def test_no_text_gets_out_of_its_place(text: str) -> None:
    """Over all of Unicode: embedded JSON has no bracket, a row of Markdown or CSV keeps its cells, a terminal its colours."""
    inside = page.embedded({"text": text})
    assert not re.search("[<>&]", inside)
    assert json.loads(inside) == {"text": text}
    document = {**SMALL, "measurements": [{**one, "note": text} for one in SMALL["measurements"]]}
    rows = [line for line in markdown.as_markdown(document).splitlines() if line.startswith("|") and "no figure" in line]
    assert {len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) for row in rows} == {3}
    assert not re.search(r"(?<!\\)<", "".join(rows).replace("<br>", ""))  # ours, between figures; that of others is escaped
    table = list(csv.reader(io.StringIO(words.as_csv(document), newline="")))
    assert {len(row) for row in table} == {13}
    assert table[1][9] in {text, f"'{text}"}
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in table for cell in row)
    assert all(letter.isprintable() or letter == "\n" for letter in terminal.as_lines(document))


def test_no_number_stands_without_its_tag() -> None:
    """Every figure of the page has a tag beside it; every value of the other formats has one behind it."""
    found = Elements(page.render(whole())).figures
    assert len(found) > 500
    assert all(inside == "figure" and re.search("measured-here|computed|published", tag) for inside, tag in found)
    for line in terminal.as_lines(whole()).splitlines():
        assert (
            not re.search(r": [$\d]", line) or line.startswith("Made") or re.search(r"\((measured here|computed|published)", line)
        ), line
    columns = list(csv.DictReader(io.StringIO(words.as_csv(whole()))))
    assert {row["tag"] for row in columns} == {"measured-here", "computed", "published"}


def test_what_is_published_shows_its_day_and_its_place() -> None:
    """A published figure without its source would be hearsay."""
    document = whole()
    [one] = [one for one in document["measurements"] if one["tag"] == "published"][:1]
    assert words.tag(one) == "published 2026-01-02, example.org"
    rendered = page.render(document)
    assert '2026-01-02, <a href="https://example.org/made-up" rel="noreferrer">source</a>' in rendered


def test_a_verdict_that_rests_on_what_is_published_shows_day_and_place_too() -> None:
    """In each format, beside each figure of each verdict; and what a store can do is an answer, as in the matrix."""
    document = whole()
    rendered = page.render(document)
    verdicts = rendered[rendered.index('<section id="verdicts"') : rendered.index('<section id="plots"')]
    rows = [line for line in markdown.as_markdown(document).splitlines() if "(rule " in line]
    for text, dated in (
        (verdicts, r'\d{4}-\d\d-\d\d, <a href="https://[^"]+" rel="noreferrer">source</a></span>'),
        ("\n".join(rows), r"\d{4}-\d\d-\d\d, [\w.-]+\)"),
        (terminal.as_lines(document), r"\d{4}-\d\d-\d\d, [\w.-]+\)"),
    ):
        published = re.findall(r"(?:\(|class=\"tag published\">)published", text)
        assert published
        assert len(re.findall(rf"published {dated}", text)) == len(published)
        assert not re.search(r">(full|none)<|: (full|none) \(", text)


def test_where_nearly_all_are_as_good_those_that_are_not_are_named() -> None:
    """Six names chosen of seven hide the one that matters; a store that was never asked is not said to be as good."""
    document = whole()
    verdict = next(one for one in document["verdicts"]["verdicts"] if len(one["cells"]) == len(document["stores"]))
    cells = [{**cell, "wins": cell["subject"] != "env"} for cell in verdict["cells"]]
    verdict = {**verdict, "choose": ["some"], "cells": cells}
    assert chosen.in_words(document, verdict) == "any but Environment variable"
    assert chosen.in_words({**document, "stores": {**document["stores"], "new": "A new one"}}, verdict).count(" or ") == 5
    verdict["cells"] = [{**cell, "value": cell["value"] if cell["subject"] != "env" else None} for cell in cells]
    assert chosen.in_words(document, verdict).count(" or ") == 5
    assert chosen.in_words(document, {**verdict, "choose": [], "why": "no difference"}) == "no difference"


def test_a_cost_that_is_lower_than_the_chosen_one_says_why_it_does_not_count() -> None:
    """Nothing to pay and not chosen is a contradiction to a reader who isn't told that it can't do what was asked."""
    for text in (markdown.as_markdown(whole()), terminal.as_lines(whole()), page.render(whole())):
        assert re.search(r"in clear.{0,200}\$0\.00 a month.{0,200}does not count: A stored password", text, re.DOTALL)


def test_a_rules_short_names_are_explained_beside_it() -> None:
    """A bound without its unit says nothing, nor does the name of a use or a row."""
    document = whole()
    told = {rule["id"]: chosen.meant(document, rule) for rule in document["verdicts"]["rules"]}
    assert told["warm_read"] == ["warm_p99: warm read, 99th percentile, in us"]
    assert told["leak"] == ["login_after_*, in s"]
    assert told["burst"] == ["share_of_quota: share of the quota"]
    assert told["audit_trace"] == ["session_traceable: one session leads to one invocation"]
    assert told["cost_small"][0].startswith('"small": 10 secrets')
    assert told["cost_small"][1] == '"rotation": A stored password is changed on a schedule'
    assert told["own_credential"] == ['"dynamic": A database user of its own for each sandbox']
    for text in (markdown.as_markdown(document), page.render(document)):
        assert "99th percentile, in us." in text


def test_what_figures_dont_say_stands_beside_the_verdict() -> None:
    """Such as that a sandbox which starts during an outage is not what was tried: in every format, and for that rule alone."""
    made = whole()
    told = {rule["id"]: rule["aside"] for rule in made["verdicts"]["rules"]}
    assert told["outage"]
    assert not told["warm_read"]
    shown = {
        '<span class="note">{}</span>': html.unescape(page.render(made)),
        "<br>{} |": markdown.as_markdown(made).replace("\\", ""),
        " {} rule ": " ".join(terminal.as_lines(made).split()),
    }
    for around, text in shown.items():
        for aside in filter(None, told.values()):
            assert around.format(aside) in text, around


def test_the_others_of_a_verdict_are_summed_up_where_they_can_be() -> None:
    """From where to where, with the tag of all; not over units, and not where the rule leaves some of them out."""
    document = whole()
    verdict = {"rule": "/rule"}
    held = {"horizon_s": 30}
    cells = [{"value": value, "unit": "ms", "tag": "measured-here", "conditions": held} for value in (7, None, 5.0)]
    document["rule"] = {"able": None}
    assert chosen.spread(document, verdict, cells) == {"text": "5 ms to 7 ms", "value": "5.0/7", "tag": "measured-here"}
    assert chosen.spread(document, verdict, cells[:1]) == {"text": "7 ms", "value": 7, "tag": "measured-here"}
    for odd in ({"unit": "s"}, {"tag": "computed"}, {"value": "never"}, {"value": True}):
        assert chosen.spread(document, verdict, [*cells, {**cells[0], **odd}]) is None
    never = [{**cells[0], "value": "never"}] * 2
    assert chosen.spread(document, verdict, never) == {"text": "never within 30 s", "value": "never", "tag": "measured-here"}
    said = (("no", "published"), ("partly", "computed"), (False, "computed"))
    answers = [{**cells[0], "value": value, "tag": tag} for value, tag in said]
    assert chosen.spread(document, verdict, answers) == {"text": "no or partly", "value": "no", "tag": None}
    document["rule"] = {"able": "rotation"}
    assert chosen.spread(document, verdict, cells) is None
    assert chosen.spread(document, verdict, []) is None


def test_a_terminals_first_screen_has_every_verdict() -> None:
    """80 columns, before any figure: what to choose, when; the figures follow."""
    head = terminal.as_lines(whole()).split("The figures of each")[0].splitlines()
    assert len(head) <= 60
    assert all(len(line) <= 80 for line in head)
    left = " ".join(" ".join(line[:32] for line in head).split())
    right = " ".join(" ".join(line[34:] for line in head).split())
    for one in whole()["verdicts"]["verdicts"]:
        assert one["when"] in right
        assert (chosen.in_words(whole(), one) if one["choose"] else f"({one['state']})") in left


def test_a_plots_scale_stands_where_its_lines_are() -> None:
    """Each label is at the share of the width where the strips have the line of this power of ten; time has round seconds."""
    of = {plot["id"]: plot for plot in plots.plots(whole())}
    for plot in of.values():
        places = [float(x) for x in re.findall(r'<text x="([\d.]+)%"', plot["axis"])]
        assert places == sorted(places)
        assert len(places) > 1
    lines = {round(float(x) / 10, 1) for x in re.findall(r'class="grid" x1="([\d.]+)"', of["latency-warm"]["rows"][0]["strip"])}
    labels = {round(float(x), 1) for x in re.findall(r'<text x="([\d.]+)%"', of["latency-warm"]["axis"])}
    assert labels - {0.0, 100.0} <= lines
    assert ">0 s<" in of["rotation-careful"]["axis"]
    assert {"careful", "trusting"} <= {name.removeprefix("rotation-") for name in of}


def test_the_page_says_on_what_machine_and_how_to_repeat_it() -> None:
    """Facts with their units, and commands that can be typed."""
    rendered = page.render(whole())
    assert '<th scope="row">memory</th><td>4,096 MB</td>' in rendered
    assert "<code>make compare</code>" in rendered
    assert "<code>vaultgate compare --target aws</code>" in rendered


def test_a_short_name_that_nobody_put_into_words_is_still_written() -> None:
    """A result of tomorrow is read by today's report."""
    assert names.name("warm_p99") == "warm read, 99th percentile"
    assert names.name("login_after_revoke_lease") == "logging in, after its lease is revoked"
    assert names.name("login_after_new_thing") == "logging in, after new thing"
    assert names.name("new_thing") == "new thing"
    document = copy.deepcopy(whole())
    document["machine"] = {"load_before": 0.5, "new_fact": "x"}
    assert list(names.facts(document))[:2] == ["load before, mean of a minute", "new fact"]


def test_an_address_that_is_none_is_not_linked() -> None:
    """Only http and https become links: a result that somebody else made can't plant a script's address."""
    document = measured()
    for one in document["measurements"]:
        if one["source"]:
            one["source"]["url"] = "javascript:alert(1)"
    assert 'href="javascript' not in page.render(readings.add(document, prices.load()))


def test_loopback_never_passes_for_aws() -> None:
    """A local comparison says on top of every format whose times these are; one against an account doesn't."""
    document = whole()
    for form in ("html", "markdown", "terminal"):
        assert "They are not AWS&#39;s times" in report.text(document, form).replace("'", "&#39;")
    assert "They are not AWS" not in report.text({**document, "target": "aws"}, "html")


def test_what_makes_figures_doubtful_is_said_before_them() -> None:
    """A machine that had other work, a run of a part alone: in every format that people read, above the verdicts."""
    document = {**whole(), "complete": False, "machine": {"cores": 2, "load_before": 1.5}}
    busy = "1.5 processes wanted to run in the minute before, on 2 cores"
    for form, first in (("html", "Verdicts"), ("markdown", "| choose |"), ("terminal", "CHOOSE")):
        head = " ".join(report.text(document, form).split(first)[0].split())
        assert busy in head
        assert "Only a part of the comparison was asked for" in head
    for machine in ({"cores": 2, "load_before": 0.9}, {"cores": 2}, {"cores": "unknown", "load_before": 9}):
        assert words.warnings({**document, "complete": True, "machine": machine}) == [words.LOOPBACK]


def test_the_page_loads_nothing() -> None:
    """No element has a src, no style an import or an address; the policy names the page's own two hashes and nothing else."""
    rendered = page.render(whole())
    assert not [name for _, names in Elements(rendered).elements for name in names if name in {"src", "srcset", "style"}]
    assert not [name for _, names in Elements(rendered).elements for name in names if name.startswith("on")]
    assert "@import" not in rendered
    assert not re.search(r"url\(", rendered)
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', rendered)
    assert policy.startswith("default-src &#39;none&#39;")
    assert "unsafe" not in policy
    assert "http" not in policy


def test_the_result_that_is_written_can_be_read_again(tmp_path: Path) -> None:
    """result.json with its readings is still a result, and gives the same page again: one command makes it from the file."""
    files = {file.name: file for file in report.write(whole(), tmp_path / "new")}
    assert set(files) == {"index.html", "result.md", "result.csv", "result.json"}
    again = json.loads(files["result.json"].read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(json.loads(result.SCHEMA_FILE.read_text(encoding="utf-8"))).validate(again)
    loaded = result.load(again)
    assert len(loaded.measurements) == len(measured()["measurements"])
    assert page.render(readings.add(again, prices.load())) == files["index.html"].read_text(encoding="utf-8")


def test_what_could_not_be_had_is_said_in_words() -> None:
    """No figure has its reason; a contender that could not run is listed with why; never says how long was waited."""
    rendered = page.render(whole())
    assert "no figure" in rendered
    assert "This store can&#39;t be taken down from here." in rendered
    assert "no: made up: nothing answers where it would listen" in rendered
    assert "waited 30 s" in rendered
    assert "not decided: nobody publishes hcp.cluster_hour" in rendered


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "ms", "no figure"),
        (0, "requests", "0 requests"),
        (0.000123, "s", "0.00012 s"),
        (1.5, "s", "1.5 s"),
        (1234567.0, "", "1,234,567"),
        (99.951, "us", "100 us"),
        (18992.4, "us", "19 ms"),
        (273.565, "USD", "$273.56"),
        (2_500_000, "us", "2.5 s"),
        (1, "requests", "1 request"),
        (0.01, "of the quota", "0.01 of the quota"),
        (2.5, "of the quota", "2.5 times the quota"),
        (1.0, "yes/no", "yes"),
        (True, "", "yes"),
        ("never", "s", "never"),
    ],
)
def test_a_figure_is_rounded_to_what_can_be_used(value: object, unit: str, text: str) -> None:
    """Three digits that count, whole numbers from 100 on, cents for money; words where there is no number."""
    assert words.figure(value, unit) == text


def test_a_result_without_figures_is_a_page_too() -> None:
    """Everything failed: the page says so at each place instead of breaking."""
    document = {**measured(), "measurements": [], "complete": False}
    rendered = page.render(readings.add(document, prices.load()))
    assert "Nothing was measured that could be drawn." in rendered
    assert "Only a part of the comparison was asked for" in rendered
    assert "not decided: nothing has a figure for warm_p99 of reads" in rendered


def test_a_measured_time_says_of_how_many_samples_it_is_and_never_says_its_horizon() -> None:
    """A median of one is no median to a reader who isn't told, and `never` is nothing without how long was waited."""
    time = {"value": 5.0, "unit": "ms", "tag": "measured-here", "samples": 1, "conditions": {}, "note": "", "source": None}
    assert words.stated(time) == "5 ms (measured here, 1 sample)"
    assert words.stated({**time, "samples": 5000}) == "5 ms (measured here, 5,000 samples)"
    assert words.stated({**time, "tag": "computed"}) == "5 ms (computed)"
    never = {**time, "value": result.NEVER, "unit": "s", "conditions": {"horizon_s": 1.5}}
    assert words.stated(never) == "never within 1.5 s (measured here)"
    for form in (markdown.as_markdown(whole()), terminal.as_lines(whole())):
        assert re.search(r"never within \d", form)
        assert not re.search(r"never \(", form)
        assert re.search(r"\d ms \(measured here, [\d,]+ samples?\)", form)
