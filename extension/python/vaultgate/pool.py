"""Database connections whose credentials end.

Rules: a connection is handed out only while its credential lives, and retired when it comes back after that: never in
the middle of a transaction. After a fork the connections are the parent's.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager

from vaultgate.database_user import Connector

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from vaultgate.clock import Clock, Instant
    from vaultgate.database_user import Credential
    from vaultgate.vault_secret import VaultSecret

# A connection that rested longer than this is asked whether it still lives: the sandbox may have slept.
_PING_AFTER_S = 1.0
_IN_TRANSACTION = 1  # SERVER_STATUS_IN_TRANS of the client/server protocol


class _Resting:
    """A connection nobody uses at the moment."""

    __slots__ = ("connection", "credential", "since")

    def __init__(self, connection: Any, credential: Credential, since: Instant) -> None:
        self.connection = connection
        self.credential = credential
        self.since = since


class MysqlPool:
    """Connections to one database, made with whatever credential lives. Safe for threads.

    Args:
        read: gives the secret, from memory or the extension.
        lease_is_dead: asks Vault, by way of the extension.
        connect: `pymysql.connect`, or something like it.
        arguments: for `connect`, beside user and password.
        clock: tells how long a credential lives.
    """

    def __init__(
        self,
        read: Callable[[], VaultSecret],
        lease_is_dead: Callable[[str], bool],
        connect: Callable[..., Any],
        arguments: dict[str, Any],
        clock: Clock,
    ) -> None:
        self._connector = Connector(read, lease_is_dead, connect, arguments, clock)
        self._clock = clock
        self._resting: list[_Resting] = []
        self._lock = threading.Lock()
        self._process = os.getpid()

    @contextmanager
    def connection(self) -> Iterator[tuple[Any, Credential]]:
        """Lend a live connection and the credential it was made with.

        What the block raises is raised on; the connection is then closed, and if the error hints at a revoked user whose lease is
        dead, the next call gets a new one. An open transaction is rolled back when the connection comes back.

        Raises:
            VaultgateError: no credential can be had.
            pymysql.err.Error: the database refuses a connection.
        """
        connection, credential = self._take()
        try:
            yield connection, credential
        except BaseException as error:
            _close(connection)
            if self._connector.shows_dead_lease(error, credential):
                self._sweep()
            raise
        self._give_back(connection, credential)

    def close(self) -> None:
        """Close every connection that rests."""
        with self._lock:
            resting, self._resting = self._resting, []
        for one in resting:
            _close(one.connection)

    def _take(self) -> tuple[Any, Credential]:
        while (one := self._pop()) is not None:
            if self._connector.good(one.credential) and self._answers(one):
                return one.connection, one.credential
            _close(one.connection)
        return self._connector.connect()

    def _pop(self) -> _Resting | None:
        if os.getpid() != self._process:
            # After a fork the connections are the parent's: to say goodbye on one would end it there. They are just let go.
            self._resting, self._lock, self._process = [], threading.Lock(), os.getpid()
        with self._lock:
            return self._resting.pop() if self._resting else None

    def _answers(self, one: _Resting) -> bool:
        if self._clock.now().since(one.since) < _PING_AFTER_S:
            return True
        try:
            one.connection.ping(reconnect=False)
        except Exception:  # noqa: BLE001 - whatever it is, this connection is of no use
            return False
        return True

    def _give_back(self, connection: Any, credential: Credential) -> None:
        if not self._connector.good(credential) or not connection.open:
            _close(connection)
            return
        try:
            if connection.server_status & _IN_TRANSACTION:
                connection.rollback()
        except Exception:  # noqa: BLE001 - the block is over and went well; closing rolls back too
            _close(connection)
            return
        with self._lock:
            self._resting.append(_Resting(connection, credential, self._clock.now()))
        self._sweep()

    def _sweep(self) -> None:
        """Close what rests past its credential's end."""
        with self._lock:
            over = [one for one in self._resting if not self._connector.good(one.credential)]
            self._resting = [one for one in self._resting if one not in over]
        for one in over:
            _close(one.connection)


def _close(connection: Any) -> None:
    try:
        connection.close()
    except Exception:  # noqa: BLE001 - PyMySQL raises for a connection that is closed already, sockets for one that is gone
        return
