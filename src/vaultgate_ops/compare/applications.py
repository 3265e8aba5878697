"""GET /records over any contender: the record-count function's own application, with one of two kinds of pools.

Rules: `careful` is what the record-count function does: it keeps its connection, and reads past everything that is kept
when the database refuses a login. `trusting` connects for each request with what the way hands out, and never asks past it.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pymysql
from aws_lambda_powertools import Logger, Metrics

from vaultgate.clock import Clock
from vaultgate.errors import Unreachable
from vaultgate.pool import MysqlPool
from vaultgate.secret import Secret
from vaultgate_ops.records import sources
from vaultgate_ops.records.application import make_handler
from vaultgate_ops.records.settings import Settings
from vaultgate_ops.records.stores import Login

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from vaultgate_ops.compare.ways import Read

CAREFUL, TRUSTING = "careful", "trusting"


class _Store:
    """A way of reading, in the record-count function's form."""

    def __init__(self, read: Read) -> None:
        self._read = read

    def read(self, *, anew: bool) -> Login:
        try:
            username, password = self._read(anew=anew)
        except Exception as error:  # noqa: BLE001 - whatever a way raises, it did not read
            raise Unreachable(f"the store can't be read ({type(error).__name__})", "wait") from None
        return Login(username, Secret(password))


class _User:
    def __init__(self, user: str) -> None:
        self.user = user

    def expires_in_s(self) -> int:
        return -1


class Trusting:
    """A new connection for each request.

    Args:
        store: asked for each, as it hands out.
        arguments: of ``pymysql.connect``.
    """

    name = TRUSTING

    def __init__(self, store: _Store, arguments: Mapping[str, Any]) -> None:
        self._store, self._arguments = store, arguments

    @contextmanager
    def connection(self) -> Iterator[tuple[Any, _User]]:
        """See `sources.Source`."""
        login = self._store.read(anew=False)
        connection = pymysql.connect(user=login.username, password=login.password.reveal(), **self._arguments)
        try:
            yield connection, _User(login.username)
        finally:
            connection.close()


class Careful:
    """The record-count function's pool.

    Args:
        store: asked for new connections, and past what it keeps where a login is refused.
        arguments: of ``pymysql.connect``.
    """

    name = CAREFUL

    def __init__(self, store: _Store, arguments: dict[str, Any]) -> None:
        clock = Clock()
        logins = sources.Logins(store, clock)
        self._pool = MysqlPool(logins.read, logins.over, pymysql.connect, arguments, clock)

    def connection(self) -> Any:
        """See `sources.Source`."""
        return self._pool.connection()


def make(application: str, read: Read, environ: Mapping[str, str]) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """The application's handler.

    Args:
        application: `CAREFUL` or `TRUSTING`.
        read: by the contender's way.
        environ: RDS_HOST, RDS_PORT, RDS_DB_NAME, RDS_CA_BUNDLE and RECORDS_TABLE.
    """
    settings = Settings(
        environ["COMPARE_STORE"],
        environ.get("COMPARE_SECRET", ""),
        environ["RECORDS_TABLE"],
        environ["RDS_HOST"],
        int(environ["RDS_PORT"]),
        environ["RDS_DB_NAME"],
        environ["RDS_CA_BUNDLE"],
    )
    arguments = sources.connect_arguments(settings)
    source: sources.Source
    if application == TRUSTING:
        source = Trusting(_Store(read), arguments)
    elif (environ["COMPARE_STORE"], environ["COMPARE_WAY"]) == ("vault-dynamic", "layer"):
        source = sources.Vault(settings)
    else:
        source = Careful(_Store(read), arguments)
    return make_handler(source, settings.table, Logger(service="compare"), Metrics(namespace="Vaultgate", service="compare"))
