"""What a reader gets beside the measurements: features, cost, verdicts.

Rules: pure; what was measured is never changed, only read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from vaultgate_ops.compare import cost, features, verdicts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vaultgate_ops.compare.prices import Prices

ADDED: Final = ("features", "cost", "verdicts")


def add(document: Mapping[str, Any], prices: Prices) -> dict[str, Any]:
    """A copy of a result's document with ``features``, ``cost`` and ``verdicts``; earlier ones are replaced.

    Args:
        document: as `result.Result.document` gives it.
        prices: that the calculator uses.
    """
    whole = {key: value for key, value in document.items() if key not in ADDED}
    whole["features"] = features.load()
    whole["cost"] = cost.reading(prices)
    whole["verdicts"] = verdicts.reading(whole, verdicts.load())
    return whole
