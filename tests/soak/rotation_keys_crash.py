"""The crash matrix of API keys in full: each call, each kind of fault, from the first rotation on and from later ones.

With reads of the secret that lag by up to five seconds, and with an API that spreads new keys slowly and lists them late. How
many calls a rotation makes depends on how long it has to wait, so the matrix ends where no call is left to break.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.rotation.conftest import key_bed as key_bed  # noqa: PLC0414 - a fixture
from tests.rotation.faults import Faults, Kind
from tests.simulators.secrets_manager import random_lags

if TYPE_CHECKING:
    from tests.rotation.keys import Account, KeyBed, State

SETTLED_S = 60
"""After which what was done is visible everywhere: the service starts a rotation no more often than every four hours."""
CALLS = 20
"""A rotation makes at least as many."""


@pytest.fixture(params=[0.0, 5.0, "each its own"])
def lag_s(request: pytest.FixtureRequest, key_bed: KeyBed) -> object:
    """How old the state is that reads of the secret see."""
    key_bed.amazon.service.lag_s = random_lags(1) if isinstance(request.param, str) else request.param
    return request.param


@pytest.mark.parametrize("spreads_s", [0, 12])
@pytest.mark.parametrize("list_lag_s", [0, 4, 40])
@pytest.mark.parametrize("kind", list(Kind))
def test_any_fault_at_any_call(key_bed: KeyBed, kind: Kind, lag_s: object, spreads_s: float, list_lag_s: float) -> None:
    """Ends, after retries, as an undisturbed rotation does; AWSCURRENT's key works after every call."""
    with key_bed.account() as account:
        account.keys.api.spreads_s, account.keys.api.lag_s = spreads_s, list_lag_s
        for _ in range(3):
            key_bed.clock.advance(SETTLED_S)
            account.rotate()
        clean, broken = account.state(), 0
        assert clean.live == ("N-0", "N-1")
        while struck(key_bed, account, Faults(broken + 1, kind), clean):
            broken += 1
        assert broken >= CALLS


@pytest.mark.parametrize("kind", list(Kind))
def test_any_fault_at_any_call_of_the_first_rotation(key_bed: KeyBed, kind: Kind, lag_s: object) -> None:
    """The same where the current key was made by hand, and there is no previous one."""
    with key_bed.account() as model:
        key_bed.clock.advance(SETTLED_S)
        model.rotate()
        clean = model.state()
    again, broken = True, 0
    while again:
        with key_bed.account() as account:
            again = struck(key_bed, account, Faults(broken + 1, kind), clean)
            broken += again
    assert broken >= CALLS - 1


def struck(key_bed: KeyBed, account: Account, faults: Faults, clean: State) -> bool:
    """Rotate with a fault, and compare; gives whether there was such a call."""
    key_bed.clock.advance(SETTLED_S)
    account.drive(account.begin(), faults, attempts=9)
    where = f"{faults.kind.value} call {faults.at} of {faults.calls}"
    key_bed.clock.advance(SETTLED_S)
    assert account.state() == clean, where
    return faults.struck
