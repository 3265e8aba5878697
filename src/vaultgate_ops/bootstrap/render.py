"""A plan in words.

Rules: pure; lines of text, no colours. ``+`` is made, ``~`` is changed, ``-`` is taken out (of a list or a text: bootstrap
removes nothing else). What a `FieldChange` doesn't show can't be shown here.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from vaultgate_ops.bootstrap.model import Change, FieldChange

_SIGNS: Final = {"create": "+", "update": "~"}
_NOTHING: Final = "(nothing)"


def plan_lines(changes: Sequence[Change]) -> list[str]:
    """Tell all changes, each with its fields, and the count at the end."""
    lines: list[str] = []
    for change in changes:
        lines.append(f"{_SIGNS[change.action]} {change.path}  ({change.kind})")
        width = max((len(field.name) for field in change.fields), default=0)
        for field in change.fields:
            lines.extend(f"    {line}" for line in _field_lines(field, width))
    lines.append(summary(changes))
    return lines


def summary(changes: Sequence[Change]) -> str:
    """Count them: ``3 changes (2 to create, 1 to update)``."""
    count = len(changes)
    made = sum(change.action == "create" for change in changes)
    parts = [f"{made} to create"] * bool(made) + [f"{count - made} to update"] * bool(count - made)
    return f"{count} change{'' if count == 1 else 's'}" + (f" ({', '.join(parts)})" if parts else "")


def _field_lines(field: FieldChange, width: int) -> Iterator[str]:
    name = field.name.ljust(width)
    if field.before is None:
        first, *more = field.after.splitlines() or [_NOTHING]
        if not more:
            yield f"+ {name}  {first}"
        else:
            yield f"+ {field.name}"
            yield from (f"    + {line}".rstrip() for line in (first, *more))
    elif "\n" in field.before + field.after:
        yield f"~ {field.name}"
        yield from (f"    {line}" for line in _compared(field.before.splitlines(), field.after.splitlines()))
    else:
        yield f"~ {name}  {field.before or _NOTHING} -> {field.after or _NOTHING}"


def _compared(before: Iterable[str], after: Iterable[str]) -> Iterator[str]:
    for line in difflib.ndiff([*before], [*after]):
        if not line.startswith("?"):
            yield line.rstrip()
