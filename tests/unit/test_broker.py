"""The broker on a simulated Vault: one call for many, never an expired credential, self-healing, nothing left behind."""

from __future__ import annotations

import json

import pytest
from tests.simulators.extension import CREDS, Beside, Extension, cache, eventually, user
from tests.simulators.vault import DEAD_TOKEN

from vaultgate.errors import Closing, DeadlineExceeded, LoginRefused, Unreachable
from vaultgate.model import Answer

KV = "secret/data/records"
LOOKUP = "auth/token/lookup-self"
LOGIN = ("POST", "auth/aws/login")


@pytest.fixture
def extension() -> Extension:
    """An extension that has not logged in yet."""
    return Extension()


# --- one call for many ---


@pytest.mark.parametrize("path", [CREDS, KV])
def test_concurrent_readers_cost_one_request(extension: Extension, path: str) -> None:
    """Readers of one secret who come while it is being fetched share the one request, and the one login."""
    gate = extension.server.hold("GET", path)
    first = extension.beside(path)
    assert gate.arrived.wait(10)
    others = [extension.beside(path).until_it_waits() for _ in range(8)]
    gate.open()
    bodies = {one.result().body for one in [first, *others]}
    assert len(bodies) == 1
    assert extension.server.count("GET", path) == 1
    assert extension.server.logins == 1


def test_readers_of_different_secrets_do_not_wait_for_each_other(extension: Extension) -> None:
    """A slow secret holds up nobody who wants another one: no lock is held across I/O."""
    gate = extension.server.hold("GET", CREDS)
    slow = extension.beside(CREDS)
    assert gate.arrived.wait(10)
    assert extension.ask(KV).ok
    gate.open()
    assert slow.result().ok


def test_waiters_share_the_failure(extension: Extension) -> None:
    """When the one request fails, everybody who waited hears why; whoever comes later tries again."""
    extension.ask(KV)
    gate = extension.server.hold("GET", CREDS, "after")
    first = extension.beside()
    assert gate.arrived.wait(10)
    others = [extension.beside().until_it_waits() for _ in range(3)]
    extension.server.delay_s = 61
    gate.open()
    for one in [first, *others]:
        with pytest.raises(DeadlineExceeded):
            one.result()
    extension.server.delay_s = 0
    assert extension.ask().ok


def test_waiter_with_more_time_than_the_leader_gets_an_answer(extension: Extension) -> None:
    """A reader whose own deadline has not come fetches for itself when the one it waited for ran out of time."""
    extension.ask(KV)
    gate = extension.server.hold("GET", CREDS, "after")
    leader = extension.beside(seconds=5)
    assert gate.arrived.wait(10)
    waiter = extension.beside(seconds=500).until_it_waits()
    extension.clock.advance(6)
    gate.open()
    with pytest.raises(DeadlineExceeded):
        leader.result()
    assert waiter.result().ok


def test_login_is_shared(extension: Extension) -> None:
    """Requests that come before the login has ended wait for it instead of logging in themselves."""
    gate = extension.server.hold(*LOGIN)
    thread = extension.broker.tick()
    assert thread is not None
    assert gate.arrived.wait(10)
    readers = [extension.beside(path).until_it_waits() for path in (CREDS, KV)]
    gate.open()
    assert [one.result().status for one in readers] == [200, 200]
    assert extension.server.logins == 1
    assert extension.broker.tick() is None


def test_after_a_write_readers_do_not_join_an_older_read(extension: Extension) -> None:
    """A read that began before a write may show the old value; a reader who comes after the write must not share it."""
    extension.server.policies["records"] += ((KV, {"update"}),)
    gate = extension.server.hold("GET", KV, "after")
    old = extension.beside(KV)
    assert gate.arrived.wait(10)
    assert extension.ask(KV, method="PUT", document={"data": {"greeting": "new"}}).ok
    assert b'"new"' in extension.ask(KV).body
    gate.open()
    assert b'"hello"' in old.result().body


# --- the cache and its labels ---


