"""What `vaultgate mirror verify` finds: planted gaps, duplicates, changed bytes, and nothing where nothing is wrong."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from tests.audit.cloud.conftest import ACCESS_KEY, DESTINATION, IDENTITY, SECRET_KEY, File, Way, entry, send
from tests.simulators.cloudwatch_logs import Fault

from vaultgate_ops.audit.model import Destination, FileIdentity, Position
from vaultgate_ops.audit.verify import against_file, mirrored_streams, read_back, sentences
from vaultgate_ops.cli.main import cli
from vaultgate_ops.errors import CheckFailed, Denied, Missing, UsageProblem

if TYPE_CHECKING:
    from pathlib import Path

    from tests.simulators.cloudwatch_logs import Event

    from vaultgate_ops.audit.evidence import Findings
    from vaultgate_ops.audit.sender import CloudWatchSender

LINES = [entry(number) for number in range(200)]
MINUTES_MS = 120_000


def events(way: Way, stream: str = DESTINATION.stream) -> list[Event]:
    """What was kept, to be tampered with."""
    return way.simulator.groups[DESTINATION.group].streams[stream].events


def mirror(way: Way, *lines: bytes, position: Position | None = None, step: int = 40) -> CloudWatchSender:
    """Mirror these lines, a proof for each step; closed before it returns."""
    sender = way.open()
    done = position or Position(IDENTITY)
    file = File(*lines)
    for end in range(step, len(lines) + step, step):
        assert send(sender, File(*lines[:end]), position=done)
        done = sender.acknowledged() or done
    assert done.offset == len(file.content)
    sender.close()
    return sender


def found(way: Way) -> Findings:
    """What reading it back says."""
    return read_back(way.service, DESTINATION).findings()


def test_a_whole_mirror_is_complete(way: Way) -> None:
    """All kinds of lines, in several batches and proofs, one of them long."""
    lines = [*LINES, b"", b"\xff", "\u00e9".encode(), b"long" * 400_000]
    mirror(way, *lines)
    told = found(way)
    assert (told.complete, told.lines, told.arrived, told.duplicates) == (True, len(lines), len(lines), 0)
    assert list(sentences(told))[-1] == "complete"


@pytest.mark.parametrize("lost", [0, 77, 199])
def test_a_missing_line_is_named(way: Way, lost: int) -> None:
    """By its number and the offsets of its proof."""
    mirror(way, *LINES)
    del events(way)[lost]
    told = found(way)
    (place,) = told.missing
    offset = sum(len(line) + 1 for line in LINES[:lost])
    assert (place.first, place.last, place.start <= offset < place.end) == (lost, lost, True)
    assert place.end - place.start < 3000
    assert not told.complete
    assert f"missing: line {lost + 1} of file abababababab (inode 2), between bytes {place.start:,}" in next(sentences(told))


def test_runs_of_missing_lines_are_named_as_such(way: Way) -> None:
    """Two gaps are two sentences."""
    mirror(way, *LINES)
    kept = events(way)
    del kept[150:160], kept[30:32]
    assert [(place.first, place.last) for place in found(way).missing] == [(30, 31), (150, 159)]


def test_duplicates_are_counted_and_are_no_fault(way: Way) -> None:
    """A call that landed without an answer is sent again."""
    way.simulator.faults.append(Fault.LANDED)
    mirror(way, *LINES)
    told = found(way)
    assert (told.complete, told.duplicates, told.arrived) == (True, 40, 240)


def test_identical_lines_are_no_duplicates(way: Way) -> None:
    """The proofs' counts tell them apart: three of a kind are three, a fourth is a duplicate, two are a gap."""
    same = b'<json:object name="same"/>'
    lines = [same] * 3 + LINES[:5] + [same] * 97
    mirror(way, *lines)
    told = found(way)
    assert (told.complete, told.duplicates) == (True, 0)
    one = next(event for event in events(way) if event.message.encode() == same)
    events(way).append(one)
    assert found(way).duplicates == 1
    for _ in range(3):
        events(way).remove(one)
    told = found(way)
    assert (told.complete, sum(place.last - place.first + 1 for place in told.missing)) == (False, 2)


def test_a_changed_byte_is_a_missing_line_and_a_foreign_one(way: Way) -> None:
    """Though all counts agree."""
    mirror(way, *LINES)
    changed = events(way)[50]
    events(way)[50] = changed._replace(message=changed.message.replace("request", "reqvest"))
    told = found(way)
    assert ([(place.first, place.last) for place in told.missing], told.foreign, told.duplicates) == ([(50, 50)], 1, 0)


def test_a_line_of_somebody_else_is_foreign(way: Way) -> None:
    """Once it is too old to be one that waits for its proof."""
    mirror(way, *LINES)
    events(way).insert(0, events(way)[0]._replace(message="forged", ingested=events(way)[0].ingested - MINUTES_MS))
    told = found(way)
    assert (told.complete, told.foreign, told.missing) == (False, 1, [])


def test_lines_without_a_proof_yet_are_waited_for(way: Way) -> None:
    """A mirror that is at work, or was killed between the two."""
    mirror(way, *LINES)
    events(way).append(events(way)[-1]._replace(message=entry(1000).decode()))
    told = found(way)
    assert (told.complete, told.waiting) == (True, 1)


def test_a_missing_proof_shows_though_all_lines_are_there(way: Way) -> None:
    """As a range that nothing covers, and in the running hash."""
    mirror(way, *LINES)
    del events(way, DESTINATION.proof_stream)[2]
    told = found(way)
    assert [(place.first, place.last) for place in told.unproven] == [(80, 119)]
    assert not told.complete


