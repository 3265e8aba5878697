"""Goes through a file's entries: looks, decides, acts, and says what came of each.

Rules: one entry after the other, looked at right before it is acted on; what goes wrong with one is that one's, unless it is
Vault that doesn't answer or no longer knows the token: then there is nothing to go on with. A plan changes nothing.
After each change Vault is asked again, until it still has what was written. So it is whoever writes last who has seen the
latest version, and of two runs at once neither leaves an older one: Parameter Store takes no condition that could see to that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vaultgate_ops.bootstrap.answers import Forbidden
from vaultgate_ops.errors import CheckFailed, Denied, OpsError, Unreachable
from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.sync.model import CHANGES, OWNER, Action, Decision, Entry, Fate, Kind, Outcome, Source, tags_of
from vaultgate_ops.sync.planner import decide, left, needs_older

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vaultgate_ops.sync.model import Wanted
    from vaultgate_ops.sync.targets import Target
    from vaultgate_ops.sync.vault import Origin

_ROUNDS = 5


def run(
    wanted: Wanted, origin: Origin, target: Callable[[Entry], Target], *, plan: bool = False, prune: bool = False
) -> Iterator[Outcome]:
    """Do, or with ``plan`` only decide, what the file asks for; one outcome for each entry, as it is done.

    Args:
        wanted: the file.
        origin: Vault.
        target: the place of an entry.
        plan: change nothing.
        prune: remove what was deleted in Vault.

    Raises:
        Unreachable: Vault doesn't answer.
        Denied: the token is dead.
    """
    for entry in wanted.entries:
        source: Source | None = None
        try:
            source = origin.read(entry)
            decision = _decided(entry, wanted.owner, source, origin, target(entry), prune=prune)
            if not plan:
                source, decision = _settled(_Ground(entry, wanted.owner, origin, target(entry), prune), source, decision)
        except OpsError as error:
            if isinstance(error, Unreachable) or (isinstance(error, Denied) and not isinstance(error, Forbidden)):
                raise
            code = (
                error.code
                if isinstance(error, RotationError)
                else "vault-denied"
                if isinstance(error, Denied)
                else "vault-refused"
            )
            yield Outcome(entry, Decision(Action.REFUSE, code=code, why=error.message, hint=error.hint), source, failed=True)
        else:
            yield Outcome(entry, decision, source, failed=decision.action in {Action.REFUSE, Action.LEAVE})


def unlisted(wanted: Wanted, target: Callable[[Entry], Target]) -> list[Outcome]:
    """What has the file's owner for a tag and isn't in the file any more, or never was: left alone, and told.

    Args:
        wanted: the file.
        target: the place of an entry.

    Raises:
        RotationError: the targets can't be listed.
    """
    named = {entry.target for entry in wanted.entries}
    found = [
        entry
        for kind in (Kind.SECRET, Kind.PARAMETER)
        for name in target(Entry("", "", "", kind, "")).owned(wanted.owner)
        if (entry := Entry("", "", "", kind, name)).target not in named
    ]
    why = f"its tag {OWNER} is {wanted.owner!r}, and the file doesn't name it"
    hint = "Delete it by hand, or name it in the file; if it is another file's, give each file an owner of its own."
    decision = Decision(Action.LEAVE, code="target-unlisted", why=why, hint=hint)
    return [Outcome(entry, decision, failed=True) for entry in found]


def _decided(entry: Entry, owner: str, source: Source, origin: Origin, target: Target, *, prune: bool) -> Decision:
    found = target.look(entry, owner)
    version = needs_older(entry, owner, source, found)
    older = None if version is None else origin.older(entry, version)
    return decide(entry, owner, source, found, older, prune=prune)


@dataclass(frozen=True)
class _Ground:
    """What stays the same while one entry is done."""

    entry: Entry
    owner: str
    origin: Origin
    target: Target
    prune: bool


def _settled(on: _Ground, source: Source, decision: Decision) -> tuple[Source, Decision]:
    """Act, and again if Vault has something else by then; gives what was written last, and what to tell of it all."""
    told = decision
    for _ in range(_ROUNDS):
        _act(on.entry, on.owner, source, decision, on.target)
        again = on.origin.read(on.entry) if decision.action in CHANGES else source
        if again == source:
            return source, told
        # What has just been left there: reads need not show it yet.
        found = left(on.entry, on.owner, source, decision)
        decision = decide(on.entry, on.owner, again, found, source.value, prune=on.prune)
        source = again
        if told.action is Action.MARK or decision.action not in {Action.NOTHING, Action.MARK, Action.WRITE}:
            told = decision
    raise CheckFailed(f"{on.entry.source} keeps changing in Vault", "Run it again; see who else writes there.")


def _act(entry: Entry, owner: str, source: Source, decision: Decision, target: Target) -> None:
    if decision.action is Action.REMOVE:
        target.remove(entry)
    if source.fate is not Fate.LIVE or source.value is None:
        return
    tags = tags_of(entry, owner, source.version)
    match decision.action:
        case Action.CREATE:
            target.create(entry, source.value, tags)
        case Action.WRITE:
            target.write(entry, source.value, tags, rekey=decision.rekey)
        case Action.BRING_BACK:
            target.bring_back(entry)
            target.write(entry, source.value, tags, rekey=decision.rekey)
        case Action.MARK:
            target.mark(entry, tags)
        case _:
            pass
