"""Audit: for one read, what is recorded of it, how soon it can be searched, and whether a database session leads back to it.

Rules: for Vault the answer is looked up where it really lands: in the audit file, and in CloudWatch Logs behind the mirror;
a session is traced from the database's list of sessions, as an investigator would. What only a real account's
CloudTrail can show is published, with its source. A session that many share leads nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vaultgate_ops.compare.contenders import VAULTS
from vaultgate_ops.compare.experiments import Step, unmeasured
from vaultgate_ops.compare.published import AUDIT
from vaultgate_ops.compare.result import Dimension, Measurement, Tag
from vaultgate_ops.errors import OpsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vaultgate_ops.compare.contenders import Entry
    from vaultgate_ops.compare.experiments import Observed
    from vaultgate_ops.reporting import Task

TRACE_DYNAMIC = (
    "An open session's user led to one read in Vault's log, which names the login of one sandbox, and by the function's log,"
    " which has user and request id in one line, to one invocation. A session that is kept serves several: the log names each."
)
TRACE_SHARED = "All sandboxes share one database user: its sessions lead to the secret, not to a reader."
_FIELDS = ("who", "what", "when", "from_where")
_FOLLOWED_S = 0.5  # one read: about


@dataclass(frozen=True)
class Trail:
    """What was found of one read.

    Attributes:
        entry: the audit entry of type response.
        file_ms: from the read's beginning until it stood in the audit file.
        searchable_ms: until a search in CloudWatch Logs found it.
        by_user: whether an open session's user led to one read and one invocation; None for a user that all share.
    """

    entry: Mapping[str, Any]
    file_ms: float
    searchable_ms: float
    by_user: bool | None


class Audit:
    """The experiment.

    Args:
        follow: reads a store of Vault once and follows the trail.
    """

    dimension = Dimension.AUDIT

    def __init__(self, follow: Callable[[str], Trail]) -> None:
        self._follow = follow

    def steps(self, able: Sequence[Entry]) -> list[Step]:
        """One for each store."""
        return [
            Step(store, (store,), _FOLLOWED_S if store in VAULTS else 0) for store in dict.fromkeys(one.store for one in able)
        ]

    def observe(self, step: Step, task: Task) -> Observed:
        """Follow a read of Vault; of the others there is nothing to observe here."""
        (store,) = step.subjects
        if store not in VAULTS:
            return {store: {}}
        task.describe(f"audit trail, {store}")
        try:
            trail = self._follow(store)
        except OpsError as error:
            return {store: {"problem": error.message}}
        return {
            store: {
                **told(trail.entry),
                "file_ms": trail.file_ms,
                "searchable_ms": trail.searchable_ms,
                "by_user": trail.by_user,
            }
        }

    def conclude(self, observed: Mapping[str, Observed]) -> list[Measurement]:
        """What is recorded, and how soon, by store."""
        return [measured for seen in observed.values() for store, one in seen.items() for measured in self._of(store, one)]

    def _of(self, store: str, seen: Mapping[str, Any]) -> list[Measurement]:
        if "problem" in seen:
            return [unmeasured(self.dimension, store, "who", seen["problem"])]
        if store not in VAULTS:
            facts = [
                Measurement(self.dimension, store, fact.name, fact.value, tag=Tag.PUBLISHED, source=fact.source, samples=0)
                for fact in AUDIT
                if fact.store == store
            ]
            return [*facts, self._trace(store, traced=False, note=TRACE_SHARED, samples=0)]
        figures = [Measurement(self.dimension, store, name, seen[name]) for name in _FIELDS]
        note = "In the emulated CloudWatch Logs, behind the mirror: AWS's own delay is not in it."
        for name in ("file_ms", "searchable_ms"):
            value = round(seen[name], 1)
            why = note if name == "searchable_ms" else ""
            figures.append(Measurement(self.dimension, store, name, value, "ms", note=why, place="loopback"))
        if seen["by_user"] is None:
            return [*figures, self._trace(store, traced=False, note=TRACE_SHARED, samples=0)]
        return [*figures, self._trace(store, traced=bool(seen["by_user"]), note=TRACE_DYNAMIC, samples=1)]

    def _trace(self, store: str, *, traced: bool, note: str, samples: int) -> Measurement:
        tag = Tag.MEASURED if samples else Tag.COMPUTED
        return Measurement(self.dimension, store, "session_traceable", traced, tag=tag, samples=samples, note=note)


def told(entry: Mapping[str, Any]) -> dict[str, str]:
    """Who, what, when and from where, out of an entry of Vault's audit log; what isn't there is said to be missing."""
    auth, request = entry.get("auth") or {}, entry.get("request") or {}
    metadata = auth.get("metadata") or {}
    who = metadata.get("client_arn") or metadata.get("canonical_arn") or auth.get("display_name") or "not recorded"
    if metadata.get("account_id"):
        who += f", account {metadata['account_id']}"
    where = request.get("remote_address") or "not recorded"
    return {
        "who": str(who),
        "what": f"{request.get('operation', '?')} {request.get('path', '?')}",
        "when": str(entry.get("time") or "not recorded"),
        "from_where": str(where),
    }
