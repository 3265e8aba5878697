"""`vaultgate rotate sync`, and what it may do in AWS, enforced by moto: it works with the documented actions, not without one.

Moto compares actions and knows no resource or condition of a call, so those are opened here. It is no judge of limits.
"""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from tests.sync.conftest import PATH, policy

from vaultgate_ops.bootstrap.model import Hidden
from vaultgate_ops.cli.main import cli
from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import OpsError, UsageProblem
from vaultgate_ops.local import paths
from vaultgate_ops.local.aws import REGION
from vaultgate_ops.local.processes import free_port
from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.sync.model import OWNER, Entry, Kind
from vaultgate_ops.sync.targets import Parameters, Secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.sync.conftest import Bridge

    from vaultgate_ops.local.stack import Stack
    from vaultgate_ops.sync.targets import Target

    Run = Callable[..., tuple[int, list[str]]]

pytestmark = pytest.mark.stack

ROLE, NAME, PARAMETER, STRAY = "vaultgate-sync", "moto/shop/payment-key", "/moto/shop/payment", "/moto/shop/old"
FILE = f"""
owner: shop-platform
secretsmanager:
  {NAME}: {{mount: secret, path: {PATH}, field: key}}
ssm:
  {PARAMETER}: {{mount: secret, path: {PATH}}}
"""


def documented() -> list[dict[str, object]]:
    """The IAM statements of docs/rotation.md."""
    page = (paths.checkout() / "docs" / "rotation.md").read_text(encoding="utf-8")
    section = page.partition("## From Vault to Secrets Manager and Parameter Store")[2].partition("\n## ")[0]
    (statements,) = re.findall(r"```json\n(.*?)```", section, re.DOTALL)
    found: list[dict[str, object]] = json.loads(statements)["Statement"]
    return found


def listed(words: object) -> list[str]:
    """What IAM takes as one or several."""
    return [words] if isinstance(words, str) else list(words)  # type: ignore[call-overload, no-any-return] - a list


ACTIONS = sorted(
    {
        "secretsmanager:CreateSecret",
        "secretsmanager:DeleteSecret",
        "secretsmanager:DescribeSecret",
        "secretsmanager:GetSecretValue",
        "secretsmanager:PutSecretValue",
        "secretsmanager:RestoreSecret",
        "secretsmanager:TagResource",
        "secretsmanager:UpdateSecret",
        "ssm:AddTagsToResource",
        "ssm:DeleteParameter",
        "ssm:GetParameter",
        "ssm:ListTagsForResource",
        "ssm:PutParameter",
    }
)


@pytest.fixture
def allow(stack: Stack) -> Callable[[list[str]], None]:
    """Gives the role of whoever runs a sync these actions."""
    with stack.aws.client("iam") as iam:
        try:
            iam.get_role(RoleName=ROLE)
        except iam.exceptions.NoSuchEntityException:
            stack.aws.create_role(ROLE)

    def give(actions: list[str]) -> None:
        statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        with stack.aws.client("iam") as iam:
            iam.put_role_policy(RoleName=ROLE, PolicyName="sync", PolicyDocument=document)

    return give


@pytest.fixture
def run(bridge: Bridge, stack: Stack, tmp_path: Path) -> Iterator[Run]:
    """Runs the verb as that role; gives its exit code and lines. No value is ever among them."""
    keys = stack.aws.assume(ROLE, "sync")
    token = bridge.root.auth.token.create(policies=["sync"], no_default_policy=True, ttl="5m")["auth"]["client_token"]
    (tmp_path / "token").write_text(token, encoding="ascii")
    (tmp_path / "sync.yaml").write_text(FILE, encoding="utf-8")
    environment = {
        "AWS_ENDPOINT_URL": stack.aws.endpoint,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        "AWS_SESSION_TOKEN": keys.session_token,
        "VAULT_ADDR": stack.vault.address,
        "VAULT_CACERT": str(stack.vault.ca_file),
        "VAULT_TOKEN": "",
        "VAULT_TOKEN_FILE": str(tmp_path / "token"),
    }

    def call(*words: str) -> tuple[int, list[str]]:
        result = CliRunner(env=environment).invoke(cli, ["rotate", "sync", *words, str(tmp_path / "sync.yaml")])
        code, printed = result.exit_code, result.output
        if isinstance(result.exception, OpsError):
            code, printed = result.exception.exit_code, f"{printed}error: {result.exception.message}\n"
        assert "first value" not in printed
        return code, printed.splitlines()

    yield call
    with stack.aws.client("secretsmanager") as secrets, stack.aws.client("ssm") as parameters:
        secrets.delete_secret(SecretId=NAME, ForceDeleteWithoutRecovery=True)
        parameters.delete_parameters(Names=[PARAMETER, STRAY])


