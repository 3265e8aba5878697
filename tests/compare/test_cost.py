"""What the calculator comes to, against sums worked by hand at the borders of free tiers and quotas.

The hand-worked sums are written out with the prices of the package's file; a changed price changes them, and should.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaultgate_ops.compare import cost, prices
from vaultgate_ops.compare.bills import USAGES, VARIABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

PRICES = prices.load()
TABLE = cost.table(PRICES)
SCENARIOS: dict[str, dict[str, Any]] = {one["id"]: one for one in TABLE["scenarios"]}
BARE = {**cost.defaults(), "in_vpc": 0, "store_ms": 0}
"""Nothing but the store itself: no endpoint, no waiting."""


def at(**changed: float) -> dict[str, float]:
    """A use of the bare store with this many calls a month in one environment."""
    calls = changed.pop("calls", 0)
    return {**BARE, "environments": 1, "invocations_m": calls / 1e6, "calls_per_million": 1e6, **changed}


@pytest.mark.parametrize(
    ("scenario", "use", "usd"),
    [
        # 10 secrets x $0.40, 30,000 calls x $0.05 / 10,000: AWS's own kind of example.
        ("secretsmanager", at(secrets=10, calls=30_000), 4.15),
        ("secretsmanager", at(secrets=1, calls=0), 0.40),
        # A secret in each of three environments is three secrets; calls are those of all three.
        ("secretsmanager", at(secrets=1, calls=10_000, environments=3), 3 * 0.40 + 3 * 0.05),
        # Standard parameters are free, and so are 20,000 requests to KMS a month, the 20,000th included.
        ("ssm-standard", at(secrets=50, calls=20_000), 0),
        ("ssm-standard", at(secrets=50, calls=30_000), 0.03),
        # The 10,000th parameter is free, the 10,001st is advanced: $0.05.
        ("ssm-standard", at(secrets=10_000, calls=0), 0),
        ("ssm-standard", at(secrets=10_001, calls=0), 0.05),
        ("ssm-standard", at(secrets=5_000, calls=0, environments=2), 0),
        ("ssm-standard", at(secrets=5_001, calls=0, environments=2), 0.10),
        # 40 calls in the busiest second, ten times the mean: 4 x 730 x 3,600 = 10,512,000 a month are free of charge but for KMS.
        ("ssm-standard", at(secrets=1, calls=10_512_000), (10_512_000 - 20_000) * 0.03 / 10_000),
        # One more, and all of them are paid: $0.05 for 10,000.
        ("ssm-standard", at(secrets=1, calls=10_513_000), 10_513_000 * 0.05 / 10_000 + (10_513_000 - 20_000) * 0.03 / 10_000),
        # Advanced parameters pay from the first call.
        ("ssm-advanced", at(secrets=10, calls=10_000), 10 * 0.05 + 0.05),
        # Three servers, three disks of 100 GB, a load balancer, three endpoints in three zones, a key: nothing of it by use.
        ("vault-ec2", at(calls=0), 3 * 730 * 0.096 + 300 * 0.08 + 730 * 0.0225 + 9 * 730 * 0.01 + 1),
        ("vault-ec2", at(calls=0), 210.24 + 24 + 16.425 + 65.70 + 1),
        # The first environment's functions reach Vault in its own VPC, those of two others by an endpoint in two zones each.
        ("vault-ec2", at(calls=0, in_vpc=1), 317.365),
        ("vault-ec2", at(calls=0, environments=3, in_vpc=1), 317.365 + 2 * 14.60),
        ("secretsmanager", at(secrets=0, calls=0, environments=3, in_vpc=1), 3 * 14.60),
        # Audit of 2,782 bytes a call: 1,000,000 calls are 2.782 GB, within the free 5; kept for three months at $0.03.
        ("vault-ec2", at(calls=1_000_000), 317.365 + 3 * 2.782 * 0.03),
        # 2,000,000 are 5.564 GB: 0.564 of it paid, all of it kept.
        ("vault-ec2", at(calls=2_000_000), 317.365 + 0.564 * 0.50 + 3 * 5.564 * 0.03),
        ("vault-ec2", at(calls=0, upkeep_usd=300), 617.365),
        ("env-plain", at(secrets=500, calls=1_000_000), 0),
        # A key a month, and a Decrypt at 1,000 cold starts in a million invocations: 20 million invocations are free.
        ("env-kms", at(calls=20_000_000), 1),
        ("env-kms", at(calls=30_000_000), 1.03),
    ],
)
def test_a_month_costs_what_a_hand_worked_sum_says(scenario: str, use: Mapping[str, float], usd: float) -> None:
    """Each scenario comes to the sum beside it, on both sides of each border."""
    assert cost.total(SCENARIOS[scenario], use) == pytest.approx(usd, abs=1e-6)


def test_an_endpoint_and_the_wait_for_the_store_are_paid_too() -> None:
    """Two zones at $0.01 for 730 hours, and 1,000,000 waits of 10 ms with half a GB at $0.0000166667."""
    bare, whole = (
        cost.total(SCENARIOS["secretsmanager"], at(secrets=1, calls=1_000_000, **more))
        for more in ({}, {"in_vpc": 1, "store_ms": 10})
    )
    assert bare is not None
    assert whole == pytest.approx(bare + 2 * 730 * 0.01 + 1_000_000 * 0.010 * 0.5 * 0.0000166667)


def test_a_price_that_nobody_publishes_leaves_a_scenario_without_a_total() -> None:
    """HCP's price is null in our file: no number is made of it, and the reason is said; with a quote it has one."""
    assert SCENARIOS["vault-hcp"]["why_not"] == "nobody publishes hcp.cluster_hour: put your quote into a prices file"
    assert cost.total(SCENARIOS["vault-hcp"], BARE) is None
    quoted = dataclasses.replace(PRICES.by_id["hcp.cluster_hour"], usd=2.0)
    table = cost.table(dataclasses.replace(PRICES, by_id={**PRICES.by_id, "hcp.cluster_hour": quoted}))
    [scenario] = [one for one in table["scenarios"] if one["id"] == "vault-hcp"]
    assert cost.total(scenario, at(calls=0)) == pytest.approx(2 * 730)


