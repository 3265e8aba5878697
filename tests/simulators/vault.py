"""A Vault with state and without a network, for everything that stands above `Transport`.

Rules: what it answers is what Vault 1.21 answers, tests/contract holds both to the same assertions; time is the clock's it
was given; it judges tokens, leases and policies by itself, a test only sets the scene. Safe for threads.
"""

from __future__ import annotations

import json
import threading
import uuid
from base64 import b64decode
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from vaultgate.errors import DeadlineExceeded, Unreachable, VaultgateError
from vaultgate.http1 import answer_bytes
from vaultgate.model import Answer, Origin

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from tests.simulators.clock import MovableClock
    from tests.simulators.loopback import Conversation

    from vaultgate.model import Request

ROLE_ARN = "arn:aws:iam::123456789012:role/vaultgate-records"
SERVER_ID = "vault.vaultgate.local"
RECORDS_POLICY = (
    ("database/creds/records", {"read"}),
    ("database/static-creds/records-static", {"read"}),
    ("secret/data/records", {"read"}),
    ("auth/token/lookup-self", {"read"}),
    ("auth/token/renew-self", {"update"}),
    ("auth/token/revoke-self", {"update"}),
    ("sys/leases/lookup", {"update"}),
    ("sys/leases/renew", {"update"}),
    ("sys/wrapping/*", {"update"}),
)
_CAPABILITY = {"GET": "read", "HEAD": "read", "LIST": "list", "POST": "update", "PUT": "update", "DELETE": "delete"}
_MOUNT_OF = "sys/internal/ui/mounts/"
_MOUNTS: dict[str, dict[str, Any]] = {
    "secret": {"type": "kv", "options": {"version": "2"}},
    "database": {"type": "database", "options": {}},
}
_OPEN = ("sys/health", "auth/aws/login", "auth/approle/login", "sys/wrapping/lookup", "sys/wrapping/unwrap")
BATCH_ROLE = "records-batch"
ROLE_ID = "7f8c1a5e-0000-4000-8000-00000000a001"


class Gate:
    """Holds one request up until it is opened.

    Attributes:
        arrived: set when the request is here.
    """

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self._open = threading.Event()

    def open(self) -> None:
        """Let it go on."""
        self._open.set()

    def pass_through(self) -> None:
        """Be held up."""
        self.arrived.set()
        if not self._open.wait(20):
            raise AssertionError("the test never opened the gate")


def over_http(server: SimulatedVault) -> Conversation:
    """The same Vault for a process of its own, by way of `loopback`."""

    def converse(connection: socket.socket, next_request: Callable[[], Request | None]) -> None:
        while (request := next_request()) is not None:
            answer = server.exchange(Origin("http", "127.0.0.1", 1), request, float("inf"))
            connection.sendall(answer_bytes(answer, to_head=request.method == "HEAD"))

    return converse


class _Token:
    def __init__(self, number: int, policy: str, ends: float, *, batch: bool = False) -> None:
        self.id = f"hv{'b' if batch else 's'}.simulated-{number}"
        self.accessor = "" if batch else f"accessor-{number}"
        self.policy = policy
        self.began = 0.0
        self.ends = ends
        self.batch = batch


class _Lease:
    def __init__(self, lease_id: str, token: _Token, ends: float, ttl_s: int) -> None:
        self.id = lease_id
        self.token = token
        self.began = 0.0
        self.ends = ends
        self.ttl_s = ttl_s


class _Refusal(Exception):
    def __init__(self, status: int, *errors: str) -> None:
        super().__init__(*errors)
        self.answer = _json(status, {"errors": list(errors)})


