"""Passwords on MariaDB: hashes computed on our side, more than one per account joined by OR.

Rules: no password is in a statement. Where the server's policy refuses hashes and the secret allows it, passwords travel
enciphered under a key that the server drew for this session, and are put together inside a compound statement: the general
log doesn't have them; the binary log does, in clear, and the process list shows them to whoever has PROCESS while the statement
runs.
Source: MariaDB, "ALTER USER", "Authentication Plugins" (more than one since 10.4), "strict_password_validation",
"BEGIN NOT ATOMIC", "AES_DECRYPT".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vaultgate_ops.rotation import planner
from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.mysql import accounts, hashes
from vaultgate_ops.rotation.mysql.accounts import NATIVE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vaultgate_ops.rotation.mysql.accounts import Account, Properties
    from vaultgate_ops.rotation.mysql.administration import Administration

TWO_SINCE = (10, 4, 0)
# Ways that no password opens: they are none of a rotation's business and stay.
_PASSWORDLESS = frozenset({"unix_socket", "gssapi", "named_pipe", "pam"})
_PLUGIN = re.compile(r"[a-z0-9_]+")


class MariaDb:
    """See `passwords.Passwords`.

    Args:
        administration: the rotator's session.
        cleartext: whether passwords may be sent where hashes are refused.
    """

    def __init__(self, administration: Administration, *, cleartext: bool) -> None:
        self._administration, self._cleartext = administration, cleartext

    def fit(self, account: Account) -> None:
        """Refuse plugins whose stored form can't be computed here, such as ed25519."""
        strange = sorted({way.plugin for way in account.ways} - _PASSWORDLESS - {NATIVE})
        if strange or not all(_PLUGIN.fullmatch(way.plugin) for way in account.ways):
            raise RotationError(
                "strategy-unfit",
                f"'{account.user}'@'{account.host}' logs in by {', '.join(strange)}, which can't be written here.",
                f"Give it a password for {NATIVE}: ALTER USER ... IDENTIFIED VIA {NATIVE} USING PASSWORD(...).",
            )

    def fit_for_two(self) -> None:
        """More than one way of logging in came with 10.4."""
        if self._administration.flavour.version < TWO_SINCE:
            raise RotationError(
                "strategy-unfit", "This MariaDB is older than 10.4, it knows no second password.", "Choose alternating."
            )

    def accept(self, account: Account, passwords: Sequence[str]) -> bool:
        """One statement, whatever was accepted before."""
        target = planner.passwords(account.hashes, [hashes.native(password) for password in passwords])
        if target is None:
            return False
        kept = [way for way in account.ways if way.plugin in _PASSWORDLESS]
        others = "".join(f" OR {way.plugin}" + (" USING %s" if way.string else "") for way in kept)
        self._write("ALTER USER", account, passwords, others, *(way.string for way in kept if way.string))
        return True

    def equip(self, account: Account, *, exists: bool, password: str, like: Properties) -> None:
        """One statement: password, TLS requirement, limits, expiry."""
        verb = "ALTER USER" if exists else "CREATE USER"
        clauses, arguments = accounts.clauses(like, mariadb=True)
        if exists and self.accepts(account, password):
            # The same password twice is against a policy on reuse.
            self._administration.alter(f"ALTER USER %s@%s {clauses}", (account.user, account.host, *arguments))
        else:
            self._write(verb, account, [password], f" {clauses}", *arguments)

    def knows(self, account: Account, password: str) -> bool:
        """By its hash."""
        return hashes.native(password) in account.hashes

    def knows_others(self, account: Account, passwords: Sequence[str]) -> bool:
        """By their hashes."""
        return not set(account.hashes) <= set(map(hashes.native, passwords))

    def accepts(self, account: Account, password: str) -> bool:
        """By its hash."""
        return account.hashes == (hashes.native(password),) and len(account.ways) == 1

    def change_own(self, password: str) -> None:
        """SET PASSWORD needs no privilege; it would change the first of several passwords and leave the others valid."""
        server = self._administration.server
        account = accounts.parse(str(server.execute("SHOW CREATE USER")[0][0]))
        if len(account.hashes) > 1:
            raise RotationError(
                "strategy-unfit",
                f"'{account.user}'@'{account.host}' has more than one password.",
                "End the older one first: vaultgate rotate sweep, with the strategy dual.",
            )
        try:
            server.execute("SET PASSWORD = %s", (hashes.native(password),))
        except RotationError as error:
            if error.code != "hashes-refused" or not self._cleartext:
                raise
            self._administration.sealed("SET PASSWORD = PASSWORD(%s)", (password,))

    def end(self, account: Account) -> bool:
        """Locked, with the hash of no password that anybody knows."""
        if account.locked:
            return False
        arguments = (account.user, account.host, hashes.of_nothing())
        try:
            self._administration.alter(f"ALTER USER %s@%s IDENTIFIED VIA {NATIVE} USING %s ACCOUNT LOCK", arguments)
        except RotationError as error:
            if error.code != "hashes-refused":
                raise
            self._administration.alter("ALTER USER %s@%s ACCOUNT LOCK", (account.user, account.host))
        return True

    def _write(self, head: str, account: Account, passwords: Sequence[str], tail: str, *arguments: str) -> None:
        """Execute ``<head> user@host IDENTIFIED VIA <passwords> <tail>``, by hashes if the server takes them."""
        distinct = list(dict.fromkeys(passwords))
        ways = " OR ".join([f"{NATIVE} USING %s"] * len(distinct))
        statement = f"{head} %s@%s IDENTIFIED VIA {ways}{tail}"
        try:
            self._administration.alter(statement, (account.user, account.host, *map(hashes.native, distinct), *arguments))
        except RotationError as error:
            if error.code != "hashes-refused" or not self._cleartext:
                raise
            in_clear = statement.replace(f"{NATIVE} USING %s", f"{NATIVE} USING PASSWORD(%s)", len(distinct))
            self._administration.sealed(in_clear, (account.user, account.host, *distinct, *arguments))
