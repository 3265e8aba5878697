"""Which secrets a run of waves is about, and what stands in the way of each before anything has begun.

Rule: a secret that can't be rotated is found before the first one is, and all of them at once.
Source: AWS Secrets Manager API Reference, ListSecrets: its filters match beginnings, and a key and a value of different tags.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vaultgate_ops.errors import CheckFailed
from vaultgate_ops.rotation.report import pages
from vaultgate_ops.rotation.waves import Candidate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vaultgate_ops.rotation.service import SecretsManager
    from vaultgate_ops.rotation.survey import Survey


def tagged(store: SecretsManager, key: str, value: str) -> list[str]:
    """ARNs of the secrets that have a tag, by name.

    Args:
        store: where they are.
        key: of the tag.
        value: of the tag, exactly.
    """
    filters = [{"Key": "tag-key", "Values": [key]}, {"Key": "tag-value", "Values": [value]}]
    listed = pages(store, "list_secrets", "SecretList", Filters=filters)
    found = {one["Name"]: one["ARN"] for one in listed if {"Key": key, "Value": value} in one.get("Tags", [])}
    return [arn for _, arn in sorted(found.items())]


def names_in(text: str) -> list[str]:
    """The secrets that a file names: one a line, without empty lines and what follows a ``#``."""
    return [name for line in text.splitlines() if (name := line.partition("#")[0].strip())]


def candidates(names: Iterable[str], survey: Callable[[str], Survey], *, here: bool) -> list[Candidate]:
    """Look at secrets.

    Args:
        names: or ARNs.
        survey: looks at one.
        here: they are rotated in this process, also where they have functions.

    Raises:
        CheckFailed: some can't be rotated as they are; each is named.
        RotationError: one can't be looked at.
    """
    found = [_candidate(survey(name), here=here) for name in names]
    hindered = [one for one in found if one.obstacle]
    if hindered:
        raise CheckFailed(
            f"Nothing was begun: {'; '.join(f'{one.name} {one.obstacle}' for one in hindered)}.",
            "Repair what is pending (vaultgate rotate repair), give --here for what is turned off, leave out the others.",
        )
    return found


def _candidate(looked: Survey, *, here: bool) -> Candidate:
    if looked.owner:
        obstacle = f"is managed by {looked.owner}"
    elif looked.primary_region:
        obstacle = f"is a replica from {looked.primary_region}"
    elif looked.pending:
        obstacle = f"has a pending version, {looked.pending.version_id}"
    elif looked.function and not looked.enabled and not here:
        obstacle = "has its rotation turned off"
    else:
        obstacle = "" if looked.current else "has no AWSCURRENT"
    return Candidate(looked.name, looked.arn, looked.current.created_at if looked.current else 0, obstacle)
