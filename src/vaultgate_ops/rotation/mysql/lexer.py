"""Cuts what a server shows of an account or a grant into words.

Rules: names and texts come out unquoted and marked as such, so that a user called ``TO`` is no keyword; anything that isn't
understood is an error, never left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vaultgate_ops.rotation.errors import RotationError

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN = re.compile(
    r"\s*(?:`(?P<name>(?:[^`]|``)*)`|'(?P<text>(?:[^'\\]|''|\\.)*)'|(?P<word>[A-Za-z0-9_$.]+)|(?P<mark>[@(),*:]|-))", re.DOTALL
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "Z": "\x1a"}


@dataclass(frozen=True)
class Token:
    """One word.

    Attributes:
        kind: ``name`` (in backticks), ``text`` (in quotes), ``word`` or ``mark``.
        value: without its quotes; a word in upper case.
    """

    kind: str
    value: str


class Tokens:
    """A line's words, taken from the front.

    Args:
        line: as the server shows it.
    """

    def __init__(self, line: str) -> None:
        self._rest = list(_cut(line))

    def __bool__(self) -> bool:
        """Whether there are more."""
        return bool(self._rest)

    def accept(self, *words: str) -> bool:
        """Take these words if they come next."""
        head = self._rest[: len(words)]
        if [token.value if token.kind in {"word", "mark"} else None for token in head] != list(words):
            return False
        del self._rest[: len(words)]
        return True

    def expect(self, *words: str) -> None:
        """Take these words, which must come next."""
        if not self.accept(*words):
            raise unreadable()

    def take(self, *kinds: str) -> str:
        """Take the next word, which must be of one of these kinds."""
        if not self._rest or self._rest[0].kind not in kinds:
            raise unreadable()
        return self._rest.pop(0).value

    def take_if(self, *kinds: str) -> str | None:
        """Take the next word if it is of one of these kinds."""
        return self._rest.pop(0).value if self._rest and self._rest[0].kind in kinds else None


def _cut(line: str) -> Iterator[Token]:
    at = 0
    line = line.rstrip()
    while at < len(line):
        found = _TOKEN.match(line, at)
        if found is None:
            raise unreadable()
        at = found.end()
        kind = str(found.lastgroup)
        value = found[kind]
        if kind == "name":
            value = value.replace("``", "`")
        elif kind == "text":
            value = re.sub(r"''|\\(.)", lambda part: _ESCAPES.get(part[1], part[1]) if part[1] else "'", value, flags=re.DOTALL)
        elif kind == "word":
            value = value.upper()
        yield Token(kind, value)


def unreadable() -> RotationError:
    """The server showed something that this code doesn't know; its text stays out, it may hold a hash."""
    return RotationError(
        "grants-unreadable",
        "The server describes an account or a grant in a way that isn't understood here.",
        "Use the strategy dual or single, and please report the server's version and the kind of grant.",
    )
