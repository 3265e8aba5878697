"""SQLAlchemy's own pool over connections whose users end; the database behind them is SQLite."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool, QueuePool
from tests.simulators.clock import MovableClock
from tests.simulators.fork import in_a_fork

import vaultgate
from vaultgate.database_user import Connector
from vaultgate.leases import Lifetime
from vaultgate.sqlalchemy_pool import creator
from vaultgate.vault_secret import VaultSecret

TTL_S = 600
CRIPPLED = 1142


class Cursor(sqlite3.Cursor):
    """Refuses statements of users that are crippled."""

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        """Run a statement."""
        if self.connection.user in self.connection.crippled:
            raise sqlite3.OperationalError(CRIPPLED, "SELECT command denied to user")
        return super().execute(*arguments)


class Connection(sqlite3.Connection):
    """A connection that knows its user.

    Attributes:
        user: who connected.
        crippled: users whose statements fail.
        ended: whether somebody hung up.
    """

    user = ""
    crippled: frozenset[str] | set[str] = frozenset()
    ended = False

    def cursor(self, *_: object) -> Cursor:  # type: ignore[override]
        """A cursor of ours."""
        return super().cursor(Cursor)

    def close(self) -> None:
        """Hang up."""
        self.ended = True
        super().close()


class Database:
    """An engine with everything around it made by hand.

    Attributes:
        engine: SQLAlchemy's.
        dead: leases that Vault calls dead.
        lookups: leases that were asked for.
        made: every connection, in order.
        refusals: what the next attempts to connect raise.
        crippled: users whose statements fail as a dropped user's do.
    """

    def __init__(self, **options: Any) -> None:
        self.clock = MovableClock()
        self.dead: set[str] = set()
        self.lookups: list[str] = []
        self.made: list[Connection] = []
        self.refusals: list[Exception] = []
        self.crippled: set[str] = set()
        self._secret: VaultSecret | None = None
        self._number = 0
        connector = Connector(self._read, self._lease_is_dead, self._connect, {"host": "db"}, self.clock)
        self.engine = create_engine("sqlite://", creator=creator(connector), **({"poolclass": QueuePool} | options))

    def _read(self) -> VaultSecret:
        kept = self._secret
        if kept is None or kept.lifetime.over(self.clock.now()) or kept.lease_id in self.dead:
            self._number += 1
            login = {"username": f"user-{self._number}", "password": "planted"}
            document = {"lease_id": f"lease-{self._number}", "data": login}
            kept = self._secret = VaultSecret("database/creds/app", document, Lifetime(self.clock.now(), TTL_S), self.clock)
        return kept

    def _lease_is_dead(self, lease_id: str) -> bool:
        self.lookups.append(lease_id)
        return lease_id in self.dead

    def _connect(self, *, user: str, password: str, host: str) -> Connection:
        assert (password, host) == ("planted", "db")
        if self.refusals:
            raise self.refusals.pop(0)
        connection = sqlite3.connect(":memory:", factory=Connection, check_same_thread=False)
        connection.user, connection.crippled = user, self.crippled
        self.made.append(connection)
        return connection

    def user(self) -> str:
        """Who runs a statement."""
        with self.engine.connect() as connection:
            connection.execute(text("SELECT 1"))
            return str(connection.connection.dbapi_connection.user)  # type: ignore[union-attr]


@pytest.fixture
def database() -> Database:
    """An engine that nobody used yet."""
    return Database()


def test_connection_is_used_again(database: Database) -> None:
    """While its lease lives, SQLAlchemy's pool lends a connection again."""
    assert [database.user() for _ in range(3)] == ["user-1"] * 3
    assert len(database.made) == 1


@pytest.mark.parametrize("hand", ["advance", "freeze"])
def test_retired_on_the_way_out(database: Database, hand: str) -> None:
    """Once either clock says that the lease is over, the pool hangs up and lends a new user's connection."""
    database.user()
    getattr(database.clock, hand)(TTL_S)
    assert database.user() == "user-2"
    assert [one.ended for one in database.made] == [True, False]


