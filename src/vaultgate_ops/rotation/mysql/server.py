"""A session on a MySQL-family server.

Rules: every statement goes through `Server.execute`, which is where faults are put in tests; names and texts travel as
arguments, escaped by the driver, under a session whose modes we set; TLS with a checked certificate and name unless the
secret says otherwise. What the server says is translated here, once, into a sentence that quotes no statement.
Source of the numbers: MySQL, "Server Error Message Reference"; MariaDB, "MariaDB Error Codes".
"""

from __future__ import annotations

import re
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pymysql
from pymysql.constants import CLIENT

from vaultgate_ops.rotation.errors import RotationError

if TYPE_CHECKING:
    from collections.abc import Sequence

CONNECT_S, ANSWER_S = 5, 20
_QUOTED_WORDS = frozenset({1044, 1045, 1142, 1143, 1227, 1370, 1396, 1410, 1698, 1819})
_MEANINGS = {
    1045: "access-denied",
    1698: "access-denied",
    1040: "too-many-connections",
    1203: "too-many-connections",
    1226: "too-many-connections",
    3159: "tls",
    2026: "tls",
    4151: "account-unusable",
    3118: "account-unusable",
    1820: "account-unusable",
    1862: "account-unusable",
    1044: "privilege-missing",
    1142: "privilege-missing",
    1143: "privilege-missing",
    1227: "privilege-missing",
    1370: "privilege-missing",
    1410: "privilege-missing",
    1819: "password-policy",
    3638: "password-policy",
    1290: "hashes-refused",
    2006: "connection-lost",
    2013: "connection-lost",
    2055: "connection-lost",
    1053: "connection-lost",
    1927: "connection-lost",
}
_HINTS = {
    "access-denied": "Compare the user's password on the server with the secret's; vaultgate rotate repair tells them apart.",
    "too-many-connections": "Raise max_connections or the user's limit, or wait; the service tries again.",
    "account-unusable": "Unlock the account, or end the expiry of its password: ALTER USER ... ACCOUNT UNLOCK.",
    "password-policy": "The value was taken back: rotate again. If it happens each time, set PASSWORD_LENGTH.",
    "hashes-refused": 'Set the server\'s strict_password_validation to OFF, or "cleartext": true in the secret.',
    "tls": 'Name the server\'s CA bundle in ROTATION_CA_BUNDLE; only "ssl": false in the secret turns TLS off.',
    "connection-lost": "Run the step again; the service does so by itself.",
}
_FAILED_ACCOUNT_STATEMENT = 1396


@dataclass(frozen=True)
class Target:
    """Where a server is and how it is spoken to.

    Attributes:
        tls: with a checked certificate and name.
        ca_file: PEM bundle; None for the system's.
    """

    host: str
    port: int
    tls: bool = True
    ca_file: str | None = None


