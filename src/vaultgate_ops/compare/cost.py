"""What each way of keeping secrets costs in a month: one rule that adds up a table of monomials.

Rules: pure. Every amount is ``usd for one unit x max(0, coefficient x variables - free)``, so that the page's script, which gets
this very table as JSON, can't come to another sum: there is no second formula to keep in step. A step (Parameter Store's
higher throughput) is a part that counts only above a limit. A scenario with a price that nobody publishes has no total.

What is left out is said in `bills.LEFT_OUT`, not hidden in a round number.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from vaultgate_ops.compare.bills import ASSUMPTIONS, LEFT_OUT, SCENARIOS, USAGES, VARIABLES, Scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vaultgate_ops.compare.prices import Prices

MOST_SECRETS: Final = 1_000_000
"""How far a break-even is looked for."""


def table(prices: Prices) -> dict[str, Any]:
    """Everything the sum needs, as JSON values; the page's script gets the same."""
    return {
        **prices.as_json(),
        "variables": [{**asdict(variable), "stops": list(variable.stops)} for variable in VARIABLES],
        "assumptions": list(ASSUMPTIONS),
        "left_out": list(LEFT_OUT),
        "scenarios": [_scenario(scenario, prices) for scenario in SCENARIOS],
    }


def _scenario(scenario: Scenario, prices: Prices) -> dict[str, Any]:
    parts: list[dict[str, Any]] = []
    for part in scenario.parts:
        price = prices.by_id.get(part.price)
        parts.append(
            {
                "title": part.title,
                "price": part.price or None,
                "usd_each": 1.0 if price is None else price.each(),
                "coefficient": part.coefficient,
                "factors": list(part.factors),
                "free": part.free + (0 if price is None else price.free),
                "above": None if part.above is None else {**asdict(part.above), "factors": list(part.above.factors)},
            }
        )
    missing = sorted({part["price"] for part in parts if part["usd_each"] is None})
    return {
        "id": scenario.id,
        "store": scenario.store,
        "title": scenario.title,
        "why_not": f"nobody publishes {' and '.join(missing)}: put your quote into a prices file" if missing else None,
        "parts": parts,
    }


def defaults() -> dict[str, float]:
    """Each variable at its default."""
    return {variable.id: variable.default for variable in VARIABLES}


def product(coefficient: float, factors: Sequence[str], at: Mapping[str, float]) -> float:
    """A monomial, multiplied from left to right, as the page's script does it."""
    for factor in factors:
        coefficient *= at[factor]
    return coefficient


def amount(part: Mapping[str, Any], at: Mapping[str, float]) -> float:
    """What one part costs in a month, in USD; its price must be known."""
    above = part["above"]
    if above is not None and product(above["coefficient"], above["factors"], at) <= above["limit"]:
        return 0.0
    return float(max(0.0, product(part["coefficient"], part["factors"], at) - part["free"]) * part["usd_each"])


def total(scenario: Mapping[str, Any], at: Mapping[str, float]) -> float | None:
    """What a scenario of `table` costs in a month, in USD; None where a price is not published."""
    if scenario["why_not"] is not None:
        return None
    summed = 0.0
    for part in scenario["parts"]:
        summed += amount(part, at)
    return summed


def break_even(first: Mapping[str, Any], second: Mapping[str, Any], at: Mapping[str, float]) -> int | None:
    """The fewest secrets in each environment from which ``second`` costs at least what ``first`` does.

    Args:
        first: the one whose cost doesn't grow faster with secrets, such as Vault's.
        second: the other.
        at: all other variables.

    Returns:
        A number of secrets, or None where there is none up to `MOST_SECRETS`, or a price is missing.
    """

    def reached(secrets: int) -> bool:
        here = {**at, "secrets": secrets}
        one, other = total(first, here), total(second, here)
        return one is not None and other is not None and other >= one

    return _first(reached, MOST_SECRETS)


def _first(reached: Callable[[int], bool], most: int) -> int | None:
    """The least number up to ``most`` that something holds for, which holds for all greater ones; None where there is none."""
    if not reached(most):
        return None
    low, high = 0, most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle + 1, high)
    return low


def mirror_even(scenario: Mapping[str, Any], most: int = 10**12) -> int | None:
    """The fewest calls a month, of one environment, whose mirrored audit costs at least what a scenario costs without any call.

    Args:
        scenario: of `table`, with parts of CloudWatch Logs.
        most: how far it is looked for.

    Returns:
        A number of calls, or None where there is none, or a price is missing.
    """
    standing = total(scenario, _calling(1, 0))
    mirror = [part for part in scenario["parts"] if (part["price"] or "").startswith("logs.")]
    if standing is None:
        return None
    return _first(lambda calls: sum(amount(part, _calling(1, calls)) for part in mirror) >= standing, most)


def reading(prices: Prices) -> dict[str, Any]:
    """The table with its totals at some uses and its break-even lines, as it stands in a result."""
    whole = table(prices)
    by_id = {scenario["id"]: scenario for scenario in whole["scenarios"]}
    vault, rival = by_id["vault-ec2"], by_id["secretsmanager"]
    lines = [
        {"environments": environments, "calls": calls, "secrets": break_even(vault, rival, _calling(environments, calls))}
        for environments in (1, 3, 10)
        for calls in (1e5, 1e7, 1e9)
    ]
    usages = []
    for name, title, changed in USAGES:
        at = {**defaults(), **changed}
        usages.append({"id": name, "title": title, "at": at, "totals": {one["id"]: total(one, at) for one in whole["scenarios"]}})
    even = {"of": [vault["id"], rival["id"]], "lines": lines, "mirror": {"of": vault["id"], "calls": mirror_even(vault)}}
    return {**whole, "tag": "computed", "usages": usages, "break_even": even}


def _calling(environments: float, calls: float) -> dict[str, float]:
    """A use that comes to so many calls a month in all environments together."""
    return {
        **defaults(),
        "environments": environments,
        "invocations_m": calls / environments / 1e4,
        "calls_per_million": 1e4,
    }
