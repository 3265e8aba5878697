"""Where in Vault a rotated secret's value is, and what Vault's answers about that place mean.

Rules: pure; the secret says a path and a field and nothing about whose Vault it is, so whoever may write the secret can't have a
value sent elsewhere. No value is in an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vaultgate_ops.rotation.errors import RotationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vaultgate_ops.rotation.vault import Reply

_STATIC, _KV = "static-creds", "data"


@dataclass(frozen=True)
class Place:
    """Where in Vault a secret's value is.

    Attributes:
        mount: such as ``database``.
        static: a static role, else a KV version 2 secret.
        name: of the role, or the secret's path below the mount.
        field: of the value, in Vault and in Secrets Manager.
    """

    mount: str
    static: bool
    name: str
    field: str

    @property
    def path(self) -> str:
        """Where it is read."""
        return f"{self.mount}/{_STATIC if self.static else _KV}/{self.name}"

    @property
    def written(self) -> str:
        """Where it is changed."""
        return f"{self.mount}/rotate-role/{self.name}" if self.static else self.path

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> Place:
        """Read a secret's ``vault_path``, ``vault_field`` and ``vault_mount``.

        Raises:
            RotationError: ``secret-field-missing``, ``secret-field-wrong``.
        """
        path, mount = text(fields, "vault_path"), text(fields, "vault_mount", "").strip("/")
        head, slash, rest = path.partition("/") if not mount else (mount, "/", path.removeprefix(f"{mount}/"))
        parts = rest.split("/")
        if not mount:
            # The mount ends before the first word that can follow it; one that has such a word itself is named by vault_mount.
            while slash and parts[0] not in {_STATIC, _KV} and len(parts) > 1:
                head, parts = f"{head}/{parts[0]}", parts[1:]
        kind, *names = parts
        whole = path == "/".join((head, *parts)) and not {"", ".", ".."} & {*head.split("/"), *names}
        if not whole or not names or kind not in {_STATIC, _KV}:
            raise RotationError(
                "secret-field-wrong",
                "The secret's vault_path is wrong.",
                "Write <mount>/static-creds/<role>, or <mount>/data/<path>; a mount with such a word in it also as vault_mount.",
            )
        static = kind == _STATIC
        return cls(head, static, "/".join(names), "password" if static else text(fields, "vault_field", "password"))


def done(reply: Reply, path: str, verb: str) -> Mapping[str, Any]:
    """A success's data.

    Raises:
        RotationError: ``vault-refused``.
    """
    if not reply.ok:
        # Of a rotation's failure Vault's words may quote the statement.
        words = f": {reply.errors}" if reply.errors and "/rotate-role/" not in path else ""
        raise RotationError("vault-refused", f"Vault refuses to {verb} {path} ({reply.status}){words}.", "Vault's log says more.")
    return reply.data


def gone(reply: Reply, place: Place) -> RotationError:
    """What to say of a place where nothing is, or nothing any more."""
    metadata = reply.data.get("metadata")
    if isinstance(metadata, dict):
        fate = "destroyed" if metadata.get("destroyed") else "deleted"
        return RotationError(
            "vault-missing",
            f"Version {metadata.get('version')} of {place.path} was {fate} in Vault.",
            "Undelete it, or write another one; a rotation brings nothing back.",
        )
    return RotationError("vault-missing", f"Vault has nothing at {place.path}.", "Correct vault_path, or write a first value.")


def text(fields: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """A secret's field, or the default.

    Raises:
        RotationError: ``secret-field-missing``, ``secret-field-wrong``.
    """
    found = fields.get(name, default)
    if found is None or (found == "" and default is None):
        raise RotationError("secret-field-missing", f"The secret has no {name}.", f'Add "{name}" to its JSON.')
    if not isinstance(found, str):
        raise RotationError("secret-field-wrong", f"The secret's {name} is wrong.", "It must be a text.")
    return found
