"""How the token and the leases in use are looked after at each INVOKE: make before break."""

from __future__ import annotations

import io
import json

import pytest
from tests.simulators.extension import CREDS, KEYS, Extension, cache, user

from vaultgate.auth import AwsLogin
from vaultgate.broker import Broker
from vaultgate.credentials import Credentials
from vaultgate.log import Log
from vaultgate.model import Answer, Origin, Request
from vaultgate.vault import Vault


@pytest.fixture
def extension() -> Extension:
    """Tokens of an hour, leases of ten minutes."""
    return Extension()


def invoke(extension: Extension) -> None:
    """An INVOKE, and all that it causes."""
    busy = extension.broker.tick()
    if busy is not None:
        busy.join(10)
        assert not busy.is_alive()


def test_nothing_is_due_while_there_is_time(extension: Extension) -> None:
    """An invocation that finds token and leases young costs Vault nothing."""
    extension.ask()
    extension.clock.advance(390)
    asked = len(extension.server.seen)
    assert extension.broker.tick() is None
    assert len(extension.server.seen) == asked


def test_a_lease_in_use_is_renewed(extension: Extension) -> None:
    """With a third of its life left, a lease that was handed out is renewed: the same user, a new life."""
    name = user(extension.ask())
    extension.ask()
    extension.clock.advance(410)
    invoke(extension)
    extension.clock.advance(300)
    answer = extension.ask()
    assert (user(answer), cache(answer)) == (name, "hit")
    assert int(answer.header("X-Vaultgate-Lease-Remaining") or 0) == 290
    assert extension.server.count("PUT", "sys/leases/renew") == 1


def test_a_lease_nobody_asks_for_is_let_go(extension: Extension) -> None:
    """What was fetched once and never asked for again costs nothing and ends."""
    extension.ask()
    extension.clock.advance(410)
    invoke(extension)
    assert extension.server.count("PUT", "sys/leases/renew") == 0
    assert extension.server.count("GET", CREDS) == 1


def test_near_its_max_ttl_a_lease_is_replaced_before_it_ends(extension: Extension) -> None:
    """A renewal that buys little makes the extension fetch a new user while the old one still lives."""
    extension.server.lease_max_s = 650
    old = user(extension.ask())
    extension.ask()
    extension.clock.advance(410)
    invoke(extension)
    answer = extension.ask()
    assert cache(answer) == "hit"
    assert user(answer) != old
    assert len(extension.server.leases) == 2


def test_a_refused_renewal_replaces_too(extension: Extension) -> None:
    """A lease that was revoked meanwhile can't be renewed; another takes its place before anybody meets the dead one."""
    old = user(extension.ask())
    extension.ask()
    extension.server.revoke_leases()
    extension.clock.advance(410)
    invoke(extension)
    answer = extension.ask()
    assert (cache(answer), user(answer) != old) == ("hit", True)


def test_a_failed_refresh_keeps_what_is_there(extension: Extension) -> None:
    """With Vault gone, the lease on the shelf is handed out to its end, and not beyond."""
    name = user(extension.ask())
    extension.ask()
    extension.clock.advance(410)
    extension.server.state = "gone"
    invoke(extension)
    assert user(extension.ask()) == name
    assert "refresh-failed" in extension.events
    extension.clock.advance(190)
    extension.server.state = "active"
    assert user(extension.ask()) != name


def test_the_token_is_renewed(extension: Extension) -> None:
    """With a third of its life left, the token is renewed, and no login follows."""
    extension.ask()
    extension.clock.advance(2500)
    invoke(extension)
    assert "token-renewed" in extension.events
    extension.clock.advance(3000)
    assert extension.ask().ok
    assert extension.server.logins == 1


def test_near_its_max_ttl_the_token_is_replaced_and_lives_until_its_last_lease_is_over(extension: Extension) -> None:
    """The new token is there before the old one ends; a credential of the old one stays good, then that token goes."""
    extension.server.token_max_s = 3700
    extension.ask("secret/data/records")
    extension.clock.advance(2450)
    extension.ask()
    invoke(extension)
    assert extension.server.logins == 2
    assert len(extension.server.leases) == 1
    assert cache(extension.ask()) == "hit"
    assert extension.server.count("POST", "auth/token/revoke-self") == 0
    extension.clock.advance(595)
    invoke(extension)
    assert extension.server.count("POST", "auth/token/revoke-self") == 1
    assert extension.server.logins == 2


