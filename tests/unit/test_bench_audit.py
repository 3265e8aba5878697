"""What becomes of the audit bench's lines, calls and samples."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from benchmarks.entries import Entries, number_of
from benchmarks.figures import Figure
from benchmarks.sink import RECORD, Kept, kept

from vaultgate_ops.audit.stamps import Stamps
from vaultgate_ops.errors import CheckFailed

if TYPE_CHECKING:
    from pathlib import Path

ENTRY = (
    b'{"auth":{"accessor":"hmac-sha256:0f"},"request":{"id":"3c1b8a52-7d64-4ea1-9f0b-2b1c7a1d9e55","path":"secret/data/records"},'
    b'"time":"2026-11-21T03:09:19.251974183Z","type":"request"}'
)
NOON = 1_795_262_400.25


def test_a_line_is_vaults_own_but_for_number_and_time() -> None:
    """Both can be read back; everything else is as Vault wrote it."""
    made = Entries([ENTRY, b'{"no":"id"}']).line(4711, NOON)
    assert (number_of(made), Stamps().of(made, int(NOON * 1000))) == (4711, int(NOON * 1000))
    theirs, ours = json.loads(ENTRY), json.loads(made)
    for one in (theirs, ours):
        del one["request"]["id"], one["time"]
    assert theirs == ours


def test_entries_of_an_unknown_form_are_said() -> None:
    """Never a benchmark of nothing."""
    with pytest.raises(CheckFailed):
        Entries([b'{"another":"form"}'])


def test_calls_are_read_back_as_they_were_kept(tmp_path: Path) -> None:
    """Of every connection."""
    calls = [Kept(1.5, False, b'{"a":1}'), Kept(2.5, True, b""), Kept(3.5, False, b"x" * 9)]
    for number, part in enumerate((calls[:2], calls[2:])):
        content = b"".join(RECORD.pack(call.arrived_s, call.proof, len(call.body)) + call.body for call in part)
        (tmp_path / f"calls-{number:04}").write_bytes(content)
    assert list(kept(tmp_path)) == calls


@pytest.mark.parametrize(("ours", "holds"), [(39_999.0, False), (40_000.0, True), (90_000.0, True)])
def test_more_is_better_for_events_per_second(ours: float, *, holds: bool) -> None:
    """Its limit is the least."""
    figure = Figure("audit.events_per_s", ours=[ours])
    assert (figure.holds(), figure.limit(), figure.unit) == (holds, 40_000, "1/s")


@pytest.mark.parametrize(
    ("name", "unit"), [("audit.cpu_s_per_100k", "s"), ("audit.lost", "lines"), ("audit.duplicates", "lines")]
)
def test_every_audit_figure_has_a_unit(name: str, unit: str) -> None:
    """As its name says."""
    assert Figure(name).unit == unit
