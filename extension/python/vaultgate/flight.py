"""One call for many: who leads makes it, everybody else waits for its landing."""

from __future__ import annotations

import threading

from vaultgate.errors import DeadlineExceeded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vaultgate.cache import Entry
    from vaultgate.errors import VaultgateError
    from vaultgate.model import Answer


class Flight:
    """One call under way.

    Attributes:
        answer: what it brought, for those who wait; None for a login.
        entry: the same as it is kept, if it is.
    """

    def __init__(self) -> None:
        self._landed = threading.Event()
        self._error: VaultgateError | None = None
        self.answer: Answer | None = None
        self.entry: Entry | None = None

    def land(self) -> None:
        """Let everybody go on."""
        self._landed.set()

    def fail(self, error: VaultgateError) -> None:
        """Let everybody go on with this error."""
        self._error = error
        self._landed.set()

    def wait(self, seconds: float) -> None:
        """Wait for the landing.

        Raises:
            VaultgateError: what the call raised.
            DeadlineExceeded: it is still under way.
        """
        if not self._landed.wait(max(0.0, seconds)):
            raise DeadlineExceeded("another request for the same thing did not end in time")
        if self._error is not None:
            raise self._error