def test_never_retired_in_the_middle(database: Database) -> None:
    """A lease that ends within a transaction doesn't end that; the connection is retired when it comes back."""
    with database.engine.begin() as connection:
        connection.execute(text("SELECT 1"))
        database.clock.advance(TTL_S)
        assert connection.execute(text("SELECT 2")).scalar() == 2
        assert not database.made[0].ended
    assert database.made[0].ended
    assert database.user() == "user-2"


def test_dead_lease(database: Database) -> None:
    """An error that hints at revocation, with the lease dead, raises as it is; the next connection is a new user's."""
    database.user()
    database.dead.add("lease-1")
    database.crippled.add("user-1")
    with pytest.raises(OperationalError) as caught:
        database.user()
    assert caught.value.connection_invalidated
    assert database.lookups == ["lease-1"]
    assert database.user() == "user-2"


def test_dead_lease_of_others_that_rest(database: Database) -> None:
    """What rests in the pool with a dead lease's user isn't lent either."""
    with database.engine.connect() as one, database.engine.connect() as two:
        one.execute(text("SELECT 1"))
        two.execute(text("SELECT 1"))
    database.dead.add("lease-1")
    database.crippled.add("user-1")
    with pytest.raises(OperationalError):
        database.user()
    with database.engine.connect() as one, database.engine.connect() as two:
        users = {one.connection.dbapi_connection.user, two.connection.dbapi_connection.user}  # type: ignore[union-attr]
    assert users == {"user-2"}


def test_a_live_leases_error_is_just_an_error(database: Database) -> None:
    """A missing grant looks the same, but its lease lives: the connection stays."""
    database.user()
    database.crippled.add("user-1")
    with pytest.raises(OperationalError) as caught:
        database.user()
    assert not caught.value.connection_invalidated
    assert database.lookups == ["lease-1"]
    database.crippled.clear()
    assert (database.user(), len(database.made)) == ("user-1", 1)


def test_another_error_asks_nobody(database: Database) -> None:
    """Any other error costs Vault nothing."""
    with database.engine.connect() as connection, pytest.raises(OperationalError):
        connection.execute(text("SELECT nothing FROM nowhere"))
    assert database.lookups == []


def test_other_peoples_engines_are_left_alone(database: Database) -> None:
    """An engine without our creator lends, fails and takes back as ever, beside one with it."""
    database.user()
    plain = create_engine("sqlite://")
    with plain.connect() as connection, pytest.raises(OperationalError) as caught:
        connection.execute(text("SELECT nothing FROM nowhere"))
    assert not caught.value.connection_invalidated
    with plain.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
    plain.dispose()


def test_without_a_pool() -> None:
    """With NullPool each connection is new, as the user that lives then."""
    database = Database(poolclass=NullPool)
    assert database.user() == "user-1"
    database.clock.advance(TTL_S)
    assert database.user() == "user-2"
    assert [one.ended for one in database.made] == [True, True]


def test_refused_connection(database: Database) -> None:
    """A database that refuses the connection is SQLAlchemy's error, and the next attempt is like the first."""
    database.refusals.append(sqlite3.OperationalError("nobody listens there"))
    with pytest.raises(OperationalError, match="nobody listens there"):
        database.user()
    assert database.user() == "user-1"


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_fork_gets_connections_of_its_own(database: Database) -> None:
    """A forked child is lent a new connection and doesn't hang up on its parent's; the parent goes on with the old one."""
    database.user()
    first = database.made[0]
    assert in_a_fork(lambda: bool(database.user()) and len(database.made) == 2 and not first.ended)
    assert (database.user(), len(database.made)) == ("user-1", 1)


def test_nobody_pays_for_sqlalchemy_who_does_not_use_it() -> None:
    """The creator works without SQLAlchemy, and neither it nor the client imports it."""
    program = """
import sys
sys.path.append(sys.argv[1])
import vaultgate.client
from vaultgate.sqlalchemy_pool import creator
class Connector:
    def connect(self):
        return self, None
connector = Connector()
assert creator(connector)() is connector
assert not [name for name in sys.modules if name.startswith(("sqlalchemy", "pymysql"))]
"""
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, str(Path(vaultgate.__file__).parents[1])],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert run.returncode == 0, run.stderr
