"""A function that tells some of its environment variables."""

from __future__ import annotations

import os
from typing import Any


def handler(event: dict[str, Any], _context: object) -> dict[str, str | None]:
    """The variables that the event names."""
    return {name: os.environ.get(name) for name in event["names"]}
