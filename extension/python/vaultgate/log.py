"""JSON lines about what happened: `ts`, `level`, `event`, `message` and fields.

Rules: one line, one write, so that lines of several threads never mix; a `Secret` among the fields prints as stars;
`event` is a stable word that can be searched for, `message` is for people.
"""

from __future__ import annotations

import json

from vaultgate.clock import Clock, rfc3339
from vaultgate.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TextIO

    from vaultgate.errors import VaultgateError

    Hearing = Callable[[str, Mapping[str, object]], None]

LEVELS = ("trace", "debug", "info", "warn", "error", "off")


class Log:
    """Writes lines at or above a level to a stream.

    Args:
        stream: where the lines go; Lambda collects an extension's stdout.
        level: one of `LEVELS`; lower ones are dropped.
        hear: told of every event and its fields, also of those that are dropped.
    """

    def __init__(self, stream: TextIO, level: str, clock: Clock, hear: Hearing | None = None) -> None:
        self._stream = stream
        self._threshold = LEVELS.index(level)
        self._clock = clock
        self._hear = hear

    def debug(self, event: str, message: str, **fields: object) -> None:
        """Tell something that explains a behaviour."""
        self._write("debug", event, message, fields)

    def info(self, event: str, message: str, **fields: object) -> None:
        """Tell something that happens once or twice in a sandbox's life."""
        self._write("info", event, message, fields)

    def warn(self, event: str, message: str, **fields: object) -> None:
        """Tell something that an operator should look into."""
        self._write("warn", event, message, fields)

    def error(self, event: str, message: str, **fields: object) -> None:
        """Tell something that failed."""
        self._write("error", event, message, fields)

    def failure(self, error: VaultgateError) -> None:
        """Tell of an error of ours, by its code."""
        fields = {"problems": error.problems} if isinstance(error, ConfigurationError) else {"hint": error.hint}
        self._write("error", error.code, error.message, fields)

    def _write(self, level: str, event: str, message: str, fields: Mapping[str, object]) -> None:
        if self._hear is not None:
            self._hear(event, fields)
        if LEVELS.index(level) < self._threshold:
            return
        line = {"ts": rfc3339(self._clock.wall()), "level": level, "event": event, "message": message, **fields}
        self._stream.write(json.dumps(line, default=str) + "\n")
        self._stream.flush()
