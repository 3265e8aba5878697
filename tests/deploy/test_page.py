"""docs/deploy.md, held to template.yaml: its commands deploy what they say, and what it says stays, stays."""

from __future__ import annotations

import json
import re
import shlex

import pytest
from tests.deploy.ways import WAYS, deployed, template
from tests.simulators.cloudformation import Deployed
from tests.simulators.sam import transformed

from vaultgate_ops.local.paths import checkout

_PAGE = (checkout() / "docs/deploy.md").read_text(encoding="utf-8")
_BLOCKS = [re.sub(r"\\\n\s*", "", block) for block in re.findall(r"```sh\n(.*?)```", _PAGE, re.DOTALL)]
_NEEDS_AWS = "# needs AWS"
_DEPLOYMENTS = [
    dict(part.split("=", 1) for part in shlex.split(line.partition("--parameter-overrides")[2]))
    for block in _BLOCKS
    for line in block.splitlines()
    if "--parameter-overrides" in line
]
# Run by tests/lambda/test_sam.py, or by everybody who has a checkout.
_WITHOUT_AWS = {
    "make setup",
    "cp vault-ca.pem database.pem certificates/",
    ".venv/bin/sam validate --lint",
    ".venv/bin/sam build",
}


def test_every_command_is_run_here_or_needs_aws() -> None:
    """A block begins with the mark, or holds what tests run."""
    assert len(_BLOCKS) > 10
    for block in _BLOCKS:
        first, *_ = lines = [line.partition("  #")[0].strip() for line in block.strip().splitlines()]
        assert first == _NEEDS_AWS or set(lines) <= _WITHOUT_AWS, block


@pytest.mark.parametrize("given", _DEPLOYMENTS, ids=lambda given: "-".join(given.values())[:40])
def test_each_deployment_is_one_that_cloudformation_takes(given: dict[str, str]) -> None:
    """Every parameter exists, no rule refuses them together, and nothing dangles."""
    # An update goes on with the values of before.
    before = {"VaultAddress": "https://v", "VaultServerId": "v", "DatabaseHost": "d"} if "SnapStartVersion" in given else {}
    made = Deployed(transformed(template(), **before, **given), **before, **given)
    assert made.refusals() == []
    assert made.resources


def test_what_stays_is_listed() -> None:
    """The page's table names each resource that CloudFormation keeps, or keeps a snapshot of, and no other."""
    resources = template()["Resources"].items()
    kept = {name for name, one in resources if one.get("DeletionPolicy") in {"Retain", "Snapshot"}}
    kept |= {name for name, one in resources if one.get("Properties", {}).get("RetentionPolicy") == "Retain"}
    table = _PAGE.partition("| what stays |")[2].partition("\n\n")[0]
    rows = [line.split("|")[2] for line in table.splitlines() if line.startswith("| ")]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == kept


def test_what_draws_another_password_is_said() -> None:
    """CloudFormation makes a new version when GenerateSecretString changes: each parameter in it is named under "Updating"."""
    drawn = json.dumps(template()["Resources"]["DatabaseSecret"]["Properties"]["GenerateSecretString"])
    inside = {name for name in template()["Parameters"] if f"${{{name}}}" in drawn}
    updating = _PAGE.partition("\n## Updating\n")[2].partition("draw a password")[0].rpartition("With `Rotation`")[2]
    assert len(inside) == 5
    assert {name for name in inside if f"`{name}`" not in updating} == set()


def test_the_alarms_that_are_paid_for() -> None:
    """The page's figures are those of the ways that it names."""
    ways = {"records": "the record-count function", "rotation": "`Rotation=own`", "parameter": "`RotatedParameter`"}
    ways |= {"mirror": "`AuditLogGroupName`", "mirror from S3": "`AuditBucket`"}
    said = _PAGE.partition("\n## What it costs at rest\n")[2].partition("\n## ")[0]
    for way, name in ways.items():
        assert f"{len(deployed(way).of('AWS::CloudWatch::Alarm'))} with {name}" in " ".join(said.split()), name


def test_what_alarms_at_first_is_said() -> None:
    """Each alarm that takes missing data as bad goes off before there is any."""
    alarms = Deployed(template(), **WAYS["everything"]).of("AWS::CloudWatch::Alarm")
    said = _PAGE.partition("At first ")[2].partition("\n\n")[0]
    assert {name for name, one in alarms.items() if one["TreatMissingData"] == "breaching"} == {
        name for name in alarms if f"`{name}`" in said
    }


def test_what_is_named_exists() -> None:
    """Each alarm, parameter and output that the page names is the template's."""
    known = {*template()["Resources"], *template()["Parameters"], *template()["Outputs"]}
    words = set(re.findall(r"`([A-Z][A-Za-z0-9]+)(?:=\w+)?`", _PAGE))
    assert words - known - {"DeletionProtection", "AutoPublishAlias", "BuildArchitecture"} == set()
