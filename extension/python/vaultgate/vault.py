"""Vault's HTTP API: whose token goes along, what is tried again, and what an answer means.

Rules: what it takes to get an answer out of a Vault in trouble is `failover`'s business, which is imported at the first
sign of it, for a cold start shouldn't pay. Vault's own status and body are handed on as they are.
Source: HashiCorp, "HTTP API"; status codes there.
"""

from __future__ import annotations

import json
import threading

from vaultgate.errors import Denied, NotFound, ProtocolViolation, Unreachable, VaultRejected
from vaultgate.model import Answer, Request
from vaultgate.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vaultgate.clock import Clock
    from vaultgate.errors import VaultgateError
    from vaultgate.failover import Failover
    from vaultgate.log import Log
    from vaultgate.model import Origin
    from vaultgate.transport import Transport

FOREVER = float("inf")
READS = frozenset({"GET", "LIST", "HEAD"})
# Standby without forwarding, rate limit, and what proxies in front of Vault say while it moves.
_TRY_AGAIN = frozenset({429, 502, 503, 504})
# Behind which there may be trouble: with these also a redirect, an election, replication.
_TROUBLE = _TRY_AGAIN | {307, 472, 473, 500}
_LOOKUP_SELF = "auth/token/lookup-self"
_INVALID = "invalid token"
# Vault's own, RFC 9110's hop-by-hop, and what is ours or the guard's. Without Accept-Encoding bodies come as they are.
_NOT_FORWARDED = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "forwarded",
        "host",
        "keep-alive",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-vault-cache-control",
        "x-vault-request",
        "x-vault-token",
        "x-vault-token-options",
        "x-vaultgate-secret",
    }
)
_NOT_RETURNED = frozenset({"connection", "content-length", "keep-alive", "trailer", "transfer-encoding", "upgrade"})

_ECHO = "The Canonical String"


def words_of(answer: Answer) -> str:
    """Vault's errors of an answer in one line; empty if it gave none.

    What STS says of a wrong signature is cut short: it repeats the signed request, the session token among its headers, and
    Vault quotes it.
    """
    try:
        errors = json.loads(answer.body)["errors"]
        return "; ".join(" ".join(str(error).partition(_ECHO)[0].split()) for error in errors)
    except (ValueError, KeyError, TypeError):
        return ""


def meaning(answer: Answer, path: str) -> VaultgateError:
    """The exception that an unsuccessful answer stands for."""
    said = words_of(answer) or f"status {answer.status}"
    if answer.status == 403:  # noqa: PLR2004 - HTTP
        return Denied(f"Vault denies {path!r}: {said}", "grant the path in the role's policy; 'vault token capabilities' tells")
    if answer.status == 404:  # noqa: PLR2004 - HTTP
        return NotFound(f"Vault has nothing at {path!r}: {said}", "check the path; under KV v2 it holds /data/ after the mount")
    if answer.status >= 500 or answer.status in _TRY_AGAIN:  # noqa: PLR2004 - HTTP
        return Unreachable(f"Vault can't answer {path!r} now: {said}", "check that Vault is unsealed and active")
    return VaultRejected(f"Vault refused {path!r}: {said}")


