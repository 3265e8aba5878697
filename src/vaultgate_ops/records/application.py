"""The HTTP side of the function: one route, served to both formats of API Gateway's events.

Rules: settings and source are handed in. A failure that somebody can wait out is 503 with Retry-After, any other 500; what
a client reads never holds SQL, a server's own text or a secret. The log has the number of a database's error and neither
its text nor a traceback, which would quote it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from aws_lambda_powertools.metrics import MetricUnit
from pymysql.err import MySQLError

from vaultgate.errors import VaultgateError
from vaultgate_ops.records.counting import Failure, count, meaning, number

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools import Logger, Metrics
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from vaultgate_ops.records.sources import Source

    Handler = Callable[[dict[str, Any], LambdaContext], dict[str, Any]]

RETRY_AFTER_S = 5
_REQUEST_ID = "requestContext.requestId"  # at the same place in both formats


def make_handler(source: Source, table: str, logger: Logger, metrics: Metrics) -> Handler:
    """Make the function that Lambda calls.

    Args:
        source: lends connections.
        table: to count; a checked identifier.
        logger: gets a line for each request.
        metrics: gets Requests, Counted, Failed and Repeated (a second attempt was needed), each with the unit Count.
    """
    router = APIGatewayRouter()  # type: ignore[no-untyped-call]  # Powertools gives it no types

    @router.get("/records")
    def records() -> Response[str]:
        try:
            counted = count(source, table)
        except VaultgateError as error:
            metrics.add_metric("Failed", MetricUnit.Count, 1)
            logger.error("no credential", reason=error.code, detail=str(error))  # noqa: TRY400 - no traceback, see above
            failure = Failure(503 if error.retryable else 500, "No database credential can be had.", error.code)
            return _refusal(failure, hint=error.hint)
        except MySQLError as error:
            metrics.add_metric("Failed", MetricUnit.Count, 1)
            failure = meaning(error)
            logger.error("the database failed", reason=failure.reason, error_number=number(error))  # noqa: TRY400 - as above
            return _refusal(failure)
        metrics.add_metric("Counted", MetricUnit.Count, 1)
        if counted.repeated:
            metrics.add_metric("Repeated", MetricUnit.Count, 1)
        logger.info("counted", table=table, rows=counted.rows, user=counted.user, repeated=counted.repeated)
        credential = {"source": source.name, "user": counted.user, "expires_in_s": counted.expires_in_s}
        return _json(200, {"table": table, "count": counted.rows, "credential": credential})

    rest, http = APIGatewayRestResolver(), APIGatewayHttpResolver()
    rest.include_router(router)
    http.include_router(router)

    @logger.inject_lambda_context(correlation_id_path=_REQUEST_ID)
    @metrics.log_metrics(capture_cold_start_metric=True)
    def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        metrics.add_metric("Requests", MetricUnit.Count, 1)
        resolver = http if event.get("version") == "2.0" else rest
        return resolver.resolve(event, context)

    return cast("Handler", handler)  # Powertools' decorators give Any


def _refusal(failure: Failure, hint: str = "") -> Response[str]:
    headers = {"Retry-After": str(RETRY_AFTER_S)} if failure.status == 503 else {}  # noqa: PLR2004 - HTTP
    said = {"message": failure.message, "reason": failure.reason, **({"hint": hint} if hint else {})}
    return _json(failure.status, said, headers)


def _json(status: int, document: dict[str, Any], headers: dict[str, str] | None = None) -> Response[str]:
    # The answer is of this moment, and names a user of the database.
    return Response(status, "application/json", json.dumps(document), {"Cache-Control": "no-store", **(headers or {})})
