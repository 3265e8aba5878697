"""What an artefact says of itself, for whom it is, and that it can be built again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.unit.layer.checkout import LAUNCHERS, build

import vaultgate
from vaultgate_ops import layer
from vaultgate_ops.errors import CheckFailed, Missing
from vaultgate_ops.layer import ARCHITECTURES, Manifest, archive, manifest
from vaultgate_ops.layer.interpreters import find_interpreters
from vaultgate_ops.local import paths
from vaultgate_ops.reporting import Silent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vaultgate_ops.layer import Interpreter

RUNNING, RELEASE = "{}.{}".format(*sys.version_info), "{}.{}.{}".format(*sys.version_info)
EXTENSION = Path(__file__).parents[3] / "extension"
# As a stranger would: another umask, time zone and moment, another seed of hashes, another build tool's settings around it.
BUILD = """\
import os, sys
from pathlib import Path
from vaultgate_ops.layer import build
from vaultgate_ops.reporting import Silent
os.umask(int(sys.argv[2], 8))
print(build(Path(sys.argv[1]), os.environ, Silent()).sha256)
"""


def test_the_layer_says_whose_bytecode_it_holds(checkout: Path, alone: dict[str, str]) -> None:
    """The manifest inside has version, interpreters with their releases, and architectures; the build hands out the same."""
    built = build(checkout, alone)
    said = Manifest("1.2.3", ("arm64", "x86_64"), {RUNNING: RELEASE}, sources=True)
    assert (built.manifest, manifest.read(built.archive)) == (said, said)
    assert (built.folder / "vaultgate-layer.json").read_text() == said.text


def test_a_layer_with_sources_is_for_every_runtime_and_one_without_for_its_own(checkout: Path, alone: dict[str, str]) -> None:
    """`CompatibleRuntimes` promises what the launcher keeps."""
    assert build(checkout, alone).manifest.runtimes == ("python3.11", "python3.12", "python3.13", "python3.14")
    assert build(checkout, alone, versions=[RUNNING]).manifest.runtimes == (f"python{RUNNING}",)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_layer_for_one_architecture_differs_in_its_declaration_alone(
    checkout: Path, alone: dict[str, str], architecture: str
) -> None:
    """It has its own file and hash, and but for the manifest it is the layer for both, byte for byte."""
    both, one = build(checkout, alone), build(checkout, alone, architectures=[architecture])
    assert one.archive.name == f"vaultgate-layer-{architecture}.zip"
    assert one.sha256 != both.sha256
    assert one.manifest.architectures == (architecture,)
    assert contents(one.archive) == contents(both.archive)


def contents(zipped: Path) -> dict[str, bytes]:
    """A zip's files but for the manifest."""
    with zipfile.ZipFile(zipped) as packed:
        return {name: packed.read(name) for name in packed.namelist() if name != manifest.NAME}


def test_no_file_of_the_layer_is_machine_code() -> None:
    """That is why one layer does for both architectures: shell, Python and its bytecode, by their first bytes."""
    found = find_interpreters(os.environ)
    for name, content in contents(paths.build_folder() / "vaultgate-layer.zip").items():
        if name.endswith(".pyc"):
            assert content[2:4] == b"\r\n", name
        else:
            assert content.decode("utf-8"), name
    assert {one.version for one in found} == set(manifest.read(paths.build_folder() / "vaultgate-layer.zip").bytecode)


def test_the_real_layer_holds_every_module_with_its_bytecode_and_nothing_else() -> None:
    """By name and permission bits: two programs, the manifest, the package's modules and what each interpreter made of them."""
    zipped = paths.build_folder() / "vaultgate-layer.zip"
    modules = [file.relative_to(EXTENSION) for file in (EXTENSION / "python/vaultgate").rglob("*.py")]
    tags = [f"cpython-{version.replace('.', '')}" for version in manifest.read(zipped).bytecode]
    compiled = [module.parent / f"__pycache__/{module.stem}.{tag}.pyc" for module in modules for tag in tags]
    expected = dict.fromkeys((str(path) for path in (*modules, *compiled)), 0o100644) | {manifest.NAME: 0o100644}
    expected |= dict.fromkeys(LAUNCHERS, 0o100755)
    with zipfile.ZipFile(zipped) as packed:
        assert {entry.filename: entry.external_attr >> 16 for entry in packed.infolist()} == expected


