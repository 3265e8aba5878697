"""Running other people's programs while we fetch.

Rules: a program gets no terminal to ask questions on; its output is read line by line, so that progress can be told;
whatever ends our wait - Ctrl-C, an exception - ends the program and all it started before it goes on its way.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

_KEPT_LINES = 60
_NOT_EXECUTABLE = 126


class ProgramFailed(Exception):
    """A program ended with a code other than 0.

    Args:
        program: its name, without the folder.
        code: its exit code; negative, the signal that ended it.
        lines: the last lines that it printed.
    """

    def __init__(self, program: str, code: int, lines: Sequence[str]) -> None:
        super().__init__(f"{program} ended with {code}")
        self.program = program
        self.code = code
        self.lines = tuple(lines)

    def last(self) -> str:
        """The last line with something on it, most often the reason."""
        return next((line.strip()[:200] for line in reversed(self.lines) if line.strip()), f"exit code {self.code}")

    def line_with(self, words: Collection[str]) -> str | None:
        """The first line that holds one of ``words`` (lower case), at most 200 characters of it; None if none does."""
        for line in self.lines:
            if any(word in line.lower() for word in words):
                return line.strip().removeprefix("ERROR: ").removeprefix("E: ")[:200]
        return None


def follow(
    command: Sequence[str],
    *,
    environ: Mapping[str, str],
    folder: Path | None = None,
    on_line: Callable[[str], None] | None = None,
    held: Collection[int] = (),
    stop: signal.Signals = signal.SIGKILL,
    own_session: bool = True,
) -> None:
    """Run a program to its end.

    Args:
        command: the program and its arguments.
        environ: its whole environment.
        folder: where it runs; ours when None.
        on_line: called with each line of its stdout and stderr, without the line's end.
        held: open files that it and its children keep open, such as a lock that shall outlive us.
        stop: how it is told to stop when our wait is interrupted; we wait until it has.
        own_session: whether it leads a session and process group of its own, so that ``stop`` reaches its children.
            Programs that run with other rights (sudo) stay in ours: the terminal's Ctrl-C reaches them, we may not.

    Raises:
        ProgramFailed: it can't be started or ended with a code other than 0.
    """
    name = os.path.basename(command[0])  # noqa: PTH119 - a plain string in, a plain string out
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            pass_fds=tuple(held),
            start_new_session=own_session,
        )
    except OSError as error:
        raise ProgramFailed(name, _NOT_EXECUTABLE, [f"{command[0]}: {error.strerror}"]) from error
    lines: deque[str] = deque(maxlen=_KEPT_LINES)
    try:
        for line in process.stdout or ():
            lines.append(line.rstrip("\n"))
            if on_line is not None:
                on_line(lines[-1])
        code = process.wait()
    except BaseException:
        _end(process, stop, own_session=own_session)
        raise
    finally:
        if process.stdout is not None:
            process.stdout.close()
    if code:
        raise ProgramFailed(name, code, lines)


def _end(process: subprocess.Popen[str], stop: signal.Signals, *, own_session: bool) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if own_session:
            os.killpg(process.pid, stop)
        else:
            process.send_signal(stop)
    process.wait()


def answer(command: Sequence[str], *, environ: Mapping[str, str], folder: Path | None = None) -> str | None:
    """What a program prints on stdout when asked something small, such as its version; None if it fails or hangs."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
