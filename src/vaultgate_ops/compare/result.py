"""What a comparison came to, as values and as JSON.

Rules: a number without its tag doesn't exist here: `measured-here`, `computed` from such numbers, or `published`, and then
with its source. A place says where a time was taken, so that loopback's never passes for AWS's. What could not be measured
is a measurement without a value whose note says why. ``result.schema.json`` is the same in JSON Schema; a test holds the two
together. A document read back is checked, and an error names the field.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaultgate_ops.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SCHEMA = 1
SCHEMA_FILE = Path(__file__).with_name("result.schema.json")
NEVER = "never"
"""The value of a time that did not come within the horizon; ``conditions["horizon_s"]`` says how long it was waited for."""


class Tag(StrEnum):
    """Where a number comes from."""

    MEASURED = "measured-here"
    COMPUTED = "computed"
    PUBLISHED = "published"


class Dimension(StrEnum):
    """What is measured; each has an experiment of its own."""

    COLD_START = "cold_start"
    READS = "reads"
    STALENESS = "staleness"
    LEAK = "leak"
    OUTAGE = "outage"
    AUDIT = "audit"
    BLAST_RADIUS = "blast_radius"
    THROTTLING = "throttling"


@dataclass(frozen=True)
class Source:
    """Where somebody else says it.

    Attributes:
        url: of the page.
        title: of the page.
        date: on which it was read, YYYY-MM-DD.
    """

    url: str
    title: str
    date: str


@dataclass(frozen=True)
class Measurement:
    """One figure, or one fact.

    Attributes:
        dimension: whose it is.
        contender: id of a contender; or of a store, where it holds for all ways of reading it.
        name: in the dimension, such as `warm_p50`.
        value: a number, a text, a truth; `NEVER`; None where it could not be had, and the note says why.
        unit: of the number, such as `ms`; empty for texts.
        tag: where it comes from.
        source: of what is published, or of what a computation stands on.
        samples: how many it is made of; 0 for what was not measured.
        note: what a reader must know.
        series: points to plot, pairs of numbers; None for none.
        conditions: that it holds under, such as `{"lifetime_s": 300}`.
        place: `loopback` or `aws` for a time that includes a network's; None for others.
    """

    dimension: Dimension
    contender: str
    name: str
    value: float | str | bool | None
    unit: str = ""
    tag: Tag = Tag.MEASURED
    source: Source | None = None
    samples: int = 1
    note: str = ""
    series: tuple[tuple[float, float], ...] | None = None
    conditions: Mapping[str, float | str] = field(default_factory=dict)
    place: str | None = None


@dataclass(frozen=True)
class Contender:
    """One way of reading one store, and what became of it.

    Attributes:
        id: `STORE.WAY`.
        store: id of the store.
        way: how it is read.
        title: for people.
        ran: whether anything of it was measured.
        why_not: in one sentence, where it could not run.
    """

    id: str
    store: str
    way: str
    title: str
    ran: bool = True
    why_not: str | None = None


@dataclass(frozen=True)
class Result:
    """Everything that was measured in one comparison.

    Attributes:
        made: ISO 8601, in UTC.
        mode: `quick` or `full`.
        target: `local` or `aws`.
        machine: its facts.
        versions: of programs and packages, by name.
        stores: titles by id.
        contenders: all that there are, those that could not run too.
        measurements: all.
        complete: whether everything was asked for, not a choice of dimensions, stores or contenders.
    """

    made: str
    mode: str
    target: str
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    stores: Mapping[str, str]
    contenders: tuple[Contender, ...]
    measurements: tuple[Measurement, ...]
    complete: bool = True

    def find(self, dimension: str, name: str, contender: str | None = None) -> Iterator[tuple[str, Measurement]]:
        """Measurements by dimension and name, each with its JSON pointer (RFC 6901) in `document()`.

        Args:
            dimension: such as `reads`.
            name: such as `warm_p50`.
            contender: of a contender or a store; None for all.
        """
        for index, one in enumerate(self.measurements):
            if (one.dimension, one.name) == (dimension, name) and contender in (None, one.contender):
                yield f"/measurements/{index}", one

    def document(self) -> dict[str, Any]:
        """The whole as JSON values."""
        return {"schema": SCHEMA, **asdict(self)}

    def text(self) -> str:
        """The document as the file's text."""
        return json.dumps(self.document(), indent=2, allow_nan=False) + "\n"


