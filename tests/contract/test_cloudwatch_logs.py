"""The simulator of CloudWatch Logs and moto's, asked the same; what moto doesn't know, only the simulator is asked.

moto takes events of 1.5 MB, batches of 2 MB, 10,001 events and a span of 25 hours: it is no judge of limits.
"""

from __future__ import annotations

import uuid
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.simulators.aws_signature import Refusal
from tests.simulators.clock import MovableClock
from tests.simulators.cloudwatch_logs import BATCH_BYTES, BATCH_EVENTS, EVENT_OVERHEAD, CloudWatchLogs, serving

from vaultgate_ops.clock import Clock
from vaultgate_ops.local.aws import Credentials

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vaultgate_ops.local.stack import Stack

DAY_MS = 24 * 3600 * 1000
KEYS = Credentials("AKIDSIMULATED", "simulated-secret", "simulated-session")


class Side(NamedTuple):
    """A service, and a group and stream of its own for one test."""

    client: Any
    group: str
    stream: str
    now_ms: int

    def put(self, *events: tuple[int, str]) -> dict[str, Any]:
        """Put events of (age in ms, message)."""
        shaped = [{"timestamp": self.now_ms - age, "message": message} for age, message in events]
        return dict(self.client.put_log_events(logGroupName=self.group, logStreamName=self.stream, logEvents=shaped))

    def get(self, **more: Any) -> dict[str, Any]:
        """One page from the head on."""
        named = {"logGroupName": self.group, "logStreamName": self.stream, "startFromHead": True, **more}
        return dict(self.client.get_log_events(**named))

    def refused(self, **call: Any) -> str:
        """The exception's name that a call of this client meets."""
        action = call.pop("action")
        with pytest.raises(ClientError) as caught:
            getattr(self.client, action)(**call)
        return str(caught.value.response["Error"]["Code"])


def make_client(endpoint: str, credentials: Credentials = KEYS, region: str = "us-east-1") -> Any:
    """A client of botocore's without retries."""
    return botocore.session.Session().create_client(
        "logs",
        region_name=region,
        endpoint_url=endpoint,
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        aws_session_token=credentials.session_token or None,
        config=Config(retries={"total_max_attempts": 1}, read_timeout=10, proxies={}),
    )


@pytest.fixture(params=["simulator", "moto"])
def side(request: pytest.FixtureRequest) -> Iterator[Side]:
    """Each of the two, with one stream."""
    if request.param == "simulator":
        # This machine's clock: botocore signs by it.
        service = CloudWatchLogs(Clock(), {KEYS.access_key: (KEYS.secret_key, KEYS.session_token)})
        with serving(service) as endpoint, closing(make_client(endpoint)) as client:
            yield _made(client, int(Clock().wall() * 1000))
        return
    stack: Stack = request.getfixturevalue("stack")
    with stack.aws.client("logs") as client:
        yield _made(client, int(Clock().wall() * 1000))


def _made(client: Any, now_ms: int) -> Side:
    made = Side(client, f"/vault/audit/{uuid.uuid4().hex}", "node-1/file", now_ms)
    client.create_log_group(logGroupName=made.group)
    client.create_log_stream(logGroupName=made.group, logStreamName=made.stream)
    return made


def test_what_is_put_is_read_back_in_the_order_of_its_timestamps(side: Side) -> None:
    """Messages come back as they were, sorted by time though they came in two calls the other way round."""
    side.put((1000, '{"later": "\\u00e9 \u00e9 \x00"}\r'))
    side.put((2000, " earlier "))
    assert [event["message"] for event in side.get()["events"]] == [" earlier ", '{"later": "\\u00e9 \u00e9 \x00"}\r']


def test_pages_follow_one_another_until_the_token_stays_the_same(side: Side) -> None:
    """Reading on with the forward token gives each event once, and at the end the token that was sent."""
    side.put(*((100 - n, f"line {n}") for n in range(25)))
    seen: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = side.get(limit=10, **token)
        seen += [event["message"] for event in page["events"]]
        if page["nextForwardToken"] == token.get("nextToken"):
            break
        token = {"nextToken": page["nextForwardToken"]}
    assert seen == [f"line {n}" for n in range(25)]


def test_names_that_exist_are_refused(side: Side) -> None:
    """A second group or stream of one name is ResourceAlreadyExistsException."""
    assert side.refused(action="create_log_group", logGroupName=side.group) == "ResourceAlreadyExistsException"
    named = {"logGroupName": side.group, "logStreamName": side.stream}
    assert side.refused(action="create_log_stream", **named) == "ResourceAlreadyExistsException"


@pytest.mark.parametrize("missing", ["group", "stream"])
def test_events_for_nobody_are_refused(side: Side, missing: str) -> None:
    """An unknown group or stream is ResourceNotFoundException."""
    named = {"logGroupName": side.group, "logStreamName": side.stream, f"log{missing.title()}Name": "nobody"}
    event = {"timestamp": side.now_ms, "message": "x"}
    assert side.refused(action="put_log_events", logEvents=[event], **named) == "ResourceNotFoundException"


