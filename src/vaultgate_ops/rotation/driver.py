"""Calls a rotation function as Secrets Manager does.

Rules: one token for the whole rotation; the steps in order, each once the one before has ended well; a failure begins the
rotation again from its first step after a pause, with the same token. The function's answer means nothing, only whether it
failed. Waiting is the clock's.
Source: AWS Secrets Manager User Guide, "Rotation by Lambda function" (steps, event, both spellings of the steps) and
"Troubleshoot AWS Secrets Manager rotation"; how often and how soon the service tries again is not documented.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vaultgate_ops.clock import Clock

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
SNAKE_STEPS = {
    "createSecret": "create_secret",
    "setSecret": "set_secret",
    "testSecret": "test_secret",
    "finishSecret": "finish_secret",
}
_LONGEST_PAUSE_S = 60.0


@dataclass(frozen=True)
class Assignment:
    """One rotation of one secret.

    Attributes:
        secret_id: its ARN or name.
        token: the ClientRequestToken, which is the new version's id.
        rotation_token: the RotationToken, where there is one.
        steps: to go through, in their camelCase names.
    """

    secret_id: str
    token: str
    rotation_token: str = ""
    steps: tuple[str, ...] = STEPS


class Driver:
    """Goes through rotations.

    Args:
        call: invokes the function with an event; raises if the function failed.
        clock: for pausing.
        snake: spell the steps create_secret, set_secret and so on, as newer documentation does.
        attempts: how often a rotation is begun before it is given up.
        pause_s: before the second attempt; doubles from then on, up to a minute.
        worth: whether another attempt makes sense after a failure; Secrets Manager doesn't ask.
    """

    def __init__(
        self,
        call: Callable[[Mapping[str, str]], object],
        clock: Clock,
        *,
        snake: bool = False,
        attempts: int = 5,
        pause_s: float = 1.0,
        worth: Callable[[Exception], bool] = lambda _: True,
    ) -> None:
        self._call, self._clock, self._snake = call, clock, snake
        self._attempts, self._pause_s, self._worth = attempts, pause_s, worth

    def event(self, assignment: Assignment, step: str) -> dict[str, str]:
        """What the function is called with for a step."""
        event = {
            "SecretId": assignment.secret_id,
            "ClientRequestToken": assignment.token,
            "Step": SNAKE_STEPS[step] if self._snake else step,
        }
        return {**event, "RotationToken": assignment.rotation_token} if assignment.rotation_token else event

    def drive(self, assignment: Assignment) -> int:
        """Go through a rotation; gives how many attempts it took.

        Raises:
            Exception: what the function failed with in the last attempt.
        """
        pause_s = self._pause_s
        for attempt in range(1, self._attempts + 1):
            try:
                for step in assignment.steps:
                    self._call(self.event(assignment, step))
            except Exception as error:
                if attempt == self._attempts or not self._worth(error):
                    raise
                self._clock.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                return attempt
        raise ValueError(self._attempts)
