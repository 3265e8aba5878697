"""The crash matrix in full: each call, each kind of fault, several starting points, reads that lag by up to five seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.rotation.conftest import bed as bed  # noqa: PLC0414 - a fixture
from tests.rotation.faults import Faults, Kind
from tests.rotation.issued import KV, STATIC
from tests.rotation.test_issued import issuing as issuing  # noqa: PLC0414 - a fixture
from tests.simulators.secrets_manager import random_lags

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.rotation.bed import Bed, State, User
    from tests.rotation.issued import Issuing

STRATEGIES = ("dual", "alternating", "single")


@pytest.fixture(params=[0.0, 5.0, "each its own"])
def lag_s(request: pytest.FixtureRequest, bed: Bed) -> Iterator[object]:
    """How old the state is that reads of the secret see."""
    bed.amazon.service.lag_s = random_lags(1) if isinstance(request.param, str) else request.param
    yield request.param
    bed.amazon.service.lag_s = 0


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("kind", list(Kind))
def test_any_fault_at_any_call(bed: Bed, strategy: str, kind: Kind, lag_s: object) -> None:
    """Ends, after retries, as an undisturbed rotation does: labels, grants, TLS, limits, hosts, passwords."""
    user, undisturbed = bed.user(strategy), Faults()
    for faults in (Faults(), Faults(), undisturbed):
        settle(bed)
        user.drive(user.begin(), faults)
    clean = user.state()
    for at in range(1, len(undisturbed.calls) + 1):
        broken(bed, user, Faults(at, kind), clean)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("kind", list(Kind))
def test_any_fault_at_any_call_of_the_first_rotation(bed: Bed, strategy: str, kind: Kind, lag_s: object) -> None:
    """The same where there is no previous value yet, and no twin."""
    model, undisturbed = bed.user(strategy), Faults()
    settle(bed)
    model.drive(model.begin(), undisturbed)
    clean = model.state()
    for at in range(1, len(undisturbed.calls) + 1):
        broken(bed, bed.user(strategy), Faults(at, kind), clean)


@pytest.mark.parametrize("path", [STATIC, KV])
@pytest.mark.parametrize("kind", list(Kind))
def test_any_fault_at_any_call_of_what_vault_issues(issuing: Issuing, path: str, kind: Kind, lag_s: object) -> None:
    """The same where Vault issues the value or keeps it: labels, Vault's value, what else its secret holds, the login."""
    secret, undisturbed = issuing.secret(path), Faults()
    for faults in (Faults(), Faults(), undisturbed):
        settle(issuing.bed)
        secret.drive(secret.begin(), faults)
    clean = secret.left()
    for at in range(1, len(undisturbed.calls) + 1):
        settle(issuing.bed)
        faults = Faults(at, kind)
        secret.drive(secret.begin(), faults, attempts=6)
        where = f"{kind.value} call {at} of {faults.calls}"
        assert faults.struck or callable(issuing.bed.amazon.service.lag_s), where  # as in `broken`
        assert secret.left() == clean, where
        assert not secret.static or secret.works(-1), where


def broken(bed: Bed, user: User, faults: Faults, clean: State) -> None:
    """Rotate with a fault, and compare."""
    settle(bed)
    user.drive(user.begin(), faults, attempts=6)
    where = f"{faults.kind.value} call {faults.at} of {faults.calls}"
    # Where each read has its own lag, a rotation may have had fewer calls than the one that was counted.
    assert faults.struck or callable(bed.amazon.service.lag_s), where
    assert user.state() == clean, where
    assert user.works(-1), where


def settle(bed: Bed) -> None:
    """Let what was done become visible everywhere: the service starts a rotation no more often than every four hours."""
    bed.clock.advance(10)
