"""The order of events in a sandbox's life.

Rules: the port is bound before Lambda hears of us, so that a function can't come too early; Lambda hears of us before
we do anything slow, so that the function's init runs beside our login; Next is only called when nothing is under way
that a freeze would hurt, or when waiting longer would hurt more; at SHUTDOWN the token is given back.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from vaultgate.broker import Broker
    from vaultgate.clock import Clock
    from vaultgate.log import Log
    from vaultgate.runtime_api import RuntimeApi

EVENTS = ("INVOKE", "SHUTDOWN")
_INIT_S = 5.0


class Lifecycle:
    """Drives one extension through one sandbox.

    Args:
        start: `overlap`, `early` or `ready`, as VAULTGATE_START says.
        serve: makes the broker and opens the door; called once the time has come to spend time.
    """

    def __init__(self, api: RuntimeApi, start: str, serve: Callable[[], Broker], clock: Clock, log: Log) -> None:
        self._api = api
        self._start = start
        self._serve = serve
        self._clock = clock
        self._log = log

    def run(self) -> None:
        """Live until SHUTDOWN.

        Raises:
            VaultgateError: under `ready`, what the first login raised; otherwise only what Lambda's API raised.
        """
        if self._start == "ready":
            broker = self._serve()
            broker.token(self._clock.steady() + _INIT_S)
            self._api.register(EVENTS)
        else:
            self._api.register(EVENTS)
            broker = self._serve()
            login = broker.tick()
            if login is not None and self._start == "overlap":
                login.join(_INIT_S)
        while True:
            event = self._api.next_event()
            if event.kind == "SHUTDOWN":
                self._log.info("shutdown", "the sandbox ends", reason=event.reason)
                broker.close()
                return
            if event.kind == "INVOKE":
                broker.invocation(event.deadline_ms)
                work = broker.tick()
                if work is not None:
                    # To be frozen in the middle of a login costs more than a few milliseconds of this invocation.
                    work.join(max(0.0, broker.deadline() - self._clock.steady()))