def test_leased_read_is_kept_for_its_lease(extension: Extension) -> None:
    """A database credential is fetched once and handed out until ten seconds before its lease ends."""
    first = extension.ask()
    assert (cache(first), first.header("Age"), first.header("X-Vaultgate-Lease-Remaining")) == ("miss", "0", "590")
    extension.clock.advance(100)
    second = extension.ask()
    assert (cache(second), second.header("Age"), second.header("X-Vaultgate-Lease-Remaining")) == ("hit", "100", "490")
    assert user(second) == user(first)
    extension.clock.advance(489)
    assert user(extension.ask()) == user(first)
    extension.clock.advance(1)
    assert user(extension.ask()) != user(first)


def test_lifetime_counts_from_sending(extension: Extension) -> None:
    """Vault's clock started before the answer arrived: the seconds an answer took are taken off."""
    extension.ask(KV)
    extension.server.delay_s = 7
    assert extension.ask().header("X-Vaultgate-Lease-Remaining") == "583"


def test_tokens_life_counts_from_sending(extension: Extension) -> None:
    """The seconds that a login took are taken off the token's life too, and with it off its leases'."""
    extension.server.lease_ttl_s = 100_000
    extension.server.delay_s = 7
    extension.ask(KV)
    extension.server.delay_s = 0
    # The login's seven seconds, and KV's.
    assert extension.ask().header("X-Vaultgate-Lease-Remaining") == "3576"


def test_read_without_a_lease_is_not_kept(extension: Extension) -> None:
    """KV has no lease: each read is Vault's own answer, and says nothing of a lease."""
    for _ in range(2):
        answer = extension.ask(KV)
        assert (cache(answer), answer.header("X-Vaultgate-Lease-Remaining")) == ("miss", None)
    assert extension.server.count("GET", KV) == 2


@pytest.mark.parametrize(("control", "label", "later"), [("nocache", "bypass", "old"), ("recache", "miss", "new")])
def test_cache_control(extension: Extension, control: str, label: str, later: str) -> None:
    """`nocache` passes the cache by and leaves it as it was; `recache` fetches anew for everybody."""
    old = user(extension.ask())
    answer = extension.ask(CREDS, ("X-Vault-Cache-Control", control))
    assert cache(answer) == label
    assert user(answer) != old
    assert user(extension.ask()) == {"old": old, "new": user(answer)}[later]


def test_namespaces_do_not_share(extension: Extension) -> None:
    """The same path in another namespace is another secret."""
    assert user(extension.ask()) != user(extension.ask(CREDS, ("X-Vault-Namespace", "team")))


def test_small_cache_keeps_what_fits() -> None:
    """A cache that is too small for an answer still answers."""
    extension = Extension(VAULTGATE_CACHE_BYTES="100")
    assert [cache(extension.ask()) for _ in range(2)] == ["miss", "miss"]


def test_wrapped_answer_is_for_one(extension: Extension) -> None:
    """A wrapping token works once, so two readers get two."""
    answers = [extension.ask(CREDS, ("X-Vault-Wrap-TTL", "60s")) for _ in range(2)]
    tokens = {json.loads(answer.body)["wrap_info"]["token"] for answer in answers}
    assert len(tokens) == 2
    assert [cache(answer) for answer in answers] == ["bypass", "bypass"]


def test_answer_that_vault_wraps_by_itself_is_not_shared(extension: Extension) -> None:
    """A control group wraps what nobody asked to be wrapped; a reader who waited for another's gets one of their own."""
    extension.ask(KV)
    wrapped = [json.dumps({"lease_id": "", "lease_duration": 0, "wrap_info": {"token": name}}).encode() for name in ("a", "b")]
    extension.server.next(*(Answer(200, (), body) for body in wrapped))
    gate = extension.server.hold("GET", CREDS)
    first = extension.beside()
    assert gate.arrived.wait(10)
    second = extension.beside().until_it_waits()
    gate.open()
    assert [first.result().body, second.result().body] == wrapped


