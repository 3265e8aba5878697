"""The four steps, convergent: read the truths, plan, act; twice, late, at the same time or after a crash.

Rules: stages are read again once the service is held, so that no step acts on a view from before another one's; nothing is
promoted that did not log in a moment before; AWSCURRENT is moved by one call and by nothing else. The plan is `planner`'s,
the doing the strategy's and the store's.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from vaultgate_ops.rotation import planner
from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.model import CURRENT, PENDING, PREVIOUS, Change, Step
from vaultgate_ops.rotation.planner import Admission
from vaultgate_ops.rotation.service import CONSISTENCY_S
from vaultgate_ops.rotation.strategies.protocol import Surprised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from vaultgate_ops.clock import Clock
    from vaultgate_ops.rotation.model import Description, Request, SecretValue
    from vaultgate_ops.rotation.store import Store
    from vaultgate_ops.rotation.strategies.protocol import Hold, Strategy

_LOOKS = 3
HOPELESS = frozenset({"password-policy", "value-overtaken", "key-gone"})
"""What `Hold.apply` says of a value that the service will never accept."""


class Engine:
    """Rotations of the secrets of one store.

    Args:
        store: where the values are.
        choose: the strategy for a current value; raises ``strategy-unknown``.
        draw: gives a new random password.
        clock: tells how old a value is.
        grace_s: for secrets that name none; None: an older value lives until the next rotation.
    """

    def __init__(
        self,
        store: Store,
        choose: Callable[[Mapping[str, object]], Strategy],
        draw: Callable[[], str],
        clock: Clock,
        grace_s: float | None = None,
    ) -> None:
        self._store, self._choose, self._draw, self._clock, self._grace_s = store, choose, draw, clock, grace_s

    def step(self, request: Request) -> str:
        """Do one step; gives ``done``, or ``nothing to do`` if its rotation is finished.

        Raises:
            RotationError: with AWSCURRENT as it was.
        """
        seen = self._admitted(request)
        if seen is None:
            return "nothing to do"
        if request.step is Step.CREATE:
            self._create(request, seen)
            return "done"
        with self._held(request, seen) as held:
            if held is None:
                return "nothing to do"
            hold, change, seen = held
            if request.step is Step.SET:
                self._set(request, hold, seen)
            elif request.step is Step.TEST:
                hold.prove()
            else:
                hold.ready()
                self._store.promote(change.secret_id, request.token, seen.stages.holder(CURRENT))
        return "done"

    def sweep(self, secret_id: str) -> str:
        """End what is older than AWSCURRENT, if its time has come.

        Gives ``swept``, ``nothing to do``, or ``too early``; also for a secret without ``grace_s``, whose older value may stay.

        Raises:
            RotationError: with AWSCURRENT as it was.
        """
        return self._retire(secret_id, at_once=False)

    def drop_previous(self, secret_id: str) -> str:
        """End what is older than AWSCURRENT at once, and its open sessions; gives ``swept`` or ``nothing to do``.

        Raises:
            RotationError: ``rotation-unfinished``, ``sessions-remain``, ...
        """
        return self._retire(secret_id, at_once=True)

    def preview(self, secret_id: str) -> tuple[Strategy, Change]:
        """What a rotation that began now would begin with: its strategy, and the values that there are.

        Raises:
            RotationError: what is wrong with the secret; nobody but its store is asked.
        """
        change = self._change(self._store.describe(secret_id))
        strategy = self._choose(change.current.fields)
        strategy.check(change)
        return strategy, change

    def _retire(self, secret_id: str, *, at_once: bool) -> str:
        seen = self._store.describe(secret_id)
        for _ in range(_LOOKS):
            change = self._change(seen)
            strategy = self._choose(change.current.fields)
            grace_s = strategy.grace_s(change.current)
            grace_s = self._grace_s if grace_s is None else grace_s
            due = planner.sweepable(seen, self._clock.wall(), change.current.created_at, grace_s)
            if not due and not at_once:
                return "too early"
            strategy.check(change)
            with strategy.hold(change) as hold:
                again = self._store.describe(seen.arn)
                if again.stages == seen.stages:
                    try:
                        return _swept(hold.retire(sure=False, sessions=at_once))
                    except Surprised:
                        # Perhaps it is current already what these stages don't know: nobody may end that.
                        self._clock.sleep(CONSISTENCY_S)
                        again = self._store.describe(seen.arn)
                    if again.stages == seen.stages:
                        return _swept(hold.retire(sure=True, sessions=at_once))
            seen = again
        raise _restless(seen)

    def _admitted(self, request: Request) -> Description | None:
        """The secret as seen now; None if the token's rotation is finished."""
        latest: list[Description] = []

        def visible() -> bool:
            latest.append(self._store.describe(request.secret_id))
            return planner.admit(request.token, latest[-1]) is not Admission.UNSEEN

        if not self._store.eventually(visible):
            raise planner.unseen(request.token, latest[-1])
        return latest[-1] if planner.admit(request.token, latest[-1]) is Admission.PROCEED else None

    def _create(self, request: Request, seen: Description) -> None:
        change = self._change(seen)
        strategy = self._choose(change.current.fields)
        pending = self._value(seen, request.token)
        if pending is None:
            strategy.check(change)
            proposed = self._proposed(request, seen, change, strategy)
            if not self._store.put(seen.arn, request.token, proposed, request.rotation_token):
                # Another driver was faster, or an earlier answer was lost: what is stored counts.
                pending = self._eventual_value(seen, request.token)
        if pending is not None:
            strategy.check(Change(change.secret_id, change.current, pending, change.previous))

    def _proposed(self, request: Request, seen: Description, change: Change, strategy: Strategy) -> SecretValue:
        try:
            return strategy.propose(request.token, change, self._draw, sure=False)
        except Surprised:
            # Perhaps a stage has it already that these reads didn't show: nobody may end that.
            self._wait_unchanged(request, seen)
        stored = self._value(seen, request.token)
        return stored or strategy.propose(request.token, change, self._draw, sure=True)

    @contextmanager
    def _held(self, request: Request, seen: Description) -> Iterator[tuple[Hold, Change, Description] | None]:
        """Hold the service under a view of the stages that is still true once it is held."""
        for _ in range(_LOOKS):
            pending = self._eventual_value(seen, request.token)
            if pending is None and request.step in planner.STEPS_THAT_NEED_A_VALUE:
                raise RotationError(
                    "secret-missing", f"Version {request.token} of {seen.arn} has no value.", "Run createSecret first."
                )
            change = self._change(seen, pending)
            strategy = self._choose(change.current.fields)
            strategy.check(change)
            with strategy.hold(change) as hold:
                again = self._admitted(request)
                if again is None:
                    yield None
                    return
                if again.stages == seen.stages:
                    yield hold, change, seen
                    return
            seen = again
        raise _restless(seen)

    def _set(self, request: Request, hold: Hold, seen: Description) -> None:
        try:
            self._apply(request, hold, seen)
        except RotationError as error:
            if error.code in HOPELESS:
                # A version can't be changed, and retrying it would fail for ever.
                self._store.withdraw(request.secret_id, request.token)
            raise

    def _apply(self, request: Request, hold: Hold, seen: Description) -> None:
        try:
            hold.apply(sure=False)
        except Surprised:
            # A later rotation's work must not be undone by that.
            self._wait_unchanged(request, seen)
            hold.apply(sure=True)

    def _wait_unchanged(self, request: Request, seen: Description) -> None:
        """Wait until what was done before now is visible: reads may be a few seconds old.

        Raises:
            RotationError: ``rotation-running``: the stages were others.
        """
        self._clock.sleep(CONSISTENCY_S)
        again = self._admitted(request)
        if again is None or again.stages != seen.stages:
            raise _restless(seen)

    def _change(self, seen: Description, pending: SecretValue | None = None) -> Change:
        current = seen.stages.holder(CURRENT)
        if current is None:
            raise RotationError("secret-missing", f"{seen.arn} has no AWSCURRENT.", "Store a first value.")
        return Change(seen.arn, self._store.value(seen.arn, current, CURRENT), pending, self._previous(seen))

    def _previous(self, seen: Description) -> SecretValue | None:
        """AWSPREVIOUS, if there is one that can be read."""
        version = seen.stages.holder(PREVIOUS)
        if version is None:
            return None
        try:
            return self._store.value(seen.arn, version, PREVIOUS)
        except RotationError as error:
            if error.code not in {"secret-not-json", "secret-missing"}:
                raise
            return None

    def _value(self, seen: Description, token: str) -> SecretValue | None:
        try:
            return self._store.value(seen.arn, token, PENDING)
        except RotationError as error:
            if error.code != "secret-missing":
                raise
            return None

    def _eventual_value(self, seen: Description, token: str) -> SecretValue | None:
        found: list[SecretValue | None] = [None]

        def visible() -> bool:
            found[0] = self._value(seen, token)
            return found[0] is not None

        self._store.eventually(visible)
        return found[0]


def _swept(anything: bool) -> str:  # noqa: FBT001 - what `Hold.retire` gives
    return "swept" if anything else "nothing to do"


def _restless(seen: Description) -> RotationError:
    return RotationError("rotation-running", f"The stages of {seen.arn} keep changing.", "Run the step again.")
