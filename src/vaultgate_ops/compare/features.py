"""What each store can do, every cell with what backs it.

Rules: the cells stand in features.yaml. What a test of this repository shows is tagged ``measured-here`` and names the test; what
documentation says is tagged ``published``, with its address and day.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Final

import yaml

CAN: Final = ("full", "partly", "none")


def load() -> dict[str, Any]:
    """The matrix, as it stands in a result: ``{"date", "stores", "rows": [{"id", "title", "cells": {store: cell}}]}``.

    A cell is ``{"can", "text", "tag", "source": {"url", "title", "date"} or {"test"}}``.
    """
    raw = yaml.safe_load((files("vaultgate_ops.compare") / "features.yaml").read_text(encoding="utf-8"))
    day = str(raw["date"])
    rows = [
        {
            "id": row["id"],
            "title": row["title"],
            "cells": {store: _cell(row["cells"][store], day) for store in raw["stores"]},
        }
        for row in raw["rows"]
    ]
    return {"date": day, "stores": raw["stores"], "rows": rows}


def _cell(raw: dict[str, str], day: str) -> dict[str, Any]:
    source = raw["source"]
    seen = source.startswith("tests/")
    return {
        "can": raw["can"],
        "text": raw["text"],
        "tag": "measured-here" if seen else "published",
        "source": {"test": source} if seen else {"url": source, "title": "documentation", "date": day},
    }
