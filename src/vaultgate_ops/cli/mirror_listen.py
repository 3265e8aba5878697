"""`vaultgate mirror listen` and `reconcile`: Vault's socket and syslog devices, which promise less than a file."""

from __future__ import annotations

import signal
import threading
from contextlib import closing
from pathlib import Path

import click

from vaultgate_ops.audit import listener
from vaultgate_ops.audit import reconcile as library
from vaultgate_ops.cli import speech
from vaultgate_ops.errors import CheckFailed

_SHOWN = 20


@click.command()
@click.argument("where", metavar="[syslog+]KIND://PLACE")
@click.option("--spool", type=click.Path(path_type=Path), required=True, help="The file; follow it with vaultgate mirror --file.")
def listen(*, where: str, spool: Path) -> None:
    """Write what a socket or syslog audit device sends to a file of mode 0600.

    KIND is tcp, udp, unix or unixgram. Vault gets no acknowledgement: while this doesn't run, or can't keep up, entries are
    lost and Vault does not know. Use a file device where you can, and reconcile where you have both.
    """
    say = speech.Spoken().say
    stopping = threading.Event()
    with closing(listener.Listener(listener.address(where), spool, say)) as listening:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        say(f"Listening on {where}, writing {spool}.")
        listening.run(stopping)
    say(f"{listening.lines:,} entries were written, {listening.fragments} of them unfinished.")


@click.command()
@click.option("--file", type=click.Path(path_type=Path), required=True, help="Written by a file device of the same Vault.")
@click.option("--spool", type=click.Path(path_type=Path), required=True, help="Written by vaultgate mirror listen.")
def reconcile(*, file: Path, spool: Path) -> None:
    """Count the entries of a file device that a socket or syslog device of the same Vault lost. Exits 1 if there are any."""
    found = library.reconcile(file, spool)
    for moment, kind, path in found.lost[:_SHOWN]:
        speech.line(f"lost: {moment} {kind} {path}")
    if len(found.lost) > _SHOWN:
        speech.line(f"... and {len(found.lost) - _SHOWN:,} more")
    speech.line(f"{found.entries:,} entries in the file, {len(found.lost):,} of them not in the spool")
    if found.lost:
        raise CheckFailed("The socket or syslog device lost entries.", "Mirror the file device: it loses none.")
