"""The mirror behind S3 events: one rotated audit file to CloudWatch Logs, in as many runs as it takes.

Rules: the core is the daemon's: splitter, sender, proofs. What is done is done once: progress moves only behind what the sender
acknowledged, and a second delivery of an event finds the object done, or somebody at work on it. A run ends in time: what is
not finished by then is left to the next delivery, which goes on where this one was.
"""

from __future__ import annotations

import enum
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from vaultgate_ops.audit.model import Destination, FileIdentity, Position, Span
from vaultgate_ops.audit.objects import ObjectReader, Progress, ProgressFile, Source
from vaultgate_ops.audit.splitter import RawContent, Splitter, prefix_of
from vaultgate_ops.errors import CheckFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from vaultgate_ops.audit.model import Entry, Sender
    from vaultgate_ops.clock import Clock

BLOCK_BYTES = 256 * 1024
ENDING_S = 10.0
"""How much of a run's time is kept for sending what was read."""

_SAVE_EVERY_S = 10.0


class Place(NamedTuple):
    """Where things are kept.

    Attributes:
        group: the log group; an object's stream is the folder it lies in.
        state_bucket, state_prefix: where progress is kept; empty for the object's own bucket.
        raw_allowed: let entries pass that carry secrets in clear.
    """

    group: str
    state_bucket: str = ""
    state_prefix: str = "vaultgate-mirror/"
    raw_allowed: bool = False


class Outcome(enum.Enum):
    """How a run ended."""

    DONE = "done"
    """All of the object has arrived."""
    UNFINISHED = "unfinished"
    """The time was up; another run goes on from here."""
    BUSY = "busy"
    """Somebody else works on it."""
    SKIPPED = "skipped"
    """It is progress of ours."""


class Shipping:
    """Mirrors objects.

    Args:
        client: of S3.
        place: see there.
        open_sender: makes the way to a destination.
        clock: real time.
    """

    def __init__(self, client: Any, place: Place, open_sender: Callable[[Destination], Sender], clock: Clock) -> None:
        self._client, self._place, self._open_sender, self._clock = client, place, open_sender, clock

    def ship(self, source: Source, seconds: float) -> Outcome:
        """Mirror an object, or go on with it.

        Args:
            source: the object.
            seconds: how long this run may take.

        Raises:
            CheckFailed: it carries secrets in clear, and that was not allowed.
            OpsError: what only a person can mend.
        """
        if source.key.startswith(self._place.state_prefix):
            return Outcome.SKIPPED
        end_s = self._clock.steady() + seconds
        kept = ProgressFile(self._client, self._place.state_bucket or source.bucket, self._place.state_prefix, source)
        progress = kept.load()
        now_s = self._clock.wall()
        if progress.done:
            return Outcome.DONE
        if progress.until_s > now_s:
            return Outcome.BUSY
        if not kept.save(Progress(progress.offset, progress.lines, progress.chain, until_s=now_s + seconds)):
            return Outcome.BUSY
        try:
            # The sender reads long lines again while the splitter is ahead: not with one stream.
            with closing(ObjectReader(self._client, source)) as reader, closing(ObjectReader(self._client, source)) as again:
                reached = self._work(source, reader, again, _Until(kept, progress, end_s, now_s + seconds))
        except BaseException:
            kept.release()
            raise
        kept.save(reached)
        return Outcome.DONE if reached.done else Outcome.UNFINISHED

    def _work(self, source: Source, reader: ObjectReader, again: ObjectReader, until: _Until) -> Progress:
        """Mirror as much as the time allows; how far that was."""
        beginning, begin = reader.beginning(), until.begin
        identity = FileIdentity.of(0, 0, beginning, ended=True)
        if identity is None:
            return Progress(done=True)
        stream = source.key.rpartition("/")[0] or source.bucket
        splitter = Splitter(begin.offset, prefix_of(beginning), raw_allowed=self._place.raw_allowed)
        with closing(self._open_sender(Destination(self._place.group, stream))) as sender:
            sender.begin(Position(identity, begin.offset, begin.lines, begin.chain))
            whole = False
            while not whole and self._clock.steady() < until.end_s - ENDING_S:
                block = reader.pread(splitter.offset, BLOCK_BYTES)
                if entries := _entries(splitter, block):
                    sender.offer(Span(identity, entries), again)
                whole = not block
                self._save(sender, until)
            arrived = sender.flush(until.end_s - 1)
            done = sender.acknowledged()
        reached = Progress(done.offset, done.lines, done.chain) if done else begin
        return replace(reached, until_s=0.0, done=whole and arrived)

    def _save(self, sender: Sender, until: _Until) -> None:
        """Keep how far it is, now and then."""
        now_s = self._clock.steady()
        if now_s >= until.save_at_s and (done := sender.acknowledged()):
            until.kept.save(Progress(done.offset, done.lines, done.chain, until_s=until.wall_s))
            until.save_at_s = now_s + _SAVE_EVERY_S


@dataclass
class _Until:
    """A run's time.

    Attributes:
        kept, begin: the progress, where it is kept and as it was.
        end_s, wall_s: when it ends, on the steady clock and in seconds since 1970.
        save_at_s: when the progress is kept next, on the steady clock.
    """

    kept: ProgressFile
    begin: Progress
    end_s: float
    wall_s: float
    save_at_s: float = 0.0


def _entries(splitter: Splitter, block: bytes) -> list[Entry]:
    """The next block's entries; what stands behind the last newline where there is no next block.

    Raises:
        CheckFailed: it carries secrets in clear.
    """
    try:
        return splitter.feed(block) if block else splitter.end()
    except RawContent as found:
        raise CheckFailed(
            f"At byte {found.offset} the file carries a token in clear: its device has log_raw on.",
            "Switch log_raw off, or set AUDIT_FORCE_RAW=1.",
        ) from found
