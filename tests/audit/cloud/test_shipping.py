"""The mirror behind S3 events, with emulated S3 and CloudWatch Logs: twice, half-way, gzipped."""

from __future__ import annotations

import gzip
import json
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import botocore.session
import pytest
from tests.audit.cloud.conftest import QUICK, File, entry

from vaultgate_ops.audit.cloudwatch import CloudWatchLogs, Service
from vaultgate_ops.audit.destinations import Creation
from vaultgate_ops.audit.envelope import Reassembly
from vaultgate_ops.audit.function import Handler, NotDone, place, sources
from vaultgate_ops.audit.model import Destination
from vaultgate_ops.audit.objects import ObjectReader, Progress, ProgressFile, Source
from vaultgate_ops.audit.sender import CloudWatchSender, open_sender
from vaultgate_ops.audit.shipping import ENDING_S, Outcome, Place, Shipping
from vaultgate_ops.audit.verify import read_back
from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import CheckFailed, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vaultgate_ops.local.stack import Stack

LINES = [entry(number) for number in range(3000)]
STREAM = "node-1/file"
KEY = f"{STREAM}/audit 2026-11-21.log"
LONG_S = 60.0


class Bucket(NamedTuple):
    """A bucket with its log group."""

    s3: Any
    name: str
    group: str
    service: CloudWatchLogs
    session: botocore.session.Session

    def put(self, content: bytes, key: str = KEY) -> Source:
        """Store an object; as an event names it."""
        etag = self.s3.put_object(Bucket=self.name, Key=key, Body=content)["ETag"]
        return Source(self.name, key, etag.strip('"'))

    def shipping(self, clock: Clock | None = None, **chosen: Any) -> Shipping:
        """The mirror."""
        place = Place(self.group, **chosen)
        return Shipping(self.s3, place, self.sender, clock or Clock())

    def sender(self, destination: Destination) -> CloudWatchSender:
        """A way to the log group."""
        service = Service("us-east-1", self.service.endpoint)
        return open_sender(service, destination, Creation(), Clock(), pace=QUICK, session=self.session)

    def lines(self) -> Counter[bytes]:
        """What arrived."""
        with self.service.client() as client:
            reassembly, found, token = Reassembly(), Counter[bytes](), {}
            while True:
                page = client.get_log_events(logGroupName=self.group, logStreamName=STREAM, startFromHead=True, **token)
                found.update(line.content for event in page["events"] if (line := reassembly.line(event["message"])))
                if page["nextForwardToken"] == token.get("nextToken"):
                    return found
                token = {"nextToken": page["nextForwardToken"]}


@pytest.fixture
def bucket(stack: Stack) -> Iterator[Bucket]:
    """A bucket and a log group of the stack's emulated AWS, for one test."""
    session = botocore.session.Session()
    session.set_credentials(stack.aws.administrator.access_key, stack.aws.administrator.secret_key)
    service = CloudWatchLogs(Service("us-east-1", stack.aws.endpoint), Clock(), session)
    name = f"audit-{uuid.uuid4().hex}"
    with stack.aws.client("s3") as s3, stack.aws.client("logs") as logs:
        s3.create_bucket(Bucket=name)
        logs.create_log_group(logGroupName=f"/vault/{name}")
        yield Bucket(s3, name, f"/vault/{name}", service, session)
    service.close()


class Late(Clock):
    """A clock on which each look at the steady hand takes a while.

    Args:
        step_s: how long.
    """

    def __init__(self, step_s: float) -> None:
        self._steps, self._step_s = 0, step_s

    def steady(self) -> float:
        """Later each time."""
        self._steps += 1
        return super().steady() + self._steps * self._step_s


@pytest.mark.parametrize("zipped", [False, True])
def test_an_object_arrives_once_though_s3_tells_of_it_twice(bucket: Bucket, *, zipped: bool) -> None:
    """Gzipped, of two members, or not; with a long line, and what stands behind the last newline as a fragment."""
    lines = [*LINES[:1500], b"long" * 400_000, *LINES[1500:]]
    content = File(*lines).content
    middle = len(content) // 2
    stored = gzip.compress(content[:middle]) + gzip.compress(content[middle:] + b"{torn") if zipped else content + b"{torn"
    source = bucket.put(stored)
    assert [bucket.shipping().ship(source, LONG_S) for _ in range(2)] == [Outcome.DONE] * 2
    assert bucket.lines() == Counter([*lines, b"{torn"])
    found = read_back(bucket.service, Destination(bucket.group, STREAM)).findings()
    assert (found.complete, found.lines) == (True, len(lines) + 1)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_run_that_ends_in_the_middle_is_gone_on_with(bucket: Bucket, *, zipped: bool) -> None:
    """From where it was, not from the beginning: nothing is sent twice, and the proofs know no gap."""
    content = File(*(LINES * 3)).content
    source = bucket.put(gzip.compress(content) if zipped else content)
    outcomes = [bucket.shipping(Late(1.5)).ship(source, ENDING_S + 4) for _ in range(2)]
    assert outcomes == [Outcome.UNFINISHED] * 2
    assert 0 < bucket.lines().total() < len(LINES) * 3
    assert bucket.shipping().ship(source, LONG_S) is Outcome.DONE
    assert bucket.lines() == Counter(LINES * 3)
    found = read_back(bucket.service, Destination(bucket.group, STREAM)).findings()
    assert (found.complete, found.lines, found.duplicates) == (True, len(LINES) * 3, 0)


