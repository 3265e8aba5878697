"""A plan as a person reads it."""

from __future__ import annotations

from typing import Any

from vaultgate_ops.bootstrap import Change, FieldChange, plan_lines
from vaultgate_ops.bootstrap.model import Write

WRITE = Write("x", {}, frozenset())

TRANSCRIPT = """\
+ sys/mounts/secret  (secrets engine)
    + type        kv
    + version     2
    + keys        (nothing)
    + statements
        + CREATE USER
        + GRANT
~ sys/policies/acl/records  (policy)
    ~ policy
          path "a" {
        -   capabilities = ["read", "sudo"]
        +   capabilities = ["read"]
          }
~ database/config/shop  (database connection)
    ~ username  root -> vault_admin
    ~ password  (hidden) -> (hidden)
    ~ prefix    (nothing) -> @cee:
3 changes (1 to create, 2 to update)"""


def made(kind: str, path: str, action: Any, *fields: FieldChange) -> Change:
    return Change(kind, path, action, fields, WRITE)


def test_a_plan_reads_like_a_diff() -> None:
    """What is made, what is changed, and within a text which lines come and go."""
    before, after = 'path "a" {\n  capabilities = ["read", "sudo"]\n}', 'path "a" {\n  capabilities = ["read"]\n}'
    changes = [
        made(
            "secrets engine",
            "sys/mounts/secret",
            "create",
            FieldChange("type", None, "kv"),
            FieldChange("version", None, "2"),
            FieldChange("keys", None, ""),
            FieldChange("statements", None, "CREATE USER\nGRANT"),
        ),
        made("policy", "sys/policies/acl/records", "update", FieldChange("policy", before, after)),
        made(
            "database connection",
            "database/config/shop",
            "update",
            FieldChange("username", "root", "vault_admin"),
            FieldChange("password", "(hidden)", "(hidden)"),
            FieldChange("prefix", "", "@cee:"),
        ),
    ]

    assert plan_lines(changes) == TRANSCRIPT.splitlines()


def test_one_change_is_no_plural() -> None:
    """The last line counts properly."""
    assert plan_lines([made("policy", "p", "update")])[-1] == "1 change (1 to update)"
    assert plan_lines([]) == ["0 changes"]
