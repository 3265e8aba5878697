"""The doctor on real parts, each with one fault: Vault over TLS, MariaDB, moto that checks signatures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.doctor.conftest import ids, states
from tests.simulators.loopback import loopback, silent

from vaultgate.secret import Secret
from vaultgate_ops.doctor.visit import Wish
from vaultgate_ops.local.paths import build_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.doctor.conftest import Diagnose

    from vaultgate_ops.local.stack import Stack

pytestmark = pytest.mark.stack


def test_a_healthy_stack(diagnosed: Diagnose, nothing_left: Callable[[], AbstractContextManager[None]]) -> None:
    """Nothing is found, everything that applies is looked at, and neither token, lease nor database user stays behind."""
    with nothing_left():
        report = diagnosed(wish=Wish(layer=build_folder() / "layer"))
        assert report.findings == ()
        assert report.exit_code == 0
        absent = {"extension", "rotation", "mirror"}
        assert {check for check, state in states(report).items() if state != "fine"} == absent


@pytest.mark.parametrize(
    ("changes", "found", "exit_code"),
    [
        ({"VAULTGATE_GARD": "open", "VAULT_CLIENT_TIMEOUT": "soon"}, ["settings.invalid"] * 2, 2),
        ({"VAULT_SKIP_VERIFY": "true"}, ["settings.skip-verify"], 1),
        ({"VAULT_ADDR": "http://192.0.2.1:8200", "VAULTGATE_ALLOW_HTTP": "true"}, ["settings.in-clear"], 1),
        ({"VAULT_IAM_SERVER_ID": None}, ["settings.no-server-id"], 0),
    ],
)
def test_settings(diagnosed: Diagnose, changes: dict[str, str | None], found: list[str], exit_code: int) -> None:
    """What the extension would refuse ends everything, what is unwise is told."""
    report = diagnosed("settings", **changes)
    assert (ids(report), report.exit_code) == (found, exit_code)


def test_nobody_is_asked_with_wrong_settings(diagnosed: Diagnose) -> None:
    """Every other check says what it waits for."""
    with loopback(silent) as vault:
        report = diagnosed(VAULT_ADDR=f"http://127.0.0.1:{vault.origin.port}", VAULTGATE_GARD="open")
        assert vault.connections == 0
    assert states(report)["login"] == "not reached"
    assert {one.told for one in report.outcomes if one.check == "login"} == {"because 'settings' failed"}


def test_settings_of_the_function(diagnosed: Diagnose) -> None:
    """The record-count function's are told apart from the extension's, and Vault is looked at all the same."""
    report = diagnosed(RDS_PORT="many", RECORDS_TABLE="or;ders")
    assert (ids(report), report.exit_code) == (["records.invalid"] * 2, 2)
    assert states(report)["policy"] == "fine"


@pytest.mark.parametrize(
    ("changes", "found", "said"),
    [
        ({"VAULT_AUTH_ROLE": "nobody"}, "login.no-role", "vault list auth/aws/role"),
        ({"VAULT_AUTH_PROVIDER": "nowhere"}, "login.no-mount", "vault auth enable -path=nowhere aws"),
        ({"VAULT_IAM_SERVER_ID": "another"}, "login.server-id", 'expected "vault.vaultgate.local"'),
    ],
)
def test_a_login_that_is_refused(diagnosed: Diagnose, changes: dict[str, str], found: str, said: str) -> None:
    """Vault's words tell which of the settings it is; nothing behind the login is looked at."""
    report = diagnosed(**changes)
    assert ids(report) == [found]
    assert said in report.findings[0].evidence + report.findings[0].fix
    behind = {
        check: state for check, state in states(report).items() if check in {"identity", "policy", "credential", "database"}
    }
    assert set(behind.values()) == {"not reached"}
    assert len(behind) == 4


def test_an_administrator_sees_the_other_side(diagnosed: Diagnose, stack: Stack) -> None:
    """With his token a wrong server id's right value stands in the fix."""
    report = diagnosed("login", wish=Wish(administrator=Secret(stack.vault.root_token)), VAULT_IAM_SERVER_ID="another")
    assert "Set VAULT_IAM_SERVER_ID=vault.vaultgate.local," in report.findings[0].fix


def test_a_role_that_is_bound_to_somebody_else(diagnosed: Diagnose, stack: Stack) -> None:
    """The command binds it to our principal, and an administrator's token shows whom it is bound to."""
    other = "arn:aws:iam::123456789012:role/other"
    terms = {"auth_type": "iam", "bound_iam_principal_arn": other, "resolve_aws_unique_ids": False}
    with stack.vault.client() as client:
        client.write_data("auth/aws/role/doctor-elsewhere", data=terms)
        try:
            wish = Wish(administrator=Secret(stack.vault.root_token))
            report = diagnosed("login", wish=wish, VAULT_AUTH_ROLE="doctor-elsewhere")
        finally:
            client.delete("auth/aws/role/doctor-elsewhere")
    (finding,) = report.findings
    assert finding.id == "login.bound-elsewhere"
    ours = "arn:aws:iam::123456789012:role/vaultgate-records"
    assert f"we are {ours}" in finding.evidence
    assert f"bound to {other}" in finding.evidence
    assert f"vault write auth/aws/role/doctor-elsewhere bound_iam_principal_arn={ours} " in finding.fix


def test_a_wrong_secret_key(diagnosed: Diagnose) -> None:
    """STS refuses the signature, to us and to Vault; the login's evidence points to the first."""
    report = diagnosed(AWS_SECRET_ACCESS_KEY="x" * 40)
    assert ids(report) == ["sts.signature", "login.sts"]
    assert "STS refuses it to us as well (SignatureDoesNotMatch): mend what `sts` found" in report.findings[1].evidence


def test_a_key_that_nobody_knows(diagnosed: Diagnose) -> None:
    """The key's id is told, the key isn't."""
    report = diagnosed("sts", AWS_ACCESS_KEY_ID="AKIANOBODY")
    assert ids(report) == ["sts.unknown-key"]
    assert [one.told for one in report.outcomes if one.check == "keys"] == []


def test_no_keys_at_all(diagnosed: Diagnose) -> None:
    """Neither STS nor the login is tried."""
    report = diagnosed(AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None)
    assert ids(report) == ["keys.missing"]
    assert states(report)["sts"] == states(report)["login"] == "not reached"


def test_a_role_that_may_not_be_assumed(diagnosed: Diagnose) -> None:
    """STS's refusal is told; moto enforces that the function's role may assume nothing."""
    report = diagnosed("login", VAULT_ASSUMED_ROLE_ARN="arn:aws:iam::123456789012:role/other")
    assert ids(report) == ["keys.assumed-role"]
    assert "AccessDenied" in report.findings[0].evidence
