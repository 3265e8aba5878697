"""Database connections whose credentials end, with a connection made by hand."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest
from pymysql.err import OperationalError
from tests.simulators.clock import MovableClock
from tests.simulators.fork import in_a_fork

from vaultgate.database_user import hints_at_revocation
from vaultgate.errors import ProtocolViolation, Unreachable
from vaultgate.leases import Lifetime
from vaultgate.pool import MysqlPool
from vaultgate.vault_secret import VaultSecret

TTL_S = 600
SIGNS = [
    OperationalError(1044, "Access denied to database"),
    OperationalError(1045, "Access denied"),
    OperationalError(1142, "SELECT command denied"),
    OperationalError(1143, "SELECT command denied for column"),
    OperationalError(1227, "Access denied; you need a privilege"),
    RuntimeError("'cryptography' package is required for sha256_password or caching_sha2_password auth methods"),
]
OTHERS = [
    OperationalError(2013, "Lost connection"),
    OperationalError(1146, "no such table"),
    RuntimeError("something else"),
    ValueError(["not", "hashable"]),
    ValueError("1045"),
    ValueError(),
    KeyboardInterrupt(),
]


class Connection:
    """What the pool uses of PyMySQL's connection, and what it was told."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.open = True
        self.server_status = 0
        self.told: list[str] = []
        self.broken = False

    def _tell(self, word: str) -> None:
        self.told.append(word)
        if self.broken:
            raise OperationalError(2006, "server has gone away")

    def ping(self, *, reconnect: bool) -> None:
        """Ask whether the server still knows it."""
        assert not reconnect, "a connection that reconnects by itself forgets its session"
        self._tell("ping")

    def rollback(self) -> None:
        """End the transaction."""
        self._tell("rollback")
        self.server_status = 0

    def close(self) -> None:
        """Hang up."""
        self.open = False
        self._tell("close")


class Database:
    """A pool with everything around it made by hand.

    Attributes:
        dead: ids of leases that Vault says are dead.
        refusals: what the next attempts to connect raise.
        made: every connection, in order.
        lookups: every lease that was asked for.
        mute: whether Vault doesn't say anything about leases.
    """

    def __init__(self, *, leased: bool = True) -> None:
        self.clock = MovableClock()
        self.dead: set[str] = set()
        self.refusals: list[BaseException] = []
        self.made: list[Connection] = []
        self.lookups: list[str] = []
        self.mute = False
        self._leased = leased
        self._number = 0
        self._secret: VaultSecret | None = None
        self.pool = MysqlPool(self._read, self._lease_is_dead, self._connect, {"host": "db", "database": "shop"}, self.clock)

    def _read(self) -> VaultSecret:
        kept = self._secret
        if kept is None or kept.lifetime.over(self.clock.now()) or kept.lease_id in self.dead:
            self._number += 1
            document = {
                "lease_id": f"lease-{self._number}" if self._leased else "",
                "data": {"username": f"user-{self._number}", "password": f"password-{self._number}"},
            }
            lifetime = Lifetime(self.clock.now(), TTL_S if self._leased else float("inf"))
            kept = self._secret = VaultSecret("database/creds/app", document, lifetime, self.clock)
        return kept

    def refresh(self) -> None:
        """The extension replaces the lease before its end."""
        self._secret = None

    def _lease_is_dead(self, lease_id: str) -> bool:
        self.lookups.append(lease_id)
        if self.mute:
            raise Unreachable("the extension is gone")
        return lease_id in self.dead

    def _connect(self, **arguments: Any) -> Connection:
        if self.refusals:
            raise self.refusals.pop(0)
        number = arguments["user"].rpartition("-")[2]
        assert arguments == {"user": f"user-{number}", "password": f"password-{number}", "host": "db", "database": "shop"}
        self.made.append(Connection(arguments["user"]))
        return self.made[-1]

    def use(self) -> Connection:
        """Borrow a connection and give it back."""
        with self.pool.connection() as (connection, credential):
            assert credential.user == connection.user
            return connection  # type: ignore[no-any-return]

    def fail(self, error: BaseException, *, dies: bool = False) -> Connection:
        """Borrow a connection and have a statement fail; `dies` if the lease was revoked meanwhile."""
        lent: list[Connection] = []
        with pytest.raises(type(error)) as caught:
            self._borrow_and_raise(lent, error, dies=dies)
        assert caught.value is error
        return lent[0]

    def _borrow_and_raise(self, lent: list[Connection], error: BaseException, *, dies: bool) -> None:
        with self.pool.connection() as (connection, credential):
            lent.append(connection)
            if dies:
                self.dead.add(credential.lease_id)
            raise error


