"""One device's mirror: read, hand on, and move the checkpoint behind what was acknowledged.

Rules: the log file is the queue, nothing is kept but blocks under way; the checkpoint never gets ahead of CloudWatch Logs;
what can't be done now is said once and tried again, what only a person can mend ends the mirror with a sentence.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from vaultgate_ops.audit.follower import LINGER_S, Follower
from vaultgate_ops.audit.model import FileIdentity, Position, Span
from vaultgate_ops.audit.tail import Tail
from vaultgate_ops.errors import CheckFailed

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

    from vaultgate_ops.audit.checkpoint import Checkpoint, Progress
    from vaultgate_ops.audit.model import Sender
    from vaultgate_ops.audit.source import Folder
    from vaultgate_ops.audit.tail import Handful
    from vaultgate_ops.clock import Clock

POLL_S = 0.1
FLUSH_S = 4.0
"""Of the five seconds in which a mirror ends, how many it gives to what is under way."""

_RETRY_S = 1.0
_SAVE_SHARE = 10
"""Between two checkpoints passes so many times what one costs: a slow disk must not become the mirror's pace."""


class Options(NamedTuple):
    """What a person may choose.

    Attributes:
        once: end when everything that is there has arrived.
        raw_allowed: mirror secrets in clear.
        skip_rotated: where there is no checkpoint yet, begin with the file at the path and leave its rotated siblings.
        linger_s: how long a file that was left is watched for more.
        poll_s: how often the files are looked at.
    """

    once: bool = False
    raw_allowed: bool = False
    skip_rotated: bool = False
    linger_s: float = LINGER_S
    poll_s: float = POLL_S


DEFAULTS = Options()


class _Offered(NamedTuple):
    """The end of a span that the sender has."""

    identity: FileIdentity
    end: int
    lines: int


class Mirror:
    """One device.

    Args:
        folder: where its files are.
        checkpoint: how far it was.
        open_sender: makes the way to CloudWatch Logs; again, after a long line could not be read under way.
        clock: for instants.
        say: told in one sentence what somebody should know.
        options: see there.
    """

    def __init__(
        self,
        folder: Folder,
        checkpoint: Checkpoint,
        open_sender: Callable[[], Sender],
        *,
        clock: Clock,
        say: Callable[[str], None],
        options: Options = DEFAULTS,
    ) -> None:
        self._folder, self._checkpoint, self._open_sender = folder, checkpoint, open_sender
        self._clock, self._say, self._options = clock, say, options
        self._said: set[str] = set()
        self._offered: deque[_Offered] = deque()
        self._begun: FileIdentity | None = None
        self._acknowledged: Position | None = None
        self._chain = ""
        self._look_at_s = 0.0
        self._unsaved, self._save_at_s = True, 0.0
        self._whole = False

    @property
    def cut_short(self) -> bool:
        """Whether it was to end when everything had arrived, and has not come that far."""
        return self._options.once and not self._whole

    def run(self, stopping: threading.Event) -> None:
        """Mirror until told to stop.

        Args:
            stopping: set it, and what is read is sent, for `FLUSH_S` at most. A signal's handler may set it only if this runs in
                another thread than the main one: an event that is set while its own thread waits for it can lock that up.

        Raises:
            OpsError: what only a person can mend.
        """
        with self._checkpoint.locked():
            progress = self._checkpoint.load()
            if progress.complaint:
                self._say(progress.complaint)
            self._chain = progress.chain
            self._tail = self._open_tail(progress)
            self._save()
            self._sender = self._open_sender()
            try:
                self._drive(stopping)
                self._end()
            finally:
                self._sender.close()
                self._tail.close()

    def _open_tail(self, progress: Progress) -> Tail:
        once = self._options.once
        follower = Follower(progress.records, 0.0 if once else self._options.linger_s)
        tail = Tail(self._folder, follower, self._say_once, raw_allowed=self._options.raw_allowed)
        now, skip_rotated = self._clock.steady(), self._options.skip_rotated
        tail.first_look(now, required=once, fresh=progress.first, skip_rotated=skip_rotated)
        return tail

    def _drive(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            if self._turn():
                continue
            if self._options.once and self._drained():
                self._whole = True
                return
            stopping.wait(self._options.poll_s)

    def _turn(self) -> bool:
        """Look if it is time to, and do the next thing; whether there was one."""
        now = self._clock.steady()
        if now >= self._look_at_s:
            self._tail.look(now)
            self._look_at_s = self._clock.steady() + self._options.poll_s
        handful = self._tail.step(now)
        if handful and handful.entries:
            self._offer(handful, now)
        self._settle()
        return handful is not None

    def _drained(self) -> bool:
        """Whether everything that is there has arrived."""
        self._look_at_s = 0.0
        return self._sender.flush(self._clock.steady() + self._options.poll_s) and not self._turn()

    def _offer(self, handful: Handful, now: float) -> None:
        track, entries = handful
        if track.identity is None:
            raise AssertionError("a file with a complete line has an identity")
        if track.identity is not self._begun:
            self._sender.begin(Position(track.identity, entries[0].start, track.lines, self._chain))
            self._begun = track.identity
        track.lines += len(entries)
        self._offered.append(_Offered(track.identity, entries[-1].end, track.lines))
        try:
            self._sender.offer(Span(track.identity, entries), self._tail.reader(track))
        except OSError as error:
            # A long line had to be read once more, and could not. What was not acknowledged is read and sent again.
            self._tail.failed(track, error, now)
            self._settle()
            self._sender.close()
            self._sender = self._open_sender()
            self._tail.rewind()
            self._offered.clear()
            self._begun = None

    def _settle(self) -> None:
        """Move the checkpoint behind what was acknowledged, and close what is over and sent."""
        position = self._sender.acknowledged()
        if position is not None and position != self._acknowledged:
            self._acknowledged, self._chain = position, position.chain
            for passed in self._passed(position):
                self._tail.follower.acknowledged(passed)
            self._unsaved = True
        self._unsaved = self._tail.close_finished() or self._unsaved
        if self._unsaved and self._clock.steady() >= self._save_at_s:
            self._save()

    def _passed(self, position: Position) -> Iterator[Position]:
        """For each file, up to where it is there because a position was acknowledged."""
        while self._offered:
            offered = self._offered[0]
            if offered.identity == position.identity and position.offset <= offered.end:
                if position.offset == offered.end:
                    self._offered.popleft()
                yield position
                return
            self._offered.popleft()
            yield Position(offered.identity, offered.end, offered.lines)

    def _save(self) -> None:
        began = self._clock.steady()
        try:
            self._checkpoint.save(self._tail.follower.records(), self._chain)
        except OSError as error:
            self._say_once(f"The checkpoint can't be written: {error.strerror}; after a crash, what arrives now is sent again.")
            self._save_at_s = began + _RETRY_S
        else:
            after = self._clock.steady()
            self._unsaved, self._save_at_s = False, after + _SAVE_SHARE * (after - began)

    def _end(self) -> None:
        """Send what is read, as far as the time for it goes, and save how far that was.

        Raises:
            CheckFailed: all was to be mirrored, and something could not be read.
        """
        whole = self._sender.flush(self._clock.steady() + FLUSH_S)
        self._save_at_s = 0.0
        self._settle()
        if not whole:
            self._say(f"{self._folder.path}: not all of what was read has arrived; the next start sends the rest.")
        unreadable = self._tail.unreadable() if self._whole else []
        if unreadable:
            raise CheckFailed(
                f"Could not read {', '.join(unreadable)}; all the rest has arrived.", "Mend that, and run it again."
            )

    def _say_once(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            self._say(sentence)
