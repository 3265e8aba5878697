"""`vaultgate layer`: build what Lambda will mount on /opt, say what is in it, and bring it to AWS's regions."""

from __future__ import annotations

import os
from pathlib import Path

import click

from vaultgate_ops.cli import speech
from vaultgate_ops.cli.layer_publish import publish_layer
from vaultgate_ops.cli.listing import Listing
from vaultgate_ops.clock import Clock
from vaultgate_ops.layer import ARCHITECTURES, VERSIONS, build
from vaultgate_ops.local.paths import build_folder, checkout


@click.group(cls=Listing)
def layer() -> None:
    """The Lambda layer with the extension."""


layer.add_command(publish_layer)


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
@click.option(
    "--release", "for_others", is_flag=True, help="Everything that is handed to others, in build/release/; needs every Python."
)
def build_layer(versions: tuple[str, ...], architectures: tuple[str, ...], *, for_others: bool) -> None:
    """Leave build/layer/ (what /opt will hold) and build/vaultgate-layer.zip, for every Python found here."""
    if for_others:
        if versions or architectures:
            raise click.UsageError("--release makes all that there is; leave --python and --arch out.")
        _release()
        return
    built = build(checkout(), os.environ, speech.Spoken(), versions, architectures)
    speech.line(f"{built.folder}: {built.files} files")
    speech.line(f"{built.archive}: {built.size / 1000:.0f} kB")
    speech.line(f"sha256 {built.sha256}, for {', '.join(built.manifest.architectures)}")
    for interpreter in built.interpreters:
        speech.line(f"bytecode for Python {interpreter.version}, by {interpreter.release} in {interpreter.path}")
    if built.missing:
        speech.line(f"no bytecode for Python {', '.join(built.missing)}: not found here, starts more slowly there")


def _release() -> None:
    # What writes the bill is large; a plain build does without it.
    from vaultgate_ops.layer.releasing import release  # noqa: PLC0415
    from vaultgate_ops.layer.sbom import moment  # noqa: PLC0415

    made = release(checkout(), os.environ, speech.Spoken(), moment(os.environ, Clock()))
    for name, digest in made.files.items():
        speech.line(f"{digest}  {made.folder / name}")


@layer.command("sbom")
@click.argument("archive", type=click.Path(path_type=Path), required=False)
def bill_of_materials(archive: Path | None) -> None:
    """Print what is in a layer as CycloneDX JSON; of build/vaultgate-layer.zip by default."""
    from vaultgate_ops.layer.sbom import bill, moment  # noqa: PLC0415 - as above

    speech.line(bill(archive or build_folder() / "vaultgate-layer.zip", moment(os.environ, Clock())).rstrip())
