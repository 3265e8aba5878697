"""Database connections whose credentials end.

Rules: a connection is handed out only while its credential lives, and retired when it comes back after that: never in
the middle of a transaction. Vault's revocation for MySQL is REVOKE and DROP USER, which cripples open sessions
instead of ending them; the errors that this shows itself by make us ask for the lease, and only a lease that is dead
costs a new credential. No statement is replayed.
Sources: MySQL, "Server Error Message Reference" for the numbers; hashicorp/vault issues 10480 and 10681 for the
behaviour.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager

from vaultgate.errors import ProtocolViolation, VaultgateError
from vaultgate.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from vaultgate.clock import Clock, Instant
    from vaultgate.vault_secret import VaultSecret

# Access denied to a database, to the server, to a table, to a column; and a missing global privilege.
_SIGNS = frozenset({1044, 1045, 1142, 1143, 1227})
# A connection that rested longer than this is asked whether it still lives: the sandbox may have slept.
_PING_AFTER_S = 1.0
_IN_TRANSACTION = 1  # SERVER_STATUS_IN_TRANS of the client/server protocol


def hints_at_revocation(error: BaseException) -> bool:
    """Whether an error may mean that our database user is gone.

    PyMySQL answers a caching_sha2_password exchange that it can't finish with a RuntimeError about the missing package.
    """
    if isinstance(error, RuntimeError):
        return "cryptography" in str(error)
    code = error.args[0] if error.args else None
    return isinstance(code, int) and code in _SIGNS


class Credential:
    """A database user that Vault made for us.

    Args:
        secret: the answer it came in.
        clock: tells how long it still lives.
    """

    __slots__ = ("_clock", "_secret", "password", "user")

    def __init__(self, secret: VaultSecret, clock: Clock) -> None:
        try:
            self.user: str = secret.data["username"]
            self.password = Secret(secret.data["password"])
        except KeyError as missing:
            hint = "name a role of Vault's database engine, such as database/creds/app"
            raise ProtocolViolation(f"{secret.path!r} holds no {missing.args[0]}", hint) from None
        self._secret = secret
        self._clock = clock

    def __repr__(self) -> str:
        """Show the user only."""
        return f"Credential({self.user!r})"

    @property
    def lease_id(self) -> str:
        """The lease that ends it; empty for a static role's."""
        return self._secret.lease_id

    def expires_in_s(self) -> int:
        """Whole seconds of use left, the margin taken off."""
        return self._secret.expires_in_s()

    def alive(self) -> bool:
        """Whether it may be used."""
        return not self._secret.lifetime.over(self._clock.now())


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
    """

    def __init__(
        self,
        read: Callable[[], VaultSecret],
        lease_is_dead: Callable[[str], bool],
        connect: Callable[..., Any],
        arguments: dict[str, Any],
        clock: Clock,
    ) -> None:
        self._read = read
        self._lease_is_dead = lease_is_dead
        self._connect = connect
        self._arguments = arguments
        self._clock = clock
        self._resting: list[_Resting] = []
        self._dead: set[str] = set()  # leases whose connections may still be lent
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
            if hints_at_revocation(error):
                self._judge(credential)
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
            if one.credential.alive() and self._answers(one):
                return one.connection, one.credential
            _close(one.connection)
        credential = Credential(self._read(), self._clock)
        try:
            return self._open(credential), credential
        except Exception as error:
            if not hints_at_revocation(error) or not self._judge(credential):
                raise
        # The user was dropped before we came: connecting again repeats no statement.
        credential = Credential(self._read(), self._clock)
        return self._open(credential), credential

    def _pop(self) -> _Resting | None:
        if os.getpid() != self._process:
            # After a fork the connections are the parent's: to say goodbye on one would end it there. They are just let go.
            self._resting, self._lock, self._process = [], threading.Lock(), os.getpid()
        with self._lock:
            return self._resting.pop() if self._resting else None

    def _open(self, credential: Credential) -> Any:
        return self._connect(user=credential.user, password=credential.password.reveal(), **self._arguments)

    def _answers(self, one: _Resting) -> bool:
        if self._clock.now().since(one.since) < _PING_AFTER_S:
            return True
        try:
            one.connection.ping(reconnect=False)
        except Exception:  # noqa: BLE001 - whatever it is, this connection is of no use
            return False
        return True

    def _give_back(self, connection: Any, credential: Credential) -> None:
        if not credential.alive() or not connection.open:
            _close(connection)
            return
        try:
            if connection.server_status & _IN_TRANSACTION:
                connection.rollback()
        except Exception:  # noqa: BLE001 - the block is over and went well; closing rolls back too
            _close(connection)
            return
        with self._lock:
            dead = bool(credential.lease_id) and credential.lease_id in self._dead
            over = [one for one in self._resting if not one.credential.alive()]
            self._resting = [one for one in self._resting if one.credential.alive()]
            if not dead:
                self._resting.append(_Resting(connection, credential, self._clock.now()))
        for one in over:
            _close(one.connection)
        if dead:
            _close(connection)

    def _judge(self, credential: Credential) -> bool:
        """After a sign of revocation: True if the lease is dead, and everything made with it is gone."""
        try:
            if not credential.lease_id or not self._lease_is_dead(credential.lease_id):
                return False
        except VaultgateError:
            return False  # nobody says so; the database's error is what the caller must see
        with self._lock:
            self._dead.add(credential.lease_id)
            gone = [one for one in self._resting if one.credential.lease_id == credential.lease_id]
            self._resting = [one for one in self._resting if one.credential.lease_id != credential.lease_id]
        for one in gone:
            _close(one.connection)
        return True


def _close(connection: Any) -> None:
    try:
        connection.close()
    except Exception:  # noqa: BLE001 - PyMySQL raises for a connection that is closed already, sockets for one that is gone
        return
