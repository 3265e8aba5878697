"""The nodes of one Vault cluster: which one is asked next, and whether it may be. Pure decisions.

Rules: in the order of the settings, but the one that was seen to lead comes first and one that failed comes last; a node is
asked only once its own word says that it belongs to the cluster, and the first address of a cluster says which that is;
a standby may send us on to a node that we know, over what we know it by, and nowhere else.

Source: HashiCorp, "/sys/health" (status 200 active, 429 standby, 472 and 473 of replication, 501 not initialized,
503 sealed) and "High Availability", section "Request forwarding" and "Client redirection".
"""

from __future__ import annotations

import json

from vaultgate.circuit import Circuit
from vaultgate.values import origin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from vaultgate.clock import Instant
    from vaultgate.model import Answer, Origin

_ACTIVE = 200
_STANDBY = frozenset({429, 473})
# A node that answered this recently needn't be asked how it is.
_FRESH_S = 10.0
_SENT_ON = 307
_WORTH_READING = frozenset({500, 503})
# What Vault says while no node leads; sealed nodes and those of another kind of replication can't help either.
_NOBODY_LEADS = (b"local node not active but active cluster node not found", b"no active Vault instance found")
_ELSEWHERE = frozenset({472, 473, 502, 503, 504})
_LATER = frozenset({429})


class Node:
    """One address.

    Attributes:
        origin: where it listens.
        circuit: opens at its first failure.
        heard: when it last answered; None for not yet.
        cluster_id: what it said of itself; empty for nothing.
    """

    def __init__(self, where: Origin) -> None:
        self.origin = where
        self.circuit = Circuit(after=1)
        self.heard: Instant | None = None
        self.cluster_id = ""

    def __repr__(self) -> str:
        """Show where it is and whose."""
        return f"Node({self.origin!r}, cluster {self.cluster_id!r})"

    def is_known(self, now: Instant) -> bool:
        """Whether it answered a moment ago."""
        return self.heard is not None and now.since(self.heard) < _FRESH_S


class Nodes:
    """All addresses of one cluster.

    Args:
        origins: in the order of the settings.
    """

    def __init__(self, origins: Sequence[Origin]) -> None:
        self._all = [Node(one) for one in origins]
        self._leader: Node | None = None
        self._cluster_id = ""

    def __repr__(self) -> str:
        """Show them."""
        return f"Nodes({self._all!r})"

    def __len__(self) -> int:
        """How many there are."""
        return len(self._all)

    def in_turn(self, now: Instant) -> list[Node]:
        """In which order they are to be asked."""
        return sorted(self._all, key=lambda node: (node.circuit.state(now) == "open", node is not self._leader))

    def leads(self, node: Node) -> None:
        """Take note that a node leads."""
        self._leader = node

    def is_leader(self, node: Node) -> bool:
        """Whether a node led when it was last heard."""
        return self._leader is node

    def answered(self, node: Node, now: Instant) -> None:
        """Take note that a node answered."""
        node.heard = now
        node.circuit.succeeded()

    def failed(self, node: Node, now: Instant, chance: float) -> None:
        """Take note that a node didn't."""
        node.heard = None
        node.circuit.failed(now, chance)
        if self._leader is node:
            self._leader = None

    def admits(self, node: Node, health: Answer) -> bool:
        """Whether a node may be sent requests, by its answer to sys/health."""
        node.cluster_id = _cluster_id(health)
        if node is self._all[0] and node.cluster_id:
            self._cluster_id = node.cluster_id
        self._cluster_id = self._cluster_id or node.cluster_id
        if health.status == _ACTIVE and not self.is_stranger(node):
            self._leader = node
        elif self._leader is node:
            self._leader = None
        return (health.status == _ACTIVE or health.status in _STANDBY) and not self.is_stranger(node)

    def is_stranger(self, node: Node) -> bool:
        """Whether a node said that it belongs to another cluster."""
        return bool(node.cluster_id) and node.cluster_id != self._cluster_id

    def sent_on_to(self, answer: Answer, target: str) -> Node | None:
        """The node that a redirect names, if it is one of ours and the redirect keeps path and query."""
        where = answer.header("Location") or ""
        base = where.removesuffix(target)
        if base == where:
            return None
        try:
            named = origin(base)
        except ValueError:
            return None
        return next((node for node in self._all if repr(node.origin).lower() == repr(named).lower()), None)


def _cluster_id(health: Answer) -> str:
    try:
        said = json.loads(health.body).get("cluster_id")
    except (ValueError, AttributeError):
        return ""
    return said if isinstance(said, str) else ""


def nobody_leads(answer: Answer) -> bool:
    """Whether an answer says that the cluster is electing, or that a standby can't reach the node that leads."""
    if answer.status == _SENT_ON:
        return True
    return answer.status in _WORTH_READING and any(words in answer.body for words in _NOBODY_LEADS)


def is_no_answer(answer: Answer) -> bool:
    """Whether an answer only says that this node can't carry the request out, so that another may."""
    return answer.status in _ELSEWHERE or nobody_leads(answer)


def is_for_later(answer: Answer) -> bool:
    """Whether Vault lives, and wants to be left alone for a moment."""
    return answer.status in _LATER
