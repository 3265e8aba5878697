"""What template.yaml does about the audit log, held to what a real Vault writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hvac
import pytest
import yaml
from tests.simulators.log_filters import FilterPattern

from vaultgate_ops.audit.function import place
from vaultgate_ops.audit.shipping import Place
from vaultgate_ops.local.paths import checkout

if TYPE_CHECKING:
    from collections.abc import Callable

    from vaultgate_ops.local.stack import Stack

_DANGERS = ("AuditSilentAlarm", "AuditLagAlarm")


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as what they hold."""


def _plain(loader: _Loader, _suffix: str, node: yaml.Node) -> Any:
    return loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else loader.construct_sequence(node, deep=True)  # type: ignore[arg-type] # no mapping has a short form


_Loader.add_multi_constructor("!", _plain)


def resources() -> dict[str, Any]:
    """The template's."""
    text = (checkout() / "template.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.load(text, _Loader)["Resources"]  # noqa: S506 - a safe loader with one more constructor
    return found


def metrics_of(message: str) -> set[str]:
    """The metrics that an event counts for."""
    return {
        resource["Properties"]["MetricTransformations"][0]["MetricName"]
        for resource in resources().values()
        if resource["Type"] == "AWS::Logs::MetricFilter"
        and FilterPattern(resource["Properties"]["FilterPattern"]).matches(message)
    }


def written(stack: Stack, act: Callable[[hvac.Client, hvac.Client], object], policies: list[str]) -> set[str]:
    """The metrics of what Vault writes while something is done by root and by a token with these policies."""
    with stack.vault.client(stack.vault.root_token) as root:
        token = root.auth.token.create(policies=policies, no_default_policy=False)["auth"]["client_token"]
        with stack.vault.client(token) as client:
            begin = stack.vault.audit_file.stat().st_size
            act(root, client)
            lines = stack.vault.audit_file.read_bytes()[begin:].decode().splitlines()
    return {metric for line in lines for metric in metrics_of(line)}


def _quietly(call: Callable[[], object]) -> None:
    with pytest.raises((hvac.exceptions.VaultError, ValueError)):
        call()


def _revoked(root: hvac.Client, client: hvac.Client) -> None:
    root.auth.token.revoke(client.token)
    _quietly(lambda: client.read("secret/data/records"))


def _dead_lease(root: hvac.Client, client: hvac.Client) -> None:
    lease = client.read("database/creds/records")["lease_id"]
    root.adapter.put("/v1/sys/leases/revoke", json={"lease_id": lease, "sync": True})
    _quietly(lambda: client.sys.renew_lease(lease))


def _device(root: hvac.Client, _client: hvac.Client) -> None:
    root.sys.enable_audit_device("file", path="second", options={"file_path": "discard"})
    root.sys.disable_audit_device("second")


def _policy(root: hvac.Client, _client: hvac.Client) -> None:
    root.sys.create_or_update_policy("of-a-test", 'path "nothing" {}')
    root.sys.delete_policy("of-a-test")


def _method(root: hvac.Client, _client: hvac.Client) -> None:
    root.sys.enable_auth_method("userpass", path="of-a-test")
    root.sys.disable_auth_method("of-a-test")


ROOT = "RootTokenUses"


@pytest.mark.parametrize(
    ("act", "metrics"),
    [
        pytest.param(lambda _root, client: client.read("database/creds/records"), set(), id="a read"),
        pytest.param(lambda _root, client: _quietly(lambda: client.read("sys/mounts")), {"DeniedRequests"}, id="a denied one"),
        pytest.param(lambda root, _client: root.sys.list_policies(), {ROOT}, id="root looks"),
        pytest.param(_device, {ROOT, "AuditDeviceChanges"}, id="an audit device"),
        pytest.param(_policy, {ROOT, "PolicyChanges"}, id="a policy"),
        pytest.param(_method, {ROOT, "PolicyChanges"}, id="an auth method"),
        pytest.param(_revoked, {ROOT, "DeniedRequests", "DeadCredentialUses"}, id="a revoked token"),
        pytest.param(_dead_lease, {ROOT, "DeadCredentialUses"}, id="a revoked lease"),
    ],
)
def test_what_a_security_engineer_wants_first_is_counted(
    stack: Stack, act: Callable[[hvac.Client, hvac.Client], object], metrics: set[str]
) -> None:
    """By what a real Vault wrote: each deed counts for its metrics and for no other."""
    assert written(stack, act, ["records", "default"]) == metrics


def test_every_filter_has_an_alarm_and_silence_is_bad_where_it_is_the_danger() -> None:
    """Missing data is breaching for the mirror's own alarms only."""
    alarms = {
        name: one["Properties"]
        for name, one in resources().items()
        if one["Type"] == "AWS::CloudWatch::Alarm" and "Audit" in name
    }
    counted = {
        one["Properties"]["MetricTransformations"][0]["MetricName"]
        for one in resources().values()
        if one["Type"] == "AWS::Logs::MetricFilter"
    }
    queue = alarms.pop("AuditUnshippedAlarm")
    assert queue["MetricName"] == "ApproximateNumberOfMessagesVisible"
    assert {alarm["MetricName"] for alarm in alarms.values()} == counted | {"Lines", "LagSeconds"}
    assert {name for name, alarm in alarms.items() if alarm["TreatMissingData"] == "breaching"} == set(_DANGERS)


def test_the_mirrors_role_may_add_and_not_take_away() -> None:
    """It is denied what deletes events or shortens their lives, whatever else it may."""
    write, make, find, never = resources()["AuditMirrorPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert {*write["Action"], make["Action"]} == {"logs:CreateLogStream", "logs:PutLogEvents"}
    assert find["Action"] == "logs:DescribeLogGroups"
    assert never["Effect"] == "Deny"
    assert {"logs:DeleteLogGroup", "logs:DeleteLogStream", "logs:PutRetentionPolicy", "logs:DeleteRetentionPolicy"} <= set(
        never["Action"]
    )


_SHELL = ["AuditFunction", "AuditFunctionRole", "AuditQueue", "AuditUnshipped", "AuditProgress", "AuditQueuePolicy"]


def test_what_mirrors_from_s3_is_there_only_where_it_was_asked_for() -> None:
    """With a bucket's name, and the bucket itself where none was given."""
    found = resources()
    assert {found[name]["Condition"] for name in _SHELL} == {"WithAuditBucket"}
    assert {found[name]["Condition"] for name in ("AuditFiles", "AuditFilesPolicy")} == {"OwnAuditBucket"}


def test_a_file_is_gone_on_with_and_never_worked_on_twice() -> None:
    """The queue hides an event longer than a run lasts, gives it again often enough for a large file, and loses none."""
    found = resources()
    queue, function = found["AuditQueue"]["Properties"], found["AuditFunction"]["Properties"]
    assert function["Timeout"] < queue["VisibilityTimeout"] < function["Timeout"] + 60
    assert queue["RedrivePolicy"] == {"deadLetterTargetArn": "AuditUnshipped.Arn", "maxReceiveCount": 100}
    assert function["Events"]["Files"]["Properties"]["BatchSize"] == 1
    assert function["Handler"] == "vaultgate_ops.audit.handler.handler"
    set_here = set(function["Environment"]["Variables"])
    assert place({"AUDIT_LOG_GROUP": "/vault/audit", **dict.fromkeys(set_here - {"AUDIT_LOG_GROUP"}, "x")}).state_bucket == "x"


def test_the_function_reads_files_and_writes_its_progress_alone() -> None:
    """Beside the mirror's own policy: it may change no file, and delete nothing."""
    properties = resources()["AuditFunctionRole"]["Properties"]
    assert properties["ManagedPolicyArns"] == ["AuditMirrorPolicy"]
    statements = {one["Sid"]: one for policy in properties["Policies"] for one in policy["PolicyDocument"]["Statement"]}
    assert {sid: one["Action"] for sid, one in statements.items()} == {
        "Read": "s3:GetObject",
        "Progress": ["s3:GetObject", "s3:PutObject"],
        "Look": "s3:ListBucket",
        "Queue": ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
        "OwnLog": ["logs:CreateLogStream", "logs:PutLogEvents"],
    }
    assert statements["Progress"]["Resource"] == "${AuditProgress.Arn}/" + Place("").state_prefix + "*"