def test_old_and_new_events_are_dropped_inside_a_200(side: Side) -> None:
    """What is over 14 days old or over 2 hours ahead is named in rejectedLogEventsInfo; the rest is kept."""
    old = side.put((15 * DAY_MS, "old"))
    assert old["rejectedLogEventsInfo"]["tooOldLogEventEndIndex"] >= 0
    new = side.put((1000, "fits"), (-3 * 3600 * 1000, "new"))
    assert new["rejectedLogEventsInfo"]["tooNewLogEventStartIndex"] == 1
    assert [event["message"] for event in side.get()["events"]] == ["fits"]


def test_events_out_of_order_are_refused(side: Side) -> None:
    """A batch has to be in chronological order."""
    events = [{"timestamp": side.now_ms - age, "message": "x"} for age in (1000, 2000)]
    named = {"logGroupName": side.group, "logStreamName": side.stream}
    assert side.refused(action="put_log_events", logEvents=events, **named) == "InvalidParameterException"


def test_retention_is_one_of_a_list(side: Side) -> None:
    """A retention is kept and described."""
    side.client.put_retention_policy(logGroupName=side.group, retentionInDays=30)
    (group,) = side.client.describe_log_groups(logGroupNamePrefix=side.group)["logGroups"]
    assert group["retentionInDays"] == 30


def _events(*sizes: int, step_ms: int = 0) -> list[dict[str, Any]]:
    start = int(MovableClock().wall() * 1000) - BATCH_EVENTS * 10 - 2 * DAY_MS
    return [{"timestamp": start + n * step_ms, "message": "m" * size} for n, size in enumerate(sizes)]


LARGEST = BATCH_BYTES - EVENT_OVERHEAD
HALF = BATCH_BYTES // 2 - EVENT_OVERHEAD


@pytest.mark.parametrize(
    ("events", "taken"),
    [
        pytest.param(_events(LARGEST), True, id="the largest message"),
        pytest.param(_events(LARGEST + 1), False, id="a byte more"),
        pytest.param(_events(HALF, HALF), True, id="a full batch"),
        pytest.param(_events(HALF, HALF + 1), False, id="a byte over the batch"),
        pytest.param(_events(*[1] * BATCH_EVENTS), True, id="10,000 events"),
        pytest.param(_events(*[1] * (BATCH_EVENTS + 1)), False, id="10,001 events"),
        pytest.param(_events(1, 1, step_ms=DAY_MS), True, id="24 hours"),
        pytest.param(_events(1, 1, step_ms=DAY_MS + 1), False, id="24 hours and a millisecond"),
        pytest.param(_events(0), False, id="an empty message"),
        pytest.param([], False, id="no event"),
        pytest.param([{"timestamp": -1, "message": "m"}], False, id="before 1970"),
    ],
)
def test_the_simulator_knows_every_limit(events: list[dict[str, Any]], *, taken: bool) -> None:
    """A batch within all limits is kept; one beyond any is refused whole."""
    service = CloudWatchLogs(MovableClock())
    named = {"logGroupName": "group", "logStreamName": "stream"}
    service.answer("CreateLogGroup", named)
    service.answer("CreateLogStream", named)
    with nullcontext() if taken else pytest.raises(Refusal, match="InvalidParameterException"):
        service.answer("PutLogEvents", {**named, "logEvents": events})
    assert len(service.messages("group", "stream")) == (len(events) if taken else 0)


@pytest.mark.parametrize(
    ("keys", "region", "ahead_s", "code"),
    [
        pytest.param(KEYS._replace(secret_key="other"), "us-east-1", 0, "InvalidSignatureException", id="a wrong key"),
        pytest.param(KEYS._replace(session_token="other"), "us-east-1", 0, "UnrecognizedClientException", id="another token"),
        pytest.param(KEYS, "eu-west-1", 0, "InvalidSignatureException", id="another region"),
        pytest.param(KEYS, "us-east-1", 301, "InvalidSignatureException", id="a signature too old"),
        pytest.param(KEYS, "us-east-1", -301, "InvalidSignatureException", id="a signature not yet current"),
    ],
)
def test_the_simulator_judges_signatures(keys: Credentials, region: str, ahead_s: int, code: str) -> None:
    """Key, token, region and time have to fit."""
    service = CloudWatchLogs(MovableClock(Clock().wall() + ahead_s), {KEYS.access_key: (KEYS.secret_key, KEYS.session_token)})
    with (
        serving(service) as endpoint,
        closing(make_client(endpoint, keys, region)) as client,
        pytest.raises(ClientError) as caught,
    ):
        client.describe_log_groups()
    assert caught.value.response["Error"]["Code"] == code
