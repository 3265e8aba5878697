"""The function's side: secrets from memory first, then from the extension.

Rules: what is in memory is judged on both clocks at every read; nothing outlives what the extension said of it, and once a
second a look at the extension's generation file tells whether it has taken something back; the module reads nothing when it is
imported, so that a snapshot holds nothing of it. In Lambda, or where VAULTGATE_LISTEN is set, only the extension is asked;
anywhere else there is none by design, and this process does its part itself.

    from vaultgate import client

    secret = client.read("secret/data/app")
    orders = client.mysql("database/creds/app", host="db.internal", database="shop", ssl={"ca": "/opt/rds.pem"})
    with orders.connection() as (connection, credential):
        ...
"""

from __future__ import annotations

import json
import os
import threading

from vaultgate.arrival import SNAP_START
from vaultgate.clock import Clock, Instant
from vaultgate.errors import (
    CircuitOpen,
    Closing,
    ConfigurationError,
    DeadlineExceeded,
    LoginRefused,
    NoCredentials,
    NotRestored,
    ProtocolViolation,
    Refused,
    Unreachable,
    VaultRejected,
)
from vaultgate.generation import Watch
from vaultgate.leases import Lifetime
from vaultgate.model import Origin, Request
from vaultgate.pool import MysqlPool
from vaultgate.settings import SETTINGS
from vaultgate.transport import Connections
from vaultgate.values import duration, listen_address
from vaultgate.vault import document_of, meaning, words_of
from vaultgate.vault_secret import VaultSecret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Protocol

    from vaultgate.alone import Alone
    from vaultgate.generation import Seen
    from vaultgate.model import Answer, Headers
    from vaultgate.transport import Transport

    class Generations(Protocol):
        """Somebody who knows whether the extension has taken something back."""

        def look(self) -> Seen | None:
            """What tells this generation from any other; None where nobody knows."""


_INTENT = ("X-Vault-Request", "true")
_LEASE_REMAINING = "X-Vaultgate-Lease-Remaining"
_FRESH_FOR = "X-Vaultgate-Fresh-For"
_LOOK_EVERY_S = 1.0
# Whoever reads more paths than this is answered by the extension, whose memory is bounded by bytes.
_MOST = 1000
_BY_CODE = {
    kind.code: kind
    for kind in (
        CircuitOpen,
        Closing,
        DeadlineExceeded,
        LoginRefused,
        NoCredentials,
        NotRestored,
        ProtocolViolation,
        Refused,
        Unreachable,
        VaultRejected,
    )
}
_OK = 200
_BAD_REQUEST = 400
_NOWHERE = ("127.0.0.1", 0)
# Longer than the extension may wait for Vault: it is the one that knows the deadline.
_GRACE_S = 5.0


class _Memory:
    """What was read in one generation; it is replaced whole, never emptied, so that nobody needs a lock."""

    __slots__ = ("generation", "secrets")

    def __init__(self, generation: Seen | None, secrets: dict[str, VaultSecret]) -> None:
        self.generation = generation
        self.secrets = secrets


