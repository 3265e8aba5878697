"""What has to change: a pure comparison of what is wanted with what is there.

Rules: only declared fields are compared, so whatever else is in Vault stays. What Vault can't change, or what would take
something from somebody, is a conflict: all conflicts are raised together and nothing is planned.

**The database credential.** Vault never shows a connection's password, and after ``rotate-root`` nobody but Vault knows it:
whether ours is still the right one can't be found out without trying to log in. So a connection that exists keeps its username
and password, whatever the file says, unless a reset is asked for; then both are written together, and Vault tries them before
it stores them (``verify_connection``). A username that differs is shown as a conflict, because it can't be mended alone: the
stored password belongs to the other user.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vaultgate_ops.bootstrap.model import HIDDEN, Change, Desired, FieldChange, Resource
from vaultgate_ops.errors import CheckFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vaultgate_ops.bootstrap.kinds import Field

_RESET: Final = "the login is only changed on request, username and password together: --reset-database-password"


def diff(
    desired: Desired, actual: Mapping[str, Mapping[str, object] | None], *, reset_database_password: bool = False
) -> list[Change]:
    """Compare.

    Args:
        desired: what is wanted.
        actual: path of each resource to its raw fields as Vault answered them, None where it doesn't exist.
        reset_database_password: write the username and password of connections that exist, too.

    Returns:
        The changes in the order in which they have to be made; empty when Vault looks as wanted.

    Raises:
        CheckFailed: something is in the way that must not or can't be changed.
    """
    changes: list[Change] = []
    conflicts: list[str] = []
    for resource in desired.resources:
        there = actual[resource.path]
        if there is None:
            changes.append(_creation(resource))
        else:
            change = _update(resource, there, conflicts, reset=reset_database_password)
            changes.extend([change] if change else [])
    if conflicts:
        count = len(conflicts)
        raise CheckFailed(
            f"{count} thing{'' if count == 1 else 's'} in Vault can't become what the file says; nothing was changed:"
            + "".join(f"\n  {conflict}" for conflict in conflicts)
        )
    return changes


def _creation(resource: Resource) -> Change:
    fields = tuple(FieldChange(name, None, _shown(resource.kind.fields[name], value)) for name, value in resource.values.items())
    return Change(resource.kind.label, resource.path, "create", fields, resource.kind.create(resource.path, resource.values))


def _update(resource: Resource, there: Mapping[str, object], conflicts: list[str], *, reset: bool) -> Change | None:
    kind = resource.kind
    chosen: dict[str, object] = {}
    fields: list[FieldChange] = []
    for name, wanted in resource.values.items():
        field = kind.fields[name]
        found = field.found(there.get(name)) if field.compared else None
        if field.credential and reset:
            chosen[name] = wanted
            if not field.compared or found != wanted:
                fields.append(FieldChange(name, _shown(field, found), _shown(field, wanted)))
            continue
        if not field.compared or found == wanted:
            continue
        before, after = _shown(field, found), _shown(field, wanted)
        fix = _RESET if field.credential else field.refused(found, wanted)
        if fix:
            conflicts.append(f"{resource.path}: {name} is {before or 'not set'}, not {after} - {fix}")
            continue
        chosen[name] = wanted
        fields.append(FieldChange(name, before, after))
    if not fields:
        return None
    chosen |= {name: value for name, value in resource.values.items() if kind.fields[name].always}
    return Change(kind.label, resource.path, "update", tuple(fields), kind.update(resource.path, chosen))


def _shown(field: Field, value: object) -> str:
    return HIDDEN if field.hidden else field.type.shown(value)
