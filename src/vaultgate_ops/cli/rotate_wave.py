"""`vaultgate rotate wave`: many secrets, a few at a time, until one fails."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from vaultgate_ops.cli import speech
from vaultgate_ops.cli.rotation_doors import REGION, hand, named, secrets_client
from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import CheckFailed, UsageProblem
from vaultgate_ops.interruptions import interruptible
from vaultgate_ops.rotation.candidates import candidates, names_in, tagged
from vaultgate_ops.rotation.service import SecretsManager
from vaultgate_ops.rotation.waves import plan, run

if TYPE_CHECKING:
    from vaultgate_ops.rotation.waves import Outcome

_LARGEST_WAVE = 50


@click.command()
@click.argument("secrets", nargs=-1, metavar="[SECRET]...", callback=named)
@REGION
@click.option("--from", "file", type=click.File(), help="Names or ARNs, one a line; - for standard input.")
@click.option("--tag", metavar="KEY=VALUE", help="All secrets that have this tag.")
@click.option("--canary", type=click.IntRange(0, _LARGEST_WAVE), default=1, show_default=True, help="Size of the first wave.")
@click.option("--size", type=click.IntRange(1, _LARGEST_WAVE), default=5, show_default=True, help="Of each other wave.")
@click.option("--pause", "pause_s", type=click.FloatRange(0), default=60.0, show_default=True, help="Seconds between two waves.")
@click.option("--since", metavar="TIME", help="Go on with the run that began then: skip what was rotated since.")
@click.option("--dry-run", is_flag=True, help="Only show the waves.")
@click.option("--here", is_flag=True, help="In this process, though the secrets have functions.")
@click.option("--wait", "patience_s", default=300.0, show_default=True, metavar="SECONDS", help="For a secret's function.")
def wave(
    *,
    secrets: tuple[str, ...],
    region: str | None,
    file: click.utils.LazyFile | None,
    tag: str | None,
    canary: int,
    size: int,
    pause_s: float,
    since: str | None,
    dry_run: bool,
    here: bool,
    patience_s: float,
) -> None:
    """Rotate many secrets in waves: a canary first, then SIZE at a time; no new ones once one has failed.

    Ends with what was rotated, what failed and what wasn't begun, and how to go on. Exits 1 if one failed, 130 if interrupted:
    what is under way then goes on to its end.
    """
    clock = Clock()
    began = _moment(since) if since else clock.wall()
    rotation = hand(region)
    names = [*secrets, *(names_in("".join(file)) if file else ())]
    if tag:
        key, equals, value = tag.partition("=")
        if not equals or not key:
            raise UsageProblem(f"--tag {tag!r} is not KEY=VALUE.", "Give both.")
        those = tagged(SecretsManager(secrets_client(region), clock), key, value)
        if not those:
            raise UsageProblem(f"No secret has the tag {tag}.", "Correct it or the region; key and value are compared exactly.")
        names += those
    if not names:
        raise UsageProblem("No secret is named.", "Name secrets, or give --from or --tag.")
    with speech.Spoken().task("Looking at secrets"):
        planned = plan(candidates(names, rotation.survey, here=here), size, canary, began if since else None)
    for arn in planned.done:
        speech.line(f"skipped: {arn}, rotated since then")
    if dry_run:
        for number, one in enumerate(planned.waves, 1):
            speech.line(f"wave {number}: {' '.join(one)}")
        return

    def rotate(arn: str) -> str:
        there = bool(rotation.survey(arn).function) and not here
        return rotation.rotate_there(arn, patience_s) if there else rotation.rotate_here(arn)

    # An interruption that came meanwhile is raised again behind this block.
    with interruptible():
        _tell(run(planned, rotate, clock, pause_s, speech.line), began)


def _tell(outcome: Outcome, began: float) -> None:
    speech.line(f"{len(outcome.rotated)} rotated, {len(outcome.failed)} failed, {len(outcome.left)} not begun")
    for arn in outcome.left:
        speech.line(f"not begun: {arn}")
    go_on = f"the same command with --since {datetime.fromtimestamp(began, UTC).isoformat(timespec='milliseconds')}"
    if outcome.failed:
        first = next(iter(outcome.failed.values()))
        raise CheckFailed(
            f"{len(outcome.failed)} of {len(outcome.failed) + len(outcome.rotated)} rotations failed, no new ones were begun.",
            f"Mend the cause, then: vaultgate rotate repair, and {go_on}. {first.hint}".rstrip(),
        )
    if outcome.left:
        speech.line(f"go on: {go_on}")


def _moment(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise UsageProblem(f"--since {text!r} is no date with a time zone.", "Write it as 2026-11-21T06:00:00Z.")
    return moment.timestamp()