def test_a_changed_proof_shows(way: Way) -> None:
    """The running hash does not fit any more."""
    mirror(way, *LINES)
    kept = events(way, DESTINATION.proof_stream)
    kept[1] = kept[1]._replace(message=kept[1].message.replace('"first":40', '"first":41'))
    assert found(way).broken


def test_a_mirror_that_was_killed_is_complete_with_duplicates(way: Way) -> None:
    """It began again from its last checkpoint: two proofs name the same lines, which count once."""
    mirror(way, *LINES[:100])
    place = sum(len(line) + 1 for line in LINES[:40])
    mirror(way, *LINES, position=Position(IDENTITY, place, 40, _after(way)), step=70)
    told = found(way)
    assert (told.complete, told.lines, told.duplicates) == (True, 200, 60)


def _after(way: Way) -> str:
    text = way.proofs()[0]
    return text.partition('"after":"')[2][:64]


def test_several_files_are_told_apart(way: Way) -> None:
    """A gap in the second is a gap of the second."""
    sender = way.open()
    for inode in (2, 3):
        assert send(
            sender, File(*[b"%d " % inode + line for line in LINES]), position=Position(FileIdentity(1, inode, "cd" * 32, 64))
        )
    del events(way)[250]
    assert [(place.identity.inode, place.first) for place in found(way).missing] == [(3, 50)]


@pytest.mark.parametrize("zipped", [False, True])
def test_a_file_is_compared_line_by_line(way: Way, tmp_path: Path, *, zipped: bool) -> None:
    """Its identity is its beginning; what is not mirrored yet is no gap, what is missing is named by its offsets."""
    file = File(*LINES, b"long" * 400_000, *LINES[:3])
    identity = FileIdentity.of(1, 2, file.content[:1024])
    assert identity is not None
    assert send(way.open(), file, position=Position(identity))
    path = tmp_path / "audit.log"
    content = file.content + entry(5000) + b"\n"
    path.write_bytes(gzip.compress(content) if zipped else content)
    told = against_file(read_back(way.service, DESTINATION), path)
    assert (told.lines, told.mirrored, told.missing, told.waiting, told.strange) == (205, 204, (), 1, False)
    lost = events(way).pop(20)
    (gap,) = against_file(read_back(way.service, DESTINATION), path).missing
    assert content[gap[0] : gap[1]] == lost.message.encode() + b"\n"


def test_a_file_that_was_changed_afterwards_shows(way: Way, tmp_path: Path) -> None:
    """A line of it that did not arrive so is named; a file of somebody else is said to be strange."""
    file = File(*LINES)
    identity = FileIdentity.of(1, 2, file.content[:1024])
    assert identity is not None
    assert send(way.open(), file, position=Position(identity))
    path = tmp_path / "audit.log"
    path.write_bytes(file.content.replace(b'"n":77}', b'"n":78}'))
    assert len(against_file(read_back(way.service, DESTINATION), path).missing) == 1
    path.write_bytes(entry(9) + b"\n")
    assert against_file(read_back(way.service, DESTINATION), path).strange


def test_a_file_that_no_proof_knows_is_not_complete(way: Way, tmp_path: Path) -> None:
    """Never mirrored, or changed in its first line: what didn't arrive is missing, not waited for. An empty one lacks nothing."""
    mirror(way, *LINES)
    path = tmp_path / "audit.log"
    for content, complete in ((entry(9) + b"\n", False), (b"", True)):
        path.write_bytes(content)
        evidence = read_back(way.service, DESTINATION)
        told = against_file(evidence, path)
        said = list(sentences(evidence.findings(), told))
        assert (told.strange, told.complete, said[-1] == "complete") == (True, complete, complete)
        assert any("1 lines of it have not arrived" in sentence for sentence in said) != complete


def test_pages_that_are_empty_are_not_the_end(way: Way) -> None:
    """The service may answer with none of the events there are, and a token to go on with."""
    mirror(way, *LINES)
    way.simulator.empty_pages = 3
    assert found(way).arrived == len(LINES)


def test_what_can_not_be_read_is_said(way: Way) -> None:
    """No such stream, no permission."""
    with pytest.raises(Missing, match="nobody"):
        read_back(way.service, Destination(DESTINATION.group, "nobody"))
    with pytest.raises(Missing, match="elsewhere"):
        mirrored_streams(way.service, "elsewhere")
    way.simulator.forbidden.add("GetLogEvents")
    with pytest.raises(Denied) as caught:
        found(way)
    assert "logs:GetLogEvents" in caught.value.hint


def test_the_command_says_it_and_exits_by_it(way: Way, tmp_path: Path) -> None:
    """All streams of the group by default; 0 complete, 1 not, 2 for a file without a stream."""
    mirror(way, *LINES)
    keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_REGION": "us-east-1"}
    asked = ["mirror", "verify", "--group", DESTINATION.group, "--endpoint-url", way.service.endpoint]
    runner = CliRunner(env={**keys, "AWS_CONFIG_FILE": "/dev/null"})
    said = runner.invoke(cli, asked, standalone_mode=False)
    assert said.exception is None
    assert "node-1/file: complete" in said.output
    del events(way)[3]
    said = runner.invoke(cli, asked, standalone_mode=False)
    assert "node-1/file: missing: line 4 of file" in said.output
    assert isinstance(said.exception, CheckFailed)
    path = tmp_path / "audit.log"
    path.touch()
    assert isinstance(runner.invoke(cli, [*asked, "--file", str(path)], standalone_mode=False).exception, UsageProblem)
