"""`vaultgate demo`: the whole chain on real parts, told step by step; or rotations under load."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from vaultgate_ops.cli import containers, speech
from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import UsageProblem
from vaultgate_ops.layer import build
from vaultgate_ops.local import paths
from vaultgate_ops.local.rotation_demo import RotationDemo, judge
from vaultgate_ops.local.scene import EmbeddedScene
from vaultgate_ops.local.stack import Stack
from vaultgate_ops.local.story import Story
from vaultgate_ops.rotation.load import EVERY_S
from vaultgate_ops.rotation.trial import table

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROTATIONS, _LONGEST_GAP_S = 10, 0.5


@click.command()
@click.option("--docker", is_flag=True, help="In containers: docker-compose.yml, in a project of its own.")
@click.option("--rotation", is_flag=True, help="Instead: rotations under load, and what clients of each strategy notice.")
def demo(*, docker: bool, rotation: bool) -> None:
    """Run the whole chain on real parts, check every step, leave nothing running.

    AWS's Lambda emulator, HashiCorp's Vault, a MySQL-family server and an STS that checks signatures; what is missing is
    brought first (building Vault takes minutes, once). Exit code 1 if a step doesn't hold.
    """
    clock, reporter = Clock(), speech.Spoken()
    began = clock.steady()
    if rotation:
        if docker:
            raise UsageProblem("The rotation's demo runs on the embedded stack only.", "Leave --docker out.")
        _rotations(reporter, clock)
        speech.line(f"done in {clock.steady() - began:.0f} s, nothing is left running")
        return
    with containers.demo_scene() if docker else _embedded(reporter, clock) as scene:
        speech.line(f"{'stack started':<32}{'Vault, database, AWS, all on loopback':<66}{clock.steady() - began:5.1f} s")
        for step in Story(scene, clock).steps():
            speech.line(f"{step.title:<32}{step.detail:<66}{step.seconds:5.1f} s")
    speech.line(f"{'done':<32}{'nothing is left running':<66}{clock.steady() - began:5.1f} s")


@contextmanager
def _embedded(reporter: speech.Spoken, clock: Clock) -> Iterator[EmbeddedScene]:
    with Stack.embedded(f"demo-{os.getpid()}", reporter, clock=clock) as stack:
        yield EmbeddedScene(stack, reporter)


def _rotations(reporter: speech.Spoken, clock: Clock) -> None:
    """Rotate by each strategy under load, and print what came of it."""
    with Stack.embedded(f"demo-{os.getpid()}", reporter, clock=clock) as stack:
        build(paths.checkout(), os.environ, reporter)
        played = RotationDemo(stack, clock)
        played.prepare()
        outcomes = {}
        for strategy in ("dual", "alternating", "single"):
            with reporter.task(f"Rotating by {strategy}"):
                outcomes[strategy] = played.strategy(strategy, _ROTATIONS, _LONGEST_GAP_S)
        with reporter.task("Rotating an API's key"):
            outcomes["api-key"] = played.key(_ROTATIONS, _LONGEST_GAP_S)
        speech.line(
            f"A login with AWSCURRENT every {1000 * EVERY_S:.0f} ms, GET /records beside it, while the password is rotated;"
        )
        speech.line("for api-key, a call of an API that allows two keys, while its key is:")
        for line in table(outcomes):
            speech.line(line)
        figures = outcomes["api-key"].figures
        speech.line(f"{figures.failed} of {figures.logins} calls with AWSCURRENT's API key failed")
        judge(outcomes)
