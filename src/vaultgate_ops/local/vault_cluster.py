"""Three nodes of Vault with integrated storage (Raft), as they run where Vault must not be one machine.

Rules: each node keeps its two ports for life; all of them are unsealed by one key, which lies with the root token in the
first one's folder; the cluster counts as started when one node leads and the others have a vote, so that any one may die.

Source: https://developer.hashicorp.com/vault/docs/configuration/storage/raft, /api-docs/system/storage/raft and
/api-docs/system/storage/raftautopilot.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import hvac
import requests

from vaultgate_ops.errors import Unreachable
from vaultgate_ops.local import processes
from vaultgate_ops.local.vault_server import VaultServer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from vaultgate_ops.clock import Clock
    from vaultgate_ops.local.certificates import Authority

NODES = ("vault-a", "vault-b", "vault-c")
TIMING = {
    # The fastest, as is advised for production: a dead leader is replaced within seconds.
    "performance_multiplier": 1,
    # How soon autopilot sees that a node has come, and gives it its vote; by default after 10 s.
    "autopilot_reconcile_interval": "200ms",
    "autopilot_update_interval": "200ms",
}
"""Of each node's storage."""

_POLL_S = 0.05
_READY_S = 60.0
_STANDBY = 429


def welcome_soon(client: hvac.Client) -> None:
    """Let autopilot watch a node that has come for a moment only, not for 10 s, before it gives it its vote."""
    client.write_data("sys/storage/raft/autopilot/configuration", data={"server_stabilization_time": "100ms"})


def voting(client: hvac.Client) -> set[str]:
    """Names of the nodes that may vote, as the one that leads sees it."""
    servers = client.sys.read_raft_config()["data"]["config"]["servers"]
    return {str(server["node_id"]) for server in servers if server["voter"]}


class RaftNode(VaultServer):
    """One of the nodes.

    Args:
        name: of the node, its folder and its log.
        binary, folder, ca_file, clock, port: as for any server.
    """

    def __init__(self, name: str, binary: Path, folder: Path, ca_file: Path, clock: Clock, *, port: int = 0) -> None:
        self.name = name
        super().__init__(binary, folder, ca_file, clock, port)
        self._keys = folder / NODES[0]
        # The device is the cluster's, so its path is the same on each node; only the one that leads writes.
        self.audit_file = self._keys / "audit.log"

    def enter(self, leader: RaftNode) -> None:
        """Join the leader's cluster, once it runs.

        Raises:
            Unreachable: it was not let in.
        """
        with self._explained(f"{self.name} can't join"), self.client("") as client:
            client.sys.join_raft_cluster(leader.address, leader_ca_cert=self.ca_file.read_text(encoding="ascii"))
        self._unseal()

    def healthy(self) -> bool:
        """Whether it is unsealed and answers, leading or not."""
        return super().healthy() or self._health() == _STANDBY

    def leads(self) -> bool:
        """Whether it is the active node."""
        return super().healthy()

    def _kept_and_heard(self, listener: dict[str, str]) -> dict[str, Any]:
        storage = self._folder / "storage"
        storage.mkdir(mode=0o700, exist_ok=True)
        cluster = f"127.0.0.1:{processes.free_port()}"
        return {
            "storage": {
                "raft": {
                    "path": str(storage),
                    "node_id": self.name,
                    **TIMING,
                }
            },
            "listener": {"tcp": {**listener, "cluster_address": cluster}},
            "cluster_addr": f"https://{cluster}",
        }


class VaultCluster:
    """The nodes together.

    Args:
        binary: the vault program.
        folder: the stack's folder.
        ca_file: certificate of the authority that clients trust.
        clock: for waiting.
        ports: by node, where one has been chosen.
    """

    def __init__(self, binary: Path, folder: Path, ca_file: Path, clock: Clock, ports: Mapping[str, int]) -> None:
        self.nodes = tuple(RaftNode(name, binary, folder, ca_file, clock, port=ports.get(name, 0)) for name in NODES)
        self._clock = clock

    def create(self, ca: Authority) -> None:
        """Start the nodes, make one cluster of them, and wait until it can spare one.

        Raises:
            Unreachable: it did not come up.
        """
        first, *others = self.nodes
        with ThreadPoolExecutor(len(self.nodes)) as pool:
            started = [pool.submit(node.set_up, ca) for node in self.nodes]
            for one in started:
                one.result()
            first.found()
            self._await(first.leads, "vault-a does not lead")
            with first.client() as client:
                welcome_soon(client)
            for one in [pool.submit(node.enter, first) for node in others]:
                one.result()
        self._await(lambda: self.voters() == set(NODES), "the nodes did not all get their vote")

    def leader(self) -> RaftNode:
        """The node that leads now.

        Raises:
            Unreachable: none does.
        """
        for node in self.nodes:
            if node.leads():
                return node
        raise Unreachable("No node of Vault leads.", "Read logs/vault-*.log in the stack's folder.")

    def voters(self) -> set[str]:
        """Names of the nodes that may vote, as the leader sees it; none where nobody leads."""
        try:
            with self.leader().client() as client:
                return voting(client)
        except (Unreachable, hvac.exceptions.VaultError, requests.RequestException):
            return set()

    def _await(self, holds: Callable[[], bool], otherwise: str) -> None:
        deadline = self._clock.steady() + _READY_S
        while not holds():
            if self._clock.steady() > deadline:
                raise Unreachable(f"{otherwise} within {_READY_S:.0f} s.", "Read logs/vault-*.log in the stack's folder.")
            self._clock.sleep(_POLL_S)
