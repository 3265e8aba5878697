"""Entries to CloudWatch Logs: batches, sent side by side, acknowledged in the order of the file.

Rules: memory is bounded, whatever is offered: so many bodies, then `offer` waits. A body is sent until all of it is accepted
(`delivery`), and nothing is called done before its proof arrived (`window`). A call without an answer may have landed, so a
line can arrive twice, never not at all. What only a person can mend is raised to the caller, at whatever it does next.
"""

from __future__ import annotations

import functools
import hashlib
import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from vaultgate_ops.audit import batcher, envelope, proofs
from vaultgate_ops.audit.batcher import Batcher
from vaultgate_ops.audit.cloudwatch import CloudWatchLogs
from vaultgate_ops.audit.delivery import Closed, Delivery, Patience
from vaultgate_ops.audit.evidence import Place
from vaultgate_ops.audit.proofs import Covered
from vaultgate_ops.audit.stamps import Stamps
from vaultgate_ops.audit.window import Batch, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from botocore.session import Session

    from vaultgate_ops.audit.cloudwatch import Service
    from vaultgate_ops.audit.destinations import Creation
    from vaultgate_ops.audit.model import Destination, Entry, FileIdentity, Position, Reader, Span
    from vaultgate_ops.audit.window import Proving
    from vaultgate_ops.clock import Clock


_GLIMPSE = 256


class Pace(NamedTuple):
    """How fast, how much, how patient.

    Attributes:
        workers: calls under way at once.
        waiting: bodies that may wait for one of them.
        window: batches that may be sent but not yet proven.
        linger_s: how long a line waits for others to share its call.
        proof_every_s: how long lines may wait for their proof.
        patience: after a failure.
    """

    workers: int = 3
    waiting: int = 2
    window: int = 12
    linger_s: float = 0.2
    proof_every_s: float = 2.0
    patience: Patience = Patience()


@dataclass
class Counts:
    """What a sender did so far.

    Attributes:
        events: that arrived, envelopes and proofs not counted.
        bytes: that were taken over, newlines included.
        restamped: lines that got another time than their own.
        torn: fragments.
        enveloped: lines that travelled in an envelope.
    """

    events: int = 0
    bytes: int = 0
    restamped: int = 0
    torn: int = 0
    enveloped: int = 0