class Vault:
    """One Vault, be it one server or a cluster.

    Args:
        origin: where it listens.
        namespace: for calls that name none; None for the root.
        max_retries: how often a harmless call is repeated.
        others: more addresses of the same cluster, asked in this order.
        log: told when Vault is left alone for a while, and when it answers again.
    """

    def __init__(
        self,
        transport: Transport,
        origin: Origin,
        namespace: str | None,
        max_retries: int,
        clock: Clock,
        *,
        others: tuple[Origin, ...] = (),
        log: Log | None = None,
    ) -> None:
        self._transport = transport
        self._origins = (origin, *others)
        self._namespace = namespace
        self._max_retries = max_retries
        self._clock = clock
        self._log = log
        self._lock = threading.Lock()
        self._failover: Failover | None = None
        self._names_the_invalid: bool | None = None

    def forward(self, request: Request, token: Secret | None, deadline: float) -> Answer:
        """Send a caller's request on, with this token, and give Vault's answer without its framing.

        Raises:
            Unreachable, DeadlineExceeded: no answer.
        """
        headers = [(name, value) for name, value in request.headers if name.lower() not in _NOT_FORWARDED]
        headers.append(("X-Vault-Request", "true"))
        if token:
            headers.append(("X-Vault-Token", token.reveal()))
        if self._namespace and request.header("X-Vault-Namespace") is None:
            headers.append(("X-Vault-Namespace", self._namespace))
        onward = Request(request.method, request.target, tuple(headers), request.body)
        answer = self._patiently(onward, deadline, again=request.method in READS)
        kept = tuple((name, value) for name, value in answer.headers if name.lower() not in _NOT_RETURNED)
        return Answer(answer.status, kept, answer.body)

    def call(
        self,
        method: str,
        path: str,
        document: dict[str, object] | None,
        token: Secret | None,
        deadline: float,
        *,
        again: bool = True,
        forced: bool = False,
    ) -> Answer:
        """Make a call of our own.

        Args:
            method: in capitals.
            path: below `/v1/`.
            document: the body, or None.
            token: goes along, unless None.
            deadline: steady seconds.
            again: whether a second one would do no harm.
            forced: make it even where Vault is left alone for a while.
        """
        body = json.dumps(document).encode() if document is not None else b""
        headers = [("X-Vault-Request", "true"), ("Content-Type", "application/json")]
        if token:
            headers.append(("X-Vault-Token", token.reveal()))
        if self._namespace:
            headers.append(("X-Vault-Namespace", self._namespace))
        return self._patiently(Request(method, f"/v1/{path}", tuple(headers), body), deadline, again=again, forced=forced)

    def token_is_dead(self, token: Secret, deadline: float) -> bool:
        """Whether Vault proves that a token is no more.

        A live token can look itself up, as the policy we ship grants. Where that is denied, the words tell: Vault calls a dead
        token invalid. Versions that don't say so are told by a token that never was; theirs mean both by the same refusal.
        """
        answer = self.call("GET", _LOOKUP_SELF, None, token, deadline)
        if answer.status != 403:  # noqa: PLR2004 - HTTP
            return False
        if _INVALID in words_of(answer):
            return True
        if self._names_the_invalid is None:
            nobodys = self.call("GET", _LOOKUP_SELF, None, Secret("vaultgate-asks-what-vault-says-to-nobody"), deadline)
            self._names_the_invalid = _INVALID in words_of(nobodys)
        return not self._names_the_invalid

    @property
    def origin(self) -> Origin:
        """Where it listens; of several addresses the first."""
        return self._origins[0]

    @property
    def circuit(self) -> str:
        """`closed`; `open` while it is left alone after several failures; `half-open` when the next call is a trial."""
        return self._failover.circuit if self._failover is not None else "closed"

    @property
    def failed_lately(self) -> bool:
        """Whether the last call failed, and that a moment ago: who has a choice goes elsewhere."""
        return self._failover is not None and self._failover.failed_lately

    def renew_self(self, token: Secret, deadline: float) -> float:
        """Ask for more time for a token; seconds from now that it may live, infinity for no end.

        Raises:
            VaultgateError: Vault gave none.
        """
        path = "auth/token/renew-self"
        auth = self._document("POST", path, {}, token, deadline).get("auth")
        given = auth.get("lease_duration") if isinstance(auth, dict) else None
        return float(given) or FOREVER if isinstance(given, int) else 0.0

    def renew_lease(self, lease_id: str, increment_s: float, token: Secret, deadline: float) -> float:
        """Ask for more time for a lease; seconds from now that it may live.

        Raises:
            VaultgateError: Vault gave none: the lease is dead, or can't be renewed.
        """
        body: dict[str, object] = {"lease_id": lease_id, "increment": int(increment_s)}
        given = self._document("PUT", "sys/leases/renew", body, token, deadline).get("lease_duration")
        return float(given) if isinstance(given, int) else 0.0

    def revoke_self(self, token: Secret, deadline: float) -> None:
        """End a token; Vault ends its leases a moment later.

        Raises:
            VaultgateError: Vault didn't say that it did.
        """
        answer = self.call("POST", "auth/token/revoke-self", {}, token, deadline, forced=True)
        if not answer.ok:
            raise meaning(answer, "auth/token/revoke-self")

    def revoke_lease(self, lease_id: str, token: Secret, deadline: float) -> None:
        """End a lease; fine if it is over already.

        Raises:
            VaultgateError: Vault didn't say that it will.
        """
        answer = self.call("PUT", "sys/leases/revoke", {"lease_id": lease_id}, token, deadline)
        if not answer.ok:
            raise meaning(answer, "sys/leases/revoke")

    def _document(self, method: str, path: str, body: dict[str, object], token: Secret, deadline: float) -> dict[str, object]:
        answer = self.call(method, path, body, token, deadline)
        if not answer.ok:
            raise meaning(answer, path)
        return document_of(answer, path)

    def _patiently(self, request: Request, deadline: float, *, again: bool, forced: bool = False) -> Answer:
        failover = self._failover
        first: Answer | Unreachable | None = None
        if failover is None and len(self._origins) == 1:
            try:
                first = self._transport.exchange(self._origins[0], request, deadline)
            except Unreachable as error:
                first = error
            else:
                if first.status not in _TROUBLE:
                    return first
        return (failover or self._in_trouble()).exchange(request, deadline, again=again, forced=forced, first=first)

    def _in_trouble(self) -> Failover:
        from vaultgate.failover import Failover  # noqa: PLC0415 - see the module's rules

        with self._lock:
            if self._failover is None:
                self._failover = Failover(self._transport, self._origins, self._max_retries, self._clock, self._log)
            return self._failover


def document_of(answer: Answer, path: str) -> dict[str, object]:
    """The JSON object in a successful answer.

    Raises:
        ProtocolViolation: it holds something else.
    """
    try:
        document = json.loads(answer.body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise ProtocolViolation(f"the answer to {path!r} is not a JSON object: is this address Vault's?")
    return document
