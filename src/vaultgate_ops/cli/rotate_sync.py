"""`vaultgate rotate sync`: from Vault's KV to Secrets Manager and Parameter Store, one way."""

from __future__ import annotations

import os
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vaultgate_ops import sync as library
from vaultgate_ops.bootstrap import connect
from vaultgate_ops.cli import speech
from vaultgate_ops.cli.rotation_doors import REGION, client, secrets_client
from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import CheckFailed
from vaultgate_ops.sync.model import Kind, Outcome
from vaultgate_ops.sync.targets import Parameters, Secrets
from vaultgate_ops.sync.vault import Origin

if TYPE_CHECKING:
    from collections.abc import Callable

    from vaultgate_ops.sync.model import Entry
    from vaultgate_ops.sync.targets import Target


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--plan", "only_plan", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--prune", is_flag=True, help="Remove targets of ours whose secret was deleted in Vault.")
@click.option("--unlisted", is_flag=True, help="Also name targets that have this file's owner and aren't in the file.")
@REGION
def sync(*, file: Path, only_plan: bool, prune: bool, unlisted: bool, region: str | None) -> None:
    """Write what Vault's KV holds to Secrets Manager and Parameter Store, as FILE says.

    Only targets that carry this file's owner as a tag are changed. Exits 0 whether or not something had to be changed, and 1 if
    something was left alone: a target of somebody else's, a value that doesn't fit, a deleted secret without --prune, what
    --unlisted names. Vault is found as by `vaultgate bootstrap`: VAULT_ADDR, VAULT_CACERT, VAULT_TOKEN or VAULT_TOKEN_FILE.
    """
    wanted = library.load(file)
    origin = Origin(connect(os.environ, Path.home()))
    targets, outcomes = _targets(region), list[Outcome]()
    for entry in wanted.entries:
        targets(entry)  # a missing region is nobody's fault among the entries
    # Listed before anything is done: who may not list hears of it before.
    strays = library.unlisted(wanted, targets) if unlisted else []
    for outcome in chain(library.run(wanted, origin, targets, plan=only_plan, prune=prune), strays):
        outcomes.append(outcome)
        for line in library.lines(outcome):
            speech.line(line)
    speech.line(library.summary(outcomes))
    left = sum(one.failed for one in outcomes)
    if left:
        raise CheckFailed(f"{left} of {len(outcomes)} could not be synced.", "Each has its reason above; the others are done.")


def _targets(region: str | None) -> Callable[[Entry], Target]:
    clock = Clock()

    @cache
    def of(kind: Kind) -> Target:
        if kind is Kind.SECRET:
            return Secrets(secrets_client(region), clock)
        return Parameters(client("ssm", region), clock)

    return lambda entry: of(entry.kind)
