"""What one process of a function knows of its secrets: memory first, then whoever has them.

Rules: what is in memory is judged on both clocks at every read; nothing outlives what was said of it when it came, and once a
second a look at the generation tells whether something was taken back; nothing here waits for another thread.
"""

from __future__ import annotations

import json

from vaultgate.clock import Instant
from vaultgate.errors import (
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
from vaultgate.leases import Lifetime
from vaultgate.model import Origin, Request
from vaultgate.vault import document_of, meaning, words_of
from vaultgate.vault_secret import VaultSecret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from vaultgate.clock import Clock
    from vaultgate.generation import Seen
    from vaultgate.model import Answer, Headers
    from vaultgate.pool import MysqlPool
    from vaultgate.transport import Transport

    class Generations(Protocol):
        """Somebody who knows whether the extension has taken something back."""

        def look(self) -> Seen | None:
            """What tells this generation from any other; None where nobody knows."""


INTENT = ("X-Vault-Request", "true")
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
        shown: Callable[[], Headers] = lambda: (INTENT,),
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

        from vaultgate.pool import MysqlPool  # noqa: PLC0415 - as above

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
