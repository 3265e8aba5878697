"""One call to a cluster that is in trouble, or that has several addresses: which node, how often, and when to give up.

Rules: another node is asked where one carried nothing out, whatever the method; a call that may have been carried out is
only made again if a second one does no harm, `max_retries` times, and out of a budget; a node is probed before it is
trusted with a token, unless it is the only one; while the nodes elect, a call that may be repeated waits for the outcome;
a server that failed several calls in a row is left alone for a while; nothing outlives the deadline.

A redirect is followed only to a node of the settings. A token goes nowhere else, whatever a standby says.
"""

from __future__ import annotations

import threading

from vaultgate.circuit import Budget, Circuit, pause_s, retry_after_s
from vaultgate.errors import CircuitOpen, DeadlineExceeded, Unreachable
from vaultgate.model import Answer, Request
from vaultgate.nodes import Nodes, is_for_later, is_no_answer, nobody_leads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from vaultgate.clock import Clock
    from vaultgate.log import Log
    from vaultgate.model import Origin
    from vaultgate.nodes import Node
    from vaultgate.transport import Transport

    Outcome = Answer | Unreachable

# Failed calls in a row after which a cluster is left alone.
_PATIENCE = 3
# The longest one try may take, where there is another.
_TRY_S = 10.0
_PROBE_S = 1.0
_HEALTH = Request("GET", "/v1/sys/health", (("X-Vault-Request", "true"),))
# How often nodes are looked at that elect, and after how long standbys are trusted to have found who leads.
_LOOK_S = 0.1
_ELECTION_S = 3.0
_SENT_ON = 307
_SHOWN = 100


