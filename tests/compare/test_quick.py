"""`vaultgate compare --quick` as a user runs it, once: every experiment with every contender, on real parts."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from vaultgate_ops.compare.contenders import CATALOGUE, STORES, VAULTS
from vaultgate_ops.compare.journal import RESULT
from vaultgate_ops.compare.report import names
from vaultgate_ops.compare.result import NEVER, SCHEMA_FILE, Dimension, Result, Tag, load

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.stack

VAULTGATE = Path(sys.executable).with_name("vaultgate")
PATIENCE_S = 220
AGENTS = {"secretsmanager.agent", "ssm.extension"}


def compared(folder: Path) -> subprocess.CompletedProcess[str]:
    """The command, whose user has another Vault and another AWS in his environment."""
    others = {"VAULT_ADDR": "https://nowhere.invalid", "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_PROFILE": "nobody"}
    # Nobody listens on port 9 of this machine.
    argv = [VAULTGATE, "compare", "--quick", "--output", folder, "--agent", "127.0.0.1:9"]
    return subprocess.run(argv, env={**os.environ, **others}, capture_output=True, text=True, check=False, timeout=PATIENCE_S)


def value(result: Result, dimension: Dimension, contender: str, name: str) -> Any:
    """Of the one figure of this name."""
    ((_, one),) = result.find(dimension, name, contender)
    return one.value


def numbers(result: Result, dimension: Dimension, name: str, contenders: Iterator[str]) -> list[float]:
    """Of these contenders, all of which have one."""
    found = [value(result, dimension, one, name) for one in contenders]
    assert all(isinstance(one, (int, float)) for one in found), found
    return found


def test_everything_is_measured_in_one_quick_run(tmp_path: Path) -> None:
    """The result is whole and by its schema, holds no secret, and says what is known of these contenders."""
    done = compared(tmp_path / "out")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "out" / RESULT).read_text("utf-8")
    document = json.loads(text)
    jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text("utf-8"))).validate(document)
    result = load(document)
    assert (result.mode, result.target, result.complete) == ("quick", "local", True)

    ran = {one.id for one in result.contenders if one.ran}
    assert ran == {one.id for one in CATALOGUE} - AGENTS
    assert {one.why_not for one in result.contenders if one.id in AGENTS} == {"No agent of AWS's answers at 127.0.0.1:9."}
    assert "No agent of AWS's answers at 127.0.0.1:9." in done.stdout
    assert {one.dimension for one in result.measurements} == set(Dimension)
    # Vault has no quotas, and nothing ends most leaks by itself.
    said = (Dimension.THROTTLING, "share_of_quota"), (Dimension.LEAK, "unnoticed")
    assert not [one for one in result.measurements if one.value is None and (one.dimension, one.name) not in said]
    assert not re.search(r"hvs\.|AKIA|ASIA|v-aws-", text), "a token, a key or a user of the run"

    short = {one.name for one in result.measurements if "_" in one.name}
    assert {one for one in short if names.name(one) == one.replace("_", " ")} == {"from_where"}, "a name without words of its own"

    every = sorted(ran)
    vaults = [one for one in every if one.startswith(VAULTS)]
    assert min(numbers(result, Dimension.COLD_START, "first_secret_p50", iter(every))) > 0
    # Calls, as the stores counted them: a login and a read for Vault; AWS's library describes the secret first.
    assert numbers(result, Dimension.READS, "first_calls", iter(vaults)) == [2] * 9
    assert value(result, Dimension.READS, "secretsmanager.boto3", "first_calls") == 1
    assert value(result, Dimension.READS, "secretsmanager.caching", "first_calls") == 2
    assert value(result, Dimension.READS, "env.plain", "first_calls") == 0
    # The record-count function follows every rotation but that of a variable.
    followed = [one for one in every if not one.startswith("env.")]
    assert numbers(result, Dimension.STALENESS, "failed_careful", iter(followed)) == [0] * len(followed)
    assert value(result, Dimension.STALENESS, "env.plain", "new_value_careful") == NEVER
    # A lease ends with a revocation; nobody tells the database that a secret was deleted.
    assert value(result, Dimension.LEAK, "vault-dynamic", "login_after_revoke_lease") != NEVER
    assert value(result, Dimension.LEAK, "vault-dynamic", "session_after_revoke_lease") != NEVER
    assert value(result, Dimension.LEAK, "vault-dynamic", "login_after_revoke_token") != NEVER
    assert value(result, Dimension.LEAK, "env", "login_after_delete") == NEVER
    assert value(result, Dimension.LEAK, "vault-static", "session_after_rotate") == NEVER
    assert value(result, Dimension.LEAK, "secretsmanager", "login_after_delete") == NEVER
    # Who asks each time fails with its store, who keeps answers doesn't.
    asking = ["secretsmanager.boto3", "ssm.boto3", *(f"{store}.hvac" for store in VAULTS)]
    # One that is asked at the very end may be served: boto3's second attempt comes after it.
    assert max(numbers(result, Dimension.OUTAGE, "served", iter(asking))) <= 1
    assert min(numbers(result, Dimension.OUTAGE, "failed", iter(asking))) >= 1
    keeping = [one for one in every if one not in asking]
    assert numbers(result, Dimension.OUTAGE, "failed", iter(keeping)) == [0] * len(keeping)
    assert {store: value(result, Dimension.AUDIT, store, "session_traceable") for store in STORES} == {
        store: store == "vault-dynamic" for store in STORES
    }
    assert numbers(result, Dimension.BLAST_RADIUS, "readable_shipped", iter(VAULTS)) == [0, 0, 0]
    assert numbers(result, Dimension.BLAST_RADIUS, "readable_default", iter(("ssm", "ssm-reference"))) == [3, 3]
    # A time without a place could pass for another network's.
    assert {one.place for one in result.measurements if one.unit in ("s", "ms", "us") and one.tag is Tag.MEASURED} == {"loopback"}
