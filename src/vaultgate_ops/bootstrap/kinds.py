"""What a kind of thing in Vault is to bootstrap: its fields, where Vault shows it, how it is made and mended.

Rules: a kind is a table, its functions decide nothing. An update carries the fields that differ and no others, because Vault
acts on what it is sent: an AWS role that gets its unchanged principal once more looks the principal up again, and would so
follow a re-created IAM role of the same name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vaultgate_ops.bootstrap.model import Write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vaultgate_ops.bootstrap import values
    from vaultgate_ops.bootstrap.model import Resource

CREATE: Final = frozenset({"create"})
UPDATE: Final = frozenset({"update"})


def never_refused(before: object, after: object) -> str:
    """Vault can make any change of this field."""
    del before, after
    return ""


def fixed(fix: str) -> Callable[[object, object], str]:
    """Vault can't change this field once the thing exists; ``fix`` says what a person can do."""
    return lambda _before, _after: fix


@dataclass(frozen=True)
class Field:
    """One setting of a kind.

    Attributes:
        type: what it may be and when two are the same.
        required: the file must set it.
        choices: all values there are; empty where any value of the type will do.
        absent: what Vault means when its answer lacks the setting; None for the type's own zero.
        hidden: a secret; it comes from a secret variable and is never shown.
        compared: False for what Vault doesn't give back: it is written when the thing is made, and left alone afterwards.
        credential: part of the login that Vault itself rotates (rotate-root): written when the thing is made or when a reset is
            asked for.
        always: Vault wants it in every update.
        refused: (before, after) to the fix for a change that Vault can't make; empty text where it can.
    """

    type: values.ValueType
    required: bool = False
    choices: tuple[str, ...] = ()
    absent: object = None
    hidden: bool = False
    compared: bool = True
    credential: bool = False
    always: bool = False
    refused: Callable[[object, object], str] = never_refused

    def found(self, raw: object) -> object:
        """Normal form of what Vault answered; None where its answer lacks the field."""
        return self.type.answered(self.absent if raw is None else raw)


@dataclass(frozen=True)
class Kind:
    """Everything about one kind of resource.

    Attributes:
        label: its name in a sentence.
        fields: by Vault's name.
        shown_at: a resource to the path where Vault shows it.
        actual: (path, the ``data`` of Vault's answer) to raw fields by name; None if the resource isn't there.
        create: (path, normal-form values) to the request that makes it.
        update: (path, normal-form values of the fields to change) to the request that mends it.
        reads_with: capabilities for ``shown_at``.
        listed: ``shown_at`` is a list of all of them, which every Vault has.
        one_of: fields that exclude each other, one of which must be set.
    """

    label: str
    fields: Mapping[str, Field]
    shown_at: Callable[[Resource], str]
    actual: Callable[[str, Mapping[str, object]], Mapping[str, object] | None]
    create: Callable[[str, Mapping[str, object]], Write]
    update: Callable[[str, Mapping[str, object]], Write]
    reads_with: frozenset[str] = frozenset({"read"})
    listed: bool = False
    one_of: frozenset[str] = frozenset()


def body(fields: Mapping[str, Field], chosen: Mapping[str, object]) -> dict[str, object]:
    """The JSON for these normal-form values; secrets stay `Hidden`."""
    return {name: value if fields[name].hidden else fields[name].type.sent(value) for name, value in chosen.items()}


def plain(
    label: str,
    fields: Mapping[str, Field],
    *,
    hint: str = "",
    creates_with: frozenset[str] = CREATE,
    one_of: frozenset[str] = frozenset(),
    actual: Callable[[str, Mapping[str, object]], Mapping[str, object] | None] = lambda _path, answer: answer,
) -> Kind:
    """A kind that is read where it is written, with its fields at the top of the answer."""
    return Kind(
        label=label,
        fields=fields,
        shown_at=lambda resource: resource.path,
        actual=actual,
        create=lambda path, chosen: Write(path, body(fields, chosen), creates_with, hint),
        update=lambda path, chosen: Write(path, body(fields, chosen), UPDATE, hint),
        one_of=one_of,
    )