class CloudWatchSender:
    """The sender of one device of one node; model.Sender says what its callers may rely on.

    Args:
        service: CloudWatch Logs.
        destination: the group and its streams.
        creation: what may be made where it is missing.
        clock: the steady one, for waits.
        pace: see there.
        say: told in one sentence what goes wrong, and when it goes right again.
        retention_days: of the group, as far as it is known.

    Attributes:
        counts: what was done so far.
        calls: the same, in calls.
    """

    def __init__(
        self,
        service: CloudWatchLogs,
        destination: Destination,
        creation: Creation,
        clock: Clock,
        *,
        pace: Pace | None = None,
        say: Callable[[str], None] = lambda _: None,
        retention_days: int | None = None,
    ) -> None:
        self._service, self._destination = service, destination
        self._clock, self._pace = clock, pace or Pace()
        self._delivery = Delivery(service, destination, creation, clock, patience=self._pace.patience, say=say)
        self._batcher = Batcher(destination.group, destination.stream)
        self._stamps = Stamps(retention_days)
        self._covered: list[Covered] = []
        self._opened_s = 0.0
        self._waiting: deque[Batch] = deque()
        self._window = Window()
        self._lines = 0
        # One lock, two kinds of waits: the caller's for room and for arrivals, the workers' for something to do. Waking
        # everybody for everything costs a twentieth of the mirror's CPU time.
        lock = threading.RLock()
        self._changed, self._due = threading.Condition(lock), threading.Condition(lock)
        self._closed = False
        self._at_once = 0
        self._failure: Exception | None = None
        self.counts = Counts()
        self.calls = self._delivery.calls
        self._told = 0
        self._threads = [threading.Thread(target=self._work, name=f"put-{n}", daemon=True) for n in range(self._pace.workers)]
        for thread in self._threads:
            thread.start()

    def begin(self, position: Position) -> None:
        """The next offers are of this file, from this position on.

        Raises:
            OpsError: what stopped the sending.
        """
        with self._changed:
            self._raise()
            if not len(self._batcher) and not self._waiting:
                self._window.continue_from(position.chain)
            self._lines = position.lines

    def offer(self, span: Span, reader: Reader) -> None:
        """Take over a span; waits while too much is under way.

        Raises:
            OpsError: what stopped the sending.
            OSError: a long line can't be read. After either, close this sender and begin another from the last position.
        """
        with self._changed:
            now_ms, opened_s = self._service.now_ms(), self._opened_s
            if not self._batcher:
                self._opened_s = self._clock.steady()
            for entry in span.entries:
                line = entry.line
                if line is None or entry.torn or not line or line.startswith(envelope.OURS) or not _utf8(line):
                    self._envelop(span.identity, entry, reader, now_ms)
                else:
                    self._add(self._stamps.of(line, now_ms), line)
                    self._cover(span.identity, entry, hashlib.sha256(line).digest())
            if self._opened_s != opened_s:
                # One worker has to count how long the lines of another body have waited.
                self._due.notify()

    def acknowledged(self) -> Position | None:
        """Up to where everything that was offered is in CloudWatch Logs, with its proof.

        Raises:
            OpsError: what stopped the sending.
        """
        with self._changed:
            self._raise()
            return self._window.done

    def flush(self, deadline: float) -> bool:
        """Send what was taken over; whether all of it was acknowledged before ``deadline`` on the steady clock.

        Raises:
            OpsError: what stopped the sending.
        """
        with self._hurrying():
            while not (self._window.empty and not len(self._batcher)):
                left_s = deadline - self._clock.steady()
                if left_s <= 0:
                    return False
                self._changed.wait(left_s)
                self._raise()
        return True

    def close(self) -> None:
        """End the threads; what was not acknowledged stays so."""
        self._delivery.close()
        with self._due:
            self._closed = True
            self._due.notify_all()
        for thread in self._threads:
            thread.join()
        self._service.close()

    @contextmanager
    def _hurrying(self) -> Iterator[None]:
        with self._changed:
            self._raise()
            self._at_once += 1
            self._due.notify_all()
            try:
                yield
            finally:
                self._at_once -= 1

    def _raise(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _add(self, timestamp: int, message: bytes) -> None:
        while not self._batcher.add(timestamp, message):
            self._seal()

    def _cover(self, identity: FileIdentity, entry: Entry, digest: bytes) -> None:
        """Count an entry as complete with the body under way."""
        covered = self._covered[-1] if self._covered else None
        if covered is None or covered.identity is not identity or covered.end != entry.start:
            covered = Covered(identity, entry.start, entry.start, self._lines)
            self._covered.append(covered)
        self.counts.bytes += entry.end - entry.start
        covered.end = entry.end
        covered.digests.append(digest)
        self._lines += 1

    def _envelop(self, identity: FileIdentity, entry: Entry, reader: Reader, now_ms: int) -> None:
        """Take over a line that can't travel as itself."""
        if entry.line is not None:
            length, read, shown = len(entry.line), envelope.reads(entry.line), entry.line
        else:
            length = entry.end - entry.start - (0 if entry.torn else 1)
            read = _there(reader, entry.start)
            # Vault writes the time first or, in newer versions, right before the end.
            shown = read(0, _GLIMPSE) + read(length - _GLIMPSE, _GLIMPSE)
        planned = envelope.plan(read, length, f"{identity.head}:{entry.start}", torn=entry.torn)
        timestamp = self._stamps.of(shown, now_ms)
        for message in envelope.messages(planned, read):
            self._add(timestamp, message)
        self._cover(identity, entry, planned.sha256)
        self._covered[-1].enveloped += 1
        self._covered[-1].torn += entry.torn
        self.counts.enveloped += 1
        self.counts.torn += entry.torn

    def _seal(self) -> None:
        """Hand the body under way to the workers; waits for room, with the lock let go of."""
        while len(self._waiting) >= self._pace.waiting or len(self._window) >= self._pace.window:
            self._raise()
            self._changed.wait()
        self._raise()
        if len(self._batcher):
            self._hand_over()

    def _hand_over(self) -> None:
        body = self._batcher.take()
        for covered in self._covered:
            covered.saw(body.earliest, body.latest)
        if self._covered:
            self._covered[-1].restamped += self._stamps.replaced - self.counts.restamped
        self.counts.restamped = self._stamps.replaced
        batch = Batch(body, self._covered)
        self._covered = []
        self._opened_s = self._clock.steady()
        self._window.put(batch)
        self._waiting.append(batch)
        self._due.notify()

    def _work(self) -> None:
        while True:
            with self._due:
                job = self._next()
            if job is None:
                return
            try:
                job()
            except Closed:
                return
            except Exception as error:  # noqa: BLE001 - raised again where the caller is
                with self._changed:
                    self._failure = self._failure or error
                    self._changed.notify_all()
                    self._due.notify_all()
                return

    def _next(self) -> Callable[[], None] | None:
        """What to do next, once there is something; None at the end."""
        pace = self._pace
        while not self._closed and self._failure is None:
            now_s = self._clock.steady()
            due_s = self._opened_s + pace.linger_s - now_s
            if len(self._batcher) and (self._at_once or due_s <= 0) and len(self._waiting) < pace.waiting:
                self._hand_over()
            at_once = bool(self._at_once) and not self._waiting and not len(self._batcher)
            proving = self._window.proof(now_s, every_s=pace.proof_every_s, batches=max(1, pace.window // 3), at_once=at_once)
            if proving is not None:
                return lambda: self._prove(proving)
            if self._waiting:
                batch = self._waiting.popleft()
                self._changed.notify_all()
                return lambda: self._deliver(batch)
            self._due.wait(max(0.01, min(due_s, pace.linger_s) if len(self._batcher) else pace.linger_s))
        return None

    def _prove(self, proving: Proving) -> None:
        now_ms, destination = self._service.now_ms(), self._destination
        repeated, self._told = self.calls.repeated - self._told, self.calls.repeated
        context = proofs.Context(destination.group, destination.stream, now_ms, repeated)
        message = proofs.message(proving.covered, proving.before, context).encode()
        stream = destination.proof_stream
        self._delivery.put(batcher.single(destination.group, stream, now_ms, message), stream)
        with self._changed:
            self._window.proven()
            self._changed.notify_all()

    def _deliver(self, batch: Batch) -> None:
        body = batch.body
        if body is None:
            return
        restamped = self._delivery.put(body, self._destination.stream, functools.partial(_place, batch.covered))
        with self._changed:
            self.counts.events += body.events
            if batch.covered:
                batch.covered[-1].restamped += restamped
            self._window.arrived(batch, self._clock.steady())
            self._changed.notify_all()


def _place(covered: list[Covered], digest: bytes) -> str:
    """Where a line of a batch stands, in words."""
    for one in covered:
        if digest in one.digests:
            number = one.first + one.digests.index(digest)
            return f"{Place(one.identity, number, number, one.start, one.end)}"
    return f"a part of a long line with the SHA-256 {digest.hex()}"


def _utf8(line: bytes) -> bool:
    if line.isascii():
        return True
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _there(reader: Reader, start: int) -> Callable[[int, int], bytes]:
    return lambda place, size: reader.pread(start + place, size)


def open_sender(
    service: Service,
    destination: Destination,
    creation: Creation,
    clock: Clock,
    *,
    pace: Pace | None = None,
    session: Session | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> CloudWatchSender:
    """A sender whose destination is there.

    Args:
        service: where CloudWatch Logs is.
        destination: the group and its streams.
        creation: what may be made where it is missing.
        clock: real time.
        pace: how fast, how much, how patient.
        session: botocore's, where not the environment's credentials are meant.
        say: told what goes wrong on the way, and when it goes right again.

    Raises:
        OpsError: no credentials, no region, no permission, no group: in one sentence.
    """
    reached = CloudWatchLogs(service, clock, session)
    retention_days, wanted_days = creation.make(reached, destination), creation.retention_days
    if wanted_days and retention_days != wanted_days:
        kept = f"for {retention_days} days" if retention_days else "for ever, as far as may be seen"
        say(f"Log group {destination.group} keeps events {kept}, not for {wanted_days} days: a group that is there isn't changed")
    return CloudWatchSender(reached, destination, creation, clock, pace=pace, say=say, retention_days=retention_days)
