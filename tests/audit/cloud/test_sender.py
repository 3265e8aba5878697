"""The sender before a service that has bad days: nothing is lost, nothing is called done too early."""

from __future__ import annotations

import base64
import itertools
import json
import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from botocore.session import Session
from tests.audit.cloud.conftest import DESTINATION, IDENTITY, QUICK, File, Way, entry, send, session
from tests.simulators.cloudwatch_logs import CloudWatchLogs as Simulator
from tests.simulators.cloudwatch_logs import Fault, serving

from vaultgate_ops.audit import envelope, proofs
from vaultgate_ops.audit.cloudwatch import CloudWatchLogs, Service
from vaultgate_ops.audit.destinations import Creation
from vaultgate_ops.audit.model import FileIdentity, Position, Span
from vaultgate_ops.audit.sender import open_sender
from vaultgate_ops.audit.verify import read_back
from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import CheckFailed, Denied, OpsError, Unreachable, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LINES = [entry(number) for number in range(300)]
DAY_S = 24 * 3600


def test_every_line_arrives_as_it_was(way: Way) -> None:
    """Vault's line is the message, nothing is added to it; the position behind the last one is acknowledged."""
    sender = way.open()
    file = File(*LINES)
    assert send(sender, file)
    assert way.simulator.messages(DESTINATION.group, DESTINATION.stream) == [line.decode() for line in LINES]
    done = sender.acknowledged()
    assert done is not None
    assert (done.identity, done.offset, done.lines) == (IDENTITY, len(file.content), len(LINES))
    assert way.said == []


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"x",
        b"\xff\x00\xfe",
        "\u00e9 \u0000\r".encode(),
        next(envelope.messages(envelope.plan(envelope.reads(b"x"), 1, "here"), envelope.reads(b"x"))),
        b"prefix: " + LINES[0],
        b'<json:object name="jsonx"></json:object>',
        b"L" * 1_048_550,
        b"L" * 1_048_551,
        b'{"long":"' + b'\\"' * 700_000 + b'"}',
        b"\xff" * 1_500_000,
    ],
    ids=lambda line: f"{line[:12]!r} {len(line)}",
)
def test_any_line_survives_the_way(way: Way, line: bytes) -> None:
    """Among others, from memory or from the file, twice, with the count that it has."""
    lines = [LINES[0], line, line, LINES[1]]
    assert send(way.open(), File(*lines))
    assert way.lines() == Counter(lines)


def test_a_fragment_says_that_it_is_one(way: Way) -> None:
    """It travels in an envelope, the entry that was glued to it as itself, and both are counted."""
    file = File(LINES[0], b'{"auth":{"torn', LINES[1], torn=frozenset({1}))
    sender = way.open()
    assert send(sender, file)
    _, fragment, salvaged = way.simulator.messages(DESTINATION.group, DESTINATION.stream)
    assert '"torn":true' in fragment
    assert salvaged == LINES[1].decode()
    assert sender.counts.torn == 1
    proof = proofs.parse(way.proofs()[0])
    assert proof is not None
    assert (proof.torn, len(proof.ids), proof.end) == (1, 3, len(file.content))


@pytest.mark.parametrize("fault", list(Fault))
def test_a_fault_costs_nothing_but_time(way: Way, fault: Fault) -> None:
    """Lines and proofs that met it are sent again until they are accepted; what may have landed arrives twice at most."""
    way.simulator.faults.extend([fault, None, fault])
    sender = way.open()
    assert send(sender, File(*LINES))
    lines = way.lines()
    assert set(lines) == set(LINES)
    assert max(lines.values()) <= (3 if fault in {Fault.LANDED, Fault.INTERNAL, Fault.HANGS} else 1)
    assert sender.calls.repeated == 2