def test_the_break_even_is_the_first_number_of_secrets_that_is_not_cheaper() -> None:
    """Without calls Vault's $317.365 are reached by 794 secrets at $0.40 in one environment: 793 cost $317.20."""
    even = cost.break_even(SCENARIOS["vault-ec2"], SCENARIOS["secretsmanager"], at(calls=0))
    assert even == 794


def test_a_full_mirror_costs_what_the_servers_do_from_a_number_of_calls() -> None:
    """By hand: 2,782 bytes at $0.50 and three times $0.03 a GB, 5 GB free, reach $317.365 at $319.865 / 0.00000164138."""
    even = cost.reading(PRICES)["break_even"]["mirror"]
    assert (even["of"], even["calls"]) == ("vault-ec2", 194_875_654)
    logs = [part for part in SCENARIOS["vault-ec2"]["parts"] if (part["price"] or "").startswith("logs.")]
    enough, less = (sum(cost.amount(part, at(calls=calls)) for part in logs) for calls in (even["calls"], even["calls"] - 1))
    assert enough >= 317.365 > less
    assert cost.mirror_even(SCENARIOS["vault-hcp"]) is None


def test_what_costs_the_same_has_broken_even() -> None:
    """At least what the other does: equal is enough, from the first secret on."""
    assert cost.break_even(SCENARIOS["vault-ec2"], SCENARIOS["vault-ec2"], at(calls=0)) == 0


def test_what_never_breaks_even_says_so() -> None:
    """Standard parameters, below 40 calls a second, never cost what Vault's servers do before their number is absurd."""
    assert cost.break_even(SCENARIOS["vault-ec2"], SCENARIOS["env-plain"], at(calls=0)) is None
    assert cost.break_even(SCENARIOS["vault-hcp"], SCENARIOS["secretsmanager"], at(calls=0)) is None


_uses = st.fixed_dictionaries({variable.id: st.sampled_from(variable.stops) for variable in VARIABLES})


@given(use=_uses)
def test_a_break_even_is_where_it_says(use: dict[str, float]) -> None:
    """At the number found the second costs at least what the first does, with one secret less it costs less."""
    vault, rival = SCENARIOS["vault-ec2"], SCENARIOS["secretsmanager"]
    even = cost.break_even(vault, rival, use)
    if even is None:
        even = cost.MOST_SECRETS + 1
    here, before = ({**use, "secrets": float(secrets)} for secrets in (even, even - 1))
    assert even > cost.MOST_SECRETS or (cost.total(rival, here) or 0) >= (cost.total(vault, here) or 0)
    assert even == 0 or (cost.total(rival, before) or 0) < (cost.total(vault, before) or 0)


@given(use=_uses, variable=st.sampled_from([variable.id for variable in VARIABLES]))
def test_more_of_anything_never_costs_less(use: dict[str, float], variable: str) -> None:
    """No slider lowers a bill when it is moved up."""
    stops = next(one.stops for one in VARIABLES if one.id == variable)
    for scenario in SCENARIOS.values():
        totals = [cost.total(scenario, {**use, variable: stop}) or 0 for stop in stops]
        assert totals == sorted(totals)


def test_every_part_uses_known_variables_and_prices() -> None:
    """A misspelt factor or price would be a bill that silently lacks a line."""
    known = {variable.id for variable in VARIABLES}
    parts = [part for scenario in SCENARIOS.values() for part in scenario["parts"]]
    assert {factor for part in parts for factor in part["factors"]} <= known
    assert {part["price"] for part in parts} - {None} == set(prices.KNOWN)
    assert all(variable.default in variable.stops for variable in VARIABLES)
    assert all(set(changed) <= known for _, _, changed in USAGES)
