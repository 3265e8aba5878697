"""A rotation that somebody asks for: by the secret's function, or step by step in this process where it has none.

Rules: nothing is done to a secret that another rotation is at, but to repair that; a schedule that somebody turned off stays
off; a pending version is taken back only for a
fault of its own value or on request, because with `single` it may be the only one that the server still takes. Here every
step is the function's own code; the one thing that Secrets Manager would add, a version with AWSPENDING and no value, is
pretended until createSecret has stored it.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

from vaultgate_ops.errors import CheckFailed
from vaultgate_ops.rotation.driver import STEPS, Assignment, Driver
from vaultgate_ops.rotation.engine import HOPELESS, Engine
from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.model import CURRENT, PENDING, Request, Stages
from vaultgate_ops.rotation.planner import refuse_foreign
from vaultgate_ops.rotation.service import SecretsManager
from vaultgate_ops.rotation.survey import Survey, survey

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_secretsmanager import SecretsManagerClient

    from vaultgate_ops.clock import Clock
    from vaultgate_ops.rotation.model import Description

_POLL_S = 1.0
# What only another value can mend.
_HOPELESS = HOPELESS | {"value-changed", "secret-not-json", "secret-field-missing", "secret-field-wrong", "engine-unknown"}


class Attended(SecretsManager):
    """Secrets Manager as it would look if it had begun a rotation itself.

    Args:
        client: boto3's.
        clock: for waiting until something becomes visible.
        token: of the rotation.
    """

    def __init__(self, client: SecretsManagerClient, clock: Clock, token: str) -> None:
        super().__init__(client, clock)
        self._token = token

    def describe(self, secret_id: str) -> Description:
        """The secret, with rotation enabled and the token pending.

        Raises:
            RotationError: ``rotation-unfinished``: another rotation has stored a value since this one began.
        """
        seen = super().describe(secret_id)
        pending = seen.stages.holder(PENDING)
        if pending not in {None, self._token, seen.stages.holder(CURRENT)}:
            raise _unfinished(pending, seen.arn)
        labels = {self._token: frozenset({PENDING}), **seen.stages.labels}
        return replace(seen, rotation_enabled=True, stages=Stages(labels))


class Rehearsed(Attended):
    """The same for a test alone: the token never gets a value, so that nobody has to wait for one."""

    def eventually(self, holds: Callable[[], bool]) -> bool:
        """Look once."""
        return holds()


class ByHand:
    """Rotations on request.

    Args:
        client: boto3's, of the secrets' region.
        build: an engine over a store.
        clock: for waiting.
        attempts: how often a rotation in this process is begun before it is given up.
    """

    def __init__(
        self, client: SecretsManagerClient, build: Callable[[SecretsManager], Engine], clock: Clock, attempts: int = 3
    ) -> None:
        self._client, self._build, self._clock, self._attempts = client, build, clock, attempts
        self._store = SecretsManager(client, clock)

    def survey(self, secret_id: str) -> Survey:
        """How the secret stands."""
        return survey(self._store, secret_id, self._client.meta.region_name)

    def rotate_here(self, secret_id: str) -> str:
        """Go through the four steps in this process; gives the new version.

        Raises:
            RotationError: with AWSCURRENT as it was.
        """
        arn, token = self._free(secret_id).arn, str(uuid.uuid4())
        self._drive(arn, Attended(self._client, self._clock, token), token, STEPS)
        # Whoever asks next, for the stages or for the older value's end, shall not see the time before.
        self._store.eventually(lambda: self._store.describe(arn).stages.holder(CURRENT) == token)
        return token

    def rehearse_here(self, secret_id: str) -> None:
        """Do testSecret alone, with the current value: whether a rotation would get that far."""
        token = str(uuid.uuid4())
        self._drive(self._free(secret_id).arn, Rehearsed(self._client, self._clock, token), token, ("testSecret",))

    def rotate_there(self, secret_id: str, patience_s: float) -> str:
        """Have Secrets Manager call the secret's function, and wait for it; gives the new version.

        Raises:
            RotationError: ``rotation-disabled``; the service refused.
            CheckFailed: it isn't through in time.
        """
        arn, token = self._scheduled(secret_id).arn, str(uuid.uuid4())
        self._store.call("rotate_secret", SecretId=arn, ClientRequestToken=token)
        deadline = self._clock.steady() + patience_s
        while self._store.describe(arn).stages.holder(CURRENT) != token:
            if self._clock.steady() >= deadline:
                raise CheckFailed(
                    f"Version {token} isn't AWSCURRENT after {patience_s:.0f} s.",
                    "Read the function's log; once its cause is mended, run: vaultgate rotate repair.",
                )
            self._clock.sleep(_POLL_S)
        return token

    def rehearse_there(self, secret_id: str) -> None:
        """Have Secrets Manager call the secret's function with testSecret alone; what came of it is in the function's log."""
        self._store.call("rotate_secret", SecretId=self._scheduled(secret_id).arn, RotateImmediately=False)

    def repair(self, secret_id: str) -> str:
        """End a rotation that got stuck: finish it, or take its version back if its value is to blame.

        Gives ``nothing to do``, ``finished`` or ``taken back: `` and why.

        Raises:
            RotationError: it can't be finished for another reason; all is as it was.
        """
        looked = self.survey(secret_id)
        refuse_foreign(self._store.describe(looked.arn))
        if looked.pending is None:
            return "nothing to do"
        token = looked.pending.version_id
        # A current value that is wrong is no fault of the pending one, which may be the only one that still works.
        self._build(self._store).preview(looked.arn)
        try:
            self._drive(looked.arn, Attended(self._client, self._clock, token), token, STEPS)
        except RotationError as error:
            if error.code not in _HOPELESS:
                raise
            if self._store.describe(looked.arn).stages.holder(PENDING) == token:
                self._store.withdraw(looked.arn, token)
            return f"taken back: {error.message}"
        return "finished"

    def take_back(self, secret_id: str) -> str:
        """Take AWSPENDING off, whatever its rotation came to; gives ``nothing to do`` or ``taken back``."""
        looked = self.survey(secret_id)
        refuse_foreign(self._store.describe(looked.arn))
        if looked.pending is None:
            return "nothing to do"
        self._store.withdraw(looked.arn, looked.pending.version_id)
        return "taken back"

    def plan(self, secret_id: str) -> list[tuple[str, str]]:
        """What a rotation would do, as pairs of a word and its meaning; contacts the store only, and shows no password."""
        looked = self.survey(secret_id)
        strategy, change = self._build(self._store).preview(looked.arn)
        by = looked.function or "this process: the secret has no rotation function"
        off = looked.function and not looked.enabled
        return [
            ("strategy", strategy.name),
            *strategy.outline(change),
            ("done by", f"this process, with --here: rotation by {by} is turned off" if off else by),
        ]

    def sweep(self, secret_id: str) -> str:
        """End what is older than AWSCURRENT if its time has come; see `Engine.sweep`."""
        return self._build(self._store).sweep(secret_id)

    def drop_previous(self, secret_id: str) -> str:
        """End what is older than AWSCURRENT at once; see `Engine.drop_previous`."""
        return self._build(self._store).drop_previous(secret_id)

    def _free(self, secret_id: str) -> Survey:
        """The secret, which no rotation is at."""
        looked = self.survey(secret_id)
        refuse_foreign(self._store.describe(looked.arn))
        if looked.pending is not None:
            raise _unfinished(looked.pending.version_id, looked.arn)
        return looked

    def _scheduled(self, secret_id: str) -> Survey:
        """The same, whose automatic rotation nobody has turned off: RotateSecret would turn it on again, unasked."""
        looked = self._free(secret_id)
        if not looked.enabled:
            raise RotationError(
                "rotation-disabled",
                f"Rotation of {looked.arn} is turned off; its function can't rotate it without turning that on again.",
                "To leave it off, rotate in this process: --here. To turn it on: aws secretsmanager rotate-secret ...",
            )
        return looked

    def _drive(self, arn: str, store: SecretsManager, token: str, steps: tuple[str, ...]) -> None:
        engine = self._build(store)
        driver = Driver(lambda event: engine.step(Request.parse(event)), self._clock, attempts=self._attempts, worth=_retryable)
        driver.drive(Assignment(arn, token, steps=steps))


def _unfinished(version: str | None, arn: str) -> RotationError:
    return RotationError(
        "rotation-unfinished", f"Version {version} of {arn} is pending.", "Wait for its rotation, or: vaultgate rotate repair."
    )


def _retryable(error: Exception) -> bool:
    return isinstance(error, RotationError) and error.retryable
