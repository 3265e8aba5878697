"""Which file is read next, and when one is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from vaultgate_ops.audit.family import Found, Record, State
from vaultgate_ops.audit.follower import ABSENT_KEPT, LINGER_S, RETRY_S, Follower, Stat
from vaultgate_ops.audit.model import FileIdentity, Position

if TYPE_CHECKING:
    from vaultgate_ops.audit.follower import Track

NOW = 1000.0
LOG = "/log/audit.log"


def head(number: int) -> bytes:
    """The first line of a file."""
    return b'{"auth":{"policies":["root"]},"time":"2026-11-21T00:00:00.%09dZ","type":"request"}\n' % number


def identity(inode: int) -> FileIdentity:
    made = FileIdentity.of(1, inode, head(inode))
    assert made is not None
    return made


def found(
    inode: int, size: int | None = 500, *, current: bool = False, modified: int = 0, beginning: bytes | None = None
) -> Found:
    beginning = head(inode) if beginning is None else beginning
    return Found(LOG if current else f"{LOG}.{inode}", 1, inode, size, modified, beginning, current)


def stat(inode: int, size: int | None = 500, modified: int = 0) -> Stat:
    return Stat(size, modified, head(inode) if size != 0 else b"")


def opened(follower: Follower, *files: Found) -> list[Track]:
    """Scan, and look at what is open then; gives the new files."""
    kept, gone = follower.scanned(files)
    assert not gone
    follower.saw({track.key: Stat(file.size, file.modified_ns, file.beginning) for track, file in kept}, NOW)
    return [track for track, _ in kept]


def read_all(follower: Follower, track: Track) -> None:
    assert track.size is not None
    follower.read(track, track.size - track.offset, NOW)


def test_the_oldest_unread_byte_comes_first() -> None:
    """In the order in which the lines were written."""
    follower = Follower()
    old, new = opened(follower, found(2, current=True), found(1))
    act = follower.next(NOW)
    assert act is not None
    assert (act.track, act.finish) == (old, False)
    read_all(follower, old)
    act = follower.next(NOW)
    assert act is not None
    assert (act.track, act.finish) == (new, False)
    read_all(follower, new)
    assert follower.next(NOW) is None


def test_a_renamed_file_is_not_over_while_the_new_one_is_empty() -> None:
    """Between rename and SIGHUP Vault writes into the old one, and logrotate's empty one stands at the path."""
    follower = Follower()
    (old,) = opened(follower, found(1, current=True))
    read_all(follower, old)
    (new,) = opened(follower, found(1), found(2, 0, current=True, beginning=b""))
    assert follower.next(NOW + LINGER_S * 2) is None
    follower.saw({new.key: stat(2, 0), old.key: stat(1, 700)}, NOW + 60)
    act = follower.next(NOW + 60)
    assert act is not None
    assert (act.track, act.finish) == (old, False)


def test_a_renamed_file_is_over_when_the_new_one_has_a_byte() -> None:
    """Vault has opened the new one then; the old one is watched a little longer."""
    follower = Follower()
    (old,) = opened(follower, found(1, current=True))
    read_all(follower, old)
    (new,) = opened(follower, found(1), found(2, 1, current=True, beginning=b"{"))
    read_all(follower, new)
    assert follower.next(NOW + LINGER_S - 0.1) is None
    act = follower.next(NOW + LINGER_S)
    assert act is not None
    assert (act.track, act.finish) == (old, True)


def test_a_file_that_never_was_at_the_path_leaves_nobody() -> None:
    """Two rotated files and none at the path: Vault may be writing into either."""
    follower = Follower()
    for track in opened(follower, found(1, modified=1), found(2, modified=2)):
        read_all(follower, track)
    assert follower.next(NOW + 60) is None


def test_a_file_that_was_at_the_path_leaves_those_before_it() -> None:
    """It was renamed itself, and nothing is at the path now."""
    follower = Follower()
    old, new = opened(follower, found(1, modified=1), found(2, modified=2, current=True))
    read_all(follower, old)
    read_all(follower, new)
    assert not opened(follower, found(1, modified=1), found(2, modified=2))
    act = follower.next(NOW + 60)
    assert act is not None
    assert (act.track, act.finish) == (old, True)
    follower.finished(old, head(1))
    assert follower.next(NOW + 60) is None


