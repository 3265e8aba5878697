"""What is served while Vault can't answer, and what never is."""

from __future__ import annotations

import json

import pytest
from tests.simulators.extension import CREDS, Extension, cache

from vaultgate.errors import CircuitOpen, Unreachable
from vaultgate.model import Answer

KV = "secret/data/records"


@pytest.fixture
def extension() -> Extension:
    """An extension that keeps a value without a lease for a minute, and may serve it for five more."""
    extension = Extension(VAULTGATE_CACHE="secret/*=1m")
    extension.ask(KV)
    return extension


def value(answer: Answer) -> str:
    """The greeting in an answer."""
    return str(json.loads(answer.body)["data"]["data"]["greeting"])


@pytest.mark.parametrize("state", ["gone", "sealed", "standby"])
def test_a_value_past_its_time_is_better_than_none(extension: Extension, state: str) -> None:
    """It says that it is stale, and how old; nobody may keep a copy."""
    extension.clock.advance(100)
    extension.server.state = state
    answer = extension.ask(KV)
    assert (value(answer), cache(answer)) == ("hello", "stale")
    assert 100 <= int(answer.header("Age") or 0) <= 103
    assert answer.header("X-Vaultgate-Fresh-For") == "0"
    assert "stale" in extension.events


def test_it_is_served_again_and_again_until_its_last_moment(extension: Extension) -> None:
    """Through a circuit that opens meanwhile, too; five minutes past its time there is nothing left to serve."""
    extension.server.state = "gone"
    extension.clock.advance(100)
    assert [cache(extension.ask(KV)) for _ in range(6)] == ["stale"] * 6
    extension.clock.advance(240)
    assert cache(extension.ask(KV)) == "stale"
    extension.clock.advance(30)
    with pytest.raises(Unreachable):
        extension.ask(KV)


def test_a_silent_vault_is_waited_for_two_seconds_then(extension: Extension) -> None:
    """Who can be served otherwise doesn't wait for the deadline."""
    extension.clock.advance(100)
    extension.server.delay_s = 2.5
    before = extension.clock.steady()
    assert cache(extension.ask(KV)) == "stale"
    assert extension.clock.steady() - before == 2.5


def test_a_vault_that_is_back_is_asked(extension: Extension) -> None:
    """The newer value takes the place of the old one."""
    extension.clock.advance(100)
    extension.server.state = "gone"
    extension.ask(KV)
    extension.server.state = "active"
    extension.server.kv["records"] = {"greeting": "again"}
    answer = extension.ask(KV)
    assert (value(answer), cache(answer)) == ("again", "miss")


def test_closed_serves_nothing_past_its_time() -> None:
    """VAULTGATE_ON_FAILURE=closed: the error is told."""
    extension = Extension(VAULTGATE_CACHE="secret/*=1m", VAULTGATE_ON_FAILURE="closed")
    extension.ask(KV)
    extension.clock.advance(100)
    extension.server.state = "gone"
    with pytest.raises(Unreachable):
        extension.ask(KV)


def test_a_lease_is_never_outlived(extension: Extension) -> None:
    """A database user whose lease is over may be gone: no stale answer for that."""
    extension.ask(CREDS)
    extension.clock.advance(601)
    extension.server.state = "gone"
    with pytest.raises(Unreachable):
        extension.ask(CREDS)


def test_what_is_not_kept_is_not_served() -> None:
    """Without a rule that keeps it there is no old value."""
    extension = Extension()
    extension.ask(KV)
    extension.server.state = "gone"
    with pytest.raises(Unreachable):
        extension.ask(KV)


@pytest.mark.parametrize("control", ["recache", "nocache"])
def test_who_asks_past_the_cache_gets_nothing_from_it(extension: Extension, control: str) -> None:
    """A caller who wants Vault's own word is told that there is none."""
    extension.clock.advance(100)
    extension.server.state = "gone"
    with pytest.raises(Unreachable):
        extension.ask(KV, ("X-Vault-Cache-Control", control))


@pytest.mark.parametrize("status", [403, 404])
def test_what_vault_took_away_is_gone(extension: Extension, status: int) -> None:
    """A denial, or an absence, is an answer; from then on the old value isn't served either."""
    extension.clock.advance(100)
    extension.server.next(*[Answer(status, (), b'{"errors": []}')] * (2 if status == 403 else 1))
    assert extension.ask(KV).status == status
    extension.server.state = "gone"
    with pytest.raises(Unreachable):
        extension.ask(KV)


def test_a_write_takes_the_old_value_away(extension: Extension) -> None:
    """Nobody is told what they overwrote."""
    extension.clock.advance(100)
    extension.server.policies["records"] += ((KV, {"read", "update"}),)
    assert extension.ask(KV, method="POST", document={"data": {"greeting": "new"}}).ok
    extension.server.state = "gone"
    with pytest.raises(Unreachable):
        extension.ask(KV)


def test_a_write_while_vault_is_asked_takes_it_away_too(extension: Extension) -> None:
    """What is served to those who asked before it is not put back."""
    extension.clock.advance(100)
    extension.server.policies["records"] += ((KV, {"read", "update"}),)
    gate = extension.server.hold("GET", KV)
    reader = extension.beside(KV)
    assert gate.arrived.wait(10)
    assert extension.ask(KV, method="POST", document={"data": {"greeting": "new"}}).ok
    extension.server.state = "sealed"
    gate.open()
    assert cache(reader.result()) == "stale"
    extension.server.state = "gone"
    with pytest.raises(Unreachable):
        extension.ask(KV)


def test_all_who_wait_get_it(extension: Extension) -> None:
    """One finds out for all."""
    extension.clock.advance(100)
    extension.server.state = "sealed"
    gate = extension.server.hold("GET", KV)
    first = extension.beside(KV)
    assert gate.arrived.wait(10)
    others = [extension.beside(KV).until_it_waits() for _ in range(4)]
    gate.open()
    assert [cache(one.result()) for one in (first, *others)] == ["stale"] * 5


def test_health_shows_the_circuit(extension: Extension) -> None:
    """Open after three calls that failed, half-open when its time is up, closed after the next success."""
    assert extension.broker.health()["circuit"] == "closed"
    extension.server.state = "gone"
    for _ in range(3):
        with pytest.raises(Unreachable):
            extension.ask(CREDS)
    assert extension.broker.health()["circuit"] == "open"
    with pytest.raises(CircuitOpen):
        extension.ask(CREDS)
    extension.clock.advance(1)
    assert extension.broker.health()["circuit"] == "half-open"
    extension.server.state = "active"
    assert extension.ask(CREDS).ok
    assert extension.broker.health()["circuit"] == "closed"


def test_what_a_dead_token_brought_is_gone(extension: Extension) -> None:
    """Vault proves our token dead and then goes away before the next login: somebody took it back, and what it read with it."""
    extension.ask(KV)
    extension.clock.advance(61)
    extension.server.revoke_tokens()
    extension.server.afterwards("auth/token/lookup-self", lambda: setattr(extension.server, "state", "gone"))
    with pytest.raises(Unreachable):
        extension.ask(KV)
