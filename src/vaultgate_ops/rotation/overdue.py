"""How late a rotation is, by somebody who isn't the rotator.

Rules: what counts is the age of the value that clients use, AWSCURRENT's, and not what a rotator says of itself: one that never
ran, is cancelled, or fails each time is as late as its value is old. Reads no value. One figure for all secrets is given only
when every one of them could be looked at, so that whoever waits for it sees it missing otherwise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import Metrics, MetricUnit, single_metric

from vaultgate_ops.errors import CheckFailed, OpsError, UsageProblem
from vaultgate_ops.rotation import parameter_survey
from vaultgate_ops.rotation.schedule import described, load
from vaultgate_ops.rotation.survey import Survey, survey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_lambda_powertools import Logger

    from vaultgate_ops.clock import Clock
    from vaultgate_ops.rotation.service import Api, SecretsManager

NAMESPACE, METRIC = "Vaultgate", "RotationOverdueSeconds"
VARIABLE = "OVERDUE_SECRETS"
_MOST_DAYS = 1000
_ENTRY = re.compile("[^=]+=([1-9][0-9]{0,2}|1000)")


@dataclass(frozen=True)
class Watched:
    """A secret to look at, or a parameter of Parameter Store.

    Attributes:
        secret_id: ARN or name; what begins with a slash is a parameter.
        days: how old its value may get where no rotation is enabled.
    """

    secret_id: str
    days: int

    @property
    def parameter(self) -> bool:
        """Whether it is in Parameter Store."""
        return self.secret_id.startswith("/")


def watched(environ: Mapping[str, str], variable: str = VARIABLE) -> tuple[Watched, ...]:
    """The secrets that the environment names: ``OVERDUE_SECRETS=<ARN or name>=<days>,...``.

    Args:
        environ: what to look in.
        variable: another name than the environment's, such as an option's.

    Raises:
        UsageProblem: with every entry that is wrong.
    """
    entries = [part.strip() for part in environ.get(variable, "").split(",") if part.strip()]
    wrong = [entry for entry in entries if not _ENTRY.fullmatch(entry)]
    if wrong or not entries:
        told = f"{', '.join(wrong)} in {variable}" if wrong else f"{variable}, which is empty,"
        raise UsageProblem(
            f"{told} is not <ARN or name>=<1 to {_MOST_DAYS} days>.", f"Correct {variable}: app/db=45, for example."
        )
    return tuple(Watched(name, int(days)) for name, _, days in (entry.rpartition("=") for entry in entries))


def overdue_s(looked: Survey, days: int, now_s: float) -> float:
    """By how much a secret's rotation is late, in seconds; 0 for not at all.

    Args:
        looked: the secret.
        days: how old its value may get where no rotation is enabled.
        now_s: seconds since 1970.

    Raises:
        CheckFailed: it has no AWSCURRENT.
        UsageProblem: its schedule isn't one that we understand.
    """
    if looked.current is None:
        raise CheckFailed(f"{looked.arn} has no AWSCURRENT.", "Store a value.")
    rules = described(looked.rules) if looked.enabled else {}
    due = load(rules or {"AutomaticallyAfterDays": days}).due(datetime.fromtimestamp(looked.current.created_at, UTC))
    return max(0.0, now_s - due.timestamp())


def make_handler(
    store: SecretsManager,
    secrets: tuple[Watched, ...],
    region: str,
    clock: Clock,
    logger: Logger,
    *,
    systems: Api | None = None,
) -> Callable[[Mapping[str, Any], object], dict[str, float]]:
    """Make the function that a schedule calls.

    Args:
        store: Secrets Manager's door.
        secrets: to look at.
        region: that the store serves.
        clock: tells how old a value is.
        logger: gets a line for each secret; its service is the metric's dimension.
        systems: Parameter Store's door; None where there is no parameter among them.
    """

    def look(one: Watched) -> Survey:
        return (
            parameter_survey.survey(systems, one.secret_id) if systems and one.parameter else survey(store, one.secret_id, region)
        )

    def handler(_event: Mapping[str, Any], _context: object) -> dict[str, float]:
        late: dict[str, float] = {}
        failed: list[OpsError] = []
        for one in secrets:
            try:
                late[one.secret_id] = overdue_s(look(one), one.days, clock.wall())
            except OpsError as error:
                logger.error("not checked", secret=one.secret_id, detail=error.message, hint=error.hint)  # noqa: TRY400 - a traceback says no more
                failed.append(error)
                continue
            logger.info("checked", secret=one.secret_id, overdue_s=late[one.secret_id])
            with single_metric(METRIC, MetricUnit.Seconds, late[one.secret_id], namespace=NAMESPACE) as metric:
                metric.add_dimension("secret", one.secret_id)
        if failed:
            raise failed[0]
        metrics = Metrics(namespace=NAMESPACE, service=logger.service)
        metrics.add_metric(METRIC, MetricUnit.Seconds, max(late.values()))
        metrics.flush_metrics()
        return late

    return handler