def test_a_transcript(run: Run, allow: Callable[[list[str]], None], bridge: Bridge, stack: Stack) -> None:
    """Plan, sync, nothing to do, what the file doesn't name, a deleted secret, its removal; 1 for what is left alone only."""
    allow(ACTIONS)
    made = [
        f"+ secretsmanager {NAME}  from secret/data/shop/payment:key, version 1",
        f"+ ssm {PARAMETER}  from secret/data/shop/payment, version 1",
        "2 changes (2 to create), 0 as they should be",
    ]
    assert run("--plan") == (0, made)
    assert run() == (0, made)
    with stack.aws.client("ssm") as parameters:
        kept = parameters.get_parameter(Name=PARAMETER, WithDecryption=True)["Parameter"]
        parameters.put_parameter(Name=STRAY, Value="x", Type="SecureString", Tags=[{"Key": OWNER, "Value": "shop-platform"}])
    assert (kept["Type"], kept["Value"]) == ("SecureString", '{"key": "first value", "user": "shop"}')
    code, printed = run("--unlisted")
    # Exit code 1, not 5: moto denies in XML, which this service doesn't speak.
    assert (code, "not authorized to perform: secretsmanager:ListSecrets" in " ".join(printed)) == (1, True)
    assert "as they should be" not in " ".join(printed)
    allow([*ACTIONS, "secretsmanager:ListSecrets", "ssm:DescribeParameters"])
    code, printed = run("--unlisted")
    assert (code, printed[0].split(":")[0], printed[-2]) == (
        1,
        f"! ssm {STRAY}  target-unlisted",
        "0 changes, 2 as they should be, 1 left alone",
    )
    bridge.root.secrets.kv.v2.delete_latest_version_of_secret(PATH, mount_point="secret")
    code, printed = run("--plan")
    assert (code, printed[-2:]) == (1, ["0 changes, 0 as they should be, 2 left alone", "error: 2 of 2 could not be synced."])
    code, printed = run("--prune")
    assert (code, printed[-1]) == (0, "2 changes (2 to remove), 0 as they should be")
    assert run() == (0, ["0 changes, 2 as they should be"])


def test_without_a_region_nothing_is_begun(tmp_path: Path) -> None:
    """It is told once, as a wrong call, before Vault is asked."""
    (tmp_path / "sync.yaml").write_text(FILE, encoding="utf-8")
    nowhere: dict[str, str | None] = dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"))
    vault = {"VAULT_ADDR": f"http://127.0.0.1:{free_port()}", "VAULT_TOKEN": "nobody's"}
    runner = CliRunner(env={**nowhere, "AWS_CONFIG_FILE": str(tmp_path / "none"), **vault})
    result = runner.invoke(cli, ["rotate", "sync", str(tmp_path / "sync.yaml")])
    assert isinstance(result.exception, UsageProblem)
    assert (result.exception.exit_code, "region" in result.exception.message) == (2, True)


def test_the_documented_actions_are_the_ones_that_are_needed(stack: Stack, allow: Callable[[list[str]], None]) -> None:
    """All that a sync does works with them; what is taken from them is denied, and nothing else."""
    stated = [one for statement in documented() for one in listed(statement["Action"])]
    assert sorted(one for one in stated if not one.startswith("kms:")) == ACTIONS
    tags = [{"Key": OWNER, "Value": "shop"}]
    keys = stack.aws.assume(ROLE, "sync")
    for service in ("secretsmanager", "ssm"):
        with stack.aws.client(service) as administrator, stack.aws.client(service, keys) as client:
            target: Target = Secrets(client, Clock()) if service == "secretsmanager" else Parameters(client, Clock())
            for taken in ("", *(one for one in ACTIONS if one.startswith(f"{service}:"))):
                allow([one for one in ACTIONS if one != taken])
                there = f"/moto/{uuid.uuid4()}"
                if service == "secretsmanager":
                    administrator.create_secret(Name=there, SecretString="x", Tags=tags)
                else:
                    administrator.put_parameter(Name=there, Value="x", Type="SecureString", Tags=tags)
                kind = Kind.SECRET if service == "secretsmanager" else Kind.PARAMETER
                assert _denied(Entry("secret", PATH, "key", kind, there), target) == ({taken} if taken else set())


def test_only_what_carries_the_tag_is_read_or_removed_by_iam_too() -> None:
    """The documented statements: reading and removing asks for the owner's tag, tagging for the owner in the request."""
    needed = {
        action: {key for test in statement.get("Condition", {}).values() for key in test}  # type: ignore[attr-defined] - JSON
        for statement in documented()
        for action in listed(statement["Action"])
        if not action.startswith("kms:")
    }
    ours, marked = {f"aws:ResourceTag/{OWNER}"}, {f"aws:RequestTag/{OWNER}"}
    free = {"secretsmanager:DescribeSecret", "ssm:ListTagsForResource", "ssm:PutParameter"}
    marking = {"secretsmanager:CreateSecret", "secretsmanager:TagResource", "ssm:AddTagsToResource"}
    assert needed == {one: set() if one in free else marked if one in marking else ours for one in ACTIONS}


def test_the_policies_in_the_documentation_are_those_that_ship() -> None:
    """docs/rotation.md shows the files' own blocks."""
    page = (paths.checkout() / "docs" / "rotation.md").read_text(encoding="utf-8")
    rotation = (paths.checkout() / "vault-config" / "policies" / "rotation.hcl").read_text(encoding="utf-8")
    for text in (policy(), rotation):
        blocks = re.findall(r'^path "[^}]+^}$', text, re.MULTILINE)
        assert blocks
        assert all(block in page for block in blocks)


def _denied(entry: Entry, target: Target) -> set[str]:
    """Do everything that a sync does, to what is there and to what isn't; the actions that were denied."""
    value, tags = Hidden("made up"), {OWNER: "shop"}
    calls: list[Callable[[], object]] = [
        lambda: target.look(entry, "shop"),
        lambda: target.create(replace(entry, name=f"{entry.name}/new"), value, tags),
        lambda: target.write(entry, value, tags, rekey=True),
        lambda: target.remove(entry),
        lambda: target.bring_back(entry),
    ]
    refused = set()
    for call in calls:
        try:
            call()
        except RotationError as error:
            found = re.findall(r"not authorized to perform: ([a-z]+:\w+)", error.message)
            if not found:
                raise
            refused |= set(found)
    return refused
