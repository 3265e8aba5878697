"""What several nodes of Vault say about who leads, asked of the simulator and of three real ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol

import pytest
from tests.simulators.clock import MovableClock
from tests.simulators.vault import SimulatedVault
from tests.simulators.vault_cluster import SimulatedCluster

from vaultgate.clock import Clock
from vaultgate.errors import Unreachable
from vaultgate.model import Answer, Request, TlsSettings
from vaultgate.nodes import Nodes, nobody_leads
from vaultgate.transport import Connections
from vaultgate.values import origin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vaultgate.transport import Transport
    from vaultgate_ops.local.stack import Stack

    Eventually = Callable[[Callable[[], object]], None]


class Side(Protocol):
    """One of the two clusters."""

    network: Transport
    clock: Clock
    addresses: list[str]
    root: str

    def kill(self, address: str) -> None:
        """End a node as a power cut would; the others elect another leader."""

    def restore(self) -> None:
        """Start what was ended."""


class SimulatedSide:
    """The simulator."""

    def __init__(self) -> None:
        self._clock = MovableClock()
        self.clock: Clock = self._clock
        server = SimulatedVault(self._clock)
        self.addresses = [f"https://{name}.vault.example.com:8200" for name in "abc"]
        self._cluster = SimulatedCluster(server, self._clock, *self.addresses)
        self.network: Transport = self._cluster
        self.root = server.root_token

    def kill(self, address: str) -> None:
        """The second takes over after two seconds, which pass as others ask."""
        assert address == self._cluster.leader
        self._cluster.fail_over(next(one for one in self.addresses if one != address), 2.0)

    def restore(self) -> None:
        """Nobody comes after."""


class RealSide:
    """Three nodes of HashiCorp's Vault."""

    def __init__(self, stack: Stack) -> None:
        self._nodes = {node.address: node for node in stack.vaults}
        self._killed: list[str] = []
        self.clock = Clock()
        self.connections = Connections(self.clock, TlsSettings(str(stack.vault.ca_file)))
        self.network: Transport = self.connections
        self.addresses = list(self._nodes)
        self.root = stack.vault.root_token

    def kill(self, address: str) -> None:
        """SIGKILL."""
        self._killed.append(address)
        self._nodes[address].kill()

    def restore(self) -> None:
        """Start it again, and unseal it."""
        while self._killed:
            self._nodes[self._killed.pop()].start()


@pytest.fixture(params=["simulator", pytest.param("real", marks=[pytest.mark.stack, pytest.mark.xdist_group("ha")])])
def side(request: pytest.FixtureRequest) -> Iterator[Side]:
    """Either of the two."""
    if request.param == "simulator":
        yield SimulatedSide()
        return
    real = RealSide(request.getfixturevalue("ha_stack"))
    yield real
    real.restore()
    real.connections.close()


class Asker:
    """Asks nodes directly."""

    def __init__(self, side: Side) -> None:
        self._side = side

    def ask(self, address: str, path: str, *headers: tuple[str, str], method: str = "GET", body: bytes = b"") -> Answer:
        """What a node answers with the root token."""
        whole = (("X-Vault-Token", self._side.root), ("X-Vault-Request", "true"), *headers)
        clock = self._side.clock
        return self._side.network.exchange(origin(address), Request(method, f"/v1/{path}", whole, body), clock.steady() + 20)

    def leader(self) -> str:
        """Address of the node that says it leads; empty for nobody."""
        for address in self._side.addresses:
            try:
                if self.ask(address, "sys/health").status == 200:
                    return address
            except Unreachable:
                continue
        return ""

    def standbys(self) -> list[str]:
        """The others."""
        leader = self.leader()
        return [address for address in self._side.addresses if address != leader]


@pytest.fixture
def nodes(side: Side) -> Asker:
    """Whom to ask."""
    return Asker(side)


def test_health_says_who_leads_and_which_cluster_it_is(side: Side, nodes: Asker) -> None:
    """One node answers 200, the others 429; all name one cluster, and all may be sent requests."""
    answers = [nodes.ask(address, "sys/health") for address in side.addresses]
    assert sorted(answer.status for answer in answers) == [200, 429, 429]
    assert len({json.loads(answer.body)["cluster_id"] for answer in answers} - {""}) == 1
    known = Nodes([origin(address) for address in side.addresses])
    admitted = [known.admits(node, nodes.ask(repr(node.origin), "sys/health")) for node in known.in_turn(side.clock.now())]
    assert admitted == [True, True, True]


def test_a_standby_forwards(nodes: Asker, eventually: Eventually) -> None:
    """What is written by one standby is read by way of the other."""
    one, other = nodes.standbys()
    body = b'{"data": {"greeting": "forwarded"}}'
    # A cluster that another test has taken the leader from may not have all its nodes on their feet yet.
    eventually(lambda: nodes.ask(one, "secret/data/forwarded", method="POST", body=body).ok)
    eventually(lambda: b"forwarded" in nodes.ask(other, "secret/data/forwarded").body)


def test_a_standby_that_may_not_forward_redirects(nodes: Asker) -> None:
    """307, to the same path and query at the node that leads."""
    answer = nodes.ask(nodes.standbys()[0], "secret/metadata?list=true", ("X-Vault-No-Request-Forwarding", "true"))
    assert answer.status == 307
    assert answer.header("Location") == f"{nodes.leader()}/v1/secret/metadata?list=true"


def test_standbys_name_a_dead_leader_until_another_one_leads(side: Side, nodes: Asker, eventually: Eventually) -> None:
    """Meanwhile each of their answers says that nobody leads, and afterwards the new leader answers."""
    dead, others = nodes.leader(), nodes.standbys()
    nodes.ask(others[0], "auth/token/lookup-self")
    side.kill(dead)
    first = nodes.ask(others[0], "auth/token/lookup-self")
    assert first.status == 307
    assert (first.header("Location") or "").startswith(dead)

    def led() -> bool:
        side.clock.sleep(0.1)
        answer = nodes.ask(others[0], "auth/token/lookup-self")
        assert answer.ok or nobody_leads(answer), answer.body
        return answer.ok

    eventually(led)
    assert nodes.leader() in others
