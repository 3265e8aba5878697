"""A Vault of three nodes, seen through the extension's client for it: who is asked, when, and for how long."""

from __future__ import annotations

import io
import json

import pytest
from tests.simulators.clock import MovableClock
from tests.simulators.vault import SimulatedVault
from tests.simulators.vault_cluster import SimulatedCluster

from vaultgate.errors import CircuitOpen, DeadlineExceeded, Unreachable
from vaultgate.log import Log
from vaultgate.model import Answer, Request
from vaultgate.nodes import Nodes
from vaultgate.secret import Secret
from vaultgate.values import origin
from vaultgate.vault import Vault

A, B, C = ADDRESSES = tuple(f"https://{name}.vault.example.com:8200" for name in "abc")
KV = "secret/data/records"
STRANGER = "https://elsewhere.example.com:8200"


class Cluster:
    """Three nodes, of which the client knows some."""

    def __init__(self, *known: str, retries: int = 2) -> None:
        self.clock = MovableClock()
        self.server = SimulatedVault(self.clock)
        self.network = SimulatedCluster(self.server, self.clock, *ADDRESSES)
        self._lines = io.StringIO()
        log = Log(self._lines, "info", self.clock)
        first, *others = map(origin, known or ADDRESSES)
        self.vault = Vault(self.network, first, None, retries, self.clock, others=tuple(others), log=log)

    def ask(self, method: str = "GET", path: str = KV, *, seconds: float = 60.0) -> Answer:
        """A request with the root token."""
        body = json.dumps({"data": {"a": 1}}).encode() if method == "POST" else b""
        request = Request(method, f"/v1/{path}", (), body)
        return self.vault.forward(request, Secret(self.server.root_token), self.clock.steady() + seconds)

    def reached(self) -> list[str]:
        """Which nodes got requests other than for their health, in order."""
        return [where for where, path in self.network.asked if path != "sys/health"]

    @property
    def events(self) -> list[str]:
        """The log's events."""
        return [json.loads(line)["event"] for line in self._lines.getvalue().splitlines()]


@pytest.fixture
def cluster() -> Cluster:
    """All three nodes are known; a leads."""
    return Cluster()


# --- which node ---


def test_the_first_address_is_asked_first(cluster: Cluster) -> None:
    """Nobody but the first is asked anything while it answers, and only once how it is."""
    assert [cluster.ask().status for _ in range(3)] == [200, 200, 200]
    assert cluster.network.asked == [(A, "sys/health"), (A, KV), (A, KV), (A, KV)]


def test_a_single_address_is_never_probed() -> None:
    """Who names one address pays for nothing that several need."""
    cluster = Cluster(A)
    cluster.ask()
    assert cluster.network.asked == [(A, KV)]


def test_the_next_address_is_asked_when_the_first_is_gone(cluster: Cluster) -> None:
    """A write, too: where no connection came about, nothing was carried out."""
    cluster.network.leader = B
    cluster.network.state[A] = "gone"
    assert cluster.ask("POST").ok
    assert cluster.reached() == [B]


def test_a_node_that_failed_comes_last(cluster: Cluster) -> None:
    """The next call doesn't begin with the one that is gone, and comes back to it once it is there again and others aren't."""
    cluster.network.leader = C
    cluster.network.state[A] = "gone"
    cluster.ask()
    cluster.network.asked.clear()
    cluster.clock.freeze(0.4)
    cluster.ask()
    assert {where for where, _ in cluster.network.asked} == {B}
    cluster.network.state.update({A: "up", B: "gone", C: "gone"})
    cluster.network.leader = A
    cluster.clock.advance(60)
    assert cluster.ask().ok


def test_a_silent_node_costs_a_second_once(cluster: Cluster) -> None:
    """What swallows packets is found out by the probe, not by the call itself."""
    cluster.network.leader = B
    cluster.network.state[A] = "silent"
    before = cluster.clock.steady()
    assert cluster.ask().ok
    assert cluster.clock.steady() - before == pytest.approx(1.0)
    assert cluster.ask().ok
    assert cluster.clock.steady() - before == pytest.approx(1.0)


