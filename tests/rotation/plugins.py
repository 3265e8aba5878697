"""MariaDB's plugins, for servers that came without them.

The local stack needs the server alone (mariadb-server-core). A policy on passwords is a plugin of the package beside it: where
that is not installed, it is downloaded and taken apart, once, into the user's cache folder; nothing of it is installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from vaultgate_ops.local.paths import cache_folder

_SYSTEM = Path("/usr/lib/mysql/plugin")
_CORE, _FULL = "mariadb-server-core", "mariadb-server"


def provide(name: str, folder: Path) -> None:
    """Put a plugin, such as ``simple_password_check``, where a server looks for it.

    Args:
        name: without the ending.
        folder: the server's plugin folder.
    """
    known = _SYSTEM / f"{name}.so"
    if not known.is_file():
        known = _unpacked() / f"{name}.so"
    shutil.copyfile(known, folder / known.name)


def _unpacked() -> Path:
    """The package's plugins in the cache."""
    shown = _run("dpkg-query", "--show", "--showformat=${Version}", _CORE)
    place = cache_folder(os.environ) / "mariadb-plugins" / shown
    if not place.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as bench:
            _run("apt-get", "download", f"{_FULL}={shown}", cwd=bench)
            [package] = Path(bench).glob("*.deb")
            _run("dpkg-deb", "--extract", str(package), f"{bench}/whole", cwd=bench)
            try:
                Path(bench, "whole", *_SYSTEM.parts[1:]).rename(place)
            except OSError:
                if not place.is_dir():  # else somebody else was quicker
                    raise
    return place


def _run(*words: str, cwd: str | None = None) -> str:
    ran = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"{' '.join(words)}: {ran.stderr}"
    return ran.stdout