def test_more_in_a_file_that_was_left_is_read_and_watched_anew() -> None:
    """A writer that is not Vault took its time."""
    follower = Follower()
    old, new = opened(follower, found(1), found(2, current=True))
    read_all(follower, old)
    read_all(follower, new)
    late = NOW + LINGER_S - 0.5
    follower.saw({old.key: stat(1, 600)}, late)
    act = follower.next(late)
    assert act is not None
    assert (act.track, act.finish) == (old, False)
    follower.read(old, 100, late)
    assert follower.next(late + LINGER_S - 0.1) is None
    act = follower.next(late + LINGER_S)
    assert act is not None
    assert (act.track, act.finish) == (old, True)


def test_reading_nothing_doesnt_prolong_the_watch() -> None:
    """Only bytes show that there is a writer."""
    follower = Follower()
    old, new = opened(follower, found(1), found(2, current=True))
    read_all(follower, old)
    read_all(follower, new)
    follower.read(old, 0, NOW + 1)
    assert follower.next(NOW + LINGER_S) is not None


def test_a_compressed_file_is_over_at_its_end() -> None:
    """Nobody writes into one; only reading shows where it ends."""
    follower = Follower()
    (packed,) = opened(follower, found(1, None))
    follower.read(packed, 5000, NOW)
    act = follower.next(NOW)
    assert act is not None
    assert not act.finish
    follower.read(packed, 0, NOW)
    act = follower.next(NOW)
    assert act is not None
    assert act.finish
    follower.finished(packed, head(1))
    assert follower.next(NOW) is None


def test_a_compressed_file_does_not_end_one_before_it() -> None:
    """It was never at the path; who writes into the plain one is not known."""
    follower = Follower()
    plain, packed = opened(follower, found(1, modified=1), found(2, None, modified=2))
    read_all(follower, plain)
    follower.read(packed, 0, NOW)
    follower.finished(packed, head(2))
    assert follower.next(NOW + 60) is None


def test_a_file_is_done_when_all_of_it_is_sent() -> None:
    """Until then it stays open, and a checkpoint doesn't call it done."""
    follower = Follower()
    old, new = opened(follower, found(1), found(2, current=True))
    read_all(follower, old)
    follower.finished(old, head(1))
    assert follower.close() == []
    follower.acknowledged(Position(identity(1), 499, 4))
    assert follower.close() == []
    assert follower.records()[0] == Record(Position(identity(1), 499, 4), State.READING, f"{LOG}.1")
    follower.acknowledged(Position(identity(1), 500, 5))
    assert follower.close() == [old]
    assert follower.records()[0] == Record(Position(identity(1), 500, 5), State.DONE, f"{LOG}.1")
    assert follower.held == [new]


def test_a_file_that_grows_at_its_very_end_is_not_closed() -> None:
    """It was over, and had not been sent yet when more came."""
    follower = Follower()
    old, new = opened(follower, found(1), found(2, current=True))
    read_all(follower, old)
    read_all(follower, new)
    follower.finished(old, head(1))
    follower.acknowledged(Position(identity(1), 500))
    follower.saw({old.key: stat(1, 501)}, NOW)
    assert follower.close() == []
    act = follower.next(NOW)
    assert act is not None
    assert (act.track, act.finish) == (old, False)


def test_an_empty_file_that_is_over_is_forgotten() -> None:
    """It has no line, so no identity, and a checkpoint needs none."""
    follower = Follower()
    empty, _ = opened(follower, found(1, 0, beginning=b""), found(2, current=True))
    act = follower.next(NOW + LINGER_S)
    assert act is not None
    follower.finished(empty, b"")
    assert follower.close() == [empty]
    assert [record.position.identity for record in follower.records()] == [identity(2)]


def test_a_file_with_a_fragment_alone_gets_an_identity_at_its_end() -> None:
    """So that the fragment can be sent."""
    follower = Follower()
    (torn, _) = opened(follower, found(1, 5, beginning=b'{"aut'), found(2, current=True))
    assert torn.identity is None
    read_all(follower, torn)
    follower.finished(torn, b'{"aut')
    assert torn.identity == FileIdentity.of(1, 1, b'{"aut', ended=True)
    assert torn.identity is not None