def test_little_time_is_shared_among_the_nodes(cluster: Cluster) -> None:
    """With 300 ms left, the silent first node takes a third of them."""
    cluster.network.leader = B
    cluster.network.state[A] = "silent"
    before = cluster.clock.steady()
    assert cluster.ask(seconds=0.3).ok
    assert cluster.clock.steady() - before == pytest.approx(0.1)


def test_a_node_is_probed_again_after_a_freeze(cluster: Cluster) -> None:
    """Who hasn't been heard for ten seconds may be gone: one short question tells, before a long one is asked."""
    cluster.ask()
    cluster.clock.freeze(3600)
    cluster.network.leader = B
    cluster.network.state[A] = "silent"
    before = cluster.clock.steady()
    assert cluster.ask().ok
    assert cluster.clock.steady() - before == pytest.approx(1.0)


@pytest.mark.parametrize("state", ["sealed", "gone"])
def test_a_node_out_of_service_is_passed_over(cluster: Cluster, state: str) -> None:
    """A sealed node, or none, doesn't get a token."""
    cluster.network.leader = C
    cluster.network.state.update({A: state, B: state})
    assert cluster.ask().ok
    assert cluster.reached() == [C]


def test_a_node_of_another_cluster_gets_nothing(cluster: Cluster) -> None:
    """It isn't asked, though it would answer; the log says why."""
    cluster.network.cluster_id[B] = "another"
    cluster.ask()
    cluster.network.state.update({A: "gone", C: "gone"})
    cluster.network.leader = B
    with pytest.raises(Unreachable):
        cluster.ask()
    assert B not in cluster.reached()
    assert "stranger" in cluster.events


def test_the_first_address_says_which_cluster_it_is(cluster: Cluster) -> None:
    """It was gone when another one answered; once it is back, that other one is the stranger."""
    cluster.network.cluster_id[A] = "the-one"
    cluster.network.leader = B
    cluster.network.state[A] = "gone"
    assert cluster.ask().ok
    cluster.clock.advance(60)
    cluster.network.state.update({A: "up", B: "gone"})
    cluster.network.leader = A
    assert cluster.ask().ok
    cluster.network.state.update({A: "gone", B: "up"})
    cluster.network.leader = B
    cluster.clock.advance(60)
    reached = len(cluster.reached())
    with pytest.raises(Unreachable):
        cluster.ask()
    assert len(cluster.reached()) == reached


# --- standbys ---


def test_a_standby_is_good_enough(cluster: Cluster) -> None:
    """It forwards: an answer to /sys/health of 429 is no failure."""
    cluster.network.leader = C
    assert cluster.ask("POST").ok
    assert cluster.reached() == [A]


def test_a_redirect_to_a_known_node_is_followed(cluster: Cluster) -> None:
    """A standby that doesn't forward names the leader, which gets the request, a write as well, and all that follow."""
    cluster.network.leader, cluster.network.forwards = C, False
    assert cluster.ask("POST").ok
    assert cluster.ask().ok
    assert cluster.reached() == [A, C, C]


@pytest.mark.parametrize(
    "named", [STRANGER, "http://c.vault.example.com:8200", "https://c.vault.example.com", "not a url", A + "@" + STRANGER]
)
def test_a_token_goes_to_no_address_that_the_settings_do_not_name(cluster: Cluster, named: str) -> None:
    """Another host, another port, or the same host in clear: the redirect is not followed, and the error says what to add."""
    cluster.network.leader, cluster.network.forwards, cluster.network.names = STRANGER, False, named
    with pytest.raises(Unreachable, match="VAULTGATE_ADDRESSES") as caught:
        cluster.ask("POST")
    assert named in str(caught.value)
    assert set(cluster.reached()) == {A, B, C}


