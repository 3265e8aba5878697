"""The order of events in a sandbox's life.

Rules: the port is bound before Lambda hears of us, so that a function can't come too early; Lambda hears of us before
we do anything slow, so that the function's init runs beside our login; Next is only called when nothing is under way
that a freeze would hurt, or when waiting longer would hurt more: a Vault that is silent may cost an invocation seconds,
and only once in a while, not all of its time each time; files are seen to after the token and its leases, and by
what the broker says has changed; at SHUTDOWN they are removed, and the token is given back.

Where Lambda differs: before a snapshot nothing is done but registering, and the function's restore hook, or the first invocation,
opens the door; Managed Instances are never frozen and tell of no invocation, so a timer looks after what is due.
"""

from __future__ import annotations

import threading

from vaultgate.arrival import MANAGED, ON_DEMAND, SNAP_START, events_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from vaultgate.broker import Broker
    from vaultgate.clock import Clock, Instant
    from vaultgate.log import Log
    from vaultgate.outlets.files import Files
    from vaultgate.outlets.sinks import Sinks
    from vaultgate.runtime_api import RuntimeApi

_PATIENCE_S = 5.0
# After waiting in vain, Next is called at once for this long; the work goes on beside the invocations.
_IN_VAIN_S = 30.0
# How often a sandbox that hears of no invocation looks whether something is due; most times nothing is.
_TIMER_S = 1.0
# And how often such a sandbox tells what happened.
_REPORT_S = 60.0


class Lifecycle:
    """Drives one extension through one sandbox.

    Args:
        start: `overlap`, `early` or `ready`, as VAULTGATE_START says.
        serve: makes the broker and opens the door; called once the time has come to spend time.
        files: makes the files' outlet for a broker; None where no files are to be written.
        sinks: makes the sinks' outlet for a broker; None where the token is not to be written.
        kind: how the sandbox came to be.
        report: called when an invocation begins and at the end, to tell what happened since.
        wake: called at each invocation, which proves that a snapshot was restored.
        patience_s: the longest that an init or an invocation is held up for our own work.
        timer_s: how often what is due is looked after where no invocation is heard of.
    """

    def __init__(
        self,
        api: RuntimeApi,
        start: str,
        serve: Callable[[], Broker],
        clock: Clock,
        log: Log,
        *,
        files: Callable[[Broker], Files] | None = None,
        sinks: Callable[[Broker], Sinks] | None = None,
        kind: str = ON_DEMAND,
        wake: Callable[[], None] = lambda: None,
        patience_s: float = _PATIENCE_S,
        timer_s: float = _TIMER_S,
        report: Callable[[Broker], None] | None = None,
    ) -> None:
        self._api = api
        self._start = start
        self._serve = serve
        self._clock = clock
        self._log = log
        self._open_files = files
        self._open_sinks = sinks
        self._sinks: Sinks | None = None
        self._kind = kind
        self._wake = wake
        self._patience_s = patience_s
        self._timer_s = timer_s
        self._report = report
        self._ended = threading.Event()
        self._in_vain: Instant | None = None

    def run(self) -> None:
        """Live until SHUTDOWN.

        Raises:
            VaultgateError: under `ready`, why there is no token or a file; otherwise only what Lambda's API raised.
        """
        if self._start != "ready" and not self._api.registered:
            self._api.register(events_of(self._kind))
        broker = self._serve()
        files = self._open_files(broker) if self._open_files is not None else None
        self._sinks = self._open_sinks(broker) if self._open_sinks is not None else None
        try:
            if self._start == "ready":
                deadline = self._clock.steady() + self._patience_s
                broker.token(deadline)
                if files is not None:
                    files.write(deadline)
                if self._sinks is not None:
                    self._sinks.tick()
                self._api.register(events_of(self._kind))
            elif self._kind != SNAP_START:
                self._see_to(broker, files, self._patience_s if self._start == "overlap" else 0.0)
            if self._kind == MANAGED:
                threading.Thread(target=self._keep_time, args=(broker, files), name="timer", daemon=True).start()
            self._serve_events(broker, files)
        finally:
            self._ended.set()
            if files is not None:
                files.remove()
            if self._sinks is not None:
                self._sinks.remove()
            self._tell(broker)
            broker.close()

    def _tell(self, broker: Broker) -> None:
        if self._report is not None:
            self._report(broker)

    def _serve_events(self, broker: Broker, files: Files | None) -> None:
        while True:
            event = self._api.next_event()
            if event.kind == "SHUTDOWN":
                self._log.info("shutdown", "the sandbox ends", reason=event.reason)
                return
            if event.kind == "INVOKE":
                self._tell(broker)
                self._wake()
                broker.invocation(event.deadline_ms)
                # To be frozen in the middle of a login costs more than a few milliseconds of this invocation.
                self._see_to(broker, files, min(self._patience_s, broker.deadline() - self._clock.steady()))

    def _keep_time(self, broker: Broker, files: Files | None) -> None:
        told = self._clock.now()
        while not self._ended.wait(self._timer_s):
            self._see_to(broker, files, 0.0)
            now = self._clock.now()
            if now.since(told) >= _REPORT_S:
                told = now
                self._tell(broker)

    def _see_to(self, broker: Broker, files: Files | None, seconds: float) -> None:
        """Begin what is due, and wait for its end no longer than this."""
        now = self._clock.now()
        if self._in_vain is not None and now.since(self._in_vain) < _IN_VAIN_S:
            seconds = 0.0
        end = now.steady + seconds
        work = broker.tick()
        if work is not None:
            work.join(max(0.0, seconds))
        changed = broker.changed()
        writing = files.tick(changed) if files is not None else None
        if writing is not None:
            writing.join(max(0.0, end - self._clock.steady()))
        if self._sinks is not None:
            self._sinks.tick()
        if seconds > 0 and any(one is not None and one.is_alive() for one in (work, writing)):
            self._in_vain = now
