"""How /opt and /tmp are arranged for a sandbox."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from vaultgate_ops.errors import Missing
from vaultgate_ops.local import namespace, preflight

# ruff: noqa: S108 - these tests are about /tmp
LAYER, SCRATCH = Path("/home/u/layer"), Path("/home/u/scratch")


def commands(*visible: str, layer: Path = LAYER, scratch: Path = SCRATCH) -> list[str]:
    """The arrangement as lines of a shell."""
    return [" ".join(step) for step in namespace.mounts(layer, scratch, [Path(path) for path in visible])]


def test_folders_elsewhere_need_nothing() -> None:
    """Only /opt and /tmp change."""
    assert commands("/home/u", "/usr") == [
        "mount --rbind /tmp /opt",
        "mount --bind /home/u/scratch /tmp",
        "umount --lazy /opt",
        "mount --bind /home/u/layer /opt",
        "mount -o remount,bind,ro,nosuid,nodev /opt",
    ]


def test_folders_in_tmp_are_put_back_each_once() -> None:
    """A checkout in /tmp stays where it is; what lies in it comes along."""
    assert [line for line in commands("/tmp/c/sub", "/tmp/c", "/tmp/other") if "/opt/" in line] == [
        "mount --rbind /opt/c /tmp/c",
        "mount --rbind /opt/other /tmp/other",
    ]


def test_a_layer_and_a_scratch_folder_in_tmp_are_found() -> None:
    """Tests keep theirs there."""
    lines = commands(layer=Path("/tmp/a/layer"), scratch=Path("/tmp/b/scratch"))
    assert "mount --bind /opt/b/scratch /tmp" in lines
    assert "mount --rbind /opt/a/layer /tmp/a/layer" in lines
    assert "mount --bind /tmp/a/layer /opt" in lines


def test_the_machine_itself_stays_as_it_is(tmp_path: Path) -> None:
    """The mounts end with the process; names with blanks and quotes are names."""
    layer, scratch = tmp_path / "a 'layer'", tmp_path / "scratch"
    for folder in (layer, scratch):
        folder.mkdir()
    (layer / "x").touch()
    before = Path("/proc/self/mounts").read_text()
    words = namespace.enter(preflight.mount_namespace(os.environ), layer, scratch, [tmp_path])
    run = subprocess.run([*words, "sh", "-c", 'ls /opt "$1"', "sh", tmp_path], capture_output=True, text=True, check=True)
    assert run.stdout.split("\n")[:2] == ["/opt:", "x"]
    assert "scratch" in run.stdout
    assert Path("/proc/self/mounts").read_text() == before


def test_home_and_tmpdir_are_not_lambdas(tmp_path: Path) -> None:
    """Lambda sets neither."""
    words = namespace.enter(preflight.mount_namespace(os.environ), tmp_path, tmp_path, [tmp_path])
    run = subprocess.run(
        [*words, "env"], capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin", "HOME": "x", "TMPDIR": "y"}
    )
    assert not {line.partition("=")[0] for line in run.stdout.splitlines()} & {"HOME", "TMPDIR"}


def test_a_python_in_opt_is_refused_with_the_reason(tmp_path: Path) -> None:
    """It would vanish below the layer."""
    with pytest.raises(Missing, match=r"/opt/hostedtoolcache lies in /opt"):
        namespace.enter([], tmp_path, tmp_path, [Path("/opt/hostedtoolcache")])
