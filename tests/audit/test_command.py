"""`vaultgate mirror` as a user runs it, against CloudWatch Logs as its documentation has it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.audit.writer import Device, entry
from tests.simulators.cloudwatch_logs import CloudWatchLogs, Fault, serving

from vaultgate_ops.audit import daemon
from vaultgate_ops.audit.lag import lag
from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import Missing, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VAULTGATE = Path(sys.executable).with_name("vaultgate")
PATIENCE_S = 60
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}


class Desk:
    """A service, a device, and the command line for both."""

    def __init__(self, folder: Path, endpoint: str, service: CloudWatchLogs) -> None:
        self.service = service
        self.log, self.checkpoints = folder / "audit.log", folder / "checkpoints"
        self._endpoint = endpoint

    def words(self, *words: str) -> list[str | Path]:
        device: list[str | Path] = [
            "--file",
            self.log,
            "--group",
            "/vault/audit",
            "--node",
            "n1",
            "--endpoint-url",
            self._endpoint,
        ]
        return [VAULTGATE, "mirror", *device, "--checkpoints", self.checkpoints, *words]

    def run(self, argv: list[str | Path]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=PATIENCE_S, env=self.environment())

    def begin(self) -> subprocess.Popen[str]:
        return subprocess.Popen(self.words(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment())

    def status(self) -> subprocess.CompletedProcess[str]:
        return self.run([VAULTGATE, "mirror", "status", "--checkpoints", self.checkpoints])

    def arrived(self) -> list[str]:
        return self.service.messages("/vault/audit", "n1/audit")

    def environment(self) -> dict[str, str]:
        return {**{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}, **KEYS}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    service = CloudWatchLogs()
    with serving(service) as endpoint:
        yield Desk(tmp_path, endpoint, service)


@pytest.fixture
def device(desk: Desk) -> Iterator[Device]:
    opened = Device(desk.log)
    yield opened
    opened.close()


def test_once_sends_all_and_a_second_time_nothing(desk: Desk, device: Device) -> None:
    """Exit code 0, group and streams made on the way, and nothing said."""
    lines = [device.write().decode() for _ in range(50)]
    for _ in range(2):
        done = desk.run(desk.words("--once"))
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert desk.arrived() == lines


def test_sigterm_sends_what_is_read_and_ends(
    desk: Desk, device: Device, eventually: Callable[[Callable[[], object]], None]
) -> None:
    """Exit code 0; a mirror that runs is shown by `status`, and a second one on its checkpoint refuses."""
    process = desk.begin()
    line = device.write().decode()
    eventually(lambda: desk.arrived() == [line])
    eventually(lambda: ": running, 0 lines, 0 bytes, 0.0 s behind" in desk.status().stdout)
    second = desk.run(desk.words("--once"))
    assert (second.returncode, f"Another mirror, process {process.pid}," in second.stderr) == (1, True)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, told.count("\n")) == (0, 1)
    assert desk.status().returncode == 1


def test_sigterm_ends_a_mirror_that_gets_no_answer(
    desk: Desk, device: Device, eventually: Callable[[Callable[[], object]], None]
) -> None:
    """The service refuses every call: the mirror ends all the same, and the next start sends the line."""
    desk.service.faults.extend([Fault.THROTTLED] * 1000)
    process = desk.begin()
    line = device.write().decode()
    eventually(lambda: len(desk.service.faults) < 1000)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, desk.arrived()) == (0, [])
    desk.service.faults.clear()
    assert desk.run(desk.words("--once")).returncode == 0
    assert desk.arrived() == [line]


def test_status_counts_what_is_not_there_yet(desk: Desk, device: Device) -> None:
    """Lines, bytes and the age of the first of them, over all of the device's files; exit code 1 where no mirror runs."""
    device.write()
    desk.run(desk.words("--once"))
    lines = [device.write()]
    device.rename()
    device.reopen()
    lines += [device.write(), device.write()]
    device.compress()
    done = desk.status()
    size = sum(map(len, lines)) + len(lines)
    assert re.search(rf"audit\.log -> /vault/audit n1/audit: not running, 3 lines, {size} bytes, \d+\.\d s behind", done.stdout)
    assert (done.returncode, "Not every device is mirrored." in done.stderr) == (1, True)


