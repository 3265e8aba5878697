"""A device's files, as they are rotated, cut, torn and lost, arrive whole and once."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.audit.recorder import Recorder
from tests.audit.writer import Device, entry

from vaultgate_ops.audit import daemon
from vaultgate_ops.audit.checkpoint import Checkpoint
from vaultgate_ops.audit.follower import Follower
from vaultgate_ops.audit.mirror import Mirror, Options
from vaultgate_ops.audit.model import Destination
from vaultgate_ops.audit.source import Folder, Scan
from vaultgate_ops.audit.tail import Tail
from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import CheckFailed, Denied, Missing, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from vaultgate_ops.audit.follower import Stat
    from vaultgate_ops.audit.model import Position, Reader, Span
    from vaultgate_ops.audit.source import Listing, OpenFile

    Eventually = Callable[[Callable[[], object]], None]


@dataclass
class Place:
    """A folder with a log and a checkpoint, and what was said and sent.

    Attributes:
        log: the device's path.
        said: every sentence.
        sent: every line of every run.
    """

    folder: Path
    log: Path
    said: list[str] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)

    def mirror(self, recorder: Recorder, options: Options, folder: Folder | None = None) -> Mirror:
        return Mirror(
            folder or Folder(self.log),
            Checkpoint(self.folder / "checkpoint", self.log, Destination("/vault/audit", "node/audit")),
            lambda: recorder,
            clock=Clock(),
            say=self.said.append,
            options=options,
        )

    def once(self, *, folder: Folder | None = None, recorder: Recorder | None = None, **options: bool) -> list[bytes]:
        """Run until all has arrived; gives the lines of this run."""
        recorder = recorder or Recorder()
        try:
            self.mirror(recorder, Options(once=True, poll_s=0.005, **options), folder).run(threading.Event())
        finally:
            self.sent += recorder.lines
        return recorder.lines

    @contextmanager
    def running(self, recorder: Recorder) -> Iterator[None]:
        """Run in the background while the block is executed, then stop."""
        stopping, failed = threading.Event(), []

        def work() -> None:
            try:
                self.mirror(recorder, Options(poll_s=0.005, linger_s=0.05)).run(stopping)
            except BaseException as error:  # noqa: BLE001 - raised again below
                failed.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join()
            self.sent += recorder.lines
        if failed:
            raise failed[0]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "log").mkdir()
    return Place(tmp_path, tmp_path / "log" / "audit.log")


@pytest.fixture
def device(place: Place) -> Iterator[Device]:
    opened = Device(place.log)
    yield opened
    opened.close()


def test_everything_arrives_once(place: Place, device: Device) -> None:
    """A second start has nothing to send, a third sends what was added."""
    lines = [device.write() for _ in range(100)]
    assert place.once() == lines
    assert place.once() == []
    added = device.write()
    assert place.once() == [added]


def test_a_single_run_that_is_stopped_early_says_so(place: Place, device: Device) -> None:
    """Nobody takes it for a whole one; a mirror that goes on for ever just ends."""
    device.write()
    stopping = threading.Event()
    stopping.set()
    daemon.run([place.mirror(Recorder(), Options())], stopping)
    with pytest.raises(CheckFailed, match="Stopped before everything had arrived"):
        daemon.run([place.mirror(Recorder(), Options(once=True))], stopping)


@pytest.mark.parametrize("packed", [False, True])
def test_rotated_twice_while_the_mirror_was_stopped(place: Place, device: Device, packed: bool) -> None:  # noqa: FBT001
    """The file of the checkpoint is found among its siblings, gzipped or not, and the one after it as well."""
    first = device.write()
    assert place.once() == [first]
    lines = []
    for _ in range(2):
        lines.append(device.write())
        device.rename()
        lines.append(device.write())
        device.reopen()
        lines.append(device.write())
        if packed:
            device.compress()
    assert place.once() == lines
    assert place.once() == []


def test_what_vault_writes_between_rename_and_sighup_arrives(place: Place, device: Device, eventually: Eventually) -> None:
    """With an empty file at the path already, as logrotate leaves it; then the new file is followed."""
    recorder = Recorder()
    with place.running(recorder):
        lines = [device.write()]
        eventually(lambda: recorder.lines == lines)
        device.rename(create=True)
        for _ in range(3):
            lines.append(device.write())
            eventually(lambda: recorder.lines == lines)
        device.reopen()
        lines.append(device.write())
        eventually(lambda: recorder.lines == lines)
    assert recorder.starts == [0, 0]


def test_a_deleted_file_is_read_until_vault_has_left_it(place: Place, device: Device, eventually: Eventually) -> None:
    """It has no name any more, but the mirror holds it open."""
    recorder = Recorder()
    with place.running(recorder):
        lines = [device.write()]
        eventually(lambda: recorder.lines == lines)
        place.log.unlink()
        lines.append(device.write())
        eventually(lambda: recorder.lines == lines)
        device.reopen()
        lines.append(device.write())
        eventually(lambda: recorder.lines == lines)
    assert place.once() == []


def test_a_file_that_is_gone_is_told(place: Place, device: Device) -> None:
    """Deleted while the mirror was stopped: one sentence names it and the byte; what is there arrives."""
    device.write()
    place.once()
    place.log.unlink()
    device.reopen()
    line = device.write()
    assert place.once() == [line]
    assert any("audit.log is gone; what stood there behind byte" in sentence for sentence in place.said)


def test_a_mirror_waits_for_a_file_that_is_not_there_yet(place: Place, eventually: Eventually) -> None:
    """Vault may be started later."""
    recorder = Recorder()
    with place.running(recorder):
        eventually((place.folder / "checkpoint").exists)
        device = Device(place.log)
        line = device.write()
        eventually(lambda: recorder.lines == [line])
        device.close()


def test_copytruncate_loses_nothing_that_a_copy_has(place: Place, device: Device) -> None:
    """Cut while the mirror was stopped: it goes on in the copy, then in the file from its beginning."""
    first = device.write()
    place.once()
    second = device.write()
    shutil.copy2(place.log, place.log.with_name("audit.log.1"))
    os.truncate(place.log, 0)
    third = device.write()
    assert (first, place.once()) == (first, [second, third])


def test_a_file_cut_while_it_is_read_is_told_and_followed(place: Place, device: Device, eventually: Eventually) -> None:
    """Its new lines arrive; the sentence says how to rotate instead."""
    recorder = Recorder()
    with place.running(recorder):
        lines = [device.write(extra="x" * 100)]
        eventually(lambda: recorder.lines == lines)
        os.truncate(place.log, 0)
        lines.append(device.write())
        eventually(lambda: recorder.lines == lines)
    assert any("was cut or overwritten in place" in sentence for sentence in place.said)


def test_a_link_that_moves_on_is_followed(place: Place, eventually: Eventually) -> None:
    """The path leads elsewhere; what is still written at the old place arrives as long as the new one is empty."""
    before, after = Device(place.log.with_name("audit-1.log")), Device(place.log.with_name("audit-2.log"))
    place.log.symlink_to("audit-1.log")
    recorder = Recorder()
    with place.running(recorder):
        lines = [before.write()]
        eventually(lambda: recorder.lines == lines)
        link = place.log.with_name("new")
        link.symlink_to("audit-2.log")
        link.rename(place.log)
        lines.append(before.write())
        eventually(lambda: recorder.lines == lines)
        lines.append(after.write())
        eventually(lambda: recorder.lines == lines)
    before.close()
    after.close()


def test_an_inode_that_is_used_again_is_another_file(place: Place, device: Device) -> None:
    """Same device, same inode, another first line: from its beginning."""
    device.write()
    place.once()
    with place.log.open("r+b") as file:
        new = entry(77)
        file.write(new + b"\n")
        file.truncate()
    assert place.once() == [new]


def test_a_torn_line_becomes_a_fragment_and_the_entry(place: Place, device: Device) -> None:
    """What was glued to it is salvaged; together they are the line's bytes."""
    first = device.write()
    device.fill_the_disk(0.5)
    second = device.write()
    recorder = Recorder()
    lines = place.once(recorder=recorder)
    assert (lines[0], lines[2], recorder.torn) == (first, second, [1])
    assert b"\n".join((lines[0], lines[1] + lines[2], b"")) == place.log.read_bytes()