def test_vaults_errors_pass_through(extension: Extension) -> None:
    """A missing secret is Vault's own 404, body and status, and is not kept."""
    for _ in range(2):
        answer = extension.ask("secret/data/absent")
        assert (answer.status, answer.body) == (403, b'{"errors": ["1 error occurred:\\n\\t* permission denied\\n\\n"]}\n')
    extension.server.policies["records"] += (("secret/data/*", {"read"}),)
    answer = extension.ask("secret/data/absent")
    assert (answer.status, answer.body) == (404, b'{"errors": []}\n')


# --- two clocks ---


@pytest.mark.parametrize("hand", ["freeze", "advance"])
def test_either_clock_ends_a_lease(extension: Extension, hand: str) -> None:
    """A lease that ended while the sandbox was frozen is never handed out, nor one that ended while it ran."""
    first = user(extension.ask())
    getattr(extension.clock, hand)(591)
    assert user(extension.ask()) != first


def test_setting_the_clock_back_gives_no_time(extension: Extension) -> None:
    """A wall clock that is set back does not lengthen a lease."""
    first = user(extension.ask())
    extension.clock.advance(500)
    extension.clock.set_back(500)
    extension.clock.advance(91)
    assert user(extension.ask()) != first


@pytest.mark.parametrize("hand", ["freeze", "set_back"])
def test_jump_in_flight_discards_the_answer(extension: Extension, hand: str) -> None:
    """An answer that was on its way while the clocks parted may be older than its own lease: it is asked for again."""
    extension.ask(KV)
    extension.server.afterwards(CREDS, lambda: getattr(extension.clock, hand)(3))
    answer = extension.ask()
    assert extension.server.count("GET", CREDS) == 2
    assert answer.header("X-Vaultgate-Lease-Remaining") == "590"


def test_freeze_in_the_middle_of_a_login_signs_anew(extension: Extension) -> None:
    """A refusal that came after a freeze says nothing about us: the login is signed again, with the time it is now."""
    extension.server.principal = None

    def thaw() -> None:
        extension.clock.freeze(1800)
        extension.server.principal = "arn:aws:sts::123456789012:assumed-role/vaultgate-records/session"

    extension.server.afterwards("auth/aws/login", thaw)
    assert extension.ask().ok
    assert extension.server.count(*LOGIN) == 2


def test_refusal_without_a_freeze_is_told_at_once(extension: Extension) -> None:
    """A refusal with no freeze in it is asked for only once."""
    extension.server.principal = None
    with pytest.raises(LoginRefused, match="sts_region"):
        extension.ask()
    assert extension.server.count(*LOGIN) == 1


@pytest.mark.parametrize("hand", ["freeze", "advance"])
def test_token_over_means_a_new_login(extension: Extension, hand: str) -> None:
    """Once either clock says that the token is over, ten seconds early, a new one is fetched before the next request."""
    extension.server.lease_ttl_s = 100_000
    first = user(extension.ask())
    getattr(extension.clock, hand)(3589)
    assert user(extension.ask()) == first
    getattr(extension.clock, hand)(1)
    assert user(extension.ask()) != first
    assert extension.server.logins == 2


def test_lease_is_not_longer_than_its_token(extension: Extension) -> None:
    """Vault ends a lease with its token, so what is told of the lease is the shorter of the two."""
    extension.server.lease_ttl_s = 100_000
    assert extension.ask().header("X-Vaultgate-Lease-Remaining") == "3590"


def test_tick_logs_in_anew(extension: Extension) -> None:
    """An INVOKE after the token's end starts the login before anybody asks; otherwise it starts nothing."""
    extension.ask()
    assert extension.broker.tick() is None
    extension.clock.freeze(4000)
    thread = extension.broker.tick()
    assert thread is not None
    thread.join(10)
    assert extension.server.logins == 2
    assert "token-over" in extension.events


# --- deadlines ---


@pytest.mark.parametrize(
    ("deadline_in_s", "expected_s"),
    [(None, 60), (0.0, 60), (-5.0, 60), (0.05, 60), (0.5, 0.4), (3.0, 2.7), (30.0, 29.5), (900.0, 60)],
)
def test_deadline(extension: Extension, deadline_in_s: float | None, expected_s: float) -> None:
    """A call ends a tenth of its invocation's time early, at least 0.1 and at most 0.5 s, or after VAULT_CLIENT_TIMEOUT."""
    extension.broker.invocation(0 if deadline_in_s is None else round((extension.clock.wall() + deadline_in_s) * 1000))
    assert extension.broker.deadline() - extension.clock.steady() == pytest.approx(expected_s, abs=0.002)