def load(document: object) -> Result:
    """Read a document back; fields that were added beside ours are left out.

    Raises:
        UsageProblem: it isn't one; names the field.
    """
    whole = _object(document, "")
    if whole.get("schema") != SCHEMA:
        raise UsageProblem(f"/schema is {whole.get('schema')!r}, this version reads {SCHEMA}.", "Measure again.")
    return Result(
        made=_text(whole, "made", ""),
        mode=_text(whole, "mode", ""),
        target=_text(whole, "target", ""),
        machine=_object(whole.get("machine"), "/machine"),
        versions=_object(whole.get("versions"), "/versions"),
        stores=_object(whole.get("stores"), "/stores"),
        contenders=tuple(_contender(one, f"/contenders/{at}") for at, one in _items(whole, "contenders")),
        measurements=tuple(measurement(one, f"/measurements/{at}") for at, one in _items(whole, "measurements")),
        complete=bool(whole.get("complete", True)),
    )


def measurement(document: object, where: str = "") -> Measurement:
    """Read one measurement back.

    Args:
        document: as `dataclasses.asdict` and JSON leave it.
        where: JSON pointer of it, for errors.

    Raises:
        UsageProblem: it isn't one; names the field.
    """
    one = _object(document, where)
    value = one.get("value")
    if isinstance(value, float) and not math.isfinite(value):
        raise _wrong(f"{where}/value", "a finite number")
    if value is not None and not isinstance(value, (bool, int, float, str)):
        raise _wrong(f"{where}/value", "a number, a text, a truth or null")
    source, series, place = one.get("source"), one.get("series"), one.get("place")
    try:
        return Measurement(
            dimension=Dimension(str(one.get("dimension"))),
            contender=_text(one, "contender", where),
            name=_text(one, "name", where),
            value=value,
            unit=str(one.get("unit", "")),
            tag=Tag(str(one.get("tag"))),
            source=None if source is None else _source(source, f"{where}/source"),
            samples=int(one.get("samples", 1)),
            note=str(one.get("note", "")),
            series=None if series is None else tuple((float(x), float(y)) for x, y in series),
            conditions=_object(one.get("conditions", {}), f"{where}/conditions"),
            place=None if place is None else str(place),
        )
    except (TypeError, ValueError) as error:
        raise UsageProblem(f"{where or '/'} is no measurement: {error}.", "Measure again.") from error


def _contender(document: object, where: str) -> Contender:
    one = _object(document, where)
    why_not = one.get("why_not")
    return Contender(
        id=_text(one, "id", where),
        store=_text(one, "store", where),
        way=_text(one, "way", where),
        title=_text(one, "title", where),
        ran=bool(one.get("ran")),
        why_not=None if why_not is None else str(why_not),
    )


def _source(document: object, where: str) -> Source:
    one = _object(document, where)
    return Source(url=_text(one, "url", where), title=_text(one, "title", where), date=_text(one, "date", where))


def _items(whole: Mapping[str, Any], name: str) -> Iterator[tuple[int, object]]:
    listed = whole.get(name)
    if not isinstance(listed, list):
        raise _wrong(f"/{name}", "a list")
    return iter(enumerate(listed))


def _object(document: object, where: str) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise _wrong(where or "/", "an object")
    return document


def _text(document: Mapping[str, Any], name: str, where: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise _wrong(f"{where}/{name}", "a text")
    return value


def _wrong(where: str, wanted: str) -> UsageProblem:
    return UsageProblem(f"{where} must be {wanted}.", "Measure again.")
