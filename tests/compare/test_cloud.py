"""What the comparison makes in an account: made, tagged, removed, and nothing else touched; moto checks every signature."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from vaultgate_ops.compare.cloud import TAG, Cloud
from vaultgate_ops.compare.journal import JOURNAL, RESULT
from vaultgate_ops.compare.run import LEDGER
from vaultgate_ops.errors import CheckFailed, Denied

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vaultgate_ops.local.stack import Stack

pytestmark = pytest.mark.stack

PROGRAM = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from vaultgate_ops.cli.main import main; main()"
)
PATIENCE_S = 180


@pytest.fixture
def cloud(stack: Stack, tmp_path: Path) -> Cloud:
    """One run's resources, in the stack's emulated account."""
    return Cloud(stack.aws.client, uuid.uuid4().hex[:8], tmp_path / LEDGER)


def made(stack: Stack) -> list[str]:
    """Names of everything of comparisons that is in the account."""
    with stack.aws.client("secretsmanager") as secrets, stack.aws.client("ssm") as ssm, stack.aws.client("kms") as kms:
        # By pages: other tests' secrets and parameters are there as well.
        names = [one["Name"] for page in secrets.get_paginator("list_secrets").paginate() for one in page["SecretList"]]
        names += [one["Name"] for page in ssm.get_paginator("describe_parameters").paginate() for one in page["Parameters"]]
        found = [one["KeyId"] for page in kms.get_paginator("list_keys").paginate() for one in page["Keys"]]
        keys = [kms.describe_key(KeyId=one)["KeyMetadata"] for one in found]
        names += [one["Description"] for one in keys if one["KeyState"] == "Enabled"]
    return [name for name in names if name.startswith("vaultgate-compare-")]


def test_everything_is_tagged_and_removed(stack: Stack, cloud: Cloud, tmp_path: Path) -> None:
    """Secret, parameter and key bear the run's tag from the call that makes them; afterwards none is left, nor the ledger."""
    cloud.secret("secretsmanager", "one")
    cloud.parameter("ssm", "two")
    sealed = cloud.seal("three")
    name = cloud.name("secretsmanager")
    assert sorted(made(stack)) == sorted([name, cloud.name("ssm"), cloud.name("env")])
    with stack.aws.client("secretsmanager") as client:
        (tag,) = client.describe_secret(SecretId=name)["Tags"]
        assert tag["Key"] == TAG
        assert tag["Value"] in name
    assert "three" not in sealed
    noted = (tmp_path / LEDGER).read_text("ascii")
    assert name in noted
    assert '"one"' not in noted, "no value is noted"
    assert (tmp_path / LEDGER).stat().st_mode & 0o777 == 0o600
    assert len(cloud.remove()) == 3
    assert made(stack) == []
    assert not (tmp_path / LEDGER).exists()
    assert cloud.remove() == [], "removing twice is fine"


def test_a_later_run_removes_what_a_killed_one_left(stack: Stack, cloud: Cloud, tmp_path: Path) -> None:
    """The ledger alone says what was made, and for whom."""
    cloud.secret("secretsmanager", "one")
    cloud.seal("two")
    later = Cloud.left_behind(stack.aws.client, tmp_path / LEDGER)
    assert later is not None
    later.remove()
    assert made(stack) == []
    assert Cloud.left_behind(stack.aws.client, tmp_path / LEDGER) is None


def test_what_lies_in_another_account_is_not_forgotten(stack: Stack, tmp_path: Path) -> None:
    """Other credentials would find nothing, and take that for removed: the run says whose it needs, and the ledger stays."""
    cloud = Cloud(stack.aws.client, uuid.uuid4().hex[:8], tmp_path / LEDGER, "account 1, us-east-1")
    cloud.secret("secretsmanager", "one")
    with pytest.raises(CheckFailed, match="has left resources in account 1, us-east-1"):
        Cloud.left_behind(stack.aws.client, tmp_path / LEDGER, "account 2, us-east-1")
    later = Cloud.left_behind(stack.aws.client, tmp_path / LEDGER, "account 1, us-east-1")
    assert later is not None
    assert later.remove() == [cloud.name("secretsmanager")]


def test_a_key_is_found_although_its_id_was_never_noted(stack: Stack, cloud: Cloud, tmp_path: Path) -> None:
    """SIGKILL between KMS's answer and our note: the ledger knows that there may be one, and its tag tells it from others'."""
    cloud.seal("three")
    ledger = tmp_path / LEDGER
    noted = json.loads(ledger.read_text("ascii"))
    assert [kind for kind, _ in noted["made"]] == ["key", "key"], "noted before it is made, and again with its id"
    ledger.write_text(json.dumps({**noted, "made": noted["made"][:1]}), encoding="ascii")
    with stack.aws.client("kms") as kms:
        theirs = kms.create_key()["KeyMetadata"]["KeyId"]
        cloud.remove()
        assert kms.describe_key(KeyId=theirs)["KeyMetadata"]["KeyState"] == "Enabled"
    assert made(stack) == []