def test_an_object_that_somebody_works_on_is_left_to_them(bucket: Bucket) -> None:
    """Until their time is up: then it is taken over."""
    source = bucket.put(File(*LINES[:5]).content)
    kept = ProgressFile(bucket.s3, bucket.name, Place("").state_prefix, source)
    assert kept.save(Progress(until_s=Clock().wall() + 100))
    assert bucket.shipping().ship(source, LONG_S) is Outcome.BUSY
    assert kept.save(Progress(until_s=Clock().wall() - 1))
    assert bucket.shipping().ship(source, LONG_S) is Outcome.DONE


def test_of_two_that_begin_at_once_one_gives_way(bucket: Bucket) -> None:
    """Progress is written only where nobody wrote meanwhile."""
    source = bucket.put(b"")
    both = [ProgressFile(bucket.s3, bucket.name, "p/", source) for _ in range(2)]
    assert [one.load() for one in both] == [Progress()] * 2
    assert [one.save(Progress(offset=number)) for number, one in enumerate(both)] == [True, False]
    assert both[1].load() == Progress(offset=0)
    assert both[1].save(Progress(offset=7))
    assert not both[0].save(Progress(offset=8))


def test_other_content_of_the_same_name_is_another_object(bucket: Bucket) -> None:
    """A name that is used again is mirrored again."""
    for lines in (LINES[:5], LINES[5:9]):
        assert bucket.shipping().ship(bucket.put(File(*lines).content), LONG_S) is Outcome.DONE
    assert bucket.lines() == Counter(LINES[:9])


def test_an_empty_object_and_our_own_progress_are_nothing_to_do(bucket: Bucket) -> None:
    """Neither makes a stream."""
    assert bucket.shipping().ship(bucket.put(b""), LONG_S) is Outcome.DONE
    assert bucket.shipping().ship(bucket.put(b"{}", "vaultgate-mirror/x.json"), LONG_S) is Outcome.SKIPPED
    with bucket.service.client() as client:
        assert client.describe_log_streams(logGroupName=bucket.group)["logStreams"] == []


def test_secrets_in_clear_are_not_shipped(bucket: Bucket) -> None:
    """Unless that is asked for; the object is not taken as done, nor as worked on."""
    source = bucket.put(b'{"auth":{"client_token":"hvs.plain-token-of-somebody"},"time":"x","type":"request"}\n')
    for _ in range(2):
        with pytest.raises(CheckFailed, match="token in clear"):
            bucket.shipping().ship(source, LONG_S)
    assert bucket.shipping(raw_allowed=True).ship(source, LONG_S) is Outcome.DONE


@pytest.mark.parametrize("zipped", [False, True])
def test_a_reader_goes_forwards_and_back(bucket: Bucket, *, zipped: bool) -> None:
    """Any place, any length, past the end too."""
    content = File(*LINES).content
    reader = ObjectReader(bucket.s3, bucket.put(gzip.compress(content) if zipped else content))
    for start, length in [
        (0, 10),
        (5, 100),
        (100_000, 50),
        (99, 1),
        (len(content) - 3, 10),
        (len(content), 5),
        (len(content) + 9, 5),
    ]:
        assert reader.pread(start, length) == content[start : start + length]
    reader.close()


def test_events_come_from_s3_or_from_a_queue() -> None:
    """Keys are decoded; S3's own test message is about no object."""
    told = {"Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": "node-1/audit+2026%3D1.log", "eTag": "e"}}}]}
    queued = {"Records": [{"body": json.dumps(told)}, {"body": json.dumps({"Event": "s3:TestEvent"})}]}
    assert list(sources(told)) == list(sources(queued)) == [Source("b", "node-1/audit 2026=1.log", "e")]


def test_settings_are_checked_at_once() -> None:
    """Every problem is named."""
    with pytest.raises(UsageProblem, match="AUDIT_LOG_GROUP is missing; AUDIT_FORCE_RAW='yes'"):
        place({"AUDIT_FORCE_RAW": "yes"})


def test_the_function_says_what_it_did_and_asks_for_what_is_left(
    bucket: Bucket, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Done is counted; an object that somebody works on makes the event come again."""
    keys = stack.aws.administrator
    for name, value in {
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": stack.aws.endpoint,
    }.items():
        monkeypatch.setenv(name, value)
    context: Any = type("Context", (), {"get_remaining_time_in_millis": lambda _: 60_000})()
    handler = Handler({"AUDIT_LOG_GROUP": bucket.group})
    source = bucket.put(File(*LINES[:5]).content)
    event = {"Records": [{"s3": {"bucket": {"name": bucket.name}, "object": {"key": source.key, "eTag": source.etag}}}]}
    assert handler(event, context) == {"done": 1}
    assert bucket.lines() == Counter(LINES[:5])
    busy = bucket.put(File(*LINES[:6]).content)
    ProgressFile(bucket.s3, bucket.name, Place("").state_prefix, busy).save(Progress(until_s=Clock().wall() + 100))
    event["Records"][0]["s3"]["object"]["eTag"] = busy.etag
    with pytest.raises(NotDone, match="1 objects are not done"):
        handler(event, context)
