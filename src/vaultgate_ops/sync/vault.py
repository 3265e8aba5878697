"""What Vault's KV has, as a sync sees it.

Rules: only version 2 of KV has versions to tell apart, so nothing else is read; a mount is asked about once. A version that was
deleted is told from one that never was. Nothing is ever written.
Source: Vault's HTTP API, /api-docs/secret/kv/kv-v2#read-secret-version (404 with metadata for a deleted version) and
/api-docs/system/internal-ui-mounts.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hvac.exceptions import InvalidPath

from vaultgate_ops.bootstrap import answers
from vaultgate_ops.bootstrap.model import Hidden
from vaultgate_ops.errors import CheckFailed
from vaultgate_ops.sync.model import WITHHELD, Fate, Source

if TYPE_CHECKING:
    from collections.abc import Mapping

    import hvac

    from vaultgate_ops.sync.model import Entry

_NO = frozenset({"no", "false"})


class Origin:
    """Vault.

    Args:
        client: with an address and a token.
    """

    def __init__(self, client: hvac.Client) -> None:
        self._client = client
        self._versioned: dict[str, bool] = {}

    def read(self, entry: Entry) -> Source:
        """What there is at an entry's path.

        Raises:
            CheckFailed: it is no KV version 2.
            Denied: the token is dead, or may not read it.
            Unreachable: no answer.
        """
        self._require_versions(entry.mount)
        answer = self._version(entry, None)
        if answer is None:
            return Source(Fate.ABSENT)
        metadata = answer["metadata"]
        said = (metadata.get("custom_metadata") or {}).get(WITHHELD, "")
        withheld, version = str(said).strip().lower() in _NO, int(metadata["version"])
        if metadata.get("destroyed"):
            return Source(Fate.DESTROYED, version, withheld=withheld)
        if answer.get("data") is None:
            return Source(Fate.DELETED, version, withheld=withheld)
        return Source(Fate.LIVE, version, value_of(answer["data"], entry.field), withheld)

    def older(self, entry: Entry, version: int) -> Hidden | None:
        """What would have been written of a version; None if Vault has it no more."""
        answer = self._version(entry, version)
        return None if answer is None or answer.get("data") is None else value_of(answer["data"], entry.field)

    def _version(self, entry: Entry, version: int | None) -> Mapping[str, Any] | None:
        def ask() -> Any:
            try:
                return self._client.secrets.kv.v2.read_secret_version(
                    entry.path, version=version, mount_point=entry.mount, raise_on_deleted_version=True
                )
            except InvalidPath as error:
                # A deleted or destroyed version is a 404 that says which; hvac knows but the first.
                return {"data": None, **error.json} if isinstance(error.json, dict) else None

        answer = answers.ask(self._client, ask, "read", entry.source)
        data: Mapping[str, Any] | None = answer.get("data") if isinstance(answer, dict) else None
        said = isinstance(data, dict) and isinstance(data.get("metadata"), dict)
        # A success without a version, or a 404 that is a proxy's page, says nothing of a secret.
        if not isinstance(answer, dict) or not (said or (data is None and "errors" in answer)):
            raise answers.no_vault(self._client)
        return data

    def _require_versions(self, mount: str) -> None:
        if mount not in self._versioned:
            try:
                found = answers.read(self._client, f"sys/internal/ui/mounts/{mount}") or {}
            except answers.Forbidden as error:
                # So Vault answers of what it doesn't have as well, and no policy for that path would help.
                raise answers.Forbidden(
                    f"{mount}/ is no mount, or one in which the token may read nothing",
                    f'correct the mount, or grant read to the secret: path "{mount}/data/..."',
                ) from error
            options = found.get("options")
            version = options.get("version") if isinstance(options, dict) else None
            # A path below another mount is answered with that mount.
            here = str(found.get("path", "")).strip("/") == mount
            self._versioned[mount] = here and found.get("type") == "kv" and version == "2"
        if not self._versioned[mount]:
            raise CheckFailed(
                f"{mount}/ is no mount of KV version 2",
                f"correct the mount; version 1 has no versions to sync: vault kv enable-versioning {mount}",
            )


def value_of(secret: Mapping[str, Any], field: str) -> Hidden | None:
    """What is written of a secret: a field's text, JSON for anything else; all of it, as JSON, without a field.

    Args:
        secret: its fields.
        field: empty for all of them.
    """
    if field and field not in secret:
        return None
    value = secret[field] if field else secret
    # In one order, so that the same secret is the same text.
    return Hidden(value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False))
