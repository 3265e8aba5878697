"""A function that reads through the extension: what it gets where its module is loaded, and what in its handler."""

from __future__ import annotations

import os
from typing import Any

from vaultgate import client
from vaultgate.errors import VaultgateError

PATH = "secret/data/records"

if os.environ.get("READER_HOOK") == "yes":
    client.restore()


def _read() -> dict[str, Any]:
    try:
        return {"data": client.read(PATH).data}
    except VaultgateError as error:
        return {"error": error.code, "hint": error.hint}


EARLY = _read()


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Read again; `path` in the event names something else."""
    path = event.get("path")
    said = {"user": client.read(path).data["username"]} if path else _read()
    return {"early": EARLY, "now": said, "process": os.getpid()}
