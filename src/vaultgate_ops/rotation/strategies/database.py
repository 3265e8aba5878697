"""What the three strategies for MySQL and MariaDB have in common.

Rules: values are compared before anybody is contacted; a login's proof is a session over TLS, as the very user, that can run
the secret's probe.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.model import SecretValue
from vaultgate_ops.rotation.mysql.administration import Administration, end_sessions, lock
from vaultgate_ops.rotation.mysql.secret import DatabaseSecret
from vaultgate_ops.rotation.mysql.server import Target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vaultgate_ops.rotation.model import Change
    from vaultgate_ops.rotation.mysql.server import Connect, Server
    from vaultgate_ops.rotation.rotators import Rotators
    from vaultgate_ops.rotation.vault import Vault

# What must be the same in both values: who could change these could send credentials elsewhere.
_FIXED = ("engine", "host", "port", "masterarn", "tls")


class Doors:
    """How databases are reached, and Vault.

    Args:
        connect: opens sessions.
        rotators: finds the credentials that may change other users.
        ca_file: PEM bundle for the servers' certificates; None for the system's.
        vault: opens sessions of Vault.
    """

    def __init__(self, connect: Connect, rotators: Rotators, ca_file: str | None, vault: Vault) -> None:
        self._connect, self.rotators, self._ca_file, self.vault = connect, rotators, ca_file, vault

    def login(self, secret: DatabaseSecret, username: str, password: str, *, bare: bool = False) -> Server:
        """Log in where a secret says; the caller closes the session.

        Args:
            secret: says where.
            username: of whom.
            password: theirs.
            bare: without the secret's database.
        """
        target = Target(secret.host, secret.port, secret.tls, self._ca_file)
        return self._connect(target, username, password, None if bare else secret.dbname)

    @contextmanager
    def administration(self, secret: DatabaseSecret, secret_id: str) -> Iterator[Administration]:
        """The rotator's session, with every other step of this secret kept out."""
        rotator = self.rotators.login(secret)
        server = self.login(secret, rotator.username, rotator.password, bare=True)
        try:
            lock(server, secret_id)
            yield Administration(server)
        finally:
            server.close()

    def prove(self, secret: DatabaseSecret, *, probe: bool = True) -> None:
        """Log in with a value, and run its probe.

        Raises:
            RotationError: the login's, or ``probe-failed``.
        """
        server = self.login(secret, secret.username, secret.password)
        try:
            if probe and secret.probe:
                # The driver takes a percent sign for an argument's place otherwise.
                server.execute(secret.probe.replace("%", "%%"))
        except RotationError as error:
            raise RotationError(
                "probe-failed", f"The probe failed. {error.message}", "Grant what it needs, or correct it."
            ) from None
        finally:
            server.close()

    def end_sessions(self, secret: DatabaseSecret, username: str, password: str, rotator: Administration | None = None) -> None:
        """End every other session of a user, as that user: one may always end one's own.

        Args:
            secret: says where.
            username: whose.
            password: theirs.
            rotator: does it where those sessions leave no place for another one; None for nobody.

        Raises:
            RotationError: ``sessions-remain``.
        """
        try:
            server = self.login(secret, username, password, bare=True)
        except RotationError as error:
            if error.code != "too-many-connections" or rotator is None:
                raise
        else:
            try:
                end_sessions(server, username)
            finally:
                server.close()
            return
        rotator.end_sessions(username)


class Values:
    """The parsed values of a change.

    Args:
        change: whose current value must be right; a previous one that isn't counts as none.

    Attributes:
        wanted: the pending value, or the current one where none is pending yet.
        rehearsal: nothing is to change: Secrets Manager tests a new configuration with the current value.
    """

    def __init__(self, change: Change) -> None:
        self.current = DatabaseSecret.parse(change.current)
        self.pending = DatabaseSecret.parse(change.pending) if change.pending else None
        self.previous = _lenient(change.previous)
        self.wanted = self.pending or self.current
        self.rehearsal = self.wanted == self.current

    def check(self, usernames: frozenset[str]) -> None:
        """Refuse a pending value that differs in more than it may.

        Args:
            usernames: that the pending value may name.

        Raises:
            RotationError: ``value-changed``.
        """
        changed = [name for name in _FIXED if getattr(self.wanted, name) != getattr(self.current, name)]
        if self.wanted.username not in usernames:
            changed.append("username")
        if changed:
            raise RotationError(
                "value-changed",
                f"AWSPENDING differs from AWSCURRENT in: {', '.join(changed)}.",
                "Only the password may differ. Take the pending version back and rotate again: vaultgate rotate repair, or for a"
                " parameter vaultgate rotate parameter take-back.",
            )

    def before(self, username: str) -> DatabaseSecret | None:
        """The previous value, if it is another one of this user."""
        if self.previous is None or self.previous.username != username or self.previous.password == self.current.password:
            return None
        return self.previous


def renewed(current: SecretValue, password: str, **differing: str) -> SecretValue:
    """The current value with another password."""
    return SecretValue({**current.fields, "password": password, **differing})


def outline(current: DatabaseSecret, after: str, older: str) -> list[tuple[str, str]]:
    """What a rotation would do; see `Strategy.outline`.

    Args:
        current: what is current now.
        after: the user after the rotation.
        older: what becomes of the older value.
    """
    return [
        ("server", f"{current.engine} at {current.host}:{current.port}"),
        ("user", f"{current.username} now, {after} after it"),
        ("rotator", current.masterarn or f"none: {current.username} changes its own password"),
        ("older value", older),
    ]


def until_next(grace_s: float | None) -> str:
    """What becomes of an older value that a sweep may end."""
    return "works until the next rotation" + ("" if grace_s is None else f", or by a sweep after {grace_s:.0f} s")


def _lenient(value: SecretValue | None) -> DatabaseSecret | None:
    try:
        return DatabaseSecret.parse(value) if value else None
    except RotationError:
        return None
