"""What a rotator does on a server: read accounts, change how they log in, keep others out meanwhile.

Rules: one statement changes one account, so that a crash leaves each account either as it was or as it will be; MariaDB gets
hashes, never passwords. A missing privilege ends in the exact statement that gives it.
Source: MariaDB, "ALTER USER", "Authentication Plugins" (OR), "GET_LOCK"; MySQL, "ALTER USER", "Dual Password Support".
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.mysql import accounts
from vaultgate_ops.rotation.mysql.server import Flavour

if TYPE_CHECKING:
    from vaultgate_ops.rotation.mysql.accounts import Account
    from vaultgate_ops.rotation.mysql.server import Server

LOCK_WAIT_S = 10
_NEEDED = "GRANT CREATE USER ON *.* TO {0}; GRANT SELECT ON mysql.* TO {0};"


def lock(server: Server, secret_id: str) -> None:
    """Keep every other step of a secret's rotation out until the session ends.

    Raises:
        RotationError: ``rotation-running``.
    """
    name = "vaultgate:" + hashlib.sha256(secret_id.encode()).hexdigest()[:48]  # 64 characters at most
    if server.execute("SELECT GET_LOCK(%s, %s)", (name, LOCK_WAIT_S)) != [(1,)]:
        raise RotationError("rotation-running", f"Another step of {secret_id} is at work.", "Run the step again.")


class Administration:
    """A rotator's session.

    Args:
        server: the session.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.flavour = Flavour.parse(server.version())

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

    def alter(self, statement: str, arguments: tuple[object, ...]) -> None:
        """Change an account.

        Raises:
            RotationError: ``privilege-missing`` with the grants to give.
        """
        try:
            self.server.execute(statement, arguments)
        except RotationError as error:
            raise self.explained(error) from None

    def explained(self, error: RotationError) -> RotationError:
        """The same error, with the statement that would help where a privilege is missing."""
        if error.code != "privilege-missing":
            return error
        rotator = self.server.execute("SELECT CURRENT_USER()")[0][0]
        user, _, host = str(rotator).rpartition("@")
        return RotationError(
            error.code, f"The rotator {rotator} lacks a privilege. {error.message}", _NEEDED.format(f"'{user}'@'{host}'")
        )

    def _account(self, user: str, host: str) -> Account:
        return accounts.parse(str(self.server.execute("SHOW CREATE USER %s@%s", (user, host))[0][0]))
