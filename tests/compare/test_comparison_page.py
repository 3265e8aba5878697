"""docs/comparison.md is what the command writes: a committed result with its date, and how to repeat it."""

from __future__ import annotations

import re
from pathlib import Path

from vaultgate_ops.compare import cost, features, prices, verdicts
from vaultgate_ops.compare.report import markdown

PAGE = (Path(__file__).parents[2] / "docs" / "comparison.md").read_text(encoding="utf-8")


def test_it_says_how_to_repeat_it_and_when_it_was_made() -> None:
    """The head is the command's own, a date follows, and a local result says that its times are a loopback's."""
    assert PAGE.startswith(markdown.HEAD)
    assert re.search(r"^Made \d{4}-\d\d-\d\d \d\d:\d\d UTC, mode \w+, target \w+", PAGE, re.MULTILINE)
    assert "They are not AWS's times" in PAGE


def test_it_has_every_rule_and_every_row_of_today() -> None:
    """A rule or a row that was added since means that the page is old: make it anew from its result."""
    plain = PAGE.replace("\\", "")
    for rule in verdicts.load():
        assert f"- {rule.id}: {rule.in_words()}" in plain, rule.id
        assert f"{rule.when} (rule {rule.id})" in plain, rule.id
    for row in features.load()["rows"]:
        assert row["title"] in plain


def test_it_has_todays_prices_and_what_follows_from_them() -> None:
    """A price, an assumption or a break-even line that changed since means that the page is old: make it anew."""
    plain = PAGE.replace("\\", "")
    today = cost.reading(prices.load())
    for name, price in today["prices"].items():
        read = f" {price['date']}, {price['standing']} | {price['source']} |"
        assert re.search(rf"^\| {re.escape(name)} \|.*{re.escape(read)}$", plain, re.MULTILINE)
    for line in today["break_even"]["lines"]:
        assert f"| {line['environments']} | {line['calls']:,.0f} | {line['secrets']:,} (computed) |" in plain
    assert f"from {today['break_even']['mirror']['calls']:,} calls a month" in plain
    for assumed in today["assumptions"]:
        assert assumed in plain