@pytest.mark.parametrize("disliked", [7, 0, 299], ids=str)
def test_a_line_that_is_refused_for_good_travels_in_base64(way: Way, disliked: int) -> None:
    """The others go as themselves; what arrives is what was written, and the evidence is whole."""
    lines = [*LINES, b"x" * 1_500_000]
    way.simulator.disliked = lambda message: message == LINES[disliked].decode() or "xxx" in message
    assert send(way.open(), File(*lines))
    assert way.lines() == Counter(lines)
    assert [line for line in LINES if line.decode() not in way.messages()] == [LINES[disliked]]
    assert read_back(way.service, DESTINATION).findings().complete


def test_a_line_that_is_refused_in_every_form_is_told_of(way: Way) -> None:
    """With file, number and place, to whoever listens and in its stream; what comes behind it is not held up."""
    hidden = base64.b64encode(LINES[200])[:40].decode()
    way.simulator.disliked = lambda message: message == LINES[200].decode() or hidden in message
    sender = way.open()
    assert send(sender, File(*LINES))
    assert way.lines() - Counter(LINES) == Counter(message.encode() for message in way.messages() if "refused" in message)
    assert Counter(LINES) - way.lines() == Counter(LINES[200:201])
    done = sender.acknowledged()
    assert done is not None
    assert done.lines == len(LINES)
    assert [sentence for sentence in way.said if "line 201 of file abababababab" in sentence]
    found = read_back(way.service, DESTINATION).findings()
    assert [(place.first, place.last) for place in found.missing] == [(200, 200)]
    assert found.foreign == 0
    (note,) = found.notes
    assert "line 201 of" in note
    assert "Log event is not valid" in note


def test_a_service_that_refuses_everything_is_given_nothing_up_for(way: Way) -> None:
    """It ends the mirror with what the service says; nothing is called done, though proofs would be taken."""
    way.simulator.disliked = lambda message: "vaultgate_proof" not in message
    sender = way.open()
    with pytest.raises(CheckFailed, match="Log event is not valid"):
        send(sender, File(*LINES[:5]))
    with pytest.raises(CheckFailed):
        sender.acknowledged()
    assert way.messages() == way.proofs() == []


def test_what_goes_wrong_is_said_once_and_so_is_its_end(way: Way) -> None:
    """Not for every call."""
    way.simulator.faults.extend([Fault.THROTTLED] * 5)
    assert send(way.open(), File(*LINES[:3]))
    assert len(way.said) == 2
    assert "ThrottlingException: Rate exceeded" in way.said[0]
    assert way.said[1] == "CloudWatch Logs takes events again"


def test_nothing_is_acknowledged_before_its_proof_arrived(way: Way, eventually: Callable[[Callable[[], object]], None]) -> None:
    """Lines that are there without their evidence would be sent again after a crash, never the other way round."""
    way.simulator.faults.extend([None, *[Fault.UNAVAILABLE] * 10_000])
    sender = way.open()
    sender.begin(Position(IDENTITY))
    file = File(*LINES[:5])
    sender.offer(Span(IDENTITY, file.entries), file)
    eventually(lambda: way.lines() == Counter(LINES[:5]) and sender.calls.repeated > 2)
    assert sender.acknowledged() is None
    assert not sender.flush(Clock().steady() + 0.05)
    way.simulator.faults.clear()
    assert sender.flush(Clock().steady() + 20)
    assert sender.acknowledged() is not None


def test_batches_that_overtake_others_are_not_acknowledged_first(
    way: Way, eventually: Callable[[Callable[[], object]], None]
) -> None:
    """While the first call hangs, the others arrive, and no position is given out."""
    file = File(*LINES[:6])
    way.simulator.faults.append(Fault.HANGS)
    sender = way.open()
    sender.begin(Position(IDENTITY))
    sender.offer(Span(IDENTITY, file.entries[:1]), file)
    eventually(lambda: way.simulator.calls["PutLogEvents"] == 1)
    sender.offer(Span(IDENTITY, file.entries[1:]), file)
    eventually(lambda: len(way.lines()) == 6)
    assert not sender.flush(Clock().steady() + 0.2)
    assert sender.acknowledged() is None
    way.simulator.release()
    assert sender.flush(Clock().steady() + 20)
    assert way.lines() == Counter(LINES[:6]) + Counter(LINES[:1])


