"""A small checkout to build from: the real launchers and Makefile, and a package that says how it was started."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vaultgate_ops import layer
from vaultgate_ops.reporting import Silent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vaultgate_ops.layer import Interpreter, Layer
    from vaultgate_ops.reporting import Reporter

EXTENSION = Path(__file__).parents[3] / "extension"

MAIN = """\
import gc, json, os, sys
from vaultgate.outlets import proxy

def main(name):
    flags, collector = [sys.flags.isolated, sys.flags.no_site], gc.get_threshold()[0]
    print(json.dumps({"name": name, "file": __file__, "pid": os.getpid(), "flags": flags, "collector": collector}))
    return int(os.environ.get("EXIT", "0"))
"""
MODULES = {
    "__init__.py": '"""The package."""\n\n__version__ = "1.2.3"\n',
    "__main__.py": MAIN,
    "outlets/__init__.py": "",
    # A frozen set in the bytecode: its order changes from process to process, and must not show.
    "outlets/proxy.py": "def known(kind):\n    return kind in {'aws', 'gcp', 'jwt', 'ldap', 'oidc', 'token'}\n",
}
LAUNCHERS = ("extensions/vaultgate", "vaultgate-exec")
NOISE = ("outlets/proxy.py.orig", "notes.txt", "__pycache__/stale.cpython-311.pyc")


def make_checkout(folder: Path) -> Path:
    """Write it to a folder, with things beside its modules that no layer should hold, and no file executable."""
    extension = folder / "extension"
    (extension / "extensions").mkdir(parents=True)
    for launcher in LAUNCHERS:
        shutil.copyfile(EXTENSION / launcher, extension / launcher)
    shutil.copyfile(EXTENSION / "Makefile", extension / "Makefile")
    for name, text in (MODULES | dict.fromkeys(NOISE, "")).items():
        path = extension / "python/vaultgate" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


PRETENDING = """\
#!/bin/sh
exec {python} -c 'import collections, sys
sys.version_info = collections.namedtuple("Release", "major minor micro releaselevel serial")({numbers}, "{level}", {serial})
exec(sys.argv[-1])' "$@"
"""


def pretending(program: Path, numbers: tuple[int, int, int], level: str, serial: int) -> Path:
    """Write the running interpreter under another name, which takes itself for another release when it is asked."""
    program.parent.mkdir(parents=True, exist_ok=True)
    named = ", ".join(str(number) for number in numbers)
    program.write_text(PRETENDING.format(python=sys.executable, numbers=named, level=level, serial=serial))
    program.chmod(0o700)
    return program


def build(
    checkout: Path,
    environ: Mapping[str, str],
    reporter: Reporter | None = None,
    versions: Sequence[str] = (),
    architectures: Sequence[str] = (),
) -> Layer:
    """Build its layer. There is no extension in it, so it can't live a life: the trial has tests of its own."""
    return layer.build(checkout, environ, reporter or Silent(), versions, architectures, trial=untried)


def untried(opt: Path, interpreters: Sequence[Interpreter]) -> None:
    """Believe in it."""
