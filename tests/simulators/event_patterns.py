"""EventBridge's event patterns, as far as template.yaml uses them; moto can't try one against an event.

Rules: every key of a pattern must be in the event; a list means any of these; what isn't known here is an error. A rule in the
ordinary state never sees a management event of CloudTrail's that only reads.

Sources: "Creating Amazon EventBridge event patterns", "Comparison operators", and "Receiving read-only management events from
AWS services" of the Amazon EventBridge user guide.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_ALL = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
_READING = ("Describe", "Get", "List")


def delivered(rule: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Whether a rule's targets get an event.

    Args:
        rule: properties of an ``AWS::Events::Rule``.
        event: as it stands on the default bus.
    """
    reads = event["detail-type"] == "AWS API Call via CloudTrail" and event["detail"]["eventName"].startswith(_READING)
    if rule["State"] == "DISABLED" or (reads and rule["State"] != _ALL):
        return False
    return matches(rule["EventPattern"], event)


def matches(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Whether an event has all that a pattern asks for."""
    for key, wanted in pattern.items():
        if key.startswith("$"):
            raise NotImplementedError(key)
        found = event.get(key)
        if isinstance(wanted, dict):
            if not isinstance(found, dict) or not matches(wanted, found):
                return False
        elif not any(_fits(one, found) for one in wanted):
            return False
    return True


def _fits(wanted: Any, found: Any) -> bool:
    if not isinstance(wanted, dict):
        return bool(wanted == found)
    ((operator, text),) = wanted.items()
    if operator != "wildcard":
        raise NotImplementedError(operator)
    pattern = ".*".join(re.escape(part) for part in text.split("*"))
    return isinstance(found, str) and re.fullmatch(pattern, found, re.DOTALL) is not None
