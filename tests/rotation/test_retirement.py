"""Which of an account's keys are to end: never a current one, never anybody else's, an orphan only at the second look."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaultgate_ops.rotation.api_keys.retirement import Ending, Live, ending, label, prefix

ARN, OTHER = "arn:aws:secretsmanager:us-east-1:123456789012:secret:app-AbCdEf", "arn:aws:secretsmanager:us-east-1:1:secret:b"


def test_a_label() -> None:
    """Tells secret and version, and fits where labels are short and plain; the same each time it is asked for."""
    made = label(ARN, "0f0e7a5e-5f4b-4d6c-9e1b-0a2b3c4d5e6f")
    assert made == prefix(ARN) + "0f0e7a5e-5f4b-4d6c-9e1b-0a2b3c4d5e6f"
    assert prefix(ARN) == "vaultgate-57a1fc86b5cc-"
    assert len(made) == 59
    assert prefix(ARN) != prefix(OTHER)


@pytest.mark.parametrize(
    ("live", "doubted", "expected"),
    [
        (Live("current", label(ARN, "1")), (), Ending((), ())),
        (Live("current", "by hand"), (), Ending((), ())),
        (Live("former", "by hand"), (), Ending(("former",), ())),
        (Live("former", label(ARN, "1")), (), Ending(("former",), ())),
        (Live("orphan", label(ARN, "1")), (), Ending((), ("orphan",))),
        (Live("orphan", label(ARN, "1")), ("orphan",), Ending(("orphan",), ())),
        (Live("orphan", label(ARN, "1")), ("another",), Ending((), ("orphan",))),
        (Live("stranger", ""), (), Ending((), ())),
        (Live("stranger", "by hand"), ("stranger",), Ending((), ())),
        (Live("stranger", label(OTHER, "1")), (), Ending((), ())),
        (Live("stranger", f"x{label(ARN, '1')}"), (), Ending((), ())),
    ],
)
def test_what_becomes_of_a_key(live: Live, doubted: tuple[str, ...], expected: Ending) -> None:
    """By whose it is, and whether it was looked at before."""
    assert ending([live], ARN, {"current"}, {"former"}, doubted) == expected


def test_one_key_does_not_hide_another() -> None:
    """Each is decided about for itself, in the API's order."""
    live = [
        Live("current", label(ARN, "3")),
        Live("o-2", label(ARN, "2")),
        Live("former", ""),
        Live("x", ""),
        Live("o-1", label(ARN, "1")),
    ]
    assert ending(live, ARN, {"current"}, {"former"}, {"o-1"}) == Ending(("former", "o-1"), ("o-2",))


IDS = st.sampled_from(["a", "b", "c", "d"])


@given(
    st.lists(st.builds(Live, IDS, st.sampled_from(["", label(ARN, "1"), label(OTHER, "1")])), max_size=6),
    st.sets(IDS),
    st.sets(IDS),
    st.sets(IDS),
)
def test_what_is_to_be_kept_is_kept(live: list[Live], keep: set[str], former: set[str], doubted: set[str]) -> None:
    """Whatever else is said of it; and nothing ends that is neither a former value's nor labelled as this secret's."""
    plan = ending(live, ARN, keep, former, doubted)
    assert not keep & {*plan.certain, *plan.doubtful}
    mine = {one.key_id for one in live if one.label.startswith(prefix(ARN))}
    assert {*plan.certain} <= former | (mine & doubted)
    assert {*plan.doubtful} <= mine
