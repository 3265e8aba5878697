"""Bootstrap against real Vault, a real database and an STS that checks signatures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from vaultgate_ops.bootstrap import apply, bootstrap, load, plan, plan_lines
from vaultgate_ops.errors import CheckFailed
from vaultgate_ops.reporting import Silent

if TYPE_CHECKING:
    from pathlib import Path

    import hvac
    from tests.bootstrap.conftest import Accounts

    from vaultgate_ops.bootstrap import Desired
    from vaultgate_ops.local.stack import Stack
    from vaultgate_ops.local.vault_server import VaultServer

pytestmark = pytest.mark.stack

EVERYTHING = [
    "sys/audit/file",
    "sys/policies/acl/records",
    "sys/policies/password/mysql",
    "sys/auth/aws",
    "auth/aws/config/client",
    "auth/aws/role/records",
    "sys/mounts/database",
    "database/config/shop",
    "database/roles/records",
    "database/static-roles/records-static",
    "sys/mounts/secret",
    "secret/config",
    "secret/data/records",
]


def test_an_empty_vault_gets_everything_in_order_and_the_second_run_finds_nothing(root: hvac.Client, desired: Desired) -> None:
    """An empty Vault gets all there is, the audit device before anything else; the second run finds 0 changes."""
    made = bootstrap(root, desired, Silent())

    assert [change.path for change in made] == EVERYTHING
    assert {change.action for change in made} == {"create"}
    assert bootstrap(root, desired, Silent()) == []
    assert plan_lines(plan(root, desired)) == ["0 changes"]


def test_the_audit_log_has_what_bootstrap_did(
    root: hvac.Client, desired: Desired, vault: VaultServer, accounts: Accounts
) -> None:
    """Everything that bootstrap did stands in the audit log, without the database's password."""
    changes = bootstrap(root, desired, Silent())

    log = vault.audit_file.read_text(encoding="utf-8")
    assert [change.write.path for change in changes[1:] if f'"path":"{change.write.path}"' not in log] == []


def test_a_plan_changes_nothing(root: hvac.Client, desired: Desired) -> None:
    """Planning twice gives the same plan: nothing was made in between."""
    assert plan(root, desired) == plan(root, desired)
    assert "aws/" not in root.sys.list_auth_methods()["data"]


def test_a_half_configured_vault_gets_the_other_half(root: hvac.Client, desired: Desired) -> None:
    """What is right already is left alone, what is wrong is mended, what is missing is made."""
    root.sys.enable_auth_method("aws", description="Lambda functions, by their IAM role", config={"default_lease_ttl": "3600s"})
    root.sys.enable_secrets_engine("kv", path="secret", options={"version": "2"})
    root.sys.create_or_update_policy("records", 'path "secret/data/records" { capabilities = ["read"] }')

    made = {change.path: change for change in bootstrap(root, desired, Silent())}

    assert made["sys/auth/aws"].action == "update"
    assert [(field.name, field.before, field.after) for field in made["sys/auth/aws"].fields] == [("max_lease_ttl", "0s", "12h")]
    assert made["sys/policies/acl/records"].action == "update"
    assert made["sys/mounts/secret"].action == "update"
    assert made["sys/mounts/database"].action == "create"
    assert plan(root, desired) == []


def test_a_run_that_broke_off_is_continued(root: hvac.Client, desired: Desired) -> None:
    """After a run that got no further than half, the next one makes the rest and no more."""
    changes = plan(root, desired)
    apply(root, changes[:7], Silent())

    assert [change.path for change in bootstrap(root, desired, Silent())] == EVERYTHING[7:]


DRIFT: dict[str, dict[str, object]] = {
    "sys/policies/acl/records": {"policy": 'path "*" { capabilities = ["read", "sudo"] }'},
    "sys/policies/password/mysql": {"policy": 'length = 8\nrule "charset" { charset = "abcdefgh" }'},
    "sys/mounts/auth/aws/tune": {"max_lease_ttl": "720h", "description": "mine"},
    "auth/aws/config/client": {"iam_server_id_header_value": "", "sts_region": "eu-west-1"},
    "auth/aws/role/records": {"token_policies": ["records", "admin"], "token_period": "1h", "token_no_default_policy": False},
    "sys/mounts/database/tune": {"audit_non_hmac_response_keys": ["password"], "default_lease_ttl": "300"},
    "database/config/shop": {"allowed_roles": ["*"], "max_open_connections": "9", "max_connection_lifetime": "1h"},
    "database/roles/records": {"creation_statements": ["CREATE USER x"], "default_ttl": "59m"},
    "secret/config": {"max_versions": 3, "cas_required": True},
}


