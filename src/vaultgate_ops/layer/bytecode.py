"""The layer's bytecode.

Rules: it is checked against nothing when it is loaded (``unchecked-hash``, PEP 552): a zip loses the times that the usual kind
is checked against, and an interpreter that finds it stale compiles everything again at every cold start, because /opt is
read-only. No path of the machine that compiles is in it.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from vaultgate_ops.errors import CheckFailed
from vaultgate_ops.interruptions import uninterrupted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from vaultgate_ops.layer.interpreters import Interpreter

_TARGET = "/opt"


def compile_modules(opt: Path, interpreters: Sequence[Interpreter], environ: Mapping[str, str]) -> None:
    """Compile every module with every interpreter, side by side, without docstrings and columns: a third of the bytecode.

    Columns (PEP 657) only underline a part of a line in a traceback; the line is still named. The names in the bytecode, which
    tracebacks show, are those under /opt.

    Raises:
        CheckFailed: a module does not compile.
    """
    kept = {name: value for name, value in environ.items() if not name.startswith("PYTHON")}
    command = ["-P", "-s", "-S", "-X", "no_debug_ranges", "-m", "compileall", "-q", "-o", "2"]
    command += ["--invalidation-mode", "unchecked-hash"]
    places = ["-s", str(opt), "-p", _TARGET, str(opt / "python")]
    compilers: list[subprocess.Popen[str]] = []
    try:
        # None is started without being known here.
        with uninterrupted():
            for one in interpreters:
                argv = [str(one.path), *command, *places]
                compilers.append(subprocess.Popen(argv, env=kept, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        said = [compiler.communicate()[0] for compiler in compilers]
    finally:
        # Interrupted, they would go on writing into the folder that is being thrown away.
        for compiler in compilers:
            with compiler:
                compiler.kill()
    for one, compiler, text in zip(interpreters, compilers, said, strict=True):
        if compiler.returncode:
            raise CheckFailed(
                f"Python {one.version} can't compile the extension: {text.strip()}", "Mend that module; nothing was built."
            )
    # An interpreter without -OO looks for the plain name; with it, it would find no bytecode of its own standard library.
    for file in opt.rglob("*.opt-2.pyc"):
        file.rename(file.with_name(file.name.replace(".opt-2", "")))


def leave_out_sources(opt: Path) -> None:
    """Put the bytecode of one interpreter where it looks that finds no source (PEP 3147, "sourceless imports")."""
    for source in sorted(opt.rglob("*.py")):
        [compiled] = source.parent.glob(f"__pycache__/{source.stem}.*.pyc")
        source.unlink()
        compiled.rename(source.with_suffix(".pyc"))
    for empty in sorted(opt.rglob("__pycache__")):
        empty.rmdir()
