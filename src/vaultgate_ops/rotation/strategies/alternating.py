"""`alternating`: two users, equal in everything but name and password; each rotation gives the idle one a new password.

| who has | before the rotation | after setSecret | after finishSecret | after grace_s | at the next setSecret |
|---|---|---|---|---|---|
| the new password (N), of the idle user | - | works | works, is AWSCURRENT | works | works, is AWSCURRENT still |
| the current one (N-1), of the other user | works | works | works, is AWSPREVIOUS | ends, if the sweeper runs | ends |
| the one before (N-2), of the idle user | works until swept | ended | ended | ended | ended |

Rules: the user of AWSCURRENT is the model and is never touched; its twin is made equal to it in both directions before
testSecret: host entries, TLS requirement, resource limits, expiry, grants with columns and GRANT OPTION, roles, default roles.
testSecret compares all of that again and logs in. Everything is read first and only differences are written, so that a retry
goes on where a crash ended. Change privileges on the user that is AWSCURRENT: what is changed on the idle one alone is undone.
An existing user is taken for the twin only if the secret's ``twin`` or AWSPREVIOUS names it, if it has the pending password
already, or if it is equal to the model.
"""

from __future__ import annotations

import secrets
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.mysql import grants
from vaultgate_ops.rotation.mysql.accounts import Account
from vaultgate_ops.rotation.mysql.passwords import passwords, usable
from vaultgate_ops.rotation.mysql.secret import LONGEST_USER, DatabaseSecret
from vaultgate_ops.rotation.strategies.database import Values, outline, renewed, until_next
from vaultgate_ops.rotation.strategies.protocol import Surprised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from vaultgate_ops.rotation.model import Change, SecretValue
    from vaultgate_ops.rotation.mysql.administration import Administration
    from vaultgate_ops.rotation.mysql.grants import Statement
    from vaultgate_ops.rotation.strategies.database import Doors

SUFFIX = "_clone"


def twin_of(secret: DatabaseSecret) -> str:
    """The other user's name: the secret's ``twin``, else AWS's ``<user>_clone``, which has none of its own.

    Raises:
        RotationError: ``secret-field-wrong``: it would be too long.
    """
    name = secret.twin or (secret.username.removesuffix(SUFFIX) if secret.username.endswith(SUFFIX) else secret.username + SUFFIX)
    if len(name) > LONGEST_USER[secret.engine] or name in {"", secret.username}:
        raise RotationError(
            "secret-field-wrong",
            f"The twin of {secret.username!r} can't be called {name!r}.",
            'Name it in the secret: "twin": "...".',
        )
    return name


