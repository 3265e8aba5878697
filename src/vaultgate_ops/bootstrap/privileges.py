"""Which privileges a plan needs, and which of them the token lacks.

Rules: Vault is asked (``sys/capabilities-self``) before the first change is made, so that a token that may do half of the work
does none of it. Where Vault doesn't even answer that question the changes themselves will tell. A capability is named as a
policy would grant it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vaultgate_ops.bootstrap import answers
from vaultgate_ops.bootstrap.model import Write
from vaultgate_ops.errors import Denied

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import hvac

    from vaultgate_ops.bootstrap.model import Change

_ASK: Final = "sys/capabilities-self"


@dataclass(frozen=True)
class Privilege:
    """Capabilities at a path."""

    path: str
    capabilities: frozenset[str]

    def __str__(self) -> str:
        return f"{self.path}: {', '.join(sorted(self.capabilities))}"


def missing(client: hvac.Client, changes: Iterable[Change]) -> list[Privilege]:
    """Ask Vault which privileges the token lacks for these changes; empty too where Vault won't say.

    Raises:
        Denied: the token is dead.
        Unreachable: no answer.
    """
    needed: dict[str, frozenset[str]] = {}
    for change in changes:
        needed[change.write.path] = needed.get(change.write.path, frozenset()) | change.write.needs
    if not needed:
        return []
    try:
        held = answers.send(client, Write(_ASK, {"paths": [*needed]}, frozenset({"update"}))).data
    except answers.Forbidden:
        return []
    lacking: list[Privilege] = []
    for path, capabilities in needed.items():
        answer = held.get(path)
        granted = frozenset(answer) if isinstance(answer, list) else frozenset()
        if "root" not in granted and capabilities - granted:
            lacking.append(Privilege(path, capabilities - granted))
    return lacking


def require(client: hvac.Client, changes: Iterable[Change]) -> None:
    """Make sure that the token may make these changes.

    Raises:
        Denied: it may not; everything that is missing is named.
    """
    lacking = missing(client, changes)
    if lacking:
        raise denied(lacking, "to make these changes; nothing was changed")


def denied(lacking: Sequence[Privilege], purpose: str) -> Denied:
    """One error that names every missing privilege."""
    count = len(lacking)
    return Denied(
        f"the token lacks {count} privilege{'' if count == 1 else 's'} {purpose}:"
        + "".join(f"\n  {privilege}" for privilege in lacking),
        "grant them; docs/bootstrap.md has the whole policy for the one who runs bootstrap",
    )
