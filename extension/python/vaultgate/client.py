"""The function's side: secrets from memory first, then from the extension.

Rules: how memory is judged stands in `reading`; nothing is read from the environment before the first use, so that a snapshot
holds nothing of it. In Lambda, or where VAULTGATE_LISTEN is set, only the extension is asked; anywhere else there is none by
design, and this process does its part itself.

    from vaultgate import client

    secret = client.read("secret/data/app")
    orders = client.mysql("database/creds/app", host="db.internal", database="shop", ssl={"ca": "/opt/rds.pem"})
    with orders.connection() as (connection, credential):
        ...
"""

from __future__ import annotations

import os
import threading

from vaultgate.arrival import SNAP_START
from vaultgate.clock import Clock
from vaultgate.errors import ConfigurationError, DeadlineExceeded, Unreachable
from vaultgate.generation import Watch
from vaultgate.reading import INTENT, Client
from vaultgate.settings import SETTINGS
from vaultgate.transport import Connections
from vaultgate.values import duration, listen_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from vaultgate.alone import Alone
    from vaultgate.model import Answer, Headers, Origin, Request
    from vaultgate.pool import MysqlPool
    from vaultgate.transport import Transport
    from vaultgate.vault_secret import VaultSecret

__all__ = ["Client", "close", "mysql", "read", "restore", "sqlalchemy_creator", "use"]

_NOWHERE = ("127.0.0.1", 0)
# Longer than the extension may wait for Vault: it is the one that knows the deadline.
_GRACE_S = 5.0


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


def use(made: Client | None) -> Client | None:
    """Let this module's functions use a client from now on; None for the one that the environment describes.

    Returns:
        The one that they used until now, if they had one.
    """
    global _default
    with _making:
        before, _default = _default, made
    return before


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
        return lambda: (INTENT,)
    from vaultgate.door_secret import told  # noqa: PLC0415 - only this mode pays for it

    # Read for each request: the extension may have been started anew, and 20 microseconds are little beside it.
    return lambda: (INTENT, told(listen))


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
