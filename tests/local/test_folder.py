from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import Missing
from vaultgate_ops.local import folder as folders
from vaultgate_ops.local.identity import Identity

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vaultgate_ops.local.processes import Process


@pytest.fixture
def root(folder: Path) -> Path:
    """Where stacks are kept; the one that other fixtures give is not there yet."""
    folder.rmdir()
    return folder.parent


def orphan(root: Path, name: str, *, stays: bool = False) -> Path:
    """A stack whose owner is dead."""
    code = (
        "import pathlib, sys; from vaultgate_ops.local import folder;"
        f"folder.claim(pathlib.Path(sys.argv[1]), sys.argv[2], stays={stays})"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code, root, name], env=environment, check=True)
    return root / name


def test_a_name_belongs_to_one(root: Path) -> None:
    """The second claim of a name is refused and leaves the first as it was."""
    first = folders.claim(root, "one")
    folders.note(first, ports={"vault": 1})
    with pytest.raises(folders.Occupied):
        folders.claim(root, "one")
    assert folders.noted(first)["ports"] == {"vault": 1}
    assert [entry.name for entry in root.iterdir()] == ["one"]


def test_a_folder_is_for_its_owner(root: Path) -> None:
    """Folder and notes can be read by nobody else."""
    folder = folders.claim(root, "one")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    """Where a file stands in the way, the error names the place and the fix."""
    (tmp_path / "build").touch()
    with pytest.raises(Missing, match=r"build/stacks can't be used: Not a directory") as caught:
        folders.claim(tmp_path / "build" / "stacks", "one")
    assert caught.value.hint


def test_the_owner_is_known_while_it_lives(root: Path) -> None:
    """Ours is this process; one whose owner ended has none."""
    assert folders.owner(folders.claim(root, "ours")) == Identity.of(os.getpid())
    assert folders.owner(orphan(root, "theirs")) is None


def test_a_reused_pid_protects_nothing(root: Path) -> None:
    """A process with the owner's pid and another start time is not the owner."""
    folder = folders.claim(root, "one")
    me = Identity.of(os.getpid())
    assert me is not None
    folders.note(folder, owner=[me.pid, me.started - 1])
    assert folders.left_behind(root) == [folder]


def test_what_nobody_answers_for_is_left_behind(root: Path) -> None:
    """Stacks of the dead and folders without readable notes are; ours, and one that was meant to stay, are not."""
    folders.claim(root, "ours")
    orphan(root, "up", stays=True)
    dead = orphan(root, "demo-1")
    unreadable = root / "unreadable"
    unreadable.mkdir()
    (unreadable / "stack.json").write_text("{")
    assert folders.left_behind(root) == [dead, unreadable]


def test_a_claim_that_is_under_way_is_not_left_behind(root: Path) -> None:
    """Between its making and its notes, a folder is protected by its name."""
    me = Identity.of(os.getpid())
    assert me is not None
    (root / f".new-one-{me.pid}-{me.started}").mkdir()
    half = root / f".new-two-{me.pid}-{me.started - 1}"
    half.mkdir()
    assert folders.left_behind(root) == [half]


def test_removing_ends_what_runs(launch: Callable[..., Process], folder: Path) -> None:
    """A stack's processes end, its folder goes, and removing it again is fine."""
    launch("vault")
    launch("database")
    assert folders.remove(folder, Clock()) == ["vault", "database"]
    assert not folder.exists()
    assert folders.remove(folder, Clock()) == []


def test_a_stack_whose_folder_was_deleted_is_still_found(launch: Callable[..., Process], folder: Path) -> None:
    """Deleting build/ by hand doesn't hide the processes from the next sweep."""
    process = launch("vault")
    shutil.rmtree(folder)
    assert folders.left_behind(folder.parent) == [folder]
    assert folders.remove(folder, Clock()) == ["vault"]
    assert process.exited()


def test_who_claims_sweeps(root: Path) -> None:
    """A new stack first clears away what the dead left, and is gone itself when its block is left."""
    dead = orphan(root, "demo-1")
    with folders.claimed(root, "one", Clock()) as folder:
        assert not dead.exists()
        assert folder.exists()
    assert not folder.exists()


def test_a_stack_that_stays_goes_when_its_start_fails(root: Path) -> None:
    """It outlives a block that ends well, and only that."""
    with folders.claimed(root, "well", Clock(), stays=True) as well:
        pass
    assert well.exists()

    def fail() -> None:
        with folders.claimed(root, "badly", Clock(), stays=True):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert [entry.name for entry in root.iterdir()] == ["well"]
