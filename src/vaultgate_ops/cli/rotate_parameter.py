"""`vaultgate rotate parameter`: the rotation of one SecureString of Parameter Store, by hand."""

from __future__ import annotations

import click

from vaultgate_ops.cli import speech
from vaultgate_ops.cli.listing import Listing
from vaultgate_ops.cli.rotation_doors import REGION, parameters
from vaultgate_ops.errors import CheckFailed, UsageProblem
from vaultgate_ops.rotation.model import CURRENT, PENDING, PREVIOUS
from vaultgate_ops.rotation.parameter_store import pending_name

_NAME = click.argument("name")
_HOWEVER_YOUNG = float("inf")


@click.group(cls=Listing)
def parameter() -> None:
    """Rotate the password or API key in a SecureString of Parameter Store, or look at how its rotation stands.

    Runs in this process, so database or API must be reachable from here, with the function's variables (docs/rotation.md).
    """


@parameter.command()
@_NAME
@REGION
@click.option("--dry-run", is_flag=True, help="Only test, and change nothing: log in and compare privileges, or ask the API.")
@click.option("--drop-previous", is_flag=True, help="Emergency: also end the older value and its sessions at once.")
def now(*, name: str, region: str | None, dry_run: bool, drop_previous: bool) -> None:
    """Rotate now, or go on with a rotation that was begun."""
    if dry_run and drop_previous:
        raise UsageProblem("--dry-run changes nothing, --drop-previous does.", "Choose one.")
    rotation = parameters(region)
    if dry_run:
        with speech.Spoken().task("Testing"):
            rotation.rehearse(name)
        speech.line("A rotation would work: all that testSecret looks at is as it must be.")
        return
    with speech.Spoken().task("Rotating"):
        version = rotation.rotate(name, _HOWEVER_YOUNG)
    speech.line(f"Version {version} is the latest.")
    if drop_previous:
        speech.line(f"older value: {rotation.drop_previous(name)}")


@parameter.command()
@_NAME
@REGION
def status(*, name: str, region: str | None) -> None:
    """Show which version is what. Exit code 1 while a rotation is unfinished."""
    seen = parameters(region).describe(name)
    for stage, word in ((CURRENT, "current"), (PENDING, "pending"), (PREVIOUS, "previous")):
        version = seen.stages.holder(stage)
        if version is not None:
            place = pending_name(name, version) if stage == PENDING else f"{name}:{version}"
            speech.line(f"{word:<12} {place}")
    if seen.stages.holder(PENDING) is not None:
        raise CheckFailed(
            f"Version {seen.stages.holder(PENDING)} is pending: a rotation is under way, or got stuck.",
            "Wait for it, or go on with it: vaultgate rotate parameter now.",
        )


@parameter.command("take-back")
@_NAME
@REGION
def take_back(*, name: str, region: str | None) -> None:
    """Delete the value of a rotation that can't be finished. With single, see first that the current one still works."""
    speech.line(parameters(region).take_back(name))


@parameter.command()
@_NAME
@REGION
@click.option("--drop-previous", is_flag=True, help="Whatever the grace: end the older value and its sessions at once.")
def sweep(*, name: str, region: str | None, drop_previous: bool) -> None:
    """End the older value if its grace_s is over."""
    rotation = parameters(region)
    speech.line(rotation.drop_previous(name) if drop_previous else rotation.sweep(name))
