"""Making changes: patience with a young KV mount, and silence about secrets when something goes wrong."""

from __future__ import annotations

import json
import traceback
from typing import TYPE_CHECKING

import pytest
from tests.bootstrap.answering import answering

from vaultgate_ops.bootstrap import Change, apply, bootstrap, connect, load
from vaultgate_ops.bootstrap.model import Hidden, Write
from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import OpsError, Unreachable, UsageProblem
from vaultgate_ops.reporting import Silent

if TYPE_CHECKING:
    from pathlib import Path

    import hvac
    from tests.bootstrap.conftest import Accounts

    from vaultgate_ops.bootstrap import Desired

PASSWORD = "Tr0ub4dor&3"
SETTLING = (400, json.dumps({"errors": ["Upgrading from non-versioned to versioned data. This backend will be unavailable"]}))
QUEUEING = (500, json.dumps({"errors": ["1 error occurred:\n\t* duplicate item\n\n"]}))
GRANTED = (200, json.dumps({"data": {"secret/config": ["root"]}}))
DONE = (204, "")


class Hurried(Clock):
    """A clock that goes on only while somebody waits."""

    def __init__(self) -> None:
        self.waited_s = 0.0

    def steady(self) -> float:
        """Seconds waited so far."""
        return self.waited_s

    def sleep(self, seconds: float) -> None:
        """Wait without waiting."""
        self.waited_s += seconds


def one_change(**body: object) -> list[Change]:
    """A single request."""
    return [Change("KV configuration", "secret/config", "update", (), Write("secret/config", body, frozenset({"update"})))]


@pytest.mark.parametrize("busy", [SETTLING, QUEUEING])
def test_a_young_mount_is_waited_for(tmp_path: Path, busy: tuple[int, str]) -> None:
    """KV that still turns into version 2, or a database engine that fills its queue, gets its request again until it takes it."""
    clock = Hurried()
    with answering([GRANTED, busy, busy, DONE, (500, "{}")]) as address:
        client = connect({"VAULT_ADDR": address, "VAULT_TOKEN": "t"}, tmp_path)
        apply(client, one_change(max_versions=3), Silent(), clock=clock)
        client.adapter.close()

    assert 0 < clock.waited_s < 1


def test_a_kv_mount_that_never_settles_is_given_up(tmp_path: Path) -> None:
    """After half a minute it is Vault's answer that counts."""
    clock = Hurried()
    with answering([GRANTED, SETTLING]) as address:
        client = connect({"VAULT_ADDR": address, "VAULT_TOKEN": "t"}, tmp_path)
        with pytest.raises(UsageProblem, match="Upgrading from non-versioned"):
            apply(client, one_change(max_versions=3), Silent(), clock=clock)
        client.adapter.close()

    assert 29 < clock.waited_s < 31


class Listener(Silent):
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def say(self, text: str) -> None:
        """Keep it."""
        self.heard.append(text)


@pytest.mark.stack
def test_vaults_warnings_are_passed_on(root: hvac.Client, tmp_path: Path) -> None:
    """What Vault does although it has doubts is done, and the doubts are told."""
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "auth: {aws: {type: aws, roles: {r: {bound_iam_principal_arn: ['arn:aws:iam::123456789012:role/x'],"
        " resolve_aws_unique_ids: false, token_max_ttl: 10000h}}}}\n",
        encoding="utf-8",
    )
    listener = Listener()

    assert len(bootstrap(root, load(mine, {}), listener)) == 2

    assert len(listener.heard) == 1
    assert listener.heard[0].startswith("Vault warns about auth/aws/role/r: ")
    assert "max ttl will be capped" in listener.heard[0]


def test_an_answer_to_a_write_that_isnt_vaults_is_no_success(tmp_path: Path) -> None:
    """A page of somebody else's isn't taken for a change that was made."""
    with answering([GRANTED, (200, "<html>welcome</html>")]) as address:
        client = connect({"VAULT_ADDR": address, "VAULT_TOKEN": "t"}, tmp_path)
        with pytest.raises(Unreachable, match="is not Vault"):
            apply(client, one_change(max_versions=3), Silent())
        client.adapter.close()


def told(error: BaseException) -> str:
    """Everything that a log of this failure could have: the chain with its tracebacks, messages and hints."""
    everything = "".join(traceback.format_exception(error))
    seen: BaseException | None = error
    while seen is not None:
        everything += repr(seen.__dict__) + repr(seen)
        seen = seen.__cause__ or seen.__context__
    return everything


