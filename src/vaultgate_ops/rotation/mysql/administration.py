"""What a rotator does on a server: read accounts, change how they log in, keep others out meanwhile.

Rules: one statement changes one account, so that a crash leaves each account either as it was or as it will be; MariaDB gets
hashes, never passwords. A missing privilege ends in the exact statement that gives it.
Source: MariaDB, "ALTER USER", "Authentication Plugins" (OR), "GET_LOCK"; MySQL, "ALTER USER", "Dual Password Support".
"""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.mysql import accounts, grants
from vaultgate_ops.rotation.mysql.grants import Atom
from vaultgate_ops.rotation.mysql.server import Flavour

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vaultgate_ops.rotation.mysql.accounts import Account
    from vaultgate_ops.rotation.mysql.server import Server

LOCK_WAIT_S = 10
_HEX_SINCE = (8, 0, 17)
_RANDOM_BYTES_SINCE = (10, 10, 0)
_NEEDED = "GRANT CREATE USER ON *.* TO {0}; GRANT SELECT ON mysql.* TO {0}"
_ROUNDS = 50


def lock_name(secret_id: str) -> str:
    """What the server calls a secret's lock: it takes 64 characters at most."""
    return "vaultgate:" + hashlib.sha256(secret_id.encode()).hexdigest()[:48]


def lock(server: Server, secret_id: str) -> None:
    """Keep every other step of a secret's rotation out until the session ends.

    Raises:
        RotationError: ``rotation-running``.
    """
    if server.execute("SELECT GET_LOCK(%s, %s)", (lock_name(secret_id), LOCK_WAIT_S)) != [(1,)]:
        raise RotationError("rotation-running", f"Another step of {secret_id} is at work.", "Run the step again.")


def end_sessions(server: Server, user: str) -> bool:
    """End all sessions of a user that this one sees, but itself; gives whether there were any.

    Args:
        server: the user's own session, which sees and may end those, or one with PROCESS and CONNECTION ADMIN.
        user: whose.

    Raises:
        RotationError: ``sessions-remain``.
    """
    own, found = server.execute("SELECT CONNECTION_ID()")[0][0], False
    for _ in range(_ROUNDS):
        others = [row[0] for row in server.execute("SHOW PROCESSLIST") if row[0] != own and row[1] == user]
        if not others:
            return found
        found = True
        for session in others:
            with suppress(RotationError):  # it ended by itself meanwhile
                server.execute("KILL CONNECTION %s", (session,))
    raise RotationError("sessions-remain", f"Sessions of {user!r} could not be ended.", "End them as an administrator: KILL ...")


