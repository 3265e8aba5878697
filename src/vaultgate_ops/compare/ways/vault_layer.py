"""Vault through Vaultgate's extension, by the client of its layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vaultgate import client
from vaultgate_ops.compare.ways import login

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vaultgate_ops.compare.ways import Login, Read


def make(environ: Mapping[str, str]) -> Read:
    """A reader of COMPARE_SECRET, a path."""
    path = environ["COMPARE_SECRET"]

    def read(*, anew: bool) -> Login:
        return login(client.read(path, anew=anew).data)

    return read
