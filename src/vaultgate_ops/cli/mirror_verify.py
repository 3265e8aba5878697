"""`vaultgate mirror verify`: whether a mirror is complete."""

from __future__ import annotations

from pathlib import Path

import click

from vaultgate_ops.audit.model import Destination
from vaultgate_ops.cli import speech
from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import CheckFailed, Missing, UsageProblem


@click.command()
@click.option("--group", required=True, help="The log group that is mirrored to.")
@click.option(
    "--stream", "streams", metavar="NODE/NAME", multiple=True, help="Only this stream; repeatable. All of them by default."
)
@click.option(
    "--file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Compare with this file of the device as well, gzipped or not; needs one --stream.",
)
@click.option("--region", envvar="AWS_REGION", default="", help="AWS region; AWS's own settings by default.")
@click.option("--endpoint-url", envvar="AWS_ENDPOINT_URL", default="", help="Another CloudWatch Logs than the region's.")
def verify(*, group: str, streams: tuple[str, ...], file: Path | None, region: str, endpoint_url: str) -> None:
    """Read a mirror back and say whether it is complete: every line there, none changed, duplicates counted.

    It shows accidental loss. Whoever may write to the log group can forge both lines and proofs. Exits 1 if it isn't complete.
    """
    if file and len(streams) != 1:
        raise UsageProblem("--file is compared with one stream.", "Name it with --stream NODE/NAME.")
    # What talks to AWS is large; the other commands do without it.
    from vaultgate_ops.audit import verify as library  # noqa: PLC0415
    from vaultgate_ops.audit.cloudwatch import CloudWatchLogs, Service  # noqa: PLC0415

    service = CloudWatchLogs(Service(region, endpoint_url), Clock())
    try:
        wanted = streams or library.mirrored_streams(service, group)
        if not wanted:
            raise Missing(f"Nothing is mirrored to log group {group}.", "Check its name and the region.")
        whole = True
        for stream in wanted:
            evidence = library.read_back(service, Destination(group, stream))
            found = evidence.findings()
            compared = library.against_file(evidence, file) if file else None
            whole &= found.complete and (compared is None or compared.complete)
            for sentence in library.sentences(found, compared):
                speech.line(f"{stream}: {sentence}")
    finally:
        service.close()
    if not whole:
        raise CheckFailed(
            f"The mirror in log group {group} is not complete.",
            "Read it again in a minute, for what came last may not be visible yet; then look for the lines in Vault's own files.",
        )
