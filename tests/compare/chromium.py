"""A headless Chromium for the tests of the page: the machine's own, or Debian's, installed where we may.

Playwright's own browsers come from a server that closed machines don't reach. Debian's chromium-headless-shell is 100 MB to
download and 306 MB on the disk with the 18 packages that it needs on a plain machine; it took 9 s to install. A machine where it
can't be had fails these tests with the reason; they are never skipped.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from vaultgate_ops.local import paths
from vaultgate_ops.local.fetch import apt
from vaultgate_ops.reporting import Silent

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
_PACKAGES = ("chromium-headless-shell", "chromium")
_WANTED = apt.Wanted(
    "Chromium",
    "Chromium that isn't a snap",
    "sudo apt-get install chromium-headless-shell",
    "set CHROMIUM_BIN to a Chromium that runs headless",
)


def find(environ: Mapping[str, str] = os.environ, *, is_root: bool | None = None) -> Path:
    """``CHROMIUM_BIN``, one on PATH, or Debian's, installed as root or by ``sudo -n``.

    Args:
        environ: ``CHROMIUM_BIN``, ``PATH``, proxies for apt.
        is_root: whether we are; asked for when None.

    Raises:
        OpsError: it can't be installed; the hint says what to do.
        AssertionError: there is none, and we may install none.
    """
    if named := environ.get("CHROMIUM_BIN"):
        return Path(named)
    if found := _on_path(environ):
        return found
    rights = apt.rights(environ, is_root=os.geteuid() == 0 if is_root is None else is_root)
    assert rights is not None, (
        "No Chromium is on this machine, and it may not be installed from here: "
        f"{_WANTED.by_hand}, or {_WANTED.instead}. The comparison's page is tested in it."
    )
    # pytest's other processes want it at the same time: dpkg has failed where two of them asked apt for it.
    paths.build_folder().mkdir(exist_ok=True)
    with (paths.build_folder() / ".chromium.lock").open("a") as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        if _on_path(environ) is None:
            apt.install(rights, _WANTED, lambda: _chosen(environ), environ=environ, reporter=Silent())
    installed = _on_path(environ)
    assert installed is not None, "Debian's Chromium was installed, and yet none is on PATH."
    return installed


def _on_path(environ: Mapping[str, str]) -> Path | None:
    return next((Path(found) for name in NAMES if (found := shutil.which(name, path=environ.get("PATH", "")))), None)


def _chosen(environ: Mapping[str, str]) -> list[str] | None:
    known = set(apt.known(environ, "chromium"))
    return next(([package] for package in _PACKAGES if package in known), None)
