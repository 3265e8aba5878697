"""CloudWatch Logs' filter patterns for JSON events, as far as template.yaml uses them; moto can't evaluate any.

Rules: a field that is not there matches nothing, not even ``!=``; ``*`` in a quoted value stands for any characters.

Source: "Filter pattern syntax for metric filters", section "Metric filters and JSON log events", of the Amazon CloudWatch
Logs user guide.
"""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from typing import Any

_TOKENS = re.compile(r'\s*(\(|\)|&&|\|\||!=|=|\$(?:\.\w+|\[\d+\])+|"(?:[^"\\]|\\.)*")')


class FilterPattern:
    """A pattern.

    Args:
        text: it, braces included.

    Raises:
        ValueError: it is not in the subset that is known here.
    """

    def __init__(self, text: str) -> None:
        inner = text.strip()
        if not (inner.startswith("{") and inner.endswith("}")):
            raise ValueError(f"a pattern for JSON stands in braces: {text}")
        inner, place = inner[1:-1].rstrip(), 0
        self._tokens: list[str] = []
        while place < len(inner):
            found = _TOKENS.match(inner, place)
            if found is None:
                raise ValueError(f"not understood: {inner[place:]}")
            self._tokens.append(found[1])
            place = found.end()

    def matches(self, message: str) -> bool:
        """Whether an event matches; one that is no JSON never does."""
        try:
            document = json.loads(message)
        except ValueError:
            return False
        value, rest = _either(self._tokens, document)
        if rest:
            raise ValueError(f"left over: {rest}")
        return value


def _either(tokens: list[str], document: Any) -> tuple[bool, list[str]]:
    value, rest = _both(tokens, document)
    while rest and rest[0] == "||":
        other, rest = _both(rest[1:], document)
        value = value or other
    return value, rest


def _both(tokens: list[str], document: Any) -> tuple[bool, list[str]]:
    value, rest = _term(tokens, document)
    while rest and rest[0] == "&&":
        other, rest = _term(rest[1:], document)
        value = value and other
    return value, rest


def _term(tokens: list[str], document: Any) -> tuple[bool, list[str]]:
    if tokens[0] == "(":
        value, rest = _either(tokens[1:], document)
        return value, rest[1:]
    selector, operator, quoted, *rest = tokens
    found = _select(document, selector)
    equal = isinstance(found, str) and fnmatchcase(found, json.loads(quoted).replace("[", "[[]"))
    return (equal if operator == "=" else found is not None and not equal), rest


def _select(document: Any, selector: str) -> Any:
    for name, index in re.findall(r"\.(\w+)|\[(\d+)\]", selector):
        if name:
            document = document.get(name) if isinstance(document, dict) else None
        else:
            document = document[int(index)] if isinstance(document, list) and len(document) > int(index) else None
    return document
