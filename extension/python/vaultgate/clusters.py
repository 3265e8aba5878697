"""Vaults in several clusters: which one is logged in to.

Rules: the first of the settings that lets us in, but one that failed a moment ago comes last; each has its own server id,
and what is signed for one is sent to no other; a token belongs to the Vault that gave it, and so do its leases. Only a Vault
that doesn't answer is passed over; one that refuses us has spoken.
"""

from __future__ import annotations

from vaultgate.auth import Login
from vaultgate.errors import Unreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from vaultgate.auth import Token
    from vaultgate.clock import Clock
    from vaultgate.config import Config
    from vaultgate.model import Origin


class Clusters(Login):
    """Logs in to one of several Vaults.

    Args:
        logins: to each of them, in the order of the settings.
    """

    def __init__(self, logins: Sequence[Login], config: Config, clock: Clock) -> None:
        super().__init__(logins[0].vault, config, clock)
        self._logins = tuple(logins)

    @property
    def logins(self) -> tuple[Login, ...]:
        """In the order of the settings."""
        return self._logins

    def login(self, deadline: float) -> Token:
        """Get a token from the first that gives one.

        Raises:
            LoginRefused: it said no.
            NoCredentials, Unreachable, DeadlineExceeded: none of them said anything.
        """
        in_turn = sorted(self._logins, key=lambda one: one.vault.failed_lately)
        for number, one in enumerate(in_turn[:-1]):
            now = self._clock.steady()
            try:
                return one.login(now + (deadline - now) / (len(in_turn) - number))
            except Unreachable:
                continue  # the next one has its share of the time
        return in_turn[-1].login(deadline)


def by_server_id(config: Config) -> dict[str, list[Origin]]:
    """The addresses of each cluster but the first, by the server id that tells them apart."""
    found: dict[str, list[Origin]] = {}
    for origin, server_id in config.addresses:
        if server_id not in {None, config.iam_server_id}:
            found.setdefault(str(server_id), []).append(origin)
    return found
