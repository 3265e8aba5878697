"""Where the database credential comes from.

Rules: a source hands out live connections with the credential they were made with; how it gets and renews that is its own
business. A new one is a class like `Vault`, or a store of `stores`, and a line in `SOURCES`. TLS is never off, and the
server's name is always checked: the database's password would travel with it. A login that the database refuses is read
anew from its store, once; only one that has changed there is tried.
"""

from __future__ import annotations

import ssl
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import pymysql

from vaultgate import client
from vaultgate.clock import Clock
from vaultgate.errors import ConfigurationError
from vaultgate.leases import Lifetime
from vaultgate.pool import MysqlPool
from vaultgate.vault_secret import VaultSecret
from vaultgate_ops.records.stores import KEEP_S, STORES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from vaultgate_ops.records.settings import Settings
    from vaultgate_ops.records.stores import Login, Store

CONNECT_TIMEOUT_S = 5
# A sandbox that was frozen may hold a connection whose other end is gone without a word: reads must end too. Two attempts
# stay below the 29 s that API Gateway waits.
READ_TIMEOUT_S = 8


class Credential(Protocol):
    """A database user, as far as the answer tells of it."""

    @property
    def user(self) -> str:
        """Its name."""

    def expires_in_s(self) -> int:
        """Whole seconds of use left; -1 for one that doesn't end by itself."""


class Source(Protocol):
    """Somebody who lends connections."""

    @property
    def name(self) -> str:
        """What CREDENTIAL_SOURCE calls it."""

    def connection(self) -> AbstractContextManager[tuple[Any, Credential]]:
        """Lend a live DB-API connection and the credential it was made with.

        Raises:
            VaultgateError: no credential can be had.
            pymysql.err.MySQLError: the database refuses the connection, or isn't there.
        """


class Vault:
    """A dynamic database role of Vault, through Vaultgate's extension."""

    name = "vault"

    def __init__(self, settings: Settings) -> None:
        # Where the sandbox comes from a snapshot, the login is then made before the first request.
        client.restore()
        self._pool = client.mysql(settings.secret_path, **connect_arguments(settings))

    def connection(self) -> AbstractContextManager[tuple[Any, Credential]]:
        """Lend a connection; its user lives as long as its lease."""
        return self._pool.connection()


class _Value(VaultSecret):
    """A login of a store; kept for a while, but it doesn't end by itself."""

    def expires_in_s(self) -> int:
        """See `Credential`."""
        return -1


class Logins:
    """What a pool asks about the logins of a store: which is valid, and whether one is over.

    Each different login that is seen gets a number, which stands in for the lease it doesn't have: a login is over when
    its store holds another one. Safe for threads.

    Args:
        store: where they lie.
        clock: tells how long one may be used before the store is asked again.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._lock = threading.Lock()
        self._known: Login | None = None
        self._number = 0

    def read(self) -> VaultSecret:
        """The login that is valid, in the form that pools take.

        Raises:
            VaultgateError: it can't be had.
        """
        now = self._clock.now()
        login = self._store.read(anew=False)
        data = {"username": login.username, "password": login.password.reveal()}
        return _Value("login", {"lease_id": self._named(login), "data": data}, Lifetime(now, KEEP_S), self._clock)

    def over(self, name: str) -> bool:
        """Whether the store holds another login than the one of this name by now.

        Raises:
            VaultgateError: it can't be had.
        """
        return self._named(self._store.read(anew=True)) != name

    def _named(self, login: Login) -> str:
        with self._lock:
            known = self._known
            same = known is not None and known.username == login.username
            if known is None or not same or known.password.reveal() != login.password.reveal():
                self._known = login
                self._number += 1
            return f"login-{self._number}"


class Stored:
    """A login that lies in a store until somebody rotates it.

    Args:
        name: what CREDENTIAL_SOURCE calls it.
        settings: of the function.
    """

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        clock = Clock()
        logins = Logins(STORES[name](settings), clock)
        self._pool = MysqlPool(logins.read, logins.over, pymysql.connect, connect_arguments(settings), clock)

    def connection(self) -> AbstractContextManager[tuple[Any, Credential]]:
        """Lend a connection; after `KEEP_S` it is made anew, with what the store holds then."""
        return self._pool.connection()


SOURCES: Mapping[str, Callable[[Settings], Source]] = {Vault.name: Vault, **{name: partial(Stored, name) for name in STORES}}


def connect_arguments(settings: Settings) -> dict[str, Any]:
    """The arguments of ``pymysql.connect``, without user and password.

    Raises:
        ConfigurationError: the CA bundle can't be read.
    """
    try:
        tls = ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError([f"RDS_CA_BUNDLE={settings.ca_file!r} can't be read as PEM: {error.strerror}"]) from error
    # Python 3.13 made this strict; the roots of AWS's own bundle lack a field that it asks for.
    tls.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return {
        "host": settings.host,
        "port": settings.port,
        "database": settings.database,
        "ssl": tls,
        "connect_timeout": CONNECT_TIMEOUT_S,
        "read_timeout": READ_TIMEOUT_S,
        "write_timeout": READ_TIMEOUT_S,
        "autocommit": True,
    }