def test_drift_made_by_hand_is_shown_and_mended(root: hvac.Client, desired: Desired) -> None:
    """Each setting that somebody changed is in the plan, and no other; bootstrap puts it back."""
    bootstrap(root, desired, Silent())
    for path, by_hand in DRIFT.items():
        root.write_data(path, data=by_hand)

    changes = bootstrap(root, desired, Silent())

    shown = {change.write.path: {field.name for field in change.fields} for change in changes}
    assert shown == {path: set(by_hand) for path, by_hand in DRIFT.items()}
    assert plan(root, desired) == []


def test_what_somebody_removed_comes_back(root: hvac.Client, desired: Desired) -> None:
    """A role, a policy and a whole mount that were deleted by hand are made again."""
    bootstrap(root, desired, Silent())
    root.delete("database/roles/records")
    root.delete("sys/policies/acl/records")
    root.sys.disable_auth_method("aws")

    assert [change.path for change in bootstrap(root, desired, Silent())] == [
        "sys/policies/acl/records",
        "sys/auth/aws",
        "auth/aws/config/client",
        "auth/aws/role/records",
        "database/roles/records",
    ]
    assert plan(root, desired) == []


def test_foreign_things_stay(root: hvac.Client, desired: Desired) -> None:
    """Policies, mounts, roles, and settings that the file doesn't name, stay as somebody else made them."""
    bootstrap(root, desired, Silent())
    root.sys.create_or_update_policy("theirs", 'path "theirs/*" { capabilities = ["read"] }')
    root.sys.enable_secrets_engine("kv", path="theirs", options={"version": "1"})
    stranger = {"bound_iam_principal_arn": ["arn:aws:iam::123456789012:role/x"], "resolve_aws_unique_ids": False}
    root.write_data("auth/aws/role/theirs", data=stranger)
    root.write_data("database/roles/theirs", data={"db_name": "shop", "creation_statements": ["CREATE USER x"]})
    root.write_data("auth/aws/role/records", data={"token_bound_cidrs": ["10.0.0.0/8"], "token_ttl": "5m"})
    root.write_data("sys/mounts/database/tune", data={"listing_visibility": "unauth"})

    changes = bootstrap(root, desired, Silent())

    assert [change.path for change in changes] == ["auth/aws/role/records"]
    assert [field.name for field in changes[0].fields] == ["token_ttl"]
    assert root.read("sys/policies/acl/theirs")
    assert root.read("sys/mounts")["data"]["theirs/"]["options"] == {"version": "1"}
    assert root.read("auth/aws/role/theirs")
    assert root.read("database/roles/theirs")
    assert root.read("auth/aws/role/records")["data"]["token_bound_cidrs"] == ["10.0.0.0/8"]
    assert root.read("sys/mounts")["data"]["database/"]["config"]["listing_visibility"] == "unauth"


def test_a_mount_of_another_type_is_refused_and_nothing_is_changed(root: hvac.Client, desired: Desired) -> None:
    """Where something else is mounted at our paths, all of them are named and not even the other changes are made."""
    root.sys.enable_secrets_engine("kv", path="database", options={"version": "1"})
    root.sys.enable_secrets_engine("kv", path="secret", options={"version": "1"})
    root.sys.enable_auth_method("userpass", path="aws")

    with pytest.raises(CheckFailed) as refusal:
        bootstrap(root, desired, Silent())

    assert "sys/auth/aws: type is userpass, not aws" in refusal.value.message
    assert "sys/mounts/database: type is kv, not database" in refusal.value.message
    assert "sys/mounts/secret: version is 1, not 2" in refusal.value.message
    assert root.read("sys/audit")["data"] == {}


def test_what_lives_in_another_kind_of_mount_is_not_looked_at(root: hvac.Client, desired: Desired) -> None:
    """A mount of another type is named as what it is, although it fails when it is asked about our roles."""
    root.sys.enable_secrets_engine("ldap", path="database")

    with pytest.raises(CheckFailed, match="sys/mounts/database: type is ldap, not database"):
        plan(root, desired)


def test_a_kv_mount_of_version_1_may_be_wanted(root: hvac.Client, tmp_path: Path) -> None:
    """Version 1, declared or not, is what Vault means when it names none."""
    root.sys.enable_secrets_engine("kv", path="old")
    mine = tmp_path / "mine.yaml"
    for options in ("", ", options: {version: '1'}"):
        mine.write_text(f"secrets: {{old: {{type: kv{options}}}}}\n", encoding="utf-8")
        assert plan(root, load(mine, {})) == []


def test_an_audit_device_elsewhere_is_not_switched_off(
    root: hvac.Client, desired: Desired, declared_file: Path, variables: dict[str, str]
) -> None:
    """Another file for the audit device is refused, because Vault can't change one and a log must not have a gap."""
    bootstrap(root, desired, Silent())
    elsewhere = load(declared_file, {**variables, "AUDIT_FILE": variables["AUDIT_FILE"] + ".new"})

    with pytest.raises(CheckFailed, match=r"sys/audit/file: file_path is .*audit\.log, not .*audit\.log\.new"):
        plan(root, elsewhere)


