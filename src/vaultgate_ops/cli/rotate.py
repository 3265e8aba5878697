"""`vaultgate rotate`: the rotation of one secret, by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from vaultgate_ops.cli import speech
from vaultgate_ops.cli.listing import Listing
from vaultgate_ops.cli.rotate_parameter import parameter
from vaultgate_ops.cli.rotate_report import report
from vaultgate_ops.cli.rotate_sync import sync
from vaultgate_ops.cli.rotate_wave import wave
from vaultgate_ops.cli.rotation_doors import REGION, SECRET, hand
from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import CheckFailed, UsageProblem
from vaultgate_ops.rotation.outlook import outlook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vaultgate_ops.rotation.survey import Survey


@click.group(cls=Listing)
def rotate() -> None:
    """Rotate the password or API key in a secret of Secrets Manager, or look at how its rotation stands.

    Works on whatever account the environment names; after `eval "$(vaultgate up)"` that is the local stack. The secret's
    own function does the work where it has one, otherwise the same code does it in this process, with the function's
    variables (ROTATION_CA_BUNDLE and so on, docs/rotation.md).
    """


@rotate.command()
@SECRET
@REGION
@click.option("--here", is_flag=True, help="In this process, though the secret has a function.")
@click.option("--dry-run", is_flag=True, help="Only test, and change nothing: log in and compare privileges, or ask the API.")
@click.option("--drop-previous", is_flag=True, help="Emergency: also end the older value and its sessions at once.")
@click.option("--wait", "patience_s", default=300.0, show_default=True, metavar="SECONDS", help="For the secret's function.")
def now(*, secret: str, region: str | None, here: bool, dry_run: bool, drop_previous: bool, patience_s: float) -> None:
    """Rotate now, and show the stages."""
    if dry_run and drop_previous:
        raise UsageProblem("--dry-run changes nothing, --drop-previous does.", "Choose one.")
    rotation, reporter = hand(region), speech.Spoken()
    there = bool(rotation.survey(secret).function) and not here
    if dry_run:
        if there:
            rotation.rehearse_there(secret)
            speech.line("Secrets Manager runs testSecret by the secret's function; what came of it is in the function's log.")
        else:
            with reporter.task("Testing"):
                rotation.rehearse_here(secret)
            speech.line("A rotation would work: all that testSecret looks at is as it must be.")
        return
    with reporter.task("Rotating"):
        version = rotation.rotate_there(secret, patience_s) if there else rotation.rotate_here(secret)
    speech.line(f"Version {version} is AWSCURRENT.")
    if drop_previous:
        speech.line(f"older value: {rotation.drop_previous(secret)}")
    _show(rotation.survey(secret))


@rotate.command()
@SECRET
@REGION
def status(*, secret: str, region: str | None) -> None:
    """Show the stages. Exit code 1 while a version is pending."""
    looked = hand(region).survey(secret)
    _show(looked)
    if looked.pending is not None:
        raise CheckFailed(
            f"Version {looked.pending.version_id} is pending: a rotation is under way, or got stuck.",
            "Wait for it; if it stays, run: vaultgate rotate repair.",
        )


@rotate.command()
@SECRET
@REGION
@click.option("--schedule", metavar="EXPRESSION", help='Try this one: "cron(0 2 ? * MON-FRI *)" or "rate(45 days)".')
@click.option("--days", type=int, help="Try this: AutomaticallyAfterDays. Instead of --schedule.")
@click.option("--duration", metavar="HOURS", help="With one of the two: how long a window is, such as 2h.")
def plan(*, secret: str, region: str | None, schedule: str | None, days: int | None, duration: str | None) -> None:
    """Show what a rotation would do, and when the next ones are. Contacts Secrets Manager only."""
    given = {"ScheduleExpression": schedule, "AutomaticallyAfterDays": days, "Duration": duration}
    rules = {name: value for name, value in given.items() if value is not None}
    if rules.keys() == {"Duration"}:
        raise UsageProblem("--duration alone is no schedule.", "Give --schedule or --days too.")
    rotation = hand(region)
    for word, meaning in (*rotation.plan(secret), *outlook(rotation.survey(secret), rules, Clock().wall())):
        speech.line(f"{word:<12} {meaning}")


@rotate.command()
@SECRET
@REGION
@click.option("--dry-run", is_flag=True, help="Only show what is stuck.")
@click.option("--take-back", is_flag=True, help="Don't try to finish it. With single, see first that AWSCURRENT still works.")
def repair(*, secret: str, region: str | None, dry_run: bool, take_back: bool) -> None:
    """End a rotation that got stuck: finish it, or take its version back if its value is to blame.

    Runs in this process, so database or API must be reachable from here.
    """
    rotation = hand(region)
    if not dry_run:
        with speech.Spoken().task("Repairing"):
            outcome = rotation.take_back(secret) if take_back else rotation.repair(secret)
        speech.line(outcome)
    _show(rotation.survey(secret))


@rotate.command()
@SECRET
@REGION
@click.option("--drop-previous", is_flag=True, help="Whatever the grace: end the older value and its sessions at once.")
def sweep(*, secret: str, region: str | None, drop_previous: bool) -> None:
    """End the older value if its grace_s is over. Runs in this process."""
    rotation = hand(region)
    speech.line(rotation.drop_previous(secret) if drop_previous else rotation.sweep(secret))


def _show(looked: Survey) -> None:
    for line in _lines(looked, _local):
        speech.line(line)


def _lines(looked: Survey, moment: Callable[[float], str]) -> Iterator[str]:
    """A secret's stages as a table."""
    yield f"{looked.name}  {looked.arn}"
    facts = [
        "rotation enabled" if looked.enabled else "rotation not enabled",
        looked.schedule,
        f"last {moment(looked.rotated_at)}" if looked.rotated_at else "",
        f"managed by {looked.owner}" if looked.owner else "",
        f"primary region {looked.primary_region}" if looked.primary_region else "",
    ]
    yield f"  {', '.join(fact for fact in facts if fact)}"
    yield f"  {'version':<38}{'stages':<26}created"
    for version in looked.versions:
        yield f"  {version.version_id:<38}{' '.join(version.stages):<26}{moment(version.created_at)}"


def _local(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%d %H:%M:%SZ")


rotate.add_command(parameter)
rotate.add_command(report)
rotate.add_command(sync)
rotate.add_command(wave)
