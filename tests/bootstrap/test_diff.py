"""Deciding what to change: pure, from what is wanted and what Vault answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from vaultgate_ops.bootstrap import contents, mounts, plan_lines
from vaultgate_ops.bootstrap.diff import diff
from vaultgate_ops.bootstrap.model import Desired, Hidden, Resource
from vaultgate_ops.errors import CheckFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vaultgate_ops.bootstrap import Change
    from vaultgate_ops.bootstrap.kinds import Kind

PRINCIPAL = "arn:aws:iam::123456789012:role/records"


def change(kind: Kind, path: str, wanted: Mapping[str, object], found: Mapping[str, Any] | None, **how: bool) -> Change | None:
    """The one change that makes this out of that; None if there is nothing to do."""
    normal = {
        name: value if kind.fields[name].hidden else kind.fields[name].type.declared(value) for name, value in wanted.items()
    }
    changes = diff(Desired((Resource(kind, path, normal),)), {path: found}, **how)
    assert len(changes) < 2
    return changes[0] if changes else None


def conflict(kind: Kind, path: str, wanted: Mapping[str, object], found: Mapping[str, Any]) -> str:
    """What is said about a difference that can't be mended."""
    with pytest.raises(CheckFailed) as refusal:
        change(kind, path, wanted, found)
    assert refusal.value.exit_code == 1
    return refusal.value.message


def test_only_what_differs_is_sent() -> None:
    """An AWS role's unchanged principal isn't written again: Vault would bind a re-created IAM role of that name."""
    role = {"bound_iam_principal_arn": [PRINCIPAL], "resolve_aws_unique_ids": True, "token_ttl": "1h"}

    mended = change(contents.AWS_ROLE, "auth/aws/role/records", role, {**role, "token_ttl": 300, "role_id": "x"})

    assert mended is not None
    assert mended.write.body == {"token_ttl": "3600s"}


def test_an_extra_principal_is_drift() -> None:
    """Somebody else's role bound beside ours is shown and taken out."""
    theirs = "arn:aws:iam::123456789012:role/theirs"

    mended = change(
        contents.AWS_ROLE,
        "auth/aws/role/records",
        {"bound_iam_principal_arn": [PRINCIPAL]},
        {"bound_iam_principal_arn": [theirs, PRINCIPAL]},
    )

    assert mended is not None
    assert plan_lines([mended])[2:4] == [f"          {PRINCIPAL}", f"        - {theirs}"]
    assert mended.write.body == {"bound_iam_principal_arn": [PRINCIPAL]}


def test_turning_the_resolution_of_unique_ids_on_is_a_change_off_a_conflict() -> None:
    """Vault goes one way only, and says so before anything is changed."""
    path = "auth/aws/role/records"

    assert change(contents.AWS_ROLE, path, {"resolve_aws_unique_ids": True}, {"resolve_aws_unique_ids": False})
    said = conflict(contents.AWS_ROLE, path, {"resolve_aws_unique_ids": False}, {"resolve_aws_unique_ids": True})
    assert "resolve_aws_unique_ids is true, not false - Vault never turns this off again" in said


def test_conflicts_are_told_together() -> None:
    """Two things in the way are one error that names both."""
    desired = Desired(
        tuple(Resource(mounts.SECRETS_ENGINE, f"sys/mounts/{name}", {"type": "kv", "version": "2"}) for name in ("a", "b"))
    )

    with pytest.raises(CheckFailed) as refusal:
        diff(desired, {"sys/mounts/a": {"type": "kv"}, "sys/mounts/b": {"type": "transit", "version": "2"}})

    assert refusal.value.message.splitlines()[0] == "2 things in Vault can't become what the file says; nothing was changed:"
    assert "sys/mounts/a: version is 1, not 2 - upgrade by hand" in refusal.value.message
    assert "sys/mounts/b: type is transit, not kv - something else lives at this path" in refusal.value.message


def test_a_mount_is_tuned_where_no_sudo_is_needed() -> None:
    """Tuning an auth method goes to the path that asks for less."""
    method = {"type": "aws", "default_lease_ttl": "1h"}

    tuned = change(mounts.AUTH_METHOD, "sys/auth/teams/aws", method, {"type": "aws", "default_lease_ttl": 0})

    assert tuned is not None
    assert tuned.write.path == "sys/mounts/auth/teams/aws/tune"
    assert set(tuned.write.needs) == {"update"}


CONNECTION = {
    "plugin_name": "mysql-database-plugin",
    "connection_url": "{{username}}:{{password}}@tcp(db:3306)/",
    "username": "vault_admin",
    "password": Hidden("s3cret"),
}
FOUND = {
    "plugin_name": "mysql-database-plugin",
    "connection_url": "{{username}}:{{password}}@tcp(db:3306)/",
    "username": "vault_admin",
}


class TestDatabaseLogin:
    def test_a_new_connection_gets_its_password_and_shows_none(self) -> None:
        """The request has the password, hidden; what a person sees has not."""
        made = change(contents.DATABASE_CONNECTION, "database/config/shop", CONNECTION, None)

        assert made is not None
        assert made.write.body["password"] == Hidden("s3cret")
        assert "s3cret" not in repr(made) + repr(made.write) + "".join(plan_lines([made]))

    def test_an_existing_connection_keeps_it(self) -> None:
        """No difference can be seen, so none is assumed."""
        assert change(contents.DATABASE_CONNECTION, "database/config/shop", CONNECTION, FOUND) is None

    def test_another_setting_is_mended_without_it(self) -> None:
        """The request that moves a connection to another host has no login in it."""
        moved = {**FOUND, "connection_url": "{{username}}:{{password}}@tcp(old:3306)/"}

        mended = change(contents.DATABASE_CONNECTION, "database/config/shop", CONNECTION, moved)

        assert mended is not None
        assert mended.write.body == {"connection_url": CONNECTION["connection_url"]}

    def test_a_reset_sends_user_and_password_together(self) -> None:
        """What is written on request is the whole login, even if only the password is new."""
        reset = change(contents.DATABASE_CONNECTION, "database/config/shop", CONNECTION, FOUND, reset_database_password=True)

        assert reset is not None
        assert reset.write.body == {"username": "vault_admin", "password": Hidden("s3cret")}
        assert [field.name for field in reset.fields] == ["password"]

    def test_a_connection_to_another_database_is_a_conflict(self) -> None:
        """A connection of our name to PostgreSQL isn't turned into one to MySQL."""
        said = conflict(
            contents.DATABASE_CONNECTION,
            "database/config/shop",
            CONNECTION,
            {**FOUND, "plugin_name": "postgresql-database-plugin"},
        )

        assert "plugin_name is postgresql-database-plugin, not mysql-database-plugin" in said
