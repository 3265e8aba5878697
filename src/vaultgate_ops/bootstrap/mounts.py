"""Auth methods, secrets engines and audit devices: what Vault shows in one list each, with options and tuning nested.

Rules: those of `kinds`. A mount of another type is somebody else's; an audit device is made once and never changed.

Source: Vault 1.21's API documentation (/sys/auth, /sys/mounts, /sys/audit) and vault/logical_system.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vaultgate_ops.bootstrap import values
from vaultgate_ops.bootstrap.kinds import UPDATE, Field, Kind, body, fixed
from vaultgate_ops.bootstrap.model import Write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_ROOT_ONLY: Final = frozenset({"update", "sudo"})
_TUNE: Final = {
    "default_lease_ttl": Field(values.DURATION),
    "max_lease_ttl": Field(values.DURATION),
    "listing_visibility": Field(values.TEXT, choices=("hidden", "unauth")),
    "audit_non_hmac_request_keys": Field(values.NAMES),
    "audit_non_hmac_response_keys": Field(values.NAMES),
    "passthrough_request_headers": Field(values.NAMES),
    "allowed_response_headers": Field(values.NAMES),
}
_MOUNT: Final = {
    "type": Field(
        values.TEXT,
        required=True,
        refused=fixed("something else lives at this path and was not touched; give one of the two another path"),
    ),
    "description": Field(values.TEXT),
}
_KV_VERSION: Final = Field(
    values.TEXT,
    choices=("1", "2"),
    absent="1",
    refused=fixed("upgrade by hand ('vault kv enable-versioning', one way, the mount pauses), then run again"),
)


def _entry(listed_at: str) -> Callable[[str, Mapping[str, object]], Mapping[str, object] | None]:
    def entry(path: str, listed: Mapping[str, object]) -> Mapping[str, object] | None:
        found = listed.get(f"{path.removeprefix(f'{listed_at}/')}/")
        if not isinstance(found, dict):
            return None
        flat = dict(found)
        for nested in ("config", "options"):
            inner = flat.pop(nested, None)
            flat.update(inner if isinstance(inner, dict) else {})
        return flat

    return entry


def _mount(label: str, fields: Mapping[str, Field], listed_at: str, tuned_at: str, needs: frozenset[str]) -> Kind:
    tuned = frozenset(fields) - {*_MOUNT, "version"}

    def create(path: str, chosen: Mapping[str, object]) -> Write:
        sent = body(fields, chosen)
        nested: dict[str, object] = {"config": {name: value for name, value in sent.items() if name in tuned}}
        if "version" in sent:
            nested["options"] = {"version": sent["version"]}
        return Write(path, {name: value for name, value in sent.items() if name in _MOUNT} | nested, needs)

    def update(path: str, chosen: Mapping[str, object]) -> Write:
        # Under sys/mounts for auth methods too: the same effect as sys/auth/x/tune, without its need for sudo.
        return Write(f"{tuned_at}/{path.removeprefix(f'{listed_at}/')}/tune", body(fields, chosen), UPDATE)

    return Kind(label, fields, lambda _mount: listed_at, _entry(listed_at), create, update, listed=True)


AUTH_METHOD: Final = _mount(
    "auth method",
    _MOUNT
    | _TUNE
    | {
        "token_type": Field(
            values.TEXT, choices=("default-service", "default-batch", "service", "batch"), absent="default-service"
        )
    },
    "sys/auth",
    "sys/mounts/auth",
    _ROOT_ONLY,
)
SECRETS_ENGINE: Final = _mount("secrets engine", _MOUNT | _TUNE | {"version": _KV_VERSION}, "sys/mounts", "sys/mounts", UPDATE)

# Audit devices: made once, never changed.

_KEEP_THE_LOG: Final = fixed(
    "Vault can't change an audit device and bootstrap never switches a log off; enable a second device at another path first, "
    "then 'vault audit disable' this one and run again"
)
_AUDIT_FIELDS: Final = {
    "type": Field(values.TEXT, required=True, choices=("file",), refused=_KEEP_THE_LOG),
    "description": Field(values.TEXT, compared=False),
    "file_path": Field(values.TEXT, required=True, refused=_KEEP_THE_LOG),
    "mode": Field(values.TEXT, absent="0600", refused=_KEEP_THE_LOG),
    "format": Field(values.TEXT, choices=("json", "jsonx"), absent="json", refused=_KEEP_THE_LOG),
    "prefix": Field(values.TEXT, refused=_KEEP_THE_LOG),
    "log_raw": Field(values.SWITCH, refused=_KEEP_THE_LOG),
    "hmac_accessor": Field(values.SWITCH, absent="true", refused=_KEEP_THE_LOG),
    "elide_list_responses": Field(values.SWITCH, refused=_KEEP_THE_LOG),
}


def _create_audit(path: str, chosen: Mapping[str, object]) -> Write:
    # Vault keeps a device's options as texts.
    options = {name: _AUDIT_FIELDS[name].type.shown(value) for name, value in chosen.items() if name not in _MOUNT}
    body = {name: value for name, value in chosen.items() if name in _MOUNT} | {"options": options}
    return Write(path, body, _ROOT_ONLY, "the user that Vault runs as must be able to create and append to that file")


AUDIT_DEVICE: Final = Kind(
    label="audit device",
    fields=_AUDIT_FIELDS,
    shown_at=lambda _device: "sys/audit",
    actual=_entry("sys/audit"),
    create=_create_audit,
    update=_create_audit,  # never asked for: every compared field refuses to change
    reads_with=frozenset({"read", "sudo"}),
    listed=True,
)