def test_an_election_is_waited_for(cluster: Cluster) -> None:
    """The leader dies; standbys name it until another one leads, and the call that came meanwhile gets its answer then."""
    cluster.ask()
    cluster.network.fail_over(C, after_s=2.0)
    before = cluster.clock.steady()
    assert cluster.ask().ok
    assert 2.0 <= cluster.clock.steady() - before < 2.5
    assert cluster.reached()[-1] == C
    assert cluster.reached().count(A) == 2


def test_an_election_counts_for_more_than_a_node_that_is_gone(cluster: Cluster) -> None:
    """One standby elects, the other one is gone like the leader: the election is what is waited for."""
    cluster.ask()
    cluster.network.state[C] = "gone"
    cluster.network.fail_over(B, after_s=2.0)
    assert cluster.ask().ok


def test_a_redirect_to_another_path_is_not_followed() -> None:
    """Ours is the path that was asked for, or none."""
    nodes = Nodes([origin(A), origin(B)])
    for where, known in ((f"{B}/v1/x?a=1", True), (B, False), (f"{B}/v1/y?a=1", False), (f"{B}/ui/v1/x?a=1", False), ("", False)):
        node = nodes.sent_on_to(Answer(307, (("Location", where),)), "/v1/x?a=1")
        assert (node is not None) == known, where


def test_an_election_nobody_hears_of_is_waited_for_too() -> None:
    """Only a standby is known, which never says that it leads: it is asked again after three seconds."""
    cluster = Cluster(B)
    cluster.ask()
    cluster.network.fail_over(C, after_s=2.0)
    before = cluster.clock.steady()
    assert cluster.ask().ok
    assert 3.0 <= cluster.clock.steady() - before < 3.5


def test_an_election_that_takes_too_long_is_given_up(cluster: Cluster) -> None:
    """No call outlives its deadline."""
    cluster.ask()
    cluster.network.fail_over(C, after_s=600)
    before = cluster.clock.steady()
    with pytest.raises(Unreachable):
        cluster.ask(seconds=5)
    assert cluster.clock.steady() - before < 5.2


def test_a_write_does_not_wait_for_an_election(cluster: Cluster) -> None:
    """It is not repeated; each node is asked once, for none of them carries it out."""
    cluster.ask()
    cluster.network.fail_over(C, after_s=2.0)
    with pytest.raises(Unreachable, match="no other has taken over yet"):
        cluster.ask("POST")
    assert cluster.reached() == [A, A, B, C]


def test_a_write_that_may_have_been_carried_out_is_not_repeated(cluster: Cluster) -> None:
    """The connection broke behind the request: nobody else gets it."""
    cluster.ask()
    cluster.server.next(Unreachable("broke off"))
    with pytest.raises(Unreachable, match="broke off"):
        cluster.ask("POST")
    assert cluster.reached() == [A, A]


# --- retries ---


def test_retry_after_is_honoured() -> None:
    """A Vault that asks for three seconds gets them; one that asks for more than there is time for is not asked again."""
    cluster = Cluster(A)
    cluster.server.next(Answer(429, (("Retry-After", "3"),)))
    before = cluster.clock.steady()
    assert cluster.ask().ok
    assert 3.0 <= cluster.clock.steady() - before < 3.2
    cluster.server.next(Answer(429, (("Retry-After", "30"),)))
    before = cluster.clock.steady()
    assert cluster.ask(seconds=10).status == 429
    assert cluster.clock.steady() == before


def test_retries_come_out_of_a_budget() -> None:
    """Ten retries in a row, then none, until calls succeed again: a Vault in trouble isn't asked thrice by everybody."""
    cluster = Cluster(A)
    cluster.server.next(*[Answer(429)] * 100)
    requests = []
    for _ in range(8):
        before = len(cluster.reached())
        cluster.ask()
        requests.append(len(cluster.reached()) - before)
    assert requests == [3, 3, 3, 3, 3, 1, 1, 1]


def test_no_retries_where_none_are_wanted() -> None:
    """VAULT_MAX_RETRIES=0 is one try."""
    cluster = Cluster(A, retries=0)
    cluster.network.state[A] = "gone"
    with pytest.raises(Unreachable):
        cluster.ask()
    assert cluster.reached() == [A]


