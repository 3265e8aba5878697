"""`vaultgate compare`: Vault, Secrets Manager, Parameter Store and environment variables, measured side by side."""

from __future__ import annotations

import os
from pathlib import Path

import click

from vaultgate_ops.cli import speech
from vaultgate_ops.clock import Clock
from vaultgate_ops.compare.journal import RESULT
from vaultgate_ops.compare.run import AGENT, Options, run
from vaultgate_ops.local import paths


@click.command()
@click.option("--quick", is_flag=True, help="Fewer samples and shorter trials: under a minute instead of a quarter of an hour.")
@click.option("--only", multiple=True, metavar="NAME", help="A dimension, a store or a contender, such as reads; repeatable.")
@click.option("--output", type=click.Path(path_type=Path, file_okay=True), help="Folder of the result. [default: build/compare]")
@click.option("--force", is_flag=True, help="Take a folder that holds others' files; they stay.")
@click.option("--target", type=click.Choice(["local", "aws"]), default="local", show_default=True, help="Whose stores of AWS.")
@click.option("--yes", is_flag=True, help="Confirm what is made in a real account, and its cost.")
@click.option("--agent", default=AGENT, show_default=True, metavar="HOST:PORT", help="A local agent of AWS's, where one runs.")
def compare(*, quick: bool, only: tuple[str, ...], output: Path | None, force: bool, target: str, yes: bool, agent: str) -> None:
    """Measure the stores beside each other on a stack of its own, and leave nothing running.

    An interrupted run goes on with the same command. With --target aws the same is measured with Secrets Manager, Parameter Store
    and KMS of the account that the environment's credentials are for: what is made there is tagged, and removed at the end.
    """
    clock, reporter = Clock(), speech.Spoken()
    folder = output or paths.build_folder() / "compare"
    began = clock.steady()

    def confirm(told: str) -> bool:
        speech.stderr.print(told, markup=False)
        return yes or (speech.stderr.is_terminal and click.confirm("Go on?", err=True))

    result = run(Options(folder, quick, only, target, agent, force, dict(os.environ)), confirm, reporter, clock)
    ran = sum(one.ran for one in result.contenders)
    for one in result.contenders:
        if not one.ran:
            speech.line(f"not measured: {one.id}: {one.why_not}")
    figures = f"{ran} contenders, {len(result.measurements)} figures"
    speech.line(f"{figures} in {clock.steady() - began:.0f} s, written to {folder / RESULT}")
