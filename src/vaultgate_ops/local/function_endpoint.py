"""Lambda's Invoke API, as AWS's Runtime Interface Emulator serves it.

Rules: one invocation at a time, callers queue here, because an overlapping one panics the emulator. A function's own error
is a result like any other, as it is for Lambda's callers; exceptions are for what kept the function from answering.
Source: github.com/aws/aws-lambda-runtime-interface-emulator, cmd/aws-lambda-rie/handlers.go.
"""

from __future__ import annotations

import http
import http.client
import json
import threading
from typing import Any
from urllib.parse import urlsplit

from vaultgate_ops.errors import CheckFailed, Unreachable, UsageProblem

INVOKE_PATH = "/2015-03-31/functions/function/invocations"
_TIMED_OUT = b"Task timed out after"
_MAX_WAIT_S = 15 * 60 + 30.0  # a function's longest time-out, and the emulator's shutting down of it


class FunctionTimedOut(CheckFailed):
    """The function did not answer within its time-out; its sandbox is being reset."""


class InitFailed(CheckFailed):
    """An extension did not come up, so neither did the function; the emulator tells no more than that to its caller."""


class FunctionEndpoint:
    """One emulator. Safe for threads; not for several processes, which can't see each other's queue.

    Args:
        url: of the Invoke API, with its path: ``http://127.0.0.1:PORT/2015-03-31/functions/function/invocations``.

    Raises:
        UsageProblem: ``url`` is none.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname or not parts.port:
            raise UsageProblem(f"{url!r} is not the address of a function.", f"Use http://HOST:PORT{INVOKE_PATH}.")
        self.url = url
        self._host, self._port, self._path = parts.hostname, parts.port, parts.path or INVOKE_PATH
        self._turn = threading.Lock()

    def invoke(self, event: Any) -> Any:
        """Run the function once, after those that asked before.

        Args:
            event: any JSON value.

        Returns:
            what the function returned, or ``{"errorMessage", "errorType", ...}`` if it or its runtime failed.

        Raises:
            FunctionTimedOut: it ran out of time.
            InitFailed: an extension did not come up.
            Unreachable: the emulator is not there, died, or answered without a result.
        """
        with self._turn:
            status, body = self._exchange(json.dumps(event).encode())
        if body.startswith(_TIMED_OUT):
            raise FunctionTimedOut(f"The function did not answer: {body.decode(errors='replace')}.")
        if status == http.HTTPStatus.BAD_GATEWAY and not body:
            raise InitFailed("The sandbox did not come up.")
        try:
            return json.loads(body)
        except ValueError as error:
            raise Unreachable(f"The Lambda emulator answered with status {status} and no result.") from error

    def _exchange(self, body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_MAX_WAIT_S)
        try:
            connection.request("POST", self._path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"The Lambda emulator at {self._host}:{self._port} does not answer: {error}.") from error
        finally:
            connection.close()