def test_past_invocation_counts_for_nothing(extension: Extension) -> None:
    """Once an invocation is over its deadline binds nobody."""
    extension.broker.invocation(round((extension.clock.wall() + 3) * 1000))
    extension.clock.advance(10)
    assert extension.broker.deadline() - extension.clock.steady() == pytest.approx(60)


def test_a_read_that_is_earlier_than_the_word_of_its_invocation_is_bound_by_it(extension: Extension) -> None:
    """Lambda tells the extension and the function at once; whoever is first, the call must be over in time."""
    extension.broker.invocation(round((extension.clock.wall() + 3) * 1000))
    extension.clock.advance(10)
    early = Beside(extension.broker.deadline)
    extension.broker.invocation(round((extension.clock.wall() + 3) * 1000))
    assert early.result() - extension.clock.steady() == pytest.approx(2.7, abs=0.002)


def test_slow_vault_does_not_outlive_the_deadline(extension: Extension) -> None:
    """A Vault that is too slow is an error at the deadline, and no retry follows."""
    extension.ask(KV)
    extension.server.delay_s = 5
    with pytest.raises(DeadlineExceeded):
        extension.ask(seconds=4)
    assert extension.server.count("GET", CREDS) == 1


def test_waiting_for_a_login_ends_at_the_deadline(extension: Extension) -> None:
    """Whoever waits for somebody else's login waits no longer than their own deadline."""
    gate = extension.server.hold(*LOGIN)
    first = extension.beside(KV)
    assert gate.arrived.wait(10)
    waiter = extension.beside(seconds=0.05)
    extension.clock.advance(0.06)
    with pytest.raises(DeadlineExceeded):
        waiter.result()
    gate.open()
    assert first.result().ok


# --- retries ---


@pytest.mark.parametrize("outcome", [Unreachable("gone"), Answer(503), Answer(429), Answer(502), Answer(504)], ids=repr)
def test_reads_are_tried_again(extension: Extension, outcome: Answer | Unreachable) -> None:
    """A read that met a Vault on the move is repeated, with pauses, twice by default."""
    extension.ask(KV)
    before = extension.clock.steady()
    extension.server.next(outcome, outcome)
    assert extension.ask().ok
    assert extension.server.count("GET", CREDS) == 3
    assert extension.clock.steady() - before == pytest.approx(0.075 + 0.15)


def test_tries_end(extension: Extension) -> None:
    """After the last try the failure is told: Vault's own answer if there is one."""
    extension.ask(KV)
    extension.server.state = "sealed"
    answer = extension.ask()
    assert (answer.status, answer.body) == (503, b'{"errors": ["Vault is sealed"]}\n')
    extension.server.state = "gone"
    with pytest.raises(Unreachable):
        extension.ask()
    assert extension.server.count("GET", CREDS) == 6


def test_writes_are_not_tried_again(extension: Extension) -> None:
    """A write that may have been carried out is not repeated."""
    extension.ask(KV)
    extension.server.next(Unreachable("gone"))
    with pytest.raises(Unreachable):
        extension.ask(KV, method="PUT", document={"data": {}})
    assert extension.server.count("PUT", KV) == 1


def test_no_retry_beyond_the_deadline(extension: Extension) -> None:
    """A retry that could not end in time is not begun."""
    extension.ask(KV)
    extension.server.next(Answer(503))
    assert extension.ask(seconds=0.05).status == 503


def test_login_is_tried_again(extension: Extension) -> None:
    """A login does no harm twice, and is repeated like a read."""
    extension.server.next(Unreachable("gone"), Answer(503))
    assert extension.ask().ok


# --- self-healing ---


