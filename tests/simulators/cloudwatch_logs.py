"""CloudWatch Logs as its documentation has it, with every limit, and with the bad days of a network and a service.

Rules: what the service refuses is refused here, with its exception's name; what it takes is kept whole and can be read
back. It speaks HTTP, so that boto3 and our own sender meet it alike; signatures are checked as far as a stranger can: key,
session token, region, time and the signature itself. Faults are planted by a test and met by PutLogEvents in their order;
a fault that lands an event without an answer is what a time-out looks like from outside.

Sources: API_PutLogEvents, API_GetLogEvents, API_CreateLogGroup, API_PutRetentionPolicy, API_InputLogEvent and
API_RejectedLogEventsInfo of the Amazon CloudWatch Logs API reference; "CloudWatch Logs quotas". That a message may fill a
batch but for its 26 bytes, and that a stream just made may be unknown for a moment, is what users of the service report.
"""

from __future__ import annotations

import enum
import json
import re
import threading
from collections import Counter, deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from tests.simulators.aws_signature import Refusal, judge

from vaultgate_ops.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BATCH_BYTES = 1_048_576
EVENT_OVERHEAD = 26
BATCH_EVENTS = 10_000
BATCH_SPAN_MS = 24 * 3600 * 1000
OLDEST_MS = 14 * 24 * 3600 * 1000
NEWEST_MS = 2 * 3600 * 1000
PAGE_BYTES = 1_048_576
PAGE_EVENTS = 10_000
DAY_MS = 24 * 3600 * 1000
RETENTIONS = frozenset((1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653))
ACCOUNT, REGION = "123456789012", "us-east-1"
_GROUP_NAME = re.compile(r"[.\-_/#A-Za-z0-9]{1,512}")
_STREAM_NAME = re.compile(r"[^:*]{1,512}")
_DESCRIBED_AT_ONCE = 50


class Fault(enum.Enum):
    """What a call of PutLogEvents may meet."""

    THROTTLED = enum.auto()
    """400 ThrottlingException; nothing is kept."""
    UNAVAILABLE = enum.auto()
    """503 ServiceUnavailableException; nothing is kept."""
    INTERNAL = enum.auto()
    """500 InternalFailure after the events were kept."""
    DROPPED = enum.auto()
    """The connection ends without an answer; nothing is kept."""
    LANDED = enum.auto()
    """The connection ends without an answer after the events were kept."""
    HANGS = enum.auto()
    """The events are kept and no answer comes until ``release()``."""
    EXPIRED = enum.auto()
    """400 ExpiredTokenException; nothing is kept."""
    GARBLED = enum.auto()
    """A 200 that is no JSON, as a proxy on the way makes it; nothing is kept."""


class Event(NamedTuple):
    """One event as it was kept.

    Attributes:
        timestamp: of the event, ms since 1970.
        message: its text.
        ingested: when it came, ms since 1970.
    """

    timestamp: int
    message: str
    ingested: int


class TellsTime(Protocol):
    """As much of a clock as is needed here."""

    def wall(self) -> float:
        """Seconds since 1970-01-01 UTC."""


@dataclass
class Stream:
    """A log stream."""

    events: list[Event] = field(default_factory=list)
    unknown_for: int = 0


@dataclass
class Group:
    """A log group."""

    created: int
    kms_key: str | None = None
    retention_days: int | None = None
    streams: dict[str, Stream] = field(default_factory=dict)


