"""`vaultgate mirror`: Vault's file audit devices to CloudWatch Logs."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vaultgate_ops.audit import daemon
from vaultgate_ops.audit.lag import lag
from vaultgate_ops.audit.mirror import Options
from vaultgate_ops.cli import speech
from vaultgate_ops.cli.listing import Listing
from vaultgate_ops.cli.mirror_listen import listen, reconcile
from vaultgate_ops.cli.mirror_verify import verify
from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import CheckFailed

if TYPE_CHECKING:
    from vaultgate_ops.audit.model import Destination
    from vaultgate_ops.audit.sender import CloudWatchSender

_CHECKPOINTS = click.option(
    "--checkpoints",
    type=click.Path(path_type=Path),
    help="Folder of the checkpoints: $STATE_DIRECTORY, as systemd sets it, or /var/lib/vaultgate.",
)


@click.group(cls=Listing, invoke_without_command=True)
@click.option("--file", "files", metavar="[NAME=]PATH", multiple=True, help="A file audit device; may be given several times.")
@click.option("--group", help="The log group. Each device gets a stream NODE/NAME in it, and one for the evidence.")
@click.option("--node", default="", help="Name of this Vault node; the host's by default.")
@_CHECKPOINTS
@click.option("--once", is_flag=True, help="End when everything that is there has arrived.")
@click.option("--skip-rotated", is_flag=True, help="At the very first start leave the files that were rotated already.")
@click.option("--force-raw", is_flag=True, help="Mirror a device with log_raw, secrets and all.")
@click.option("--region", envvar="AWS_REGION", default="", help="AWS region; AWS's own settings by default.")
@click.option("--endpoint-url", envvar="AWS_ENDPOINT_URL", default="", help="Another CloudWatch Logs than the region's.")
@click.option("--retention-days", type=int, help="Of the log group, where it is made here. For ever by default.")
@click.option("--kms-key", default="", help="ARN of the key for the log group, where it is made here.")
@click.option("--existing-group", is_flag=True, help="Don't make the log group where it is missing.")
@click.pass_context
def mirror(
    context: click.Context,
    *,
    files: tuple[str, ...],
    group: str | None,
    node: str,
    checkpoints: Path | None,
    once: bool,
    skip_rotated: bool,
    force_raw: bool,
    region: str,
    endpoint_url: str,
    retention_days: int | None,
    kms_key: str,
    existing_group: bool,
) -> None:
    """Mirror Vault's file audit devices to CloudWatch Logs: every line at least once, byte for byte.

    Credentials are AWS's usual ones. SIGTERM sends what is read, saves how far that was, and ends within 5 seconds.
    """
    if context.invoked_subcommand:
        return
    if not files or not group:
        raise click.UsageError("Name at least one --file, and the --group.")
    # What talks to AWS is large; the other commands do without it.
    from vaultgate_ops.audit.cloudwatch import Service  # noqa: PLC0415
    from vaultgate_ops.audit.destinations import Creation  # noqa: PLC0415
    from vaultgate_ops.audit.sender import open_sender  # noqa: PLC0415

    clock, say = Clock(), speech.Spoken().say
    creation = Creation(allowed=not existing_group, retention_days=retention_days, kms_key=kms_key)

    def opened(destination: Destination) -> CloudWatchSender:
        return open_sender(Service(region, endpoint_url), destination, creation, clock, say=say)

    wanted = daemon.devices(files, group, node)
    options = Options(once=once, raw_allowed=force_raw, skip_rotated=skip_rotated)
    working = daemon.mirrors(wanted, daemon.checkpoint_folder(checkpoints, os.environ), opened, clock, say, options=options)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.set())
    if not once:
        say(f"Mirroring {', '.join(str(device.path) for device in wanted)} to {group}.")
    daemon.run(working, stopping)


mirror.add_command(listen)
mirror.add_command(reconcile)
mirror.add_command(verify)


@mirror.command()
@_CHECKPOINTS
def status(*, checkpoints: Path | None) -> None:
    """Show how far behind each device is: lines, bytes, seconds. Exit code 1 unless a mirror runs for each, without problems."""
    clock = Clock()
    folder = daemon.checkpoint_place(checkpoints, os.environ)
    found = [lag(file, clock) for file in sorted(folder.glob(f"*{daemon.SUFFIX}"))]
    if not found:
        raise CheckFailed(f"There is no checkpoint in {folder}.", "Start a mirror, or name its folder: --checkpoints.")
    for device in found:
        behind = f"{device.lines} lines, {device.size} bytes, {device.seconds:.1f} s behind"
        speech.line(
            f"{device.path} -> {device.group} {device.stream}: {'running' if device.running else 'not running'}, {behind}"
        )
        for problem in device.problems:
            speech.line(f"  {problem}")
    if not all(device.running and not device.problems for device in found):
        raise CheckFailed("Not every device is mirrored.", "Start the mirror, and mend what stands above.")