GRANT = ("sys/leases/revoke", {"update"})


def batch(*rules: tuple[str, set[str]], **environ: str) -> Extension:
    """An extension whose role gives batch tokens, with these rules beside the usual policy."""
    extension = Extension(**environ)
    extension.server.token_type = "batch"
    extension.server.policies["records"] += rules
    return extension


def fetch(extension: Extension, leases: int) -> None:
    """Make Vault lease so many credentials, all of which stay in use."""
    for _ in range(leases):
        extension.ask(CREDS, ("X-Vault-Cache-Control", "nocache"))


def test_the_leases_of_a_batch_token_are_revoked_one_by_one() -> None:
    """At SHUTDOWN a policy that grants sys/leases/revoke leaves no lease behind, though the token stays until its TTL."""
    extension = batch(GRANT)
    fetch(extension, 20)
    extension.broker.close()
    assert extension.server.leases == {}
    assert extension.server.count("PUT", "sys/leases/revoke") == 20
    assert extension.server.count("POST", "auth/token/revoke-self") == 0
    (line,) = [line for line in extension.logged if line["event"] == "leases-revoked"]
    assert (line["leases"], line["token_ends_in_s"]) == (20, 3600)


def test_leases_that_may_not_be_revoked_are_counted() -> None:
    """Where the policy denies it, one warning says how many leases stay, and what to grant; Vault isn't asked for each."""
    extension = batch()
    fetch(extension, 20)
    extension.broker.close()
    assert len(extension.server.leases) == 20
    assert extension.server.count("PUT", "sys/leases/revoke") <= 8
    (line,) = [line for line in extension.logged if line["level"] == "warn"]
    assert (line["event"], line["code"], line["leases"], line["revoked"]) == ("leases-left", "denied", 20, 0)
    assert "sys/leases/revoke" in line["hint"]


def test_no_more_than_a_second_is_spent_on_leases() -> None:
    """A Vault that is slow at the end leaves the rest of the leases to their TTL; they are counted."""
    extension = batch(GRANT)
    fetch(extension, 50)
    extension.server.delay_s = 0.2
    began = extension.clock.steady()
    extension.broker.close()
    # Eight calls may be under way when the second is over, each of which moves the one clock.
    assert extension.clock.steady() - began <= 1 + 8 * 0.2
    (line,) = [line for line in extension.logged if line["event"] == "leases-left"]
    assert line["code"] == "deadline"
    assert line["leases"] + line["revoked"] == 50
    assert line["leases"] >= len(extension.server.leases) > 0


def test_an_unanswered_revocation_is_a_matter_of_time() -> None:
    """What no call could say before the end has the code of a deadline, not of a fault of ours."""
    extension = batch(GRANT)
    fetch(extension, 1)
    gate = extension.server.hold("PUT", "sys/leases/revoke")
    extension.broker.close()
    (line,) = [line for line in extension.logged if line["event"] == "leases-left"]
    gate.open()
    assert (line["code"], line["leases"]) == ("deadline", 1)


def test_a_lease_that_is_over_is_not_revoked() -> None:
    """Only what Vault still holds is named to it at the end: neither what is past its TTL nor a batch of nothing."""
    extension = batch(GRANT)
    fetch(extension, 2)
    extension.clock.advance(601)
    fetch(extension, 1)
    extension.broker.close()
    assert extension.server.count("PUT", "sys/leases/revoke") == 1
    assert extension.server.leases == {}


def test_a_lease_of_a_batch_token_that_nobody_was_given_is_revoked() -> None:
    """A freeze in flight makes us ask again: the first lease was handed to nobody, and is given back at the end."""
    extension = batch(GRANT)
    extension.ask("secret/data/records")
    extension.server.afterwards(CREDS, lambda: extension.clock.freeze(3))
    extension.ask()
    assert len(extension.server.leases) == 2
    extension.broker.close()
    assert extension.server.leases == {}


def test_a_renewed_lease_of_a_batch_token_is_still_revoked() -> None:
    """A renewal lengthens a lease's life, in the record of what must be given back too."""
    extension = batch(GRANT)
    extension.server.token_ttl_s = 7200
    extension.ask()
    extension.ask()
    extension.clock.advance(410)
    invoke(extension)
    extension.clock.advance(500)
    extension.broker.close()
    assert (extension.server.count("PUT", "sys/leases/renew"), extension.server.leases) == (1, {})


