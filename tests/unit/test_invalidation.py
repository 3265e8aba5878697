"""When the broker says that copies of what it has handed out may no longer be true, and what it says of their age."""

from __future__ import annotations

import json

import pytest
from tests.simulators.extension import CREDS, Beside, Extension, cache, user

from vaultgate.errors import Unreachable
from vaultgate.model import Answer

KV = "secret/data/records"
FRESH_FOR = "X-Vaultgate-Fresh-For"


def writer(**environ: str) -> Extension:
    """An extension that keeps KV secrets for a minute, and whose policy may write."""
    extension = Extension(VAULTGATE_CACHE="secret/*=1m", **environ)
    extension.server.policies["records"] += (("secret/data/*", {"read", "update"}),)
    return extension


def test_reading_takes_nothing_back() -> None:
    """Reads, hits and what ends by age or is renewed leave copies as they are: their age ends them as well."""
    extension = writer()
    for _ in range(2):
        extension.ask()
        extension.ask(KV)
    extension.clock.advance(410)
    busy = extension.broker.tick()
    assert busy is not None
    busy.join(10)
    extension.ask()
    extension.ask(KV)
    assert extension.server.count("PUT", "sys/leases/renew") == 1
    assert extension.invalidations == 0


def test_a_dead_lease() -> None:
    """A lease that a look-up shows dead is taken back, before the look-up is answered, kept here or not."""
    extension = writer()
    lease_id = json.loads(extension.ask().body)["lease_id"]
    extension.server.revoke_leases()
    for told in (1, 2):
        extension.ask("sys/leases/lookup", method="PUT", document={"lease_id": lease_id})
        assert extension.invalidations == told


@pytest.mark.parametrize("status", [200, 403, 503])
def test_a_look_up_that_proves_nothing(status: int) -> None:
    """Only Vault's 400 to a look-up means that a lease is dead."""
    extension = writer()
    lease_id = json.loads(extension.ask().body)["lease_id"]
    own = ("X-Vault-Token", extension.server.root_token)
    extension.server.next(Answer(status))
    extension.ask("sys/leases/lookup", own, method="PUT", document={"lease_id": lease_id})
    assert (extension.invalidations, cache(extension.ask())) == (0, "hit")


@pytest.mark.parametrize("status", [200, 204, 403])
@pytest.mark.parametrize(
    "how", ["revoke", "revoke/{lease_id}", "revoke-prefix/database/creds/records", "revoke-force/database/creds/"]
)
def test_a_lease_that_somebody_revokes_here(how: str, status: int) -> None:
    """A revocation by a caller's own token takes the lease back at once, if Vault took it; one by prefix all of them."""
    extension = writer()
    lease_id = json.loads(extension.ask().body)["lease_id"]
    extension.server.next(Answer(status))
    own = ("X-Vault-Token", extension.server.root_token)
    document = {"lease_id": lease_id} if how == "revoke" else {}
    extension.ask(f"sys/leases/{how.format(lease_id=lease_id)}", own, method="PUT", document=document)
    assert (extension.invalidations, cache(extension.ask())) == ((0, "hit") if status == 403 else (1, "miss"))


@pytest.mark.parametrize("how", ["revoke-prefix/database/creds/rec", "revoke-prefix/database/creds/records/1", "tidy"])
def test_a_lease_that_somebody_elses_revocation_leaves(how: str) -> None:
    """A prefix is whole parts of a path: what only begins alike is kept."""
    extension = writer()
    extension.ask()
    extension.server.next(Answer(204))
    own = ("X-Vault-Token", extension.server.root_token)
    extension.ask(f"sys/leases/{how}", own, method="PUT", document={})
    assert cache(extension.ask()) == "hit"


def test_a_dead_token() -> None:
    """A token that is proven dead takes all its leases with it."""
    extension = writer()
    extension.ask()
    extension.server.revoke_tokens()
    extension.ask(KV)
    assert extension.invalidations == 1


def test_a_renounced_token() -> None:
    """So does one that a caller wants revoked."""
    extension = writer()
    extension.ask()
    extension.ask(CREDS, ("X-Vault-Token-Options", "revoke"))
    assert extension.invalidations == 1


def test_a_replaced_lease() -> None:
    """A new credential in an old one's place is told of, so that nobody stays with the old one to its end."""
    extension = writer()
    extension.server.lease_max_s = 650
    for _ in range(2):
        old = user(extension.ask())
    extension.clock.advance(410)
    busy = extension.broker.tick()
    assert busy is not None
    busy.join(10)
    assert user(extension.ask()) != old
    assert extension.invalidations == 1


