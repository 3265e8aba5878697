"""The chain on real parts: the built layer in AWS's emulator, HashiCorp's Vault over TLS, a real database."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from vaultgate_ops.local.function_endpoint import InitFailed
from vaultgate_ops.local.proxy_events import GET_RECORDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from vaultgate_ops.local.sandbox import Sandbox
    from vaultgate_ops.local.scene import EmbeddedScene
    from vaultgate_ops.local.stack import Stack

    Start = Callable[..., Sandbox]
    Eventually = Callable[[Callable[[], object]], None]

pytestmark = pytest.mark.stack


def document(*statements: dict[str, Any]) -> str:
    """An IAM policy."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def records(sandbox: Sandbox) -> tuple[int, dict[str, Any]]:
    """Status and body of GET /records."""
    answer = sandbox.invoke(GET_RECORDS)
    assert "statusCode" in answer, answer
    return answer["statusCode"], json.loads(answer["body"])


def events(sandbox: Sandbox) -> list[dict[str, Any]]:
    """The extension's log lines."""
    lines = re.findall(r'^\{"ts": .*\}$', sandbox.log(), re.MULTILINE)
    return [json.loads(line) for line in lines]


def event(sandbox: Sandbox, name: str) -> dict[str, Any]:
    """The one log line with this event."""
    found = [line for line in events(sandbox) if line["event"] == name]
    assert len(found) == 1, [line["event"] for line in events(sandbox)]
    return found[0]


def test_a_cold_start_counts_rows_with_a_user_made_for_it(sandboxes: Start, backstage: EmbeddedScene) -> None:
    """The first invocation answers with the table's true count, as a user that Vault has just made."""
    sandbox = sandboxes()
    status, body = records(sandbox)
    assert (status, body["table"], body["count"]) == (200, "orders", backstage.rows())
    assert body["credential"]["source"] == "vault"
    assert body["credential"]["user"] in backstage.database_users()
    assert 0 < body["credential"]["expires_in_s"] <= 600


def test_a_warm_call_uses_the_same_lease(sandboxes: Start, backstage: EmbeddedScene) -> None:
    """A second and a third call cost Vault no lease; those that other tests left may end meanwhile."""
    sandbox = sandboxes()
    user = records(sandbox)[1]["credential"]["user"]
    leases = backstage.leases()
    assert [records(sandbox)[1]["credential"]["user"] for _ in range(2)] == [user, user]
    assert backstage.leases() <= leases


def test_a_lease_revoked_behind_its_back_is_replaced(sandboxes: Start, backstage: EmbeddedScene, eventually: Eventually) -> None:
    """The next call after an administrator revoked the lease answers, as another user."""
    before = backstage.leases()
    sandbox = sandboxes()
    user = records(sandbox)[1]["credential"]["user"]
    (lease,) = backstage.leases() - before
    backstage.revoke(lease)
    eventually(lambda: user not in backstage.database_users())
    status, body = records(sandbox)
    assert status == 200
    assert body["credential"]["user"] != user
    assert event(sandbox, "lease-dead")["level"] == "info"


def test_vault_restarts_under_a_running_sandbox(stack: Stack, sandboxes: Start, backstage: EmbeddedScene) -> None:
    """A call after Vault was restarted answers with the lease that is held; a new lease can be had with the old token."""
    sandbox = sandboxes()
    before = backstage.leases()
    user = records(sandbox)[1]["credential"]["user"]
    stack.vault.restart()
    assert records(sandbox)[1]["credential"]["user"] == user
    (lease,) = backstage.leases() - before
    backstage.revoke(lease)
    status, body = records(sandbox)
    assert status == 200
    assert body["credential"]["user"] != user
    assert len([line for line in events(sandbox) if line["event"] == "login"]) == 1


def test_another_iam_role_is_refused_with_a_reason(stack: Stack, sandboxes: Start) -> None:
    """A role that Vault doesn't know gets an answer with the fix; Vault's words are in the log."""
    stack.aws.create_role("another-function")
    keys = stack.aws.assume("another-function")
    sandbox = sandboxes(
        AWS_ACCESS_KEY_ID=keys.access_key, AWS_SECRET_ACCESS_KEY=keys.secret_key, AWS_SESSION_TOKEN=keys.session_token
    )
    status, body = records(sandbox)
    assert (status, body["reason"]) == (500, "login-refused")
    assert "bound_iam_principal_arn" in body["hint"]
    refused = [line for line in events(sandbox) if line["event"] == "login-failed"]
    assert refused
    assert "does not belong to the role" in refused[0]["message"]


