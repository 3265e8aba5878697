"""A MySQL-family server of the stack's own: MariaDB, or MySQL where that is what the machine has.

Rules: its data, socket and passwords lie in the stack's folder and it listens on 127.0.0.1 with TLS only; no account
without a password, no anonymous account (a fresh MariaDB has one that shadows ``'user'@'%'``); Vault's account may
create users and pass on SELECT on the demo's table, nothing else; nothing here has to survive a power cut, so nothing is
flushed to disk for safety's sake.
"""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

import pymysql

from vaultgate_ops.local import processes
from vaultgate_ops.local.certificates import write_private
from vaultgate_ops.local.part import Part

if TYPE_CHECKING:
    from pathlib import Path

    from pymysql.cursors import Cursor

    from vaultgate_ops.clock import Clock
    from vaultgate_ops.local.certificates import Authority
    from vaultgate_ops.local.fetch.database import DatabaseBinaries

    Connection = pymysql.connections.Connection[Cursor]

HOST = "127.0.0.1"
SCHEMA, TABLE, ROWS = "shop", "orders", 42
VAULT_USER, STATIC_USER = "vault_admin", "records_static"

_ANSWER_S = 5
_BOTH = (
    "--skip-name-resolve",
    "--skip-log-bin",
    "--performance-schema=OFF",
    "--innodb-buffer-pool-size=16M",
    "--innodb-doublewrite=0",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-flush-method=nosync",
    "--innodb-fast-shutdown=2",
)
_ONLY = {
    "mariadb": ("--innodb-log-file-size=4M", "--aria-log-file-size=8M", "--aria-pagecache-buffer-size=8M"),
    "mysql": ("--mysqlx=OFF",),
}
_SYSTEM_ACCOUNTS = ("mariadb.sys", "mysql.sys", "mysql.session", "mysql.infoschema")