def test_a_write() -> None:
    """A write takes back what it touches, with our token or a caller's, and nothing else."""
    extension = writer()
    extension.server.kv["other"] = {"greeting": "hello"}
    extension.ask(KV)
    extension.ask("secret/data/other", method="PUT", document={"data": {}})
    assert extension.invalidations == 0
    extension.ask(KV, method="PUT", document={"data": {"greeting": "changed"}})
    assert extension.invalidations == 1
    extension.ask(KV)
    own = ("X-Vault-Token", extension.server.root_token)
    extension.ask(KV, own, method="PUT", document={"data": {"greeting": "again"}})
    assert extension.invalidations == 2


@pytest.mark.parametrize("whose", ["ours", "a caller's"])
def test_a_write_that_nobody_answered(whose: str) -> None:
    """It may have been carried out all the same, so what it touches is taken back."""
    extension = writer()
    extension.ask(KV)
    own = [("X-Vault-Token", extension.server.root_token)] if whose != "ours" else []
    extension.server.next(Unreachable("the connection was closed inside a body"))
    with pytest.raises(Unreachable):
        extension.ask(KV, *own, method="PUT", document={"data": {}})
    assert (extension.invalidations, cache(extension.ask(KV))) == (1, "miss")


def test_a_write_that_never_left() -> None:
    """It has changed nothing: what is kept may be what a Vault that is away leaves us."""
    extension = writer()
    extension.ask(KV)
    nobody = Unreachable("nobody listens there")
    nobody.sent = False
    extension.server.next(*[nobody] * 3)
    with pytest.raises(Unreachable):
        extension.ask(KV, method="PUT", document={"data": {}})
    assert (extension.invalidations, cache(extension.ask(KV))) == (0, "hit")


def test_what_makes_room() -> None:
    """What had to go from a full shelf is taken back: a write to it would find nothing; a lease is told of by its end."""
    extension = writer(VAULTGATE_CACHE_BYTES="1800")
    extension.server.kv["other"] = {"greeting": "hello"}
    extension.ask()
    extension.ask(KV)
    assert (extension.invalidations, cache(extension.ask(KV))) == (0, "hit")
    extension.ask("secret/data/other")
    assert extension.invalidations == 1


def test_the_end() -> None:
    """At the end everything is taken back before the token is."""
    extension = writer()
    extension.ask()
    gate = extension.server.hold("POST", "auth/token/revoke-self")
    closing = Beside(extension.broker.close)
    assert gate.arrived.wait(10)
    assert extension.invalidations == 1
    gate.open()
    closing.result()


def test_how_long_a_kept_answer_is_fresh() -> None:
    """An answer that is kept says for how many seconds; one that isn't, or is leased, doesn't."""
    extension = writer()
    assert extension.ask(KV).header(FRESH_FOR) == "60"
    extension.clock.advance(20)
    assert extension.ask(KV).header(FRESH_FOR) == "40"
    assert extension.ask(KV, ("X-Vault-Cache-Control", "nocache")).header(FRESH_FOR) is None
    assert extension.ask().header(FRESH_FOR) is None
    assert Extension().ask(KV).header(FRESH_FOR) is None


@pytest.mark.parametrize("why", ["written meanwhile", "too large"])
def test_an_answer_that_could_not_be_kept_is_not_fresh(why: str) -> None:
    """Nobody would hear of a write to what isn't kept here, so nobody else may keep it."""
    extension = writer(**({"VAULTGATE_CACHE_BYTES": "1024"} if why == "too large" else {}))
    extension.ask()
    if why == "written meanwhile":
        write = {"data": {"greeting": "changed"}}
        extension.server.afterwards("secret/data/records", lambda: extension.ask(KV, method="PUT", document=write) and None)
    answer = extension.ask(KV)
    assert (cache(answer), answer.header(FRESH_FOR)) == ("miss", None)


def test_who_waits_for_a_dead_tokens_answer_asks_again() -> None:
    """A credential that died with its token on the way goes to nobody who could take it for a new one."""
    extension = writer()
    extension.ask(KV)
    gate = extension.server.hold("GET", CREDS, "after")
    first = extension.beside()
    assert gate.arrived.wait(10)
    second = extension.beside().until_it_waits()
    extension.server.revoke_tokens()
    extension.ask("secret/data/other")
    gate.open()
    dead, living = (json.loads(call.result().body)["lease_id"] for call in (first, second))
    assert dead not in extension.server.leases
    assert living in extension.server.leases


def test_a_write_elsewhere_leaves_reads_under_way() -> None:
    """Who asks for what is under way shares that, though somebody writes to another path meanwhile."""
    extension = writer()
    extension.ask()
    gate = extension.server.hold("GET", KV, "after")
    first = extension.beside(KV)
    assert gate.arrived.wait(10)
    extension.ask("secret/data/other", method="PUT", document={"data": {}})
    second = extension.beside(KV).until_it_waits()
    gate.open()
    assert first.result().ok
    assert cache(second.result()) == "hit"
    assert extension.server.count("GET", KV) == 1
