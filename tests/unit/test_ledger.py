"""Which leases hang on which token: what is kept by its id, and for how long."""

from __future__ import annotations

import pytest
from tests.simulators.clock import MovableClock
from tests.simulators.vault import SimulatedVault

from vaultgate.auth import Token
from vaultgate.clock import Instant
from vaultgate.leases import Lifetime
from vaultgate.ledger import Ledger
from vaultgate.model import Origin
from vaultgate.secret import Secret
from vaultgate.vault import Vault

CLOCK = MovableClock()
VAULT = Vault(SimulatedVault(CLOCK), Origin("https", "vault.example.com", 8200), None, 0, CLOCK)


def at(seconds: float) -> Instant:
    """So long after the beginning, on both clocks."""
    return Instant(1000.0 + seconds, seconds)


def lease(begins: float, ttl_s: float = 10.0, margin_s: float = 1.0) -> Lifetime:
    """A lease's life."""
    return Lifetime(at(begins), ttl_s, margin_s)


@pytest.fixture
def batch() -> Token:
    """A batch token of an hour."""
    return Token(Secret("hvb.1"), "", Lifetime(at(0), 3600), VAULT, batch=True)


@pytest.fixture
def service() -> Token:
    """A service token of an hour."""
    return Token(Secret("hvs.1"), "accessor", Lifetime(at(0), 3600), VAULT)


def test_a_batch_tokens_leases_are_kept_until_their_end(batch: Token) -> None:
    """A lease that may no longer be used is still Vault's to end; one that is past its end is nobody's."""
    ledger = Ledger()
    ledger.note(batch, "a", lease(0), at(0))
    ledger.note(batch, "b", lease(5), at(5))
    assert ledger.living(batch, at(9.5)) == ["a", "b"]
    assert ledger.living(batch, at(10)) == ["b"]
    assert ledger.living(batch, at(15)) == []


def test_a_frozen_clock_ends_no_lease(batch: Token) -> None:
    """A lease is past its end only if both clocks say so: one that jumped may be wrong, and to revoke in vain does no harm."""
    ledger = Ledger()
    ledger.note(batch, "a", lease(0), at(0))
    assert ledger.living(batch, Instant(1020.0, 5.0)) == ["a"]
    assert ledger.living(batch, Instant(1005.0, 20.0)) == ["a"]


def test_what_is_over_is_let_go_of(batch: Token) -> None:
    """The record doesn't grow with the leases there ever were, and a renewed lease doesn't keep older ones in it."""
    ledger = Ledger()
    ledger.note(batch, "a", lease(0), at(0))
    ledger.note(batch, "b", lease(1), at(1))
    ledger.note(batch, "a", lease(5), at(5))
    ledger.note(batch, "c", lease(12), at(12))
    assert (len(ledger), ledger.living(batch, at(12))) == (2, ["a", "c"])


def test_of_a_service_token_only_the_last_end_is_kept(service: Token) -> None:
    """Its leases end with it, so their ids are of no use; it stays in use until the last of them may no longer be used."""
    ledger = Ledger()
    assert not ledger.in_use(service, at(0))
    ledger.note(service, "a", lease(0, 20), at(0))
    ledger.note(service, "b", lease(0, 10), at(0))
    assert (len(ledger), ledger.living(service, at(1))) == (0, [])
    assert ledger.in_use(service, at(18.9))
    assert not ledger.in_use(service, at(19))
    ledger.note(service, "c", lease(0, 30), at(1))
    assert ledger.in_use(service, at(19))


def test_tokens_are_told_apart(batch: Token, service: Token) -> None:
    """What hangs on one token is none of another's, and goes with it."""
    ledger = Ledger()
    other = Token(Secret("hvb.2"), "", Lifetime(at(0), 3600), VAULT, batch=True)
    ledger.note(batch, "a", lease(0), at(0))
    ledger.note(other, "b", lease(0), at(0))
    assert not ledger.in_use(service, at(0))
    ledger.close(batch)
    assert (ledger.living(batch, at(0)), ledger.in_use(batch, at(0)), ledger.living(other, at(0))) == ([], False, ["b"])
