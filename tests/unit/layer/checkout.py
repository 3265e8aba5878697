"""A small checkout to build from: the real launchers and Makefile, and a package that says how it was started."""

from __future__ import annotations

import shutil
from pathlib import Path

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
    "__init__.py": '"""The package."""\n',
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