@pytest.mark.parametrize("order", [sorted, lambda names: sorted(names, reverse=True)], ids=["first", "again"])
def test_the_real_layer_can_be_built_again(tmp_path: Path, order: type[Iterable[Path]]) -> None:
    """Another folder, order of files, umask, time, time zone and seed give the hash of build/vaultgate-layer.zip."""
    first = order is sorted
    place = tmp_path / ("here" if first else "some/where else/and deeper")
    for file in order([file for file in EXTENSION.rglob("*") if file.is_file() and file.suffix != ".pyc"]):
        copy = place / "extension" / file.relative_to(EXTENSION)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
        os.utime(copy, (10**9, 10**9) if first else None)
    environment = {
        **{name: value for name, value in os.environ.items() if name in {"PATH", "HOME"}},
        "PYTHONPATH": str(EXTENSION.parent / "src"),
        "PYTHONHASHSEED": "1" if first else "4711",
        "SOURCE_DATE_EPOCH": "1000000000" if first else "1700000000",
        "TZ": "UTC" if first else "Asia/Kathmandu",
    }
    command = [sys.executable, "-c", BUILD, str(place), "077" if first else "002"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    built = place / "build/vaultgate-layer.zip"
    assert done.stdout.strip() == sha256sum(built)
    assert done.stdout.strip() == sha256sum(paths.build_folder() / "vaultgate-layer.zip")


def test_who_builds_does_not_show_in_the_bytecode(
    checkout: Path, alone: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither variables of Python's nor a module beside them that is named as one of the standard library's."""
    usual = build(checkout, alone).sha256
    (tmp_path / "compileall.py").write_text("raise SystemExit('wrong compileall')\n")
    monkeypatch.chdir(tmp_path)
    theirs = {"PYTHONPYCACHEPREFIX": str(tmp_path / "elsewhere"), "PYTHONPATH": str(tmp_path), "PYTHONHOME": "/nonexistent"}
    assert build(checkout, alone | theirs).sha256 == usual
    assert not (tmp_path / "elsewhere").exists()


def test_a_trial_has_a_copy_of_its_own(checkout: Path, alone: dict[str, str]) -> None:
    """It is handed the zip, unpacked with its modes; what it leaves there is in no layer."""
    seen: list[dict[str, int]] = []

    def untidy(opt: Path, _interpreters: Sequence[Interpreter]) -> None:
        seen.append({str(file.relative_to(opt)): archive.mode(file) for file in archive.files(opt)})
        (opt / "left").touch()

    built = layer.build(checkout, alone, Silent(), trial=untidy)
    assert seen == [{str(file.relative_to(built.folder)): archive.mode(file) for file in archive.files(built.folder)}]
    assert "left" not in seen[0]
    assert "left" not in contents(built.archive)


def sha256sum(file: Path) -> str:
    """What the program of that name says."""
    return subprocess.run(["sha256sum", file], capture_output=True, text=True, check=True).stdout.split()[0]


def test_the_layer_is_of_the_version_of_the_project() -> None:
    """The manifest of what is tested here, its package and the project's metadata agree."""
    said = manifest.read(paths.build_folder() / "vaultgate-layer.zip")
    assert said.version == vaultgate.__version__ == manifest.version_of(EXTENSION / "python/vaultgate")


def test_the_layers_stay_small() -> None:
    """The zip for all runtimes is bounded by what each of them adds: the sources, and bytecode for each interpreter."""
    assert (paths.build_folder() / "vaultgate-layer.zip").stat().st_size < 200_000 + 220_000 * len(find_interpreters(os.environ))


def test_a_package_without_a_version_is_not_built(checkout: Path, alone: dict[str, str]) -> None:
    """Nobody could tell its artefacts apart."""
    (checkout / "extension/python/vaultgate/__init__.py").write_text("")
    with pytest.raises(CheckFailed, match=r"__init__\.py names no __version__"):
        build(checkout, alone)
    assert not (checkout / "build/vaultgate-layer.zip").exists()


def test_a_zip_of_something_else_is_no_layer(tmp_path: Path) -> None:
    """Reading its manifest says so; a missing file and a folder are another error."""
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as packed:
        packed.writestr("python/other.py", "")
    (tmp_path / "text.zip").write_text("no zip")
    for name in ("other.zip", "text.zip"):
        with pytest.raises(CheckFailed, match=f"{name} is no layer of Vaultgate"):
            manifest.read(tmp_path / name)
    with pytest.raises(Missing, match=r"There is no .*none\.zip"):
        manifest.read(tmp_path / "none.zip")
    with pytest.raises(Missing, match=r"can't be read: Is a directory"):
        manifest.read(tmp_path)


def test_a_damaged_layer_is_no_layer(tmp_path: Path) -> None:
    """A zip whose directory is whole and whose content isn't."""
    damaged = tmp_path / "damaged.zip"
    text = b"".join(b"%d " % number for number in range(1000))
    with zipfile.ZipFile(damaged, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(manifest.NAME, text)
    content = bytearray(damaged.read_bytes())
    content[80:120] = b"\xff" * 40
    damaged.write_bytes(content)
    with pytest.raises(CheckFailed, match="is no layer of Vaultgate"):
        manifest.read(damaged)