class Alternating:
    """The strategy.

    Args:
        doors: to the databases.
    """

    name = "alternating"

    def __init__(self, doors: Doors) -> None:
        self._doors = doors

    def propose(self, token: str, change: Change, draw: Callable[[], str], *, sure: bool) -> SecretValue:  # noqa: ARG002 - the protocol's
        """The other user, a new password."""
        current = Values(change).current
        twin = {"twin": current.username} if current.twin else {}
        return renewed(change.current, draw(), username=twin_of(current), **twin)

    def outline(self, change: Change) -> Sequence[tuple[str, str]]:
        """The server, its users, who changes them, what becomes of the older one's password."""
        current = Values(change).current
        return outline(current, twin_of(current), until_next(current.grace_s))

    def check(self, change: Change) -> None:
        """Refuse another host or rotator, or a third user."""
        values = Values(change)
        twin = twin_of(values.current)
        values.check(frozenset({values.current.username if values.rehearsal else twin}))
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
        self._twin = twin_of(values.current)

    def apply(self, *, sure: bool) -> None:
        """Make the twin equal, with the new password."""
        models = self._models()
        if not sure and not any(self._ways.knows(model, self._values.current.password) for model in models.values()):
            raise Surprised
        twins = self._administration.accounts(self._twin)
        self._refuse_stranger(models, twins)
        for host in sorted(set(twins) - set(models)):
            self._administration.alter("DROP USER IF EXISTS %s@%s", (self._twin, host))
        for host, model in models.items():
            twin = twins.get(host)
            account = twin or Account(self._twin, host)
            if twin is None or not self._equipped(twin, model):
                password = self._values.wanted.password
                self._ways.equip(account, exists=twin is not None, password=password, like=model.properties)
            for statement in self._differences(model, account):
                self._grant(statement, account)

    def prove(self) -> None:
        """Compare the twin with its model, log in as it, and run the probe."""
        models = self._models()
        if not self._values.rehearsal:
            self._refuse_unequal(models)
        self._doors.prove(self._values.wanted)

    def ready(self) -> None:
        """Compare the twin with its model once more, and log in as it."""
        self._refuse_unequal(self._models())
        self._doors.prove(self._values.wanted, probe=False)

    def retire(self, *, sure: bool, sessions: bool) -> bool:
        """Lock the idle user, after ending its sessions where that is wanted."""
        self._doors.prove(self._values.current, probe=False)
        if not self._known():
            return False  # there was no rotation yet; a user of that name is somebody else's
        idle = self._administration.accounts(self._twin)
        previous = self._values.before(self._twin)
        known = [previous.password] if previous else []
        if not sure and any(self._ways.knows_others(account, known) for account in idle.values() if not account.locked):
            raise Surprised
        if not sessions or not idle:
            return self._end(idle)
        try:
            self._end_sessions(list(idle.values()))
        finally:
            self._end(self._administration.accounts(self._twin))  # they are open now
        return True

    def _end(self, idle: Mapping[str, Account]) -> bool:
        ended = [self._ways.end(account) for account in idle.values()]
        return any(ended)

    def _models(self) -> dict[str, Account]:
        models = self._administration.accounts(self._values.current.username)
        if not models:
            raise RotationError("user-missing", f"There is no user {self._values.current.username!r}.", "Create it.")
        for model in models.values():
            self._ways.fit(model)
            usable(model)
        return models

    def _refuse_unequal(self, models: Mapping[str, Account]) -> None:
        twins = self._administration.accounts(self._twin)
        for host in sorted(set(models) ^ set(twins)):
            raise _differs(self._twin, host, "host entry")
        for host, model in models.items():
            if not self._equipped(twins[host], model):
                raise _differs(self._twin, host, "properties")
            if self._differences(model, twins[host]):
                raise _differs(self._twin, host, "grants")

    def _known(self) -> bool:
        """Whether the secret says whose the twin's name is."""
        previous = self._values.previous
        return self._values.current.twin is not None or (previous is not None and previous.username == self._twin)

    def _refuse_stranger(self, models: Mapping[str, Account], twins: Mapping[str, Account]) -> None:
        if self._known() or any(self._ways.knows(twin, self._values.wanted.password) for twin in twins.values()):
            return
        # An equal one was left by a rotation that was called off; who would make one by hand?
        if set(twins) - set(models) or any(self._differences(models[host], twin) for host, twin in twins.items()):
            raise RotationError(
                "twin-taken",
                f"There is a user {self._twin!r} already, and nothing says that it is {self._values.current.username!r}'s twin.",
                'If it is, say so in the secret: "twin": "..."; else give the twin another name there.',
            )

    def _equipped(self, twin: Account, model: Account) -> bool:
        usable_now = not (twin.locked or twin.expired)
        return usable_now and twin.properties == model.properties and self._ways.accepts(twin, self._values.wanted.password)

    def _differences(self, model: Account, twin: Account) -> list[Statement]:
        wanted, found = self._administration.grants(model), self._administration.grants(twin)
        return grants.alike(wanted, found, mariadb=self._administration.flavour.mariadb)

    def _grant(self, statement: Statement, account: Account) -> None:
        who = (account.user, account.host)
        try:
            self._administration.alter(statement.text, who, statement.needed)
        except RotationError as error:
            if error.code != "privilege-missing" or not statement.own or not self._as_twin(statement.own, account):
                raise

    def _as_twin(self, statement: str, account: Account) -> bool:
        """Do what a user may do for itself only, if we come in by this host entry."""
        wanted = self._values.wanted
        with suppress(RotationError):
            server = self._doors.login(wanted, wanted.username, wanted.password, bare=True)
            try:
                if server.execute("SELECT CURRENT_USER()") == [(f"{account.user}@{account.host}",)]:
                    server.execute(statement)
                    return True
            finally:
                server.close()
        return False

    def _end_sessions(self, idle: list[Account]) -> None:
        """Give the idle user a password for a moment, and let it end its own sessions."""
        password = "Aa1!" + secrets.token_urlsafe(24)
        for account in idle:
            self._ways.equip(account, exists=True, password=password, like=account.properties)
        self._doors.end_sessions(self._values.current, self._twin, password, self._administration)


def _differs(user: str, host: str, what: str) -> RotationError:
    return RotationError("privileges-differ", f"{what} of '{user}'@'{host}' differ from its model's.", "Run setSecret again.")
