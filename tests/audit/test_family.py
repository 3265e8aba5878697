"""Which files beside a log are owed, and from where on."""

from __future__ import annotations

from vaultgate_ops.audit.family import Found, Owed, Record, State, reconcile
from vaultgate_ops.audit.model import FileIdentity, Position

FIRST = b'{"auth":{"policies":["root"]},"time":"2026-11-21T00:00:00.000000001Z","type":"request"}\n'
OTHER = b'{"auth":{"policies":["root"]},"time":"2026-11-21T00:00:00.000000002Z","type":"request"}\n'
LOG = "/log/audit.log"


def found(
    inode: int,
    *,
    name: str = LOG,
    size: int | None = 500,
    beginning: bytes = FIRST,
    modified: int = 0,
    current: bool = False,
    device: int = 1,
) -> Found:
    return Found(name, device, inode, size, modified, beginning, current)


def known(inode: int, *, offset: int = 300, state: State = State.READING, beginning: bytes = FIRST, device: int = 1) -> Record:
    identity = FileIdentity.of(device, inode, beginning)
    assert identity is not None
    return Record(Position(identity, offset), state, LOG)


def test_a_file_that_nobody_knows_is_owed_from_its_beginning() -> None:
    """Twice is better than never."""
    assert reconcile([], [found(7)]) == ([Owed(found(7), None)], [])


def test_a_known_file_goes_on_under_any_name() -> None:
    """Its device, inode and head tell it, not its name."""
    record, file = known(7), found(7, name=f"{LOG}.3")
    assert reconcile([record], [file]) == ([Owed(file, record)], [])


def test_another_file_with_its_inode_is_not_it() -> None:
    """Deleted and made anew, with the inode of the old one: owed from its beginning, and the old one is absent."""
    record, file = known(7), found(7, beginning=OTHER)
    assert reconcile([record], [file]) == ([Owed(file, None)], [record])


def test_another_disks_inode_is_not_it() -> None:
    """An inode means something on its device only."""
    record = known(7, beginning=b"short\n")
    file = found(7, device=2, beginning=b"short\n")
    assert reconcile([record], [file]) == ([Owed(file, None)], [record])


def test_a_file_that_shrank_is_not_it() -> None:
    """It was read further than it is long now."""
    record, file = known(7, offset=501), found(7, current=True)
    assert reconcile([record], [file]) == ([Owed(file, None)], [record])


def test_a_file_read_to_its_end_is_still_it() -> None:
    """Nothing was added, nothing was cut."""
    record, file = known(7, offset=500), found(7)
    assert reconcile([record], [file]) == ([Owed(file, record)], [])


def test_a_compressed_one_is_known_by_its_head() -> None:
    """Gzip made a new file of it; its size says nothing."""
    record, file = known(7, offset=10_000), found(9, name=f"{LOG}.1.gz", size=None)
    assert reconcile([record], [file]) == ([Owed(file, record)], [])


def test_a_compressed_one_that_was_done_is_not_owed() -> None:
    """It was mirrored before it was compressed."""
    assert reconcile([known(7, state=State.DONE)], [found(9, size=None)]) == ([], [])


def test_a_head_that_may_be_anybodys_proves_nothing() -> None:
    """Two files may begin with the same short line: a new inode makes it a new file."""
    short = b"x" * 62 + b"\n"
    record, file = known(7, beginning=short), found(9, beginning=short)
    assert reconcile([record], [file]) == ([Owed(file, None)], [record])


def test_a_head_of_64_bytes_is_nobody_elses() -> None:
    """Every entry of Vault's is longer than that."""
    long = b"x" * 63 + b"\n"
    record, file = known(7, beginning=long), found(9, beginning=long)
    assert reconcile([record], [file]) == ([Owed(file, record)], [])


def test_a_copy_of_a_known_file_is_not_owed() -> None:
    """Somebody kept a copy: its lines arrive with the original."""
    record, file, copy = known(7), found(7), found(8, name=f"{LOG}.bak")
    assert reconcile([record], [copy, file]) == ([Owed(file, record)], [])


def test_a_copy_of_an_open_file_is_not_owed() -> None:
    """As above, for a file that is being read."""
    assert reconcile([], [found(8, name=f"{LOG}.bak")], [known(7).position.identity]) == ([], [])


def test_the_file_at_the_path_is_never_taken_for_a_copy() -> None:
    """Vault writes there: left out, its next lines would be lost."""
    file = found(8, current=True)
    assert reconcile([], [file], [known(7).position.identity]) == ([Owed(file, None)], [])


