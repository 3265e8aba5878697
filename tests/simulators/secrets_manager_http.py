"""The HTTP side of the simulated Secrets Manager and Parameter Store: boto3 speaks to them as to the services.

Rules: AWS JSON 1.1 and nothing else; the region is the one that the request was signed for; an answer may be lost after the
work was done, which a client sees as a connection that ends.
Source: https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from tests.simulators.losing_answers import LosesAnswers, Lost, running
from tests.simulators.secrets_manager import HOME, Refusal
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.simulators.secrets_manager import SimulatedSecretsManager

_SCOPE = re.compile(r"Credential=[^/]+/\d{8}/([a-z0-9-]+)/(?:secretsmanager|ssm)/aws4_request")


class Door:
    """A WSGI application before one simulated service.

    Attributes:
        lost: operations whose next answers are lost, and how many; the work is done all the same.
    """

    def __init__(self, service: SimulatedSecretsManager) -> None:
        self._service = service
        self.lost: Counter[str] = Counter()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        operation = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
        try:
            body, status = self._serve(operation, request), 200
        except Refusal as refusal:
            body, status = {"__type": refusal.code, "Message": refusal.message}, refusal.status
        if self.lost[operation] > 0:
            self.lost[operation] -= 1
            raise Lost
        return Response(json.dumps(body), status, content_type="application/x-amz-json-1.1")(environ, start_response)

    def _serve(self, operation: str, request: Request) -> dict[str, Any]:
        scope = _SCOPE.search(request.headers.get("Authorization", ""))
        if scope is None:
            raise Refusal("MissingAuthenticationTokenException", "Missing Authentication Token")
        return self._service.call(operation, json.loads(request.get_data() or b"{}"), scope[1])


class _Handler(LosesAnswers):
    protocol_version = "HTTP/1.1"  # so that clients keep their connections

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None: ...


class Served:
    """A simulated service on a port of 127.0.0.1.

    Attributes:
        service: behind the door.
        door: where answers get lost.
        endpoint: base URL, as in ``AWS_ENDPOINT_URL_SECRETS_MANAGER``.
    """

    def __init__(self, service: SimulatedSecretsManager, door: Door, endpoint: str) -> None:
        self.service, self.door, self.endpoint = service, door, endpoint

    def client(self, region: str = HOME, attempts: int = 1) -> Any:
        """A boto3 client of a region.

        Args:
            region: its requests are signed for.
            attempts: how often it tries in all.
        """
        return boto3.client(
            "secretsmanager",
            region_name=region,
            endpoint_url=self.endpoint,
            aws_access_key_id="made-up",
            aws_secret_access_key="made-up",
            config=Config(proxies={}, retries={"total_max_attempts": attempts, "mode": "standard"}, max_pool_connections=4),
        )


@contextmanager
def served(service: SimulatedSecretsManager) -> Iterator[Served]:
    """Serve until the block is left."""
    door = Door(service)
    server = make_server("127.0.0.1", 0, door, threaded=True, request_handler=_Handler)
    with running(server):
        yield Served(service, door, f"http://127.0.0.1:{server.server_port}")