class CloudWatchLogs:
    """The service, in memory.

    Args:
        clock: whose wall it goes by.
        keys: access key to (secret key, session token); None takes any signature.

    Attributes:
        faults: met by the next calls of PutLogEvents, in this order; ``None`` among them is a call without a fault.
        calls: how often each action was called.
        forbidden: actions that answer AccessDeniedException, such as ``CreateLogGroup``.
        kms_keys: ARNs of keys that a group may use.
        visible_after_s: how long after it came an event can be read.
        new_streams_unknown_for: how many calls of PutLogEvents don't know a new stream yet.
        empty_pages: how many pages of GetLogEvents are empty before the real ones, each with a token of its own.
        disliked: whether a message is refused for good, with its whole batch, for no reason that is documented.
        busiest: the most calls of PutLogEvents that were under way at once.
    """

    def __init__(self, clock: TellsTime | None = None, keys: dict[str, tuple[str, str]] | None = None) -> None:
        self.clock = clock or Clock()
        self.keys = keys
        self.groups: dict[str, Group] = {}
        self.faults: deque[Fault | None] = deque()
        self.calls: Counter[str] = Counter()
        self.forbidden: set[str] = set()
        self.kms_keys: set[str] = set()
        self.visible_after_s = 0.0
        self.new_streams_unknown_for = 0
        self.empty_pages = 0
        self.disliked: Callable[[str], bool] = lambda _: False
        self.busiest = 0
        self._under_way = 0
        self._lock = threading.Lock()
        self._released = threading.Event()

    def messages(self, group: str, stream: str) -> list[str]:
        """What was kept of a stream, in the order it came; none of one that doesn't exist."""
        with self._lock:
            found = self.groups.get(group, Group(0)).streams.get(stream, Stream())
            return [event.message for event in found.events]

    def release(self) -> None:
        """Let every call that hangs end, without an answer."""
        self._released.set()

    def answer(self, action: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Do what a call asks for.

        Returns:
            HTTP status and the JSON body.

        Raises:
            Refusal: the service's exception.
            Unanswered: the connection should end without an answer.
        """
        fault = None
        with self._lock:
            self.calls[action] += 1
            if action in self.forbidden:
                raise Refusal(
                    400, "AccessDeniedException", f"User is not authorized to perform: logs:{action} because no policy allows it"
                )
            if action == "PutLogEvents":
                fault = self.faults.popleft() if self.faults else None
                self._under_way += 1
                self.busiest = max(self.busiest, self._under_way)
        try:
            return self._meet(fault, action, request)
        finally:
            if action == "PutLogEvents":
                with self._lock:
                    self._under_way -= 1

    def _meet(self, fault: Fault | None, action: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if fault is Fault.THROTTLED:
            raise Refusal(400, "ThrottlingException", "Rate exceeded")
        if fault is Fault.UNAVAILABLE:
            raise Refusal(503, "ServiceUnavailableException", "The service cannot complete the request.")
        if fault is Fault.EXPIRED:
            raise Refusal(400, "ExpiredTokenException", "The security token included in the request is expired")
        if fault is Fault.DROPPED:
            raise Unanswered
        if fault is Fault.GARBLED:
            raise Unanswered(b"<html>proxy</html>")
        handler = _ACTIONS.get(action)
        if handler is None:
            raise Refusal(400, "UnknownOperationException", "")
        with self._lock:
            body = handler(self, request)
        if fault is Fault.INTERNAL:
            raise Refusal(500, "InternalFailure", "")
        if fault is Fault.HANGS:
            self._released.wait(60)
        if fault in {Fault.LANDED, Fault.HANGS}:
            raise Unanswered
        return 200, body

    def _create_group(self, request: dict[str, Any]) -> dict[str, Any]:
        name = str(request.get("logGroupName", ""))
        if not _GROUP_NAME.fullmatch(name):
            raise _invalid(f"Value at 'logGroupName' failed to satisfy constraint: {name!r}")
        if name in self.groups:
            raise Refusal(400, "ResourceAlreadyExistsException", "The specified log group already exists")
        self.groups[name] = Group(self._now(), self._key(request.get("kmsKeyId")))
        return {}

    def _associate_key(self, request: dict[str, Any]) -> dict[str, Any]:
        self._group(request).kms_key = self._key(request.get("kmsKeyId"))
        return {}

    def _key(self, arn: str | None) -> str | None:
        if arn is not None and arn not in self.kms_keys:
            raise _invalid(f"The specified KMS key does not exist or is not allowed to be used with Arn '{arn}'")
        return arn

    def _create_stream(self, request: dict[str, Any]) -> dict[str, Any]:
        group, name = self._group(request), str(request.get("logStreamName", ""))
        if not _STREAM_NAME.fullmatch(name):
            raise _invalid(f"Value at 'logStreamName' failed to satisfy constraint: {name!r}")
        if name in group.streams:
            raise Refusal(400, "ResourceAlreadyExistsException", "The specified log stream already exists")
        group.streams[name] = Stream(unknown_for=self.new_streams_unknown_for)
        return {}

    def _retain(self, request: dict[str, Any]) -> dict[str, Any]:
        days = request.get("retentionInDays")
        if days not in RETENTIONS:
            raise _invalid("Value at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set")
        self._group(request).retention_days = days
        return {}

    def _describe_groups(self, request: dict[str, Any]) -> dict[str, Any]:
        prefix = request.get("logGroupNamePrefix", "")
        names, token = _page_of_names(self.groups, prefix, request)
        described = [
            {
                "logGroupName": name,
                "creationTime": self.groups[name].created,
                "arn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}:*",
                "storedBytes": 0,
                "metricFilterCount": 0,
                **({"retentionInDays": days} if (days := self.groups[name].retention_days) else {}),
                **({"kmsKeyId": key} if (key := self.groups[name].kms_key) else {}),
            }
            for name in names
        ]
        return {"logGroups": described, **token}

    def _describe_streams(self, request: dict[str, Any]) -> dict[str, Any]:
        group = self._group(request)
        names, token = _page_of_names(group.streams, request.get("logStreamNamePrefix", ""), request)
        return {"logStreams": [{"logStreamName": name, "storedBytes": 0} for name in names], **token}

    def _put(self, request: dict[str, Any]) -> dict[str, Any]:
        stream = self._stream(request)
        if stream.unknown_for:
            stream.unknown_for -= 1
            raise _UNKNOWN_STREAM
        events = request.get("logEvents")
        if not isinstance(events, list) or not 1 <= len(events) <= BATCH_EVENTS:
            raise _invalid("Value at 'logEvents' failed to satisfy constraint: Member must have length between 1 and 10000")
        stamps = [_stamp(event) for event in events]
        self._sizes(events)
        if any(self.disliked(event["message"]) for event in events):
            raise _invalid("Log event is not valid.")
        if stamps != sorted(stamps):
            raise _invalid("Log events in a single PutLogEvents request must be in chronological order.")
        if stamps[-1] - stamps[0] > BATCH_SPAN_MS:
            raise _invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
        now, days = self._now(), self._group(request).retention_days
        old = sum(stamp < now - OLDEST_MS for stamp in stamps)
        expired = sum(stamp < now - days * DAY_MS for stamp in stamps) if days else 0
        new = sum(stamp <= now + NEWEST_MS for stamp in stamps)
        kept = events[max(old, expired) : new]
        stream.events += [Event(event["timestamp"], event["message"], now) for event in kept]
        rejected = {
            **({"tooOldLogEventEndIndex": old} if old else {}),
            **({"expiredLogEventEndIndex": expired} if expired > old else {}),
            **({"tooNewLogEventStartIndex": new} if new < len(stamps) else {}),
        }
        token = {"nextSequenceToken": "0"}
        return {**token, "rejectedLogEventsInfo": rejected} if rejected else token

    @staticmethod
    def _sizes(events: list[dict[str, Any]]) -> None:
        total = 0
        for event in events:
            message = event.get("message")
            if not isinstance(message, str) or not message:
                raise _invalid("Value at 'logEvents.1.member.message' failed to satisfy constraint: length of 1 or more")
            size = len(message.encode()) + EVENT_OVERHEAD
            if size > BATCH_BYTES:
                raise _invalid(f"Log event too large: {size} bytes exceeds limit of {BATCH_BYTES}")
            total += size
        if total > BATCH_BYTES:
            raise _invalid(f"Upload too large: {total} bytes exceeds limit of {BATCH_BYTES}")

    def _get(self, request: dict[str, Any]) -> dict[str, Any]:
        stream = self._stream(request)
        horizon = self._now() - int(self.visible_after_s * 1000)
        begin, end = request.get("startTime", 0), request.get("endTime", 1 << 62)
        visible = [event for event in stream.events if event.ingested <= horizon and begin <= event.timestamp < end]
        visible.sort(key=lambda event: event.timestamp)
        place, blank = 0, self.empty_pages
        token = request.get("nextToken")
        if token is None and not request.get("startFromHead"):
            place = max(0, len(visible) - int(request.get("limit", PAGE_EVENTS)))
        elif token is not None:
            place, blank = map(int, str(token)[2:].split("/"))
            if str(token).startswith("b/"):
                return {"events": [], "nextForwardToken": f"f/{place}/0", "nextBackwardToken": token}
        if blank:
            return {"events": [], "nextForwardToken": f"f/{place}/{blank - 1}", "nextBackwardToken": f"b/{place}/0"}
        page, room = [], PAGE_BYTES
        for event in visible[place : place + min(PAGE_EVENTS, int(request.get("limit", PAGE_EVENTS)))]:
            room -= len(event.message.encode()) + EVENT_OVERHEAD
            if room < 0 and page:
                break
            page.append({"timestamp": event.timestamp, "message": event.message, "ingestionTime": event.ingested})
        return {"events": page, "nextForwardToken": f"f/{place + len(page)}/0", "nextBackwardToken": f"b/{place}/0"}

    def _group(self, request: dict[str, Any]) -> Group:
        try:
            return self.groups[request.get("logGroupName", "")]
        except KeyError:
            raise Refusal(400, "ResourceNotFoundException", "The specified log group does not exist.") from None

    def _stream(self, request: dict[str, Any]) -> Stream:
        try:
            return self._group(request).streams[request.get("logStreamName", "")]
        except KeyError:
            raise _UNKNOWN_STREAM from None

    def _now(self) -> int:
        return int(self.clock.wall() * 1000)


_ACTIONS = {
    "CreateLogGroup": CloudWatchLogs._create_group,  # noqa: SLF001 - one class and the table of its actions
    "CreateLogStream": CloudWatchLogs._create_stream,  # noqa: SLF001 - as above
    "AssociateKmsKey": CloudWatchLogs._associate_key,  # noqa: SLF001 - as above
    "PutRetentionPolicy": CloudWatchLogs._retain,  # noqa: SLF001 - as above
    "DescribeLogGroups": CloudWatchLogs._describe_groups,  # noqa: SLF001 - as above
    "DescribeLogStreams": CloudWatchLogs._describe_streams,  # noqa: SLF001 - as above
    "PutLogEvents": CloudWatchLogs._put,  # noqa: SLF001 - as above
    "GetLogEvents": CloudWatchLogs._get,  # noqa: SLF001 - as above
}
_UNKNOWN_STREAM = Refusal(400, "ResourceNotFoundException", "The specified log stream does not exist.")


class Unanswered(Exception):
    """The connection should end; what is sent before that may be given."""

    @property
    def instead(self) -> bytes:
        """Body of a 200 to send instead of an answer; empty for nothing at all."""
        return bytes(self.args[0]) if self.args else b""


def _invalid(message: str) -> Refusal:
    return Refusal(400, "InvalidParameterException", message)


def _stamp(event: dict[str, Any]) -> int:
    stamp = event.get("timestamp")
    if not isinstance(stamp, int) or stamp < 0:
        raise _invalid("Value at 'logEvents.1.member.timestamp' failed to satisfy constraint: greater than or equal to 0")
    return stamp


def _page_of_names(things: dict[str, Any], prefix: str, request: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
    """The names of one page, and the token of the next where there is one."""
    names = sorted(name for name in things if name.startswith(prefix))
    start = int(request.get("nextToken", 0))
    end = start + min(_DESCRIBED_AT_ONCE, int(request.get("limit", _DESCRIBED_AT_ONCE)))
    return names[start:end], {"nextToken": str(end)} if end < len(names) else {}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, service: CloudWatchLogs) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.service = service

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that died in the middle of a call is no error of ours."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        service = self.server.service
        try:
            judge(self.headers, body, service.clock.wall(), service.keys, region=REGION, service="logs")
            action = self.headers["X-Amz-Target"].removeprefix("Logs_20140328.")
            try:
                request = json.loads(body)
            except ValueError:
                raise Refusal(400, "SerializationException", "") from None
            status, answer = service.answer(action, request)
        except Refusal as refusal:
            status, answer = refusal.status, {"__type": refusal.code, "message": refusal.message}
        except Unanswered as unanswered:
            self.close_connection = True
            if unanswered.instead:
                self._send(200, unanswered.instead)
            return
        self._send(status, json.dumps(answer).encode())

    def _send(self, status: int, body: bytes) -> None:
        with suppress(OSError):
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Of the simulated service's wall, not of this machine's."""
        return super().date_time_string(self.server.service.clock.wall() if timestamp is None else timestamp)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Say nothing."""


@contextmanager
def serving(service: CloudWatchLogs) -> Iterator[str]:
    """Serve it over HTTP while the block runs; gives its endpoint's URL."""
    server = _Server(service)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        service.release()
        server.shutdown()
        server.server_close()
        thread.join(10)
