"""What the servers of a stack have in common: one process, one port on 127.0.0.1, one log."""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from vaultgate_ops.errors import Unreachable
from vaultgate_ops.local import markers, processes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from vaultgate_ops.clock import Clock


class Part(ABC):
    """One server of a stack.

    Args:
        stack: the stack's folder; everything of the part's goes to the folder of its name there.
        clock: for waiting.
        port: where it listens on 127.0.0.1; 0 until one has been chosen.
    """

    name: str

    def __init__(self, stack: Path, clock: Clock, port: int = 0) -> None:
        self.port = port
        self._stack, self._clock = stack, clock
        self._folder = stack / self.name
        self._process: processes.Process | None = None

    @property
    def log_file(self) -> Path:
        """What the server printed."""
        return processes.log_file(self._stack, self.name)

    @abstractmethod
    def healthy(self) -> bool:
        """Whether it answers as it should."""

    def stop(self) -> None:
        """End it; what it stored stays. Fine when it doesn't run."""
        markers.end(self._stack, self.name, clock=self._clock)
        if self._process is not None:
            self._process.reap()
            self._process = None

    def kill(self) -> None:
        """End it as a power cut would: nothing is given back, nobody is told."""
        for found in markers.find(self._stack, self.name):
            found.identity.send(signal.SIGKILL)
        if self._process is not None:
            self._process.reap()
            self._process = None

    def _launch(
        self,
        argv: Sequence[str | Path],
        *,
        ready: Callable[[], bool] | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        """Start its process, and wait until ``ready()``, by default until it is healthy.

        Raises:
            Unreachable: it did not come up; the message quotes its log.
        """
        if self._process is not None:
            self._process.reap()
        self._process = processes.start(self.name, argv, self._stack, extra=extra)
        self._await(ready or self.healthy)

    def _await(self, ready: Callable[[], bool]) -> None:
        """Wait until ``ready()``, as long as the process lives.

        Raises:
            Unreachable: it ended, or it took too long; the message quotes its log.
        """
        if self._process is None:
            raise Unreachable(f"{self.name} is not running.", "Start it first.")
        self._process.await_ready(ready, self._clock)
