"""`vaultgate doctor`: what keeps a function from its secrets."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click

from vaultgate.clock import Clock
from vaultgate.secret import Secret
from vaultgate_ops.cli import speech
from vaultgate_ops.doctor import words
from vaultgate_ops.doctor.catalogue import CHECKS
from vaultgate_ops.doctor.doctor import LONGEST_S, diagnose
from vaultgate_ops.doctor.visit import Wish
from vaultgate_ops.interruptions import interruptible


@click.command()
@click.option(
    "--only",
    type=click.Choice([check for check in CHECKS if check != "doctor"]),
    multiple=True,
    help="This check, and what it builds on. May be given again.",
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option(
    "--secret", "secrets", metavar="NAME", multiple=True, help="Also look at this secret's rotation. May be given again."
)
@click.option(
    "--checkpoints", type=click.Path(path_type=Path), help="Also look at the audit mirror with its checkpoints in this folder."
)
@click.option("--layer", type=click.Path(path_type=Path), help="Also look at the layer in this folder, such as build/layer.")
@click.option("--administrator", is_flag=True, help="Read the Vault role with VAULT_TOKEN, VAULT_TOKEN_FILE or ~/.vault-token.")
@click.option(
    "--within",
    type=click.FloatRange(1, 300),
    default=LONGEST_S,
    show_default=True,
    metavar="SECONDS",
    help="How long to look at most.",
)
@click.option("--markdown", is_flag=True, help="Print the page for the documentation instead.")
def doctor(
    *,
    only: tuple[str, ...],
    form: str,
    secrets: tuple[str, ...],
    checkpoints: Path | None,
    layer: Path | None,
    administrator: bool,
    within: float,
    markdown: bool,
) -> None:
    """Find what keeps a function from its secrets: cause, evidence, fix.

    Run it where the function's variables are set, for instance: (set -a; . ./function.env; vaultgate doctor). Inside the deployed
    function: invoke it with {"vaultgate": "doctor"}. Exit codes: 0 nothing is wrong, 1 something is, 2 the settings are wrong.
    """
    if markdown:
        speech.line(words.markdown().removesuffix("\n"))
        return
    token = _administrator() if administrator else None
    wish = Wish((*secrets, *_named(os.environ)), _checkpoints(checkpoints), layer, token)
    # Whoever ends a job in CI sends SIGTERM: the token and the database's user have to go then, too.
    with interruptible(), speech.Spoken().task("Looking"):
        report = diagnose(os.environ, Clock(), wish=wish, only=only, longest_s=within)
    if form == "json":
        speech.line(json.dumps(report.document(), indent=2))
    else:
        for line in words.lines(report):
            speech.line(line)
    sys.exit(report.exit_code)


def _administrator() -> Secret:
    """Vault's administrator's token, from where Vault's own command line has it.

    Raises:
        UsageProblem: there is none.
    """
    from vaultgate_ops.bootstrap.connection import connect  # noqa: PLC0415 - hvac, for those who ask for it

    return Secret(str(connect(os.environ, Path.home()).token))


def _named(environ: os._Environ[str]) -> list[str]:
    """The secrets that the variables of a rotation's functions name."""
    sweep = [part.strip() for part in environ.get("ROTATION_SWEEP", "").split(",")]
    overdue = [part.rpartition("=")[0].strip() for part in environ.get("OVERDUE_SECRETS", "").split(",")]
    return list(dict.fromkeys(name for name in (*sweep, *overdue) if name))


def _checkpoints(given: Path | None) -> Path | None:
    """Where a mirror of this machine keeps its checkpoints, if there is one."""
    folder = given or Path(os.environ.get("STATE_DIRECTORY", "/var/lib/vaultgate").partition(":")[0])
    return folder if folder.is_dir() else None
