"""Make Vault look as one declarative file says, and keep it so.

    desired = load(path, variables)             # the file, checked: all problems at once
    changes = plan(client, desired)             # reads Vault, decides; nothing is changed
    apply(client, changes, reporter)            # makes them, in order
    changes = bootstrap(client, desired, reporter)   # both; the second run finds none

Rules: what the file doesn't declare is not ours: it isn't read, changed or removed. Deciding (`diff`) is pure; reading
(`observe`) and writing (`apply`) are its shell. No secret is in a `Change`'s repr, a rendered plan or an exception.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vaultgate_ops.bootstrap.apply import apply
from vaultgate_ops.bootstrap.connection import connect
from vaultgate_ops.bootstrap.diff import diff
from vaultgate_ops.bootstrap.document import load
from vaultgate_ops.bootstrap.model import Change, Desired, FieldChange
from vaultgate_ops.bootstrap.observe import observe
from vaultgate_ops.bootstrap.privileges import require
from vaultgate_ops.bootstrap.render import plan_lines, summary

if TYPE_CHECKING:
    import hvac

    from vaultgate_ops.reporting import Reporter

__all__ = [
    "Change",
    "Desired",
    "FieldChange",
    "apply",
    "bootstrap",
    "connect",
    "load",
    "plan",
    "plan_lines",
    "require",
    "summary",
]


def plan(client: hvac.Client, desired: Desired, *, reset_database_password: bool = False) -> list[Change]:
    """Find out what has to change; changes nothing.

    Args:
        client: a client with an address and a token.
        desired: what `load` gave.
        reset_database_password: plan to write the username and password of database connections that exist already. Without
            it they are left alone, because after ``rotate-root`` only Vault knows the password (see `diff`).

    Raises:
        CheckFailed: something is in the way, such as a mount of another type.
        Denied: the token is dead or can't read what it has to; each privilege is named.
        Unreachable: no answer, or Vault is sealed.
    """
    return diff(desired, observe(client, desired), reset_database_password=reset_database_password)


def bootstrap(
    client: hvac.Client, desired: Desired, reporter: Reporter, *, reset_database_password: bool = False
) -> list[Change]:
    """Plan and apply; returns the changes that were made. Raises what `plan` and `apply` raise."""
    changes = plan(client, desired, reset_database_password=reset_database_password)
    apply(client, changes, reporter)
    return changes
