"""Which file to read next, which one is over: the decisions of a tail, without a tail's I/O.

Rules:

- Vault writes into the file that it opened until SIGHUP, whatever name that has by now; a rotation may leave an empty file at
  the path meanwhile. So a file is left only when a later one has held a byte at the path: then Vault has opened that one, and
  closed the earlier. A compressed file has no writer.
- Sizes are taken from the newest file to the oldest (the caller's part): a size taken after a byte in a later file is final.
- Files are in the order of their last writes, which renaming and gzip keep; the one that the path leads to is last.
- The oldest unread byte comes first. A file that was left is watched a while longer, for a writer that is not Vault; what
  comes even later is found by the next scan, because a file that grew past its end is owed again.
- A file that shrank, or whose head changed, is another file: what was not read of the old one may be in a copy (copytruncate).
- A file that can't be read for a while doesn't hold up the others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from vaultgate_ops.audit.family import Found, Record, State, reconcile
from vaultgate_ops.audit.model import FileIdentity, Position

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

LINGER_S = 2.0
"""How long a file that was left is watched for more."""

RETRY_S = 5.0
"""How long a file that could not be read is left alone."""

ABSENT_KEPT = 64
"""So many known files that are not there any more stay known: a scan may miss a file that is being renamed."""


@dataclass(slots=True)
class Track:
    """A file that the follower knows.

    Attributes:
        key: names it between the follower and whoever holds it open.
        name: as it was last seen.
        place: device and inode of what is or was open.
        identity: None until its first line is there.
        offset: everything before it was read.
        lines: entries up to there that were handed on.
        size: bytes, as last seen; None where it is compressed and only its end tells.
        modified_ns: of its last write, as last seen.
        current: the path leads to it, or did when it was last seen to lead anywhere new.
        state: as the checkpoint has it.
        sent: how far it is in CloudWatch Logs; None before the first acknowledgement.
        open: somebody holds it open for us.
        ended: a compressed file was read to its end.
        over: nothing more is wanted of it, but that it stays open until all of it is sent.
        left_s: since when it has been known to be left, on the steady clock; None while its writer may still be there.
        retry_s: when to try again after an error.
    """

    key: int
    name: str
    place: tuple[int, int]
    identity: FileIdentity | None = None
    offset: int = 0
    lines: int = 0
    size: int | None = 0
    modified_ns: int = 0
    current: bool = False
    state: State = State.READING
    sent: Position | None = None
    open: bool = True
    ended: bool = False
    over: bool = False
    left_s: float | None = None
    retry_s: float = 0.0

    @property
    def unread(self) -> bool:
        """Whether there is something to read."""
        return not self.ended if self.size is None else self.size > self.offset

    @property
    def position(self) -> Position:
        """How far it is in CloudWatch Logs; only for a file with an identity."""
        if self.identity is None:
            raise ValueError("a file without an identity has no position")
        return self.sent or Position(self.identity)


class Stat(NamedTuple):
    """How an open file is.

    Attributes:
        size: bytes; None where it is compressed.
        modified_ns: of its last write.
        beginning: its first bytes, as many as its identity needs, `HEAD_BYTES` where it has none.
    """

    size: int | None
    modified_ns: int
    beginning: bytes


class Act(NamedTuple):
    """What to do next.

    Attributes:
        track: with which file.
        finish: take what stands behind its last newline, it is over; otherwise read on.
    """

    track: Track
    finish: bool


class Follower:
    """One device's files, in the order in which they were written.

    Args:
        records: what a checkpoint knows, the oldest first.
        linger_s: see `LINGER_S`.
    """

    def __init__(self, records: Sequence[Record] = (), linger_s: float = LINGER_S) -> None:
        self._linger_s = linger_s
        self._tracks = [
            Track(
                key,
                record.name,
                (record.position.identity.device, record.position.identity.inode),
                record.position.identity,
                record.position.offset,
                record.position.lines,
                record.position.offset,
                state=record.state,
                sent=record.position,
                open=False,
            )
            for key, record in enumerate(records)
        ]
        self._next_key = len(records)

    @property
    def held(self) -> list[Track]:
        """The files that are open, the oldest first."""
        return [track for track in self._tracks if track.open]

    @property
    def owed_inodes(self) -> set[int]:
        """Of known files that more may come of, under whatever name."""
        return {track.place[1] for track in self._tracks if track.state is State.READING and track.identity is not None}

    def skip(self, found: Iterable[Found]) -> None:
        """Count these files as done, before the first scan."""
        for file in found:
            identity = FileIdentity.of(*file.place, file.beginning, ended=True)
            if identity is not None:
                track = self._add(Track(self._next_key, file.name, file.place, identity, file.size or 0, open=False))
                track.state, track.sent = State.DONE, Position(identity, track.offset)

    def records(self) -> list[Record]:
        """What a checkpoint should know: nothing counts as done that is not sent."""
        return [
            Record(track.position, State.READING if track.open else track.state, track.name)
            for track in self._tracks
            if track.identity is not None
        ]

    def scanned(self, found: Iterable[Found], *, whole: bool = True) -> tuple[list[tuple[Track, Found]], list[Track]]:
        """Take what a scan of the folder opened.

        Args:
            found: the files.
            whole: none of them was there but could not be opened.

        Gives:
            The files to keep open, the others are to be closed; and files that are gone while they were owed.
        """
        files = {file.place: file for file in sorted(found, key=lambda file: file.current)}
        open_now = {track.place: track for track in self.held}
        closed = {_as_read(track): track for track in self._tracks if not track.open and track.identity is not None}
        strangers = [file for place, file in files.items() if place not in open_now]
        verdict = reconcile(list(closed), strangers, [track.identity for track in self.held if track.identity is not None])
        kept = [(self._take(file, closed[record] if record else None), file) for file, record in verdict.owed]
        for track in self.held:
            if track.place in files:
                file = files[track.place]
                track.name, track.current = file.name, track.current or file.current
        last = {file.place for file in files.values() if file.current}
        self._tracks.sort(
            key=lambda track: (track.open, track.place in last, track.modified_ns) if track.open else (False, False, 0)
        )
        gone = [closed[record] for record in verdict.absent if record.state is State.READING] if whole else []
        for track in gone:
            track.state = State.GONE
        self._forget([closed[record] for record in verdict.absent])
        return kept, gone

    def saw(self, stats: Mapping[int, Stat], now: float) -> list[tuple[Track, Track]]:
        """Take how open files are.

        Args:
            stats: by key.
            now: on the steady clock.

        Gives:
            Pairs: a file that is not what it was, and the one that took its place in the same open file.
        """
        replaced = []
        for track in self.held:
            stat = stats.get(track.key)
            if stat is None:
                continue
            seen = track
            if _differs(track, stat):
                seen = self._replace(track)
                replaced.append((track, seen))
            seen.size, seen.modified_ns = stat.size, stat.modified_ns
            if seen.identity is None:
                seen.identity = FileIdentity.of(*seen.place, stat.beginning)
        later = False
        for track in reversed(self.held):
            if track.left_s is None and (later or track.size is None):
                track.left_s = now
            later = later or (track.current and track.size != 0)
        return replaced

    def next(self, now: float) -> Act | None:
        """What to do now; None where there is nothing to do until something changes."""
        for track in self.held:
            if track.over or track.retry_s > now:
                continue
            if track.unread:
                return Act(track, finish=False)
            if track.left_s is not None and (track.size is None or now - track.left_s >= self._linger_s):
                return Act(track, finish=True)
        return None

    def read(self, track: Track, count: int, now: float) -> None:
        """So many more bytes of a file were read; none is the end of a compressed one."""
        track.offset += count
        track.ended = track.size is None and not count
        if track.left_s is not None and count:
            track.left_s = now

    def failed(self, track: Track, now: float) -> None:
        """A file could not be read."""
        track.retry_s = now + RETRY_S

    def finished(self, track: Track, beginning: bytes) -> None:
        """A file's last fragment was taken, if there was any."""
        track.over = True
        track.identity = track.identity or FileIdentity.of(*track.place, beginning, ended=True)

    def acknowledged(self, position: Position) -> None:
        """So much of a file is in CloudWatch Logs."""
        for track in reversed(self._tracks):
            if track.identity == position.identity:
                track.sent = position
                return

    def rewind(self) -> None:
        """Read again what was not acknowledged."""
        for track in self.held:
            sent = track.sent
            track.offset, track.lines = (sent.offset, sent.lines) if sent else (0, 0)
            track.ended, track.over = False, False

    def close(self) -> list[Track]:
        """The files to close now: over, and sent to their end."""
        closing = []
        for track in self.held:
            if track.over and track.size is not None and track.size > track.offset:
                track.over = False
            if track.over and (track.identity is None or track.position.offset >= track.offset):
                track.open, track.state = False, State.DONE
                closing.append(track)
        self._tracks = [track for track in self._tracks if track.open or track.identity is not None]
        return closing

    def _take(self, file: Found, known: Track | None) -> Track:
        track = known or self._add(Track(self._next_key, file.name, file.place))
        track.name, track.place, track.size, track.modified_ns = file.name, file.place, file.size, file.modified_ns
        track.open, track.current, track.state = True, file.current, State.READING
        track.ended, track.over, track.left_s = False, False, None
        return track

    def _replace(self, track: Track) -> Track:
        track.open = False
        return self._add(Track(self._next_key, track.name, track.place, current=track.current))

    def _add(self, track: Track) -> Track:
        self._next_key += 1
        self._tracks.append(track)
        return track

    def _forget(self, absent: Sequence[Track]) -> None:
        """Let go of what is no longer there, but for the latest."""
        old = {track.key for track in absent if track.state is not State.READING}
        for track in [track for track in self._tracks if track.key in old][:-ABSENT_KEPT]:
            self._tracks.remove(track)


def _as_read(track: Track) -> Record:
    """A track as a record whose offset is what was read, sent or not."""
    return Record(replace(track.position, offset=track.offset), track.state, track.name)


def _differs(track: Track, stat: Stat) -> bool:
    """Whether an open file is not what it was."""
    if stat.size is not None and stat.size < track.offset:
        return True
    return track.identity is not None and not track.identity.begins(stat.beginning)
