"""What to do about one target, given the three truths: Vault's version, the target's value, the tags that say what we wrote.

Rules: pure; one call looks at one moment. A target without our owner's tag is never touched, whatever else is true. Only that is
removed which was written from a secret of whose deletion Vault itself tells: where Vault knows nothing, the path may be wrong, or
the Vault, and the target may be the last copy. Carried out, each decision leads to a state about which nothing is to be done;
broken off anywhere, to one that leads there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vaultgate_ops.sync.model import (
    FIELD,
    KEY,
    OWNER,
    RECOVERY_DAYS,
    SOURCE,
    VERSION,
    WITHHELD,
    Action,
    Decision,
    Drift,
    Fate,
    Found,
    Kind,
    tags_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vaultgate_ops.bootstrap.model import Hidden
    from vaultgate_ops.sync.model import Entry, Source


def decide(entry: Entry, owner: str, source: Source, found: Found | None, older: Hidden | None, *, prune: bool) -> Decision:
    """Decide.

    | target | Vault's secret | decision |
    |---|---|---|
    | managed, a replica, without our tag, another owner's, rotated, or a parameter that isn't encrypted | any | refuse |
    | any other | withheld | refuse |
    | not there | live | create |
    | not there | deleted or destroyed | nothing |
    | not there | never there | refuse |
    | ours, waiting for its deletion | live | bring back |
    | ours, waiting for its deletion | not live | nothing |
    | ours | never there | leave |
    | ours, another path in its tags | not live | leave |
    | ours | deleted or destroyed | leave; with ``prune``, remove |
    | ours, another value or key | live | write |
    | ours, the same value, another path, field or version in its tags | live | mark |
    | ours, the same value, the same tags | live | nothing |

    Args:
        entry: what is wanted.
        owner: whose.
        source: what Vault has.
        found: what the target has; None for nothing.
        older: what the version that the tags name would be, where `needs_older` asked for it and Vault still has it.
        prune: remove what Vault no longer has.
    """
    refusal = _not_ours(entry, owner, found) or _not_wanted(source)
    if refusal is not None:
        return refusal
    if source.fate is not Fate.LIVE:
        return _without_source(entry, source, found, prune=prune)
    return _unfit(entry, source) or _live(entry, owner, source, found, older)


def needs_older(entry: Entry, owner: str, source: Source, found: Found | None) -> int | None:
    """The version of Vault's secret whose value tells drift from an update; None if none would."""
    if found is None or found.tags.get(OWNER) != owner or found.going or source.fate is not Fate.LIVE:
        return None
    named = found.tags.get(VERSION, "")
    if found.value == source.value or not _same_place(entry, found.tags) or not (named.isascii() and named.isdecimal()):
        return None
    return int(named) if 0 < int(named) < source.version else None


def left(entry: Entry, owner: str, source: Source, decision: Decision) -> Found | None:
    """What there is once a decision that changes something was carried out."""
    tags = tags_of(entry, owner, source.version)
    if decision.action is not Action.REMOVE:
        return Found(tags, source.value)
    return Found(tags, going=True) if entry.kind is Kind.SECRET else None


def _not_ours(entry: Entry, owner: str, found: Found | None) -> Decision | None:
    if found is None:
        return None
    if found.manager:
        return _refused(
            "managed-elsewhere", f"it is managed by {found.manager}", f"Leave it to {found.manager}; choose another name."
        )
    if found.primary:
        return _refused(
            "replica-region", f"it is a replica of one in {found.primary}", f"Sync to {found.primary}: replicas follow."
        )
    if found.tags.get(OWNER) != owner:
        theirs = found.tags.get(OWNER)
        whose = f"its tag {OWNER} is {theirs!r}" if theirs else f"it has no tag {OWNER}"
        return _refused(
            "foreign-secret", f"{whose}", f"Choose another name; or, if it may be overwritten, tag it: {OWNER}={owner}."
        )
    return _not_written(entry, found)


def _not_written(entry: Entry, found: Found) -> Decision | None:
    if found.rotated:
        return _refused("target-rotated", "a rotation function looks after it", "Rotate it or sync it, not both.")
    if found.open:
        return _refused(
            "parameter-open", "it is no SecureString", f"Delete the parameter {entry.name}; a parameter's type is for life."
        )
    return None


