"""The rotation of parameters: what Secrets Manager does for its secrets, begun by a schedule.

Rules: one invocation goes through all four steps of `engine`; a rotation that was begun and not finished is gone on with, by
whoever comes next and under the version that it began with, so that two at once make one rotation. Schedules deliver at least
once: a value that is younger than the time that the schedule fired for has been rotated for it already.
Source: EventBridge Scheduler User Guide, "Adding context attributes" (``<aws.scheduler.scheduled-time>``).
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from vaultgate_ops.rotation.driver import Assignment, Driver
from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.model import CURRENT, PENDING, Request
from vaultgate_ops.rotation.parameter_store import ParameterStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aws_lambda_powertools import Logger

    from vaultgate_ops.clock import Clock
    from vaultgate_ops.rotation.engine import Engine
    from vaultgate_ops.rotation.model import Description
    from vaultgate_ops.rotation.store import Store

NOTHING = "nothing to do"


class Parameters:
    """Rotates parameters.

    Args:
        client: boto3's, of Systems Manager.
        build: an engine over a store.
        clock: for waiting.
        attempts: how often a rotation is begun before it is given up.
    """

    def __init__(self, client: Any, build: Callable[[Store], Engine], clock: Clock, attempts: int = 3) -> None:
        self._client, self._build, self._clock, self._attempts = client, build, clock, attempts

    def describe(self, name: str) -> Description:
        """The stages that a parameter's versions would have."""
        return ParameterStore(self._client, self._clock).describe(name)

    def rotate(self, name: str, since_s: float) -> str:
        """Rotate a parameter, or go on with a rotation that was begun.

        Args:
            name: of the parameter, not its ARN.
            since_s: seconds since 1970. A value that was stored then or later is new enough.

        Returns:
            The version that is current now and wasn't, or ``nothing to do``.

        Raises:
            RotationError: with the parameter as it was.
        """
        seen = self.describe(name)
        token = _unfinished(seen)
        if token is None:
            if seen.changed_at >= since_s:
                return NOTHING
            token = str(int(seen.stages.holder(CURRENT) or 0) + 1)
        engine = self._build(ParameterStore(self._client, self._clock, token))
        driver = Driver(lambda event: engine.step(Request.parse(event)), self._clock, attempts=self._attempts, worth=_retryable)
        driver.drive(Assignment(name, token))
        return token

    def rehearse(self, name: str) -> None:
        """See whether a rotation would work, as far as that can be seen without one: logins, privileges, the probe.

        Raises:
            RotationError: ``rotation-unfinished`` or why it wouldn't.
        """
        seen = self.describe(name)
        pending = _unfinished(seen)
        if pending is not None:
            raise RotationError(
                "rotation-unfinished", f"Version {pending} of {name} is pending.", "Rotate: that goes on with it."
            )
        token = str(int(seen.stages.holder(CURRENT) or 0) + 1)
        self._build(_Rehearsed(self._client, self._clock, token)).step(Request.parse({**_TEST, "SecretId": name, _TOKEN: token}))

    def take_back(self, name: str) -> str:
        """Delete the value of a rotation that can't be finished; gives ``nothing to do`` or ``taken back``."""
        store = ParameterStore(self._client, self._clock)
        token = _unfinished(store.describe(name))
        if token is None:
            return NOTHING
        store.withdraw(name, token)
        return "taken back"

    def sweep(self, name: str) -> str:
        """End what is older than the current value if its time has come; see `Engine.sweep`."""
        return self._build(ParameterStore(self._client, self._clock)).sweep(name)

    def drop_previous(self, name: str) -> str:
        """End what is older than the current value, and its sessions; see `Engine.drop_previous`."""
        return self._build(ParameterStore(self._client, self._clock)).drop_previous(name)


_TOKEN = "ClientRequestToken"  # noqa: S105 - a field's name
_TEST = {"Step": "testSecret"}


class _Rehearsed(ParameterStore):
    """For a test alone: the token never gets a value, so that nobody has to wait for one."""

    def eventually(self, holds: Callable[[], bool]) -> bool:
        """Look once."""
        return holds()


def make_handler(parameters: Parameters, logger: Logger) -> Callable[[Mapping[str, Any], object], dict[str, str]]:
    """Make the function that a schedule calls.

    It takes ``{"parameters": [...], "scheduled": "2026-11-21T02:00:00Z"}`` to rotate, ``{"sweep": [...]}`` to end older
    values. One parameter's failing doesn't keep the others from theirs; the first failure is raised at the end, so that Lambda
    tries again.

    Args:
        parameters: does the work.
        logger: gets a line for each parameter.
    """

    def handler(event: Mapping[str, Any], _context: object) -> dict[str, str]:
        if "sweep" in event:
            names, act = _names(event, "sweep"), parameters.sweep
        else:
            since_s = _moment(event.get("scheduled"))
            names, act = _names(event, "parameters"), lambda name: parameters.rotate(name, since_s)
        outcomes: dict[str, str] = {}
        failed: list[RotationError] = []
        for name in names:
            try:
                outcomes[name] = act(name)
            except RotationError as error:
                told: dict[str, Any] = {"reason": error.code, "detail": error.message, "hint": error.hint}
                logger.error("failed", parameter=name, **told)  # noqa: TRY400 - a traceback would quote statements
                failed.append(error)
            else:
                logger.info("done", parameter=name, outcome=outcomes[name])
        if failed:
            raise failed[0] from None
        return outcomes

    return handler


def _unfinished(seen: Description) -> str | None:
    """The version whose rotation has begun."""
    return seen.stages.holder(PENDING)


def _names(event: Mapping[str, Any], field: str) -> Sequence[str]:
    names = event.get(field)
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise RotationError("event-malformed", f"The event's {field} is no list of parameters' names.")
    return names


def _moment(text: object) -> float:
    try:
        moment = datetime.fromisoformat(text if isinstance(text, str) else "")
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise RotationError(
            "event-malformed",
            "The event's scheduled is no date with a time zone.",
            'Give the schedule the input {"parameters": [...], "scheduled": "<aws.scheduler.scheduled-time>"}.',
        )
    return moment.timestamp()


def _retryable(error: Exception) -> bool:
    # A value that was taken back leaves a name that the service doesn't give again for half a minute.
    return isinstance(error, RotationError) and error.retryable and error.code != "password-policy"
