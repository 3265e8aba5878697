"""`vaultgate up`, `down` and `status`: the local stack."""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING

import click

from vaultgate_ops.cli import containers, speech
from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import CheckFailed, UsageProblem
from vaultgate_ops.interruptions import interruptible
from vaultgate_ops.layer import build
from vaultgate_ops.local import folder as folders
from vaultgate_ops.local import paths, preflight
from vaultgate_ops.local.aws import REGION
from vaultgate_ops.local.database import HOST, SCHEMA, TABLE
from vaultgate_ops.local.programs import Programs
from vaultgate_ops.local.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def _checked(_context: click.Context, _parameter: click.Parameter, name: str | None) -> str | None:
    if name is not None and not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", name):
        raise click.BadParameter("use up to 40 small letters, digits and hyphens.")
    return name


# What a shell has set for an account or a Vault of the user's own would win over what is exported here.
_FOREIGN = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    *containers.FOREIGN,
)
_NAME = click.option("--name", default="up", show_default=True, callback=_checked, help="Tells several stacks apart.")


@click.command()
@click.option("--only-fetch", is_flag=True, help="Find, fetch or build Vault and the database server; start nothing.")
@click.option("--docker", is_flag=True, help="In containers: docker-compose.yml.")
@click.option("--ha", is_flag=True, help="Three nodes of Vault (Raft), so that one may die.")
@_NAME
def up(*, only_fetch: bool, docker: bool, ha: bool, name: str) -> None:
    """Start Vault, a database, emulated AWS and the function, and leave them running.

    What it prints on stdout can be evaluated by a shell.
    """
    if docker:
        if only_fetch:
            raise UsageProblem("Containers fetch their images when they start.", "Give one of --docker and --only-fetch.")
        containers.up(name, ha=ha)
        return
    reporter = speech.Spoken()
    if only_fetch:
        preflight.check(os.environ, paths.stacks_folder())
        with interruptible():
            Programs.find(os.environ, reporter)
        return
    root = paths.stacks_folder()
    try:
        with Stack.embedded(name, reporter, root=root, stays=True, ha=ha) as stack:
            stack.mirror_audit()
            stack.bootstrap()
            build(paths.checkout(), os.environ, reporter)
            with reporter.task("Starting the function"):
                stack.serve()
    except folders.Occupied:
        stack = _running(root / name, ha=ha)
        reporter.say("The local stack runs already.")
    for line in _exports(stack, name):
        speech.line(line)


@click.command()
@_NAME
def down(name: str) -> None:
    """Stop what `vaultgate up` or an interrupted run left behind, and delete its folder."""
    root = paths.stacks_folder()
    leftovers = [root / name, *(folder for folder in folders.left_behind(root) if folder != root / name)]
    told = False
    for folder in leftovers:
        there = folder.exists()
        ended = folders.remove(folder, Clock())
        if there or ended:
            told = True
            speech.line(f"{folder.name}: ended {', '.join(ended) or 'nothing'}, deleted {folder}")
    if not containers.down(name) and not told:
        speech.Spoken().say(f"There is no local stack named {name}.")


@click.command()
@click.option("--name", callback=_checked, help="Only this stack.")
def status(name: str | None) -> None:
    """Show what runs, in containers too: part, process, address, health. Exit code 1 unless everything is healthy."""
    stacks = folders.all_stacks(paths.stacks_folder())
    healthy = [_tell(folder) for folder in stacks if name in (None, folder.name)] + containers.status(name)
    if not healthy:
        told = "No local stack runs." if name is None else f"No local stack named {name} runs."
        raise CheckFailed(told, "Start one: vaultgate up" + (f" --name {name}." if name not in {None, "up"} else "."))
    if not all(healthy):
        raise CheckFailed("Not everything is healthy.", "Start anew: vaultgate down, then vaultgate up.")


def _running(folder: Path, *, ha: bool) -> Stack:
    """The stack in a folder that is taken.

    Raises:
        CheckFailed: another command is starting it right now.
        UsageProblem: it is only half there, or has one node of Vault where three are asked for.
    """
    noted = folders.noted(folder)
    if "served" in noted:
        stack = Stack.attach(folder, speech.Spoken())
        if ha and stack.cluster is None:
            raise UsageProblem("The stack that runs has one node of Vault.", "Run vaultgate down first, or give a --name.")
        if all(part.healthy for part in stack.health()):
            return stack
    elif (owner := folders.owner(folder)) is not None:
        raise CheckFailed(f"Process {owner.pid} is starting this stack right now.", "Wait for it, or press Ctrl-C there.")
    raise UsageProblem(
        f"{folder} is left from an earlier run, and not everything of it runs.", "Run vaultgate down, then this again."
    )


def _tell(folder: Path) -> bool:
    """Print one line for each part of a stack; whether all are healthy."""
    if "ports" not in folders.noted(folder):
        owner = folders.owner(folder)
        speech.line(f"{folder.name}: " + ("left behind half-way" if owner is None else f"process {owner.pid} starts it"))
        return False
    parts = Stack.attach(folder, speech.Spoken()).health()
    speech.line(f"{folder.name}:")
    for part in parts:
        pid = "-" if part.pid is None else str(part.pid)
        state = "healthy" if part.healthy else "not answering" if part.pid else "not running"
        speech.line(f"  {part.part:<16} {pid:>8}  {part.address:<24}  {state}")
    return all(part.healthy for part in parts)


def _exports(stack: Stack, name: str) -> Iterator[str]:
    """How to use a stack, as lines for a shell."""
    front = stack.front
    stop = "vaultgate down" if name == "up" else f"vaultgate down --name {shlex.quote(name)}"
    yield f"# curl {front}/records"
    yield f"# logs in {stack.folder / 'logs'}; stop with: {stop}"
    variables = {
        "VAULT_ADDR": stack.vault.address,
        **({"VAULTGATE_ADDRESSES": others} if (others := ",".join(node.address for node in stack.vaults[1:])) else {}),
        "VAULT_CACERT": str(stack.vault.ca_file),
        "RDS_HOST": HOST,
        "RDS_PORT": str(stack.database.port),
        "RDS_DB_NAME": SCHEMA,
        "RECORDS_TABLE": TABLE,
        "RDS_CA_BUNDLE": str(stack.database.ca_file),
        "ROTATION_CA_BUNDLE": str(stack.database.ca_file),
        "AWS_ENDPOINT_URL": stack.aws.endpoint,
        "AWS_SHARED_CREDENTIALS_FILE": str(stack.aws.administrator_file),
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,  # boto3's name for it
        "RECORDS_URL": f"{front}/records",
    }
    yield f"unset {' '.join(_FOREIGN)}"
    for variable, value in variables.items():
        yield f"export {variable}={shlex.quote(value)}"
    yield f'export VAULT_TOKEN="$(cat {shlex.quote(str(stack.vault.root_token_file))})"'
