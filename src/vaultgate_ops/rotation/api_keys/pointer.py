"""JSON pointers: where something is in an API's answer.

Rules: pure; an error names the pointer and never what it was looked for in.
Source: RFC 6901, "JavaScript Object Notation (JSON) Pointer", sections 3 to 5 and 7.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_SYNTAX = re.compile(r"(/([^~/]|~[01])*)*")
_INDEX = re.compile(r"0|[1-9][0-9]{0,9}", re.ASCII)


class Nowhere(LookupError):
    """The document has nothing there."""


@dataclass(frozen=True)
class Pointer:
    """A place in a JSON document.

    Attributes:
        text: as it was given; empty for the whole document.
        steps: names or indices to follow, unescaped.
    """

    text: str
    steps: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Pointer:
        """Read a pointer's text.

        Raises:
            ValueError: it has no slash at its beginning, or a ``~`` that is followed by neither 0 nor 1.
        """
        return cls(text, _steps(text))

    def find(self, document: Any) -> Any:
        """What is there.

        Raises:
            Nowhere: nothing; also for ``-``, the element after an array's last.
        """
        found = document
        for step in self.steps:
            found = _child(found, step, self.text)
        return found


def _steps(text: str) -> tuple[str, ...]:
    if not _SYNTAX.fullmatch(text):
        raise ValueError("no JSON pointer")
    # In this order: ~01 is ~1, not a slash.
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in text.split("/")[1:])


def _child(of: Any, step: str, text: str) -> Any:
    if isinstance(of, dict) and step in of:
        return of[step]
    if isinstance(of, list) and _INDEX.fullmatch(step) and int(step) < len(of):
        return of[int(step)]
    raise Nowhere(text)
