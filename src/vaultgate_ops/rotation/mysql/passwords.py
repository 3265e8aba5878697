"""Making an account accept just the passwords that it should, the way its server knows.

Rules: what is accepted already is read first, and an account that is right is left alone; no statement makes a wanted password
refused, not for a moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.mysql.mariadb import MariaDb
from vaultgate_ops.rotation.mysql.mysql8 import MySql

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vaultgate_ops.rotation.mysql.accounts import Account, Properties
    from vaultgate_ops.rotation.mysql.administration import Administration


class Passwords(Protocol):
    """What MariaDB and MySQL do differently."""

    def fit(self, account: Account) -> None:
        """Refuse an account whose way of logging in can't be written here.

        Raises:
            RotationError: ``strategy-unfit``.
        """

    def fit_for_two(self) -> None:
        """Refuse a server that knows no second password.

        Raises:
            RotationError: ``strategy-unfit``.
        """

    def accept(self, account: Account, passwords: Sequence[str]) -> bool:
        """Make an account accept these passwords and no others; gives whether that took a change.

        Args:
            account: as it is.
            passwords: one or two, the newest first.

        Raises:
            RotationError: ``password-policy``, ``hashes-refused``, ``privilege-missing``, ...
        """

    def equip(self, account: Account, *, exists: bool, password: str, like: Properties) -> None:
        """Make an account that accepts one password and has the properties of another.

        Args:
            account: whose; with its ways of logging in where it exists.
            exists: whether it does.
            password: to accept.
            like: the properties.

        Raises:
            RotationError: as `accept`.
        """

    def knows(self, account: Account, password: str) -> bool:
        """Whether an account accepts this password, perhaps among others."""

    def knows_others(self, account: Account, passwords: Sequence[str]) -> bool:
        """Whether an account accepts a password that isn't among these."""

    def accepts(self, account: Account, password: str) -> bool:
        """Whether an account accepts this password and no other."""

    def change_own(self, password: str) -> None:
        """Give the session's own account this password in place of its only one.

        Raises:
            RotationError: ``strategy-unfit`` if it has more than one; ``password-policy``, ``hashes-refused``.
        """

    def end(self, account: Account) -> bool:
        """Make an account accept nothing; gives whether that took a change."""


def passwords(administration: Administration, *, cleartext: bool) -> Passwords:
    """The way of a server.

    Args:
        administration: the rotator's session.
        cleartext: whether passwords may be sent where hashes are refused.
    """
    if administration.flavour.mariadb:
        return MariaDb(administration, cleartext=cleartext)
    return MySql(administration)


def usable(account: Account) -> None:
    """Refuse an account that somebody closed.

    Raises:
        RotationError: ``account-unusable``.
    """
    if account.locked:
        raise RotationError(
            "account-unusable", f"'{account.user}'@'{account.host}' is locked.", "Unlock it: ALTER USER ... ACCOUNT UNLOCK."
        )