def test_a_copy_too_short_to_go_on_in_is_not_owed() -> None:
    """It is being made just now, or it was made before what was read last."""
    record, copy = known(7), found(8, size=299)
    assert reconcile([record], [copy]) == ([], [record])


def test_a_done_file_that_grew_is_owed_again() -> None:
    """Somebody wrote into it after it had been left."""
    record, file = known(7, state=State.DONE), found(7, size=301)
    assert reconcile([record], [file]) == ([Owed(file, record)], [])


def test_a_done_file_is_not_owed() -> None:
    """Nothing is sent twice."""
    assert reconcile([known(7, state=State.DONE)], [found(7, size=300)]) == ([], [])


def test_a_done_file_at_the_path_is_followed() -> None:
    """It was moved back: Vault may write there."""
    record, file = known(7, state=State.DONE), found(7, size=300, current=True)
    assert reconcile([record], [file]) == ([Owed(file, record)], [])


def test_a_file_that_comes_back_is_owed() -> None:
    """It had been reported as gone."""
    record, file = known(7, state=State.GONE), found(7, size=300)
    assert reconcile([record], [file]) == ([Owed(file, record)], [])


def test_files_are_owed_in_the_order_of_their_last_writes() -> None:
    """The one at the path is the last, whatever its time says."""
    old, older = found(1, beginning=OTHER, modified=5), found(2, beginning=b"a\n", modified=4)
    now = found(3, beginning=b"b\n", modified=1, current=True)
    assert [owed.found for owed in reconcile([], [now, old, older]).owed] == [older, old, now]


def test_equal_times_leave_the_names_to_order() -> None:
    """So that the order is always the same one."""
    one, two = found(1, beginning=OTHER, name="a"), found(2, beginning=b"a\n", name="b")
    assert [owed.found for owed in reconcile([], [two, one]).owed] == [one, two]


def test_a_file_with_two_names_is_owed_once() -> None:
    """The one at the path is the name that counts."""
    file, link = found(7, current=True), found(7, name=f"{LOG}.1")
    assert reconcile([], [file, link]).owed == [Owed(file, None)]
    assert reconcile([], [link, file]).owed == [Owed(file, None)]


def test_of_two_records_of_one_file_the_later_counts() -> None:
    """It was cut and began with the same line again."""
    before, after = known(7, offset=400), known(7, offset=100)
    verdict = reconcile([before, after], [found(7)])
    assert verdict == ([Owed(found(7), after)], [before])


def test_what_is_absent_is_told_in_its_order() -> None:
    """The oldest first."""
    records = [known(1), known(2, beginning=OTHER), known(3, beginning=b"a\n")]
    assert reconcile(records, []).absent == records


def test_each_of_two_files_that_begin_alike_keeps_its_record() -> None:
    """Device and inode go before the head."""
    one, two = known(1, offset=100), known(2, offset=200)
    files = [found(1, name="a"), found(2, name="b")]
    assert reconcile([one, two], files).owed == [Owed(files[0], one), Owed(files[1], two)]


def fragment_record(inode: int, *, offset: int = 80) -> Record:
    """A file in which there never was more than the beginning of an entry."""
    identity = FileIdentity.of(1, inode, FIRST[:80], ended=True)
    assert identity is not None
    return Record(Position(identity, offset), State.DONE, LOG)


def test_a_file_that_begins_like_a_fragment_is_not_its_copy() -> None:
    """The disk was full in the middle of a first entry: the next file's first entry begins alike."""
    file = found(9, name=f"{LOG}.1")
    assert reconcile([fragment_record(7)], [file]).owed == [Owed(file, None)]


def test_a_file_that_begins_like_a_fragment_in_its_inode_is_not_it() -> None:
    """As above, and the inode is used again: its first bytes are not to be skipped."""
    file = found(7, size=500)
    assert reconcile([fragment_record(7)], [file]).owed == [Owed(file, None)]


def test_two_equal_fragments_are_two_files() -> None:
    """The disk was full twice at the same byte."""
    file = found(9, name=f"{LOG}.1", size=80, beginning=FIRST[:80])
    assert reconcile([fragment_record(7)], [file]).owed == [Owed(file, None)]


def test_a_fragment_that_was_sent_is_not_owed() -> None:
    """The same file, with nothing more in it."""
    assert reconcile([fragment_record(7)], [found(7, size=80, beginning=FIRST[:80])]) == ([], [])
