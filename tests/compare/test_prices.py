"""The prices file: ours is whole, and a broken one is told by line and field."""

from __future__ import annotations

import datetime as dt
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from vaultgate_ops.compare import prices
from vaultgate_ops.errors import UsageProblem

if TYPE_CHECKING:
    from pathlib import Path

OURS = (files("vaultgate_ops.compare") / "prices.yaml").read_text(encoding="utf-8")


def lines_of(text: str, wanted: str) -> int:
    """The line that begins so, counted from 1."""
    return next(at for at, line in enumerate(text.splitlines(), 1) if line.strip().startswith(wanted))


def test_our_file_is_whole_dated_and_sourced() -> None:
    """Every price has a unit, an address and a day that is not ahead of the comparison's own day."""
    ours = prices.load()
    assert set(ours.by_id) == set(prices.KNOWN)
    for price in ours.by_id.values():
        assert price.unit
        assert price.source.startswith("https://")
        assert dt.date(2026, 1, 1) <= dt.date.fromisoformat(price.date) <= dt.date(2026, 11, 21)
    assert ours.region == "us-east-1"


def test_an_edited_copy_is_used(tmp_path: Path) -> None:
    """A copy with another price and another day gives those."""
    mine = tmp_path / "mine.yaml"
    mine.write_text(OURS.replace("usd: 0.40", "usd: 0.32").replace("region: us-east-1", "region: eu-central-1"), encoding="utf-8")
    loaded = prices.load(mine)
    assert (loaded.by_id["secrets_manager.secret"].each(), loaded.region) == (0.32, "eu-central-1")


@pytest.mark.parametrize(
    ("replace", "by", "line", "field", "says"),
    [
        ("usd: 0.40", "usd: forty", "usd: forty", "prices.secrets_manager.secret.usd", "must be a number that is not below 0"),
        ("usd: 0.40", "usd: -1", "usd: -1", "prices.secrets_manager.secret.usd", "must be a number that is not below 0"),
        ("usd: 0.40", "usd: .inf", "usd: .inf", "prices.secrets_manager.secret.usd", "must be a number that is not below 0"),
        ("per: 10000", "per: 0", "per: 0", "prices.secrets_manager.call.per", "must be above 0"),
        ("    free: 20000", "    fre: 20000", "fre:", "prices.kms.call.fre", "unknown; did you mean free?"),
        ("date: 2026-06-01", "date: May", "date: May", "prices.logs.ingested_gb.date", "must be a date such as 2026-11-21"),
        ("date: 2026-06-01", "date: 2026-13-01", "date: 2026-13", "prices.logs.ingested_gb.date", "must be a date such as"),
        ("date: 2026-06-01", "date: 2026-06-01 10:00:00", "date: 2026-06-01 1", "prices.logs.ingested_gb.date", "must be a date"),
        ("usd: 0.40", f"usd: 1{'0' * 400}", "usd: 10", "prices.secrets_manager.secret.usd", "must be a number"),
        ("usd: 0.40", "usd: !!int x", "usd: !!int", "prices.secrets_manager.secret.usd", "must be a number"),
        ("usd: 0.40", "usd: !!timestamp x", "usd: !!time", "prices.secrets_manager.secret.usd", "must be a number"),
        ("  elb.hour:", "  elb.hours:", "elb.hours:", "prices.elb.hours", "no such price; did you mean elb.hour?"),
        ("standing: quoted", "standing: heard", "standing: heard", "prices.secrets_manager.secret.standing", "must be one of"),
        ("source: https://aws.amazon.com/kms", "source: http://aws", "source: http://", "prices.kms.key.source", "an address"),
        ("currency: USD", "currency: EUR", "currency:", "currency", "must be USD"),
    ],
)
def test_a_malformed_file_is_told_by_line_and_field(  # noqa: PLR0917 - the columns of the table above
    replace: str, by: str, line: str, field: str, says: str, tmp_path: Path
) -> None:
    """The message has the line as an editor counts it, the field's whole name, and what it should be."""
    assert replace in OURS
    text = OURS.replace(replace, by, 1)
    mine = tmp_path / "mine.yaml"
    mine.write_text(text, encoding="utf-8")
    with pytest.raises(UsageProblem) as caught:
        prices.load(mine)
    assert f"line {lines_of(text, line)}, {field}: " in str(caught.value)
    assert says in str(caught.value)


def test_all_problems_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    """Two mistakes, two lines: nobody corrects a file one run at a time."""
    mine = tmp_path / "mine.yaml"
    mine.write_text(OURS.replace("usd: 0.40", "usd: x").replace("usd: 0.08", "usd: y"), encoding="utf-8")
    with pytest.raises(UsageProblem, match="2 problems") as caught:
        prices.load(mine)
    assert "ec2.disk_gb.usd" in str(caught.value)


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "prices: 3\n", "a: [\n", "prices:\n  elb.hour: 3\n", "prices: &a\n  b: *a\n"])
def test_what_is_no_prices_file_is_refused(text: str, tmp_path: Path) -> None:
    """An empty file, a list, no YAML, what contains itself: a sentence, never a traceback."""
    mine = tmp_path / "mine.yaml"
    mine.write_text(text, encoding="utf-8")
    with pytest.raises(UsageProblem):
        prices.load(mine)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The path is in the message, the option in the fix."""
    with pytest.raises(UsageProblem, match=r"absent\.yaml") as caught:
        prices.load(tmp_path / "absent.yaml")
    assert "--prices" in caught.value.hint
