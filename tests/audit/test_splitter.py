"""Blocks become entries, byte for byte, wherever they are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.audit.writer import entry

from vaultgate_ops.audit.model import LONGEST_MESSAGE, Entry
from vaultgate_ops.audit.splitter import RawContent, Splitter, glue, prefix_of

ONE, TWO = entry(1), entry(2)


def split(content: bytes, *cuts: int, offset: int = 0, prefix: bytes = b"") -> list[Entry]:
    """The entries of a file that is read in blocks."""
    splitter = Splitter(offset, prefix)
    ends = [*cuts, len(content)]
    return [
        entry for start, end in zip([0, *cuts], ends, strict=True) for entry in splitter.feed(content[start:end])
    ] + splitter.end()


def test_each_line_is_an_entry_with_its_place() -> None:
    """The newline belongs to the place, not to the line."""
    assert split(b"a\n\nbc\n", offset=10) == [Entry(10, 12, b"a"), Entry(12, 13, b""), Entry(13, 16, b"bc")]


@given(st.lists(st.binary(max_size=20), max_size=8), st.lists(st.integers(0, 100), max_size=5))
def test_it_doesnt_matter_where_blocks_end(lines: list[bytes], cuts: list[int]) -> None:
    """Any bytes, in any blocks: the entries together are the bytes."""
    content = b"\n".join(lines)
    found = split(content, *sorted(min(cut, len(content)) for cut in cuts))
    assert found == split(content)
    assert b"".join((one.line or b"") + (b"" if one.torn else b"\n") for one in found) == content


@pytest.mark.parametrize("size", [LONGEST_MESSAGE - 1, LONGEST_MESSAGE])
def test_the_longest_event_is_handed_on(size: int) -> None:
    """With its bytes."""
    assert split(b"x" * size + b"\n", 1000, 1_000_000)[0].line == b"x" * size


@pytest.mark.parametrize("cuts", [(), (1_048_551,), (1_048_552,), (600_000, 1_200_000)])
def test_a_longer_line_is_only_measured(cuts: tuple[int, ...]) -> None:
    """Wherever the blocks end; the lines around it are as always."""
    long = LONGEST_MESSAGE + 1
    content = b"a\n" + b"x" * long + b"\nb\n"
    assert split(content, *cuts) == [Entry(0, 2, b"a"), Entry(2, long + 3, None), Entry(long + 3, long + 5, b"b")]


def test_a_long_fragment_is_measured_too() -> None:
    """A file that ended within it."""
    assert split(b"x" * (LONGEST_MESSAGE + 5)) == [Entry(0, LONGEST_MESSAGE + 5, None, torn=True)]


def test_what_was_complete_is_known() -> None:
    """A position for those who ask in between."""
    splitter = Splitter(5)
    splitter.feed(b"ab\ncd")
    assert (splitter.complete, splitter.offset) == (8, 10)


@pytest.mark.parametrize("share", [1, 5, 60, 150, len(ONE) - 1])
def test_an_entry_glued_to_a_fragment_is_salvaged(share: int) -> None:
    """However much of the first entry the full disk took."""
    content = TWO + b"\n" + ONE[:share] + TWO + b"\n"
    start = len(TWO) + 1
    assert split(content) == [
        Entry(0, start, TWO),
        Entry(start, start + share, ONE[:share], torn=True),
        Entry(start + share, len(content), TWO),
    ]


def test_two_fragments_in_a_row_are_one() -> None:
    """The disk was full twice."""
    assert glue(ONE[:50] + TWO[:90] + ONE) == 140


def test_an_entry_that_holds_another_is_whole() -> None:
    """Its data may look like an entry's beginning."""
    holding = ONE.replace(b'"headers":{', b'"data":{"auth":{"time":"x","type":"y"}},"headers":{')
    assert glue(holding) == 0
    assert split(holding + b"\n") == [Entry(0, len(holding) + 1, holding)]


def test_a_line_without_a_whole_entry_stays_one() -> None:
    """Nothing can be told apart in it."""
    for line in (b"no json", ONE[:-5], ONE[:20] + TWO[:-1], ONE + b"tail", b'{"auth":{"auth":1}}', b'x{"auth":[1]}'):
        assert glue(line) == 0


@pytest.mark.parametrize("share", [1, 3, 40])
def test_a_prefix_stays_with_its_entry(share: int) -> None:
    """A device's prefix stands before each entry, the glued one included."""
    prefix = b"vault-a: "
    content = prefix + TWO + b"\n" + (prefix + ONE)[:share] + prefix + TWO + b"\n"
    found = split(content, prefix=prefix_of(content))
    assert [one.line for one in found] == [prefix + TWO, (prefix + ONE)[:share], prefix + TWO]


@pytest.mark.parametrize(
    ("beginning", "prefix"), [(b"p: " + ONE, b"p: "), (ONE, b""), (b"text\n" + ONE, b""), (b"", b""), (b'{"au' + ONE, b"")]
)
def test_a_prefix_is_what_stands_before_the_first_entry(beginning: bytes, prefix: bytes) -> None:
    """A fragment is none."""
    assert prefix_of(beginning) == prefix


RAW = ONE.replace(b"hmac-sha256:", b"hvs.")
RAW_JSONX = b'<json:string name="client_token">hvs.abc</json:string>\n'


@pytest.mark.parametrize("content", [RAW + b"\n", ONE + b"\n" + RAW + b"\n", RAW_JSONX])
def test_a_token_in_clear_is_refused_wherever_the_block_ends(content: bytes) -> None:
    """JSON and jsonx; the offset is the token's place or a little before."""
    for cut in range(0, len(content), 7):
        with pytest.raises(RawContent):
            split(content, cut)
    assert len(Splitter(0, raw_allowed=True).feed(content)) == content.count(b"\n")


def test_a_token_in_clear_is_found_in_a_line_that_is_only_measured() -> None:
    """It may stand behind a megabyte of data."""
    splitter = Splitter(0)
    splitter.feed(b"x" * (LONGEST_MESSAGE + 1))
    splitter.feed(b'"client_token":"hv')
    with pytest.raises(RawContent) as raised:
        splitter.feed(b's.abc"')
    assert raised.value.offset == LONGEST_MESSAGE + 1


@pytest.mark.parametrize("content", [ONE, ONE.replace(b'"hmac-', b'""'), RAW_JSONX.replace(b"hvs.abc", b"hmac-sha256:ab")])
def test_hashed_tokens_and_none_pass(content: bytes) -> None:
    """That is what Vault writes without log_raw."""
    assert Splitter(0).feed(content + b"\n")
