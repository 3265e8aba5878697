"""The extension's part inside a process that has no extension beside it: a script on a laptop, a container, a test.

Rules: whether it stands in is the environment's word alone, never a guess at who listens; settings, login, cache, leases and the
paths that are denied are the extension's own modules; nothing is asked of Vault before the first read; at the process's end the
token is given back; a forked child begins anew and leaves its parent's token to the parent.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading

from vaultgate import config, guard
from vaultgate.assembly import broker_of
from vaultgate.log import Log
from vaultgate.transport import Connections, require_readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from vaultgate.broker import Broker
    from vaultgate.clock import Clock
    from vaultgate.config import Config
    from vaultgate.generation import Seen
    from vaultgate.model import Answer, Origin, Request


class Alone:
    """Answers what the client asks, and tells it what was taken back. Safe for threads, and after a fork.

    Args:
        environ: the extension's settings, and the AWS keys where the login needs them; judged at the first request.
        clock: for everything.
    """

    def __init__(self, environ: Mapping[str, str], clock: Clock) -> None:
        self._environ = environ
        self._clock = clock
        self._lock = threading.Lock()
        self._settings: Config | None = None
        self._broker: Broker | None = None
        self._networks: tuple[Connections, ...] = ()
        self._generation = 0
        os.register_at_fork(after_in_child=self._part_from_parent)
        atexit.register(self.close)

    def exchange(self, _origin: Origin, request: Request, _deadline: float) -> Answer:
        """Answer a request as the extension's proxy would; errors are raised as they are.

        Raises:
            ConfigurationError: with all that is wrong with the settings.
            Refused: for a path that the extension's guard denies too.
            VaultgateError: there is no answer of Vault's.
        """
        settings, broker = self._current()
        guard.check_path(request, settings.allow, settings.deny)
        return broker.answer(request, broker.deadline())

    def look(self) -> Seen | None:
        """What tells this generation from any other; on the way, what is due is seen to, beside the caller."""
        with self._lock:
            if self._broker is not None:
                self._broker.tick()
        return os.getpid(), self._generation, 0

    def close(self) -> None:
        """Give the token back, within a second; Vault ends its leases by itself. The next read would log in anew."""
        with self._lock:
            broker, self._broker = self._broker, None
            networks, self._networks = self._networks, ()
        if broker is not None:
            broker.close()
        for network in networks:
            network.close()

    def _current(self) -> tuple[Config, Broker]:
        with self._lock:
            settings = self._settings
            if settings is None:
                settings = config.load(self._environ)
                require_readable(settings.tls)
                self._settings = settings
            if self._broker is None:
                # A library is quiet unless it is asked to speak, and never on the program's own output.
                log = Log(sys.stderr, settings.log_level if self._environ.get("VAULT_LOG_LEVEL") else "warn", self._clock)
                networks = Connections(self._clock, settings.tls), Connections(self._clock)
                self._networks = networks
                if "multiprocessing.util" in sys.modules:
                    from multiprocessing.util import Finalize  # noqa: PLC0415 - its children have a list of their own for `atexit`

                    Finalize(None, self.close, exitpriority=0)
                self._broker = broker_of(
                    settings, self._environ, self._clock, log, invalidated=self._take_back, networks=networks
                )
            return settings, self._broker

    def _take_back(self) -> None:
        self._generation += 1

    def _part_from_parent(self) -> None:
        """After a fork: the lock may be held by a thread that is not here, and the token is the parent's."""
        self._lock = threading.Lock()
        self._broker, networks, self._networks = None, self._networks, ()
        for network in networks:
            network.close()