def test_the_user_of_a_static_role_is_not_swapped(
    root: hvac.Client, desired: Desired, declared_file: Path, variables: dict[str, str]
) -> None:
    """Another user for a static role is refused: only Vault knows the present one's password."""
    bootstrap(root, desired, Silent())
    swapped = load(declared_file, {**variables, "DATABASE_STATIC_USER": "somebody"})

    with pytest.raises(CheckFailed, match=r"static-roles/records-static: username is static_\w+, not somebody"):
        plan(root, swapped)


def test_a_static_role_is_mended_without_a_new_password(root: hvac.Client, desired: Desired, accounts: Accounts) -> None:
    """Mending a static role's period leaves its password alone."""
    bootstrap(root, desired, Silent())
    before = root.read("database/static-creds/records-static")["data"]["password"]
    root.write_data(
        "database/static-roles/records-static", data={"username": accounts.static, "rotation_schedule": "0 0 * * SUN"}
    )

    changes = bootstrap(root, desired, Silent())

    assert [field.name for field in changes[0].fields] == ["rotation_period"]
    assert root.read("database/static-creds/records-static")["data"]["password"] == before
    assert plan(root, desired) == []


def test_a_seeded_secret_belongs_to_whoever_changed_it(root: hvac.Client, desired: Desired) -> None:
    """A secret is seeded once: neither a new value nor a deletion is undone."""
    bootstrap(root, desired, Silent())
    root.secrets.kv.v2.create_or_update_secret("records", {"greeting": "mine"})
    assert plan(root, desired) == []
    assert root.secrets.kv.v2.read_secret_version("records", raise_on_deleted_version=True)["data"]["data"] == {
        "greeting": "mine"
    }

    root.secrets.kv.v2.delete_latest_version_of_secret("records")

    assert plan(root, desired) == []


class TestDatabaseLogin:
    def test_a_rotated_root_credential_is_left_alone(
        self, root: hvac.Client, desired: Desired, stack: Stack, accounts: Accounts
    ) -> None:
        """After rotate-root the password in our hands is wrong; bootstrap neither notices nor writes it, and mends the rest."""
        bootstrap(root, desired, Silent())
        root.write_data("database/rotate-root/shop", data={})
        with pytest.raises(Exception, match="Access denied"):
            stack.database.connect(accounts.admin, accounts.password)
        assert plan(root, desired) == []

        root.write_data("database/config/shop", data={"max_open_connections": 9})
        changes = bootstrap(root, desired, Silent())

        assert [field.name for field in changes[0].fields] == ["max_open_connections"]
        credential = root.read("database/creds/records")["data"]
        stack.database.connect(credential["username"], credential["password"]).close()

    def test_a_lost_password_is_written_on_request(
        self, root: hvac.Client, desired: Desired, stack: Stack, accounts: Accounts
    ) -> None:
        """After the password was set by hand in the database, a reset gives it to Vault; its text is never shown."""
        bootstrap(root, desired, Silent())
        root.write_data("database/rotate-root/shop", data={})
        with stack.database.connect() as connection, connection.cursor() as cursor:
            cursor.execute("ALTER USER %s@'%%' IDENTIFIED BY %s", (accounts.admin, accounts.password))

        changes = bootstrap(root, desired, Silent(), reset_database_password=True)

        assert [(field.name, field.before, field.after) for field in changes[0].fields] == [("password", "(hidden)", "(hidden)")]
        assert root.read("database/creds/records")["data"]["username"].startswith("v-")

    def test_another_user_is_shown_and_only_written_with_its_password(
        self, root: hvac.Client, desired: Desired, accounts: Accounts
    ) -> None:
        """A username that somebody changed is a conflict, which a reset ends."""
        bootstrap(root, desired, Silent())
        root.write_data("database/config/shop", data={"username": "root", "password": "guess", "verify_connection": False})

        with pytest.raises(
            CheckFailed, match=f"database/config/shop: username is root, not {accounts.admin} .*--reset-database-password"
        ):
            plan(root, desired)

        changes = bootstrap(root, desired, Silent(), reset_database_password=True)
        assert {field.name for field in changes[0].fields} == {"username", "password", "verify_connection"}
        assert plan(root, desired) == []
        assert root.read("database/creds/records")

    def test_a_password_that_somebody_wrote_into_the_address_is_not_shown(self, root: hvac.Client, desired: Desired) -> None:
        """Vault gives such a password back in the clear; the plan doesn't."""
        bootstrap(root, desired, Silent())
        root.write_data(
            "database/config/shop",
            data={"connection_url": "root:p:a@ss-word@tcp(127.0.0.1:3306)/", "verify_connection": False},
        )

        lines = "\n".join(plan_lines(plan(root, desired)))

        assert "root:(hidden)@tcp(127.0.0.1:3306)/ -> {{username}}:{{password}}@tcp(" in lines
        assert "ss-word" not in lines