def test_a_role_is_assumed_first(stack: Stack, sandboxes: Start) -> None:
    """With VAULT_ASSUMED_ROLE_ARN a function whose own role Vault doesn't know logs in as the one it may assume."""
    stack.aws.create_role("caller")
    target = stack.aws.role_arn("vaultgate-records")
    caller = target.replace(":iam:", ":sts:").replace("role/vaultgate-records", "assumed-role/caller/records")
    allowed = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": target}
    with stack.aws.client("iam") as iam:
        iam.put_role_policy(RoleName="caller", PolicyName="assume", PolicyDocument=document(allowed))
        trust = iam.get_role(RoleName="vaultgate-records")["Role"]["AssumeRolePolicyDocument"]["Statement"]
        trust[0]["Principal"]["AWS"] = [trust[0]["Principal"]["AWS"], caller]
        iam.update_assume_role_policy(RoleName="vaultgate-records", PolicyDocument=document(*trust))
    keys = stack.aws.assume("caller")
    sandbox = sandboxes(
        AWS_ACCESS_KEY_ID=keys.access_key,
        AWS_SECRET_ACCESS_KEY=keys.secret_key,
        AWS_SESSION_TOKEN=keys.session_token,
        AWS_ENDPOINT_URL_STS=stack.aws.endpoint,
        VAULT_ASSUMED_ROLE_ARN=target,
    )
    assert records(sandbox)[0] == 200


def test_a_role_that_may_not_be_assumed_is_named(stack: Stack, sandboxes: Start) -> None:
    """STS's refusal names the role and what to grant."""
    stack.aws.create_role("stranger")
    keys = stack.aws.assume("stranger")
    target = stack.aws.role_arn("vaultgate-records")
    sandbox = sandboxes(
        AWS_ACCESS_KEY_ID=keys.access_key,
        AWS_SECRET_ACCESS_KEY=keys.secret_key,
        AWS_SESSION_TOKEN=keys.session_token,
        AWS_ENDPOINT_URL_STS=stack.aws.endpoint,
        VAULT_ASSUMED_ROLE_ARN=target,
    )
    status, body = records(sandbox)
    assert (status, body["reason"]) == (500, "no-credentials")
    refused = [line for line in events(sandbox) if line["event"] == "login-failed"]
    assert refused
    assert target in refused[0]["message"]
    assert "AccessDenied" in refused[0]["message"]


def test_a_wrong_signing_key_is_refused_by_sts(stack: Stack, sandboxes: Start) -> None:
    """The signature is judged by a stranger: with another secret key STS says no, and the log names the likely cause."""
    keys = stack.aws.assume("vaultgate-records")
    sandbox = sandboxes(
        AWS_ACCESS_KEY_ID=keys.access_key, AWS_SECRET_ACCESS_KEY=keys.secret_key[::-1], AWS_SESSION_TOKEN=keys.session_token
    )
    status, body = records(sandbox)
    assert (status, body["reason"]) == (500, "login-refused")
    refused = [line for line in events(sandbox) if line["event"] == "login-failed"]
    assert refused
    assert "error making upstream request" in refused[0]["message"]
    assert keys.secret_key not in sandbox.log()


def test_shutdown_leaves_nothing_behind(sandboxes: Start, nothing_left: Callable[[], AbstractContextManager[None]]) -> None:
    """After SHUTDOWN the token is gone at once, its leases and the database users soon."""
    with nothing_left():
        sandbox = sandboxes()
        assert records(sandbox)[0] == 200
        ending = sandbox.shutdown()
        assert ending.overdue == ()
        event(sandbox, "token-revoked")


def test_the_extension_registers_before_it_talks_to_vault(sandboxes: Start) -> None:
    """Lambda hears of the extension first; its login runs beside the function's init."""
    sandbox = sandboxes()
    records(sandbox)
    log = sandbox.log()
    assert log.index("External agent vaultgate") < log.index('"event": "login"')


def test_wrong_settings_fail_the_init_with_all_problems(sandboxes: Start) -> None:
    """A misspelt name and a bad value are both named, the nearest name too, before the function runs."""
    sandbox = sandboxes(VAULTGATE_GARD="header", VAULT_CLIENT_TIMEOUT="soon")
    with pytest.raises(InitFailed, match=r"Extension\.InitError"):
        sandbox.invoke(GET_RECORDS)
    problems = event(sandbox, "configuration")["problems"]
    assert "VAULTGATE_GARD is not a setting: did you mean VAULTGATE_GUARD?" in problems
    assert any(problem.startswith("VAULT_CLIENT_TIMEOUT='soon'") for problem in problems)


def test_a_taken_port_is_named(stack: Stack, sandboxes: Start) -> None:
    """A loopback port that somebody else listens on fails the init with the variable that moves ours."""
    sandbox = sandboxes(VAULTGATE_LISTEN=f"127.0.0.1:{stack.database.port}")
    with pytest.raises(InitFailed):
        sandbox.invoke(GET_RECORDS)
    assert "VAULTGATE_LISTEN" in event(sandbox, "configuration")["message"]


def test_a_database_that_is_down_gives_503_with_a_reason(stack: Stack, sandboxes: Start) -> None:
    """The function says that the database doesn't answer, and when to come back; it answers again once it does."""
    sandbox = sandboxes()
    assert records(sandbox)[0] == 200
    stack.database.stop()
    try:
        answer = sandbox.invoke(GET_RECORDS)
    finally:
        stack.database.start()
    assert answer["statusCode"] == 503
    assert "reason" in json.loads(answer["body"])
    assert records(sandbox)[0] == 200


def test_an_unknown_table_gives_500_without_sql(sandboxes: Start) -> None:
    """What went wrong inside stays in the log."""
    sandbox = sandboxes(RECORDS_TABLE="nonesuch")
    status, body = records(sandbox)
    assert status == 500
    assert "SELECT" not in json.dumps(body)
