"""`vaultgate demo`: the whole chain on real parts, told step by step."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from vaultgate_ops.cli import containers, speech
from vaultgate_ops.clock import Clock
from vaultgate_ops.local.scene import EmbeddedScene
from vaultgate_ops.local.stack import Stack
from vaultgate_ops.local.story import Story

if TYPE_CHECKING:
    from collections.abc import Iterator


@click.command()
@click.option("--docker", is_flag=True, help="In containers: docker-compose.yml, in a project of its own.")
def demo(*, docker: bool) -> None:
    """Run the whole chain on real parts, check every step, leave nothing running.

    AWS's Lambda emulator, HashiCorp's Vault, a MySQL-family server and an STS that checks signatures; what is missing is
    brought first (building Vault takes minutes, once). Exit code 1 if a step doesn't hold.
    """
    clock, reporter = Clock(), speech.Spoken()
    began = clock.steady()
    with containers.demo_scene() if docker else _embedded(reporter, clock) as scene:
        speech.line(f"{'stack started':<32}{'Vault, database, AWS, all on loopback':<66}{clock.steady() - began:5.1f} s")
        for step in Story(scene, clock).steps():
            speech.line(f"{step.title:<32}{step.detail:<66}{step.seconds:5.1f} s")
    speech.line(f"{'done':<32}{'nothing is left running':<66}{clock.steady() - began:5.1f} s")


@contextmanager
def _embedded(reporter: speech.Spoken, clock: Clock) -> Iterator[EmbeddedScene]:
    with Stack.embedded(f"demo-{os.getpid()}", reporter, clock=clock) as stack:
        yield EmbeddedScene(stack, reporter)
