"""The function that mirrors rotated audit files which are brought to S3.

Rules: a wrong setting ends the init with every problem named. Events come from S3, by themselves or in messages of SQS; each
object is taken in turn. An object that is not done is an error at the end, so that the event is delivered again: a queue with
a visibility time-out above the function's own is what a large file needs.

Settings: ``AUDIT_LOG_GROUP``; ``AUDIT_STATE_BUCKET`` (the object's own by default), ``AUDIT_STATE_PREFIX``
(``vaultgate-mirror/``), ``AUDIT_FORCE_RAW`` (``1`` mirrors a device with log_raw).

Sources: "Event message structure" of the Amazon S3 user guide (keys are URL-encoded there); "Using Lambda with Amazon SQS".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

import botocore.session
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from vaultgate_ops.audit.cloudwatch import Service
from vaultgate_ops.audit.destinations import Creation
from vaultgate_ops.audit.objects import Source
from vaultgate_ops.audit.sender import CloudWatchSender, open_sender
from vaultgate_ops.audit.shipping import Outcome, Place, Shipping
from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import CheckFailed, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from vaultgate_ops.audit.model import Destination

_SERVICE, _NAMESPACE = "mirror", "Vaultgate"
_MARGIN_S = 2.0


class NotDone(CheckFailed):
    """Objects are left for another delivery of their event."""


def place(environ: Mapping[str, str]) -> Place:
    """The settings.

    Raises:
        UsageProblem: with what is missing or wrong.
    """
    group, raw = environ.get("AUDIT_LOG_GROUP", ""), environ.get("AUDIT_FORCE_RAW", "0")
    problems = [] if group else ["AUDIT_LOG_GROUP is missing"]
    if raw not in {"0", "1"}:
        problems.append(f"AUDIT_FORCE_RAW={raw!r} must be 0 or 1")
    if problems:
        raise UsageProblem("; ".join(problems))
    defaults = Place(group)
    prefix = environ.get("AUDIT_STATE_PREFIX", defaults.state_prefix)
    return Place(group, environ.get("AUDIT_STATE_BUCKET", ""), prefix, raw == "1")


def sources(event: Mapping[str, Any]) -> Iterator[Source]:
    """The objects that an event is about; S3's own test event is about none."""
    for record in event.get("Records", ()):
        if "s3" in record:
            named = record["s3"]
            yield Source(named["bucket"]["name"], unquote_plus(named["object"]["key"]), named["object"].get("eTag", ""))
        elif "body" in record:
            yield from sources(json.loads(record["body"]))


class Handler:
    """The function.

    Args:
        environ: its environment.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._logger = Logger(service=_SERVICE)
        self._metrics = Metrics(namespace=_NAMESPACE, service=_SERVICE)
        session = botocore.session.get_session()
        clock = Clock()

        def opened(destination: Destination) -> CloudWatchSender:
            return open_sender(Service(), destination, Creation(allowed=False), clock, session=session, say=self._logger.warning)

        self._shipping = Shipping(session.create_client("s3"), place(environ), opened, clock)

    def __call__(self, event: Mapping[str, Any], context: LambdaContext) -> dict[str, int]:
        """Mirror what the event names.

        Returns:
            outcome to how many objects had it.

        Raises:
            NotDone: some are not finished, so that the event comes again.
        """
        counted: dict[str, int] = {}
        for source in sources(event):
            outcome = self._shipping.ship(source, context.get_remaining_time_in_millis() / 1000 - _MARGIN_S)
            counted[outcome.value] = counted.get(outcome.value, 0) + 1
            self._logger.info("object", extra={"bucket": source.bucket, "key": source.key, "outcome": outcome.value})
            self._metrics.add_metric(name=f"Objects{outcome.value.title()}", unit=MetricUnit.Count, value=1)
        if counted:
            self._metrics.flush_metrics()
        left = counted.get(Outcome.UNFINISHED.value, 0) + counted.get(Outcome.BUSY.value, 0)
        if left:
            raise NotDone(f"{left} objects are not done; the event has to come again.")
        return counted