def test_an_identity_once_given_stays() -> None:
    """What was sent under it must find its file again."""
    follower = Follower()
    old, _ = opened(follower, found(1), found(2, current=True))
    before = old.identity
    follower.finished(old, head(1) + b"more\n")
    assert old.identity is before


def test_a_file_has_no_identity_before_its_first_line_is_whole() -> None:
    """Then it gets the one that it keeps."""
    follower = Follower()
    (track,) = opened(follower, found(1, 5, current=True, beginning=head(1)[:5]))
    assert track.identity is None
    assert follower.records() == []
    follower.saw({track.key: stat(1, 100)}, NOW)
    assert track.identity == identity(1)


def test_a_file_cut_below_what_was_read_is_another_one() -> None:
    """copytruncate: the new one is read from its beginning, in the same open file."""
    follower = Follower()
    (before,) = opened(follower, found(1, current=True))
    read_all(follower, before)
    ((gone, after),) = follower.saw({before.key: Stat(499, 7, head(5))}, NOW)
    assert (gone, follower.held) == (before, [after])
    assert (after.offset, after.size, after.modified_ns, after.place, after.current) == (0, 499, 7, (1, 1), True)
    assert after.identity == FileIdentity.of(1, 1, head(5))
    assert before.key != after.key


def test_a_file_overwritten_in_place_is_another_one() -> None:
    """It is long enough again, but its head is not what it was."""
    follower = Follower()
    (before,) = opened(follower, found(1, current=True))
    read_all(follower, before)
    assert follower.saw({before.key: Stat(500, 0, head(5))}, NOW)[0][0] is before


def test_a_file_that_only_grew_is_the_same() -> None:
    """Nothing is read twice."""
    follower = Follower()
    (track,) = opened(follower, found(1, current=True))
    read_all(follower, track)
    assert follower.saw({track.key: stat(1, 500)}, NOW) == []
    assert follower.saw({track.key: stat(1, 501, 9)}, NOW) == []
    assert (track.size, track.modified_ns) == (501, 9)


def test_what_was_not_read_of_a_cut_file_is_read_in_its_copy() -> None:
    """Copytruncate leaves one: it goes on where the reading was."""
    follower = Follower()
    (before,) = opened(follower, found(1, current=True))
    follower.read(before, 300, NOW)
    follower.saw({before.key: Stat(0, 0, b"")}, NOW)
    copy = Found(f"{LOG}.1", 1, 9, 500, 0, head(1))
    kept, gone = follower.scanned([copy, found(1, 0, current=True, beginning=b"")])
    assert (kept, gone) == ([(before, copy)], [])
    assert (before.offset, before.size, before.open, before.place) == (300, 500, True, (1, 9))


def test_a_file_that_cant_be_read_holds_up_nobody() -> None:
    """It is tried again after a while."""
    follower = Follower()
    old, new = opened(follower, found(1), found(2, current=True))
    follower.failed(old, NOW)
    act = follower.next(NOW)
    assert act is not None
    assert act.track is new
    act = follower.next(NOW + RETRY_S)
    assert act is not None
    assert act.track is old


def test_what_was_read_and_not_acknowledged_is_read_again() -> None:
    """The way to the service was lost with what was on it."""
    follower = Follower([Record(Position(identity(3), 50, 2), State.READING, LOG)])
    resumed, fresh = opened(follower, found(3, modified=1), found(2, current=True, modified=2))
    for track in (resumed, fresh):
        track.lines += 3
        read_all(follower, track)
        follower.finished(track, head(1))
    follower.acknowledged(Position(identity(2), 20, 1))
    follower.rewind()
    assert (resumed.offset, resumed.lines, resumed.over) == (50, 2, False)
    assert (fresh.offset, fresh.lines, fresh.over) == (20, 1, False)


def test_a_compressed_file_is_read_again_to_its_end() -> None:
    """As above; its end has to be found again."""
    follower = Follower()
    (packed,) = opened(follower, found(1, None))
    follower.read(packed, 100, NOW)
    follower.read(packed, 0, NOW)
    follower.rewind()
    assert (packed.offset, packed.lines, packed.ended, packed.unread) == (0, 0, False, True)


