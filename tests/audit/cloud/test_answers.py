"""What an answer means for the batch that was sent."""

from __future__ import annotations

import json

import pytest

from vaultgate_ops.audit.answers import Answer, Verdict, judge


def said(code: str, message: str = "") -> bytes:
    """A body with an error's name, as the service writes it."""
    return json.dumps({"__type": f"com.amazonaws.logs#{code}:http://internal", "message": message}).encode()


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (200, b"{}", Verdict.ACCEPTED),
        (200, b"<html>", Verdict.LATER),
        (400, said("ThrottlingException"), Verdict.LATER),
        (400, b"", Verdict.LATER),
        (413, b"", Verdict.REFUSED),
        (413, b"<html>too large</html>", Verdict.REFUSED),
        (429, said("Anything"), Verdict.LATER),
        (503, said("InvalidParameterException"), Verdict.LATER),
        (400, said("InvalidParameterException"), Verdict.REFUSED),
        (400, said("ExpiredTokenException"), Verdict.NEW_CREDENTIALS),
        (400, said("InvalidSignatureException", "Signature expired: now"), Verdict.OTHER_TIME),
        (400, said("InvalidSignatureException", "does not match"), Verdict.DENIED),
        (400, said("ResourceNotFoundException"), Verdict.NO_DESTINATION),
        (400, said("AccessDeniedException"), Verdict.DENIED),
    ],
)
def test_each_answer_has_its_verdict(status: int, body: bytes, verdict: Verdict) -> None:
    """What can pass is tried again, what is too large is halved, what a person must change is told."""
    assert judge(Answer(status, body), 3).verdict is verdict


def test_what_was_dropped_inside_a_yes_is_told() -> None:
    """Ends are behind the last of their kind, the start is the first, and neither leaves the batch."""
    body = json.dumps(
        {"rejectedLogEventsInfo": {"tooOldLogEventEndIndex": 1, "expiredLogEventEndIndex": 2, "tooNewLogEventStartIndex": 8}}
    )
    assert judge(Answer(200, body.encode()), 10).rejected == (range(2), range(8, 10))
    assert judge(Answer(200, body.encode()), 1).rejected == (range(1),)
