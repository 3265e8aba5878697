"""`vaultgate compare`: Vault, Secrets Manager, Parameter Store and environment variables, measured side by side."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vaultgate_ops.cli import speech
from vaultgate_ops.clock import Clock
from vaultgate_ops.compare import prices, readings, report
from vaultgate_ops.compare.journal import claim
from vaultgate_ops.compare.result import load
from vaultgate_ops.compare.run import AGENT, Options, run
from vaultgate_ops.errors import UsageProblem
from vaultgate_ops.local import paths

if TYPE_CHECKING:
    from vaultgate_ops.compare.result import Result


@click.command()
@click.option("--quick", is_flag=True, help="Fewer samples and shorter trials: under a minute instead of eight to ten.")
@click.option("--only", multiple=True, metavar="NAME", help="A dimension, a store or a contender, such as reads; repeatable.")
@click.option("--output", type=click.Path(path_type=Path, file_okay=True), help="Folder of the result. [default: build/compare]")
@click.option(
    "--force", is_flag=True, help="Take a folder of others: an index.html or result.* in it is overwritten, the rest stays."
)
@click.option("--target", type=click.Choice(["local", "aws"]), default="local", show_default=True, help="Whose stores of AWS.")
@click.option("--yes", is_flag=True, help="Confirm what is made in a real account, and its cost.")
@click.option("--agent", default=AGENT, show_default=True, metavar="HOST:PORT", help="A local agent of AWS's, where one runs.")
@click.option("--prices", "prices_file", type=click.Path(path_type=Path), metavar="FILE", help="Your prices, for the calculator.")
@click.option(
    "--from", "measured", type=click.Path(path_type=Path), metavar="FILE", help="Report on this result.json; measure nothing."
)
@click.option(
    "--format", "form", type=click.Choice([*report.FORMATS]), default="terminal", show_default=True, help="What is printed."
)
def compare(
    *,
    quick: bool,
    only: tuple[str, ...],
    output: Path | None,
    force: bool,
    target: str,
    yes: bool,
    agent: str,
    prices_file: Path | None,
    measured: Path | None,
    form: str,
) -> None:
    """Measure the stores beside each other on a stack of its own, and leave nothing running.

    The folder then has a page (index.html), result.md, result.csv and result.json. An interrupted run goes on with the same
    command. With --target aws the same is measured with Secrets Manager, Parameter Store and KMS of the account that the
    environment's credentials are for: what is made there is tagged, and removed at the end.
    """
    clock, reporter = Clock(), speech.Spoken()
    folder = output or paths.build_folder() / "compare"
    began = clock.steady()

    def confirm(told: str) -> bool:
        speech.stderr.print(told, markup=False)
        return yes or (speech.stderr.is_terminal and click.confirm("Go on?", err=True))

    table = prices.load(prices_file)
    if measured is None:
        result = run(Options(folder, quick, only, target, agent, force, dict(os.environ)), confirm, reporter, clock)
    else:
        result = _read(measured)
        claim(folder, force=force)
    document = readings.add(json.loads(result.text()), table)
    files = report.write(document, folder)
    speech.document(report.text(document, form))
    ran = sum(one.ran for one in result.contenders)
    took = "" if measured else f" in {clock.steady() - began:.0f} s"
    reporter.say(f"{ran} contenders, {len(result.measurements)} figures{took}. Open {files[0]}")


def _read(path: Path) -> Result:
    """A result that was written earlier.

    Raises:
        UsageProblem: it can't be read, or isn't one; names the line or the field.
    """
    try:
        return load(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageProblem(f"{path} can't be read: {reason}.", "Name a result.json of vaultgate compare with --from.") from error
    except json.JSONDecodeError as error:
        raise UsageProblem(f"{path} is no JSON: line {error.lineno}, {error.msg}.", "Measure again.") from error