def test_no_more_is_under_way_than_was_allowed(way: Way, eventually: Callable[[Callable[[], object]], None]) -> None:
    """Offering waits: neither calls at once nor bodies in memory grow with the backlog."""
    lines = [b"m" * 500_000 + b"%d" % number for number in range(40)]
    file = File(*lines)
    way.simulator.faults.extend([Fault.HANGS] * 2)
    sender = way.open(QUICK._replace(workers=2))
    sender.begin(Position(IDENTITY))
    offering = threading.Thread(target=lambda: sender.offer(Span(IDENTITY, file.entries), file))
    offering.start()
    eventually(lambda: way.simulator.busiest == 2)
    assert offering.is_alive()
    assert len(file.content) > 2 * sender.counts.bytes
    way.simulator.release()
    offering.join()
    assert sender.flush(Clock().steady() + 20)
    assert way.simulator.busiest == 2
    assert set(way.lines()) == set(lines)


def test_old_lines_arrive_with_the_time_of_now(way: Way) -> None:
    """After 15 days of outage: the service would drop them inside a 200. The proof counts them."""
    lines = [entry(number, second=-15 * DAY_S) for number in range(20)] + LINES[:5]
    sender = way.open()
    assert send(sender, File(*lines))
    assert way.lines() == Counter(lines)
    assert sender.counts.restamped == 20
    assert [found.restamped for text in way.proofs() if (found := proofs.parse(text))] == [20]


def test_what_was_dropped_inside_a_200_is_sent_again(way: Way) -> None:
    """The group keeps a day, which nobody told the sender: it reads the answer."""
    way.simulator.groups[DESTINATION.group].retention_days = 1
    lines = [entry(number, second=-3 * DAY_S) for number in range(20)] + [entry(n) for n in range(3)]
    sender = way.open()
    assert send(sender, File(*lines))
    assert way.lines() == Counter(lines)
    assert sender.calls.rejected == 20


