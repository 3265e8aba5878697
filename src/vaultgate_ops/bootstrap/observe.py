"""What Vault looks like now, as far as the declared resources go.

Rules: reads only, and only the paths of declared resources (mounts and devices by the three lists that show them). Every
privilege that is missing for reading is found before anything is said: what can't be read can't be compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vaultgate_ops.bootstrap import answers
from vaultgate_ops.bootstrap.privileges import Privilege, denied

if TYPE_CHECKING:
    from collections.abc import Mapping

    import hvac

    from vaultgate_ops.bootstrap.model import Desired, Resource


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
    for resource in desired.resources:
        if _is_out_of_reach(resource, actual):
            actual[resource.path] = None
            continue
        path = resource.kind.shown_at(resource)
        if path not in shown:
            try:
                shown[path] = answers.read(client, path)
            except answers.Forbidden:
                missing.append(Privilege(path, resource.kind.reads_with))
                shown[path] = None
            else:
                if shown[path] is None and resource.kind.listed:
                    raise answers.no_vault(client)
        answer = shown[path]
        actual[resource.path] = None if answer is None else resource.kind.actual(resource.path, answer)
    if missing:
        raise denied(missing, "to read how it looks now")
    return actual


def _is_out_of_reach(resource: Resource, actual: Mapping[str, Mapping[str, object] | None]) -> bool:
    """Whether the mount that it lives in doesn't exist yet."""
    return bool(resource.mount) and actual[resource.mount] is None
