"""Files on a real disk: whole or not at all, nobody else's, through no link."""

from __future__ import annotations

import os
import stat
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from vaultgate.disk import place, take_away
from vaultgate.errors import Unwritable


def names(folder: Path) -> list[str]:
    """What is in a folder."""
    return sorted(path.name for path in folder.iterdir())


def mode(path: Path) -> int:
    """Permission bits."""
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_modes(tmp_path: Path, umask: int) -> None:
    """A file has the mode that was asked for, and a folder made for it is 0700, whatever the umask."""
    made: list[str] = []
    file = tmp_path / "a/b/secret"
    before = os.umask(umask)
    try:
        place(str(file), b"x", 0o640, made)
    finally:
        os.umask(before)
    assert (file.read_bytes(), mode(file)) == (b"x", 0o640)
    assert made == [str(tmp_path / "a"), str(tmp_path / "a/b")]
    assert [mode(tmp_path / "a"), mode(tmp_path / "a/b")] == [0o700, 0o700]


def test_folder_that_was_there_is_left_as_it_is(tmp_path: Path) -> None:
    """A folder of somebody else's keeps its mode, and is not taken for ours."""
    (tmp_path / "a").mkdir(mode=0o755)
    made: list[str] = []
    place(str(tmp_path / "a/secret"), b"x", 0o600, made)
    assert (made, mode(tmp_path / "a")) == ([], 0o755)


def test_readers_see_old_or_new(tmp_path: Path) -> None:
    """While a file is replaced again and again, whoever reads it finds one whole version."""
    file = tmp_path / "secret"
    versions = [bytes([letter]) * 100_000 for letter in b"ab"]
    place(str(file), versions[0], 0o600, [])
    over = threading.Event()
    seen: list[bytes] = []

    def read() -> None:
        while not over.is_set():
            seen.append(file.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(200):
        place(str(file), versions[turn % 2], 0o600, [])
    over.set()
    reader.join()
    assert set(seen) <= set(versions)
    assert names(tmp_path) == ["secret"]


def test_open_file_keeps_its_content(tmp_path: Path) -> None:
    """Who has opened the old file reads the old one to its end."""
    file = tmp_path / "secret"
    place(str(file), b"old", 0o600, [])
    with file.open("rb") as opened:
        place(str(file), b"new!", 0o600, [])
        assert opened.read() == b"old"
    assert file.read_bytes() == b"new!"


def test_link_in_the_files_place_is_replaced(tmp_path: Path) -> None:
    """A link where the file belongs is not written through."""
    target = tmp_path / "elsewhere"
    target.write_bytes(b"untouched")
    (tmp_path / "secret").symlink_to(target)
    place(str(tmp_path / "secret"), b"x", 0o600, [])
    assert target.read_bytes() == b"untouched"
    assert not (tmp_path / "secret").is_symlink()


def test_link_where_the_new_file_is_written_is_not_followed(tmp_path: Path) -> None:
    """Nor is one under the name that the new file has until it is complete."""
    target = tmp_path / "elsewhere"
    (tmp_path / ".secret.vaultgate").symlink_to(target)
    place(str(tmp_path / "secret"), b"x", 0o600, [])
    assert names(tmp_path) == ["secret"]


@pytest.mark.parametrize("link", ["a", "a/b"])
def test_link_in_a_folders_place_is_refused(tmp_path: Path, link: str) -> None:
    """A folder that is a link leads somebody else's way: nothing is written behind it, and nothing removed."""
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "b").mkdir(parents=True)
    (elsewhere / "secret").write_bytes(b"theirs")
    (tmp_path / link).parent.mkdir(exist_ok=True)
    (tmp_path / link).symlink_to(elsewhere)
    file = tmp_path / link / "secret"
    with pytest.raises(Unwritable, match="Not a directory"):
        place(str(file), b"x", 0o600, [])
    assert take_away([str(file)]) == [f"{file}: Not a directory"]
    assert (elsewhere / "secret").read_bytes() == b"theirs"


def test_what_a_killed_life_left_is_replaced(tmp_path: Path) -> None:
    """Half a file under the temporary name is no obstacle, and its content not used."""
    (tmp_path / ".secret.vaultgate").write_bytes(b"half of something longer")
    place(str(tmp_path / "secret"), b"x", 0o600, [])
    assert (tmp_path / "secret").read_bytes() == b"x"
    assert names(tmp_path) == ["secret"]


def test_failure_names_the_place_and_leaves_nothing(tmp_path: Path) -> None:
    """A folder in the file's place is told with its path, and no half-written file stays behind."""
    (tmp_path / "secret").mkdir()
    with pytest.raises(Unwritable) as caught:
        place(str(tmp_path / "secret"), b"made-up-secret", 0o600, [])
    assert str(tmp_path / "secret") in caught.value.message
    assert "made-up-secret" not in str(caught.value)
    assert names(tmp_path) == ["secret"]


def test_take_away(tmp_path: Path) -> None:
    """Files go, and the folders that were made for them, the innermost first; a file that is gone already is fine."""
    made: list[str] = []
    place(str(tmp_path / "a/b/one"), b"x", 0o600, made)
    assert take_away([str(tmp_path / "a/b/one"), str(tmp_path / "a/b/two"), str(tmp_path / "nowhere/three")], made) == []
    assert names(tmp_path) == []


def test_folder_in_use_stays(tmp_path: Path) -> None:
    """A folder that somebody else has put something in is left to them."""
    made: list[str] = []
    place(str(tmp_path / "a/one"), b"x", 0o600, made)
    (tmp_path / "a/theirs").write_bytes(b"y")
    assert take_away([str(tmp_path / "a/one")], made) == []
    assert names(tmp_path / "a") == ["theirs"]


def test_nothing_stays_open(tmp_path: Path) -> None:
    """Writing, failing and removing leave no descriptor behind, of a file or a folder; others' are none of our business."""
    (tmp_path / "folder").mkdir()
    for name in ("one", "two/three", "folder", "one/four"):
        try:
            place(str(tmp_path / name), b"x", 0o600, [])
        except Unwritable:
            assert name in {"folder", "one/four"}
    take_away([str(tmp_path / "one"), str(tmp_path / "one/four")])
    opened = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one that listed them
            opened.append(descriptor.readlink())
    assert [path for path in opened if path.is_relative_to(tmp_path)] == []