class Client:
    """Reads through the extension. Safe for threads, and after a fork.

    Args:
        listen: the extension's loopback address.
        timeout_s: the longest to wait for it.
        transport: reaches it.
        clock: judges what is in memory.
        watch: tells whether the extension has taken something back.
        shown: gives the headers that the door wants to see.
    """

    def __init__(
        self,
        listen: tuple[str, int],
        timeout_s: float,
        transport: Transport,
        clock: Clock,
        watch: Generations,
        *,
        shown: Callable[[], Headers] = lambda: (_INTENT,),
    ) -> None:
        self._proxy = Origin("http", listen[0], listen[1])
        self._timeout_s = timeout_s
        self._transport = transport
        self._clock = clock
        self._watch = watch
        self._shown = shown
        self._memory: _Memory
        self._looked: Instant
        self.forget()

    def read(self, path: str, *, anew: bool = False) -> VaultSecret:
        """The secret at a path, such as `database/creds/app` or `secret/data/app`.

        Args:
            path: below `/v1/`.
            anew: ask Vault, whatever is in memory here or kept by the extension.

        Raises:
            Refused, LoginRefused, NoCredentials: the extension's guard said no, or it could not log in to Vault.
            Denied, NotFound, VaultRejected: Vault said no to the path.
            Unreachable: Vault or the extension can't be reached now; trying again may help.
        """
        path = path.removeprefix("/").removeprefix("v1/")
        now = self._clock.now()
        looked = self._looked
        if now.wall - looked.wall >= _LOOK_EVERY_S or now.steady - looked.steady >= _LOOK_EVERY_S:
            self._look(now)
        # What is asked for now goes into this memory, even if another has taken its place by then: nothing is put where it
        # would seem younger than it is.
        memory = self._memory
        kept = memory.secrets.get(path)
        if kept is not None and not anew and not kept.fresh.over(now):
            return kept
        answer = self._ask(Request("GET", f"/v1/{path}", (("X-Vault-Cache-Control", "recache"),) if anew else ()))
        if answer.status != _OK:
            raise self._refusal(answer, path)
        secret = self._secret(path, answer, now)
        if memory.generation is not None and secret.fresh.ttl_s:
            for other, old in list(memory.secrets.items()):
                if old.fresh.over(now):
                    memory.secrets.pop(other, None)
            if len(memory.secrets) < _MOST:
                memory.secrets[path] = secret
        return secret

    def _look(self, now: Instant) -> None:
        """Begin anew where the extension has taken something back, or doesn't say."""
        seen = self._watch.look()
        self._looked = now
        if seen != self._memory.generation:
            self._memory = _Memory(seen, {})

    def _secret(self, path: str, answer: Answer, asked: Instant) -> VaultSecret:
        remaining = answer.header(_LEASE_REMAINING)
        lifetime = Lifetime(asked, float(remaining) if remaining else float("inf"))
        fresh = lifetime if remaining else Lifetime(asked, float(answer.header(_FRESH_FOR) or 0))
        return VaultSecret(path, document_of(answer, path), lifetime, self._clock, fresh)

    def forget(self) -> None:
        """Forget what is in memory: the next read of each path asks."""
        self._memory = _Memory(None, {})
        self._looked = Instant(float("-inf"), float("-inf"))

    def mysql(self, path: str, **connect_args: Any) -> MysqlPool:
        """Connections with the credential at `path`, by PyMySQL.

        Args:
            path: of a dynamic or static role of Vault's database engine.
            **connect_args: for `pymysql.connect`, without user and password.
        """
        from pymysql import connect  # noqa: PLC0415 - only functions that use it need it

        return MysqlPool(lambda: self.read(path), self.lease_is_dead, connect, connect_args, self._clock)

    def sqlalchemy_creator(self, path: str, **connect_args: Any) -> Callable[[], Any]:
        """For `create_engine("mysql+pymysql://", creator=...)`: PyMySQL connections with the credential at `path`.

        SQLAlchemy's pool then replaces a connection when its lease is over, or dead by Vault's word after an error that hints at
        it; nothing else has to be set up. What its URL says of host, user and so on doesn't count.

        Args:
            path: of a dynamic or static role of Vault's database engine.
            **connect_args: for `pymysql.connect`, without user and password.
        """
        from pymysql import connect  # noqa: PLC0415 - as above

        from vaultgate.database_user import Connector  # noqa: PLC0415 - as above
        from vaultgate.sqlalchemy_pool import creator  # noqa: PLC0415 - as above

        return creator(Connector(lambda: self.read(path), self.lease_is_dead, connect, connect_args, self._clock))

    def lease_is_dead(self, lease_id: str) -> bool:
        """Whether Vault says that a lease is no more; False where it doesn't say.

        A dead one is forgotten here and in the extension.
        """
        body = json.dumps({"lease_id": lease_id}).encode()
        request = Request("PUT", "/v1/sys/leases/lookup", (("Content-Type", "application/json"),), body)
        answer = self._ask(request)
        if answer.status != _BAD_REQUEST or "lease" not in words_of(answer):
            return False
        memory = self._memory
        living = {path: kept for path, kept in list(memory.secrets.items()) if kept.lease_id != lease_id}
        self._memory = _Memory(memory.generation, living)
        return True

    def restored(self) -> None:
        """Tell the extension that the sandbox was restored, and wait for its login; a failed one is not the restore's failure.

        Raises:
            Unreachable: the extension doesn't answer.
        """
        self._ask(Request("POST", "/v1/sys/vaultgate/restore"))

    def _ask(self, request: Request) -> Answer:
        asked = Request(request.method, request.target, (*request.headers, *self._shown()), request.body)
        return self._transport.exchange(self._proxy, asked, self._clock.steady() + self._timeout_s)

    def _refusal(self, answer: Answer, path: str) -> Exception:
        code = answer.header("X-Vaultgate-Error")
        if code is not None:
            message, _, hint = words_of(answer).removeprefix("vaultgate: ").partition("; fix: ")
            return _BY_CODE.get(code, VaultRejected)(message, hint)
        return meaning(answer, path)


