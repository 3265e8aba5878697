"""Starting a part's process, and telling why one does not come up.

Rules:

- Every process carries the markers by which `markers.find` finds it, before anybody could need that.
- Every part leads a session of its own, so Ctrl-C in a terminal reaches only us, and a part's children are known by it.
- A child's environment is built from a short list of names, never copied: a user's own ``VAULT_*``, ``AWS_*`` or proxy
  settings stay outside. ``HOME`` and ``TMPDIR`` point into the stack's folder, so nothing is read or left elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from collections import deque
from typing import TYPE_CHECKING, TypeVar

from vaultgate_ops.errors import Missing, Unreachable
from vaultgate_ops.local.disk import FULL_WORDS, existing
from vaultgate_ops.local.identity import Identity
from vaultgate_ops.local.markers import PART, STACK, variables_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from vaultgate_ops.clock import Clock
    from vaultgate_ops.errors import OpsError

READY_S = 60.0
"""How long a part may take until it answers, on a slow and busy machine."""

_INHERITED = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "TZ")
_GRACE_S = 5.0
_POLL_S = 0.02
_READ_BYTES = 20_000
_QUOTED_LINES = 5
_QUOTED_WIDTH = 200
_PORT_ATTEMPTS = 5
_MOST_HELD = 64  # ports; each is a descriptor, and is bound by its server within seconds
_HELD: deque[int] = deque()  # descriptors
_FULL_BYTES = 16 * 1024**2

T = TypeVar("T")


class PortTaken(Unreachable):
    """Somebody else took the port between its choice and its use."""


class Process:
    """A part's process that we started ourselves.

    Attributes:
        identity: which one it is.
        log: file that has its output; what it wrote begins at ``log_from`` bytes.
    """

    def __init__(self, part: str, popen: subprocess.Popen[bytes], log: Path, log_from: int) -> None:
        self.part, self.log, self.log_from = part, log, log_from
        self._popen = popen
        self.identity = Identity.of(popen.pid) or Identity(popen.pid, 0)

    def exited(self) -> bool:
        """Whether it ended, by itself or not."""
        return self._popen.poll() is not None

    def reap(self) -> None:
        """Take the exit status of a process that was ended, so that no zombie stays."""
        self._popen.wait(timeout=_GRACE_S)

    def wait(self, deadline_s: float) -> int:
        """Wait for its end; gives its exit status, negative for a signal.

        Raises:
            Unreachable: it runs longer than ``deadline_s`` seconds.
        """
        try:
            return self._popen.wait(timeout=deadline_s)
        except subprocess.TimeoutExpired as error:
            raise self.failure(f"{self.part} took longer than {deadline_s:.0f} s") from error

    def await_ready(self, probe: Callable[[], bool], clock: Clock, deadline_s: float = READY_S) -> None:
        """Wait until ``probe()`` says that it answers.

        Raises:
            PortTaken: it ended because its port was taken.
            Missing: it ended because the disk is full.
            Unreachable: it ended for another reason, or did not answer in ``deadline_s`` seconds.
        """
        end = clock.steady() + deadline_s
        while not self.exited():
            if probe() and not self.exited():
                return
            if clock.steady() > end:
                raise self.failure(f"{self.part} did not answer within {deadline_s:.0f} s")
            clock.sleep(_POLL_S)
        raise self.failure(f"{self.part} ended with status {self._popen.returncode}")

    def failure(self, what: str) -> OpsError:
        """The error that says ``what`` happened, why by the log's last lines, and the fix."""
        return failure(what, self.log, self.log_from)

    def quote(self) -> str:
        """The last lines of its log as one phrase."""
        return _quote(_end_of(self.log, self.log_from))


