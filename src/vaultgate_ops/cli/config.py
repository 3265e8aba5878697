"""`vaultgate config`."""

from __future__ import annotations

import os

import click

from vaultgate_ops import settings
from vaultgate_ops.cli import speech
from vaultgate_ops.errors import UsageProblem


@click.command()
@click.option("--markdown", is_flag=True, help="Print the table for the documentation instead.")
def config(*, markdown: bool) -> None:
    """Show the extension's settings in this environment, and where each comes from.

    Run it where the function's variables are set, for instance: (set -a; . ./function.env; vaultgate config). Exit code 2 if
    the extension would refuse to start.
    """
    if markdown:
        speech.line(settings.markdown().removesuffix("\n"))
        return
    rows, problems = settings.effective(os.environ)
    width = max(len(row.name) for row in rows)
    for row in rows:
        speech.line(f"{row.name:<{width}}  {row.value or '-':<24}  {row.origin}")
    if problems:
        listed = "".join(f"\n  {problem}" for problem in problems)
        raise UsageProblem(f"the extension would refuse these settings:{listed}", "correct them; docs/configuration.md has each")
