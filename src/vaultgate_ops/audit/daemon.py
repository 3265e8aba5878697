"""Several devices' mirrors in one process.

Rules: a device waits for no other one, so each has a thread; what only a person can mend in one of them ends all; five seconds
after the request to stop the process is gone, whatever a thread still waits for: what it had in hand is sent at the next start.
"""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from vaultgate_ops.audit.checkpoint import Checkpoint
from vaultgate_ops.audit.mirror import DEFAULTS, Mirror, Options
from vaultgate_ops.audit.model import Destination
from vaultgate_ops.audit.source import Folder
from vaultgate_ops.errors import CheckFailed, Denied, Missing, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from vaultgate_ops.audit.model import Sender
    from vaultgate_ops.clock import Clock

END_S, _NOTICE_S = 4.5, 0.2
SUFFIX = ".checkpoint"


class Device(NamedTuple):
    """A file audit device, as this machine sees it.

    Attributes:
        path: its file.
        destination: where its lines go.
    """

    path: Path
    destination: Destination


def devices(files: Iterable[str], group: str, node: str) -> list[Device]:
    """The devices that a command line names.

    Args:
        files: ``PATH`` or ``NAME=PATH``; the name is the file's without its suffix by default.
        group: the log group.
        node: this Vault node's name; empty for the host's.

    Raises:
        UsageProblem: two have one name, or a name that no stream may have.
    """
    node = node or socket.gethostname()
    found: dict[str, Device] = {}
    for text in files:
        name, equals, path = text.partition("=") if "=" in text.partition("/")[0] else ("", "", text)
        if equals and not name:
            raise UsageProblem(f"--file {text} has no name before its =.", "Write NAME=PATH, or the path alone.")
        file = Path(path).absolute()
        stream = f"{node}/{name or file.stem}"
        if any(letter in stream for letter in ":*"):
            raise UsageProblem(f"A log stream can't be called {stream}.", "Use no colon and no asterisk: --node, NAME=PATH.")
        if stream in found:
            raise UsageProblem(f"Two files would go to the stream {stream}.", "Name them: --file NAME=PATH.")
        found[stream] = Device(file, Destination(group, stream))
    return list(found.values())


def checkpoint_place(given: Path | None, environment: Mapping[str, str]) -> Path:
    """Where the checkpoints are: as told, as systemd's StateDirectory= says, or /var/lib/vaultgate."""
    return (given or Path(environment.get("STATE_DIRECTORY", "/var/lib/vaultgate").partition(":")[0])).absolute()


def checkpoint_folder(given: Path | None, environment: Mapping[str, str]) -> Path:
    """The same, made where it isn't there.

    Raises:
        Denied: it can't be made.
        Missing: its disk can't be used.
    """
    folder = checkpoint_place(given, environment)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except PermissionError as error:
        raise Denied(f"The folder {folder} can't be made.", "Name one that you may write: --checkpoints.") from error
    except OSError as error:
        raise Missing(f"The folder {folder} can't be made: {error.strerror}.", "Name another one: --checkpoints.") from error
    return folder


def checkpoint_file(device: Device, folder: Path) -> Path:
    """Where in this folder a device's checkpoint is."""
    return folder / (quote(device.destination.stream, safe="") + SUFFIX)


def mirrors(
    wanted: Sequence[Device],
    folder: Path,
    open_sender: Callable[[Destination], Sender],
    clock: Clock,
    say: Callable[[str], None],
    *,
    options: Options = DEFAULTS,
) -> list[Mirror]:
    """A mirror for each device.

    Args:
        wanted: the devices.
        folder: of the checkpoints.
        open_sender: makes the way to a destination.
        clock: for instants.
        say: told what somebody should know.
        options: of all.
    """
    paths = [device.path for device in wanted]
    return [
        Mirror(
            Folder(device.path, [path for path in paths if path != device.path]),
            Checkpoint(checkpoint_file(device, folder), device.path, device.destination),
            lambda destination=device.destination: open_sender(destination),  # type: ignore[misc]
            clock=clock,
            say=say,
            options=options,
        )
        for device in wanted
    ]


def run(working: Sequence[Mirror], stopping: threading.Event) -> None:
    """Run mirrors side by side until all have ended, or five seconds after the request to stop.

    Raises:
        OpsError: what the first of them met that only a person can mend.
        CheckFailed: one was to end when everything had arrived, and was stopped before.
    """
    failures: list[BaseException] = []
    ended = threading.Semaphore(0)

    def work(mirror: Mirror) -> None:
        try:
            mirror.run(stopping)
        except BaseException as error:  # noqa: BLE001 - raised again below
            failures.append(error)
            stopping.set()
        finally:
            ended.release()

    threads = [threading.Thread(target=work, args=(mirror,), daemon=True) for mirror in working]
    for thread in threads:
        thread.start()
    for _ in threads:
        if not _ended(ended, stopping):
            break
    if failures:
        raise failures[0]
    if any(mirror.cut_short for mirror in working):
        raise CheckFailed("Stopped before everything had arrived.", "Run it again: it goes on from there.")


def _ended(ended: threading.Semaphore, stopping: threading.Event) -> bool:
    """Wait for one more mirror to end; whether it did before nobody waits any longer."""
    while not ended.acquire(timeout=_NOTICE_S):
        if stopping.is_set():
            return ended.acquire(timeout=END_S)
    return True