def test_a_line_without_its_newline_waits_until_its_file_is_over(place: Place, device: Device) -> None:
    """Vault may still complete it; after the rotation it is a fragment."""
    device.write()
    place.once()
    device.fill_the_disk(0.5)
    assert place.once() == []
    device.rename()
    device.reopen()
    last = device.write()
    recorder = Recorder()
    fragment, line = place.once(recorder=recorder)
    assert (line, recorder.torn) == (last, [0])
    assert fragment in device.written


ODD = [
    b"x",
    b"",
    b"\xff\xfe",
    b"ends in CR\r",
    b"with\0NUL",
    b"\xe4\xb8\x96 text",
    b"same",
    b"same",
    b"<json:object/>",
    b"y" * 1_048_550,
]


def test_bytes_are_never_changed(place: Place, device: Device) -> None:
    """One byte, none, NUL, CRLF, no UTF-8, equal lines, the longest event: as they are, and in their order."""
    for line in ODD:
        device.write(line)
    assert place.once() == ODD


def test_a_line_longer_than_an_event_is_left_to_the_sender(place: Place, device: Device) -> None:
    """One byte more than fits, and 64 MB; the lines around it arrive, and it is never in memory as a whole."""
    sizes = (1_048_551, 64 << 20)
    expected = [device.write()]
    for size in sizes:
        device.write(b"start" + b"x" * (size - 10) + b"ended")
        expected += [b"%d start..ended" % size, device.write()]
    assert place.once() == expected


