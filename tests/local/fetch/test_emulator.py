from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.local.fetch import parts

from vaultgate_ops.errors import Missing
from vaultgate_ops.local.fetch.emulator import find_emulator

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A samcli whose emulator was unpacked without its executable bit."""
    folder = tmp_path / "samcli"
    (folder / "local" / "rapid").mkdir(parents=True)
    (folder / "local" / "rapid" / "aws-lambda-rie-arm64").write_text("#!/bin/sh\necho emulator\n")
    return folder


def test_emulator_of_the_installed_package() -> None:
    """The pinned aws-sam-cli has an emulator for this machine, and it runs."""
    # It starts a sandbox with nearly anything that it is given; this it refuses.
    refused = [find_emulator(), "--log-level", "nonsense"]
    done = subprocess.run(refused, capture_output=True, text=True, check=False, timeout=parts.DEADLINE_S)
    assert "Valid log levels are" in done.stderr


def test_samcli_is_not_imported() -> None:
    """Looking for the emulator doesn't import samcli, which takes seconds."""
    code = (
        "import sys; from vaultgate_ops.local.fetch.emulator import find_emulator; find_emulator();"
        "sys.exit('samcli' in sys.modules)"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], env=environ, check=False).returncode == 0


def test_plain_file_is_copied_and_made_executable(package: Path, tmp_path: Path) -> None:
    """Where site-packages' emulator can't be executed, a copy in the cache is, and site-packages stays as it was."""
    cache = tmp_path / "cache"
    found = find_emulator(package=package, cache=cache, machine="aarch64")
    assert subprocess.run([found], capture_output=True, text=True, check=True).stdout == "emulator\n"
    assert found.is_relative_to(cache)
    assert not os.access(package / "local" / "rapid" / "aws-lambda-rie-arm64", os.X_OK)
    made = found.stat().st_mtime_ns
    assert find_emulator(package=package, cache=cache, machine="aarch64").stat().st_mtime_ns == made


def test_damaged_copy_is_made_again(package: Path, tmp_path: Path) -> None:
    """A copy that doesn't match its checksum is replaced; another emulator gets another copy."""
    cache = tmp_path / "cache"
    found = find_emulator(package=package, cache=cache, machine="arm64")
    whole = found.read_bytes()
    found.write_bytes(b"#!/bin/sh\n")
    assert find_emulator(package=package, cache=cache, machine="arm64").read_bytes() == whole
    (package / "local" / "rapid" / "aws-lambda-rie-arm64").write_text("#!/bin/sh\necho newer\n")
    assert find_emulator(package=package, cache=cache, machine="arm64") != found


def test_absent_emulator_is_missing(package: Path, tmp_path: Path) -> None:
    """A samcli without an emulator for this processor, and a processor without an emulator, are told apart."""
    with pytest.raises(Missing, match=r"this aws-sam-cli has no .*aws-lambda-rie-x86_64") as absent:
        find_emulator(package=package, cache=tmp_path, machine="x86_64")
    assert "make setup" in absent.value.hint
    with pytest.raises(Missing, match="exists for x86_64 and arm64, and this machine is riscv64"):
        find_emulator(package=package, cache=tmp_path, machine="riscv64")