# --- the circuit ---


@pytest.mark.parametrize("state", ["gone", "sealed", "silent"])
def test_a_dead_vault_is_left_alone(state: str) -> None:
    """After three failed calls the next one fails at once, without a request, and says when to come back."""
    cluster = Cluster(A)
    cluster.network.state[A] = state
    for _ in range(3):
        if state == "sealed":
            assert cluster.ask(seconds=3).status == 503
        else:
            with pytest.raises(Unreachable):
                cluster.ask(seconds=3)
    assert cluster.vault.circuit == "open"
    before, asked = cluster.clock.steady(), len(cluster.network.asked)
    with pytest.raises(CircuitOpen) as caught:
        cluster.ask()
    assert (cluster.clock.steady(), len(cluster.network.asked)) == (before, asked)
    assert 0 < caught.value.retry_after_s <= 1
    assert cluster.events == ["circuit-open"]


def test_a_trial_of_a_silent_vault_takes_two_seconds_of_a_minute() -> None:
    """Half-open: one call finds out, and doesn't spend all of its time on it."""
    cluster = Cluster(A)
    cluster.network.state[A] = "silent"
    for _ in range(3):
        with pytest.raises(DeadlineExceeded):
            cluster.ask(seconds=3)
    cluster.clock.advance(1)
    assert cluster.vault.circuit == "half-open"
    before = cluster.clock.steady()
    with pytest.raises(DeadlineExceeded):
        cluster.ask(seconds=60)
    assert cluster.clock.steady() - before == pytest.approx(2.0)


def test_a_vault_that_is_back_is_used_again(cluster: Cluster) -> None:
    """The trial succeeds, the circuit closes, and the log says so."""
    for address in ADDRESSES:
        cluster.network.state[address] = "gone"
    for _ in range(3):
        with pytest.raises(Unreachable):
            cluster.ask()
    for address in ADDRESSES:
        cluster.network.state[address] = "up"
    cluster.clock.advance(1)
    assert cluster.ask().ok
    assert cluster.vault.circuit == "closed"
    assert cluster.events == ["circuit-open", "circuit-closed"]


@pytest.mark.parametrize("trouble", [True, False])
def test_what_we_hold_up_ourselves_is_no_failure_of_vaults(*, trouble: bool) -> None:
    """VAULT_RATE_LIMIT leaves no time to ask: that is told at once, not repeated, and opens no circuit."""
    cluster = Cluster(A)
    if trouble:
        cluster.server.next(Answer(503), Answer(200))
        cluster.ask()
    for _ in range(5):
        held_up = DeadlineExceeded("not asked in time")
        held_up.sent = held_up.asked = False
        cluster.server.next(held_up)
        before = len(cluster.reached())
        with pytest.raises(DeadlineExceeded):
            cluster.ask()
        assert len(cluster.reached()) == before + 1
    assert cluster.vault.circuit == "closed"


def test_a_token_is_given_back_though_the_circuit_is_open(cluster: Cluster) -> None:
    """There is no later for that: the sandbox ends, and Vault may be back."""
    for address in ADDRESSES:
        cluster.network.state[address] = "gone"
    for _ in range(3):
        with pytest.raises(Unreachable):
            cluster.ask()
    for address in ADDRESSES:
        cluster.network.state[address] = "up"
    assert cluster.vault.circuit == "open"
    cluster.vault.revoke_self(Secret(cluster.server.root_token), cluster.clock.steady() + 1)
    assert cluster.server.tokens == {}


def test_refusals_and_missing_secrets_are_no_failures() -> None:
    """A Vault that says no is alive, and so is one whose engine failed or that limits rates."""
    cluster = Cluster(A)
    cluster.server.next(*[Answer(500, (), b'{"errors": ["the database is down"]}')] * 5, *[Answer(429)] * 20)
    statuses = [cluster.ask().status for _ in range(5)]
    assert statuses == [500] * 5
    for _ in range(5):
        assert cluster.ask().status == 429
    assert cluster.vault.circuit == "closed"
