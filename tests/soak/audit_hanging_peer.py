"""A socket device whose peer hangs: it is there, and takes nothing. What Vault's clients notice, and what is lost."""

from __future__ import annotations

import logging
import os
import signal
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING

from vaultgate_ops.audit.reconcile import reconcile
from vaultgate_ops.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vaultgate_ops.local.stack import Stack

log = logging.getLogger("soak")
READS, HANGING = 20, 1000
WRITE_TIMEOUT_S = 1


def test_a_hanging_peer_slows_vault_down_and_loses_entries_that_can_be_counted(
    stack: Stack, tmp_path: Path, eventually: Callable[[Callable[[], object]], None]
) -> None:
    """A listener that was stopped by a signal: the kernel takes entries for it until its buffer is full, then Vault waits.

    No request fails, for the file device has each entry; what the listener never got is named by comparing the two. How long
    requests took is told to the log, and never judged.
    """
    clock, where, spool = Clock(), tmp_path / "s", tmp_path / "spool.log"
    command = [sys.executable, "-m", "vaultgate_ops", "mirror", "listen", f"unix://{where}", "--spool", str(spool)]
    listener = subprocess.Popen(command)
    try:
        eventually(where.exists)
        with stack.vault.client(stack.vault.root_token) as client:

            def reads(times: int) -> list[float]:
                took_s = []
                for _ in range(times):
                    began_s = clock.steady()
                    client.read("secret/data/records")
                    took_s.append(clock.steady() - began_s)
                return took_s

            begin = stack.vault.audit_file.stat().st_size
            options = {"address": str(where), "socket_type": "unix", "write_timeout": f"{WRITE_TIMEOUT_S}s"}
            client.sys.enable_audit_device("socket", path="hangs", options=options)
            try:
                quick = reads(READS)
                eventually(lambda: spool.read_bytes().count(b'"path":"secret/data/records"') == 2 * READS)
                os.kill(listener.pid, signal.SIGSTOP)
                hanging = reads(HANGING)
            finally:
                client.sys.disable_audit_device("hangs")
                os.kill(listener.pid, signal.SIGCONT)
        listener.terminate()
        listener.wait(10)
    finally:
        listener.kill()
        listener.wait()
    file = tmp_path / "file.log"
    lines = stack.vault.audit_file.read_bytes()[begin:].splitlines(keepends=True)
    file.write_bytes(b"".join(line for line in lines if b'"path":"secret/data/records"' in line))
    found = reconcile(file, spool)
    waited = [one for one in hanging if one > WRITE_TIMEOUT_S / 2]
    log.info(
        "a read takes %.1f ms; of %d while the peer hung %d waited, %.2f s the longest; entries lost: %d of %d",
        statistics.median(quick) * 1000,
        len(hanging),
        len(waited),
        max(hanging),
        len(found.lost),
        found.entries,
    )
    assert found.entries == 2 * (len(quick) + len(hanging))
    assert 0 < len(found.lost) < found.entries
