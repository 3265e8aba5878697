"""The layer's files, as Lambda would start them.

Rules: the interpreter is found as the launcher finds it (extension/extensions/vaultgate), and asked for its version. Bytecode's
kind stands in its second word: PEP 552.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from vaultgate_ops.doctor.facts import LayerSeen

if TYPE_CHECKING:
    from collections.abc import Mapping

_LAMBDAS = Path("/var/lang/bin/python3")
_VERSION = "import sys; print('.'.join(map(str, sys.version_info[:3])), sys.implementation.cache_tag)"
_ASK_S = 4.0
_UNCHECKED_HASH = b"\x01\x00\x00\x00"


def layer(folder: Path, environ: Mapping[str, str]) -> LayerSeen:
    """Look at a layer.

    Args:
        folder: that holds it, /opt inside a function.
        environ: gives PATH.
    """
    launcher = folder / "extensions" / "vaultgate"
    state = "missing" if not launcher.is_file() else "there" if os.access(launcher, os.X_OK) else "not-executable"
    package = folder / "python" / "vaultgate"
    sources = sorted(package.rglob("*.py")) if package.is_dir() else []
    bare = [file for file in package.rglob("*.pyc") if file.parent.name != "__pycache__"] if package.is_dir() else []
    python, tag = _python(environ)
    compiled: dict[str, int] = {}
    checked = 0
    for source in sources:
        for file in (source.parent / "__pycache__").glob(f"{source.stem}.*.pyc"):
            kind = file.name.removeprefix(f"{source.stem}.").removesuffix(".pyc")
            if file.read_bytes()[4:8] == _UNCHECKED_HASH:
                compiled[kind] = compiled.get(kind, 0) + 1
            elif kind == tag:
                checked += 1
    if bare and not sources and _loads(package, python, environ):
        compiled[tag] = len(bare)
    return LayerSeen(str(folder), state, python, tag, len(sources), compiled, checked, len(bare), _promised(folder))


def _promised(folder: Path) -> tuple[str, ...] | None:
    """The versions that the manifest names (vaultgate_ops.layer.manifest, which functions don't carry); None without one."""
    try:
        return tuple(sorted(json.loads((folder / "vaultgate-layer.json").read_bytes())["bytecode"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _interpreter(environ: Mapping[str, str]) -> str | None:
    return str(_LAMBDAS) if os.access(_LAMBDAS, os.X_OK) else shutil.which("python3", path=environ.get("PATH"))


def _python(environ: Mapping[str, str]) -> tuple[str, str]:
    """Version and bytecode's tag of the launcher's interpreter; both empty where there is none."""
    said = _run(["-c", _VERSION], environ)
    version, _, tag = said.strip().partition(" ")
    return version, tag


def _loads(package: Path, python: str, environ: Mapping[str, str]) -> bool:
    """Whether the interpreter takes bytecode that stands in its source's place."""
    code = f"import sys; sys.path.append({str(package.parent)!r}); import vaultgate.errors; print('yes')"
    return bool(python) and _run(["-c", code], environ).strip() == "yes"


def _run(arguments: list[str], environ: Mapping[str, str]) -> str:
    program = _interpreter(environ)
    if program is None:
        return ""
    try:
        done = subprocess.run(
            [program, "-I", "-S", *arguments], capture_output=True, text=True, check=False, timeout=_ASK_S, env={}
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
