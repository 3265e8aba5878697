"""Counting rows, and what it means when the database won't.

Rules: the statement only reads, so it may run a second time, on a connection of its own, where the first was lost or its
user may have been revoked; never a third. What a client is told is chosen here, word by word: no SQL, no server's text.
Source of the numbers: MySQL, "Server Error Message Reference" and "Client Error Message Reference"; MariaDB, "MariaDB Error
Codes".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pymysql.err import InterfaceError, MySQLError

if TYPE_CHECKING:
    from vaultgate_ops.records.sources import Source

# Access denied to a database, at login, to a table, to a column, for want of a global privilege: perhaps a revoked user.
_DENIED = frozenset({1044, 1045, 1142, 1143, 1227})
_GONE = frozenset({2006, 2013, 2055, 1053, 1927, 4031})  # the connection ended
_ABSENT = frozenset({2002, 2003, 2005, 1040, 1203, 1226})  # nobody there, no such host, no connection left
_UNKNOWN = {1049: "unknown-database", 1051: "unknown-table", 1146: "unknown-table"}


@dataclass(frozen=True)
class Counted:
    """A number of rows and whose eyes saw them.

    Attributes:
        rows: in the table.
        user: of the database.
        expires_in_s: whole seconds until the user ends; -1 if it doesn't by itself.
        repeated: whether it took a second attempt.
    """

    rows: int
    user: str
    expires_in_s: int
    repeated: bool


@dataclass(frozen=True)
class Failure:
    """What a client is told instead of a number.

    Attributes:
        status: of HTTP; 503 where the same request may succeed later without anyone's help.
        message: for people.
        reason: for programs, stable.
    """

    status: int
    message: str
    reason: str


def count(source: Source, table: str) -> Counted:
    """Count the rows of a table.

    Args:
        source: lends the connection.
        table: a name that was checked to be a plain identifier.

    Raises:
        VaultgateError: no credential can be had.
        MySQLError: the database failed, twice where a second attempt made sense.
    """
    try:
        return _once(source, table, repeated=False)
    except MySQLError as error:
        if number(error) not in _DENIED | _GONE and not isinstance(error, InterfaceError):
            raise
    return _once(source, table, repeated=True)


def _once(source: Source, table: str, *, repeated: bool) -> Counted:
    with source.connection() as (connection, credential):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT COUNT(*) FROM `{table}`")  # noqa: S608 - a checked identifier, in its quotes
            row: tuple[Any, ...] = cursor.fetchone()
        return Counted(int(row[0]), credential.user, credential.expires_in_s(), repeated)


def number(error: MySQLError) -> int:
    """The error's number; 0 where it has none."""
    code = error.args[0] if error.args else 0
    return code if isinstance(code, int) else 0


def meaning(error: MySQLError) -> Failure:
    """What to tell a client of an error that stands."""
    code = number(error)
    if code in _ABSENT | _GONE or isinstance(error, InterfaceError):
        return Failure(503, "The database does not answer at the moment.", "database-unreachable")
    if code == 1045:  # noqa: PLR2004 - ER_ACCESS_DENIED_ERROR
        return Failure(500, "The database does not accept the credential.", "access-denied")
    if code in _DENIED:
        return Failure(500, "The credential may not read this table.", "no-grant")
    return Failure(500, "The records can't be counted.", _UNKNOWN.get(code, "database-error"))
