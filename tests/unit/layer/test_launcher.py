"""The launcher, run from a layer as it was built."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.layer.checkout import build

if TYPE_CHECKING:
    from pathlib import Path

RUNNING = "{}.{}".format(*sys.version_info)
# Runs what it is given with the running interpreter, which claims to be Python 3.10.
OLD = f"""#!/bin/sh
exec {sys.executable} -c 'import sys
sys.version_info = (3, 10, 0, "final", 0)
code = sys.argv[4]
sys.argv = ["-c", *sys.argv[5:]]
exec(code)' "$@"
"""


@pytest.fixture
def opt(checkout: Path, alone: dict[str, str], tmp_path: Path) -> Path:
    """A copy of the built layer, somewhere else."""
    return shutil.copytree(build(checkout, alone).folder, tmp_path / "opt")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A folder to be PATH, with a python3 in it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "python3").symlink_to(sys.executable)
    return folder


def launch(*argv: str | Path, path: Path, cwd: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the launcher to its end."""
    environment = {"PATH": str(path), **environ}
    return subprocess.run(argv, env=environment, cwd=cwd, capture_output=True, text=True, check=False, timeout=30)


def said(run: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What the package told of itself."""
    assert run.stderr == ""
    told: dict[str, Any] = json.loads(run.stdout)
    return told


def test_the_collector_of_cycles_doesnt_run_while_modules_load(opt: Path, path: Path) -> None:
    """It still runs, when more objects were made than the imports make."""
    assert said(launch(opt / "extensions/vaultgate", path=path))["collector"] == 20_000


def test_the_launcher_runs_the_package_beside_it_isolated_and_without_site(opt: Path, path: Path) -> None:
    """The layer is found from the launcher's own place, and the extension's name is the file's."""
    told = said(launch(opt / "extensions/vaultgate", path=path))
    assert told["name"] == "vaultgate"
    assert told["file"] == str(opt / "python/vaultgate/__main__.py")
    assert told["flags"] == [1, 1]


@pytest.mark.parametrize("argv", [["./vaultgate"], ["sh", "vaultgate"], ["sh", "./vaultgate"]])
def test_a_relative_name_will_do(opt: Path, path: Path, argv: list[str]) -> None:
    """Somebody who tries it by hand gets the same."""
    (path / "sh").symlink_to("/bin/sh")
    told = said(launch(*argv, path=path, cwd=opt / "extensions"))
    assert told["file"] == str(opt / "python/vaultgate/__main__.py")


def test_a_renamed_launcher_registers_under_its_new_name(opt: Path, path: Path) -> None:
    """Lambda knows an extension by its file name."""
    (opt / "extensions/vaultgate").rename(opt / "extensions/other name")
    assert said(launch(opt / "extensions/other name", path=path))["name"] == "other name"


def test_the_extensions_exit_code_is_the_launchers(opt: Path, path: Path) -> None:
    """Lambda tells a crash by it."""
    assert launch(opt / "extensions/vaultgate", path=path, EXIT="7").returncode == 7


def test_the_launcher_becomes_the_extension(opt: Path, path: Path) -> None:
    """No shell stays behind, so signals and memory are the extension's alone."""
    with subprocess.Popen([opt / "extensions/vaultgate"], env={"PATH": str(path)}, stdout=subprocess.PIPE) as process:
        told = json.loads(process.communicate(timeout=30)[0])
    assert told["pid"] == process.pid


def test_the_bytecode_is_what_runs(opt: Path, path: Path) -> None:
    """Even a source that says otherwise is not compiled again: /opt can't be written to, every cold start would pay."""
    (opt / "python/vaultgate/__main__.py").write_text("raise SystemExit('compiled again')\n")
    assert launch(opt / "extensions/vaultgate", path=path).returncode == 0


def test_variables_meant_for_the_function_do_not_reach_the_interpreter(opt: Path, path: Path, tmp_path: Path) -> None:
    """PYTHONHOME would keep it from starting, PYTHONPATH would bring the function's packages."""
    (tmp_path / "json.py").write_text("raise SystemExit('wrong json')\n")
    run = launch(opt / "extensions/vaultgate", path=path, PYTHONHOME="/nonexistent", PYTHONPATH=str(tmp_path))
    assert run.returncode == 0


def test_a_package_of_another_layer_does_not_shadow_the_standard_library(opt: Path, path: Path) -> None:
    """All layers share /opt/python, and some bring backports."""
    (opt / "python/json.py").write_text("raise SystemExit('wrong json')\n")
    assert launch(opt / "extensions/vaultgate", path=path).returncode == 0


@pytest.mark.parametrize("launcher", ["extensions/vaultgate", "vaultgate-exec"])
def test_without_any_python_one_line_says_what_is_needed(opt: Path, tmp_path: Path, launcher: str) -> None:
    """A runtime without Python gets a sentence, not a shell's complaint."""
    run = launch(opt / launcher, "a-runtime", path=tmp_path)
    assert run.returncode == 3
    assert run.stderr.count("\n") == 1
    name = launcher.removeprefix("extensions/")
    assert run.stderr.startswith(f"{name}: neither /var/lang/bin/python3 nor a python3 on PATH")


def test_a_layer_for_one_runtime_starts_without_sources(checkout: Path, alone: dict[str, str], path: Path) -> None:
    """Its bytecode is all that its interpreter needs."""
    built = build(checkout, alone, versions=[RUNNING])
    assert said(launch(built.folder / "extensions/vaultgate", path=path))["name"] == "vaultgate"


@pytest.mark.parametrize("launcher", ["extensions/vaultgate", "vaultgate-exec"])
def test_a_layer_for_another_runtime_is_refused_in_one_line(
    checkout: Path, alone: dict[str, str], path: Path, launcher: str
) -> None:
    """The line says which Python this is, and which layers would do."""
    built = build(checkout, alone, versions=[RUNNING])
    for compiled in built.folder.rglob("*.pyc"):
        compiled.write_bytes(b"\0\0\r\n" + compiled.read_bytes()[4:])
    run = launch(built.folder / launcher, path=path)
    assert run.returncode == 3
    assert run.stderr.count("\n") == 1
    assert f"holds the bytecode of another Python than {RUNNING}: use the layer for this runtime" in run.stderr


def test_an_old_python_is_refused_by_name(opt: Path, path: Path) -> None:
    """The one line names the interpreter, its version and the least that will do."""
    (path / "python3").unlink()
    (path / "python3").write_text(OLD)
    (path / "python3").chmod(0o755)
    run = launch(opt / "extensions/vaultgate", path=path)
    assert run.returncode == 3
    assert run.stderr.count("\n") == 1
    assert "is Python 3.10: the extension needs Python 3.11 or newer" in run.stderr
