"""Lines that can't travel as themselves."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.audit.cloud.conftest import File

from vaultgate_ops.audit.envelope import Line, Reassembly, messages, plan, reads
from vaultgate_ops.audit.model import LONGEST_MESSAGE

MIB = 1 << 20


def wrap(line: bytes, place: str = "here", *, torn: bool = False) -> list[str]:
    """The messages that a line becomes."""
    read = reads(line)
    return [message.decode() for message in messages(plan(read, len(line), place, torn=torn), read)]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe\x00", id="not UTF-8"),
        pytest.param(b"a" * (MIB - 26) + b"b", id="a byte too long"),
        pytest.param(("\u00e9\u20ac\U0001f600" * 200_000).encode(), id="wide characters"),
        pytest.param(b"\x00\x01" * 700_000, id="control characters"),
        pytest.param(b'"\\' * 900_000, id="quotes"),
        pytest.param(b"\xff" * (3 * MIB), id="3 MB of no text"),
        pytest.param(b"x" * (2 * MIB) + b"\xc3", id="a character cut off at the end"),
        pytest.param(b"y" * (512 * 1024), id="a window"),
        pytest.param(b"y" * (512 * 1024 + 1), id="a window and a byte"),
    ],
)
def test_a_line_comes_back_from_its_envelopes(line: bytes) -> None:
    """Byte for byte, from messages that the service takes, in whatever order they come."""
    made = wrap(line)
    assert all(len(message.encode()) <= LONGEST_MESSAGE for message in made)
    assert all(json.loads(message)["vaultgate_part"]["parts"] == len(made) for message in made)
    reassembly = Reassembly()
    *early, last = [reassembly.line(message) for message in reversed(made)]
    assert early == [None] * len(early)
    assert last == Line(line, torn=False)
    assert (reassembly.incomplete, reassembly.damaged) == ([], [])


@given(st.binary(max_size=60), st.booleans())
def test_any_short_line_survives(line: bytes, torn: bool) -> None:  # noqa: FBT001 - hypothesis passes by position
    """Whatever its bytes, fragments too."""
    (message,) = wrap(line, torn=torn)
    assert Reassembly().line(message) == Line(line, torn)


def test_a_line_sent_twice_is_two_lines() -> None:
    """Parts of two copies that come mixed make two lines; a copy that lacks a part makes none, and is named."""
    made = wrap(b"z" * (2 * MIB))
    reassembly = Reassembly()
    came = [reassembly.line(message) for message in [*made, *made[1:], made[0], made[0]]]
    assert [line for line in came if line] == [Line(b"z" * (2 * MIB), torn=False)] * 2
    assert reassembly.incomplete == [json.loads(made[0])["vaultgate_part"]["id"]]


def test_equal_lines_at_two_places_are_told_apart() -> None:
    """Their ids differ, and the same line at the same place has the same id again."""
    ids = [json.loads(wrap(b"", place)[0])["vaultgate_part"]["id"] for place in ("a", "b", "a")]
    assert ids[0] == ids[2] != ids[1]


def test_a_changed_part_shows() -> None:
    """The line that comes out is named as damaged."""
    (message,) = wrap(b"\xff\x00", torn=True)
    reassembly = Reassembly()
    reassembly.line(message.replace("/wA=", "/wE="))
    assert len(reassembly.damaged) == 1


@pytest.mark.parametrize(
    "message", ['{"vaultgate_part":', '{"vaultgate_part":{}}', '{"vaultgate_part":1,"data":""}', "plain", "{}"]
)
def test_what_is_no_envelope_is_a_line(message: str) -> None:
    """Itself, whatever it begins like."""
    assert Reassembly().line(message) == Line(message.encode(), torn=False)


def test_a_file_that_shrinks_under_way_is_an_error() -> None:
    """Never an envelope with less in it."""
    file = File(b"x" * 100)
    with pytest.raises(OSError, match="was changed while it was read"):
        plan(file.pread, 200, "here")
