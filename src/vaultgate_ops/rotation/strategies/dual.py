"""`dual`: one user, two valid passwords.

| who has | before the rotation | after setSecret | after finishSecret | after grace_s | at the next setSecret |
|---|---|---|---|---|---|
| the new password (N) | - | works | works, is AWSCURRENT | works | works, is the older one then |
| the current one (N-1) | works | works | works, is AWSPREVIOUS | ends, if the sweeper runs | ends |
| the one before (N-2) | works until swept | ended | ended | ended | ended |

It is one account, so its privileges can't differ. A server that forbids a password's reuse (password_reuse_check) takes no
statement that repeats the current one: choose alternating there.

Rules: what the server accepts is read, not guessed: each host entry's hashes are compared with those of AWSPENDING and
AWSCURRENT, and set to just these two in one statement. A crash before it leaves an entry as it was, after it as it will be, so
every retry ends the same. A password that none of the stages has is written over only by a view that can't be late: it may be
current by now.
How a server holds two passwords is `mysql.mariadb`'s and `mysql.mysql8`'s business.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.mysql.passwords import passwords, usable
from vaultgate_ops.rotation.mysql.secret import DatabaseSecret
from vaultgate_ops.rotation.strategies.database import Values, outline, renewed, until_next
from vaultgate_ops.rotation.strategies.protocol import Surprised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from vaultgate_ops.rotation.model import Change, SecretValue
    from vaultgate_ops.rotation.mysql.accounts import Account
    from vaultgate_ops.rotation.mysql.administration import Administration
    from vaultgate_ops.rotation.strategies.database import Doors


class Dual:
    """The strategy.

    Args:
        doors: to the databases.
    """

    name = "dual"

    def __init__(self, doors: Doors) -> None:
        self._doors = doors

    def propose(self, token: str, change: Change, draw: Callable[[], str], *, sure: bool) -> SecretValue:  # noqa: ARG002 - the protocol's
        """The same user, a new password."""
        return renewed(change.current, draw())

    def outline(self, change: Change) -> Sequence[tuple[str, str]]:
        """The server, its user, who changes it, what becomes of the older password."""
        current = Values(change).current
        return outline(current, current.username, until_next(current.grace_s))

    def check(self, change: Change) -> None:
        """Refuse another user, host, rotator."""
        values = Values(change)
        values.check(frozenset({values.current.username}))
        self._doors.rotators.vouch(values.current)

    @contextmanager
    def hold(self, change: Change) -> Iterator[_Held]:
        """Hold the server as the rotator."""
        values = Values(change)
        with self._doors.administration(values.current, change.secret_id) as administration:
            yield _Held(self._doors, administration, values)

    def grace_s(self, current: SecretValue) -> float | None:
        """What the secret says."""
        return DatabaseSecret.parse(current).grace_s


class _Held:
    def __init__(self, doors: Doors, administration: Administration, values: Values) -> None:
        self._doors, self._administration, self._values = doors, administration, values
        self._ways = passwords(administration, cleartext=values.current.cleartext)

    def apply(self, *, sure: bool) -> None:
        """Make the server accept AWSPENDING and AWSCURRENT, at each host entry."""
        wanted = [self._values.wanted.password, self._values.current.password]
        accounts = self._accounts()
        if not sure and not any(self._ways.knows(account, password) for account in accounts for password in wanted):
            raise Surprised
        self._accept(accounts, wanted, sure=sure)

    def prove(self) -> None:
        """See that each host entry takes either, log in with either, and run the probe with the new one."""
        accounts = self._accounts()
        if not self._values.rehearsal:
            self._refuse_unequal(accounts)
            self._doors.prove(self._values.current, probe=False)
        self._doors.prove(self._values.wanted)

    def ready(self) -> None:
        """See that each host entry takes either, and log in with the new one."""
        self._refuse_unequal(self._accounts())
        self._doors.prove(self._values.wanted, probe=False)

    def retire(self, *, sure: bool, sessions: bool) -> bool:
        """Make the server accept AWSCURRENT only."""
        current, accounts = self._values.current, self._accounts()
        try:
            self._doors.prove(current, probe=False)
        except RotationError as error:
            # The older password's sessions may be all that the user may have: what the server stores is proof enough then.
            stored = all(self._ways.knows(account, current.password) for account in accounts)
            if not (sessions and stored and error.code == "too-many-connections"):
                raise
        changed = self._accept(accounts, [current.password], sure=sure)
        if sessions:
            self._doors.end_sessions(current, current.username, current.password, self._administration)
        return changed

    def _accept(self, accounts: list[Account], wanted: list[str], *, sure: bool) -> bool:
        previous = self._values.before(self._values.current.username)
        known = [*wanted, *([previous.password] if previous else [])]
        if not sure and any(self._ways.knows_others(account, known) for account in accounts):
            raise Surprised
        changed = [self._ways.accept(account, wanted) for account in accounts]
        return any(changed)

    def _refuse_unequal(self, accounts: list[Account]) -> None:
        for account in accounts:
            if not all(self._ways.knows(account, value.password) for value in (self._values.wanted, self._values.current)):
                raise RotationError(
                    "privileges-differ", f"'{account.user}'@'{account.host}' lacks a password.", "Run setSecret again."
                )

    def _accounts(self) -> list[Account]:
        found = list(self._administration.accounts(self._values.current.username).values())
        if not found:
            raise RotationError("user-missing", f"There is no user {self._values.current.username!r}.", "Create it.")
        self._ways.fit_for_two()
        for account in found:
            self._ways.fit(account)
            usable(account)
        return found