def test_days_of_backlog_go_in_calls_of_a_day(way: Way) -> None:
    """And entries that Vault wrote a little out of order are sorted: the service takes all of it at the first try."""
    lines = [entry(number, second=-number * DAY_S // 3 - number % 7) for number in range(36)]
    sender = way.open()
    assert send(sender, File(*lines))
    assert way.lines() == Counter(lines)
    assert sender.calls.repeated == 0


def test_new_credentials_are_picked_up(tmp_path: Path) -> None:
    """Written to AWS's file by somebody while the mirror runs: when the old ones are refused, for calls of every kind."""
    kept = tmp_path / "credentials"

    def keys(name: str) -> dict[str, tuple[str, str]]:
        kept.write_text(f"[default]\naws_access_key_id=AKID{name}\naws_secret_access_key=s{name}\naws_session_token=t{name}\n")
        return {f"AKID{name}": (f"s{name}", f"t{name}")}

    files = {"config_file": (None, None, "/dev/null", None), "credentials_file": (None, None, str(kept), None)}
    simulator = Simulator(Clock(), keys("OLD"))
    with serving(simulator) as endpoint:
        service = Service("us-east-1", endpoint)
        sender = open_sender(service, DESTINATION, Creation(), Clock(), pace=QUICK, session=Session(session_vars=files))
        try:
            assert send(sender, File(*LINES[:5]))
            simulator.keys = keys("NEW")
            simulator.groups.clear()
            assert send(sender, File(*LINES), position=sender.acknowledged())
        finally:
            sender.close()
    assert simulator.messages(DESTINATION.group, DESTINATION.stream) == [line.decode() for line in LINES[5:]]


def test_a_clock_that_is_off_is_set_by_the_service(way: Way) -> None:
    """Signatures an hour from the service's time are refused; the answer's Date says what time it is."""
    clock = Clock()
    way.simulator.clock = type("Ahead", (), {"wall": lambda _: clock.wall() + 3600})()
    assert send(way.open(), File(*LINES))
    assert way.lines() == Counter(LINES)
    assert abs(way.service.now_ms() / 1000 - clock.wall() - 3600) < 60


def test_a_stream_that_was_just_made_may_be_unknown_for_a_moment(way: Way) -> None:
    """ResourceNotFoundException makes it look, and try again."""
    way.simulator.groups[DESTINATION.group].streams[DESTINATION.stream].unknown_for = 3
    assert send(way.open(), File(*LINES))
    assert way.lines() == Counter(LINES)


def test_a_group_that_vanishes_is_made_again(way: Way) -> None:
    """With both streams, while the mirror runs."""
    sender = way.open()
    assert send(sender, File(*LINES[:5]))
    del way.simulator.groups[DESTINATION.group]
    done = sender.acknowledged()
    assert done is not None
    assert send(sender, File(*LINES), position=done)
    assert way.lines() == Counter(LINES[5:])


def test_a_denial_at_the_start_is_told_in_one_sentence(way: Way) -> None:
    """With the group, the region and the permission in it; nothing is sent."""
    way.simulator.forbidden.add("PutLogEvents")
    sender = way.open()
    with pytest.raises(Denied, match="/vault/audit in us-east-1 are refused: AccessDeniedException") as caught:
        send(sender, File(*LINES[:3]))
    assert "logs:PutLogEvents" in caught.value.hint
    assert way.lines() == Counter()


def test_a_denial_later_is_waited_for(way: Way, eventually: Callable[[Callable[[], object]], None]) -> None:
    """A policy that is edited while the mirror runs must not end it."""
    sender = way.open()
    assert send(sender, File(*LINES[:5]))
    way.simulator.forbidden.add("PutLogEvents")
    file = File(*LINES)
    sender.offer(Span(IDENTITY, file.entries[5:10]), file)
    eventually(lambda: sender.calls.repeated > 2)
    way.simulator.forbidden.clear()
    assert sender.flush(Clock().steady() + 20)
    assert way.lines() == Counter(LINES[:10])


def test_a_service_that_can_not_be_reached_at_the_start_is_told(way: Way) -> None:
    """After a while of trying; it names the endpoint."""
    way.simulator.faults.extend([Fault.DROPPED] * 10_000)
    sender = way.open(QUICK._replace(patience=QUICK.patience._replace(start_s=0.05)))
    with pytest.raises(Unreachable, match="can't be sent: NoAnswer") as caught:
        send(sender, File(*LINES[:3]))
    assert way.service.endpoint in caught.value.hint


def test_the_proofs_cover_every_byte_and_go_on_from_one_another(way: Way) -> None:
    """Over files and over a restart from what was acknowledged."""
    sender = way.open()
    file = File(*LINES)
    assert send(sender, File(*LINES[:100]), step=7)
    done = sender.acknowledged()
    assert done is not None
    sender.close()
    again = way.open()
    assert send(again, file, position=done, step=50)
    other = FileIdentity(1, 3, "cd" * 32, 1024)
    assert send(again, File(*LINES[:20]), position=Position(other))
    found = [proof for text in way.proofs() if (proof := proofs.parse(text))]
    assert found[0].before == ""
    assert all(left.after == right.before for left, right in itertools.pairwise(found))
    assert [(left.end, left.first + len(left.ids)) for left in found if left.identity == IDENTITY][-1] == (len(file.content), 300)
    assert (found[-1].identity, found[-1].start, found[-1].first, len(found[-1].ids)) == (other, 0, 0, 20)
    assert way.lines() == Counter(LINES) + Counter(LINES[:20])


def test_a_proof_carries_the_metrics_of_its_range(way: Way) -> None:
    """In the embedded metric format, by log group, of which an account may have several, and by stream: lines, lag, repeats."""
    way.simulator.faults.append(Fault.THROTTLED)
    assert send(way.open(), File(*LINES[:10], b"{torn", LINES[10], torn=frozenset({10})))
    (proof,) = [json.loads(text) for text in way.proofs()]
    (metrics,) = proof["_aws"]["CloudWatchMetrics"]
    assert metrics["Dimensions"] == [["LogGroup"], ["LogGroup", "Stream"]]
    assert {
        metric["Name"]: proof[metric["Name"]] for metric in metrics["Metrics"] if metric["Name"] not in {"Bytes", "LagSeconds"}
    } == {
        "Lines": 12,
        "Torn": 1,
        "Restamped": 0,
        "RepeatedCalls": 1,
    }
    assert (proof["LogGroup"], proof["Stream"]) == (DESTINATION.group, DESTINATION.stream)
    assert 50 < proof["LagSeconds"] < 600


@pytest.mark.parametrize("forbidden", ["CreateLogStream", "CreateLogGroup"])
def test_what_may_not_be_made_is_named_with_its_permission(way: Way, forbidden: str) -> None:
    """And with the group and the region."""
    way.simulator.groups.clear()
    way.simulator.forbidden.add(forbidden)
    with pytest.raises(Denied, match=r"log group /vault/audit .*us-east-1") as caught:
        Creation().make(way.service, DESTINATION)
    assert f"logs:{forbidden}" in caught.value.hint


@pytest.mark.parametrize(
    ("creation", "sentence"),
    [
        (Creation(allowed=False), "There is no log group /vault/audit in us-east-1."),
        (Creation(retention_days=17), "retention"),
        (Creation(kms_key="arn:aws:kms:us-east-1:123456789012:key/none"), "KMS key does not exist"),
    ],
)
def test_a_group_that_can_not_be_had_is_said(way: Way, creation: Creation, sentence: str) -> None:
    """Missing and not to be made, a retention that AWS doesn't know, a key that isn't there."""
    way.simulator.groups.clear()
    with pytest.raises(OpsError, match=sentence):
        creation.make(way.service, DESTINATION)


def test_a_new_group_gets_what_was_asked_for(way: Way) -> None:
    """Retention and key; one that is there is left as it is."""
    key = "arn:aws:kms:us-east-1:123456789012:key/0f"
    way.simulator.kms_keys.add(key)
    way.simulator.groups.clear()
    creation = Creation(retention_days=365, kms_key=key)
    assert [creation.make(way.service, DESTINATION), Creation(retention_days=30).make(way.service, DESTINATION)] == [365, 365]
    group = way.simulator.groups[DESTINATION.group]
    assert (group.retention_days, group.kms_key, set(group.streams)) == (365, key, {"node-1/file", "node-1/file.proof"})


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (None, ["Log group /vault/audit keeps events for ever, as far as may be seen, not for 30 days"]),
        (7, ["Log group /vault/audit keeps events for 7 days, not for 30 days"]),
        (30, []),
    ],
)
def test_a_group_that_was_there_with_another_retention_is_said(way: Way, days: int | None, said: list[str]) -> None:
    """As after a start that made the group and was not let set its retention."""
    way.simulator.groups[DESTINATION.group].retention_days = days
    service = Service("us-east-1", way.service.endpoint)
    open_sender(service, DESTINATION, Creation(retention_days=30), Clock(), session=session(), say=way.said.append).close()
    assert [sentence.partition(":")[0] for sentence in way.said] == said


def test_an_endpoint_that_is_no_url_is_named() -> None:
    """The region is not at fault."""
    with pytest.raises(UsageProblem, match="The endpoint nowhere is no URL"):
        CloudWatchLogs(Service("us-east-1", "nowhere"), Clock(), session())
