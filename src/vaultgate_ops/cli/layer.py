"""`vaultgate layer`: build what Lambda will mount on /opt."""

from __future__ import annotations

import os

import click

from vaultgate_ops.cli import speech
from vaultgate_ops.layer import ARCHITECTURES, VERSIONS, build
from vaultgate_ops.local.paths import checkout


@click.group()
def layer() -> None:
    """The Lambda layer with the extension."""


@layer.command("build")
@click.option(
    "--python",
    "versions",
    multiple=True,
    type=click.Choice(VERSIONS),
    help="Only this runtime's bytecode, in build/vaultgate-layer-python3.13.zip; may be repeated.",
)
@click.option(
    "--arch",
    "architectures",
    multiple=True,
    type=click.Choice(ARCHITECTURES),
    help="Declared for this architecture alone, in build/vaultgate-layer-arm64.zip; the code is the same. May be repeated.",
)
def build_layer(versions: tuple[str, ...], architectures: tuple[str, ...]) -> None:
    """Leave build/layer/ (what /opt will hold) and build/vaultgate-layer.zip, for every Python found here."""
    built = build(checkout(), os.environ, speech.Spoken(), versions, architectures)
    speech.line(f"{built.folder}: {built.files} files")
    speech.line(f"{built.archive}: {built.size / 1000:.0f} kB")
    speech.line(f"sha256 {built.sha256}, for {', '.join(built.manifest.architectures)}")
    for interpreter in built.interpreters:
        speech.line(f"bytecode for Python {interpreter.version}, by {interpreter.release} in {interpreter.path}")
    if built.missing:
        speech.line(f"no bytecode for Python {', '.join(built.missing)}: not found here, starts more slowly there")
