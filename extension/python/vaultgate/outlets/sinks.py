"""The sinks: our token in files, for a program that knows Vault but not the extension.

Rules: only where VAULTGATE_ALLOW_SINK says so; written whole or not at all, mode 0600 unless another was asked for; written
anew when the token is another one, taken away when there is none, and at the end.
"""

from __future__ import annotations

from vaultgate.disk import place, take_away
from vaultgate.errors import VaultgateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from vaultgate.broker import Broker
    from vaultgate.log import Log


class Sinks:
    """Keeps the files true. For one thread.

    Args:
        files: absolute path and permission bits of each.
        broker: has the token.
    """

    def __init__(self, files: Sequence[tuple[str, int]], broker: Broker, log: Log) -> None:
        self._files = files
        self._broker = broker
        self._log = log
        self._folders: list[str] = []
        self._written: str | None = None

    def tick(self) -> None:
        """Write the token where it isn't written yet. A file that can't be written is logged, and tried again next time."""
        token = self._broker.current_token()
        name = token.name if token is not None else None
        if name == self._written:
            return
        if token is None:
            take_away([file for file, _ in self._files])
            self._written = None
            return
        try:
            for file, mode in self._files:
                place(file, token.secret.reveal().encode(), mode, self._folders)
        except VaultgateError as error:
            self._log.error("sink-failed", error.message, code=error.code, hint=error.hint)
            return
        self._written = name
        self._log.info("sink-written", "the token was written to a sink", files=len(self._files), accessor=token.accessor)

    def remove(self) -> None:
        """Take every file away, and the folders that were made for them."""
        for words in take_away([file for file, _ in self._files], self._folders):
            self._log.warn("file-left", f"a sink could not be removed: {words}")
