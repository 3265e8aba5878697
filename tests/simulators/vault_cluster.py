"""Several nodes of one simulated Vault, one of which leads: a network for everything that stands above `Transport`.

Rules: what the nodes share is one `SimulatedVault`; what they answer about leading is what three nodes of Vault 1.21 answer,
tests/contract/test_vault_cluster.py holds both to the same assertions; a test says who is gone, and who leads next and when.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from vaultgate.errors import DeadlineExceeded, Unreachable
from vaultgate.model import Answer

if TYPE_CHECKING:
    from tests.simulators.clock import MovableClock
    from tests.simulators.vault import SimulatedVault

    from vaultgate.model import Origin, Request

NOBODY = "local node not active but active cluster node not found"


class SimulatedCluster:
    """The nodes.

    Args:
        server: what they have in common.
        addresses: where they are; the first one leads.

    Attributes:
        state: of each node by its address: `up`, `gone`, `silent` or `sealed`.
        leader: address of the node that leads; empty while they elect.
        forwards: whether standbys forward requests, which is Vault's default; otherwise they redirect.
        names: what a standby's redirect names as the node that leads, if that is not where it is.
        cluster_id: by address, where it isn't the one of them all.
        asked: the address and path of every request, in order.
    """

    def __init__(self, server: SimulatedVault, clock: MovableClock, *addresses: str) -> None:
        self._server = server
        self._clock = clock
        self._election: tuple[float, str] | None = None
        self.state = dict.fromkeys(addresses, "up")
        self.leader = addresses[0]
        self.forwards = True
        self.names = ""
        self.cluster_id: dict[str, str] = {}
        self.asked: list[tuple[str, str]] = []

    def fail_over(self, to: str, after_s: float) -> None:
        """The node that leads dies; another takes over after some seconds, and until then standbys name the dead one."""
        self.state[self.leader] = "gone"
        self._election = (self._clock.steady() + after_s, to)

    def requests(self, address: str) -> list[str]:
        """Paths of the requests to one address, but for its health."""
        return [path for where, path in self.asked if where == address and path != "sys/health"]

    def exchange(self, origin: Origin, request: Request, deadline: float) -> Answer:
        """Answer a request, or break off as the network would."""
        address = repr(origin)
        self.asked.append((address, request.path.removeprefix("/v1/")))
        if self._election is not None and self._clock.steady() >= self._election[0]:
            self.leader, self._election = self._election[1], None
        if self.state[address] == "gone":
            error = Unreachable(f"{origin} can't be reached")
            error.sent = False
            raise error
        if self.state[address] == "silent":
            self._clock.advance(max(0.0, deadline - self._clock.steady()))
            raise DeadlineExceeded(f"{origin} did not answer in time")
        if request.path == "/v1/sys/health":
            return self._health(address)
        if self.state[address] == "sealed":
            return _json(503, {"errors": ["Vault is sealed"]})
        if address == self.leader or (self.forwards and self.state.get(self.leader) == "up" and not self._refuses(request)):
            return self._server.exchange(origin, request, deadline)
        if not self.leader:
            return _json(500, {"errors": [NOBODY]})
        return Answer(307, (("Location", (self.names or self.leader) + request.target),))

    @staticmethod
    def _refuses(request: Request) -> bool:
        return request.header("X-Vault-No-Request-Forwarding") is not None

    def _health(self, address: str) -> Answer:
        sealed = self.state[address] == "sealed"
        document: dict[str, object] = {"initialized": True, "sealed": sealed, "standby": sealed or address != self.leader}
        if not sealed:
            document["cluster_id"] = self.cluster_id.get(address, "the-cluster")
        return _json(503 if sealed else 200 if address == self.leader else 429, document)


def _json(status: int, document: object) -> Answer:
    return Answer(status, (("Content-Type", "application/json"),), json.dumps(document).encode() + b"\n")
