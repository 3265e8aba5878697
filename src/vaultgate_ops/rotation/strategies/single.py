"""`single`: one user, one password, for servers and users that can't do better.

| who has | before the rotation | after setSecret | after finishSecret |
|---|---|---|---|
| the new password (N) | - | works | works, is AWSCURRENT |
| the current one (N-1) | works | **refused, while it still is AWSCURRENT** | refused |
| the one before (N-2) | refused | refused | refused |

The window is from setSecret to the moment when a client has read the new AWSCURRENT. Clients must ask for the secret again
when a login is refused, and try again.

Rules: the user changes its own password, with whichever of its passwords the server takes; no rotator is needed. The new one
is tried first, so that a retry after a crash changes nothing. Only the host entry that the function comes in by is changed.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from vaultgate_ops.rotation import planner
from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.model import CURRENT, PENDING, PREVIOUS
from vaultgate_ops.rotation.mysql.administration import Administration, lock
from vaultgate_ops.rotation.mysql.passwords import passwords
from vaultgate_ops.rotation.strategies.database import Values, outline, renewed
from vaultgate_ops.rotation.strategies.protocol import Surprised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from vaultgate_ops.rotation.model import Change, SecretValue
    from vaultgate_ops.rotation.mysql.server import Server
    from vaultgate_ops.rotation.strategies.database import Doors


class Single:
    """The strategy.

    Args:
        doors: to the databases.
    """

    name = "single"

    def __init__(self, doors: Doors) -> None:
        self._doors = doors

    def propose(self, token: str, change: Change, draw: Callable[[], str], *, sure: bool) -> SecretValue:  # noqa: ARG002 - the protocol's
        """The same user, a new password."""
        return renewed(change.current, draw())

    def outline(self, change: Change) -> Sequence[tuple[str, str]]:
        """The server, its user, who changes it, what becomes of the older password."""
        current = Values(change).current
        return outline(current, current.username, "ends at once, a moment before the new one is current")

    def check(self, change: Change) -> None:
        """Refuse another user or host."""
        values = Values(change)
        values.check(frozenset({values.current.username}))
        self._doors.rotators.vouch(values.current)

    @contextmanager
    def hold(self, change: Change) -> Iterator[_Held]:
        """Hold the server as the user itself, with whichever password it takes."""
        values = Values(change)
        entry, server = self._enter(values)
        try:
            lock(server, change.secret_id)
            yield _Held(self._doors, values, entry, server)
        finally:
            server.close()

    def grace_s(self, current: SecretValue) -> float | None:  # noqa: ARG002 - the protocol's
        """Nothing older is left after a rotation."""
        return None

    def _enter(self, values: Values) -> tuple[planner.Entry, Server]:
        candidates = {PENDING: values.pending, CURRENT: values.current, PREVIOUS: values.before(values.current.username)}
        accepted: dict[str, bool] = {}
        for label, value in candidates.items():
            if value is None:
                continue
            try:
                server = self._doors.login(value, value.username, value.password, bare=True)
            except RotationError as error:
                if error.code != "access-denied":
                    raise
                accepted[label] = False
            else:
                return planner.single({**accepted, label: True}), server
        raise RotationError(
            "access-denied",
            f"{values.current.username!r} can't log in with any of {', '.join(accepted)}.",
            "Somebody changed its password by hand: set it to AWSCURRENT's, or store the one that works.",
        )


class _Held:
    def __init__(self, doors: Doors, values: Values, entry: planner.Entry, server: Server) -> None:
        self._doors, self._values, self._entry, self._server = doors, values, entry, server

    def apply(self, *, sure: bool) -> None:
        """Make the server accept AWSPENDING, unless it does."""
        if not sure and self._entry is planner.Entry.PREVIOUS:
            raise Surprised
        if self._entry is not planner.Entry.NOBODY:
            ways = passwords(Administration(self._server), cleartext=self._values.current.cleartext)
            ways.change_own(self._values.wanted.password)

    def prove(self) -> None:
        """Log in with the new password and run the probe."""
        self._doors.prove(self._values.wanted)

    def ready(self) -> None:
        """Log in with the new password."""
        self._doors.prove(self._values.wanted, probe=False)

    def retire(self, *, sure: bool, sessions: bool) -> bool:  # noqa: ARG002 - a late view's value can't log in
        """End sessions, if that is wanted; the older password ended with setSecret."""
        self._doors.prove(self._values.current, probe=False)
        if sessions:
            current = self._values.current
            self._doors.end_sessions(current, current.username, current.password)
        return False