def _not_wanted(source: Source) -> Decision | None:
    if not source.withheld:
        return None
    return _refused(
        "source-withheld", f"Vault's custom metadata has {WITHHELD}=no", "Ask whoever looks after the secret in Vault."
    )


def _live(entry: Entry, owner: str, source: Source, found: Found | None, older: Hidden | None) -> Decision:
    if found is None:
        return Decision(Action.CREATE)
    was = found.tags.get(VERSION, "") if _same_place(entry, found.tags) else ""
    rekey = found.tags.get(KEY, "") != entry.key
    if found.going:
        return Decision(Action.BRING_BACK, rekey=rekey, was=was)
    if found.value != source.value or rekey:
        return Decision(Action.WRITE, drift=_drift(entry, source, found, older), rekey=rekey, was=was)
    marked = {name: found.tags.get(name) for name in (OWNER, SOURCE, FIELD, VERSION, KEY)}
    return Decision(Action.NOTHING if marked == tags_of(entry, owner, source.version) else Action.MARK, was=was)


def _without_source(entry: Entry, source: Source, found: Found | None, *, prune: bool) -> Decision:
    if found is None:
        if source.fate is Fate.ABSENT:
            return _refused("source-missing", f"Vault has nothing at {entry.source}", "Correct the path, or write the secret.")
        return Decision(Action.NOTHING)
    if found.going:
        return Decision(Action.NOTHING, was=found.tags.get(VERSION, ""))
    return _outlived(entry, source, found, prune=prune)


def _outlived(entry: Entry, source: Source, found: Found, *, prune: bool) -> Decision:
    was = found.tags.get(VERSION, "")
    if source.fate is Fate.ABSENT:
        return _left(
            was, "source-missing", f"Vault has no trace of {entry.source}", "Correct the path, or delete the target by hand."
        )
    why = f"{entry.source} is {source.fate.value} in Vault"
    if found.tags.get(SOURCE) != entry.source:
        return _left(was, "source-deleted", f"{why}, and the target has another one's value", "Correct the path.")
    if prune:
        return Decision(Action.REMOVE, was=was, why=why)
    how = "at once" if entry.kind is not Kind.SECRET else f"recoverable for {RECOVERY_DAYS} days"
    return _left(was, "source-deleted", why, f"Remove it with --prune ({how}).")


def _unfit(entry: Entry, source: Source) -> Decision | None:
    if source.value is None:
        return _refused(
            "source-field-missing", f"version {source.version} of {entry.source} has no {entry.field!r}", "Correct the field."
        )
    text = source.value.reveal()
    size = len(text.encode("utf-8", "replace")) if isinstance(text, str) else 0
    if size == 0:
        return _refused("value-empty", "Vault's value is empty", "AWS stores no empty value.")
    if size > entry.kind.most_bytes:
        return _refused("value-too-large", f"{size} bytes, {entry.kind.most_bytes} fit", _ROOMIER[entry.kind])
    return None


_ROOMIER = {
    Kind.SECRET: "Sync single fields.",
    Kind.PARAMETER: "Set tier: advanced (8 KB), or sync to Secrets Manager (64 KiB).",
    Kind.ADVANCED: "Sync to Secrets Manager (64 KiB), or single fields.",
}


def _drift(entry: Entry, source: Source, found: Found, older: Hidden | None) -> Drift:
    if found.value == source.value:
        return Drift.NONE
    if not _same_place(entry, found.tags):
        return Drift.UNKNOWN
    if found.tags.get(VERSION) == str(source.version):
        return Drift.CHANGED
    if older is None:
        return Drift.UNKNOWN
    return Drift.NONE if found.value == older else Drift.CHANGED


def _same_place(entry: Entry, tags: Mapping[str, str]) -> bool:
    return (tags.get(SOURCE), tags.get(FIELD)) == (entry.source, entry.field)


def _left(was: str, code: str, why: str, hint: str) -> Decision:
    return Decision(Action.LEAVE, was=was, code=code, why=why, hint=hint)


def _refused(code: str, why: str, hint: str) -> Decision:
    return Decision(Action.REFUSE, code=code, why=why, hint=hint)
