"""A sender in memory: what a mirror offers is there at once, and can be looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vaultgate_ops.audit.model import Position

if TYPE_CHECKING:
    from collections.abc import Callable

    from vaultgate_ops.audit.model import FileIdentity, Reader, Span

_WINDOW = 1 << 20


class Recorder:
    """Model.Sender for tests.

    Args:
        broken: called before each long line is read; may raise.

    Attributes:
        lines: that arrived, in their order; of one that is too long for an event its length and its ends.
        torn: which of them are fragments, by number.
        starts: the offsets at which files were begun.
        held: keep what is offered unacknowledged.
    """

    def __init__(self, broken: Callable[[], None] = lambda: None) -> None:
        self.lines: list[bytes] = []
        self.torn: list[int] = []
        self.starts: list[int] = []
        self.held = False
        self._broken = broken
        self._counts: dict[FileIdentity, int] = {}
        self._position: Position | None = None

    def begin(self, position: Position) -> None:
        self.starts.append(position.offset)
        self._counts[position.identity] = position.lines

    def offer(self, span: Span, reader: Reader) -> None:
        for entry in span.entries:
            if entry.torn:
                self.torn.append(len(self.lines))
            if entry.line is None:
                self._broken()
                length = entry.end - entry.start - (not entry.torn)
                read = sum(len(reader.pread(entry.start + at, min(_WINDOW, length - at))) for at in range(0, length, _WINDOW))
                ends = reader.pread(entry.start, 5) + b".." + reader.pread(entry.start + length - 5, 5)
                self.lines.append(b"%d %s" % (read, ends))
            else:
                self.lines.append(entry.line)
        self._counts[span.identity] += len(span.entries)
        if not self.held:
            self._position = Position(span.identity, span.end, self._counts[span.identity], f"chain {span.end}")

    def acknowledged(self) -> Position | None:
        return self._position

    def flush(self, deadline: float) -> bool:  # noqa: ARG002 - the protocol's shape
        return not self.held

    def close(self) -> None:
        """Nothing to close."""
