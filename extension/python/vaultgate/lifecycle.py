"""The order of events in a sandbox's life.

Rules: the port is bound before Lambda hears of us, so that a function can't come too early; Lambda hears of us before
we do anything slow, so that the function's init runs beside our login; Next is only called when nothing is under way
that a freeze would hurt, or when waiting longer would hurt more; files are seen to after the token and its leases, and by
what the broker says has changed; at SHUTDOWN they are removed, and the token is given back.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from vaultgate.broker import Broker
    from vaultgate.clock import Clock
    from vaultgate.log import Log
    from vaultgate.outlets.files import Files
    from vaultgate.runtime_api import RuntimeApi

EVENTS = ("INVOKE", "SHUTDOWN")
_INIT_S = 5.0


class Lifecycle:
    """Drives one extension through one sandbox.

    Args:
        start: `overlap`, `early` or `ready`, as VAULTGATE_START says.
        serve: makes the broker and opens the door; called once the time has come to spend time.
        files: makes the files' outlet for a broker; None where no files are to be written.
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
    ) -> None:
        self._api = api
        self._start = start
        self._serve = serve
        self._clock = clock
        self._log = log
        self._open_files = files

    def run(self) -> None:
        """Live until SHUTDOWN.

        Raises:
            VaultgateError: under `ready`, why there is no token or a file; otherwise only what Lambda's API raised.
        """
        if self._start != "ready":
            self._api.register(EVENTS)
        broker = self._serve()
        files = self._open_files(broker) if self._open_files is not None else None
        try:
            if self._start == "ready":
                deadline = self._clock.steady() + _INIT_S
                broker.token(deadline)
                if files is not None:
                    files.write(deadline)
                self._api.register(EVENTS)
            else:
                self._see_to(broker, files, _INIT_S if self._start == "overlap" else 0.0)
            self._serve_events(broker, files)
        finally:
            if files is not None:
                files.remove()
            broker.close()

    def _serve_events(self, broker: Broker, files: Files | None) -> None:
        while True:
            event = self._api.next_event()
            if event.kind == "SHUTDOWN":
                self._log.info("shutdown", "the sandbox ends", reason=event.reason)
                return
            if event.kind == "INVOKE":
                broker.invocation(event.deadline_ms)
                # To be frozen in the middle of a login costs more than a few milliseconds of this invocation.
                self._see_to(broker, files, broker.deadline() - self._clock.steady())

    def _see_to(self, broker: Broker, files: Files | None, seconds: float) -> None:
        """Begin what is due, and wait for its end no longer than this."""
        end = self._clock.steady() + seconds
        work = broker.tick()
        if work is not None:
            work.join(max(0.0, seconds))
        changed = broker.changed()
        writing = files.tick(changed) if files is not None else None
        if writing is not None:
            writing.join(max(0.0, end - self._clock.steady()))
