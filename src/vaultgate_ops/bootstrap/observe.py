"""What Vault looks like now, as far as the declared resources go.

Rules: reads only, and only the paths of declared resources (mounts and devices by the three lists that show them). Every
privilege that is missing for reading is found before anything is said: what can't be read can't be compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vaultgate_ops.bootstrap import answers
from vaultgate_ops.bootstrap.privileges import Privilege, denied

if TYPE_CHECKING:
    from collections.abc import Mapping

    import hvac

    from vaultgate_ops.bootstrap.model import Desired, Resource

_IDENTITY: Final = ("type", "version")


def observe(client: hvac.Client, desired: Desired) -> dict[str, Mapping[str, object] | None]:
    """Read each declared resource.

    Returns:
        Path to the raw fields that Vault answers, None where the resource doesn't exist.

    Raises:
        Denied: the token is dead, or lacks privileges; all of them are named.
        Unreachable: Vault doesn't answer, is sealed, or isn't Vault.
    """
    shown: dict[str, Mapping[str, object] | None] = {}
    actual: dict[str, Mapping[str, object] | None] = {}
    missing: list[Privilege] = []
    out_of_reach: set[str] = set()
    for resource in desired.resources:
        actual[resource.path] = None
        if resource.mount in out_of_reach:
            continue
        path = resource.kind.shown_at(resource)
        if path not in shown:
            try:
                shown[path] = answers.read(client, path)
            except answers.Forbidden:
                missing.append(Privilege(path, resource.kind.reads_with))
                shown[path] = {}
            if shown[path] is None and resource.kind.listed:
                raise answers.no_list(client, path)
        answer = shown[path]
        found = None if answer is None else resource.kind.actual(resource.path, answer)
        actual[resource.path] = found
        if answer and not _is_ours(resource, found):
            out_of_reach.add(resource.path)
    if missing:
        raise denied(missing, "to read how it looks now")
    return actual


def _is_ours(resource: Resource, found: Mapping[str, object] | None) -> bool:
    """Whether a mount exists and is what the file says; nothing of ours lives in another one."""
    fields, wanted = resource.kind.fields, resource.values
    return found is not None and all(fields[name].found(found.get(name)) == wanted[name] for name in _IDENTITY if name in wanted)