@pytest.mark.parametrize(
    "answer", [(400, json.dumps({"errors": [f"can't log in as x:{PASSWORD}@db"]})), (500, json.dumps({"errors": [PASSWORD]}))]
)
def test_a_secret_that_vault_repeats_is_cut_out(tmp_path: Path, answer: tuple[int, str]) -> None:
    """Should Vault's own words have the secret in them, ours don't."""
    with answering([GRANTED, answer]) as address:
        client = connect({"VAULT_ADDR": address, "VAULT_TOKEN": "t"}, tmp_path)
        with pytest.raises(OpsError) as refusal:
            apply(client, one_change(password=Hidden(PASSWORD)), Silent())
        client.adapter.close()

    assert "(hidden)" in refusal.value.message
    assert PASSWORD not in told(refusal.value)


def test_a_request_that_got_no_answer_isnt_kept(tmp_path: Path) -> None:
    """The error of a broken connection has no way back to what was sent."""
    with answering([GRANTED]) as address:
        client = connect({"VAULT_ADDR": address, "VAULT_TOKEN": "t"}, tmp_path)
        change = one_change(password=Hidden(PASSWORD))
    client.adapter.close()

    with pytest.raises(Unreachable) as refusal:
        apply(client, change, Silent())

    assert refusal.value.__cause__ is None
    assert refusal.value.__context__ is None


@pytest.mark.stack
class TestRefusedByVault:
    def test_a_wrong_database_password_says_what_to_look_at(
        self, root: hvac.Client, declared_file: Path, variables: dict[str, str]
    ) -> None:
        """The database's refusal is passed on with a hint, and neither has the password."""
        wrong = load(declared_file, {**variables, "DATABASE_ADMIN_PASSWORD": PASSWORD})

        with pytest.raises(UsageProblem, match=r"refused database/config/shop: .*Access denied") as refusal:
            bootstrap(root, wrong, Silent())

        assert "log in there" in refusal.value.hint
        assert PASSWORD not in told(refusal.value)
        assert root.read("database/config/shop") is None

    def test_a_policy_that_vault_cant_parse_names_the_file_to_mend(self, root: hvac.Client, tmp_path: Path) -> None:
        """Vault's own words about the mistake, and where to look."""
        (tmp_path / "p.hcl").write_text('path "x" { capabilitys = ["read"] }', encoding="utf-8")
        mine = tmp_path / "mine.yaml"
        mine.write_text("policies: {p: p.hcl}\n", encoding="utf-8")

        with pytest.raises(UsageProblem, match=r'refused sys/policies/acl/p: .*invalid key "capabilitys"') as refusal:
            bootstrap(root, load(mine, {}), Silent())

        assert ".hcl file" in refusal.value.hint

    def test_a_static_user_that_doesnt_exist_is_named(
        self, root: hvac.Client, declared_file: Path, variables: dict[str, str]
    ) -> None:
        """What was made before the refusal stays, and the next run goes on from there."""
        absent = load(declared_file, {**variables, "DATABASE_STATIC_USER": "nobody_of_that_name"})

        with pytest.raises(OpsError, match="database/static-roles/records-static") as refusal:
            bootstrap(root, absent, Silent())

        assert "must exist in the database" in refusal.value.hint
        rest = bootstrap(root, load(declared_file, variables), Silent())
        assert rest[0].path == "database/static-roles/records-static"

    def test_an_iam_role_that_cant_be_looked_up_says_what_vault_needs(
        self, root: hvac.Client, declared_file: Path, variables: dict[str, str]
    ) -> None:
        """With unique ids, a Vault without AWS credentials of its own is told what it lacks."""
        resolved = load(declared_file, {**variables, "AWS_UNIQUE_IDS": "true"})

        with pytest.raises(OpsError, match="auth/aws/role/records") as refusal:
            bootstrap(root, resolved, Silent())

        assert "iam:GetRole" in refusal.value.hint


@pytest.mark.stack
def test_no_secret_in_what_is_planned(root: hvac.Client, desired: Desired, accounts: Accounts) -> None:
    """Neither the plan's repr nor any of its parts has the password."""
    changes = bootstrap(root, desired, Silent())

    assert accounts.password not in repr(changes) + repr([change.write for change in changes]) + repr(desired)
