"""What Lambda imports: reads the environment once and puts the function together.

Rules: a wrong setting ends the init with every problem named, before the first request; Vault and the database are not
asked for anything until a request comes. The event `DOCTOR` asks for an examination instead of a count; what answers it is
imported then.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics

from vaultgate_ops.records.application import make_handler
from vaultgate_ops.records.settings import load
from vaultgate_ops.records.sources import SOURCES

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

DOCTOR = {"vaultgate": "doctor"}
"""Exactly this. API Gateway's proxy integration, a function URL and a load balancer wrap what a caller sends in an event of their
own, with a request context beside it, so no caller of theirs can ask; whoever may invoke the function can. An integration without
proxy hands on what its mapping template makes of the body, by default the body itself: put none in front of this function, whose
requests it couldn't answer either."""
# Powertools' own variable: two deployments of one account are told apart by it, in logs and metrics.
_SERVICE, _NAMESPACE = os.environ.get("POWERTOOLS_SERVICE_NAME", "records"), "Vaultgate"

_settings = load(os.environ, SOURCES)

_count = make_handler(
    SOURCES[_settings.source](_settings),
    _settings.table,
    Logger(service=_SERVICE),
    Metrics(namespace=_NAMESPACE, service=_SERVICE),
)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """What Lambda calls: an answer for API Gateway, or the doctor's report (docs/doctor.schema.json)."""
    if event == DOCTOR:
        from vaultgate_ops.doctor import function  # noqa: PLC0415 - a cold start that counts shouldn't pay for it

        return function.answer(os.environ, context.get_remaining_time_in_millis())
    return _count(event, context)
