"""Which of the files beside a log are owed, and from where on: the decision after a scan of its folder.

Rules: a file is who its identity says, whatever its name. Where device and inode changed (gzip, a copy, another disk), its
head alone may tell, and then only a whole line long enough to be nobody else's: fragments may well be alike. A file that nobody
knows is owed from its beginning: twice is better than never. A copy of a known file is not owed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from vaultgate_ops.audit.model import FileIdentity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vaultgate_ops.audit.model import Position

DISTINCTIVE_BYTES = 64
"""A head at least this long belongs to one file only: every entry of Vault's carries a time in nanoseconds and an id."""


class State(Enum):
    """How a known file stands."""

    READING = "reading"
    """More may come of it."""
    DONE = "done"
    """Its writer left it, and it was read to its end."""
    GONE = "gone"
    """It was nowhere to be found when it was owed; that was reported."""


@dataclass(frozen=True, slots=True)
class Record:
    """A file that some life of the mirror has begun.

    Attributes:
        position: how far it is in CloudWatch Logs.
        state: as it was last known.
        name: as it was last seen, for messages only.
    """

    position: Position
    state: State
    name: str


@dataclass(frozen=True)
class Found:
    """A file of the family, as a scan opened it.

    Attributes:
        name: its path.
        device, inode: of the opened file.
        size: bytes; None where it is compressed, only its end tells.
        modified_ns: of its last write; gzip keeps it.
        beginning: its first bytes, decompressed, `HEAD_BYTES` where there are so many.
        current: the device's path leads to it.
    """

    name: str
    device: int
    inode: int
    size: int | None
    modified_ns: int
    beginning: bytes
    current: bool = False

    @property
    def place(self) -> tuple[int, int]:
        """Device and inode."""
        return self.device, self.inode

    @cached_property
    def identity(self) -> FileIdentity | None:
        """Who it is, its first line whole or not; None where it is empty."""
        return FileIdentity.of(*self.place, self.beginning, ended=True)

    @cached_property
    def distinctive(self) -> bool:
        """Whether its head belongs to no other file."""
        whole = FileIdentity.of(*self.place, self.beginning)
        return whole is not None and whole.head_bytes >= DISTINCTIVE_BYTES


class Owed(NamedTuple):
    """A file to be read.

    Attributes:
        found: which.
        record: what is known of it; None where it is new and its beginning is where to start.
    """

    found: Found
    record: Record | None


class Verdict(NamedTuple):
    """What a scan came to.

    Attributes:
        owed: the files to read, the oldest first, the one that the path leads to last.
        absent: known files that no file here can be.
    """

    owed: list[Owed]
    absent: list[Record]


def reconcile(records: Sequence[Record], found: Iterable[Found], held: Sequence[FileIdentity] = ()) -> Verdict:
    """Compare what is known with what is there.

    Args:
        records: known files, the oldest first; of two with one identity the later counts.
        found: what a scan opened; one file may be there under several names.
        held: files that are being read, which a scan's copies of them are not to be taken for.
    """
    files = _each_once(found)
    matches: dict[tuple[int, int], Record] = {}
    free = list(reversed(records))
    copies: set[tuple[int, int]] = set()
    for same in (_same_place, _same_head):
        for file in (file for file in files if file.place not in matches):
            record = next((record for record in free if same(record, file)), None)
            if record:
                matches[file.place] = record
                free.remove(record)
    known = [*held, *(record.position.identity for record in records)]
    for file in files:
        if file.place not in matches and not file.current and any(_begins_alike(identity, file) for identity in known):
            copies.add(file.place)
    owed = [
        Owed(file, matches.get(file.place))
        for file in files
        if file.place not in copies and _is_owed(file, matches.get(file.place))
    ]
    return Verdict(owed, free[::-1])


def _each_once(found: Iterable[Found]) -> list[Found]:
    """The files in the order of their last writes, the current one last."""
    places: dict[tuple[int, int], Found] = {}
    for file in found:
        if file.current or file.place not in places:
            places[file.place] = file
    return sorted(places.values(), key=lambda file: (file.current, file.modified_ns, file.name))


def _same_place(record: Record, file: Found) -> bool:
    return record.position.identity == file.identity and _long_enough(record, file)


def _same_head(record: Record, file: Found) -> bool:
    return _begins_alike(record.position.identity, file) and _long_enough(record, file)


def _begins_alike(identity: FileIdentity, file: Found) -> bool:
    mine = file.identity
    return file.distinctive and mine is not None and (mine.head, mine.head_bytes) == (identity.head, identity.head_bytes)


def _long_enough(record: Record, file: Found) -> bool:
    """Whether all that was read of a file can have been read from this one."""
    return file.size is None or file.size >= record.position.offset


def _is_owed(file: Found, record: Record | None) -> bool:
    if record is None or file.current or record.state is not State.DONE:
        return True
    # Somebody wrote into it after it had been left.
    return file.size is not None and file.size > record.position.offset
