"""Where the local stack finds its sources and leaves what it makes.

Rules: what is built for this checkout goes under its ``build/``; what is fetched once for the machine goes to the
user's cache folder; nothing else is written anywhere.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from vaultgate_ops.errors import Missing

if TYPE_CHECKING:
    from collections.abc import Mapping


def checkout() -> Path:
    """The folder of the sources: the one that holds ``pyproject.toml`` and ``extension/``.

    Raises:
        Missing: Vaultgate was installed without its checkout.
    """
    folder = Path(__file__).resolve().parents[3]
    if not (folder / "pyproject.toml").is_file() or not (folder / "extension").is_dir():
        raise Missing(
            f"The local stack runs from a checkout of Vaultgate, and {folder} is none.",
            "Clone the repository and run make demo there.",
        )
    return folder


def build_folder() -> Path:
    """``build/`` of the checkout; may not exist yet."""
    return checkout() / "build"


def stacks_folder() -> Path:
    """Where each local stack, running or left behind, has its folder; may not exist yet."""
    return build_folder() / "stacks"


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """``vaultgate/`` in the user's cache folder; may not exist yet.

    That is ``$XDG_CACHE_HOME`` where it is an absolute path (the XDG base directory specification says to ignore a
    relative one), else ``~/.cache``.
    """
    named = environ.get("XDG_CACHE_HOME", "")
    if named.startswith("/"):
        return Path(named) / "vaultgate"
    home = environ.get("HOME", "")
    return (Path(home) if home else Path.home()) / ".cache" / "vaultgate"