@pytest.fixture
def database() -> Database:
    """A pool that nobody used yet."""
    return Database()


def test_connection_is_used_again(database: Database) -> None:
    """A connection that came back is lent again, without a word to the server if that was a moment ago."""
    assert database.use() is database.use()
    assert database.made[0].told == []


def test_rested_connection_is_asked_first(database: Database) -> None:
    """A connection that rested may be dead: it is asked, and replaced if it doesn't answer."""
    first = database.use()
    database.clock.freeze(2)
    assert database.use() is first
    assert first.told == ["ping"]
    database.clock.freeze(2)
    first.broken = True
    second = database.use()
    assert second is not first
    assert not first.open
    assert second.user == first.user


@pytest.mark.parametrize("hand", ["advance", "freeze"])
def test_retired_at_the_leases_end(database: Database, hand: str) -> None:
    """Once either clock says that the lease is over, its connection is closed and a new user connects."""
    first = database.use()
    getattr(database.clock, hand)(TTL_S)
    second = database.use()
    assert (first.user, second.user) == ("user-1", "user-2")
    assert first.told == ["close"]


def test_never_retired_in_the_middle(database: Database) -> None:
    """A lease that ends while its connection is lent doesn't end the transaction; it is retired when it comes back."""
    with database.pool.connection() as (connection, credential):
        connection.server_status = 1
        database.clock.advance(TTL_S + 1)
        assert credential.expires_in_s() == 0
        assert connection.told == []
    assert connection.told == ["close"]


def test_two_at_once_are_two(database: Database) -> None:
    """Two borrowers at the same time have a connection each, of the same user."""
    with database.pool.connection() as (one, _), database.pool.connection() as (other, _):
        assert one is not other
        assert one.user == other.user
    assert database.use() in {one, other}


def test_open_transaction_is_rolled_back(database: Database) -> None:
    """What a borrower left open doesn't reach the next one."""
    with database.pool.connection() as (connection, _):
        connection.server_status = 0b10_0000_0011
    assert connection.told == ["rollback"]
    assert database.use() is connection


def test_rollback_that_fails_is_not_the_blocks_failure(database: Database) -> None:
    """A block that went well stays well; the connection that couldn't be rolled back is closed, which rolls back too."""
    with database.pool.connection() as (connection, _):
        connection.server_status = 1
        connection.broken = True
    assert connection.told == ["rollback", "close"]
    assert database.use() is not connection


def test_connection_that_was_closed_is_not_lent(database: Database) -> None:
    """A borrower may close the connection; nobody gets it after that."""
    with database.pool.connection() as (connection, _):
        connection.close()
    assert database.use() is not connection


@pytest.mark.parametrize("error", [*SIGNS, *OTHERS], ids=repr)
def test_which_errors_hint_at_revocation(error: BaseException) -> None:
    """The errors that MySQL gives a crippled session hint at revocation, and no other."""
    assert hints_at_revocation(error) is (error in SIGNS)


@pytest.mark.parametrize("error", SIGNS, ids=repr)
def test_sign_with_a_dead_lease_means_a_new_user(database: Database, error: BaseException) -> None:
    """After such an error, with the lease dead, the next connection has a new user."""
    database.use()
    database.dead.add("lease-1")
    database.fail(error)
    assert database.lookups == ["lease-1"]
    assert database.use().user == "user-2"


def test_connection_lent_while_its_lease_died_is_not_lent_again(database: Database) -> None:
    """A connection that is lent while somebody else finds its lease dead is closed when it comes back."""
    with database.pool.connection() as (other, _):
        database.fail(SIGNS[2], dies=True)
    assert database.lookups == ["lease-1"]
    assert not other.open
    assert database.use().user == "user-2"


def test_dead_leases_resting_connections_are_closed(database: Database) -> None:
    """Connections that rest with a dead lease's user are closed at once, not lent."""
    with database.pool.connection() as (one, _), database.pool.connection() as (two, _):
        pass
    database.dead.add("lease-1")
    database.fail(SIGNS[2])
    assert [one.open, two.open] == [False, False]
    assert database.use().user == "user-2"


