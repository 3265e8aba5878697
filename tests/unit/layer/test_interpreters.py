"""Which interpreters are taken for a layer build."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.unit.layer.checkout import pretending

from vaultgate_ops.layer.interpreters import VERSIONS, find_interpreters

RUNNING = "{}.{}".format(*sys.version_info)
OTHER = next(version for version in reversed(VERSIONS) if version != RUNNING)


def program(path: Path, script: str) -> Path:
    """An executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def says(version: str, *, name: str = "cpython", level: str = "final") -> str:
    """A script that answers as an interpreter would."""
    return f"echo {name} {version} {level} {version}.9"


def found(environ: dict[str, str]) -> dict[str, Path]:
    """Paths by version."""
    return {one.version: one.path for one in find_interpreters(environ)}


def test_the_running_interpreter_is_always_there(tmp_path: Path) -> None:
    """With nothing on PATH and no home, there is still us."""
    assert found({"PATH": "", "HOME": str(tmp_path)}) == {RUNNING: Path(sys.executable)}


def test_path_comes_before_pyenv(tmp_path: Path) -> None:
    """Of two interpreters of one version, the one on PATH is taken."""
    on_path = program(tmp_path / "bin" / f"python{OTHER}", says(OTHER))
    program(tmp_path / f".pyenv/versions/{OTHER}.1/bin/python{OTHER}", says(OTHER))
    assert found({"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)})[OTHER] == on_path


def test_a_name_on_path_that_does_not_run_gives_way_to_pyenv(tmp_path: Path) -> None:
    """Pyenv's shims stand on PATH for versions that are switched off."""
    program(tmp_path / "bin" / f"python{OTHER}", "echo not installed >&2; exit 127")
    real = program(tmp_path / f".pyenv/versions/{OTHER}.1/bin/python{OTHER}", says(OTHER))
    assert found({"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)})[OTHER] == real


def test_an_interpreter_is_believed_not_its_name(tmp_path: Path) -> None:
    """Another version, another Python and an alpha's bytecode are of no use."""
    for version, script in {
        "1": says("3.8"),
        "2": says(OTHER, name="pypy"),
        "3": says(OTHER, level="alpha"),
        "4": "true",
    }.items():
        program(tmp_path / f".pyenv/versions/{OTHER}.{version}/bin/python{OTHER}", script)
    assert OTHER not in found({"PATH": "", "HOME": str(tmp_path)})


def test_a_candidate_says_that_it_is_one(tmp_path: Path) -> None:
    """What it compiled isn't taken for the release's: the manifest names it as it names itself."""
    major, minor = (int(number) for number in OTHER.split("."))
    pretending(tmp_path / "bin" / f"python{OTHER}", (major, minor, 0), "candidate", 2)
    environ = {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)}
    assert {one.version: one.release for one in find_interpreters(environ)}[OTHER] == f"{OTHER}.0rc2"


def test_an_interpreter_is_asked_with_the_environment_that_was_given(tmp_path: Path) -> None:
    """Nothing of our own environment leaks into the search."""
    program(tmp_path / "bin" / f"python{OTHER}", f'test -z "$LEAK" && {says(OTHER)}')
    os.environ["LEAK"] = "1"
    try:
        assert OTHER in found({"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)})
    finally:
        del os.environ["LEAK"]
