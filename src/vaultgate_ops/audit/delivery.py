"""One call's events, sent until all of them are accepted.

Rules: a body is given up only where the mirror is closed or only a person can help. What passes by itself is waited for, each
wait drawn from 0 to twice the last; expired credentials are looked for again; a clock that is off is set by the service's
answer; a group or a stream that vanished is made again where that is allowed; what was rejected inside a 200 goes again with
the time of now; of a batch that is refused for good the rest goes on (`refusals`). Once anything was ever accepted, missing
permissions are waited for too: they were there before.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from secrets import SystemRandom
from typing import TYPE_CHECKING, NamedTuple

from vaultgate_ops.audit.answers import Judgement, Verdict, judge
from vaultgate_ops.audit.batcher import Batcher, Body, events_of, single
from vaultgate_ops.audit.cloudwatch import NoAnswer
from vaultgate_ops.audit.envelope import disguised
from vaultgate_ops.audit.refusals import Refused, notice, parted
from vaultgate_ops.errors import CheckFailed, Denied, OpsError, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

    from vaultgate_ops.audit.cloudwatch import CloudWatchLogs
    from vaultgate_ops.audit.destinations import Creation
    from vaultgate_ops.audit.model import Destination
    from vaultgate_ops.clock import Clock


class Patience(NamedTuple):
    """How long to wait.

    Attributes:
        first_s, most_s: the longest first wait after a failure, and the longest of all.
        start_s: how long the first call of all is tried before the caller is told.
    """

    first_s: float = 0.2
    most_s: float = 5.0
    start_s: float = 20.0


@dataclass
class Calls:
    """What the deliveries did so far.

    Attributes:
        made: calls of PutLogEvents.
        repeated: how many of them sent something again.
        rejected: events that the service dropped inside a 200 and got again.
    """

    made: int = 0
    repeated: int = 0
    rejected: int = 0


class Closed(Exception):
    """The mirror was closed while something was tried again."""


class Delivery:
    """Brings bodies to one destination; safe for threads.

    Args:
        service: CloudWatch Logs.
        destination: the group and its streams.
        creation: what may be made where it vanished.
        clock: the steady one.
        patience: see there.
        say: told in one sentence what goes wrong, and when it goes right again.

    Attributes:
        calls: what was done so far.
    """

    def __init__(
        self,
        service: CloudWatchLogs,
        destination: Destination,
        creation: Creation,
        clock: Clock,
        *,
        patience: Patience,
        say: Callable[[str], None],
    ) -> None:
        self._service, self._destination, self._creation = service, destination, creation
        self._clock, self._patience, self._say = clock, patience, say
        self._chance = SystemRandom()
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._trusted = False
        self._troubled = False
        self.calls = Calls()

    def close(self) -> None:
        """End every wait."""
        self._closing.set()

    def put(self, body: Body, stream: str, place: Callable[[bytes], str] | None = None) -> int:
        """Send a body until all of it is accepted, or a notice of what is refused for good.

        Args:
            body: one call's events.
            stream: where its events go, for those that have to be sent anew.
            place: says where the line with a SHA-256 stands; None where nothing may be left out.

        Returns:
            how many of its events had to be given another time.

        Raises:
            Closed: it was closed before that.
            OpsError: only a person can help.
        """
        restamped, attempt, begun_s = 0, 0, self._clock.steady()
        while True:
            judgement = self._attempt(body, again=attempt > 0)
            if judgement.verdict is Verdict.ACCEPTED:
                self._well()
                if not judgement.rejected:
                    return restamped
                body = self._stamped_anew(body, stream, judgement)
                restamped += body.events
                with self._lock:
                    self.calls.rejected += body.events
                continue
            if judgement.verdict is Verdict.REFUSED and place is not None:
                return restamped + self._put_apart(body, stream, place, judgement)
            self._react(judgement, tried_s=self._clock.steady() - begun_s)
            attempt += 1
            most_s = min(self._patience.most_s, self._patience.first_s * 2 ** min(attempt - 1, 16))
            if self._closing.wait(self._chance.uniform(0, most_s)):
                raise Closed

    def _put_apart(self, body: Body, stream: str, place: Callable[[bytes], str], judgement: Judgement) -> int:
        """Send what was refused in halves; the event that it is about in base64; a notice where that is refused, too."""
        group, found = self._destination.group, parted(body, self._destination.group, stream)
        with self._lock:
            self.calls.repeated += 1
        if not isinstance(found, Refused):
            return sum(self.put(half, stream, place) for half in found)
        if parts := disguised(found.message, f"{stream}:{found.timestamp}"):
            return sum(self.put(single(group, stream, found.timestamp, part), stream, place) for part in parts)
        why, where, now_ms = f"{judgement.code}: {judgement.message}", place(found.digest), self._service.now_ms()
        # Where this is refused as well, the event is not at fault: that ends the mirror, with nothing given up.
        self.put(single(group, stream, now_ms, notice(found, where, why)), stream)
        self._say(f"CloudWatch Logs refuses {where} in every form ({why}): it is not mirrored, and `mirror verify` names it")
        return 0

    def _attempt(self, body: Body, *, again: bool) -> Judgement:
        with self._lock:
            self.calls.made += 1
            self.calls.repeated += again
        try:
            answer = self._service.call("PutLogEvents", body.content)
        except NoAnswer as error:
            return Judgement(Verdict.LATER, "NoAnswer", str(error))
        judgement = judge(answer, body.events)
        if judgement.verdict is Verdict.OTHER_TIME and answer.server_time_ms is not None:
            self._service.set_time(answer.server_time_ms)
        return judgement

    def _stamped_anew(self, body: Body, stream: str, judgement: Judgement) -> Body:
        """A body with what was rejected, as of now."""
        events = events_of(body)
        target = Batcher(self._destination.group, stream)
        now_ms = self._service.now_ms()
        for places in judgement.rejected:
            for place in places:
                target.add(now_ms, events[place][1])
        return target.take()

    def _react(self, judgement: Judgement, tried_s: float) -> None:
        """Do what makes the next attempt better.

        Raises:
            OpsError: only a person can.
        """
        what = f"{judgement.code}: {judgement.message}" if judgement.message else judgement.code
        self._unwell(what)
        if judgement.verdict is Verdict.REFUSED:
            raise CheckFailed(
                f"CloudWatch Logs refuses a batch for good ({what}).",
                "Report this with the mirror's version: it should not happen.",
            )
        try:
            if judgement.verdict is Verdict.NEW_CREDENTIALS:
                self._service.renew_credentials()
            elif judgement.verdict is Verdict.NO_DESTINATION:
                self._creation.make(self._service, self._destination)
        except OpsError:
            if not self._trusted:
                raise
        if self._trusted:
            return
        where = f"log group {self._destination.group} in {self._service.region}"
        if judgement.verdict is Verdict.DENIED:
            raise Denied(f"Events for {where} are refused: {what}", "Allow logs:PutLogEvents on it, and check the region.")
        if tried_s > self._patience.start_s:
            raise Unreachable(
                f"Events for {where} can't be sent: {what}", f"Check the region and the way to {self._service.endpoint}."
            )

    def _unwell(self, what: str) -> None:
        with self._lock:
            first, self._troubled = not self._troubled, True
        if first:
            self._say(f"CloudWatch Logs takes no events for now ({what}); none is lost, they are sent again")

    def _well(self) -> None:
        with self._lock:
            again, self._troubled = self._troubled, False
            self._trusted = True
        if again:
            self._say("CloudWatch Logs takes events again")
