"""What IAM makes of a role's policies, for one action on one resource; moto looks at the actions alone.

Rules: what isn't allowed is denied, and a denial counts before whatever allows. Stars and question marks stand for what they do
in IAM, in actions and resources. A statement with a condition is an error, not a guess.

Source: "Policy evaluation logic" and "IAM JSON policy elements" of the IAM user guide.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def allows(statements: Iterable[Mapping[str, Any]], action: str, resource: str) -> bool:
    """Whether a role with these statements may do something."""
    found = {one["Effect"] for one in statements if _about(one, action, resource)}
    return found == {"Allow"}


def _about(statement: Mapping[str, Any], action: str, resource: str) -> bool:
    about = _any(statement["Action"], action, re.IGNORECASE) and _any(statement["Resource"], resource)
    if about and "Condition" in statement:
        raise NotImplementedError(str(statement["Condition"]))
    return about


def _any(patterns: str | list[str], text: str, flags: int = 0) -> bool:
    return any(_matches(pattern, text, flags) for pattern in ([patterns] if isinstance(patterns, str) else patterns))


def _matches(pattern: str, text: str, flags: int) -> bool:
    plain = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(plain, text, flags | re.DOTALL) is not None
