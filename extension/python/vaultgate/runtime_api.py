"""Lambda's Extensions API, the four calls that an external extension makes.

Rules: Next waits for ever, as it must; everything else has a few seconds. Source: AWS Lambda Developer Guide, "Using
the Lambda Extensions API to create extensions".
"""

from __future__ import annotations

import json

from vaultgate.errors import ProtocolViolation
from vaultgate.model import Request
from vaultgate.transport import FOREVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vaultgate.clock import Clock
    from vaultgate.model import Answer, Origin
    from vaultgate.transport import Transport

_BASE = "/2020-01-01/extension"
_CALL_S = 5.0


class Event:
    """What Next gave.

    Args:
        kind: `INVOKE` or `SHUTDOWN`.
        deadline_ms: when it must be over, milliseconds since 1970; 0 where the event didn't say.
        reason: of a SHUTDOWN: SPINDOWN, TIMEOUT or FAILURE; else empty.
        request_id: of an INVOKE; else empty.
    """

    __slots__ = ("deadline_ms", "kind", "reason", "request_id")

    def __init__(self, kind: str, deadline_ms: int, reason: str, request_id: str) -> None:
        self.kind = kind
        self.deadline_ms = deadline_ms
        self.reason = reason
        self.request_id = request_id


class RuntimeApi:
    """The extension's side of the conversation.

    Args:
        api: what AWS_LAMBDA_RUNTIME_API named.
        name: the launcher's file name; Lambda knows the extension by it.
        identifier: what Lambda calls us, if we are registered already.
    """

    def __init__(self, api: Origin, name: str, transport: Transport, clock: Clock, identifier: str = "") -> None:
        self._api = api
        self._name = name
        self._transport = transport
        self._clock = clock
        self._id = identifier
        self._initialised = False

    @property
    def registered(self) -> bool:
        """Whether Lambda knows us: it takes one registration only."""
        return bool(self._id)

    @property
    def initialised(self) -> bool:
        """Whether Next was called: what goes wrong from then on is an exit's error, no longer the init's."""
        return self._initialised

    def register(self, events: tuple[str, ...]) -> None:
        """Register for events; the runtime may start once all extensions have.

        Raises:
            ProtocolViolation: Lambda refused.
            Unreachable: there is no Lambda here.
        """
        headers = (("Lambda-Extension-Name", self._name), ("Content-Type", "application/json"))
        answer = self._post("/register", headers, {"events": list(events)})
        self._id = answer.header("Lambda-Extension-Identifier") or ""
        if not answer.ok or not self._id:
            raise ProtocolViolation(f"Lambda refused to register the extension {self._name!r} (status {answer.status})")

    def next_event(self) -> Event:
        """Say that we are done, and wait for what comes; the sandbox may be frozen meanwhile."""
        self._initialised = True
        request = Request("GET", f"{_BASE}/event/next", (("Lambda-Extension-Identifier", self._id),))
        answer = self._transport.exchange(self._api, request, FOREVER)
        if not answer.ok:
            raise ProtocolViolation(f"Lambda answered Next with status {answer.status}")
        event = json.loads(answer.body)
        return Event(
            str(event.get("eventType", "")),
            int(event.get("deadlineMs") or 0),
            str(event.get("shutdownReason") or ""),
            str(event.get("requestId") or ""),
        )

    def init_error(self, kind: str, message: str) -> None:
        """Report that the init failed, and why; the extension must exit after this."""
        self._error("/init/error", kind, message)

    def exit_error(self, kind: str, message: str) -> None:
        """Report that the extension can't go on; it must exit after this."""
        self._error("/exit/error", kind, message)

    def _error(self, path: str, kind: str, message: str) -> None:
        headers = (
            ("Lambda-Extension-Identifier", self._id),
            ("Lambda-Extension-Function-Error-Type", f"Vaultgate.{kind}"),
        )
        self._post(path, headers, {"errorMessage": message, "errorType": f"Vaultgate.{kind}", "stackTrace": []})

    def _post(self, path: str, headers: tuple[tuple[str, str], ...], document: dict[str, object]) -> Answer:
        request = Request("POST", _BASE + path, headers, json.dumps(document).encode())
        return self._transport.exchange(self._api, request, self._clock.steady() + _CALL_S)
