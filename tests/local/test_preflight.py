from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.local.fetch import parts

from vaultgate_ops.errors import Missing
from vaultgate_ops.local import disk, preflight
from vaultgate_ops.local.machine import architecture

if TYPE_CHECKING:
    from pathlib import Path


def test_this_machine_will_do(tmp_path: Path) -> None:
    """A machine that runs these tests passes, and is told how to get a mount namespace."""
    prefix = preflight.check(os.environ, tmp_path / "not" / "there" / "yet")
    (tmp_path / "layer").mkdir()
    (tmp_path / "layer" / "inside").touch()
    command = [*prefix, "sh", "-c", 'mount --bind "$0" /opt && ls /opt', str(tmp_path / "layer")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "inside\n"
    assert not (preflight.LAYER_FOLDER / "inside").exists()


@pytest.mark.parametrize("system", ["Darwin", "Windows", "FreeBSD", ""])
def test_elsewhere_compose_is_offered(system: str) -> None:
    """On anything but Linux the one sentence says so, and the fix is compose."""
    with pytest.raises(Missing, match="The embedded stack is for Linux") as refused:
        preflight.require_linux(system)
    assert refused.value.hint == "Use docker compose: make demo DEMO=docker."


def test_processors() -> None:
    """Both of Lambda's processors are known by all their names; others are refused by name."""
    assert architecture("x86_64") == architecture("AMD64")
    assert architecture("aarch64") == architecture("arm64")
    assert (architecture("aarch64").go, architecture("aarch64").emulator) == ("arm64", "arm64")
    assert (architecture("x86_64").go, architecture("x86_64").emulator) == ("amd64", "x86_64")
    with pytest.raises(Missing, match="this machine is ppc64le"):
        architecture("ppc64le")


def test_namespace_that_denies_mounts_is_none(tmp_path: Path) -> None:
    """An unshare that starts programs and lets none of them mount is not taken for a mount namespace."""
    parts.program(tmp_path / "unshare", 'while [ "${1#--}" != "$1" ]; do shift; done; [ "$1" != mount ]')
    with pytest.raises(Missing, match="allows no mount namespaces") as refused:
        preflight.mount_namespace({"PATH": str(tmp_path)})
    assert "kernel.apparmor_restrict_unprivileged_userns=0" in refused.value.hint


def test_second_way_into_a_namespace(tmp_path: Path) -> None:
    """Where root may not mount (a container), a user namespace is tried."""
    parts.program(tmp_path / "unshare", '[ "$1" = --map-root-user ]')
    ways = [("unshare", "--mount"), ("unshare", "--map-root-user", "--mount")]
    assert preflight.mount_namespace({"PATH": str(tmp_path)}, ways) == ways[1]


def test_small_disk_is_named(tmp_path: Path) -> None:
    """A disk with too little room is named with what is needed and what is there."""
    with pytest.raises(Missing, match=r"^The work needs \d+\.0 GB of disk space, and .* has [\d.]+ [GM]B free\.$"):
        disk.require_space({tmp_path / "absent": 1024 * 1024 * disk.GIB}, "The work")