def test_a_known_file_goes_on_where_it_was_sent_up_to() -> None:
    """A checkpoint knows what arrived, not what was read."""
    record = Record(Position(identity(1), 100, 3), State.READING, "old name")
    follower = Follower([record])
    assert follower.held == []
    assert follower.owed_inodes == {1}
    assert follower.records() == [record]
    (track,) = opened(follower, found(1))
    assert (track.offset, track.lines, track.name, track.identity) == (100, 3, f"{LOG}.1", identity(1))
    assert track.position == record.position


def test_a_done_file_is_not_looked_for() -> None:
    """Under other names than the family's."""
    assert Follower([Record(Position(identity(1), 100), State.DONE, LOG)]).owed_inodes == set()


def test_an_open_file_is_not_opened_twice() -> None:
    """A scan finds it under its new name."""
    follower = Follower()
    (track,) = opened(follower, found(1, current=True))
    assert track.name == LOG
    assert opened(follower, found(1)) == []
    assert track.name == f"{LOG}.1"


def test_a_file_that_is_gone_while_it_was_owed_is_told_once() -> None:
    """Then it is known as gone."""
    follower = Follower([Record(Position(identity(1), 100), State.READING, LOG)])
    kept, gone = follower.scanned([])
    assert not kept
    assert [track.identity for track in gone] == [identity(1)]
    assert follower.scanned([]) == ([], [])
    assert follower.records()[0].state is State.GONE


def test_a_scan_with_holes_declares_nothing_gone() -> None:
    """A file that could not be opened may be the one."""
    follower = Follower([Record(Position(identity(1), 100), State.READING, LOG)])
    assert follower.scanned([], whole=False) == ([], [])
    assert follower.records()[0].state is State.READING


def test_files_that_were_left_out_are_known_as_done() -> None:
    """Whoever begins with the current file alone is not sent the others at the next start."""
    follower = Follower()
    rotated = [found(1), found(2, None), found(3, 0, beginning=b"")]
    follower.skip(rotated)
    (track,) = opened(follower, *rotated, found(4, current=True))[-1:]
    assert [one.place for one in follower.held] == [(1, 3), (1, 4)]
    assert track.place == (1, 4)
    records = {record.position.identity.inode: record for record in follower.records()}
    assert (records[1].state, records[1].position.offset) == (State.DONE, 500)
    assert (records[2].state, records[2].position.offset) == (State.DONE, 0)


def test_only_the_latest_of_what_is_absent_stays_known() -> None:
    """A folder's rotations must not fill the checkpoint; what is still owed is never forgotten."""
    count = ABSENT_KEPT + 3
    records = [Record(Position(identity(number), 1), State.DONE, LOG) for number in range(count)]
    owed = Record(Position(identity(900), 1), State.READING, LOG)
    follower = Follower([owed, *records])
    follower.scanned([found(1, 1)], whole=False)
    left = [record.position.identity.inode for record in follower.records()]
    assert left == [900, 1, *range(3, count)]


def test_files_come_in_the_order_of_their_last_writes() -> None:
    """Whatever was found when; the one at the path is last, and a deleted one keeps its place."""
    follower = Follower()
    first, last = opened(follower, found(1, modified=50), found(2, current=True, modified=9))
    (middle,) = opened(follower, found(3, modified=70), found(2, current=True, modified=9))
    assert follower.held == [first, middle, last]
    follower.saw({first.key: stat(1, modified=80)}, NOW)
    opened(follower, found(3, modified=70), found(2, current=True, modified=9))
    assert follower.held == [middle, first, last]


def test_a_new_file_at_the_path_is_behind_the_last_one() -> None:
    """Even if its time is older."""
    follower = Follower()
    (before,) = opened(follower, found(1, current=True, modified=50))
    (after,) = opened(follower, found(1, modified=50), found(2, current=True, modified=3))
    assert follower.held == [before, after]


def test_of_two_files_with_one_identity_the_later_is_acknowledged() -> None:
    """A file was cut and begins with the same line again."""
    follower = Follower()
    (before,) = opened(follower, found(1, current=True))
    read_all(follower, before)
    ((_, after),) = follower.saw({before.key: Stat(100, 0, head(1))}, NOW)
    follower.acknowledged(Position(identity(1), 100))
    assert (before.sent, after.sent) == (None, Position(identity(1), 100))


