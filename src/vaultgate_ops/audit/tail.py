"""The files of a device, read in their order: what the follower decides, done.

Rules: a block is read first and its file's head looked at afterwards: if the head is what it was, the block is that file's.
A file that can't be read is tried again, and said once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from vaultgate_ops.audit.model import HEAD_BYTES
from vaultgate_ops.audit.splitter import RawContent, Splitter, prefix_of
from vaultgate_ops.errors import Denied, Missing, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from vaultgate_ops.audit.follower import Follower, Stat, Track
    from vaultgate_ops.audit.model import Entry
    from vaultgate_ops.audit.source import Folder, Listing, OpenFile

BLOCK_BYTES = 256 * 1024
_RESCAN_S = 1.0


class Handful(NamedTuple):
    """What one step read.

    Attributes:
        track: of which file.
        entries: its next ones; none where no line is complete yet, or nothing was to be had.
    """

    track: Track
    entries: list[Entry]


class Tail:
    """One device's files.

    Args:
        folder: where they are.
        follower: knows what was read before.
        say: told in one sentence what somebody should know; each sentence once.
        raw_allowed: hand on secrets in clear.
    """

    def __init__(self, folder: Folder, follower: Follower, say: Callable[[str], None], *, raw_allowed: bool) -> None:
        self.follower = follower
        self._folder, self._say, self._raw_allowed = folder, say, raw_allowed
        self._files: dict[int, OpenFile] = {}
        self._splitters: dict[int, Splitter] = {}
        self._listing: Listing | None = None
        self._rescan_at_s: float | None = None

    def first_look(self, now: float, *, required: bool, fresh: bool, skip_rotated: bool) -> None:
        """Open what is owed.

        Args:
            now: on the steady clock.
            required: nobody will wait for what can't be read.
            fresh: there is no checkpoint yet.
            skip_rotated: where there is none, leave the rotated siblings, and remember that they were left.

        Raises:
            UsageProblem: the path is a folder.
            Missing: nothing is there, and never was.
            Denied: it can't be read.
        """
        path = self._folder.path
        scan = self._folder.scan(self.follower.owed_inodes)
        for _, file in scan.files:
            file.close()
        _refuse_folder(path, scan.refused)
        if required and scan.refused is not None:
            raise Denied(f"{path} can't be read: {scan.refused.strerror}.", "Run as a user who may, such as Vault's.")
        if required and fresh and not scan.files:
            raise Missing(f"There is no file {path}, nor a rotated one.", "Name the file that the audit device writes.")
        if fresh and skip_rotated:
            self.follower.skip(found for found, _ in scan.files if not found.current)
        self._scan(now)

    def look(self, now: float) -> None:
        """See how the files are, from the newest to the oldest, after a scan where one is due.

        Raises:
            UsageProblem: the path is a folder.
        """
        listing = self._folder.listing(self.follower.owed_inodes)
        if listing != self._listing or (self._rescan_at_s is not None and now >= self._rescan_at_s):
            self._scan(now)
        self._look_at_held(now)

    def step(self, now: float) -> Handful | None:
        """Do the next thing; None where there is nothing to do until something changes.

        Raises:
            UsageProblem: the device writes secrets in clear, and that was not allowed.
        """
        act = self.follower.next(now)
        if act is None:
            return None
        try:
            return Handful(act.track, self._finish(act.track, now) if act.finish else self._read(act.track, now))
        except OSError as error:
            self.failed(act.track, error, now)
            return Handful(act.track, [])
        except RawContent as error:
            raise UsageProblem(
                f"{act.track.name} holds tokens in clear from byte {error.offset} on (log_raw); it is not mirrored.",
                "Turn log_raw off for this device, or pass --force-raw.",
            ) from error

    def reader(self, track: Track) -> OpenFile:
        """The open file of a track."""
        return self._files[track.key]

    def failed(self, track: Track, error: OSError, now: float) -> None:
        """A file could not be read."""
        self._say(f"{track.name} can't be read at byte {track.offset}: {error.strerror or error}; it is tried again.")
        self.follower.failed(track, now)

    def rewind(self) -> None:
        """Read again what was not acknowledged."""
        self.follower.rewind()
        self._splitters.clear()

    def close_finished(self) -> bool:
        """Close the files that are over and sent; whether there were any."""
        finished = self.follower.close()
        for track in finished:
            self._files.pop(track.key).close()
            self._splitters.pop(track.key, None)
        return bool(finished)

    def unreadable(self) -> list[str]:
        """Names of what is owed and could not be read."""
        owed = [track.name for track in self.follower.held if track.unread]
        return owed or (["a rotated file"] if self._rescan_at_s is not None else [])

    def close(self) -> None:
        """Close everything."""
        for file in self._files.values():
            file.close()

    def _scan(self, now: float) -> None:
        """Open the files that are owed, close the others."""
        inodes = self.follower.owed_inodes
        self._listing = self._folder.listing(inodes)
        scan = self._folder.scan(inodes)
        _refuse_folder(self._folder.path, scan.refused)
        problems = [*scan.problems]
        if scan.refused is not None:
            problems.append(f"{self._folder.path} can't be read: {scan.refused.strerror}.")
        self._rescan_at_s = now + _RESCAN_S if problems else None
        # An open file may have got its first line only now, and a compressed form of itself already.
        self._look_at_held(now)
        kept, gone = self.follower.scanned([found for found, _ in scan.files], whole=not problems)
        opened = {id(found): file for found, file in scan.files}
        for track, found in kept:
            self._files[track.key] = opened.pop(id(found))
            self._splitters.pop(track.key, None)
        for file in opened.values():
            file.close()
        lost = [
            f"{each.name} is gone; what stood there behind byte {each.offset}, if anything, is not mirrored." for each in gone
        ]
        for sentence in [*problems, *lost]:
            self._say(sentence)

    def _look_at_held(self, now: float) -> None:
        self._saw({track.key: self._stat(track) for track in reversed(self.follower.held)}, now)

    def _stat(self, track: Track) -> Stat:
        return self._files[track.key].stat(track.identity.head_bytes if track.identity else HEAD_BYTES)

    def _saw(self, stats: Mapping[int, Stat], now: float) -> bool:
        """Tell the follower; whether all the files are what they were."""
        replaced = self.follower.saw(stats, now)
        for before, after in replaced:
            self._files[after.key] = self._files.pop(before.key)
            self._splitters.pop(before.key, None)
            self._rescan_at_s = now
            self._say(
                f"{before.name} was cut or overwritten in place behind byte {before.offset}: lines of that moment may be lost. "
                "Rotate by renaming it and sending Vault SIGHUP."
            )
        return not replaced

    def _read(self, track: Track, now: float) -> list[Entry]:
        """The next block's entries, if the file still is that file."""
        block = self._files[track.key].pread(track.offset, BLOCK_BYTES)
        stat = self._stat(track)
        if not self._saw({track.key: stat}, now):
            return []
        splitter = self._splitters.get(track.key)
        if splitter is None:
            prefix = prefix_of(stat.beginning)
            splitter = self._splitters[track.key] = Splitter(track.offset, prefix, raw_allowed=self._raw_allowed)
        entries = splitter.feed(block)
        self.follower.read(track, len(block), now)
        return entries

    def _finish(self, track: Track, now: float) -> list[Entry]:
        """What stands behind the last newline of a file that is over, if it still is."""
        if not self._saw({track.key: self._stat(track)}, now) or (track.size is not None and track.unread):
            return []
        self.follower.finished(track, self._files[track.key].stat(HEAD_BYTES).beginning)
        splitter = self._splitters.get(track.key)
        return splitter.end() if splitter else []


def _refuse_folder(path: Path, refused: OSError | None) -> None:
    if isinstance(refused, IsADirectoryError):
        raise UsageProblem(f"{path} is a folder.", "Name the file that the audit device writes.")
