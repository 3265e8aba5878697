"""The words of bootstrap: what is wanted, what differs, what is sent.

Rules: everything here is an immutable value. What a person may see (`FieldChange`) and what Vault is sent (`Write`) are
different objects, and a secret in the second is `Hidden`: it prints as ``(hidden)`` and is revealed in one place, where the
request is made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vaultgate_ops.bootstrap.kinds import Kind

HIDDEN: Final = "(hidden)"


class Hidden:
    """A value that doesn't print.

    Args:
        value: the secret; text, or a mapping of any JSON values for a seeded secret.
    """

    __slots__ = ("_value",)

    def __init__(self, value: object) -> None:
        self._value = value

    def reveal(self) -> object:
        """Give the secret, to whoever is about to send it."""
        return self._value

    def __repr__(self) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hidden) and self._value == other._value

    __hash__ = None  # type: ignore[assignment]  # a hash of a secret is a fact about it


@dataclass(frozen=True)
class Resource:
    """One thing in Vault that the file declares.

    Attributes:
        kind: what it is, with everything that is known about things of its kind.
        path: where it lives in Vault's API, without ``/v1/``: ``auth/aws/role/records``.
        values: the declared fields in normal form (see `values`); a field that isn't here is nobody's business of ours.
        mount: path of the resource it lives in (``sys/auth/aws``); empty for what stands by itself.
    """

    kind: Kind
    path: str
    values: Mapping[str, object]
    mount: str = ""


@dataclass(frozen=True)
class Desired:
    """What Vault must look like: resources in the order in which they have to be made."""

    resources: tuple[Resource, ...]


@dataclass(frozen=True)
class Write:
    """One request that makes or mends a resource.

    Attributes:
        path: where it is sent, without ``/v1/``.
        body: JSON values; secrets among them are `Hidden`, at any depth.
        needs: capabilities that Vault asks for at that path: ``create`` or ``update``, sometimes ``sudo`` too.
        hint: what to look at when Vault refuses the values.
    """

    path: str
    body: Mapping[str, object]
    needs: frozenset[str]
    hint: str = ""


@dataclass(frozen=True)
class FieldChange:
    """A field as a person may see it: secrets are masked, lists and long texts have one line per item.

    Attributes:
        name: Vault's name of the field.
        before: None where there was nothing.
        after: what it becomes.
    """

    name: str
    before: str | None
    after: str


@dataclass(frozen=True)
class Change:
    """One difference between Vault and what is wanted, and the request that ends it."""

    kind: str
    path: str
    action: Literal["create", "update"]
    fields: tuple[FieldChange, ...]
    write: Write = field(repr=False)
