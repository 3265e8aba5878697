"""The result's model, its JSON and its schema say the same."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from vaultgate_ops.compare.result import (
    NEVER,
    SCHEMA_FILE,
    Contender,
    Dimension,
    Measurement,
    Result,
    Source,
    Tag,
    load,
)
from vaultgate_ops.errors import UsageProblem

WARM = Measurement(
    Dimension.READS, "ssm.boto3", "warm_p50", 1.5, "ms", samples=20, series=((0.0, 1.5),), conditions={"n": 1}, place="loopback"
)
QUOTED = Measurement(
    Dimension.AUDIT,
    "ssm",
    "who",
    "the role's session",
    tag=Tag.PUBLISHED,
    source=Source("https://example.org/a", "A page", "2026-11-21"),
    samples=0,
)
RESULT = Result(
    made="2026-11-21T06:00:00+00:00",
    mode="quick",
    target="local",
    machine={"cores": 2},
    versions={"vault": "1.21.1"},
    stores={"ssm": "Parameter Store"},
    contenders=(
        Contender("ssm.boto3", "ssm", "boto3", "boto3"),
        Contender("ssm.agent", "ssm", "agent", "agent", ran=False, why_not="no agent"),
    ),
    measurements=(WARM, QUOTED),
)


def valid(result: Result) -> bool:
    """Whether the schema takes it, as the file would hold it."""
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
    return bool(validator.is_valid(json.loads(result.text())))


def test_a_result_comes_back_as_it_went() -> None:
    """Written and read again, it is the same, and the schema takes it."""
    assert valid(RESULT)
    assert load(json.loads(RESULT.text())) == RESULT


@pytest.mark.parametrize(
    "wrong",
    [
        replace(QUOTED, source=None),
        replace(WARM, value=None),
        replace(WARM, place=None),
        replace(WARM, value=1.5, unit="s", place=None),
        replace(WARM, value=NEVER, unit="s", conditions={"horizon_s": 9}, place=None),
        replace(WARM, value=NEVER),
        replace(WARM, contender="no/such id"),
    ],
    ids=[
        "published without source",
        "no value and no note",
        "a time of nowhere",
        "seconds of nowhere",
        "never, of nowhere",
        "never without a horizon",
        "bad id",
    ],
)
def test_the_schema_refuses_what_is_not_honest(wrong: Measurement) -> None:
    """A number needs its source, its place, its horizon or its reason."""
    assert not valid(replace(RESULT, measurements=(wrong,)))


def test_the_schema_knows_the_model_s_words() -> None:
    """Each dimension and tag of the model is one of the schema's, and the other way round."""
    known = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))["$defs"]["measurement"]["properties"]
    assert known["dimension"]["enum"] == [str(one) for one in Dimension]
    assert known["tag"]["enum"] == [str(one) for one in Tag]


def test_what_is_found_has_a_pointer_that_leads_to_it() -> None:
    """The pointer names the place in the document."""
    ((pointer, found),) = RESULT.find("audit", "who")
    assert found == QUOTED
    place: Any = RESULT.document()
    for step in pointer.split("/")[1:]:
        place = place[int(step)] if isinstance(place, (list, tuple)) else place[step]
    assert place["contender"] == "ssm"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"schema": 2}, "/schema"),
        ({"contenders": {}}, "/contenders"),
        ({"measurements": [{}]}, "/measurements/0"),
        ({"made": ""}, "/made"),
    ],
)
def test_a_damaged_document_is_refused_by_field(change: dict[str, Any], named: str) -> None:
    """The message names what is wrong."""
    with pytest.raises(UsageProblem, match=named):
        load({**json.loads(RESULT.text()), **change})
