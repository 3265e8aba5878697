"""What becomes of the bench's samples."""

from __future__ import annotations

import json

import pytest
from benchmarks import extension, table
from benchmarks.figures import REFERENCE_NOTE, Figure, Figures, median, quantile, rounded
from hypothesis import given
from hypothesis import strategies as st

from vaultgate_ops.errors import UsageProblem
from vaultgate_ops.reporting import Silent

NAMES = {
    "cold.added_init_ms": "ms",
    "cold.first_secret_ms": "ms",
    "cold.cpu_ms": "ms",
    "cold.peak_rss_mb": "MB",
    "read.memory_us": "us",
    "read.proxy_us": "us",
    "read.echo_us": "us",
    "read.proxy_rps": "1/s",
    "read.vault_calls_per_1000": "calls",
    "layer.zip_kb": "KB",
}
BARE = {"login_ms": 50, "function": "bare"}


def test_the_document_has_the_form_that_others_read() -> None:
    """Machine and figures; a figure has name, params, unit, both sides' medians and the number of samples."""
    figures = Figures()
    for ours, peer in ((250.0, 300.0), (270.0, 306.0), (260.0, 303.0)):
        figures.sample("ours", "cold.first_secret_ms", ours, login_ms=50, function="boto3")
        figures.sample("peer", "cold.first_secret_ms", peer, login_ms=50, function="boto3")
    document = figures.document({"cores": 2})
    assert json.loads(json.dumps(document)) == {
        "machine": {"cores": 2},
        "figures": [
            {
                "name": "cold.first_secret_ms",
                "params": {"login_ms": 50, "function": "boto3"},
                "unit": "ms",
                "ours": 260.0,
                "peer": 303.0,
                "samples": 3,
            }
        ],
    }


def test_without_another_extension_peer_is_null() -> None:
    """The reference from elsewhere never gets into the document."""
    assert Figure("cold.cpu_ms", ours=[30.0]).document()["peer"] is None


@pytest.mark.parametrize(("name", "unit"), NAMES.items())
def test_every_figure_has_a_unit(name: str, unit: str) -> None:
    """The unit is what the name ends in."""
    assert Figure(name).unit == unit


def test_params_in_another_order_are_the_same_figure() -> None:
    """A figure is known by name and params, however they were written."""
    figures = Figures()
    figures.sample("ours", "cold.first_secret_ms", 1.0, login_ms=50, function="bare")
    figures.sample("ours", "cold.first_secret_ms", 2.0, function="bare", login_ms=50)
    assert [figure.ours for figure in figures] == [[1.0, 2.0]]


def test_a_peer_that_was_measured_takes_the_place_of_the_reference() -> None:
    """0.9 times 104 ms is the limit without a peer, 0.9 times the peer's median with one."""
    assert Figure("cold.first_secret_ms", BARE, ours=[93.0]).limit() == pytest.approx(93.6)
    assert Figure("cold.first_secret_ms", BARE, ours=[93.0], peer=[80.0, 100.0, 90.0]).limit() == pytest.approx(81.0)


@pytest.mark.parametrize(("ours", "holds"), [(93.5, True), (93.7, False)])
def test_a_target_holds_up_to_its_limit(ours: float, *, holds: bool) -> None:
    """Judged on the median."""
    assert Figure("cold.first_secret_ms", BARE, ours=[0.0, ours, 1e9]).holds() is holds


def test_half_a_core_is_held_to_no_target() -> None:
    """The references were measured on whole cores."""
    assert Figure("cold.first_secret_ms", {**BARE, "cores": 0.5}, ours=[93.0]).holds() is None


def test_a_median_of_an_even_number_lies_between() -> None:
    """Half-way between the two in the middle, whatever their order."""
    assert median([4.0, 1.0, 3.0, 2.0]) == pytest.approx(2.5)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.floats(0, 1))
def test_a_quantile_lies_among_its_samples(samples: list[float], share: float) -> None:
    """Its ends are the least and the largest sample, and it never leaves them."""
    ordered = sorted(samples)
    assert quantile(ordered, 0) == ordered[0]
    assert quantile(ordered, 1) == ordered[-1]
    slack = 1e-6
    assert ordered[0] - slack <= quantile(ordered, share) <= ordered[-1] + slack


def test_no_samples_have_no_median() -> None:
    """Rather an error than a figure from nothing."""
    with pytest.raises(ValueError, match="no samples"):
        median([])


@pytest.mark.parametrize(("value", "shown"), [(0.38123, 0.381), (38.46, 38.5), (153.27, 153.3), (16687.14, 16687.1)])
def test_rounding_keeps_what_can_be_told_apart(value: float, shown: float) -> None:
    """Three digits of small values, a tenth of large ones."""
    assert rounded(value) == shown


def told(*, measured_peer: bool) -> str:
    """The tables of a run with one figure on whole cores and one on half of one."""
    figures = Figures()
    for params in (BARE, {**BARE, "cores": 0.5}):
        figures.sample("ours", "cold.first_secret_ms", 100.0, **params)
        if measured_peer:
            figures.sample("peer", "cold.first_secret_ms", 110.0, **params)
    return "\n".join(table.lines(figures, {"cores": 2}, measured_peer=measured_peer))


def test_the_reference_column_is_marked_as_measured_elsewhere() -> None:
    """Without a peer the column says reference, and a line below says whose and from where."""
    text = told(measured_peer=False)
    assert REFERENCE_NOTE in text
    assert "reference" in text.splitlines()[2]
    assert "peer" not in text


def test_a_measured_peer_leaves_no_reference() -> None:
    """With a peer nothing from elsewhere is printed."""
    text = told(measured_peer=True)
    assert "reference" not in text
    assert "110" in text


def test_half_a_core_has_a_table_of_its_own() -> None:
    """Its rows don't stand among those of whole cores."""
    whole, half = told(measured_peer=True).split("half a core")
    assert whole.count("cold.first_secret_ms") == half.count("cold.first_secret_ms") == 1


def test_a_figure_that_is_none_is_refused_before_anything_is_measured() -> None:
    """It is named with those there are: else the last measurement would be overwritten by an empty one."""
    with pytest.raises(UsageProblem, match="begins with bogus") as caught:
        extension.run(1, ("read.", "bogus"), None, Silent())
    assert "layer., cold., read." in caught.value.hint
