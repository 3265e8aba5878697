"""How far the mirror is survives crashes, broken disks and a second mirror."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from vaultgate_ops.audit.checkpoint import Checkpoint, Progress, in_use
from vaultgate_ops.audit.family import Record, State
from vaultgate_ops.audit.model import Destination, FileIdentity, Position
from vaultgate_ops.errors import CheckFailed, Missing, UsageProblem

if TYPE_CHECKING:
    from pathlib import Path

DESTINATION = Destination("/vault/audit", "node/audit")


def records(offset: int) -> list[Record]:
    identity = FileIdentity(2049, 17, "ab" * 32, 90)
    return [Record(Position(identity, offset, offset // 10), state, "/log/audit.log") for state in State]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    return Checkpoint(tmp_path / "c", tmp_path / "audit.log", DESTINATION)


def test_there_is_none_at_first(checkpoint: Checkpoint) -> None:
    """That is told apart from an empty one."""
    assert checkpoint.load() == Progress([], first=True)
    checkpoint.save([], "")
    assert checkpoint.load() == Progress([])


def test_what_was_saved_is_loaded(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Every word of it; its file is nobody else's to read."""
    checkpoint.save(records(100), "chain")
    assert checkpoint.load() == Progress(records(100), "chain")
    assert (tmp_path / "c").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "harm", [lambda text: text[:-20], lambda text: text.replace(b"100", b"900"), lambda _: b"", lambda _: b"\xff"]
)
def test_a_damaged_one_gives_way_to_the_one_before(checkpoint: Checkpoint, tmp_path: Path, harm: object) -> None:
    """Cut, changed or emptied: the CRC tells; a little is sent again, and that is said."""
    checkpoint.save(records(50), "before")
    checkpoint.save(records(100), "after")
    file = tmp_path / "c"
    file.write_bytes(harm(file.read_bytes()))  # type: ignore[operator]
    loaded = checkpoint.load()
    assert (loaded.records, loaded.chain, loaded.first) == (records(50), "before", False)
    assert "damaged" in loaded.complaint


def test_one_that_was_deleted_gives_way_to_the_one_before(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """As above."""
    checkpoint.save(records(50), "before")
    checkpoint.save(records(100), "after")
    (tmp_path / "c").unlink()
    assert checkpoint.load().records == records(50)


def test_two_damaged_ones_are_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Nobody starts from the beginning by mistake; the hint says how to do it on purpose."""
    checkpoint.save(records(50), "")
    checkpoint.save(records(100), "")
    for name in ("c", "c.previous"):
        (tmp_path / name).write_bytes(b"vaultgate-checkpoint 1 00000000\n{}\n")
    with pytest.raises(CheckFailed, match="so is the one before") as raised:
        checkpoint.load()
    assert "delete both" in raised.value.hint


@pytest.mark.parametrize(
    ("name", "destination"),
    [
        ("other.log", DESTINATION),
        ("audit.log", Destination("/other", "node/audit")),
        ("audit.log", Destination("/vault/audit", "b/audit")),
    ],
)
def test_another_files_checkpoint_is_refused(checkpoint: Checkpoint, tmp_path: Path, name: str, destination: Destination) -> None:
    """Another path, group or stream: one sentence that names both, and nothing is sent twice or left out."""
    checkpoint.save(records(50), "")
    with pytest.raises(UsageProblem, match=r"is about .*audit\.log and the stream node/audit of /vault/audit, not "):
        Checkpoint(tmp_path / "c", tmp_path / name, destination).load()


def test_one_of_a_start_that_sent_nothing_holds_nobody_up(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Whoever mistyped the group, and was refused by AWS, may correct it and start for the first time."""
    checkpoint.save([], "")
    assert Checkpoint(tmp_path / "c", tmp_path / "audit.log", Destination("/other", "node/audit")).load() == Progress(
        [], first=True
    )


def test_a_second_mirror_is_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """The sentence names the process that has it; when that ends, the next one may."""
    other = Checkpoint(tmp_path / "c", tmp_path / "audit.log", DESTINATION)
    with checkpoint.locked():
        assert in_use(tmp_path / "c")
        with pytest.raises(CheckFailed, match=r"Another mirror, process \d+, uses"), other.locked():
            pass
    assert not in_use(tmp_path / "c")
    with other.locked():
        pass


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    """In one sentence, exit code 3."""
    lost = Checkpoint(tmp_path / "no" / "c", tmp_path / "audit.log", DESTINATION)
    with pytest.raises(Missing, match="can't be used"), lost.locked():
        pass


def test_a_save_that_fails_leaves_what_was_saved(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Here a folder stands where the new one would be written."""
    checkpoint.save(records(50), "")
    (tmp_path / "c.new").mkdir()
    with pytest.raises(OSError, match="directory"):
        checkpoint.save(records(100), "")
    assert checkpoint.load().records == records(50)