class _Door:
    """The way to the extension, and what to look at where nobody answers."""

    def __init__(self, clock: Clock) -> None:
        self._connections = Connections(clock)
        self.close = self._connections.close

    def exchange(self, origin: Origin, request: Request, deadline: float) -> Answer:
        try:
            return self._connections.exchange(origin, request, deadline)
        except DeadlineExceeded:
            raise
        except Unreachable as error:
            hint = "attach Vaultgate's layer; VAULTGATE_LISTEN must say the same to both, VAULT_RUN_MODE must not be file"
            raise Unreachable(f"no extension answers: {error.message}", hint) from error


def has_extension(environ: Mapping[str, str]) -> bool:
    """Whether there is an extension by the environment's word; its absence is an error then, never a reason to do without.

    Args:
        environ: Lambda sets AWS_LAMBDA_RUNTIME_API; whoever sets VAULTGATE_LISTEN means that somebody listens.
    """
    return bool(environ.get("AWS_LAMBDA_RUNTIME_API") or environ.get("VAULTGATE_LISTEN"))


def without_extension(environ: Mapping[str, str], clock: Clock) -> tuple[Client, Alone]:
    """A client that logs in to Vault itself, and the part in it that does.

    Args:
        environ: the extension's settings; they are judged at the first read.
        clock: for both.
    """
    from vaultgate.alone import Alone  # noqa: PLC0415 - beside an extension nobody pays for this

    alone = Alone(environ, clock)
    client = Client(_NOWHERE, 0, alone, clock, alone)
    # The parent's leases end with the parent's token.
    os.register_at_fork(after_in_child=client.forget)
    return client, alone


_default: Client | None = None
_way: _Door | Alone | None = None
_making = threading.Lock()


def _make_anew() -> None:
    """After a fork: whoever held the lock is not here."""
    global _making  # noqa: PLW0603 - one per process
    _making = threading.Lock()


os.register_at_fork(after_in_child=_make_anew)


def _client() -> Client:
    """The client that the environment describes, made at the first use."""
    global _default, _way  # noqa: PLW0603 - one per process, as the extension is
    with _making:
        if _default is None:
            clock = Clock()
            if has_extension(os.environ):
                _way = _Door(clock)
                _default = _beside_extension(_way, clock)
            else:
                _default, _way = without_extension(dict(os.environ), clock)
        return _default


def _beside_extension(door: Transport, clock: Clock) -> Client:
    settings = {setting.name: setting for setting in SETTINGS}
    try:
        listen = listen_address(os.environ.get("VAULTGATE_LISTEN") or settings["VAULTGATE_LISTEN"].default or "")
        timeout_s = duration(os.environ.get("VAULT_CLIENT_TIMEOUT") or settings["VAULT_CLIENT_TIMEOUT"].default or "")
    except ValueError as error:
        raise ConfigurationError([f"VAULTGATE_LISTEN or VAULT_CLIENT_TIMEOUT {error}"]) from None
    return Client(listen, timeout_s + _GRACE_S, door, clock, Watch(listen), shown=_shown(listen))


def close() -> None:
    """Hang up and forget; without an extension also give the token back, which happens at the process's end anyway.

    Reading goes on after this, with a new login where there is no extension.
    """
    if _way is not None and _default is not None:
        _way.close()
        _default.forget()


def _shown(listen: tuple[str, int]) -> Callable[[], Headers]:
    """What the door of the extension at an address wants to see."""
    if (os.environ.get("VAULTGATE_GUARD") or "").strip().lower() != "secret":
        return lambda: (_INTENT,)
    from vaultgate.door_secret import told  # noqa: PLC0415 - only this mode pays for it

    # Read for each request: the extension may have been started anew, and 20 microseconds are little beside it.
    return lambda: (_INTENT, told(listen))


def read(path: str, *, anew: bool = False) -> VaultSecret:
    """The secret at a path; see `Client.read`."""
    made = _default
    return (_client() if made is None else made).read(path, anew=anew)


def mysql(path: str, **connect_args: Any) -> MysqlPool:
    """Connections with the credential at a path; see `Client.mysql`."""
    return _client().mysql(path, **connect_args)


def restore() -> None:
    """Get ready for SnapStart; to be called where the function's module is loaded.

    A snapshot must hold no secret, so the extension hands none out before the restore. This registers a hook that runs right
    after it, and has the extension log in before the first invocation. Without SnapStart it does nothing.
    """
    if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == SNAP_START:
        from snapshot_restore_py import register_after_restore  # noqa: PLC0415 - only SnapStart's runtimes bring it

        register_after_restore(lambda: _client().restored())


def sqlalchemy_creator(path: str, **connect_args: Any) -> Callable[[], Any]:
    """What `sqlalchemy.create_engine` takes as `creator`; see `Client.sqlalchemy_creator`."""
    return _client().sqlalchemy_creator(path, **connect_args)
