"""Lambda's Extensions API over real HTTP on loopback, as an extension meets it.

Source: AWS Lambda Developer Guide, "Using the Lambda Extensions API to create extensions". Events are what a test puts in;
Next waits for them, as in a sandbox that is frozen meanwhile.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, TypeVar

from vaultgate.model import Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Api = TypeVar("Api", bound="LambdaApi")

IDENTIFIER = "4f8bd2a1-0000-4000-8000-000000000001"
_BASE = "/2020-01-01/extension"


class LambdaApi:
    """What Lambda knows of one extension.

    Attributes:
        calls: the last part of every path that was called, in order.
        registered: name and events, once registered.
        errors: what came to init/error and exit/error: the call, its error type, its document.
        refuse: a status to answer every registration with; None to register.
        events: what may be registered for.
        on_register: called while a registration is under way.
    """

    def __init__(self) -> None:
        self._events: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._closed = False
        self._life = 0
        self.calls: list[str] = []
        self.registered: tuple[str, list[str]] | None = None
        self.errors: list[tuple[str, str, dict[str, Any]]] = []
        self.refuse: int | None = None
        self.events = frozenset({"INVOKE", "SHUTDOWN"})
        self.on_register: Callable[[], None] = lambda: None
        self.origin = Origin("http", "127.0.0.1", 1)

    def invoke(self, deadline_ms: int = 0) -> None:
        """Let an INVOKE happen."""
        self.put({"eventType": "INVOKE", "deadlineMs": deadline_ms, "requestId": "request-1", "invokedFunctionArn": "arn"})

    def shut_down(self, reason: str = "SPINDOWN") -> None:
        """Let the sandbox end."""
        self.put({"eventType": "SHUTDOWN", "shutdownReason": reason, "deadlineMs": 0})

    def until(self, *calls: str, seconds: float = 10.0) -> None:
        """Wait until these are the calls that came."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.calls == list(calls), seconds):
                raise AssertionError(f"the calls were {self.calls}, not {list(calls)}")

    def until_asked(self, times: int, seconds: float = 20.0) -> None:
        """Wait until Next was called so often."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.calls.count("event/next") >= times, seconds):
                raise AssertionError(f"Next was not called {times} times, the calls were {self.calls}")

    def close(self) -> None:
        """Let go of whoever waits in Next."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def forget(self) -> None:
        """Take a registration again; what the extension of before still waits for, it doesn't get."""
        with self._changed:
            self._life += 1
            self.registered = None
            self.calls.clear()
            self._changed.notify_all()

    def put(self, event: dict[str, Any]) -> None:
        """Let any event happen."""
        with self._changed:
            self._events.append(event)
            self._changed.notify_all()

    def answer(self, method: str, path: str, headers: Any, document: Any) -> tuple[int, dict[str, str], object]:
        """Status, headers and document for a call."""
        call = path.removeprefix(_BASE + "/")
        with self._changed:
            self.calls.append(call)
            self._changed.notify_all()
        if (method, call) == ("POST", "register"):
            self.on_register()
            if self.registered is not None or self.refuse is not None or not self.events.issuperset(document["events"]):
                return self.refuse or 403, {}, {"errorType": "Extension.Refused"}
            self.registered = headers["Lambda-Extension-Name"], document["events"]
            return 200, {"Lambda-Extension-Identifier": IDENTIFIER}, {"functionName": "records", "handler": "h"}
        if headers["Lambda-Extension-Identifier"] != IDENTIFIER:
            return 403, {}, {"errorType": "Extension.UnknownExtensionIdentifier"}
        if (method, call) in {("POST", "init/error"), ("POST", "exit/error")}:
            self.errors.append((call, headers["Lambda-Extension-Function-Error-Type"], document))
            return 202, {}, {"status": "OK"}
        if (method, call) == ("GET", "event/next"):
            with self._changed:
                life = self._life
                self._changed.wait_for(lambda: self._events or self._closed or self._life != life, 30)
                return (200, {}, self._events.pop(0)) if self._events and self._life == life else (500, {}, {})
        return 404, {}, {}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        """Answer a call without a body."""
        self._answer(None)

    def do_POST(self) -> None:
        """Answer a call with a document."""
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"null"))

    def _answer(self, document: Any) -> None:
        status, headers, said = self.server.api.answer(self.command, self.path, self.headers, document)
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, api: LambdaApi) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.api = api


@contextmanager
def lambda_api() -> Iterator[LambdaApi]:
    """Run the API while the block runs."""
    with serving(LambdaApi()) as api:
        yield api


@contextmanager
def serving(api: Api) -> Iterator[Api]:
    """Run an API, perhaps one that knows more, while the block runs."""
    with _Server(api) as server:
        api.origin = Origin("http", "127.0.0.1", server.server_address[1])
        # Closed below: a poll of the default half second would be waited out by every test.
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield api
        finally:
            api.close()
            server.shutdown()
