"""Stories that need a small file system: a program, run where one is mounted.

Arguments: the story, the small folder, a folder with room.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
from pathlib import Path

from tests.audit.recorder import Recorder
from tests.audit.writer import entry

from vaultgate_ops.audit.checkpoint import Checkpoint
from vaultgate_ops.audit.mirror import Mirror, Options
from vaultgate_ops.audit.model import Destination
from vaultgate_ops.audit.source import Folder
from vaultgate_ops.clock import Clock

PATIENCE_S = 30


def mirror(log: Path, checkpoint: Path, recorder: Recorder, said: list[str], *, once: bool) -> Mirror:
    kept = Checkpoint(checkpoint, log, Destination("/vault/audit", "node/audit"))
    options = Options(once=once, poll_s=0.005)
    return Mirror(Folder(log), kept, lambda: recorder, clock=Clock(), say=said.append, options=options)


def fill(folder: Path) -> Path:
    """Take all the room that is left."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
    return ballast


def await_(recorder: Recorder, count: int) -> None:
    clock = Clock()
    deadline = clock.steady() + PATIENCE_S
    while len(recorder.lines) < count:
        assert clock.steady() < deadline
        clock.sleep(0.01)


def log_story(small: Path, roomy: Path) -> None:
    log, number = small / "audit.log", 0
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    ballast = small / "ballast"
    ballast.write_bytes(b"x" * 100_000)
    cut = False
    while not cut:
        line = entry(number) + b"\n"
        number += 1
        try:
            cut = os.write(file, line) < len(line)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            # The page ended with a line: with a little less there, an entry is cut.
            os.truncate(log, log.stat().st_size - 100)
            cut = True
    ballast.unlink()
    last = entry(number)
    os.write(file, last + b"\n")
    recorder = Recorder()
    mirror(log, roomy / "checkpoint", recorder, [], once=True).run(threading.Event())
    arrived = b"".join(line + (b"" if at in recorder.torn else b"\n") for at, line in enumerate(recorder.lines))
    assert arrived == log.read_bytes()
    assert recorder.lines[-1] == last
    sys.stdout.write(f"arrived as written, {len(recorder.torn)} fragment\n")


def checkpoint_story(small: Path, roomy: Path) -> None:
    log, said, recorder = roomy / "audit.log", list[str](), Recorder()
    stopping = threading.Event()
    log.write_bytes(entry(1) + b"\n")
    thread = threading.Thread(target=lambda: mirror(log, small / "checkpoint", recorder, said, once=False).run(stopping))
    thread.start()
    await_(recorder, 1)
    ballast = fill(small)
    with log.open("ab") as file:
        file.write(entry(2) + b"\n")
    await_(recorder, 2)
    clock = Clock()
    deadline = clock.steady() + PATIENCE_S
    while not said:
        assert clock.steady() < deadline
        clock.sleep(0.01)
    sys.stdout.write(f"{said[0]}\narrived while it was full\n")
    ballast.unlink()
    stopping.set()
    thread.join()
    again = Recorder()
    mirror(log, small / "checkpoint", again, said, once=True).run(threading.Event())
    sys.stdout.write(f"{'nothing' if not again.lines else len(again.lines)} arrived twice\n")


if __name__ == "__main__":
    {"log": log_story, "checkpoint": checkpoint_story}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
