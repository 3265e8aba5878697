"""Variables of the declarative file: declared there, given from outside, put in where ``${NAME}`` stands.

Rules: a variable that the file doesn't declare doesn't exist. An empty value counts as not given. A secret variable's value is
`Hidden` from here on; it may come from a file (``NAME_FILE``) or the environment, never from the command line, where every
process of the machine could read it.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vaultgate_ops.bootstrap.model import Hidden
from vaultgate_ops.bootstrap.values import whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from vaultgate_ops.bootstrap.yamlfile import Findings

_REFERENCE: Final = re.compile(r"\$\{([^}]*)\}")
_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]*")
_KEYS: Final = ("about", "type", "default", "secret", "pattern")
_TYPES: Final = ("text", "number", "switch", "file")
_SWITCH: Final = {"true": True, "false": False}


def nearest(name: str, valid: Iterable[str]) -> str:
    """Say which name was probably meant; empty if none is near, else a clause to append."""
    close = difflib.get_close_matches(name, list(valid), n=1)
    return f"; did you mean {close[0]}?" if close else ""


@dataclass(frozen=True)
class Variable:
    """A declared variable.

    Attributes:
        about: what it is, for people.
        type: ``text``, ``number``, ``switch`` (true or false) or ``file`` (a path; its content is the value).
        default: text as it would be given, may refer to variables declared above; None where one must be given.
        secret: never shown, never taken from the command line.
        pattern: a regular expression that the whole value matches.
    """

    about: str
    type: str = "text"
    default: str | None = None
    secret: bool = False
    pattern: str = ""


def declared(raw: object, findings: Findings) -> dict[str, Variable]:
    """Read the section ``variables``; what is wrong with it goes to the findings."""
    found: dict[str, Variable] = {}
    if not isinstance(raw, dict):
        if raw is not None:
            findings.add(("variables",), "must be a mapping of names")
        return found
    for name, spec in raw.items():
        where = ("variables", name)
        if not _NAME.fullmatch(name):
            findings.add(where, "a variable's name has capital letters, digits and _")
        if not isinstance(spec, dict):
            findings.add(where, "must be a mapping: about, type, default, secret, pattern")
            continue
        for key in spec.keys() - set(_KEYS):
            findings.add((*where, key), f"unknown key{nearest(key, _KEYS)}")
        kind = str(spec.get("type", "text"))
        if kind not in _TYPES:
            findings.add((*where, "type"), f"unknown type {kind!r}; there are {', '.join(_TYPES)}{nearest(kind, _TYPES)}")
        default = spec.get("default")
        text = str(default).lower() if isinstance(default, bool) else default
        secret = spec.get("secret") is True
        pattern = str(spec.get("pattern", ""))
        try:
            re.compile(pattern)
        except re.error as error:
            findings.add((*where, "pattern"), f"is no regular expression: {error}")
            pattern = ""
        if secret and default is not None:
            findings.add((*where, "default"), "a secret has no default")
        found[name] = Variable(
            about=str(spec.get("about", "")),
            type=kind,
            default=None if text is None else str(text),
            secret=secret,
            pattern=pattern,
        )
    return found


@dataclass(frozen=True)
class Given:
    """Where values come from.

    Attributes:
        variables: name to text; a name that isn't declared is a finding.
        environment: a fallback for declared names; everything else in it is ignored.
        on_command_line: ``variables`` could be seen in the process list, so no secret may be among them.
    """

    variables: Mapping[str, str]
    environment: Mapping[str, str]
    on_command_line: bool = False

    def value(self, name: str) -> str | None:
        """The text for a name, None or empty where there is none."""
        return self.variables.get(name) or self.environment.get(name)


def resolve(known: Mapping[str, Variable], given: Given, findings: Findings) -> dict[str, object]:
    """Give each variable its value: str, int, bool, or `Hidden` text. One without a value is a finding and left out."""
    valid = [*known, *(_file_of(name) for name, variable in known.items() if variable.secret)]
    for name in given.variables:
        if name not in valid:
            findings.add((), f"unknown variable {name}{nearest(name, valid)}")
    resolved: dict[str, object] = {}
    for name, variable in known.items():
        before = len(findings.found)
        text = _secret_text(name, given, findings) if variable.secret else given.value(name)
        if not text and variable.default is not None:
            text = _filled(variable.default, resolved)
        elif not text and len(findings.found) == before:
            also = f" (or {_file_of(name)}, a path)" if variable.secret else ""
            findings.add((), f"variable {name}{also} is not set: {variable.about or 'the file needs it'}")
        if text is None or len(findings.found) > before:
            continue
        value = _typed(name, variable, text, findings)
        if value is not None:
            resolved[name] = Hidden(value) if variable.secret else value
    return resolved


def _file_of(name: str) -> str:
    return f"{name}_FILE"


def _secret_text(name: str, given: Given, findings: Findings) -> str | None:
    if given.on_command_line and given.variables.get(name):
        findings.add((), f"{name} is secret and command lines can be read by others: give {_file_of(name)}=path instead")
        return None
    path = given.value(_file_of(name))
    if given.value(name) or not path:
        return given.value(name)
    content = _content(_file_of(name), path, findings)
    return content.rstrip("\r\n") if content else content


def _filled(default: str, resolved: Mapping[str, object]) -> str | None:
    try:
        return _REFERENCE.sub(lambda match: str(resolved[match[1]]), default)
    except KeyError:
        return None  # the variable it refers to is a finding already


def _typed(name: str, variable: Variable, text: str, findings: Findings) -> object:
    if variable.pattern and not re.fullmatch(variable.pattern, text):
        shown = "its value" if variable.secret else repr(text)
        findings.add((), f"variable {name}: {shown} doesn't look like {variable.about or variable.pattern}")
        return None
    if variable.type == "number":
        if not whole(text):
            findings.add((), f"variable {name}: {text!r} must be a whole number")
            return None
        return int(text)
    if variable.type == "switch":
        if text.lower() not in _SWITCH:
            findings.add((), f"variable {name}: {text!r} must be true or false")
            return None
        return _SWITCH[text.lower()]
    return _content(name, text, findings) if variable.type == "file" else text


def _content(name: str, path: str, findings: Findings) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        findings.add((), f"variable {name}: {path} can't be read: {reason}")
        return None


def substitute(
    raw: object, known: Mapping[str, Variable], resolved: Mapping[str, object], unknown: Callable[[str], None]
) -> object:
    """Put values in: ``${NAME}`` alone becomes the typed value, within a text its text. None if a value is missing.

    A text with a secret in it becomes `Hidden`. ``unknown`` is told of each name that isn't declared.
    """
    if not isinstance(raw, str):
        return raw
    names = _REFERENCE.findall(raw)
    for name in names:
        if name not in known:
            unknown(name)
    if any(name not in resolved for name in names):
        return None
    alone = _REFERENCE.fullmatch(raw)
    if alone:
        return resolved[alone[1]]
    secret = any(isinstance(resolved[name], Hidden) for name in names)
    text = _REFERENCE.sub(lambda match: _plain(resolved[match[1]]), raw)
    return Hidden(text) if secret else text


def _plain(value: object) -> str:
    if isinstance(value, Hidden):
        value = value.reveal()
    return str(value).lower() if isinstance(value, bool) else str(value)