def start(
    part: str,
    argv: Sequence[str | Path],
    folder: Path,
    *,
    extra: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Process:
    """Start one process of a part, in a session of its own, its output appended to ``logs/PART.log``.

    Args:
        part: which part of the stack, for example ``vault``.
        argv: program and arguments; no secret among them, every user can read them.
        folder: the stack's folder.
        extra: variables besides the short inherited list.
        cwd: where it starts; by default the stack's folder.

    Raises:
        Missing: the program is not there or can't be executed.
    """
    log = log_file(folder, part)
    log.parent.mkdir(mode=0o700, exist_ok=True)
    with open(log, "ab", opener=lambda path, flags: os.open(path, flags, 0o600)) as output:
        log_from = output.tell()
        try:
            popen = subprocess.Popen(
                [str(word) for word in argv],
                env=environment(part, folder, os.environ, extra or {}),
                cwd=cwd or folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=0o077,
            )
        except (FileNotFoundError, PermissionError) as error:
            raise Missing(f"{argv[0]} can't be executed: {error.strerror}.", "Check the file and its mode.") from error
    # exec is not over yet: until it is, the process has no environment and could not be found.
    while popen.poll() is None and not variables_of(popen.pid):
        os.sched_yield()
    return Process(part, popen, log, log_from)


def environment(part: str, folder: Path, inherited: Mapping[str, str], extra: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of a child."""
    return {
        **{name: inherited[name] for name in _INHERITED if name in inherited},
        "HOME": str(folder),
        "TMPDIR": str(folder),
        STACK: str(folder.absolute()),
        PART: part,
        **extra,
    }


def log_file(folder: Path, part: str) -> Path:
    """The raw output of a part."""
    return folder / "logs" / f"{part}.log"


def failure(what: str, log: Path, since: int = 0) -> OpsError:
    """An error that quotes the end of a log, its complaints if it has any; ``since`` is the byte to begin at."""
    lines = _end_of(log, since)
    if any("address already in use" in line.lower() for line in lines):
        return PortTaken(f"{what}, for its port was taken; {_quote(lines)}", "Run the command again.")
    if any(words in line.lower() for line in lines for words in FULL_WORDS) or disk_is_full(log.parent):
        return Missing(f"{what}: the disk that holds {log.parent} is full.", "Free some space there.")
    return Unreachable(f"{what}; {_quote(lines)}", f"Read {log}.")


def disk_is_full(folder: Path) -> bool:
    """Whether there is no room for anything; a program that meets that has no room for its last words, either."""
    return shutil.disk_usage(existing(folder)).free < _FULL_BYTES


def _quote(lines: Sequence[str]) -> str:
    complaints = [line for line in lines if "error" in line.lower()]
    kept = [line[:_QUOTED_WIDTH] for line in (complaints or lines)[-_QUOTED_LINES:]]
    return "its log ends: " + " | ".join(kept) if kept else "it wrote no log"


def _end_of(log: Path, since: int) -> list[str]:
    try:
        with log.open("rb") as file:
            file.seek(max(since, file.seek(0, os.SEEK_END) - _READ_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return []
    return [line.strip() for line in lines if line.strip()]


def free_port() -> int:
    """A TCP port on 127.0.0.1 that is free right now, chosen by the kernel.

    It stays bound here, though nothing listens: whoever asks the kernel for a port, to listen or to connect from, is given
    another one, while a server that sets SO_REUSEADDR, as they all do, still gets it (socket(7)). The latest are held, no more.
    """
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    held.bind(("127.0.0.1", 0))
    # Only now: bound with it, the kernel might choose a port that somebody else holds in this way.
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    port: int = held.getsockname()[1]
    _HELD.append(held.detach())
    if len(_HELD) > _MOST_HELD:
        os.close(_HELD.popleft())
    return port


def on_free_port(attempt: Callable[[int], T]) -> T:
    """Call ``attempt(port)`` with a free port, and again with another when that one was taken in between.

    Raises:
        PortTaken: it happened too often.
    """
    for _ in range(_PORT_ATTEMPTS - 1):
        with contextlib.suppress(PortTaken):
            return attempt(free_port())
    return attempt(free_port())