def test_a_batch_token_that_was_replaced_gives_its_leases_back() -> None:
    """Once its last lease is used up, what Vault still holds of them for a few seconds is revoked."""
    extension = batch(GRANT)
    extension.ask("secret/data/records")
    extension.clock.advance(2450)
    fetch(extension, 3)
    invoke(extension)
    assert extension.server.logins == 2
    extension.clock.advance(595)
    invoke(extension)
    assert extension.server.count("PUT", "sys/leases/revoke") == 3
    assert extension.server.leases == {}


def test_a_caller_can_have_a_batch_tokens_leases_revoked() -> None:
    """`X-Vault-Token-Options: revoke` ends what can be ended, and the request goes with a new token."""
    extension = batch(GRANT)
    first = user(extension.ask())
    answer = extension.ask(CREDS, ("X-Vault-Token-Options", "revoke"))
    assert answer.ok
    assert user(answer) != first
    assert (extension.server.logins, len(extension.server.leases)) == (2, 1)


@pytest.mark.parametrize(("ttl_s", "warned"), [(3600, []), (3601, [3601])])
def test_a_long_lease_is_warned_of(ttl_s: int, warned: list[int]) -> None:
    """A lease of more than an hour would outlive a killed sandbox for long; its role is named, once."""
    extension = Extension()
    extension.server.token_ttl_s = 100_000
    extension.server.lease_ttl_s = ttl_s
    fetch(extension, 3)
    found = [line for line in extension.logged if line["event"] == "lease-long"]
    assert [line["ttl_s"] for line in found] == warned
    assert all((line["level"], line["path"]) == ("warn", CREDS) for line in found)


def test_a_lease_is_as_long_as_its_token_lets_it() -> None:
    """A lease of a day under a token of an hour ends with that token: no warning."""
    extension = Extension()
    extension.server.lease_ttl_s = 86_400
    fetch(extension, 1)
    assert "lease-long" not in extension.events


def test_a_token_that_is_over_by_our_clocks_only_is_given_back(extension: Extension) -> None:
    """Somebody sets the time ahead: another token is got at once, and the old one, which lives on in Vault, goes soon after."""
    extension.ask()
    extension.clock.freeze(3700)
    extension.server.outlive(3700)
    assert user(extension.ask())
    assert extension.server.logins == 2
    assert len(extension.server.tokens) == 3  # with root's
    extension.clock.advance(61)
    invoke(extension)
    assert len(extension.server.tokens) == 2
    assert "token-revoked" in extension.events


def test_a_token_that_is_over_for_good_is_not_given_back(extension: Extension) -> None:
    """Where both clocks say that it is over there is nothing to give back; where one does and Vault agrees, it is no warning."""
    extension.ask()
    extension.clock.advance(3700)
    extension.ask()
    extension.clock.freeze(3700)
    extension.ask()
    extension.clock.advance(61)
    invoke(extension)
    assert extension.server.logins == 3
    assert extension.server.count("POST", "auth/token/revoke-self") == 1
    assert not [line for line in extension.logged if line["level"] == "warn"]


def test_a_batch_token_is_replaced_without_a_renewal(extension: Extension) -> None:
    """Batch tokens can't be renewed; the extension doesn't try, and keeps what the new one fetches."""
    extension.server.token_type = "batch"
    extension.ask()
    extension.clock.advance(2500)
    invoke(extension)
    assert extension.server.logins == 2
    assert extension.server.count("POST", "auth/token/renew-self") == 0
    assert cache(extension.ask()) == "miss"
    assert cache(extension.ask()) == "hit"


def test_close_gives_back_replaced_tokens_too(extension: Extension) -> None:
    """At SHUTDOWN nothing that is ours stays."""
    extension.server.token_max_s = 3700
    extension.ask("secret/data/records")
    extension.clock.advance(2450)
    extension.ask()
    invoke(extension)
    extension.broker.close()
    assert set(extension.server.tokens) == {extension.server.root_token}


