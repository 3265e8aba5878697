"""A sync in words.

Rules: pure; lines of text, no colours. ``+`` is made, ``~`` is changed, ``-`` is removed, ``!`` is left alone, with the reason.
Versions are shown, values never.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vaultgate_ops.sync.model import CHANGES, Action, Drift, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vaultgate_ops.sync.model import Outcome

_SIGNS = {Action.CREATE: "+", Action.WRITE: "~", Action.MARK: "~", Action.BRING_BACK: "~", Action.REMOVE: "-"}
_COUNTED = {Action.CREATE: "to create", Action.REMOVE: "to remove"}
_DRIFTS = {
    Drift.CHANGED: "drift: somebody else changed it; Vault's value is put back",
    Drift.UNKNOWN: "whether somebody else changed it can't be told: Vault has nothing there to compare it with",
}


def lines(outcome: Outcome) -> Iterator[str]:
    """Tell one entry; nothing of one about which nothing is to be done."""
    entry, decision = outcome.entry, outcome.decision
    if outcome.failed:
        yield f"! {entry.target}  {decision.code}: {decision.why}"
        if decision.hint:
            yield f"    {decision.hint}"
        return
    if decision.action not in CHANGES:
        return
    whole = f"{entry.source}{f':{entry.field}' if entry.field else ''}"
    yield f"{_SIGNS[decision.action]} {entry.target}  {_told(outcome, whole)}"
    if decision.was.isascii() and decision.was.isdecimal() and outcome.source and int(decision.was) > outcome.source.version > 0:
        yield "    Vault's version went back: made anew, restored, or another Vault"
    if decision.rekey:
        yield f"    key: {entry.key or 'the account' + chr(39) + 's own'}"
    if decision.drift in _DRIFTS:
        yield f"    {_DRIFTS[decision.drift]}"


def summary(outcomes: Sequence[Outcome]) -> str:
    """Count them: ``3 changes (1 to create, 1 to update, 1 to remove), 4 as they should be, 1 left alone``."""
    changes = [one.decision.action for one in outcomes if not one.failed and one.decision.action in CHANGES]
    counts = {"to create": 0, "to update": 0, "to remove": 0}
    for action in changes:
        counts[_COUNTED.get(action, "to update")] += 1
    told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    left = sum(one.failed for one in outcomes)
    parts = [f"{len(changes)} change{'' if len(changes) == 1 else 's'}" + (f" ({told})" if told else "")]
    parts += [f"{len(outcomes) - len(changes) - left} as they should be"]
    return ", ".join([*parts, *([f"{left} left alone"] if left else [])])


def _told(outcome: Outcome, whole: str) -> str:
    decision, version = outcome.decision, outcome.source.version if outcome.source else 0
    match decision.action:
        case Action.CREATE:
            return f"from {whole}, version {version}"
        case Action.REMOVE:
            how = "recoverable for a month" if outcome.entry.kind is Kind.SECRET else "at once"
            return f"{decision.why} ({how})"
        case Action.MARK:
            return f"has the value of {whole}, version {version}, and gets its tags"
        case Action.BRING_BACK:
            return f"is waiting for its deletion and lives in Vault: brought back, with {whole}, version {version}"
        case _:
            return f"from {whole}, version {decision.was or '?'} -> {version}"
