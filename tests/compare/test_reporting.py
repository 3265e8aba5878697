"""`vaultgate compare --from`: a result that is there becomes a page again, or a sentence says why not."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
from tests.compare.documents import SYNTHETIC, measured

from vaultgate_ops.cli.main import cli
from vaultgate_ops.compare.journal import WRITTEN
from vaultgate_ops.compare.report import FILES
from vaultgate_ops.errors import UsageProblem

if TYPE_CHECKING:
    from pathlib import Path


Ask = Callable[..., tuple[str, str]]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """The command: what it says on stdout and on stderr."""

    def run(*arguments: object) -> tuple[str, str]:
        cli.main(["compare", *map(str, arguments)], standalone_mode=False)
        said = capsys.readouterr()
        return said.out, said.err

    return run


def refused(ask: Ask, *arguments: object) -> UsageProblem:
    """What the command is refused with."""
    with pytest.raises(UsageProblem) as caught:
        ask(*arguments)
    return caught.value


def test_a_result_becomes_a_page_and_verdicts(tmp_path: Path, ask: Ask) -> None:
    """All files are in the folder, the verdicts on stdout, where to look on stderr; nothing is measured."""
    out, err = ask("--from", SYNTHETIC, "--output", tmp_path / "out")
    assert {"index.html", "result.md", "result.csv", "result.json"} <= {file.name for file in (tmp_path / "out").iterdir()}
    assert "Choose Vault, dynamic database credentials or " in out
    assert "\n  when the first answer after a cold start matters most\n" in out
    assert "not measured: ssm.extension: made up" in out
    assert str(tmp_path / "out" / "index.html") in err


@pytest.mark.parametrize("form", ["json", "csv", "markdown", "html"])
def test_stdout_is_the_asked_format_and_nothing_else(form: str, tmp_path: Path, ask: Ask) -> None:
    """A pipe gets a whole document: JSON that parses, CSV byte for byte, a page from its first tag to its last."""
    out, _ = ask("--from", SYNTHETIC, "--output", tmp_path / "out", "--format", form)
    if form == "json":
        assert {"features", "cost", "verdicts"} <= json.loads(out).keys()
    elif form == "csv":
        assert out == (tmp_path / "out" / "result.csv").read_bytes().decode()
    else:
        assert out.startswith({"markdown": "# The comparison", "html": "<!DOCTYPE html>"}[form])
        assert out.rstrip().endswith({"markdown": "|", "html": "</html>"}[form])


def test_other_prices_give_other_costs(tmp_path: Path, ask: Ask) -> None:
    """An edited prices file is what the calculator uses, and what the page shows."""
    mine = tmp_path / "mine.yaml"
    ours = (files("vaultgate_ops.compare") / "prices.yaml").read_text(encoding="utf-8")
    mine.write_text(ours.replace("usd: 0.40", "usd: 4"), encoding="utf-8")

    def cost(*more: object) -> Any:
        out, _ = ask("--from", SYNTHETIC, "--output", tmp_path / "out", "--format", "json", *more)
        return json.loads(out)["cost"]["usages"][0]["totals"]["secretsmanager"]

    assert cost("--prices", mine) == pytest.approx(cost() + 10 * 3.60)


def test_a_malformed_prices_file_is_told_by_line_and_field_before_anything_is_measured(tmp_path: Path, ask: Ask) -> None:
    """Nobody waits for minutes for a typing error: no folder was made, no stack was started."""
    mine = tmp_path / "mine.yaml"
    mine.write_text("currency: USD\nregion: us-east-1\nprices:\n  kms.key:\n    usd: cheap\n", encoding="utf-8")
    error = refused(ask, "--prices", mine, "--output", tmp_path / "out")
    assert "line 5, prices.kms.key.usd: must be a number" in error.message
    assert error.exit_code == 2
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_not_ours_stays_as_it_is(tmp_path: Path, ask: Ask) -> None:
    """Without --force nothing of somebody's is written over, and it is said what would be; with it that, and nothing else."""
    (tmp_path / "index.html").write_text("mine", encoding="utf-8")
    (tmp_path / "diary.txt").write_text("mine", encoding="utf-8")
    hint = refused(ask, "--from", SYNTHETIC, "--output", tmp_path).hint
    assert hint == "Name another with --output, or add --force: index.html in it would be overwritten."
    assert (tmp_path / "index.html").read_text(encoding="utf-8") == "mine"
    ask("--from", SYNTHETIC, "--output", tmp_path, "--force")
    assert (tmp_path / "index.html").read_text(encoding="utf-8") != "mine"
    assert (tmp_path / "diary.txt").read_text(encoding="utf-8") == "mine"
    assert set(WRITTEN) == set(FILES), "what is said to be overwritten is what is written"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is no JSON: line 1"),
        ("[]", "must be an object"),
        ('{"schema": 2}', "/schema is 2"),
        (json.dumps({**measured(), "measurements": [{"dimension": "reads"}]}), "/measurements/0"),
        (json.dumps({**measured(), "made": None}), "/made must be a text"),
    ],
)
def test_what_is_no_result_is_refused_with_the_place(text: str, says: str, tmp_path: Path, ask: Ask) -> None:
    """The line where it is no JSON, the pointer where it is no result."""
    file = tmp_path / "result.json"
    file.write_text(text, encoding="utf-8")
    assert says in refused(ask, "--from", file, "--output", tmp_path / "out").message


def test_a_result_that_is_not_there_is_named(tmp_path: Path, ask: Ask) -> None:
    """The path in the message, the option in the fix."""
    error = refused(ask, "--from", tmp_path / "absent.json")
    assert "absent.json can't be read" in error.message
    assert "--from" in error.hint
