"""Every type of template.yaml is made in moto and read back; what moto can't is in a list that is held to be true.

moto.json has two parts: types that moto doesn't have at all, and properties of others that are not read back as they were given,
each with its reason: moto loses them, or the service itself never shows them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from moto import mock_aws
from tests.deploy.in_moto import MAKERS, Account
from tests.deploy.ways import WAYS, deployed, nested
from tests.simulators.cloudformation import Deployed

if TYPE_CHECKING:
    from collections.abc import Iterator

# One process makes the account, and imports moto's services.
pytestmark = pytest.mark.xdist_group("moto")

_LISTED: dict[str, Any] = json.loads(Path(__file__).with_name("moto.json").read_text(encoding="utf-8"))
_HOSTED = {"SecretArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:stack-hosted-AbCdEf", "FunctionName": "hosted"}


class Outcome(NamedTuple):
    """What moto made of a type's resources.

    Attributes:
        made: how many.
        missing: what moto said where it doesn't have the type.
        lost: paths of properties that were not read back as they were given.
    """

    made: int
    missing: str
    lost: frozenset[str]


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The ends of a tree with their paths; numbers and truths as the texts that they are in a template too."""
    if isinstance(value, dict) and value:
        for key, one in value.items():
            yield from leaves(one, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
        for number, one in enumerate(value):
            yield from leaves(one, f"{path}.{number}")
    else:
        whole = int(value) if isinstance(value, float) and value.is_integer() else value
        yield path, str(whole).lower() if isinstance(whole, bool) else str(whole)


def _made(aws: Account, kind: str, resources: dict[str, dict[str, Any]]) -> Outcome:
    made, lost = 0, set[str]()
    for name, properties in aws.ordered(resources):
        try:
            wanted, found = aws.make(kind, name, properties)
        except NotImplementedError as error:
            return Outcome(made, str(error) or "not implemented", frozenset())
        read = dict(leaves(found))
        lost |= {path for path, value in leaves(wanted) if read.get(path) != value}
        made += 1
    return Outcome(made, "", frozenset(lost))


def _everything() -> dict[str, dict[str, dict[str, Any]]]:
    """All resources of the template, by type; the nested stack's are made with those of the way that has it."""
    found: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in MAKERS}
    for way in ("everything", "hosted rotation"):
        for name, one in deployed(way).resources.items():
            found.setdefault(one["Type"], {}).setdefault(name, one["Properties"])
    return found


@pytest.fixture(scope="module")
def outcomes() -> Iterator[dict[str, Outcome]]:
    """What became of each type."""
    with mock_aws(config={"lambda": {"use_docker": False}}):  # type: ignore[call-arg, misc] - moto's own words
        everything = _everything()
        aws = Account(*everything["AWS::Lambda::Function"])
        yield {kind: _made(aws, kind, resources) for kind, resources in everything.items()}


def test_every_type_has_its_maker() -> None:
    """In whatever way the template is deployed, and in the nested one."""
    kinds = {one["Type"] for way in WAYS for one in deployed(way).resources.values()}
    kinds |= {one["Type"] for one in Deployed(nested(), **_HOSTED).resources.values()}
    assert kinds == set(MAKERS)


def test_moto_has_the_types_that_are_not_listed(outcomes: dict[str, Outcome]) -> None:
    """Each of those is made and read back, and each listed one is still missing."""
    assert {kind: one.missing for kind, one in outcomes.items() if one.missing}.keys() == _LISTED["types"].keys()
    assert all(one.made for kind, one in outcomes.items() if kind not in _LISTED["types"])


def test_what_was_made_is_what_was_asked_for(outcomes: dict[str, Outcome]) -> None:
    """Every property is read back as it was given, but for the listed ones, of which none is."""
    lost = {f"{kind} {path}" for kind, one in outcomes.items() for path in one.lost}
    assert lost == {f"{kind} {path}" for kind, paths in _LISTED["properties"].items() for path in paths}