def test_an_invocation_waits_for_a_login_under_way(extension: Extension) -> None:
    """A login that somebody else leads is waited for before Next: a freeze must not fall into it."""
    gate = extension.server.hold("POST", "auth/aws/login")
    reader = extension.beside()
    assert gate.arrived.wait(10)
    busy = extension.broker.tick()
    assert busy is not None
    assert busy.is_alive()
    gate.open()
    reader.result()
    busy.join(10)
    assert not busy.is_alive()
    assert extension.server.logins == 1


def test_a_margin_never_eats_a_whole_life() -> None:
    """VAULTGATE_LEASE_MARGIN beyond a lease's TTL leaves half of it, instead of a new user at every read."""
    extension = Extension(VAULTGATE_LEASE_MARGIN="1h")
    extension.ask()
    assert cache(extension.ask()) == "hit"
    extension.clock.advance(300)
    assert cache(extension.ask()) == "miss"


def test_a_write_that_gives_a_lease_keeps_its_token_too(extension: Extension) -> None:
    """Engines that give credentials for a POST lease them as well: the token that was replaced lives until those are over."""
    extension.server.token_max_s = 3700
    extension.ask("secret/data/records")
    extension.clock.advance(2450)
    made = {"lease_id": "aws/creds/app/1", "lease_duration": 600, "renewable": False, "data": {"access_key": "AKIA"}}
    extension.server.next(Answer(200, (), json.dumps(made).encode()))
    answer = extension.ask("aws/creds/app", method="POST", document={"ttl": "10m"})
    assert (cache(answer), answer.header("X-Vaultgate-Lease-Remaining")) == ("bypass", "590")
    invoke(extension)
    assert extension.server.logins == 2
    extension.clock.advance(1)
    invoke(extension)
    assert extension.server.count("POST", "auth/token/revoke-self") == 0
    extension.clock.advance(595)
    invoke(extension)
    assert extension.server.count("POST", "auth/token/revoke-self") == 1


def test_a_replacement_at_the_end_leaves_no_token_behind(extension: Extension) -> None:
    """When the sandbox ends just as a token was replaced, the old one is given back too: its leases hang on it."""

    class Ending(io.StringIO):
        def write(self, line: str) -> int:
            if '"event": "login"' in line and extension.server.logins == 2:
                broker.close()
            return len(line)

    log = Log(Ending(), "info", extension.clock)
    login = AwsLogin(extension.vault, Credentials(KEYS, extension.server), extension.config, extension.clock)
    broker = extension.broker = Broker(extension.vault, login, extension.config, extension.clock, log)
    extension.server.token_max_s = 3700
    extension.ask("secret/data/records")
    extension.clock.advance(2450)
    invoke(extension)
    assert list(extension.server.tokens) == [extension.server.root_token]


def test_a_lease_is_replaced_in_the_namespace_it_came_from() -> None:
    """Whoever named the root by an empty namespace gets the root's again, whatever namespace the settings name."""
    extension = Extension(VAULT_NAMESPACE="team")
    namespaces: list[str | None] = []

    class Between:
        def exchange(self, origin: Origin, request: Request, deadline: float) -> Answer:
            if request.path == f"/v1/{CREDS}":
                namespaces.append(request.header("X-Vault-Namespace"))
            return extension.server.exchange(origin, request, deadline)

    vault = Vault(Between(), extension.config.vault, extension.config.namespace, 0, extension.clock)
    login = AwsLogin(vault, Credentials(KEYS, extension.server), extension.config, extension.clock)
    extension.broker = Broker(vault, login, extension.config, extension.clock, extension.log)
    for _ in range(2):
        extension.ask(CREDS, ("X-Vault-Namespace", ""))
    extension.server.revoke_leases()
    extension.clock.advance(410)
    invoke(extension)
    assert namespaces == ["", ""]


def test_a_replaced_token_lingers_for_reads_on_their_way(extension: Extension) -> None:
    """A read that took the old token just before it was replaced may still bring a lease; the token waits a minute for it."""
    extension.server.token_max_s = 3700
    extension.ask("secret/data/records")
    extension.clock.advance(2450)
    invoke(extension)
    assert extension.server.logins == 2
    invoke(extension)
    assert extension.server.count("POST", "auth/token/revoke-self") == 0
    extension.clock.advance(61)
    invoke(extension)
    assert extension.server.count("POST", "auth/token/revoke-self") == 1
