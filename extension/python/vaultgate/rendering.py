"""A secret as the bytes of a file: Vault's JSON, or what a shell, Java or a template of one's own wants.

Rules: pure, and imported only where a file is asked for; whatever stands in a secret is text in the file, never syntax; what a
format can't say is an error that names the field, never its value.
"""

from __future__ import annotations

import json
import re

from vaultgate.errors import ConfigurationError, NotFound, VaultgateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from vaultgate.file_plan import FilePlan

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VERSION_2 = "2"
# java.util.Properties.load: these are a key's end or a comment's beginning; a value only minds its own beginning.
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\f": "\\f", "=": "\\=", ":": "\\:", "#": "\\#", "!": "\\!"}


def fields_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """A secret's fields; those of KV version 2 lie one level deeper, beside their version's metadata."""
    fields = document.get("data") or {}
    metadata = fields.get("metadata")
    if fields.keys() == {"data", "metadata"} and isinstance(metadata, dict) and "version" in metadata:
        fields = fields["data"] or {}
    return fields if isinstance(fields, dict) else {}


def render(plan: FilePlan, documents: Mapping[str, Mapping[str, Any]]) -> bytes:
    """The content of a file.

    Args:
        plan: which file.
        documents: Vault's answers by target; those of `plan.targets` are there.

    Raises:
        NotFound: a secret doesn't have a field that a template names.
        ConfigurationError: the format can't say what stands in the secret.
    """
    document = documents[plan.target]
    fields = fields_of(document)
    if plan.form == "json":
        # As HashiCorp's extension writes it: api.Secret of Vault's Go client, which leaves these two out when they are empty.
        text = json.dumps({name: value for name, value in document.items() if value or name not in {"auth", "wrap_info"}}) + "\n"
    elif plan.form == "data":
        text = json.dumps(fields) + "\n"
    elif plan.form == "env":
        text = "".join(f"{_shell_name(name, plan)}={_shell_word(name, value, plan)}\n" for name, value in fields.items())
    elif plan.form == "properties":
        text = "".join(f"{_property(name, key=True)}={_property(_text(value))}\n" for name, value in fields.items())
    else:
        text = "".join(
            before + (_filled(target or plan.target, field, documents) if field else "") for before, target, field in plan.places
        )
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise _unfit(plan, "a value that is no Unicode text") from None


def explain(error: VaultgateError, path: str, mount: Mapping[str, Any]) -> VaultgateError:
    """The same error with what Vault tells of the mount, and the likely right path.

    Args:
        error: why a secret couldn't be read.
        path: that was tried, below `/v1/`.
        mount: `data` of the answer of sys/internal/ui/mounts.
    """
    root = str(mount.get("path") or "")
    if mount.get("type") not in {"kv", "generic"} or not root or not path.startswith(root):
        return error
    version = str((mount.get("options") or {}).get("version") or "1")
    rest = path.removeprefix(root)
    message = f"{error.message}; {root!r} is a KV mount of version {version}"
    if version == _VERSION_2 and rest.partition("/")[0] not in {"data", "metadata", "subkeys"}:
        return type(error)(message, f"the path is likely {root}data/{rest}")
    if version != _VERSION_2 and rest.startswith("data/"):
        return type(error)(message, f"the path is likely {root}{rest.removeprefix('data/')}")
    return type(error)(message, error.hint if not isinstance(error, NotFound) else f"check the name: nothing is at {path}")


def _text(value: object) -> str:
    """A field's value as text: what is text stays, what is nothing is empty, everything else is JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _unfit(plan: FilePlan, what: str) -> ConfigurationError:
    path = plan.target.removeprefix("/v1/")
    return ConfigurationError([f"{plan.variable}: the format {plan.form} can't hold {what}, of {path}: choose another format"])


def _shell_name(name: str, plan: FilePlan) -> str:
    if not _NAME.fullmatch(name):
        raise _unfit(plan, f"the field {name!r}, which is no variable's name")
    return name


def _shell_word(name: str, value: object, plan: FilePlan) -> str:
    """Between single quotes nothing means anything to a shell but the next one (POSIX, Shell Command Language, 2.2.2)."""
    text = _text(value)
    if "\0" in text:
        raise _unfit(plan, f"the field {name!r}, which holds a zero byte")
    return "'" + text.replace("'", "'\\''") + "'"


def _property(text: str, *, key: bool = False) -> str:
    r"""A key or a value as java.util.Properties.store writes it: ISO 8859-1 in the end, so that everything else is \\uXXXX.

    Source: Java SE API, java.util.Properties, load(Reader) and store(Writer, String).
    """
    escaped = []
    for index, character in enumerate(text):
        if character == " ":
            escaped.append("\\ " if key or index == 0 else " ")
        elif character in _ESCAPES:
            escaped.append(_ESCAPES[character])
        elif " " < character <= "~":
            escaped.append(character)
        else:
            units = character.encode("utf-16-be", "surrogatepass").hex()
            escaped += [f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4)]
    return "".join(escaped)


def _filled(target: str, field: str, documents: Mapping[str, Mapping[str, Any]]) -> str:
    """What stands in a template's place."""
    return field_of(documents[target], target.removeprefix("/v1/"), field)


def field_of(document: Mapping[str, Any], path: str, field: str) -> str:
    """One field of a secret as text.

    Args:
        document: Vault's answer.
        path: where it came from, for the error.
        field: which; under KV version 2 of the secret itself, not of its envelope.

    Raises:
        NotFound: the secret has no such field, or nothing in it; with the likely right one.
    """
    fields = fields_of(document)
    if fields.get(field) is not None:
        return _text(fields[field])
    if field in fields:
        raise NotFound(f"the field {field!r} of {path!r} is null", "write it in Vault, or name another field")
    import difflib  # noqa: PLC0415 - only a mistake needs it

    near = difflib.get_close_matches(field, fields, 1, 0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise NotFound(f"{path!r} has no field {field!r}", f"{hint}its fields are {', '.join(sorted(fields)) or 'none'}")