@pytest.mark.parametrize("form", [b'{"time":"%s","type":"request"}', b'<json:string name="time">%s</json:string>'])
def test_the_lag_is_the_age_of_the_oldest_line(desk: Desk, device: Device, form: bytes) -> None:
    """By its own time, nanoseconds and all; a line without one is as old as its file's last write."""
    device.write()
    desk.run(desk.words("--once"))
    device.write(form % b"2026-11-21T02:54:11.966699025Z")
    (checkpoint,) = desk.checkpoints.glob("*.checkpoint")

    class Noon(Clock):
        def wall(self) -> float:
            return 1_795_262_400.0

    assert lag(checkpoint, Noon()).seconds == pytest.approx(1_795_262_400.0 - 1_795_229_651.966699)


def test_no_checkpoint_is_told(desk: Desk) -> None:
    """Exit code 1 and how to begin; who only looks makes no folder."""
    done = desk.status()
    assert (done.returncode, "There is no checkpoint in" in done.stderr) == (1, True)
    assert not desk.checkpoints.exists()


def test_a_group_that_may_not_be_made_is_told(desk: Desk, device: Device) -> None:
    """One sentence that names it, exit code 5; nothing is sent."""
    device.write()
    desk.service.forbidden.add("CreateLogGroup")
    done = desk.run(desk.words("--once"))
    assert (done.returncode, done.stderr.count("\n")) == (5, 2)
    assert "/vault/audit" in done.stderr


def test_it_needs_a_file_and_a_group() -> None:
    """Exit code 2."""
    done = subprocess.run([VAULTGATE, "mirror", "--once"], capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert (done.returncode, "Name at least one --file" in done.stderr) == (2, True)


def test_a_device_is_named_after_its_file_or_as_told() -> None:
    """Its stream is the node's and its own."""
    found = daemon.devices(["/log/audit.log", "second=/log/b=c.log"], "/g", "n1")
    assert [(str(one.path), one.destination.stream) for one in found] == [
        ("/log/audit.log", "n1/audit"),
        ("/log/b=c.log", "n1/second"),
    ]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["/a/audit.log", "/b/audit.log"], "Two files"),
        (["a:b=/log"], "can't be called"),
        (["a*=/log"], "can't be called"),
        (["=/log"], "no name"),
    ],
)
def test_names_that_no_stream_may_have_are_refused(files: list[str], said: str) -> None:
    """And two devices never share a stream."""
    with pytest.raises(UsageProblem, match=said):
        daemon.devices(files, "/g", "n1")


def test_where_checkpoints_are(tmp_path: Path) -> None:
    """As told, as systemd says, made where it is missing."""
    assert daemon.checkpoint_folder(tmp_path / "a", {"STATE_DIRECTORY": str(tmp_path / "b")}) == tmp_path / "a"
    assert daemon.checkpoint_folder(None, {"STATE_DIRECTORY": f"{tmp_path / 'b'}:/else"}) == tmp_path / "b"
    assert (tmp_path / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(Missing, match="can't be made"):
        daemon.checkpoint_folder(tmp_path / "file" / "x", {})


def test_two_devices_are_mirrored_side_by_side(desk: Desk, device: Device, tmp_path: Path) -> None:
    """Each in its own stream; one that can't be read doesn't take the other's lines with it."""
    line = device.write().decode()
    (tmp_path / "other.log").write_bytes(entry(7) + b"\n")
    assert desk.run(desk.words("--once", "--file", str(tmp_path / "other.log"))).returncode == 0
    assert desk.arrived() == [line]
    assert len(desk.service.messages("/vault/audit", "n1/other")) == 1