def test_dead_token_is_replaced(extension: Extension) -> None:
    """A token that was revoked behind our back costs the caller nothing: one login, one replay of the read."""
    extension.ask()
    extension.server.revoke_tokens()
    answer = extension.ask(KV)
    assert answer.ok
    assert extension.server.logins == 2
    assert extension.server.count("GET", LOOKUP) == 1
    assert "token-dead" in extension.events


def test_new_login_drops_the_dead_tokens_leases(extension: Extension) -> None:
    """Leases die with their token, so nothing fetched with a dead one is handed out again."""
    first = user(extension.ask())
    extension.server.revoke_tokens()
    extension.ask(KV)
    assert user(extension.ask()) != first


def test_answer_of_a_dead_token_that_lands_late_is_not_kept(extension: Extension) -> None:
    """An answer that was on its way while its token died goes to its caller, and to nobody else."""
    extension.ask(KV)
    gate = extension.server.hold("GET", CREDS, "after")
    late = extension.beside()
    assert gate.arrived.wait(10)
    extension.server.revoke_tokens()
    extension.ask(KV)
    assert extension.server.logins == 2
    gate.open()
    dead = user(late.result())
    assert user(extension.ask()) != dead


def test_many_meet_the_dead_token(extension: Extension) -> None:
    """When many find the token dead at once, one login follows."""
    extension.server.policies["records"] += (("secret/data/*", {"read"}),)
    extension.ask(KV)
    extension.server.revoke_tokens()
    paths = [CREDS, KV, *(f"secret/data/{number}" for number in range(6))]
    gates = [extension.server.hold("GET", path, "after") for path in paths]
    readers = [extension.beside(path) for path in paths]
    assert all(gate.arrived.wait(10) for gate in gates)
    for gate in gates:
        gate.open()
    assert [one.result().status for one in readers] == [200, 200] + [404] * 6
    assert extension.server.logins == 2


def test_who_meets_the_dead_token_late_waits_for_the_login(extension: Extension) -> None:
    """A reader who is refused while somebody else already logs in anew waits for that, and is answered with the new token."""
    extension.ask(KV)
    extension.server.revoke_tokens()
    gates = [extension.server.hold("GET", path, "after") for path in (CREDS, KV)]
    first, second = extension.beside(CREDS), extension.beside(KV)
    assert all(gate.arrived.wait(10) for gate in gates)
    login = extension.server.hold(*LOGIN)
    gates[0].open()
    assert login.arrived.wait(10)
    gates[1].open()
    second.until_it_waits()
    login.open()
    assert [first.result().status, second.result().status] == [200, 200]
    assert extension.server.logins == 2


def test_write_with_a_dead_token_is_not_replayed(extension: Extension) -> None:
    """A write is answered with Vault's 403; the next request has a new token."""
    extension.server.policies["records"] += ((KV, {"update"}),)
    extension.ask(KV)
    extension.server.revoke_tokens()
    assert extension.ask(KV, method="PUT", document={"data": {}}).status == 403
    assert extension.server.count("PUT", KV) == 1
    assert extension.ask(KV, method="PUT", document={"data": {}}).ok
    assert extension.server.logins == 2


def test_at_most_one_healing_in_thirty_seconds(extension: Extension) -> None:
    """A token that keeps dying is replaced at most once in 30 s; in between Vault's 403 is handed on."""
    extension.ask(KV)
    for expected in (2, 2, 3):
        extension.server.revoke_tokens()
        answer = extension.ask(KV)
        assert extension.server.logins == expected
        assert answer.status == (403 if expected == extension.server.logins and answer.status == 403 else 200)
        extension.clock.advance(16)


def test_denial_by_policy_never_logs_in(extension: Extension) -> None:
    """What our policy does not grant is Vault's 403, however often it is asked for."""
    extension.ask(KV)
    for _ in range(3):
        assert extension.ask("secret/data/others").status == 403
        extension.clock.advance(40)
    assert extension.server.logins == 1


def test_unproven_death_keeps_vaults_answer(extension: Extension) -> None:
    """If Vault goes away before it can prove the token dead, the caller still has Vault's 403, and the token stays."""
    extension.ask(KV)
    extension.server.afterwards("secret/data/others", lambda: setattr(extension.server, "state", "gone"))
    answer = extension.ask("secret/data/others")
    assert (answer.status, cache(answer)) == (403, "miss")
    extension.server.state = "active"
    assert extension.ask().ok
    assert extension.server.logins == 1


