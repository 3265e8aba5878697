"""The hand-made result that readings and reports are tested with; nothing in it was ever measured."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from vaultgate_ops.compare import prices, readings

SYNTHETIC = Path(__file__).with_name("synthetic.json")


def measured() -> dict[str, Any]:
    """As a comparison leaves it."""
    document: dict[str, Any] = json.loads(SYNTHETIC.read_text(encoding="utf-8"))
    return document


@cache
def _whole() -> str:
    return json.dumps(readings.add(measured(), prices.load()))


def whole() -> dict[str, Any]:
    """With features, cost and verdicts; a copy for each who asks."""
    document: dict[str, Any] = json.loads(_whole())
    return document


def resolve(document: object, pointer: str) -> Any:
    """RFC 6901, written a second time, so that the page's own reading isn't its judge."""
    assert pointer.startswith("/"), pointer
    here: Any = document
    for token in pointer[1:].split("/"):
        key = token.replace("~1", "/").replace("~0", "~")
        here = here[int(key) if isinstance(here, list) else key]
    return here