class SimulatedVault:
    """Vault as the extension meets it.

    Args:
        server_id: what a login must be signed for.
        begin: where tokens and leases are numbered from: those of two Vaults are to be told apart.

    Attributes:
        principal: who STS says signed the login; None for a signature that STS refuses.
        token_ttl_s, token_type: of tokens that a login gives: `service` or `batch`.
        lease_ttl_s: of database credentials.
        token_max_s, lease_max_s: how long renewals may keep one alive, from its beginning.
        state: `active`, `sealed`, `standby` (without an active node) or `gone`.
        delay_s: how long each answer takes, by the clock.
        old_words: refuse a dead token without calling it invalid, as older versions do.
        seen: method and path of every request that came, in order.
        logins: how many tokens were given to a login.
        tokens, leases: those alive, by id.
        ever: ids of all tokens there ever were.
        kv: documents of the KV v2 engine, by path below `secret/data/`.
        secret_ids: of the AppRole `records`, each with how often it may still be used; 0 for as often as one likes.
    """

    def __init__(self, clock: MovableClock, server_id: str = SERVER_ID, *, begin: int = 0) -> None:
        self._clock = clock
        self._server_id = server_id
        self._lock = threading.RLock()
        self._gates: list[tuple[str, str, str, Gate]] = []
        self._afterwards: list[tuple[str, Callable[[], None]]] = []
        self._next: list[Answer | VaultgateError] = []
        self._number = begin
        self._wrapped: dict[str, Answer] = {}
        self._made_at: dict[str, str] = {}
        self._ending: list[_Lease] = []
        self.principal: str | None = "arn:aws:sts::123456789012:assumed-role/vaultgate-records/session"
        self.policies = {"records": RECORDS_POLICY, "root": (("*", set(_CAPABILITY.values())),)}
        self.token_ttl_s = 3600
        self.token_type = "service"
        self.lease_ttl_s = 600
        self.token_max_s = self.lease_max_s = float("inf")
        self.state = "active"
        self.delay_s = 0.0
        self.old_words = False
        self.seen: list[tuple[str, str]] = []
        self.logins = 0
        self.tokens: dict[str, _Token] = {}
        self.ever: set[str] = set()
        self.leases: dict[str, _Lease] = {}
        self.kv: dict[str, dict[str, Any]] = {"records": {"greeting": "hello"}}
        self.secret_ids: dict[str, int] = {}
        self.root_token = self._mint("root", float("inf")).id

    # --- what a test does ---

    def count(self, method: str, path: str) -> int:
        """How many requests of this kind came."""
        return self.seen.count((method, path))

    def hold(self, method: str, path: str, when: str = "before") -> Gate:
        """Hold the next such request up, `before` it is carried out or `after`."""
        gate = Gate()
        self._gates.append((method, path, when, gate))
        return gate

    def afterwards(self, path: str, action: Callable[[], None]) -> None:
        """Do something once, when the next request to `path` was carried out and its answer is on the way."""
        self._afterwards.append((path, action))

    def next(self, *outcomes: Answer | VaultgateError) -> None:
        """Answer the next requests so, or fail them so, without looking at them."""
        self._next.extend(outcomes)

    def forget_next(self) -> None:
        """Answer the next requests by looking at them again."""
        self._next.clear()

    def revoke_tokens(self) -> None:
        """Somebody revokes every token a login gave, and Vault its leases."""
        with self._lock:
            self.tokens = {self.root_token: self.tokens[self.root_token]}
            self.leases.clear()

    def revoke_leases(self) -> None:
        """Somebody revokes every lease behind the extension's back."""
        with self._lock:
            self.leases.clear()

    def outlive(self, seconds: float) -> None:
        """Let the tokens live this much longer: it is the extension's clock that was set ahead, not Vault's."""
        with self._lock:
            for token in self.tokens.values():
                token.ends += seconds

    # --- Transport ---

    def exchange(self, origin: Origin, request: Request, deadline: float) -> Answer:
        """Answer a request, or break off as the network would."""
        method, path = request.method, request.path.removeprefix("/v1/").rstrip("/")
        with self._lock:
            self.seen.append((method, path))
            outcome = self._next.pop(0) if self._next else None
        if self._clock.steady() >= deadline:
            raise DeadlineExceeded(f"{origin} did not answer in time")
        if isinstance(outcome, VaultgateError):
            raise outcome
        if self.state == "gone":
            raise Unreachable(f"{origin} can't be reached")
        self._pass(method, path, "before")
        with self._lock:
            answer = outcome or self._answer(method, path, request)
        self._pass(method, path, "after")
        if self.delay_s:
            self._clock.advance(self.delay_s)
        for one in [one for one in self._afterwards if one[0] == path]:
            self._afterwards.remove(one)
            one[1]()
        if self._clock.steady() >= deadline:
            raise DeadlineExceeded(f"{origin} did not answer in time")
        return answer

    # --- Vault ---

    def _pass(self, method: str, path: str, when: str) -> None:
        with self._lock:
            found = next((gate for gate in self._gates if gate[:3] == (method, path, when)), None)
            if found:
                self._gates.remove(found)
        if found:
            found[3].pass_through()

    def _answer(self, method: str, path: str, request: Request) -> Answer:
        if path == "sys/health":
            status = {"active": 200, "standby": 429, "sealed": 503}[self.state]
            return _json(status, {"initialized": True, "sealed": self.state == "sealed", "standby": self.state != "active"})
        if self.state == "sealed":
            return _json(503, {"errors": ["Vault is sealed"]})
        if self.state == "standby":
            return _json(500, {"errors": ["local node not active but active cluster node not found"]})
        self._settle()
        try:
            token = None if path in _OPEN else self._judged(method, path, request)
            document = json.loads(request.body) if request.body else {}
            answer = self._carry_out(method, path, token, document, request)
        except _Refusal as refusal:
            return refusal.answer
        ttl = request.header("X-Vault-Wrap-TTL")
        return self._wrap(answer, path, int(ttl.removesuffix("s"))) if ttl and answer.ok else answer

    def _settle(self) -> None:
        """What Vault does by itself: end what is over, and the leases of ended tokens a moment later."""
        now = self._clock.wall()
        for lease in self._ending:
            self.leases.pop(lease.id, None)
        self.tokens = {name: token for name, token in self.tokens.items() if token.ends > now}
        self.leases = {name: lease for name, lease in self.leases.items() if lease.ends > now}
        self._ending = [lease for lease in self.leases.values() if lease.token.id not in self.tokens and not lease.token.batch]

    def _judged(self, method: str, path: str, request: Request) -> _Token:
        shown = request.header("X-Vault-Token")
        if not shown:
            raise _Refusal(403, "permission denied")
        token = self.tokens.get(shown)
        if token is None:
            raise _Refusal(403, *((DENIED,) if self.old_words else DEAD_TOKEN))
        if path.startswith(_MOUNT_OF):
            return token  # judged by what the token may do below the mount
        wanted = _CAPABILITY[method]
        if not any(fnmatchcase(path, pattern) and wanted in able for pattern, able in self.policies[token.policy]):
            raise _Refusal(403, DENIED)
        return token

    def _carry_out(self, method: str, path: str, token: _Token | None, document: dict[str, Any], request: Request) -> Answer:
        if token is None:
            return self._for_anybody(path, document, request)
        if path.startswith("auth/approle/role/records/"):
            return self._approle(path.rpartition("/")[2], document)
        if path.startswith("auth/token/"):
            return self._token_store(path.removeprefix("auth/token/"), token)
        if path.startswith("sys/"):
            return self._system(path, token, document)
        if path.startswith("database/") and method == "GET":
            return self._database_user(path.removeprefix("database/"), token)
        if path.startswith("secret/"):
            return self._kv(method, path.removeprefix("secret/"), document)
        raise _Refusal(404, f'no handler for route "{path}". route entry not found.')

    def _for_anybody(self, path: str, document: dict[str, Any], request: Request) -> Answer:
        if path == "auth/aws/login":
            return self._login(document)
        if path == "auth/approle/login":
            return self._approle_login(document)
        name = document.get("token") or request.header("X-Vault-Token") or ""
        if name not in self._wrapped:
            raise _Refusal(400, "wrapping token is not valid or does not exist")
        if path == "sys/wrapping/lookup":
            return _secret({"creation_path": self._made_at[name]})
        self.tokens.pop(name, None)
        return self._wrapped.pop(name)

    def _login(self, document: dict[str, Any]) -> Answer:
        role = document.get("role")
        if role is None:
            raise _Refusal(400, "didn't supply required authentication values")
        if role not in {"records", BATCH_ROLE}:
            raise _Refusal(400, f"entry for role {role} not found")
        headers = json.loads(b64decode(document["iam_request_headers"]))
        said = next((value for name, value in headers.items() if name.lower() == "x-vault-aws-iam-server-id"), None)
        if said is None:
            raise _Refusal(400, 'error validating X-Vault-AWS-IAM-Server-ID header: missing header "X-Vault-AWS-IAM-Server-ID"')
        if said != [self._server_id]:
            wrong = f'expected "{self._server_id}" but got "{said[0]}"'
            raise _Refusal(400, f"error validating X-Vault-AWS-IAM-Server-ID header: {wrong}")
        if self.principal is None:
            raise _Refusal(400, "error making upstream request: received error code 403 from STS: SignatureDoesNotMatch")
        if self.principal.split("/")[-2:-1] != [ROLE_ARN.rpartition("/")[2]]:
            raise _Refusal(400, f'IAM Principal "{self.principal}" does not belong to the role "{role}"')
        self.logins += 1
        batch = self.token_type == "batch" or role == BATCH_ROLE
        token = self._mint("records", self._clock.wall() + self.token_ttl_s, batch=batch)
        return _json(200, _envelope(auth=self._auth(token)))

    def _approle_login(self, document: dict[str, Any]) -> Answer:
        secret_id = document.get("secret_id")
        if "role_id" not in document:
            raise _Refusal(500, "failed to determine alias name from login request")
        if document["role_id"] == ROLE_ID and secret_id is None:
            raise _Refusal(400, "missing secret_id")
        if document["role_id"] != ROLE_ID or secret_id not in self.secret_ids:
            raise _Refusal(400, "invalid role or secret ID")
        if self.secret_ids[secret_id] == 1:
            del self.secret_ids[secret_id]
        elif self.secret_ids[secret_id]:
            self.secret_ids[secret_id] -= 1
        self.logins += 1
        token = self._mint("records", self._clock.wall() + self.token_ttl_s, batch=self.token_type == "batch")
        return _json(200, _envelope(auth=self._auth(token)))

    def _approle(self, verb: str, document: dict[str, Any]) -> Answer:
        if verb == "role-id":
            return _secret({"role_id": ROLE_ID})
        secret_id = str(uuid.uuid4())
        self.secret_ids[secret_id] = document.get("num_uses", 0)
        return _secret({"secret_id": secret_id})

    def _mint(self, policy: str, ends: float, *, batch: bool = False) -> _Token:
        self._number += 1
        token = _Token(self._number, policy, ends, batch=batch)
        token.began = self._clock.wall()
        self.tokens[token.id] = token
        self.ever.add(token.id)
        return token

    def _auth(self, token: _Token) -> dict[str, Any]:
        return {
            "client_token": token.id,
            "accessor": token.accessor,
            "policies": [token.policy],
            "lease_duration": self.token_ttl_s,
            "renewable": not token.batch,
            "token_type": "batch" if token.batch else "service",
        }

    def _token_store(self, verb: str, token: _Token) -> Answer:
        if verb == "lookup-self":
            ttl = 0 if token.ends == float("inf") else max(0, int(token.ends - self._clock.wall()))
            return _secret({"id": token.id, "accessor": token.accessor, "ttl": ttl, "policies": [token.policy]})
        if verb == "renew-self":
            if token.batch:
                raise _Refusal(400, "batch tokens cannot be renewed")
            now = self._clock.wall()
            token.ends = min(now + self.token_ttl_s, token.began + self.token_max_s)
            return _json(200, _envelope(auth=self._auth(token) | {"lease_duration": int(token.ends - now)}))
        if verb == "revoke-self":
            if token.batch:
                raise _Refusal(400, "batch tokens cannot be revoked")
            del self.tokens[token.id]
            self._ending = [lease for lease in self.leases.values() if lease.token is token]
            return Answer(204)
        raise _Refusal(404, f'no handler for route "auth/token/{verb}". route entry not found.')

    def _system(self, path: str, token: _Token, document: dict[str, Any]) -> Answer:
        if path.startswith("sys/leases/"):
            return self._lease_store(path.removeprefix("sys/leases/"), document)
        if path.startswith(_MOUNT_OF):
            return self._mount_of(path.removeprefix(_MOUNT_OF), token)
        raise _Refusal(404, f'no handler for route "{path}". route entry not found.')

    def _lease_store(self, verb: str, document: dict[str, Any]) -> Answer:
        lease = self.leases.get(document.get("lease_id", ""))
        if verb == "revoke":
            self.leases.pop(document.get("lease_id", ""), None)
            return Answer(204)
        if lease is None:
            raise _Refusal(400, "invalid lease" if verb == "lookup" else "lease not found")
        if verb == "renew":
            now = self._clock.wall()
            lease.ends = min(now + lease.ttl_s, lease.began + self.lease_max_s)
            return _json(200, _envelope(lease_id=lease.id, lease_duration=int(lease.ends - now), renewable=True))
        return _secret({"id": lease.id, "ttl": int(lease.ends - self._clock.wall()), "renewable": True})

    def _database_user(self, role: str, token: _Token) -> Answer:
        if role == "static-creds/records-static":
            return _secret({"username": "records_static", "password": "static-password", "ttl": 300, "rotation_period": 3600})
        if role != "creds/records":
            raise _Refusal(400, f"unknown role: {role.rpartition('/')[2]}")
        self._number += 1
        ttl_s = self.lease_ttl_s
        lease = _Lease(f"database/creds/records/{self._number}", token, self._clock.wall() + ttl_s, ttl_s)
        lease.began = self._clock.wall()
        self.leases[lease.id] = lease
        user = {"username": f"v-aws-records-{self._number}", "password": f"made-up-{self._number}"}
        return _json(200, _envelope(lease_id=lease.id, lease_duration=ttl_s, renewable=True, data=user))

    def _mount_of(self, path: str, token: _Token) -> Answer:
        name, slash, _ = path.partition("/")
        if name not in _MOUNTS or not any(pattern.startswith(name + slash) for pattern, _ in self.policies[token.policy]):
            words = f'preflight capability check returned 403, please ensure client\'s policies grant access to path "{path}/"'
            raise _Refusal(403, words)
        return _secret({"path": f"{name}/"} | _MOUNTS[name])

    def _kv(self, method: str, path: str, document: dict[str, Any]) -> Answer:
        kind, _, name = path.partition("/")
        if method == "LIST":
            names = sorted(key for key in self.kv if kind == "metadata" and not name)
            if not names:
                raise _Refusal(404)
            return _secret({"keys": names})
        if method in {"POST", "PUT"}:
            self.kv[name] = document["data"]
            return _secret({"version": 1})
        if kind != "data" or name not in self.kv:
            raise _Refusal(404)
        return _secret({"data": self.kv[name], "metadata": {"version": 1}})

    def _wrap(self, answer: Answer, path: str, ttl_s: int) -> Answer:
        token = self._mint("response-wrapping", self._clock.wall() + ttl_s)
        self.policies.setdefault("response-wrapping", (("sys/wrapping/unwrap", {"update"}),))
        self._wrapped[token.id] = answer
        self._made_at[token.id] = path
        info = {"token": token.id, "accessor": token.accessor, "ttl": ttl_s, "creation_path": path}
        return _json(200, _envelope(wrap_info=info))


DENIED = "1 error occurred:\n\t* permission denied\n\n"
DEAD_TOKEN = ("2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n",)


def _envelope(**fields: object) -> dict[str, object]:
    return {
        "request_id": str(uuid.uuid4()),
        "lease_id": "",
        "renewable": False,
        "lease_duration": 0,
        "data": None,
        "wrap_info": None,
        "warnings": None,
        "auth": None,
    } | fields


def _secret(document: dict[str, Any]) -> Answer:
    return _json(200, _envelope(data=document))


def _json(status: int, document: object) -> Answer:
    headers = (("Cache-Control", "no-store"), ("Content-Type", "application/json"))
    return Answer(status, headers, json.dumps(document).encode() + b"\n")