def test_failed_login_is_told_and_tried_again(extension: Extension) -> None:
    """A refused login is an error with its likely fix in the log and for the caller; the next request tries again."""
    extension.server.principal = "arn:aws:sts::123456789012:assumed-role/somebody-else/session"
    with pytest.raises(LoginRefused, match="bound_iam_principal_arn"):
        extension.ask()
    [line] = [line for line in extension.logged if line["event"] == "login-failed"]
    assert "bound_iam_principal_arn" in line["hint"]
    extension.server.principal = "arn:aws:sts::123456789012:assumed-role/vaultgate-records/session"
    assert extension.ask().ok


@pytest.mark.parametrize(
    ("environ", "hint"),
    [
        ({"VAULT_AUTH_ROLE": "absent"}, "VAULT_AUTH_ROLE"),
        ({"VAULT_IAM_SERVER_ID": ""}, "VAULT_IAM_SERVER_ID"),
        ({"VAULT_IAM_SERVER_ID": "other"}, "VAULT_IAM_SERVER_ID"),
        ({"VAULT_AUTH_PROVIDER": "nowhere"}, "VAULT_AUTH_PROVIDER"),
    ],
)
def test_refused_login_names_the_setting(environ: dict[str, str], hint: str) -> None:
    """Each way a login can be refused names the setting that is most likely wrong."""
    with pytest.raises(LoginRefused) as caught:
        Extension(**environ).ask()
    assert hint in caught.value.hint


# --- leases revoked behind our back ---


def test_lookup_of_a_dead_lease_drops_it(extension: Extension) -> None:
    """When the function looks a lease up and Vault says it is no more, its secret is not handed out again."""
    first = extension.ask()
    lease_id = json.loads(first.body)["lease_id"]
    assert extension.ask("sys/leases/lookup", method="PUT", document={"lease_id": lease_id}).ok
    assert user(extension.ask()) == user(first)
    extension.server.revoke_leases()
    answer = extension.ask("sys/leases/lookup", method="PUT", document={"lease_id": lease_id})
    assert (answer.status, json.loads(answer.body)) == (400, {"errors": ["invalid lease"]})
    assert user(extension.ask()) != user(first)
    assert extension.server.logins == 1
    assert "lease-dead" in extension.events


@pytest.mark.parametrize("document", [None, {}, [], {"lease_id": 7}, {"lease_id": "database/creds/records/other"}])
def test_lookup_of_something_else_drops_nothing(extension: Extension, document: object) -> None:
    """A look-up of another lease, or of nonsense, leaves what is kept."""
    first = user(extension.ask())
    extension.server.next(Answer(400))
    extension.ask("sys/leases/lookup", method="PUT", document=document)
    assert user(extension.ask()) == first


# --- the end ---


def test_close_gives_the_token_back(extension: Extension) -> None:
    """At the end the token is revoked, and the leases with it."""
    extension.ask()
    assert len(extension.server.leases) == 1
    extension.broker.close()
    assert list(extension.server.tokens) == [extension.server.root_token]
    assert "token-revoked" in extension.events


def test_close_takes_at_most_a_second(extension: Extension) -> None:
    """A Vault that does not answer costs the end one second, and a warning that says which token is left for how long."""
    extension.ask()
    extension.server.delay_s = 100
    before = extension.clock.steady()
    extension.server.next(Unreachable("gone"), Unreachable("gone"))
    extension.broker.close()
    assert extension.clock.steady() - before <= 101
    [line] = [line for line in extension.logged if line["event"] == "revoke-failed"]
    assert line["accessor"].startswith("accessor-")


def test_close_retries_only_within_its_second(extension: Extension) -> None:
    """The revocation is repeated while its second lasts and no longer."""
    extension.ask()
    extension.server.state = "gone"
    before = extension.clock.steady()
    extension.broker.close()
    assert extension.clock.steady() - before < 1
    assert extension.server.count("POST", "auth/token/revoke-self") == 3


