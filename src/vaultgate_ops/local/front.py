"""The local stand-in for API Gateway: HTTP in front, one function behind.

Rules: what the formats say is in `proxy_events`, here is the door. A failure of the function is told to the client in API
Gateway's words, which say nothing, and to our log with its reason. Unlike AWS's HTTP APIs, an unknown method of a known
path gets 405 with Allow, and a broken function 502 as with REST APIs.
"""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING, Any, cast

import click
from werkzeug.exceptions import HTTPException
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import OpsError
from vaultgate_ops.local.function_endpoint import FunctionEndpoint, FunctionTimedOut
from vaultgate_ops.local.proxy_events import (
    Answer,
    Call,
    Headers,
    MalformedAnswer,
    Payload,
    Route,
    answer,
    event,
    refusal,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

DEFAULT_ROUTES = (Route("GET", "/records"),)
_HEADERS = "vaultgate.headers"
_LARGEST_BODY = 10_000_000  # API Gateway's payload limit ("Amazon API Gateway quotas and important notes")

logger = logging.getLogger(__name__)


class Front:
    """A WSGI application before one function.

    Args:
        invoke: runs the function with an event and gives its result; raises FunctionTimedOut and other OpsError.
        payload: version of the event's format.
        routes: everything else is 404 or 405.
        clock: dates the events.
    """

    def __init__(
        self,
        invoke: Callable[[dict[str, Any]], Any],
        payload: Payload,
        routes: Sequence[Route] = DEFAULT_ROUTES,
        clock: Clock | None = None,
    ) -> None:
        self._invoke = invoke
        self._payload = payload
        self._routes = routes
        self._clock = Clock() if clock is None else clock

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Serve one request, as PEP 3333 wants it."""
        request = Request(environ)
        request.max_content_length = _LARGEST_BODY
        try:
            given = self._serve(request)
        except HTTPException as error:
            given = refusal(error.code or 400, error.name)
        response = Response(given.body, given.status, list(given.headers))
        return response(environ, start_response)

    def _serve(self, request: Request) -> Answer:
        at_path = [(route, found) for route in self._routes if (found := route.match(request.path)) is not None]
        if not at_path:
            return refusal(404, "Not Found")
        matched = next(((route, found) for route, found in at_path if route.method == request.method), None)
        if matched is None:
            allowed = ", ".join(sorted({route.method for route, _ in at_path}))
            return refusal(405, "Method Not Allowed", ("Allow", allowed))
        call = self._call(request, *matched)
        try:
            return answer(self._invoke(event(call, self._payload)), self._payload)
        except FunctionTimedOut as error:
            logger.error("%s: %s", call.request_id, error)  # noqa: TRY400 - its text is all there is to say
            return refusal(504, "Endpoint request timed out")
        except (OpsError, MalformedAnswer) as error:
            logger.error("%s: %s", call.request_id, error)  # noqa: TRY400 - as above
            return refusal(502, "Internal server error")

    def _call(self, request: Request, route: Route, parameters: dict[str, str]) -> Call:
        return Call(
            route=route,
            parameters=parameters,
            path=request.path,
            query=request.query_string.decode("ascii", "replace"),
            headers=cast("Headers", tuple(request.environ.get(_HEADERS) or request.headers.items())),
            body=request.get_data(),
            source_ip=request.remote_addr or "",
            protocol=str(request.environ.get("SERVER_PROTOCOL", "")),
            request_id=str(uuid.uuid4()),
            wall_s=self._clock.wall(),
        )


class _Handler(WSGIRequestHandler):
    """Hands the headers on as they were sent: WSGI's variables join repeated ones and lose the names' case."""

    def make_environ(self) -> dict[str, Any]:
        return {**super().make_environ(), _HEADERS: self.headers.items()}

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:  # noqa: ARG002 - the base class's shape
        # The base class colours its lines, and ours end in a file.
        logger.info("%r %s", self.requestline, code)


def listen(host: str, port: int, front: Front) -> BaseWSGIServer:
    """Bind; ``serve_forever()`` of what it gives serves, a thread for each request.

    Args:
        host: name or address.
        port: 0 lets the kernel choose; ``server_port`` then tells which.
        front: the application.
    """
    return make_server(host, port, front, threaded=True, request_handler=_Handler)


def _address(_context: click.Context, _parameter: click.Parameter, text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise click.BadParameter(f"{text!r} is not HOST:PORT.")
    return host.strip("[]"), int(port)


def _routes(_context: click.Context, _parameter: click.Parameter, texts: tuple[str, ...]) -> Sequence[Route]:
    try:
        return tuple(Route.parse(text) for text in texts) or DEFAULT_ROUTES
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from error


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--listen", "address", required=True, callback=_address, metavar="HOST:PORT", help="Where to listen.")
@click.option("--function", "url", required=True, metavar="URL", help="The function's Invoke API, with its path.")
@click.option("--payload", type=click.Choice(["1.0", "2.0"]), default="2.0", show_default=True, help="Event format.")
@click.option("--route", "routes", multiple=True, callback=_routes, metavar="'METHOD /path'", help="Default: GET /records.")
def main(address: tuple[str, int], url: str, payload: Payload, routes: Sequence[Route]) -> None:
    """Serve HTTP requests by a Lambda function, as API Gateway would."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        endpoint = FunctionEndpoint(url)
    except OpsError as error:
        raise click.UsageError(f"{error.message} {error.hint}") from error
    listen(*address, Front(endpoint.invoke, payload, routes)).serve_forever()


if __name__ == "__main__":
    main()
