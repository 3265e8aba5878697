"""`api-key` and `plug-in`: a service that makes the keys, and allows two of them.

| who has | before the rotation | after createSecret | after finishSecret | after grace_s | at the next createSecret |
|---|---|---|---|---|---|
| the new key (N) | - | works | works, is AWSCURRENT | works | works |
| the current one (N-1) | works | works | works, is AWSPREVIOUS | ends, if the sweeper runs | ends |
| the one before (N-2) | works until swept | ended | ended | ended | ended |

Rules: the service tells a new key once, so what a crash between its making and its storing leaves is an orphan, which nobody
can use and which takes one of two places: the next attempt finds it by its label and ends it. There is no lock at the service
that would keep two steps apart. So nothing is ended that a late view could take for an orphan, and nothing is promoted that
did not work a moment before: two createSecrets at once may cost a rotation, never a current key. A new key may be refused until
the service has spread it; it is waited for.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

from vaultgate_ops.rotation.api_keys.functions import Functions, Keys, Surprised
from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.fields import grace
from vaultgate_ops.rotation.model import CURRENT, PENDING, SecretValue
from vaultgate_ops.rotation.strategies.database import until_next

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vaultgate_ops.clock import Clock
    from vaultgate_ops.rotation.api_keys.functions import Value
    from vaultgate_ops.rotation.model import Change

DESCRIBED, PLUGIN = "api-key", "plug-in"
SETTLING_S = 20.0
"""How long one step waits for a new key to be accepted."""
YOUNG_S = 120.0
"""How long after it was stored a key that is refused may still be one that the service has not spread."""
_POLL_S = 1.0

Result = TypeVar("Result")


class Service(Functions, Protocol):
    """The four functions, and what is asked of whoever brings them."""

    def check(self, change: Change) -> None:
        """See `Strategy`."""

    def outline(self, current: SecretValue) -> list[tuple[str, str]]:
        """See `Strategy`."""

    def rehearse(self, current: Value) -> None:
        """See whether `create` could begin, and change nothing."""


class ApiKey:
    """The strategy.

    Args:
        name: what the secret's ``strategy`` calls it.
        service: makes and ends keys.
        clock: for waiting until a new key is accepted.
    """

    def __init__(self, name: str, service: Service, clock: Clock) -> None:
        self.name = name
        self._service, self._clock = service, clock
        self._doubted: dict[str, frozenset[str]] = {}

    def propose(self, token: str, change: Change, draw: Callable[[], str], *, sure: bool) -> SecretValue:  # noqa: ARG002 - the protocol's
        """A new key, made by the service; orphans of earlier attempts are ended first."""
        doubted = self._doubted.pop(token, frozenset()) if sure else frozenset()
        try:
            made = self._service.create(_keys(change, token, doubted))
        except Surprised as surprise:
            if sure:
                raise _restless(change.secret_id) from None
            self._doubted[token] = frozenset(surprise.args)
            raise
        return SecretValue({**change.current.fields, **made})

    def outline(self, change: Change) -> list[tuple[str, str]]:
        """The service, its current key, what becomes of the older one."""
        return [*self._service.outline(change.current), ("older value", until_next(grace(change.current.fields)))]

    def check(self, change: Change) -> None:
        """Refuse what the service can't be asked with."""
        grace(change.current.fields)
        self._service.check(change)

    @contextmanager
    def hold(self, change: Change) -> Iterator[_Held]:
        """Nothing is held: the service has no lock."""
        yield _Held(self._service, self._clock, change)

    def grace_s(self, current: SecretValue) -> float | None:
        """What the secret says."""
        return grace(current.fields)


class _Held:
    def __init__(self, service: Service, clock: Clock, change: Change) -> None:
        self._service, self._clock, self._change = service, clock, change
        self._doubted: frozenset[str] = frozenset()

    def apply(self, *, sure: bool) -> None:
        """Wait until the new key is accepted; end orphans that came to be beside it."""
        self._accepted()
        self._retire(sure=sure)

    def prove(self) -> None:
        """See that either key is accepted; without a pending one, that another could be made."""
        if self._change.pending is not None:
            self._accepted()
        self._current_works()
        if self._change.pending is None:
            self._service.rehearse(self._change.current.fields)

    def ready(self) -> None:
        """See that the new key is accepted, and tell the service that it is the one."""
        self._accepted()
        self._service.promote(_keys(self._change))

    def retire(self, *, sure: bool, sessions: bool) -> bool:  # noqa: ARG002 - an API has no sessions
        """End all of this secret's keys but the current one, which has to work."""
        self._current_works()
        return self._retire(sure=sure)

    def _retire(self, *, sure: bool) -> bool:
        try:
            return self._service.retire(_keys(self._change, doubted=self._doubted if sure else frozenset()))
        except Surprised as surprise:
            if sure:
                raise _restless(self._change.secret_id) from None
            self._doubted = frozenset(surprise.args)
            raise

    def _current_works(self) -> None:
        if not self._service.verify(self._change.current.fields):
            raise RotationError("key-refused", f"The service refuses {CURRENT}'s key.", "Store one that works, and rotate again.")

    def _accepted(self) -> None:
        """See that the new key is accepted, sooner or later.

        Raises:
            RotationError: ``key-unseen``, ``key-gone``, or ``key-refused`` if not even the current one is.
        """
        wanted, deadline = self._change.pending or self._change.current, self._clock.steady() + SETTLING_S
        while not self._service.verify(wanted.fields):
            if self._clock.steady() >= deadline:
                self._current_works()
                raise self._refused(self._clock.wall() - wanted.created_at)
            self._clock.sleep(_POLL_S)

    def _refused(self, age_s: float) -> RotationError:
        if age_s < YOUNG_S:
            return RotationError("key-unseen", f"The service doesn't accept {PENDING}'s key yet.", "Run the step again later.")
        return RotationError("key-gone", f"The service accepts {PENDING}'s key no more.", "It was taken back: rotate again.")


def _keys(change: Change, token: str = "", doubted: frozenset[str] = frozenset()) -> Keys:
    return Keys(
        change.secret_id,
        token or (change.pending.version if change.pending else ""),
        change.current.fields,
        change.pending.fields if change.pending else None,
        change.previous.fields if change.previous else None,
        doubted,
    )


def _restless(secret_id: str) -> RotationError:
    return RotationError("rotation-running", f"New keys of {secret_id} keep appearing.", "Run the step again.")
