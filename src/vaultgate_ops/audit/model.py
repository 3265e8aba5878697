"""The words that both halves of the mirror share: the side of the files and the side of CloudWatch Logs.

Rules: offsets are bytes from the beginning of a file, of the decompressed one where it is gzipped; nothing here does I/O.
A file's identity never changes once it has one: it has none until its first line is there, so no line is ever sent under an
identity that grows.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import NamedTuple, Protocol

HEAD_BYTES = 65_536
"""How much of a file's beginning tells it from another one that got its inode: its first line, at most this much of it.

Not 1 KiB: two requests of one token differ in their ids and times only, and those stand behind the token's policies.
"""

LONGEST_MESSAGE = 1_048_550
"""Bytes of the longest event that PutLogEvents takes: a batch of 1,048,576 bytes less the 26 that each event counts for."""


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """Which file it is, whatever its name.

    Attributes:
        device, inode: as stat(2) gives them.
        head: SHA-256 in hex of the file's first ``head_bytes`` bytes.
        head_bytes: the first line with its newline, at most `HEAD_BYTES`; less only for a file that ended within its first line.
    """

    device: int
    inode: int
    head: str
    head_bytes: int

    @classmethod
    def of(cls, device: int, inode: int, beginning: bytes, *, ended: bool = False) -> FileIdentity | None:
        """The identity of a file that begins so; None while its first line is not complete.

        Args:
            device: as stat(2) gives it.
            inode: likewise.
            beginning: the file's first bytes, `HEAD_BYTES` of them where there are so many.
            ended: nobody will append to it any more, so what is there of a first line is all there will be.
        """
        newline = beginning.find(b"\n", 0, HEAD_BYTES)
        if newline < 0 and len(beginning) < HEAD_BYTES and not (ended and beginning):
            return None
        head = beginning[: newline + 1] if newline >= 0 else beginning[:HEAD_BYTES]
        return cls(device, inode, hashlib.sha256(head).hexdigest(), len(head))

    def begins(self, beginning: bytes) -> bool:
        """Whether a file with these first bytes has this head."""
        return len(beginning) >= self.head_bytes and hashlib.sha256(beginning[: self.head_bytes]).hexdigest() == self.head


class Entry(NamedTuple):
    """One line of a file, or the fragment before an entry that was glued to it.

    Attributes:
        start, end: its place, the newline included: [start, end).
        line: its bytes without the newline; None where it is longer than `LONGEST_MESSAGE`, the sender reads it by itself.
        torn: no newline follows it, for it is a fragment: the next entry of the span, glued to it, is the rest of its line,
            or the file ended here.
    """

    start: int
    end: int
    line: bytes | None
    torn: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """What a reader hands on: entries that follow each other in one file, without a gap.

    Attributes:
        identity: of the file.
        entries: at least one.
    """

    identity: FileIdentity
    entries: list[Entry]

    @property
    def start(self) -> int:
        """Offset of the first byte."""
        return self.entries[0].start

    @property
    def end(self) -> int:
        """Offset behind the last byte."""
        return self.entries[-1].end


@dataclass(frozen=True, slots=True)
class Position:
    """How far a file is in CloudWatch Logs.

    Attributes:
        identity: of the file.
        offset: everything before it is there.
        lines: how many entries that are, fragments counted.
        chain: the state of the stream's running hash there, opaque to everybody but the sender.
    """

    identity: FileIdentity
    offset: int = 0
    lines: int = 0
    chain: str = ""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where one device of one node goes: a log group and a stream in it, and the stream of its proof events."""

    group: str
    stream: str

    @property
    def proof_stream(self) -> str:
        """Name of the stream with the evidence."""
        return f"{self.stream}.proof"


class Reader(Protocol):
    """Somebody who can read a file again where it was read before."""

    def pread(self, start: int, length: int) -> bytes:
        """Up to ``length`` bytes at ``start``; fewer only at the end of the file.

        Safe for threads.

        Raises:
            OSError: the file can't be read.
        """


class Sender(Protocol):
    """Who brings entries to CloudWatch Logs, in the order of the offers."""

    def begin(self, position: Position) -> None:
        """The next offers are of this file, from this position on.

        Called before the first offer and at each change of files; the chain is that of the last acknowledged position, of
        whatever file.
        """

    def offer(self, span: Span, reader: Reader) -> None:
        """Take over a span; waits while too much is under way. The reader stays open until the span is acknowledged."""

    def acknowledged(self) -> Position | None:
        """The last position, in the order of the offers, up to which everything is in CloudWatch Logs; None before the first."""

    def flush(self, deadline: float) -> bool:
        """Send what was taken over; whether all of it was acknowledged before ``deadline`` on the steady clock."""

    def close(self) -> None:
        """Let go of connections and threads; what was not acknowledged stays so."""
