"""What may be called done: a prefix that arrived whole, with its proof."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.audit.cloud.conftest import IDENTITY

from vaultgate_ops.audit.batcher import Body
from vaultgate_ops.audit.model import FileIdentity
from vaultgate_ops.audit.proofs import Covered, chained
from vaultgate_ops.audit.window import Batch, Proving, Window

OTHER = FileIdentity(1, 3, "cd" * 32, 1024)


def batch(*covered: Covered) -> Batch:
    """One call with these lines complete in it."""
    return Batch(Body(b"{}", 1, 0, 0), list(covered))


def lines(number: int, identity: FileIdentity = IDENTITY) -> Covered:
    """The tenth bytes from there on, one line."""
    return Covered(identity, number * 10, number * 10 + 10, number, [b"%032d" % number])


def prove(window: Window) -> Proving | None:
    """The next proof, without waiting for more."""
    return window.proof(0.0, every_s=9.0, batches=9, at_once=True)


@given(st.permutations(range(6)), st.lists(st.booleans(), min_size=6, max_size=6))
def test_nothing_is_done_before_all_in_front_of_it_arrived(order: list[int], proofs: list[bool]) -> None:
    """In whatever order calls arrive and proofs are sent: done is a prefix, and at the end everything."""
    window = Window()
    batches = [batch(lines(number)) for number in range(6)]
    for one in batches:
        window.put(one)
    arrived: set[int] = set()
    for number, proving in zip(order, proofs, strict=True):
        window.arrived(batches[number], 0.0)
        arrived.add(number)
        if proving and prove(window):
            window.proven()
        prefix = next(place for place in itertools.count() if place not in arrived)
        assert (window.done.offset if window.done else 0) <= prefix * 10
    while prove(window):
        window.proven()
    assert window.empty
    assert window.done is not None
    assert (window.done.offset, window.done.lines) == (60, 6)


def test_a_position_is_given_out_when_its_proof_arrived() -> None:
    """Not when it was sent; one proof at a time."""
    window = Window()
    first, second = batch(lines(0)), batch(lines(1))
    window.put(first)
    window.put(second)
    window.arrived(first, 0.0)
    proving = prove(window)
    assert proving is not None
    window.arrived(second, 0.0)
    assert (window.done, prove(window)) == (None, None)
    window.proven()
    assert window.done == proving.position
    following = prove(window)
    assert following is not None
    assert following.before == proving.position.chain == chained("", lines(0))


@pytest.mark.parametrize(
    ("waited_s", "arrived", "due"), [(0.0, 1, False), (8.9, 1, False), (9.0, 1, True), (0.0, 8, False), (0.0, 9, True)]
)
def test_a_proof_waits_for_company(waited_s: float, arrived: int, *, due: bool) -> None:
    """So long, or for so many batches."""
    window = Window()
    for number in range(arrived):
        one = batch(lines(number))
        window.put(one)
        window.arrived(one, 100.0)
    assert (window.proof(100.0 + waited_s, every_s=9.0, batches=9, at_once=False) is not None) is due


def test_two_files_have_two_proofs() -> None:
    """Though one call carried both; the first does not wait."""
    window = Window()
    both = batch(lines(0), lines(0, OTHER))
    window.put(both)
    window.arrived(both, 0.0)
    first = window.proof(0.0, every_s=9.0, batches=9, at_once=False)
    assert first is not None
    assert first.position.identity == IDENTITY
    window.proven()
    assert window.proof(0.0, every_s=9.0, batches=9, at_once=False) is None
    second = prove(window)
    assert second is not None
    assert (second.position.identity, second.before) == (OTHER, first.position.chain)


def test_the_beginning_of_a_long_line_is_under_way_until_it_arrived() -> None:
    """It has nothing to prove, and holds nothing up."""
    window = Window()
    part = batch()
    window.put(part)
    assert (len(window), window.empty) == (1, False)
    window.arrived(part, 0.0)
    assert (len(window), window.empty, prove(window)) == (0, True, None)