class Server:
    """One session. Close it; nothing is committed by that, every statement commits by itself.

    Args:
        connection: PyMySQL's, with autocommit.
        user: whom it logged in as.
    """

    def __init__(self, connection: pymysql.connections.Connection[Any], user: str) -> None:
        self._connection, self.user = connection, user

    def execute(self, statement: str, arguments: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement; gives its rows.

        Args:
            statement: with ``%s`` for each argument; a literal percent sign is doubled.
            arguments: texts and numbers.

        Raises:
            RotationError: the server refused, or is gone.
        """
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(statement, tuple(arguments))
                return list(cursor.fetchall())
        except pymysql.MySQLError as error:
            number = _number(error)
            if number == _FAILED_ACCOUNT_STATEMENT:
                number = self._cause() or number
            raise meaning(error, number, f"{self.user!r} may not do that") from None

    def rendered(self, statement: str, arguments: Sequence[Any]) -> str:
        """A statement with its arguments in their places, as `execute` would send it."""
        with self._connection.cursor() as cursor:
            return str(cursor.mogrify(statement, tuple(arguments)))

    def version(self) -> str:
        """As the server says it."""
        return str(self.execute("SELECT VERSION()")[0][0])

    def close(self) -> None:
        """End the session, and with it every lock it holds."""
        self._connection.close()

    def _cause(self) -> int | None:
        """The first error of a statement on accounts, which all end in the same number."""
        try:
            with self._connection.cursor() as cursor:
                cursor.execute("SHOW ERRORS")
                return next((int(row[1]) for row in cursor.fetchall()), None)
        except pymysql.MySQLError:
            return None


class Connect(Protocol):
    """Opens sessions; tests put their own in its place to break them."""

    def __call__(self, target: Target, user: str, password: str, database: str | None = None) -> Server:
        """Log in.

        Raises:
            RotationError: why not.
        """


def connect(target: Target, user: str, password: str, database: str | None = None) -> Server:
    """Log in to a server.

    Args:
        target: where it is.
        user: account name.
        password: its password.
        database: to use; None for none.

    Raises:
        RotationError: ``host-unknown``, ``unreachable``, ``tls``, ``too-many-connections``, ``access-denied``, ...
    """
    try:
        connection = pymysql.connect(
            host=target.host,
            port=target.port,
            user=user,
            # As the server's own PASSWORD() would see it; the driver would take Latin-1.
            password=password.encode(),
            database=database,
            charset="utf8mb4",
            # What quoting and SHOW CREATE depend on must not be the server's choice.
            init_command="SET SESSION sql_mode = '', SESSION sql_quote_show_create = 1",
            client_flag=CLIENT.CONNECT_ATTRS,
            program_name="vaultgate-rotation",
            connect_timeout=CONNECT_S,
            read_timeout=ANSWER_S,
            write_timeout=ANSWER_S,
            autocommit=True,
            **({"ssl": tls_context(target.ca_file), "ssl_disabled": False} if target.tls else {"ssl_disabled": True}),
        )
    except pymysql.MySQLError as error:
        raise _no_session(error, target, user) from None
    return Server(connection, user)


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """What checks the server's certificate.

    Raises:
        RotationError: ``settings-wrong``: the bundle can't be read.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise RotationError(
            "settings-wrong", f"ROTATION_CA_BUNDLE={ca_file!r} can't be read as PEM: {error.strerror}.", "Name a PEM file."
        ) from None
    # Python 3.13 made this strict; the roots of AWS's own bundle lack a field that it asks for.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def meaning(error: pymysql.MySQLError, number: int, what: str) -> RotationError:
    """An error of the server in our words.

    Args:
        error: the driver's.
        number: of the cause, where that is another than the driver's.
        what: for the message.
    """
    code = _MEANINGS.get(number, "database-error")
    # Only texts that are known to quote names, never a statement.
    words = f": {error.args[1]}" if number in _QUOTED_WORDS and number == _number(error) else ""
    return RotationError(code, f"{what} (error {number}){words}.", _HINTS.get(code, ""))


def _no_session(error: pymysql.MySQLError, target: Target, user: str) -> RotationError:
    where = f"{target.host}:{target.port}"
    cause = getattr(error, "original_exception", None)
    if isinstance(cause, socket.gaierror):
        return RotationError("host-unknown", f"{target.host} has no address.", "Correct the secret's host, or the network's DNS.")
    if isinstance(cause, ssl.SSLError):
        reason = getattr(cause, "verify_message", "") or cause.reason or type(cause).__name__
        return RotationError("tls", f"No TLS with {where}: {reason}.", _HINTS["tls"])
    if isinstance(cause, OSError):
        reason = cause.strerror or str(cause)
        return RotationError("unreachable", f"No connection to {where}: {reason}.", "Open the port from the function's subnets.")
    return meaning(error, _number(error), f"{user!r} can't log in at {where}")


def _number(error: pymysql.MySQLError) -> int:
    number = error.args[0] if error.args else 0
    return number if isinstance(number, int) else 0


_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True)
class Flavour:
    """Which server it is.

    Attributes:
        mariadb: MariaDB, else MySQL.
        version: three numbers.
    """

    mariadb: bool
    version: tuple[int, int, int]

    @classmethod
    def parse(cls, text: str) -> Flavour:
        """Read ``SELECT VERSION()``; MariaDB may put 5.5.5- before its own."""
        found = _VERSION.search(text.removeprefix("5.5.5-"))
        if found is None:
            raise RotationError("database-error", "The server's version can't be read.", "Is it MySQL or MariaDB?")
        major, minor, patch = (int(part) for part in found.groups())
        return cls("mariadb" in text.lower(), (major, minor, patch))
