"""`vaultgate bootstrap`: make Vault look as vault-config/vault.yaml says."""

from __future__ import annotations

import os
from pathlib import Path

import click

from vaultgate_ops import bootstrap as library
from vaultgate_ops.cli import speech
from vaultgate_ops.errors import Missing, UsageProblem
from vaultgate_ops.local.paths import checkout


@click.command()
@click.option("--plan", "only_plan", is_flag=True, help="Show what would change, and change nothing. Exits 0 either way.")
@click.option(
    "--set",
    "assignments",
    metavar="NAME=VALUE",
    multiple=True,
    help="A variable of the file; may be given several times. Those not given come from the environment. Secret ones are only "
    "taken from there or from a file: NAME_FILE=PATH.",
)
@click.option("--file", "path", type=click.Path(path_type=Path), help="The declarative file (vault-config/vault.yaml).")
@click.option(
    "--reset-database-password",
    is_flag=True,
    help="Also write the username and password of database connections that exist. Without it they are left alone: after "
    "rotate-root only Vault knows them.",
)
def bootstrap(*, only_plan: bool, assignments: tuple[str, ...], path: Path | None, reset_database_password: bool) -> None:
    """Make Vault look as the declarative file says; a second run finds nothing to do.

    What the file doesn't declare is left as it is. The connection comes from VAULT_ADDR, VAULT_CACERT, VAULT_NAMESPACE, and
    the token from VAULT_TOKEN, the file named in VAULT_TOKEN_FILE, or ~/.vault-token.
    """
    desired = library.load(path or _shipped(), _variables(assignments), environment=os.environ, on_command_line=True)
    client = library.connect(os.environ, Path.home())
    changes = library.plan(client, desired, reset_database_password=reset_database_password)
    for line in library.plan_lines(changes):
        speech.line(line)
    if only_plan:
        library.require(client, changes)
        return
    if changes:
        library.apply(client, changes, speech.Spoken())
        speech.line(f"done: {library.summary(changes)}")


def _variables(assignments: tuple[str, ...]) -> dict[str, str]:
    split = [text.partition("=") for text in assignments]
    if not all(name and equals for name, equals, _ in split):
        # Not repeated: it may be a password that went astray.
        raise UsageProblem("--set takes NAME=VALUE", "write for example --set AWS_REGION=eu-central-1")
    return {name: value for name, _, value in split}


def _shipped() -> Path:
    try:
        return checkout() / "vault-config" / "vault.yaml"
    except Missing as error:
        raise UsageProblem("there is no declarative file here", "name it with --file") from error
