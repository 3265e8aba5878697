"""The rotation function's own door to Vault: a token for one step, by the function's IAM role.

Rules: settings are those of Vaultgate's extension (VAULT_ADDR, VAULT_AUTH_ROLE and so on) and its own code logs in, so nothing
about Vault is configured twice; nobody is asked before the first request of a session, and the token is given back at the
session's end. Nothing that Vault answered is kept. A body is never quoted, nor what Vault says of a password's change: a
database's error may quote the statement.
Source: Vault's HTTP API, /api-docs; /api-docs/secret/databases#rotate-static-role-credentials; /api-docs/secret/kv/kv-v2.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import quote

from vaultgate_ops.rotation.errors import RotationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_OK, _BAD, _DENIED, _ABSENT, _NO_SERVICE = 2, 400, 403, 404, 500
# Vault limits rates, or a standby or replica can't serve.
_NOT_NOW = frozenset({412, 429, 472, 473})
_HEADERS = (("X-Vault-Request", "true"), ("X-Vault-Cache-Control", "nocache"))
_CONFLICT = "check-and-set parameter did not match"


class Reply(NamedTuple):
    """What Vault answered.

    Attributes:
        status: of HTTP: 2xx, 400 or 404.
        data: the document's ``data``; empty where there is none.
        errors: Vault's words, where it refused.
    """

    status: int
    data: Mapping[str, Any]
    errors: str = ""

    @property
    def ok(self) -> bool:
        """Whether Vault did it."""
        return self.status // 100 == _OK

    @property
    def absent(self) -> bool:
        """Whether there is nothing, or nothing any more."""
        return self.status == _ABSENT

    @property
    def conflict(self) -> bool:
        """Whether a write was refused because another one came between."""
        return self.status == _BAD and _CONFLICT in self.errors

    def __repr__(self) -> str:
        """Show the status; data may hold secrets."""
        return f"Reply({self.status})"


class Session(Protocol):
    """Vault, as one token may use it."""

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Reply:
        """Make one request.

        Args:
            method: ``GET`` or ``POST``.
            path: below /v1/, such as ``database/static-creds/app``.
            body: JSON values.

        Raises:
            RotationError: ``vault-denied``, ``vault-unreachable``, ``settings-wrong``.
        """


Vault = Callable[[], AbstractContextManager[Session]]
"""Opens a session, whose token ends with the block."""


def own_role(environ: Mapping[str, str]) -> Vault:
    """What opens sessions for the role that a process runs with; one at a time.

    Args:
        environ: the extension's settings and the role's AWS keys; they are judged at the first request.
    """
    made: list[_OwnRole] = []

    @contextmanager
    def session() -> Iterator[Session]:
        if not made:
            made.append(_OwnRole(environ))
        try:
            yield made[0]
        finally:
            made[0].close()

    return session


class _OwnRole:
    def __init__(self, environ: Mapping[str, str]) -> None:
        try:
            from vaultgate.alone import Alone  # noqa: PLC0415 - only where the function has Vaultgate's layer
            from vaultgate.clock import Clock  # noqa: PLC0415 - as above
        except ImportError:
            raise RotationError(
                "settings-wrong", "The strategy vault needs Vaultgate's layer.", "Attach it to the rotation function."
            ) from None
        # One for the process: each hooks itself into forks and the process's end.
        self._alone = Alone(environ, Clock())

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Reply:
        """See `Session`."""
        from vaultgate.errors import VaultgateError  # noqa: PLC0415 - only where the function has Vaultgate's layer
        from vaultgate.model import Origin, Request  # noqa: PLC0415 - as above

        content = b"" if body is None else json.dumps(body).encode()
        request = Request(method, f"/v1/{quote(path)}", _HEADERS, content)
        try:
            answer = self._alone.exchange(Origin("https", "vault", 0), request, 0)
        except VaultgateError as error:
            failure = _failure(error.code, error.message, error.hint, retryable=error.retryable)
        else:
            return _reply(answer.status, answer.body, method, path)
        raise failure  # out here: the cause knows the request, and with it what was sent

    def close(self) -> None:
        """Give the token back."""
        self._alone.close()


_CODES = {
    "configuration": "settings-wrong",
    "login-refused": "vault-denied",
    "no-credentials": "vault-denied",
    "refused": "vault-denied",
}


def _failure(code: str, message: str, hint: str, *, retryable: bool) -> RotationError:
    return RotationError("vault-unreachable" if retryable else _CODES.get(code, "vault-refused"), f"Vault: {message}", hint)


def _reply(status: int, body: bytes, method: str, path: str) -> Reply:
    try:
        document = json.loads(body) if body else {}
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise RotationError("vault-refused", f"What answers to {path} is not Vault.", "Correct VAULT_ADDR.")
    if status == _DENIED:
        capability = "read" if method == "GET" else "update"
        raise RotationError(
            "vault-denied", f"Vault denies {method} {path}.", f'Allow it: path "{path}" {{ capabilities = ["{capability}"] }}'
        )
    if status >= _NO_SERVICE or status in _NOT_NOW:
        raise RotationError("vault-unreachable", f"Vault answered {status} to {path}.", "Vault's own log says why.")
    data = document.get("data")
    errors = document.get("errors")
    words = "; ".join(str(one) for one in errors) if isinstance(errors, list) else ""
    return Reply(status, data if isinstance(data, dict) else {}, words)