class Database(Part):
    """One database server of a stack.

    Args:
        binaries: the server and what makes its first data folder.
        folder: the stack's folder; everything of the database's goes to its ``database/``.
        ca_file: certificate of the authority that its clients trust.
        clock: for waiting.
        port: where it listens on 127.0.0.1; 0 until ``create()`` has chosen one.
    """

    name = "database"

    def __init__(self, binaries: DatabaseBinaries, folder: Path, ca_file: Path, clock: Clock, port: int = 0) -> None:
        super().__init__(folder, clock, port)
        self._binaries = binaries
        self.ca_file = ca_file

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{HOST}:{self.port}"

    @property
    def plugin_folder(self) -> Path:
        """Where it looks for plugins; empty."""
        return self._folder / "plugins"

    @property
    def vault_password(self) -> str:
        """The password of ``vault_admin``."""
        return self._password_file(VAULT_USER).read_text(encoding="ascii")

    def create(self, ca: Authority) -> None:
        """Make its data folder, start it on a free port, and fill it: accounts, the table and its rows.

        Raises:
            Unreachable: it did not come up; the message quotes its log.
        """
        self._folder.mkdir(mode=0o700)
        self.plugin_folder.mkdir(mode=0o700)
        ca.issue("database", [HOST, "localhost"])
        self._install()
        password = secrets.token_urlsafe()
        write_private(self._password_file("root"), password.encode())
        first = self._folder / "first.sql"
        # Run before the server listens, so that there is no instant at which root has no password.
        root = f"'root'@'{HOST}'"
        write_private(
            first,
            f"CREATE USER IF NOT EXISTS {root};\n"
            f"ALTER USER {root} IDENTIFIED BY '{password}' REQUIRE SSL;\n"
            f"GRANT ALL PRIVILEGES ON *.* TO {root} WITH GRANT OPTION;\n".encode(),
        )

        def attempt(port: int) -> None:
            self.port = port
            self._serve(f"--init-file={first}")

        processes.on_free_port(attempt)
        first.unlink()
        self._fill()

    def start(self) -> None:
        """Start it again where it was, with the same data and port.

        Raises:
            Unreachable: it did not come up, or somebody took its port meanwhile.
        """
        self._serve()

    def restart(self) -> None:
        """Stop and start: same data, same port, every connection cut."""
        self.stop()
        self.start()

    def connect(self, user: str = "root", password: str | None = None, *, timeout_s: float = 30) -> Connection:
        """Log in over TLS; the caller closes the connection, which commits by itself.

        Args:
            user: account name.
            password: its password; read from the stack's folder when it is root or Vault's.
            timeout_s: how long one answer may take.
        """
        if password is None:
            password = self._password_file(user).read_text(encoding="ascii")
        return pymysql.connect(
            host=HOST,
            port=self.port,
            user=user,
            password=password,
            ssl={"ca": str(self.ca_file)},
            connect_timeout=_ANSWER_S,
            read_timeout=timeout_s,
            autocommit=True,
        )

    def healthy(self) -> bool:
        """Whether root can log in."""
        try:
            self.connect(timeout_s=_ANSWER_S).close()
        except (OSError, pymysql.Error):
            return False
        return True

    def _password_file(self, user: str) -> Path:
        return self._folder / f"{user}-password"

    def _argv(self, program: Path, *options: str) -> list[str | Path]:
        as_root = ["--user=root"] if os.geteuid() == 0 else []
        data = f"--datadir={self._folder / 'data'}"
        return [program, "--no-defaults", *as_root, data, *_BOTH, *_ONLY[self._binaries.flavour], *options]

    def _install(self) -> None:
        if self._binaries.install_db is not None:
            options = ("--auth-root-authentication-method=normal", "--skip-test-db")
            argv = self._argv(self._binaries.install_db, *options)
        else:
            argv = self._argv(self._binaries.server, "--initialize-insecure")
        process = processes.start(self.name, argv, self._stack)
        if process.wait(processes.READY_S) != 0:
            raise process.failure("Making the database's data folder failed")

    def _serve(self, *options: str) -> None:
        argv = self._argv(
            self._binaries.server,
            f"--bind-address={HOST}",
            f"--port={self.port}",
            # Relative to the data folder: a socket's path is limited to 107 bytes.
            "--socket=server.sock",
            "--pid-file=server.pid",
            f"--ssl-ca={self.ca_file}",
            f"--ssl-cert={self._stack / 'database.pem'}",
            f"--ssl-key={self._stack / 'database.key'}",
            "--require-secure-transport=ON",
            # Not the system's: what can be loaded into this server is this stack's business.
            f"--plugin-dir={self.plugin_folder}",
            *options,
        )
        self._launch(argv)

    def _fill(self) -> None:
        write_private(self._password_file(VAULT_USER), secrets.token_urlsafe().encode())
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT user, host FROM mysql.user")
            for user, host in cursor.fetchall():
                if user not in _SYSTEM_ACCOUNTS and (user, host) != ("root", HOST):
                    cursor.execute("DROP USER %s@%s", (user, host))
            fill(cursor, self.vault_password)


def fill(cursor: Cursor, vault_password: str) -> None:
    """Make the demo's schema, its table and rows, and the two accounts that Vault is about.

    Args:
        cursor: of the server's administrator.
        vault_password: becomes the password of ``vault_admin``.
    """
    cursor.execute(f"CREATE DATABASE {SCHEMA} CHARACTER SET utf8mb4")
    cursor.execute(
        f"CREATE TABLE {SCHEMA}.{TABLE} (id INT AUTO_INCREMENT PRIMARY KEY, customer VARCHAR(64) NOT NULL,"
        " amount_cents INT NOT NULL, ordered_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)"
    )
    orders = [(f"customer {number % 7}", 100 * number) for number in range(1, ROWS + 1)]
    cursor.executemany(f"INSERT INTO {SCHEMA}.{TABLE} (customer, amount_cents) VALUES (%s, %s)", orders)  # noqa: S608 - constants
    for user, password in ((VAULT_USER, vault_password), (STATIC_USER, secrets.token_urlsafe())):
        cursor.execute("CREATE USER %s@'%%' IDENTIFIED BY %s REQUIRE SSL", (user, password))
    cursor.execute(f"GRANT SELECT ON {SCHEMA}.{TABLE} TO %s@'%%'", (STATIC_USER,))
    cursor.execute(f"GRANT SELECT ON {SCHEMA}.{TABLE} TO %s@'%%' WITH GRANT OPTION", (VAULT_USER,))
    # CREATE USER is a global privilege; it covers ALTER USER, DROP USER and REVOKE ALL PRIVILEGES as well.
    cursor.execute("GRANT CREATE USER ON *.* TO %s@'%%'", (VAULT_USER,))
