"""Entries out of what Vault's socket and syslog devices send.

Rules: pure; bytes in, entries out, each as Vault wrote it. A stream is cut at newlines or, where a frame begins with its
length, by that; what a syslog daemon puts before a message is taken away, what is not understood is kept whole.

Sources: RFC 6587 (octet counting and non-transparent framing), RFC 5424, RFC 3164.
"""

from __future__ import annotations

import re

LONGEST_FRAME = 64 * 1024 * 1024
"""What a sender may leave unfinished; more than Vault's largest entries."""

_COUNT = re.compile(rb"([1-9]\d{0,8}) ")
_PRIORITY = re.compile(rb"<\d{1,3}>")
_ELEMENT = rb'\[(?:[^\]"\\]|"(?:[^"\\]|\\.)*"|\\.)*\]'
_RFC5424 = re.compile(rb"1 (?:\S+ ){5}(?:-|(?:%b)+)(?: (?:\xef\xbb\xbf)?|$)" % _ELEMENT)
_RFC3164 = re.compile(rb"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d (?:[^\s\[]*[^\s\[:] )?[^\s:\[{]{1,48}(?:\[[^\]]*\])?: ?")


class TooLong(Exception):
    """A sender began a frame and doesn't end it."""


class Frames:
    """Cuts one connection's bytes.

    Args:
        counted: frames may begin with their length, as syslog's do.
    """

    def __init__(self, *, counted: bool) -> None:
        self._counted = counted
        self._rest = b""
        self._searched = 0

    @property
    def unfinished(self) -> bytes:
        """What was received of the next frame."""
        return self._rest

    def feed(self, received: bytes) -> list[bytes]:
        """The frames that are complete now.

        Raises:
            TooLong: the next one has no end in sight.
        """
        self._rest += received
        frames: list[bytes] = []
        while (frame := self._next()) is not None:
            frames.append(frame)
        if len(self._rest) > LONGEST_FRAME:
            raise TooLong
        return frames

    def _next(self) -> bytes | None:
        count = _COUNT.match(self._rest) if self._counted else None
        if count:
            end = count.end() + int(count[1])
            if len(self._rest) < end:
                return None
            frame, self._rest, self._searched = self._rest[count.end() : end], self._rest[end:], 0
            # What a counted frame carries may end in a newline, which is no part of the entry.
            return frame.removesuffix(b"\n")
        newline = self._rest.find(b"\n", self._searched)
        if newline < 0:
            self._searched = len(self._rest)
            return None
        frame, self._rest, self._searched = self._rest[:newline], self._rest[newline + 1 :], 0
        return frame


def entry_of(message: bytes) -> bytes:
    """What a syslog message says, without what stands before it."""
    priority = _PRIORITY.match(message)
    if priority is None:
        return message
    rest = message[priority.end() :]
    header = _RFC5424.match(rest) or _RFC3164.match(rest)
    return rest[header.end() :] if header else rest
