"""Figures: how samples become one, in which form they are written, what they are compared with.

Rules: pure. A figure is the median of its samples; a median over fewer samples than were asked for says how many. The
reference column is what was measured once of another program on another machine, never mixed with what is measured
here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

REFERENCE_NOTE = "HashiCorp's extension 0.14, measured once on a 2-core machine of this kind, not here"

_UNITS = {
    "ms": "ms",
    "mb": "MB",
    "us": "us",
    "kb": "KB",
    "rps": "1/s",
    "s": "1/s",
    "100k": "s",
    "lost": "lines",
    "duplicates": "lines",
}


@dataclass(frozen=True)
class Aim:
    """What a figure is compared with.

    Attributes:
        reference: the other program's, in the figure's unit; None where there is none.
        factor: ours must be at most this times the peer's or, without one, the reference.
        most: ours must be at most this.
        least: ours must be at least this.
    """

    reference: float | None = None
    factor: float | None = None
    most: float | None = None
    least: float | None = None


def _cold(function: str, *columns: tuple[int, float, float]) -> dict[tuple[str, str], Aim]:
    return {
        _key("cold.first_secret_ms", {"login_ms": login_ms, "function": function}): Aim(reference, factor)
        for login_ms, reference, factor in columns
    }


def _key(name: str, params: Mapping[str, Any]) -> tuple[str, str]:
    return name, repr(sorted(params.items()))


AIMS: dict[tuple[str, str], Aim] = {
    **_cold("bare", (0, 51, 1.05), (50, 104, 0.9), (200, 255, 0.97)),
    **_cold("boto3", (0, 252, 1.05), (50, 303, 0.88), (200, 469, 0.6)),
    _key("cold.added_init_ms", {"login_ms": 0, "function": "boto3"}): Aim(15, most=30),
    _key("cold.added_init_ms", {"login_ms": 50, "function": "boto3"}): Aim(65, most=30),
    _key("cold.added_init_ms", {"login_ms": 200, "function": "boto3"}): Aim(232, most=30),
    _key("cold.cpu_ms", {}): Aim(13, factor=2.7),
    _key("cold.peak_rss_mb", {}): Aim(13.5, factor=1.35),
    _key("read.memory_us", {"quantile": 0.5}): Aim(most=0.7),
    _key("read.proxy_us", {"quantile": 0.5}): Aim(153, factor=1.0),
    _key("read.proxy_us", {"quantile": 0.99}): Aim(418, factor=1.0),
    # How the other program's machine stood is not known: both are shown beside it.
    _key("read.proxy_us", {"quantile": 0.5, "processors": "awake"}): Aim(153, factor=1.0),
    _key("read.proxy_us", {"quantile": 0.99, "processors": "awake"}): Aim(418, factor=1.0),
    _key("layer.zip_kb", {}): Aim(4100, most=200),
    _key("audit.events_per_s", {}): Aim(44_000, least=40_000),
    _key("audit.cpu_s_per_100k", {}): Aim(1.3, most=1.5),
    _key("audit.peak_rss_mb", {}): Aim(193, most=80),
    _key("audit.delay_ms", {"quantile": 0.99}): Aim(most=2000),
    _key("audit.catch_up_ms", {}): Aim(most=20_000),
    _key("audit.fragments_reported", {}): Aim(0, least=1),
    _key("audit.lost", {"case": "backlog"}): Aim(0, most=0),
    _key("audit.lost", {"case": "1,000/s"}): Aim(most=0),
    _key("audit.lost", {"case": "SIGKILL at 40 % and 70 %"}): Aim(0, most=0),
    _key("audit.lost", {"case": "a 1.5 MB line"}): Aim(2000, most=0),
    _key("audit.lost", {"case": "rotated while stopped"}): Aim(5000, most=0),
    _key("audit.lost", {"case": "throttled for 20 s"}): Aim(23_122, most=0),
    _key("audit.lost", {"case": "a torn line"}): Aim(1, most=0),
    # Two kills, twelve batches under way each, 720 lines in one.
    _key("audit.duplicates", {"case": "SIGKILL at 40 % and 70 %"}): Aim(22_500, most=2 * 12 * 720),
}
"""References and targets, by the figure's name and params."""


@dataclass
class Figure:
    """One figure and its samples.

    Attributes:
        name: as in ``cold.first_secret_ms``; its last word is the unit.
        params: what tells it from others of its name.
        ours, peer: the samples of each side, in the order they were taken.
    """

    name: str
    params: dict[str, Any] = field(default_factory=dict)
    ours: list[float] = field(default_factory=list)
    peer: list[float] = field(default_factory=list)

    @property
    def unit(self) -> str:
        """Of the value; ``calls`` where the name ends in none."""
        return _UNITS.get(self.name.rpartition("_")[2].rpartition(".")[2], "calls")

    @property
    def aim(self) -> Aim:
        """What it is compared with; nothing for one without a target."""
        return AIMS.get(_key(self.name, self.params), Aim())

    def compared(self) -> float | None:
        """What ours is compared with: the peer's median or, without a peer, the reference."""
        return median(self.peer) if self.peer else self.aim.reference

    def limit(self) -> float | None:
        """The most that ours may be, or the least where more is better; None where there is no target."""
        if self.aim.least is not None:
            return self.aim.least
        if self.aim.most is not None:
            return self.aim.most
        base = self.compared()
        return None if base is None or self.aim.factor is None else base * self.aim.factor

    def holds(self) -> bool | None:
        """Whether ours keeps its limit; None without target or samples."""
        limit = self.limit()
        if limit is None or not self.ours:
            return None
        return median(self.ours) >= limit if self.aim.least is not None else median(self.ours) <= limit

    def document(self) -> dict[str, Any]:
        """Its JSON form; values rounded to what can be told apart, ``null`` for a side that was not measured."""
        return {
            "name": self.name,
            "params": self.params,
            "unit": self.unit,
            "ours": rounded(median(self.ours)) if self.ours else None,
            "peer": rounded(median(self.peer)) if self.peer else None,
            "samples": len(self.ours),
        }


class Figures:
    """The figures of one run, in the order in which they were first heard of."""

    def __init__(self) -> None:
        self._figures: dict[tuple[str, str], Figure] = {}

    def __iter__(self) -> Iterator[Figure]:
        """All of them."""
        return iter(self._figures.values())

    def sample(self, side: str, name: str, value: float, **params: Any) -> None:
        """Take note of one sample.

        Args:
            side: ``ours`` or ``peer``.
            name: of the figure.
            value: in the unit that ends the name.
            **params: of the figure.
        """
        figure = self._figures.setdefault(_key(name, params), Figure(name, params))
        (figure.ours if side == "ours" else figure.peer).append(value)

    def document(self, machine: Mapping[str, Any]) -> dict[str, Any]:
        """The whole run's JSON form."""
        return {"machine": dict(machine), "figures": [figure.document() for figure in self._figures.values()]}


def median(samples: Iterable[float]) -> float:
    """The middle sample; the mean of the two middle ones of an even number.

    Raises:
        ValueError: there are none.
    """
    return quantile(sorted(samples), 0.5)


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which this share of the samples lies, between two of them in proportion.

    Args:
        ordered: ascending.
        share: 0 to 1.

    Raises:
        ValueError: there are none.
    """
    if not ordered:
        raise ValueError("no samples have no quantile")
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def rounded(value: float) -> float:
    """Three digits where a value is small, one after the point where it is large: noise is larger than the rest."""
    return float(f"{value:.3g}") if abs(value) < 100 else round(value, 1)  # noqa: PLR2004 - from here on a tenth is a fourth digit
