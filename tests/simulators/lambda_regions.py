"""AWS Lambda in many regions, some of which may be down: moto keeps the layers, what stands here lets people in.

Rules: signatures are checked here, because moto's own check fails for every GET whose path has parameters (it takes them for the
body); what passes goes on to moto as it came. A request's region is the one that its signature names.
"""

from __future__ import annotations

import http.client
import json
import re
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from tests.simulators.aws_signature import Refusal, judge

from vaultgate_ops.clock import Clock
from vaultgate_ops.local import processes
from vaultgate_ops.local.aws import EmulatedAws

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PUBLISHER, READER, AUTHOR = (
    ("AKIAPUBLISHER", "publisher-secret"),
    ("AKIAREADER", "reader-secret"),
    ("AKIAAUTHOR", "author-secret"),
)
"""Access key and secret key of who may do everything, of who may only look, and of who may publish and not share."""

_SCOPE = re.compile(r"Credential=([^/]+)/\d+/([a-z0-9-]+)/")
_FRAMING = {"connection", "content-length", "transfer-encoding"}


class _Unguarded(EmulatedAws):
    """A moto server that lets everybody in."""

    def create(self, *_: str) -> None:
        """Start it."""
        self._folder.mkdir(mode=0o700)

        def attempt(port: int) -> None:
            self.port = port
            command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
            self._launch(command, extra={"PYTHONUNBUFFERED": "1"})

        processes.on_free_port(attempt)


class LambdaRegions(ThreadingHTTPServer):
    """The service.

    Attributes:
        down: regions that answer 503.
        silent: regions that answer nothing before `over` is set.
        calls: region, method and path of every request, in order.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, behind: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = behind
        self.down: set[str] = set()
        self.silent: set[str] = set()
        self.over = threading.Event()
        self.calls: list[tuple[str, str, str]] = []

    @property
    def endpoint(self) -> str:
        """Base URL, as in ``AWS_ENDPOINT_URL``."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def written(self) -> list[str]:
        """The regions in which something was to be changed, in order."""
        return [region for region, method, _ in self.calls if method != "GET"]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LambdaRegions

    def do_GET(self) -> None:
        """Answer, or let moto answer."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        try:
            self._judge(body)
        except Refusal as refusal:
            headers = {"x-amzn-ErrorType": refusal.code, "Content-Type": "application/json"}
            self._answer(refusal.status, headers, json.dumps({"Message": refusal.message}).encode())
            return
        behind = http.client.HTTPConnection("127.0.0.1", self.server.behind, timeout=30)
        try:
            behind.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                behind.putheader(name, value)
            behind.endheaders(body)
            answer = behind.getresponse()
            self._answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            behind.close()

    do_POST = do_GET  # noqa: N815 - the name is http.server's

    def _judge(self, body: bytes) -> None:
        scope = _SCOPE.search(self.headers.get("Authorization", ""))
        key, region = scope.groups() if scope else ("", "")
        self.server.calls.append((region, self.command, self.path))
        keys = {access_key: (secret_key, "") for access_key, secret_key in (PUBLISHER, READER, AUTHOR)}
        line = (self.command, self.path)
        judge(self.headers, body, Clock().wall(), keys, region=region, service="lambda", line=line)
        if region in self.server.silent:
            self.server.over.wait()
        if region in self.server.down:
            raise Refusal(503, "ServiceException", "the region is down")
        if key == READER[0] and self.command != "GET":
            raise Refusal(403, "AccessDeniedException", "not authorized to perform: lambda:PublishLayerVersion")
        if key == AUTHOR[0] and self.command != "GET" and self.path.endswith("/policy"):
            raise Refusal(403, "AccessDeniedException", "not authorized to perform: lambda:AddLayerVersionPermission")

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in _FRAMING:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def lambda_regions(folder: Path) -> Iterator[LambdaRegions]:
    """Run it while the block runs; its files go to the folder."""
    moto = _Unguarded(folder, Clock())
    moto.create()
    try:
        with LambdaRegions(moto.port) as server:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
            try:
                yield server
            finally:
                server.over.set()
                server.shutdown()
    finally:
        moto.stop()
