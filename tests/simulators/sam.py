"""What SAM's transform makes of a template, by AWS's own translator.

Rules: as after `sam package`, whatever is built lies in a bucket; nothing is asked of AWS.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from samtranslator.translator.transform import transform

_PACKAGED = {
    "CodeUri": "s3://packages/0123",
    "ContentUri": "s3://packages/4567",
    "Location": "https://s3.us-east-1.amazonaws.com/packages/89ab",
}


class _NoManagedPolicies:
    """AWS's policies by name; none of our templates uses one."""

    def load(self) -> dict[str, str]:
        """Name to ARN."""
        return {}


def transformed(template: dict[str, Any], **parameters: str) -> dict[str, Any]:
    """A template without anything that only SAM knows.

    Args:
        template: from `cloudformation.read`; it stays as it is.
        parameters: those that differ from their default.
    """
    packaged = deepcopy(template)
    for one in packaged["Resources"].values():
        properties = one.get("Properties", {})
        properties.update({name: place for name, place in _PACKAGED.items() if name in properties})
    made: dict[str, Any] = transform(packaged, {"AWS::Region": "us-east-1", **parameters}, _NoManagedPolicies())
    return made
