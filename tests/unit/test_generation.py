"""The file that tells a sandbox's processes whether what they keep may still be true, on a real disk."""

from __future__ import annotations

import io
import json
import os
import resource
import stat
from typing import TYPE_CHECKING

import pytest
from tests.simulators.clock import MovableClock
from tests.simulators.fork import in_a_fork

from vaultgate.generation import Generation, Watch, folder_of
from vaultgate.log import Log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LISTEN = ("127.0.0.1", 8299)


class Sides:
    """Both sides of one file below a folder of the test's own.

    Attributes:
        folder: where the file goes.
        file: itself.
    """

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._lines = io.StringIO()
        self.folder = root / folder_of(LISTEN).rpartition("/")[2]
        self.file = self.folder / "generation"
        self.extension = self.life()
        self.client = Watch(LISTEN, self._root)

    def life(self) -> Generation:
        """An extension's side, before it began."""
        return Generation(LISTEN, Log(self._lines, "info", MovableClock()), self._root)

    @property
    def logged(self) -> list[tuple[str, str]]:
        """Level and event of the log's lines."""
        lines = [json.loads(line) for line in self._lines.getvalue().splitlines()]
        return [(line["level"], line["event"]) for line in lines]


@pytest.fixture
def sides(tmp_path: Path) -> Iterator[Sides]:
    """Nobody has begun yet."""
    made = Sides(tmp_path)
    yield made
    made.extension.end()


def test_each_step_is_seen(sides: Sides) -> None:
    """What the client sees stays the same until the extension advances, and never comes again."""
    sides.extension.begin()
    seen = [sides.client.look(), sides.client.look()]
    assert seen[0] == seen[1] is not None
    for _ in range(100):
        sides.extension.advance()
        seen.append(sides.client.look())
    assert None not in seen
    assert len(set(seen)) == 101


def test_nobody_else_can_read_or_write_it(sides: Sides) -> None:
    """File and folder are the user's alone; nothing stands in the file, and it takes no room."""
    sides.extension.begin()
    sides.extension.advance()
    assert [stat.S_IMODE(path.stat().st_mode) for path in (sides.folder, sides.file)] == [0o700, 0o600]
    assert (sides.file.read_bytes().strip(b"\0"), sides.file.stat().st_blocks) == (b"", 0)


def test_the_end_leaves_nothing(sides: Sides) -> None:
    """At the end file and folder are gone, and the client trusts nothing; a second end is fine, an advance too late too."""
    sides.extension.begin()
    sides.extension.end()
    assert not sides.folder.exists()
    assert sides.client.look() is None
    sides.extension.end()
    sides.extension.advance()
    assert sides.client.look() is None


def test_the_end_leaves_what_is_not_its_own(sides: Sides) -> None:
    """Something else in the folder stays, and the folder with it."""
    sides.extension.begin()
    (sides.folder / "other").touch()
    sides.extension.end()
    assert [path.name for path in sides.folder.iterdir()] == ["other"]


def test_another_life_is_another_generation(sides: Sides) -> None:
    """A file that a killed life left is replaced, and isn't taken for the new one."""
    sides.extension.begin()
    before = sides.client.look()
    another = sides.life()
    another.begin()
    assert sides.client.look() not in {None, before}
    another.end()
    assert sides.logged == []


def test_extensions_on_other_ports_have_files_of_their_own(tmp_path: Path) -> None:
    """Two stacks on one machine don't hear each other; an IPv6 address is a name like any other."""
    log = Log(io.StringIO(), "info", MovableClock())
    places = [("127.0.0.1", 8200), ("127.0.0.1", 8201), ("::1", 8200)]
    lives = [Generation(place, log, str(tmp_path)) for place in places]
    watches = [Watch(place, str(tmp_path)) for place in places]
    for life in lives:
        life.begin()
    before = [watch.look() for watch in watches]
    lives[0].advance()
    after = [watch.look() for watch in watches]
    assert [one == other for one, other in zip(before, after, strict=True)] == [False, True, True]
    for life in lives:
        life.end()


def _link(sides: Sides) -> None:
    elsewhere = sides.folder.with_name("elsewhere")
    elsewhere.mkdir(mode=0o700)
    sides.folder.symlink_to(elsewhere)


FOLDERS: dict[str, Callable[[Sides], object]] = {
    "open to others": lambda sides: (sides.folder.mkdir(), sides.folder.chmod(0o777)),
    "readable by others": lambda sides: (sides.folder.mkdir(), sides.folder.chmod(0o755)),
    "a link": _link,
    "a file": lambda sides: sides.folder.touch(),
}


@pytest.mark.parametrize("planted", FOLDERS.values(), ids=FOLDERS)
def test_planted_folders_are_not_used(sides: Sides, planted: Callable[[Sides], object]) -> None:
    """A folder that others may write to, or a link in its place: nothing is written there, nothing there is believed."""
    planted(sides)
    sides.extension.begin()
    assert sides.logged == [("warn", "no-generation-file")]
    sides.extension.advance()
    if sides.folder.is_dir():
        assert list(sides.folder.iterdir()) == []
        sides.file.touch(mode=0o600)
    assert sides.client.look() is None
    sides.extension.end()
    assert sides.folder.exists()


def _file_link(sides: Sides) -> None:
    (sides.folder / "target").touch(mode=0o600)
    sides.file.symlink_to("target")


def _second_name(sides: Sides) -> None:
    (sides.folder / "target").touch(mode=0o600)
    sides.file.hardlink_to(sides.folder / "target")


FILES: dict[str, Callable[[Sides], object]] = {
    "open to others": lambda sides: (sides.file.touch(), sides.file.chmod(0o644)),
    "a link": _file_link,
    "a second name": _second_name,
    "a folder": lambda sides: sides.file.mkdir(mode=0o700),
    "a pipe": lambda sides: os.mkfifo(sides.file, 0o600),
}


@pytest.mark.parametrize("planted", FILES.values(), ids=FILES)
def test_planted_files_are_not_believed(sides: Sides, planted: Callable[[Sides], object]) -> None:
    """Whatever stands in the file's place but a plain file of ours, closed to others, counts as none."""
    sides.folder.mkdir(mode=0o700)
    planted(sides)
    assert sides.client.look() is None


def test_a_folder_is_judged_anew_when_its_file_comes_back(sides: Sides) -> None:
    """A folder that took the place of ours while there was no file is not trusted for the old one's sake."""
    sides.extension.begin()
    assert sides.client.look() is not None
    sides.extension.end()
    assert sides.client.look() is None
    sides.folder.mkdir()
    sides.folder.chmod(0o777)
    sides.file.touch(mode=0o600)
    assert sides.client.look() is None


def test_no_folder_to_make_it_in(tmp_path: Path) -> None:
    """Where nothing can be written, the extension says so once and goes on, and the client trusts nothing."""
    sides = Sides(tmp_path / "missing")
    sides.extension.begin()
    sides.extension.advance()
    sides.extension.end()
    assert sides.logged == [("warn", "no-generation-file")]
    assert sides.client.look() is None


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_file_that_cannot_change_is_taken_away(sides: Sides) -> None:
    """When the file can't be changed any more it would lie: it is removed, and whoever kept something asks again."""
    sides.extension.begin()
    assert sides.client.look() is not None

    def advances_in_vain() -> bool:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # no file may grow: the nearest thing to a disk that says no
        sides.extension.advance()
        return sides.client.look() is None

    assert in_a_fork(advances_in_vain)
    assert sides.client.look() is None
