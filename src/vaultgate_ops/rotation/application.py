"""What the function does with an event: a step of Secrets Manager's, or a schedule's sweep.

Rules: a failed step raises, since its failing is all that Secrets Manager looks at; a log line has the error's code, hint and
step and never a value. One secret's failing sweep doesn't keep the others from theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.model import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aws_lambda_powertools import Logger

    from vaultgate_ops.rotation.engine import Engine


def make_handler(engine: Engine, sweep: Sequence[str], logger: Logger) -> Callable[[Mapping[str, Any], object], dict[str, Any]]:
    """Make the function that Lambda calls.

    Args:
        engine: does the work.
        sweep: the secrets that an event without a secret is about.
        logger: gets a line for each event.
    """

    def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
        if not {"Step", "SecretId", "ClientRequestToken"} & set(event):
            return _swept(_named(event, sweep))
        try:
            request = Request.parse(event)
            outcome = engine.step(request)
        except RotationError as error:
            logger.error("step failed", step=event.get("Step"), secret=event.get("SecretId"), **_told(error))  # noqa: TRY400 - a traceback would quote statements
            raise error from None
        logger.info("step", step=request.step.value, secret=request.secret_id, version=request.token, outcome=outcome)
        return {"outcome": outcome}

    def _swept(names: Sequence[str]) -> dict[str, Any]:
        failed: list[RotationError] = []
        outcomes: dict[str, str] = {}
        for secret_id in names:
            try:
                outcomes[secret_id] = engine.sweep(secret_id)
            except RotationError as error:
                logger.error("sweep failed", secret=secret_id, **_told(error))  # noqa: TRY400 - as above
                outcomes[secret_id] = error.code
                failed.append(error)
            else:
                logger.info("swept", secret=secret_id, outcome=outcomes[secret_id])
        if failed:
            raise failed[0]
        return outcomes

    return handler


def _named(event: Mapping[str, Any], default: Sequence[str]) -> Sequence[str]:
    names = event.get("sweep") or default
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise RotationError("event-malformed", "The event's sweep is no list of secrets' names.")
    return names


def _told(error: RotationError) -> dict[str, Any]:
    return {"reason": error.code, "detail": error.message, "hint": error.hint, "retryable": error.retryable}
