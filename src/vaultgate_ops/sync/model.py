"""The words of a sync: what a file wants, what Vault and the target have, what is to be done.

Rules: everything here is immutable; a value is `Hidden` and never prints.
Source of the limits: AWS Secrets Manager User Guide, "Quotas" (65,536 bytes); AWS Systems Manager User Guide, "Managing parameter
tiers" (4 KB standard, 8 KB advanced); of a tag's letters and lengths: both services' API references, "Tag".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vaultgate_ops.bootstrap.model import Hidden

OWNER, SOURCE, FIELD, VERSION, KEY = (f"vaultgate:{word}" for word in ("owner", "source", "field", "version", "key"))
"""The tags that say whose a target is, which field of which path was written to it, from which version, under which KMS key."""
WITHHELD = "vaultgate-sync"
"""The custom metadata with which Vault's side refuses: ``no``."""
RECOVERY_DAYS = 30


class Kind(Enum):
    """Where a value goes, and the most bytes that fit there."""

    SECRET = "secretsmanager"  # noqa: S105 - the service's name
    PARAMETER = "ssm"
    ADVANCED = "ssm advanced"

    @property
    def most_bytes(self) -> int:
        """Of a value."""
        return {Kind.SECRET: 65_536, Kind.PARAMETER: 4_096, Kind.ADVANCED: 8_192}[self]


@dataclass(frozen=True)
class Entry:
    """One value that is to be somewhere.

    Attributes:
        mount, path: of a KV version 2 secret.
        field: of it; empty for all of it, as JSON.
        kind, name: of the target.
        key: KMS key or alias; empty for the account's own.
    """

    mount: str
    path: str
    field: str
    kind: Kind
    name: str
    key: str = ""

    @property
    def source(self) -> str:
        """The secret's path in Vault's API."""
        return f"{self.mount}/data/{self.path}"

    @property
    def target(self) -> str:
        """The target in words."""
        return f"{self.kind.value.split()[0]} {self.name}"


@dataclass(frozen=True)
class Wanted:
    """A whole file.

    Attributes:
        owner: whose targets these are; the value of a tag.
    """

    owner: str
    entries: tuple[Entry, ...]


class Fate(Enum):
    """What became of a secret in Vault."""

    LIVE = "live"
    DELETED = "deleted"
    DESTROYED = "destroyed"
    ABSENT = "not there"


@dataclass(frozen=True)
class Source:
    """What Vault has.

    Attributes:
        version: the secret's latest; 0 where there is none.
        value: what is to be written; None where the secret isn't live or has no such field.
        withheld: its custom metadata says that it is not to leave Vault.
    """

    fate: Fate
    version: int = 0
    value: Hidden | None = None
    withheld: bool = False


@dataclass(frozen=True)
class Found:
    """A target that is there.

    Attributes:
        tags: AWS's own included.
        value: only read where the tags say that it is ours; None too where it is no text.
        manager: the service of AWS that manages it; empty for the user's own.
        primary: the region whose replica it is; empty for none.
        rotated: a rotation function looks after it.
        open: a parameter that isn't encrypted.
        going: it is waiting for its deletion.
    """

    tags: Mapping[str, str]
    value: Hidden | None = None
    manager: str = ""
    primary: str = ""
    rotated: bool = False
    open: bool = False
    going: bool = False


class Action(Enum):
    """What is to be done to a target."""

    NOTHING = "nothing"
    CREATE = "create"
    WRITE = "write"
    MARK = "mark"
    BRING_BACK = "bring back"
    REMOVE = "remove"
    LEAVE = "leave"
    REFUSE = "refuse"


CHANGES = frozenset({Action.CREATE, Action.WRITE, Action.MARK, Action.BRING_BACK, Action.REMOVE})


class Drift(Enum):
    """Whether a target is as we left it."""

    NONE = "none"
    CHANGED = "changed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Decision:
    """What is to be done to one target, and why.

    Attributes:
        drift: whether somebody else changed it since we wrote it.
        rekey: it was written under another KMS key.
        was: the version of Vault's secret that was written before; empty for none, or of another secret.
        code, why, hint: of a refusal, or of what is left.
    """

    action: Action
    drift: Drift = Drift.NONE
    rekey: bool = False
    was: str = ""
    code: str = ""
    why: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Outcome:
    """What came of one entry.

    Attributes:
        source: what Vault had; None where it could not be asked.
        failed: nothing, or not all, was done: `decision` says why.
    """

    entry: Entry
    decision: Decision
    source: Source | None = None
    failed: bool = field(default=False)


def tags_of(entry: Entry, owner: str, version: int) -> dict[str, str]:
    """What a target is marked with once a version was written to it."""
    return {OWNER: owner, SOURCE: entry.source, FIELD: entry.field, VERSION: str(version), KEY: entry.key}