def test_a_long_line_in_a_compressed_file_is_read_again(place: Place, device: Device) -> None:
    """A second time, from the beginning of the file."""
    device.write(b"start" + b"x" * 3_000_000 + b"ended")
    after = device.write()
    device.rename()
    device.reopen()
    last = device.write()
    device.compress()
    assert place.once() == [b"3000010 start..ended", after, last]


def test_a_long_line_that_cant_be_read_again_is_sent_after_all(place: Place, device: Device) -> None:
    """What was not acknowledged is read and sent again, over a new way to the service."""
    troubles = [OSError(errno.EIO, os.strerror(errno.EIO))]

    def broken() -> None:
        if troubles:
            raise troubles.pop()

    first = device.write()
    device.write(b"start" + b"x" * 2_000_000 + b"ended")
    recorder = Recorder(broken)
    with pytest.raises(CheckFailed, match="Could not read"):
        place.once(recorder=recorder)
    assert place.once() in ([b"2000010 start..ended"], [first, b"2000010 start..ended"])


class SickFolder(Folder):
    """Its files can't be read for a while."""

    def __init__(self, path: Path, failures: int) -> None:
        super().__init__(path)
        self.failures = failures

    def scan(self, inodes: Collection[int]) -> Scan:
        scan = super().scan(inodes)
        return Scan([(found, SickFile(file, self)) for found, file in scan.files], scan.problems, scan.refused)


class SickFile:
    """Fails as its folder says."""

    def __init__(self, file: OpenFile, folder: SickFolder) -> None:
        self._file, self._folder = file, folder

    def pread(self, start: int, length: int) -> bytes:
        if self._folder.failures:
            self._folder.failures -= 1
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return self._file.pread(start, length)

    def stat(self, head_bytes: int) -> Stat:
        return self._file.stat(head_bytes)

    def close(self) -> None:
        self._file.close()


def test_a_disk_that_fails_is_told_and_nothing_is_skipped(place: Place, device: Device) -> None:
    """EIO: one sentence, exit code 1 with --once; when the disk works again, everything arrives."""
    line = device.write()
    with pytest.raises(CheckFailed, match=r"Could not read .*audit\.log"):
        place.once(folder=SickFolder(place.log, 1))
    assert [sentence for sentence in place.said if "Input/output error" in sentence]
    assert place.once() == [line]


def test_secrets_in_clear_are_refused_unless_forced(place: Place, device: Device) -> None:
    """log_raw: nothing is sent of the block in which a token stands, and the sentence says what to do."""
    line = device.write(entry(1).replace(b"hmac-sha256:", b"hvs."))
    with pytest.raises(UsageProblem, match="log_raw") as raised:
        place.once()
    assert "--force-raw" in raised.value.hint
    assert place.sent == []
    assert place.once(raw_allowed=True) == [line]


def test_a_token_torn_in_two_is_no_secret_in_clear(place: Place, device: Device) -> None:
    """A fragment may end within the mark by which a hashed token is known."""
    whole = entry(1)
    cut = whole.index(b"hmac-") + 2
    device.fill_the_disk((cut + 0.5) / len(whole))
    device.write()
    assert len(place.once()) == 2


def test_the_first_start_can_leave_what_was_rotated(place: Place, device: Device) -> None:
    """And doesn't come back to it later."""
    device.write()
    device.rename()
    device.reopen()
    line = device.write()
    assert place.once(skip_rotated=True) == [line]
    assert place.once() == []


def test_a_folder_is_no_device(place: Place) -> None:
    """One clear sentence, exit code 2."""
    place.log.mkdir()
    with pytest.raises(UsageProblem, match=r"audit\.log is a folder"):
        place.once()


def test_nothing_there_is_told(place: Place) -> None:
    """With --once nobody waits for it: exit code 3."""
    with pytest.raises(Missing, match="no file"):
        place.once()


def test_a_path_that_cant_be_read_is_told(place: Place) -> None:
    """Exit code 5; a link that leads to itself serves as an example that root meets, too."""
    place.log.symlink_to(place.log)
    with pytest.raises(Denied, match=r"can't be read"):
        place.once()


def test_what_was_not_acknowledged_is_sent_at_the_next_start(place: Place, device: Device, eventually: Eventually) -> None:
    """The checkpoint never gets ahead of the service."""
    line = device.write()
    recorder = Recorder()
    recorder.held = True
    with place.running(recorder):
        eventually(lambda: recorder.lines == [line])
    assert any("not all of what was read has arrived" in sentence for sentence in place.said)
    assert place.once() == [line]