class Administration:
    """A rotator's session.

    Args:
        server: the session.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.flavour = Flavour.parse(server.version())

        if not self.flavour.mariadb and self.flavour.version >= _HEX_SINCE:
            self.server.execute("SET SESSION print_identified_with_as_hex = ON")

    def accounts(self, user: str) -> dict[str, Account]:
        """Every host entry of a user.

        Raises:
            RotationError: ``privilege-missing`` with the grants to give.
        """
        try:
            rows = self.server.execute("SELECT User, Host FROM mysql.user WHERE User = %s", (user,))
            # A role of MariaDB is an entry without a host; collations may find more than was asked for.
            hosts = sorted(host for name, host in rows if name == user and host)
            return {host: self._account(user, host) for host in hosts}
        except RotationError as error:
            raise self.explained(error) from None

    def grants(self, account: Account) -> Counter[Atom]:
        """All that an account may do, counted.

        Raises:
            RotationError: ``privilege-missing``, ``grants-unreadable``.
        """
        try:
            rows = self.server.execute("SHOW GRANTS FOR %s@%s", (account.user, account.host))
        except RotationError as error:
            raise self.explained(error) from None
        found: Counter[Atom] = Counter()
        for (line,) in rows:
            found += grants.parse(str(line), account.user, account.host)
        if account.default_roles:
            # MySQL sets them all by one statement, so they are one atom.
            roles = sorted(f"{grants.quoted(role)}@{grants.quoted(host)}" for role, host in account.default_roles)
            found[Atom(grants.DEFAULT_ROLE, ", ".join(roles), grants.MEMBER)] += 1
        return found

    def alter(self, statement: str, arguments: tuple[object, ...], needed: str = _NEEDED) -> None:
        """Change an account or what it may do.

        Args:
            statement: with ``%s`` for each argument.
            arguments: of the statement.
            needed: what the rotator must be granted; ``{0}`` stands for it.

        Raises:
            RotationError: ``privilege-missing`` with the grants to give.
        """
        try:
            self.server.execute(statement, arguments)
        except RotationError as error:
            raise self.explained(error, needed) from None

    def end_sessions(self, user: str) -> None:
        """End all sessions of a user who can't come in to do that, as where they are all that it may have.

        Raises:
            RotationError: ``sessions-remain``, with the grants to give.
        """
        with suppress(RotationError):
            if not end_sessions(self.server, user):
                # Is there none, or may it not see any? What takes the same privilege, PROCESS, tells.
                self.server.execute("SELECT 1 FROM information_schema.INNODB_TRX LIMIT 1")
            return
        rights = "PROCESS, CONNECTION ADMIN" if self.flavour.mariadb else "PROCESS, CONNECTION_ADMIN"
        raise RotationError(
            "sessions-remain",
            f"Sessions of {user!r} leave no place for one that ends them, and the rotator {self._myself()} may not.",
            f"End them as an administrator (KILL ...), or give the rotator what that takes and run it again:"
            f" GRANT {rights} ON *.* TO {self._myself()};",
        )

    def sealed(self, statement: str, arguments: Sequence[object]) -> None:
        """Execute a statement that holds passwords, so that the server's general log doesn't have them (MariaDB).

        The server draws a key for this session, the statement comes enciphered with it and is put together inside a compound
        statement, whose parts are not logged there. The binary log has it in clear, as it was put together, for that is what
        replicas execute. Whoever has PROCESS can see it while it runs.

        Args:
            statement: with ``%s`` for each argument.
            arguments: of the statement.

        Raises:
            RotationError: ``hashes-refused`` if the server is too old for this; as `alter`.
        """
        if self.flavour.version < _RANDOM_BYTES_SINCE:
            raise RotationError(
                "hashes-refused",
                "This MariaDB is older than 10.10, it can't draw a key.",
                "Set strict_password_validation to OFF.",
            )
        self.server.execute("SET @vaultgate_key = RANDOM_BYTES(16)")
        key = bytes.fromhex(str(self.server.execute("SELECT HEX(@vaultgate_key)")[0][0]))
        text = enciphered(self.server.rendered(statement, arguments).encode(), key).hex()
        self.alter(
            "BEGIN NOT ATOMIC EXECUTE IMMEDIATE CONVERT(AES_DECRYPT(UNHEX(%s), @vaultgate_key) USING utf8mb4); END", (text,)
        )

    def explained(self, error: RotationError, needed: str = _NEEDED) -> RotationError:
        """The same error, with the statement that would help where a privilege is missing."""
        # To grant a role that one doesn't administer is answered as a refused login is.
        if error.code not in {"privilege-missing", "access-denied"}:
            return error
        rotator = self._myself()
        hint = needed.replace("{0}", rotator)
        return RotationError("privilege-missing", f"The rotator {rotator} lacks a privilege. {error.message}", f"{hint};")

    def _myself(self) -> str:
        user, _, host = str(self.server.execute("SELECT CURRENT_USER()")[0][0]).rpartition("@")
        return f"'{user}'@'{host}'"

    def _account(self, user: str, host: str) -> Account:
        return accounts.parse(str(self.server.execute("SHOW CREATE USER %s@%s", (user, host))[0][0]))


def enciphered(text: bytes, key: bytes) -> bytes:
    """What the server's AES_DECRYPT undoes: AES-128 in ECB with PKCS 7 padding, its default. A key is used once."""
    from cryptography.hazmat.primitives import padding  # noqa: PLC0415 - paid only under such a policy
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415 - as above

    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - the server's default; see above
    return encryptor.update(padder.update(text) + padder.finalize()) + encryptor.finalize()