def test_close_without_a_token_does_nothing(extension: Extension) -> None:
    """A sandbox that never logged in has nothing to give back."""
    extension.broker.close()
    assert extension.server.seen == []


def test_close_waits_for_a_login_in_flight(extension: Extension) -> None:
    """A login under way at the end is waited for, and its token revoked."""
    gate = extension.server.hold(*LOGIN, "after")
    extension.broker.tick()
    assert gate.arrived.wait(10)
    closing = Beside(extension.broker.close).until_it_waits()
    gate.open()
    closing.result()
    assert list(extension.server.tokens) == [extension.server.root_token]


def test_after_close_nobody_logs_in(extension: Extension) -> None:
    """Once the sandbox ends, requests are refused and no login begins."""
    extension.broker.close()
    with pytest.raises(Closing):
        extension.ask()
    assert extension.broker.tick() is None
    assert extension.server.logins == 0


# --- tokens ---


@pytest.mark.parametrize("path", [LOOKUP, "auth/token/renew-self"])
def test_our_token_is_redacted(extension: Extension, path: str) -> None:
    """Paths that would show our token's id show the word redacted instead."""
    answer = extension.ask(path, method="GET" if path == LOOKUP else "POST")
    assert answer.ok
    assert b"hvs." not in answer.body
    assert b'"redacted"' in answer.body


def test_our_token_is_redacted_behind_a_wrapping(extension: Extension) -> None:
    """Wrapping a look-up of our token and unwrapping it with the wrapping token doesn't show it either."""
    wrapped = extension.ask(LOOKUP, ("X-Vault-Wrap-TTL", "60"))
    wrapping = json.loads(wrapped.body)["wrap_info"]["token"]
    answer = extension.ask("sys/wrapping/unwrap", ("X-Vault-Token", wrapping), method="POST")
    assert json.loads(answer.body)["data"]["id"] == "redacted"


def test_callers_own_token_goes_through(extension: Extension) -> None:
    """A caller's own token is used as it is: no login of ours, nothing shared, nothing kept, no healing."""
    own = ("X-Vault-Token", extension.server.root_token)
    answers = [extension.ask(CREDS, own) for _ in range(2)]
    assert [cache(answer) for answer in answers] == ["bypass", "bypass"]
    assert user(answers[0]) != user(answers[1])
    assert extension.server.logins == 0
    assert cache(extension.ask()) == "miss"
    assert extension.server.logins == 1


def test_callers_dead_token_is_their_own_affair(extension: Extension) -> None:
    """Somebody else's dead token is answered with Vault's words and touches nothing of ours."""
    extension.ask()
    answer = extension.ask(CREDS, ("X-Vault-Token", "hvs.dead"))
    assert json.loads(answer.body) == {"errors": list(DEAD_TOKEN)}
    assert extension.server.count("GET", LOOKUP) == 0
    assert cache(extension.ask()) == "hit"


@pytest.mark.parametrize("word", ["", " ", "vaultgate"])
def test_placeholder_means_our_token(extension: Extension, word: str) -> None:
    """SDKs that insist on a token can send the word vaultgate."""
    assert cache(extension.ask(CREDS, ("X-Vault-Token", word))) == "miss"
    assert cache(extension.ask()) == "hit"


def test_many_threads_many_moments(extension: Extension) -> None:
    """Under readers, writers and revocations at once, everybody gets an answer and the token is still given back."""
    extension.ask()

    def work(number: int) -> list[int]:
        statuses = []
        for turn in range(20):
            if (turn + number) % 7 == 0:
                extension.server.revoke_tokens()
                extension.clock.advance(31)
            statuses.append(extension.ask(CREDS if turn % 2 else KV, seconds=1e6).status)  # others move the clock meanwhile
        return statuses

    workers = [Beside(lambda number=number: work(number)) for number in range(6)]  # type: ignore[misc]
    assert {status for worker in workers for status in worker.result()} <= {200, 403}
    extension.broker.close()
    eventually(lambda: list(extension.server.tokens) == [extension.server.root_token])