@pytest.mark.parametrize("error", SIGNS, ids=repr)
def test_sign_with_a_live_lease_is_just_an_error(database: Database, error: BaseException) -> None:
    """A missing grant looks the same but its lease lives: the error is raised as it is and the user stays."""
    connection = database.fail(error)
    assert database.lookups == ["lease-1"]
    assert not connection.open
    assert database.use().user == "user-1"


@pytest.mark.parametrize("error", OTHERS, ids=repr)
def test_other_errors_ask_nobody(database: Database, error: BaseException) -> None:
    """Any other error closes its connection, which may be in any state, and costs Vault nothing."""
    connection = database.fail(error)
    assert not connection.open
    assert database.lookups == []
    assert database.use().user == "user-1"


def test_errors_stay_themselves_when_nobody_answers(database: Database) -> None:
    """If the lease can't be looked up, the caller still sees the database's error."""
    database.mute = True
    database.fail(SIGNS[1])
    assert database.use().user == "user-1"


def test_nothing_is_replayed(database: Database) -> None:
    """The block runs once, whatever it raised."""
    database.dead.add("lease-1")
    database.fail(SIGNS[2])
    assert [one.user for one in database.made] == ["user-1"]


@pytest.mark.parametrize("error", SIGNS, ids=repr)
def test_user_dropped_before_connecting(database: Database, error: BaseException) -> None:
    """A user who is dropped before we connect is replaced within the same call: no statement was sent yet."""
    database.refusals.append(error)
    database.dead.add("lease-1")
    assert database.use().user == "user-2"


@pytest.mark.parametrize(("error", "lookups"), [(SIGNS[1], ["lease-1"]), (OTHERS[0], [])], ids=["access denied", "no connection"])
def test_refused_connection_is_raised(database: Database, error: BaseException, lookups: list[str]) -> None:
    """A refusal with a live lease is raised, and so is a database that is down, which asks nobody."""
    database.refusals.append(error)
    with pytest.raises(OperationalError) as caught:
        database.use()
    assert caught.value is error
    assert database.lookups == lookups


def test_second_refusal_is_raised(database: Database) -> None:
    """Connecting is tried with one new user, not for ever."""
    database.refusals += [SIGNS[1], SIGNS[1]]
    database.dead.add("lease-1")
    with pytest.raises(OperationalError):
        database.use()
    assert database.made == []


def test_static_role_has_no_lease_to_ask_for() -> None:
    """A static role's credential has no lease: nothing is looked up and the error is raised."""
    database = Database(leased=False)
    database.fail(SIGNS[1])
    assert database.lookups == []


def test_close(database: Database) -> None:
    """Closing the pool closes what rests; what is lent comes back as before."""
    connection = database.use()
    database.pool.close()
    assert connection.told == ["close"]
    assert database.use() is not connection


def test_password_does_not_show(database: Database) -> None:
    """A credential shows its user and never its password."""
    with database.pool.connection() as (_, credential):
        assert repr(credential) == "Credential('user-1')"
        assert credential.password.reveal() == "password-1"


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_fork_gets_connections_of_its_own(database: Database) -> None:
    """A forked child is lent a new connection, and says nothing on its parent's; the parent goes on with the old one."""
    first = database.use()
    assert in_a_fork(lambda: database.use() is not first and first.told == [])
    assert database.use() is first


def test_a_path_that_gives_no_user_is_named() -> None:
    """A KV path where a database role should be is an error that says so, not a KeyError."""
    clock = MovableClock()
    secret = VaultSecret("secret/data/app", {"data": {"data": {}}}, Lifetime(clock.now(), 60), clock)
    pool = MysqlPool(lambda: secret, lambda _: False, lambda **_: None, {}, clock)
    with pytest.raises(ProtocolViolation, match="'secret/data/app' holds no username"), pool.connection():
        raise AssertionError("nothing can be lent")


def test_what_rests_past_its_lease_is_closed_when_another_comes_back(database: Database) -> None:
    """A connection that lies under newer ones doesn't stay open past its credential's end."""
    with ExitStack() as newer, database.pool.connection() as (old, _):
        database.clock.advance(TTL_S / 2)
        database.refresh()
        new, _ = newer.enter_context(database.pool.connection())
        assert new.user != old.user
    database.clock.advance(TTL_S / 2)
    assert database.use() is new
    assert [connection.open for connection in database.made] == [False, True]
