"""Which process is meant, for all time: a pid alone is reused.

Source of the file formats: proc(5).
"""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Identity:
    """One process.

    Attributes:
        pid: process id.
        started: start time in clock ticks since boot, field 22 of /proc/PID/stat (proc(5)).
    """

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """Identify a process that runs; None when there is none or only its zombie."""
        stat = _stat(pid)
        return None if stat is None else cls(pid, int(stat[19]))

    def alive(self) -> bool:
        """Whether this very process still runs."""
        return Identity.of(self.pid) == self

    def send(self, number: signal.Signals) -> None:
        """Send a signal to this very process; nothing happens when it is gone."""
        with contextlib.suppress(ProcessLookupError):
            pinned = os.pidfd_open(self.pid)
            try:
                if self.alive():
                    signal.pidfd_send_signal(pinned, number)
            finally:
                os.close(pinned)


def running() -> Iterator[tuple[Identity, int]]:
    """Every process of this machine that runs now, each with the id of its session."""
    # Elsewhere than on Linux no stack can run.
    names = os.listdir("/proc") if Path("/proc").is_dir() else []  # noqa: PTH208 - a Path for each process is dear
    for name in names:
        stat = _stat(int(name)) if name.isdigit() else None
        if stat is not None:
            yield Identity(int(name), int(stat[19])), int(stat[3])


def _stat(pid: int) -> list[str] | None:
    """Fields 3 and up of /proc/PID/stat, the part after the command's name; None for no process and for a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if not fields or fields[0] in "ZX" else fields
