"""A database user that Vault made for us, and connections as that user.

Rules: Vault's revocation for MySQL is REVOKE and DROP USER, which cripples open sessions instead of ending them; the errors
that this shows itself by make us ask for the lease, and only a lease that is dead costs a new credential. No statement is
replayed.
Sources: MySQL, "Server Error Message Reference" for the numbers; hashicorp/vault issues 10480 and 10681 for the
behaviour.
"""

from __future__ import annotations

from vaultgate.errors import ProtocolViolation, VaultgateError
from vaultgate.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from vaultgate.clock import Clock
    from vaultgate.vault_secret import VaultSecret

# Access denied to a database, to the server, to a table, to a column; and a missing global privilege.
_SIGNS = frozenset({1044, 1045, 1142, 1143, 1227})


def hints_at_revocation(error: BaseException) -> bool:
    """Whether an error may mean that our database user is gone.

    PyMySQL answers a caching_sha2_password exchange that it can't finish with a RuntimeError about the missing package.
    """
    if isinstance(error, RuntimeError):
        return "cryptography" in str(error)
    code = error.args[0] if error.args else None
    return isinstance(code, int) and code in _SIGNS


class Credential:
    """A database user that Vault made for us.

    Args:
        secret: the answer it came in.
        clock: tells how long it still lives.
    """

    __slots__ = ("_clock", "_secret", "password", "user")

    def __init__(self, secret: VaultSecret, clock: Clock) -> None:
        try:
            self.user: str = secret.data["username"]
            self.password = Secret(secret.data["password"])
        except KeyError as missing:
            hint = "name a role of Vault's database engine, such as database/creds/app"
            raise ProtocolViolation(f"{secret.path!r} holds no {missing.args[0]}", hint) from None
        self._secret = secret
        self._clock = clock

    def __repr__(self) -> str:
        """Show the user only."""
        return f"Credential({self.user!r})"

    @property
    def lease_id(self) -> str:
        """The lease that ends it; empty for a static role's."""
        return self._secret.lease_id

    def expires_in_s(self) -> int:
        """Whole seconds of use left, the margin taken off."""
        return self._secret.expires_in_s()

    def alive(self) -> bool:
        """Whether it may be used."""
        return not self._secret.lifetime.over(self._clock.now())


class Connector:
    """Connects with whatever credential lives. Safe for threads.

    Args:
        read: gives the secret, from memory or the extension.
        lease_is_dead: asks Vault, by way of the extension.
        connect: `pymysql.connect`, or something like it.
        arguments: for `connect`, beside user and password.
        clock: tells how long a credential lives.
    """

    def __init__(
        self,
        read: Callable[[], VaultSecret],
        lease_is_dead: Callable[[str], bool],
        connect: Callable[..., Any],
        arguments: dict[str, Any],
        clock: Clock,
    ) -> None:
        self._read = read
        self._lease_is_dead = lease_is_dead
        self._connect = connect
        self._arguments = arguments
        self._clock = clock
        self._dead: set[str] = set()  # leases whose connections may still be about

    def connect(self) -> tuple[Any, Credential]:
        """A new connection, and the credential it was made with.

        Raises:
            VaultgateError: no credential can be had.
            pymysql.err.Error: the database refuses the connection.
        """
        credential = Credential(self._read(), self._clock)
        try:
            return self._open(credential), credential
        except Exception as error:
            if not self.shows_dead_lease(error, credential):
                raise
        # The user was dropped before we came: connecting again repeats no statement.
        credential = Credential(self._read(), self._clock)
        return self._open(credential), credential

    def good(self, credential: Credential) -> bool:
        """Whether what was made with a credential may be used: its time isn't up, and nobody found its lease dead."""
        return credential.alive() and credential.lease_id not in self._dead

    def shows_dead_lease(self, error: BaseException, credential: Credential) -> bool:
        """Whether an error came from a lease's end: it is a sign of revocation, and Vault says that the lease is dead."""
        if not credential.lease_id or not hints_at_revocation(error):
            return False
        try:
            if not self._lease_is_dead(credential.lease_id):
                return False
        except VaultgateError:
            return False  # nobody says so; the database's error is what the caller must see
        self._dead.add(credential.lease_id)
        return True

    def _open(self, credential: Credential) -> Any:
        return self._connect(user=credential.user, password=credential.password.reveal(), **self._arguments)
