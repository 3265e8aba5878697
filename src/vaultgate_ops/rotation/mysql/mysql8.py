"""Passwords on MySQL: a primary and a secondary one per account.

UNPROVEN: no MySQL server could be run where this was written. The statements follow the documented grammar; whoever runs them
first, please report.

Rules: RETAIN CURRENT PASSWORD is done only when the password to retain is the primary one, for it drops whatever was secondary;
what is primary and secondary is read from mysql.user and compared here. MySQL takes passwords in clear where one is to be
retained; it writes its own logs without them ("Passwords and Logging").
Source: MySQL 8.0 Reference Manual, "ALTER USER Statement" (Dual Password Support), "mysql.user" (User_attributes).
"""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

from vaultgate_ops.rotation import planner
from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.mysql import accounts, hashes
from vaultgate_ops.rotation.planner import Move

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vaultgate_ops.rotation.mysql.accounts import Account, Properties
    from vaultgate_ops.rotation.mysql.administration import Administration

TWO_SINCE = (8, 0, 14)
_MOVES = {
    Move.SET_OLDER: "ALTER USER %s@%s IDENTIFIED BY %s",
    Move.SET_NEWER: "ALTER USER %s@%s IDENTIFIED BY %s",
    Move.ADD_NEWER: "ALTER USER %s@%s IDENTIFIED BY %s RETAIN CURRENT PASSWORD",
    Move.DISCARD: "ALTER USER %s@%s DISCARD OLD PASSWORD",
}


class MySql:
    """See `passwords.Passwords`.

    Args:
        administration: the rotator's session.
    """

    def __init__(self, administration: Administration) -> None:
        self._administration = administration

    def fit(self, account: Account) -> None:
        """Refuse plugins whose stored form can't be compared here."""
        strange = sorted({way.plugin for way in account.ways} - hashes.COMPARABLE)
        if strange:
            raise RotationError(
                "strategy-unfit",
                f"'{account.user}'@'{account.host}' logs in by {', '.join(strange)}, which can't be compared here.",
                "Give it one of: caching_sha2_password, mysql_native_password.",
            )

    def fit_for_two(self) -> None:
        """Dual passwords came with 8.0.14."""
        if self._administration.flavour.version < TWO_SINCE:
            raise RotationError(
                "strategy-unfit", "This MySQL is older than 8.0.14, it knows no second password.", "Choose alternating."
            )

    def accept(self, account: Account, passwords: Sequence[str]) -> bool:
        """As few statements as the account's two passwords need."""
        newer, older = passwords[0], passwords[-1]
        plugin, stored = account.ways[0].plugin, account.ways[0].string
        second = self._secondary(account)
        moves = planner.two_passwords(
            newer_is_primary=hashes.matches(newer, plugin, stored),
            older_is_primary=hashes.matches(older, plugin, stored),
            older_is_secondary=bool(second) and hashes.matches(older, plugin, second),
            has_secondary=bool(second),
            keep_older=newer != older,
        )
        for move in moves:
            given = {Move.SET_OLDER: (older,), Move.SET_NEWER: (newer,), Move.ADD_NEWER: (newer,), Move.DISCARD: ()}[move]
            self._administration.alter(_MOVES[move], (account.user, account.host, *given))
        return bool(moves)

    def equip(self, account: Account, *, exists: bool, password: str, like: Properties) -> None:
        """One statement; a second one ends a secondary password of before."""
        verb = "ALTER USER" if exists else "CREATE USER"
        clauses, arguments = accounts.clauses(like, mariadb=False)
        # The same password twice is against a history policy.
        known = exists and hashes.matches(password, account.ways[0].plugin, account.ways[0].string)
        by, given = ("", ()) if known else (" IDENTIFIED BY %s", (password,))
        self._administration.alter(f"{verb} %s@%s{by} {clauses}", (account.user, account.host, *given, *arguments))
        if exists and self._secondary(account):
            self._administration.alter(_MOVES[Move.DISCARD], (account.user, account.host))

    def knows(self, account: Account, password: str) -> bool:
        """By what is stored of either."""
        way = account.ways[0]
        return any(hashes.matches(password, way.plugin, stored) for stored in (way.string, self._secondary(account)))

    def knows_others(self, account: Account, passwords: Sequence[str]) -> bool:
        """By what is stored of either."""
        way = account.ways[0]
        stored = [one for one in (way.string, self._secondary(account)) if one]
        return not all(any(hashes.matches(password, way.plugin, one) for password in passwords) for one in stored)

    def accepts(self, account: Account, password: str) -> bool:
        """By what is stored of it, and nothing beside."""
        return hashes.matches(password, account.ways[0].plugin, account.ways[0].string) and not self._secondary(account)

    def change_own(self, password: str) -> None:
        """A secondary password of before, if there is one, stays."""
        self._administration.server.execute("ALTER USER USER() IDENTIFIED BY %s", (password,))

    def end(self, account: Account) -> bool:
        """Locked, with a password that nobody knows."""
        if account.locked:
            return False
        unknown = "Aa1!" + secrets.token_urlsafe(24)
        self._administration.alter("ALTER USER %s@%s IDENTIFIED BY %s ACCOUNT LOCK", (account.user, account.host, unknown))
        if self._secondary(account):
            self._administration.alter(_MOVES[Move.DISCARD], (account.user, account.host))
        return True

    def _secondary(self, account: Account) -> str:
        """What is stored of the secondary password; empty for none."""
        rows = self._administration.server.execute(
            "SELECT User_attributes FROM mysql.user WHERE User = %s AND Host = %s", (account.user, account.host)
        )
        attributes = json.loads(rows[0][0]) if rows and rows[0][0] else {}
        return str(attributes.get("additional_password", ""))