def test_what_is_not_tagged_is_not_removed(stack: Stack, cloud: Cloud, tmp_path: Path) -> None:
    """A resource of the same name that somebody else made stays, whatever the ledger says."""
    theirs = f"theirs-{uuid.uuid4().hex}"
    with stack.aws.client("secretsmanager") as secrets, stack.aws.client("ssm") as ssm, stack.aws.client("kms") as kms:
        secrets.create_secret(Name=theirs, SecretString="theirs")
        ssm.put_parameter(Name=theirs, Value="theirs", Type="SecureString")
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        noted = [["secret", theirs], ["parameter", theirs], ["key", key], ["secret", "gone"], ["parameter", "gone"]]
        (tmp_path / LEDGER).write_text(json.dumps({"run": "x", "where": "", "made": noted}), encoding="ascii")
        assert cloud.remove() == []
        assert secrets.get_secret_value(SecretId=theirs)["SecretString"] == "theirs"
        assert ssm.get_parameter(Name=theirs)["Parameter"]
        assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"


def test_what_can_not_be_removed_is_named(stack: Stack, tmp_path: Path) -> None:
    """One failure doesn't keep the others from being removed, and the ledger stays for another attempt."""
    blocked = ["secretsmanager"]

    def clients(service: str) -> Any:
        if service in blocked:
            raise ClientError({"Error": {"Code": "ThrottlingException"}}, "DescribeSecret")
        return stack.aws.client(service)

    cloud = Cloud(stack.aws.client, uuid.uuid4().hex[:8], tmp_path / LEDGER)
    cloud.secret("secretsmanager", "one")
    cloud.parameter("ssm", "two")
    with pytest.raises(CheckFailed, match=cloud.name("secretsmanager")):
        Cloud(clients, cloud.name("").split("-")[2], tmp_path / LEDGER).remove()
    assert made(stack) == [cloud.name("secretsmanager")]
    blocked.clear()
    cloud.remove()
    assert made(stack) == []


def test_a_refusal_is_said(stack: Stack, tmp_path: Path) -> None:
    """An identity that may make nothing: exit code 5, and no traceback of botocore's."""
    stack.aws.create_role("compare-powerless")
    keys = stack.aws.assume("compare-powerless")
    cloud = Cloud(lambda service: stack.aws.client(service, keys), "x", tmp_path / LEDGER)
    with pytest.raises(Denied, match="doesn't let secret"):
        cloud.secret("secretsmanager", "one")


class Shell:
    """The command line with an account in its environment: the stack's emulated one."""

    def __init__(self, stack: Stack, folder: Path, *, keys: bool = True) -> None:
        administrator = stack.aws.administrator
        self._folder = folder
        self._environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
            "AWS_ENDPOINT_URL": stack.aws.endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            **(
                {"AWS_ACCESS_KEY_ID": administrator.access_key, "AWS_SECRET_ACCESS_KEY": administrator.secret_key} if keys else {}
            ),
        }

    def begin(self, *words: str) -> subprocess.Popen[str]:
        chosen = ("cold_start", "reads", "secretsmanager.boto3", "ssm.boto3", "env.kms")
        only = [word for name in chosen for word in ("--only", name)]
        argv = [sys.executable, "-c", PROGRAM, "compare", "--target", "aws", "--quick", "--output", str(self._folder), *only]
        pipe = subprocess.PIPE
        return subprocess.Popen([*argv, *words], env=self._environ, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True)


def test_nothing_is_made_without_a_confirmation(stack: Stack, tmp_path: Path) -> None:
    """What would be made and its cost are said; nobody answers, so it ends with exit code 2."""
    with Shell(stack, tmp_path / "out").begin() as shell:
        _, said = shell.communicate(timeout=PATIENCE_S)
    assert shell.returncode == 2
    assert "was not confirmed" in said
    assert "cost about $" in said
    assert made(stack) == []


def test_without_credentials_the_reason_is_said(stack: Stack, tmp_path: Path) -> None:
    """None of the chosen contenders can run then; the others could. What an earlier run left there is not forgotten."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / LEDGER).write_text('{"run": "x", "where": "account 1, us-east-1", "made": []}', encoding="ascii")
    with Shell(stack, tmp_path / "out", keys=False).begin("--yes", "--force") as shell:
        _, said = shell.communicate(timeout=PATIENCE_S)
    assert "still in an account" in said
    assert (tmp_path / "out" / LEDGER).exists()
    assert shell.returncode == 2
    assert "AWS's stores are left out: There are no AWS credentials here." in said
    assert "None of the chosen contenders can run." in said


def test_interrupted_in_a_real_account_nothing_stays(
    stack: Stack, tmp_path: Path, eventually: Callable[[Callable[[], object]], None]
) -> None:
    """SIGKILL leaves resources, and a ledger; the same command goes on, removes them first, and Ctrl-C removes its own."""
    folder = tmp_path / "out"
    shell = Shell(stack, folder)
    with shell.begin("--yes") as first:
        for done in (f"{JOURNAL}/run.json", LEDGER, f"{JOURNAL}/cold_start.round-0.json"):
            eventually((folder / done).exists)
        first.send_signal(signal.SIGKILL)
        first.communicate(timeout=PATIENCE_S)
    left = made(stack)
    assert left
    with shell.begin("--yes") as second:
        eventually(lambda: not (folder / LEDGER).exists())
        eventually((folder / LEDGER).exists)
        eventually(lambda: made(stack) and not set(left) & set(made(stack)))
        second.send_signal(signal.SIGINT)
        _, said = second.communicate(timeout=PATIENCE_S)
    assert second.returncode == 130, said
    assert "going on with an interrupted run: " in said
    assert "the same command goes on" in said
    assert all(f"removed from an earlier run: {name}" in said for name in left if not name.endswith("-env"))
    assert made(stack) == []
    assert not (folder / LEDGER).exists()
    assert not (folder / RESULT).exists()
