"""Published quotas, and what follows from them."""

from __future__ import annotations

import pytest

from vaultgate_ops.compare import contenders, quotas
from vaultgate_ops.compare.result import Dimension, Tag


def test_every_quota_has_its_source_and_meets_a_known_store() -> None:
    """An address, a day and a store of the catalogue for each."""
    for quota in quotas.load():
        assert quota.source.startswith("https://")
        assert quota.date
        assert set(quota.stores) <= set(contenders.STORES)
        assert quota.standing in {"quoted", "check"}


@pytest.mark.parametrize(
    ("per_second", "calls", "invocations"), [(40, 1_000_000, 40), (40, 10_000, 4000), (10_000, 500_000, 20_000)]
)
def test_a_quota_allows_more_invocations_when_fewer_of_them_call(per_second: float, calls: float, invocations: float) -> None:
    """40 calls a second do for 40 invocations that each call, and for 4,000 of which one in a hundred does."""
    assert quotas.invocations(per_second, calls) == invocations


def test_what_comes_of_quotas_is_never_tagged_as_measured() -> None:
    """Published for the quota, computed for what follows, a source on both, and no samples."""
    made = quotas.measurements()
    assert {one.dimension for one in made} == {Dimension.THROTTLING}
    assert {one.tag for one in made} == {Tag.PUBLISHED, Tag.COMPUTED}
    assert all(one.source is not None and one.samples == 0 for one in made)


def test_a_sandbox_of_vault_meets_sts_at_its_cold_start_only() -> None:
    """Reads cost STS nothing, logins do: the quota is one on cold starts."""
    of_vault = {one.name: one.value for one in quotas.measurements() if one.contender == "vault-kv"}
    assert of_vault["cold_starts_per_second"] == 600
    assert not any("invocations" in name for name in of_vault)
