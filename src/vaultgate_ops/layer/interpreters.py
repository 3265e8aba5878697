"""Which Python interpreters can compile the layer's bytecode here.

Rules: bytecode belongs to one minor version of CPython, so every version that Lambda runs is looked for: the running
interpreter, then ``PATH``, then pyenv's versions. A candidate is asked what it is; its name proves nothing (pyenv's shims
carry the names of versions that are switched off). Alphas and betas don't count: their bytecode is no release's. A candidate's
is, and it says that it is one.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VERSIONS = ("3.11", "3.12", "3.13", "3.14")
"""Lambda's Python runtimes that the extension supports, oldest first."""

_ASK = """import sys
v = sys.version_info
candidate = "rc%d" % v.serial if v.releaselevel == "candidate" else ""
print(sys.implementation.name, "%d.%d" % v[:2], v.releaselevel, "%d.%d.%d" % v[:3] + candidate)"""
_ANSWER_S = 20.0


@dataclass(frozen=True)
class Interpreter:
    """One CPython.

    Attributes:
        version: major and minor, such as ``3.12``.
        path: the executable.
        release: with the third number, such as ``3.12.4`` or ``3.15.0rc1``: the next one may compile otherwise.
    """

    version: str
    path: Path
    release: str


def find_interpreters(environ: Mapping[str, str], running: Path | None = None) -> list[Interpreter]:
    """The first working interpreter of each of `VERSIONS`, oldest first; versions without one are left out.

    Args:
        environ: gives ``PATH`` and ``HOME``.
        running: preferred before all others; None is the interpreter that runs this.
    """
    running = Path(sys.executable) if running is None else running
    with ThreadPoolExecutor() as pool:
        found = pool.map(lambda version: _first(version, environ, running), VERSIONS)
    return [one for one in found if one is not None]


def _first(version: str, environ: Mapping[str, str], running: Path) -> Interpreter | None:
    for candidate in _candidates(version, environ, running):
        release = _release(candidate, version, environ)
        if release:
            return Interpreter(version, candidate, release)
    return None


def _candidates(version: str, environ: Mapping[str, str], running: Path) -> Iterator[Path]:
    yield running
    on_path = shutil.which(f"python{version}", path=environ.get("PATH", ""))
    if on_path:
        yield Path(on_path)
    home = environ.get("HOME")
    if home:
        yield from sorted((Path(home) / ".pyenv/versions").glob(f"{version}.*/bin/python{version}"))


def _release(candidate: Path, version: str, environ: Mapping[str, str]) -> str | None:
    """Its release, or None unless it runs, is a released CPython and of this version."""
    try:
        answer = subprocess.run(
            [candidate, "-I", "-S", "-c", _ASK],
            env=dict(environ),
            capture_output=True,
            text=True,
            timeout=_ANSWER_S,
            check=False,
        ).stdout.split()
    except (OSError, subprocess.TimeoutExpired):
        return None
    match answer:
        case ["cpython", asked, "final" | "candidate", release] if asked == version:
            return release
        case _:
            return None
