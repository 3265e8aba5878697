"""What an answer of CloudWatch Logs means for the batch that was sent.

Rules: pure. An answer counts as a yes only where it is a 200 with a JSON object, whose ``rejectedLogEventsInfo`` is then
read; everything that can pass away by itself is tried again; what a person has to change is said in one sentence.

Sources: API_PutLogEvents, API_RejectedLogEventsInfo and "Common errors" of the Amazon CloudWatch Logs API reference;
botocore's ``retry/standard.py`` for the names under which AWS's services throttle.
"""

from __future__ import annotations

import enum
import json
from typing import Any, NamedTuple


class Answer(NamedTuple):
    """An HTTP answer.

    Attributes:
        status: HTTP's.
        body: as it came.
        server_time_ms: the service's clock, by its Date header, ms since 1970; None where it has none.
    """

    status: int
    body: bytes
    server_time_ms: int | None = None


class Verdict(enum.Enum):
    """What to do next."""

    ACCEPTED = enum.auto()
    """It is there, but for what was rejected inside it."""
    LATER = enum.auto()
    """Send it again after a while; it may have landed."""
    NEW_CREDENTIALS = enum.auto()
    """Look for other credentials, then send it again."""
    OTHER_TIME = enum.auto()
    """The signature's time is not the service's: go by the service's clock, then send it again."""
    NO_DESTINATION = enum.auto()
    """The group or the stream is not there."""
    REFUSED = enum.auto()
    """The batch itself is not to the service's liking; a smaller one may be."""
    DENIED = enum.auto()
    """Not with these permissions, or not here."""


class Judgement(NamedTuple):
    """A verdict with its circumstances.

    Attributes:
        verdict: what to do.
        code: the service's name for it, empty for a yes.
        message: its words.
        rejected: ranges [start, end) of the batch that were dropped inside a yes.
    """

    verdict: Verdict
    code: str = ""
    message: str = ""
    rejected: tuple[range, ...] = ()


_OK = 200
_TOO_LARGE = 413
_TOO_MANY = 429
_SERVER_ERRORS = 500
_CREDENTIALS = frozenset(
    ("ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException", "InvalidClientTokenId", "RequestExpired")
)
_TIMES = frozenset(("RequestTimeTooSkewed", "SignatureDoesNotMatch", "InvalidSignatureException"))
_WRONG_TIME = ("expired", "not yet current", "too skewed")
_PASSING = frozenset(
    (
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "LimitExceededException",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "ProvisionedThroughputExceededException",
        "PriorRequestNotComplete",
        "OperationAbortedException",
        "ServiceUnavailableException",
        "ServiceUnavailable",
        "RequestTimeout",
        "RequestTimeoutException",
    )
)
_DENIALS = frozenset(
    (
        "AccessDeniedException",
        "AccessDenied",
        "MissingAuthenticationTokenException",
        "MissingAuthenticationToken",
        "IncompleteSignature",
        "OptInRequired",
        "NotAuthorized",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
    )
)


def judge(answer: Answer, events: int) -> Judgement:
    """What an answer to a batch of so many events means."""
    document = _object(answer.body)
    if answer.status == _OK:
        if document is None:
            return Judgement(Verdict.LATER, "NotJson", "the answer is not CloudWatch Logs': something on the way made it")
        return Judgement(Verdict.ACCEPTED, rejected=_rejected(document.get("rejectedLogEventsInfo") or {}, events))
    code = str((document or {}).get("__type", "")).rpartition("#")[2].partition(":")[0]
    message = str((document or {}).get("message") or (document or {}).get("Message") or "")
    return Judgement(_verdict(answer.status, code, message), code or f"HTTP {answer.status}", message)


def _verdict(status: int, code: str, message: str) -> Verdict:
    verdict = Verdict.REFUSED
    # No code: not the service, but a proxy before it. Whoever finds a batch too large may take a smaller one.
    if status != _TOO_LARGE and (code in _PASSING or status == _TOO_MANY or status >= _SERVER_ERRORS or not code):
        verdict = Verdict.LATER
    elif code in _CREDENTIALS:
        verdict = Verdict.NEW_CREDENTIALS
    elif code in _TIMES and any(words in message.lower() for words in _WRONG_TIME):
        verdict = Verdict.OTHER_TIME
    elif code == "ResourceNotFoundException":
        verdict = Verdict.NO_DESTINATION
    elif code in _DENIALS:
        verdict = Verdict.DENIED
    return verdict


def _rejected(told: dict[str, Any], events: int) -> tuple[range, ...]:
    """The ranges that an answer names; ends are behind the last, the start is the first of its kind."""
    behind = max(int(told.get("tooOldLogEventEndIndex") or 0), int(told.get("expiredLogEventEndIndex") or 0))
    new = told.get("tooNewLogEventStartIndex")
    first_new = events if new is None else int(new)
    ranges = (range(min(behind, events)), range(max(0, min(first_new, events)), events))
    return tuple(one for one in ranges if one)


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(body)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