def test_keys_are_never_given_twice() -> None:
    """Whoever holds the files goes by them."""
    follower = Follower([Record(Position(identity(1), 100), State.READING, LOG)])
    keys = [track.key for track in opened(follower, found(1), found(2), found(3, current=True))]
    assert len(set(keys)) == 3


def test_what_is_not_looked_at_stays_as_it_was() -> None:
    """A look at one file says nothing of the others."""
    follower = Follower()
    one, two = opened(follower, found(1), found(2, current=True))
    follower.saw({two.key: stat(2, 900)}, NOW)
    assert (one.size, two.size) == (500, 900)


def test_a_file_without_an_identity_has_no_position() -> None:
    """Nothing of it can have been sent."""
    follower = Follower()
    (track,) = opened(follower, found(1, 0, current=True, beginning=b""))
    with pytest.raises(ValueError, match="no position"):
        _ = track.position


def test_a_copy_of_an_open_file_is_left_alone() -> None:
    """Its lines arrive with the original."""
    follower = Follower()
    opened(follower, found(1, current=True))
    copy = Found(f"{LOG}.bak", 1, 9, 500, 0, head(1))
    assert follower.scanned([found(1, current=True), copy]) == ([], [])


def test_a_file_moved_to_the_path_counts_as_having_been_there() -> None:
    """Somebody renamed it back; then another one took its place."""
    follower = Follower()
    old, back = opened(follower, found(1, modified=1), found(2, modified=2))
    read_all(follower, old)
    read_all(follower, back)
    opened(follower, found(1, modified=1), found(2, modified=2, current=True))
    follower.saw({}, NOW)
    act = follower.next(NOW + LINGER_S)
    assert act is not None
    assert act.track is old


def test_a_compressed_file_that_comes_back_is_read_from_where_it_was() -> None:
    """Its disk had been away; what was read is not read again, what was sent less far stays so."""
    follower = Follower([Record(Position(identity(1), 50, 2), State.GONE, LOG)])
    (track,) = opened(follower, found(1, None))
    assert (track.offset, track.unread, track.over, track.state) == (50, True, False, State.READING)


def test_a_copy_shorter_than_what_was_read_does_not_serve() -> None:
    """What counts is what was read, not what was sent of it."""
    follower = Follower()
    (before,) = opened(follower, found(1, current=True))
    follower.read(before, 300, NOW)
    follower.saw({before.key: Stat(0, 0, b"")}, NOW)
    copy = Found(f"{LOG}.1", 1, 9, 299, 0, head(1))
    kept, gone = follower.scanned([copy, found(1, 0, current=True, beginning=b"")])
    assert (kept, gone) == ([], [before])


def test_left_out_files_have_names_and_keys_of_their_own() -> None:
    """A fragment alone is left out as well."""
    follower = Follower()
    follower.skip([found(1), found(2, 5, beginning=b'{"aut')])
    assert [(record.name, record.position.offset) for record in follower.records()] == [(f"{LOG}.1", 500), (f"{LOG}.2", 5)]
    assert follower.held == []
    (track,) = opened(follower, found(1), found(2, 6, beginning=b'{"aut'), found(3, 0, current=True, beginning=b""))[:1]
    assert (track.name, track.offset, track.key) == (f"{LOG}.2", 5, 1)


def test_the_file_that_takes_anothers_place_keeps_its_name() -> None:
    """And gets a key of its own, for whoever holds the files."""
    follower = Follower()
    (before,) = opened(follower, found(1, current=True))
    read_all(follower, before)
    ((_, after),) = follower.saw({before.key: Stat(0, 0, b"")}, NOW)
    assert (after.name, after.key) == (LOG, before.key + 1)


def test_what_is_known_keeps_its_order_in_the_checkpoint() -> None:
    """The closed ones first, as they were."""
    records = [Record(Position(identity(number), 1), State.DONE, LOG) for number in (5, 3, 4)]
    follower = Follower(records)
    opened(follower, found(9, modified=-5), found(8, current=True))
    follower.scanned([found(9, modified=-5), found(8, current=True)])
    assert [record.position.identity.inode for record in follower.records()] == [5, 3, 4, 9, 8]