class Failover:
    """Calls to one cluster. Safe for threads.

    Args:
        origins: its addresses, in the order in which they are asked.
        max_retries: how often a call that may be repeated is tried again.
        log: told what changes.
    """

    def __init__(self, transport: Transport, origins: Sequence[Origin], max_retries: int, clock: Clock, log: Log | None) -> None:
        self._transport = transport
        self._max_retries = max_retries
        self._clock = clock
        self._log = log
        self._lock = threading.Lock()
        self._nodes = Nodes(origins)
        self._where = repr(origins[0])
        self._circuit = Circuit(_PATIENCE)
        self._budget = Budget()

    @property
    def circuit(self) -> str:
        """`closed`, `open` or `half-open`."""
        with self._lock:
            return self._circuit.state(self._clock.now())

    @property
    def failed_lately(self) -> bool:
        """Whether the last call failed, and that a moment ago."""
        with self._lock:
            return self._circuit.failed_lately(self._clock.now())

    def exchange(
        self, request: Request, deadline: float, *, again: bool, forced: bool = False, first: Outcome | None = None
    ) -> Answer:
        """Make a call.

        Args:
            request: without Host; its target without the origin's prefix.
            deadline: steady seconds.
            again: whether a second one would do no harm.
            forced: make it even if the circuit is open: there is no later for it.
            first: what the only node has said already; None where nobody was asked yet.

        Raises:
            CircuitOpen: nobody was asked, for the last calls failed.
            Unreachable, DeadlineExceeded: no node answered, or it was not asked in time.
        """
        if isinstance(first, Unreachable) and not first.asked:
            raise first
        deadline = deadline if forced or first is not None else self._admitted(deadline)
        outcome = self._persist(request, deadline, again=again, outcome=first)
        alive = isinstance(outcome, Answer) and not is_no_answer(outcome)
        with self._lock:
            if alive:
                closed, opened = self._circuit.state(self._clock.now()) != "closed", False
                self._circuit.succeeded()
            else:
                closed, opened = False, self._circuit.failed(self._clock.now(), self._clock.jitter(1.0))
        if opened:
            self._say("circuit-open", "Vault failed several calls in a row; it is left alone for a while")
        if closed:
            self._say("circuit-closed", "Vault answers again")
        if isinstance(outcome, Answer):
            if outcome.status == _SENT_ON:
                with self._lock:
                    known = self._nodes.sent_on_to(outcome, request.target) is not None
                raise _led_astray(outcome, known=known)
            return outcome
        raise outcome

    # --- one call ---

    def _admitted(self, deadline: float) -> float:
        """The deadline of a call that may be made now."""
        now = self._clock.now()
        with self._lock:
            if not self._circuit.admits(now):
                wait_s = self._circuit.opens_in_s(now)
                raise CircuitOpen("Vault failed several calls in a row, and is left alone for a moment", retry_after_s=wait_s)
            if self._circuit.state(now) == "closed":
                return deadline
            return min(deadline, now.steady + self._circuit.trial_s)

    def _persist(self, request: Request, deadline: float, *, again: bool, outcome: Outcome | None) -> Outcome:
        tries = 1 + (self._max_retries if again else 0)
        for attempt in range(1, tries + 1):
            if outcome is None or attempt > 1:
                outcome = self._try(request, deadline, again=again)
            if isinstance(outcome, Answer) and not is_no_answer(outcome) and not is_for_later(outcome):
                if attempt == 1:
                    with self._lock:
                        self._budget.earn()
                break
            if attempt == tries or self._clock.steady() >= deadline:
                break
            with self._lock:
                affordable = self._budget.take()
            if not affordable or not self._wait(outcome, attempt, deadline):
                break
        if outcome is None:
            raise AssertionError("there is at least one try")
        return outcome

    def _try(self, request: Request, deadline: float, *, again: bool) -> Outcome:
        """Ask the nodes in turn, until one has an answer or may have carried the request out."""
        outcome: Outcome | None = None
        with self._lock:
            nodes = self._nodes.in_turn(self._clock.now())
        for number, node in enumerate(nodes):
            if self._clock.steady() >= deadline:
                break
            refusal = self._unfit(node, deadline, share=len(nodes) - number) if len(nodes) > 1 else None
            said = refusal or self._ask(node, request, deadline, patient=not again or len(nodes) == 1)
            if isinstance(said, Answer) and said.status == _SENT_ON:
                said = self._follow(said, request, deadline, again=again)
            if isinstance(said, Answer) and not is_no_answer(said):
                return said
            if isinstance(said, Unreachable) and said is not refusal and said.sent and not again:
                return said
            # That the nodes elect tells more than that one of them is gone.
            outcome = outcome if isinstance(outcome, Answer) and nobody_leads(outcome) else said
        return outcome or DeadlineExceeded("no node of Vault answered in time")

    def _ask(self, node: Node, request: Request, deadline: float, *, patient: bool) -> Outcome:
        end = deadline if patient else min(deadline, self._clock.steady() + _TRY_S)
        try:
            answer = self._transport.exchange(node.origin, request, end)
        except Unreachable as error:
            if not error.asked:
                raise
            with self._lock:
                self._nodes.failed(node, self._clock.now(), self._clock.jitter(1.0))
            return error
        with self._lock:
            self._nodes.answered(node, self._clock.now())
        return answer

    def _follow(self, sent_on: Answer, request: Request, deadline: float, *, again: bool) -> Outcome:
        """Where a standby sends us, if it may; otherwise what it said."""
        with self._lock:
            node = self._nodes.sent_on_to(sent_on, request.target)
        if node is None or self._unfit(node, deadline, share=1) is not None:
            return sent_on
        with self._lock:
            self._nodes.leads(node)
        return self._ask(node, request, deadline, patient=not again)

    def _unfit(self, node: Node, deadline: float, *, share: int) -> Unreachable | None:
        """Why a node can't be sent the request; None where it can. Asks the node, unless it answered a moment ago."""
        now = self._clock.now()
        with self._lock:
            if node.is_known(now):
                return None
        end = min(deadline, now.steady + min(_PROBE_S, (deadline - now.steady) / share))
        health = self._ask(node, _HEALTH, end, patient=True)
        if isinstance(health, Unreachable):
            return health
        with self._lock:
            fit = self._nodes.admits(node, health)
            stranger = self._nodes.is_stranger(node)
            if not fit:
                node.heard = None
        if stranger:
            words = f"{node.origin} belongs to another cluster than the first address"
            self._say("stranger", words)
            return Unreachable(words, "name its server id: VAULTGATE_ADDRESSES=https://host:8200#server-id")
        return None if fit else Unreachable(f"{node.origin} is sealed or not in service", "look at its sys/health")

    # --- between two tries ---

    def _wait(self, outcome: Outcome, attempt: int, deadline: float) -> bool:
        """Wait before the next try; False where there is no time for another."""
        if isinstance(outcome, Answer) and nobody_leads(outcome):
            return self._await_election(min(deadline, self._clock.steady() + _TRY_S))
        asked_s = retry_after_s(outcome) if isinstance(outcome, Answer) else None
        pause = pause_s(attempt, self._clock.jitter(1.0), asked_s)
        if self._clock.steady() + pause >= deadline:
            return False
        self._clock.sleep(pause)
        return True

    def _await_election(self, end: float) -> bool:
        """Look at the nodes until one leads, or until standbys have had time to find out who does."""
        began = self._clock.steady()
        while True:
            self._clock.sleep(_LOOK_S / 2 + self._clock.jitter(_LOOK_S))
            with self._lock:
                nodes = self._nodes.in_turn(self._clock.now())
            for node in nodes:
                if self._clock.steady() >= end:
                    return False
                with self._lock:
                    node.heard = None
                if self._unfit(node, end, share=len(nodes)) is not None:
                    continue
                with self._lock:
                    leads = self._nodes.is_leader(node)
                if leads or self._clock.steady() - began >= _ELECTION_S:
                    return True

    # --- words ---

    def _say(self, event: str, message: str) -> None:
        if self._log is not None:
            self._log.warn(event, message, vault=self._where)


def _led_astray(sent_on: Answer, *, known: bool) -> Unreachable:
    if known:
        return Unreachable("the node of Vault that leads can't be reached, and no other has taken over yet")
    where = (sent_on.header("Location") or "").partition("/v1/")[0][:_SHOWN]
    return Unreachable(
        f"a standby of Vault names {where!r} as the node that leads, which is none of the settings' addresses",
        "if it is Vault's, add it to VAULTGATE_ADDRESSES: a token is sent to no address that the settings don't name",
    )