def test_a_copy_is_not_mirrored(place: Place, device: Device) -> None:
    """Neither of the file at the path, nor of a rotated one."""
    device.write()
    device.rename()
    device.reopen()
    device.write()
    place.once()
    for name in ("audit.log", "audit.log.1"):
        shutil.copy(place.log.with_name(name), place.log.with_name(f"{name}.bak"))
    assert place.once() == []


def test_another_devices_file_is_no_sibling(place: Place, device: Device) -> None:
    """Though its name looks like one."""
    line = device.write()
    other = place.log.with_name("audit.log.2")
    other.write_bytes(entry(5) + b"\n")
    assert place.once(folder=Folder(place.log, [other])) == [line]


def test_a_file_that_was_compressed_between_two_looks_is_not_read_twice(place: Place, device: Device) -> None:
    """It was empty when it was opened: only another look tells that the compressed one is the same."""
    tail = Tail(Folder(place.log), Follower(), place.said.append, raw_allowed=False)
    tail.first_look(0.0, required=False, fresh=True, skip_rotated=False)
    device.write()
    device.rename()
    device.reopen()
    device.write()
    device.compress()
    tail.look(1.0)
    assert [track.size is None for track in tail.follower.held] == [False, False]
    tail.close()


def test_a_compressed_file_that_is_being_made_is_left_alone(place: Place, device: Device) -> None:
    """The plain file is there until gzip is done."""
    first = device.write()
    device.rename()
    device.reopen()
    last = device.write()
    place.log.with_name("audit.log.1.gz").write_bytes(b"\x1f\x8b\x08")
    assert place.once() == [first, last]
    assert place.said == []


def test_a_compressed_file_that_is_damaged_is_told(place: Place, device: Device) -> None:
    """What can be had of it arrives, and all else; exit code 1."""
    first = device.write()
    device.rename()
    device.reopen()
    last = device.write()
    device.compress()
    packed = place.log.with_name("audit.log.1.gz")
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(CheckFailed, match="Could not read"):
        place.once()
    assert place.sent == [first, last]
    assert any("not a whole gzip file" in sentence for sentence in place.said)


def test_the_known_file_is_found_under_any_name(place: Place, device: Device) -> None:
    """Its inode tells, where the name is none that a rotation makes."""
    device.write()
    place.once()
    rest = device.write()
    place.log.rename(place.log.with_name("kept-for-the-auditors"))
    device.reopen()
    last = device.write()
    assert place.once() == [rest, last]


def test_the_file_at_the_path_is_read_as_it_is(place: Place, device: Device) -> None:
    """Vault never compresses: whatever its first bytes look like, they are a line's."""
    lines = [device.write(b"\x1f\x8b and more"), device.write()]
    assert place.once() == lines


class MovingFolder(Folder):
    """While it is scanned for the first time, its device is rotated."""

    def __init__(self, path: Path, device: Device) -> None:
        super().__init__(path)
        self._device, self._lists = device, 0

    def listing(self, inodes: Collection[int]) -> Listing:
        self._lists += 1
        if self._lists == 2:
            self._device.rename()
            self._device.reopen()
            self._device.write()
        return super().listing(inodes)


def test_a_rotation_in_the_middle_of_a_scan_is_noticed(place: Place, device: Device) -> None:
    """The folder is looked at again: both files are found, under their new names."""
    device.write()
    scan = MovingFolder(place.log, device).scan(())
    for _, file in scan.files:
        file.close()
    assert [(found.name, found.current) for found, _ in scan.files] == [(f"{place.log}", True), (f"{place.log}.1", False)]


class FirstOnly(Recorder):
    """Acknowledges the first offer when there was a second, and no other."""

    def offer(self, span: Span, reader: Reader) -> None:
        self.held = bool(self.lines)
        super().offer(span, reader)

    def acknowledged(self) -> Position | None:
        return super().acknowledged() if self.held else None


def test_only_the_acknowledged_file_counts_as_sent(place: Place, device: Device, eventually: Eventually) -> None:
    """The next one was offered right behind it: it is sent again."""
    first = device.write()
    device.rename()
    device.reopen()
    second = device.write()
    recorder = FirstOnly()
    with place.running(recorder):
        eventually(lambda: recorder.lines == [first, second])
    assert place.once() == [second]


def opened(folder: Path) -> list[str]:
    """The files below a folder that this process has open; what else it has is other tests' business."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one that listed them
            found.append(str(descriptor.readlink()))
    return [path for path in found if path.startswith(str(folder))]


def test_no_file_stays_open(place: Place, device: Device, tmp_path: Path) -> None:
    """Neither one that was read nor one that needed no reading."""
    for _ in range(3):
        device.write()
        device.rename()
        device.reopen()
    device.write()
    before = opened(tmp_path)
    place.once()
    place.once()
    assert opened(tmp_path) == before
