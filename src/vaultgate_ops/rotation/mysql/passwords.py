"""Making an account accept just the passwords that it should.

Rules: what is accepted already is read first, and an account that is right is left alone; one statement per account, so that
there is no moment at which a wanted password is refused. MariaDB is sent hashes. Where its policy refuses those and the secret
allows it, the passwords travel inside a compound statement under a key that the server drew: they are in no log, but stand in
the process list while it runs.
Source: MariaDB, "Authentication Plugins" (OR), "strict_password_validation", "BEGIN NOT ATOMIC".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vaultgate_ops.rotation import planner
from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.mysql import hashes
from vaultgate_ops.rotation.mysql.accounts import NATIVE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vaultgate_ops.rotation.mysql.accounts import Account, Way
    from vaultgate_ops.rotation.mysql.administration import Administration

OR_SINCE = (10, 4, 0)
"""MariaDB's first version with more than one way of logging in."""
# Ways that no password opens; they are none of a rotation's business and stay.
_PASSWORDLESS = frozenset({"unix_socket", "gssapi", "named_pipe", "pam"})
_PLUGIN = re.compile(r"[a-z0-9_]+")


def accept(administration: Administration, account: Account, passwords: Sequence[str]) -> bool:
    """Make an account accept these passwords and no others; gives whether that took a change.

    Args:
        administration: the rotator's session, on MariaDB.
        account: as it is.
        passwords: the newest first.

    Raises:
        RotationError: ``strategy-unfit``, ``privilege-missing``, ``hashes-refused``, ...
    """
    target = planner.passwords(account.hashes, [hashes.native(password) for password in passwords])
    if target is None:
        return False
    kept = [way for way in account.ways if way.plugin in _PASSWORDLESS]
    ways = " OR ".join([f"{NATIVE} USING %s"] * len(target) + [_way(way) for way in kept])
    stored = [*target, *(way.string for way in kept if way.string)]
    administration.alter(f"ALTER USER %s@%s IDENTIFIED VIA {ways}", (account.user, account.host, *stored))
    return True


def fit(account: Account) -> None:
    """Refuse an account whose ways of logging in can't be written again here.

    Raises:
        RotationError: ``strategy-unfit``, ``account-unusable``.
    """
    strange = sorted({way.plugin for way in account.ways} - _PASSWORDLESS - {NATIVE})
    if strange:
        raise RotationError(
            "strategy-unfit",
            f"'{account.user}'@'{account.host}' logs in by {', '.join(strange)}, which can't be computed here.",
            f"Give it a password for {NATIVE}: ALTER USER ... IDENTIFIED VIA {NATIVE} USING PASSWORD(...).",
        )
    if account.locked:
        raise RotationError(
            "account-unusable", f"'{account.user}'@'{account.host}' is locked.", "Unlock it: ALTER USER ... ACCOUNT UNLOCK."
        )


def _way(way: Way) -> str:
    if not _PLUGIN.fullmatch(way.plugin):
        raise RotationError("strategy-unfit", "An account logs in by a plugin with a strange name.", "Choose another strategy.")
    return f"{way.plugin} USING %s" if way.string else way.plugin
