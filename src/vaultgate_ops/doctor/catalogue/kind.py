"""A row of the doctor's table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A row of the table.

    Attributes:
        id: `check.what`.
        severity: where nothing else is said at the time.
        cause, fix: see `Finding`; with names in braces.
        evidence: what a finding shows, for the documentation.
    """

    id: str
    severity: str
    cause: str
    evidence: str
    fix: str
