"""A socket or syslog device against a file device of the same Vault: what the weaker one lost.

Rules: entries are told apart by their request's id and type, for each device hashes values with a salt of its own, so the
lines differ.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from vaultgate_ops.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Reconciled(NamedTuple):
    """What was compared.

    Attributes:
        entries: of the file.
        lost: (time, type, path) of each that the other device doesn't have.
    """

    entries: int
    lost: list[tuple[str, str, str]]


def reconcile(file: Path, spool: Path) -> Reconciled:
    """Compare.

    Args:
        file: of the file device.
        spool: of the other one.

    Raises:
        UsageProblem: one of them can't be read.
    """
    try:
        there = {(identifier, kind) for identifier, kind, _, _ in _entries(spool)}
        entries, lost = 0, []
        for identifier, kind, moment, path in _entries(file):
            entries += 1
            if (identifier, kind) not in there:
                lost.append((moment, kind, path))
    except OSError as error:
        raise UsageProblem(f"{error.filename} can't be read: {error.strerror}.", "Name both devices' files.") from error
    return Reconciled(entries, lost)


def _entries(path: Path) -> Iterator[tuple[str, str, str, str]]:
    with path.open("rb") as file:
        for line in file:
            try:
                entry = json.loads(line)
                yield entry["request"]["id"], entry["type"], entry["time"], entry["request"].get("path", "")
            except (ValueError, KeyError, TypeError):
                continue
