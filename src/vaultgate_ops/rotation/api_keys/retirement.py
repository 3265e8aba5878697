"""Which of an account's keys are to end.

Rules: pure. A key is this secret's if one of its values has the key's id, or if its label is ours: the label holds the secret
and the version that it was made for, so that a key whose answer was lost is found again. Others' keys are never touched. A key
of ours that no value has may be a value by now that a late read didn't show: it is named, and ends only for whoever looked
twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_DIGITS = 12


@dataclass(frozen=True)
class Live:
    """A key as the API lists it."""

    key_id: str
    label: str


@dataclass(frozen=True)
class Ending:
    """What is to end.

    Attributes:
        certain: ids of keys that a former value has, or that were looked at twice.
        doubtful: ids of keys of ours that no value is known to have.
    """

    certain: tuple[str, ...]
    doubtful: tuple[str, ...]


def prefix(secret_id: str) -> str:
    """What the labels of one secret's keys begin with: the same in each of its rotations, another for each secret.

    Args:
        secret_id: its ARN, which a secret of the same name made later doesn't have.
    """
    return f"vaultgate-{sha256(secret_id.encode()).hexdigest()[:_DIGITS]}-"


def label(secret_id: str, token: str) -> str:
    """The label of the key that is made for a version."""
    return prefix(secret_id) + token


def ending(
    live: Iterable[Live], secret_id: str, keep: Collection[str], former: Collection[str], doubted: Collection[str]
) -> Ending:
    """Decide about each key.

    Args:
        live: all keys of the account.
        secret_id: the secret's ARN.
        keep: ids that must go on.
        former: ids that former values have.
        doubted: ids that were doubtful already, before a wait that made late reads impossible.

    | the key | comes to |
    |---|---|
    | to keep | goes on |
    | of a former value | ends |
    | with a label of this secret's, doubted before | ends |
    | with a label of this secret's | doubtful |
    | anybody's else | goes on |
    """
    mine = prefix(secret_id)
    certain: list[str] = []
    doubtful: list[str] = []
    for one in live:
        if one.key_id in keep:
            continue
        if one.key_id in former:
            certain.append(one.key_id)
        elif one.label.startswith(mine):
            (certain if one.key_id in doubted else doubtful).append(one.key_id)
    return Ending(tuple(certain), tuple(doubtful))
