"""The types of Vault's settings: what a file may say, what Vault answers, and when both mean the same.

Rules: pure. A declared value is taken strictly (a mistake in the file is the file's problem), an answered one leniently (Vault
says ``"5m"``, ``300``, ``300.0`` or nothing at all for one setting). Both end in one normal form, and two settings are the same
when their normal forms are equal:

    text -> str, number -> int, switch -> bool, duration -> whole seconds, texts -> tuple in order, names -> sorted tuple
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vaultgate_ops.bootstrap.model import HIDDEN

if TYPE_CHECKING:
    from collections.abc import Callable

_UNITS_S: Final = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h|d)", re.ASCII)
_TEMPLATED: Final = "{{username}}:{{password}}@"


class Mistyped(ValueError):
    """A value that isn't what its key needs; the message completes the sentence "it must be ..."."""


@dataclass(frozen=True)
class ValueType:
    """One type of setting.

    Attributes:
        what: its name in a sentence: "a list of texts".
        declared: a value from the file (Python's str, int, bool, list) to its normal form; raises `Mistyped`.
        answered: a value from Vault's answer, None when there was none, to its normal form; never raises.
        shown: normal form to text for people, one line per item.
        sent: normal form to the JSON that Vault takes.
    """

    what: str
    declared: Callable[[object], object]
    answered: Callable[[object], object]
    shown: Callable[[object], str] = str
    sent: Callable[[object], object] = lambda value: value


def whole(text: str) -> bool:
    """Whether it is a whole number in the digits that Vault reads."""
    return text.isascii() and text.isdecimal()


def seconds(text: str) -> int | None:
    """Read a duration as Vault writes it: ``90``, ``10m``, ``1h30m``, ``25h0m0s``. None if it isn't one."""
    if whole(text):
        return int(text)
    if not text or _DURATION.sub("", text):
        return None
    return round(sum(float(count) * _UNITS_S[unit] for count, unit in _DURATION.findall(text)))


def duration_text(value_s: int) -> str:
    """Write whole seconds the short way: ``10m``, ``1h30m``, ``0s``."""
    if value_s <= 0:
        return f"{value_s}s"
    text = ""
    for unit in ("h", "m", "s"):
        count, value_s = divmod(value_s, int(_UNITS_S[unit]))
        text += f"{count}{unit}" if count else ""
    return text


def _text(raw: object) -> str:
    if not isinstance(raw, str):
        raise Mistyped("text (in quotes, if it looks like a number)")
    return raw


def _number(raw: object) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int) or raw < 0:
        raise Mistyped("a whole number, 0 or more")
    return raw


def _switch(raw: object) -> bool:
    if not isinstance(raw, bool):
        raise Mistyped("true or false")
    return raw


def _duration(raw: object) -> int:
    if isinstance(raw, int) and not isinstance(raw, bool) and raw >= 0:
        return raw
    read = seconds(raw) if isinstance(raw, str) else None
    if read is None:
        raise Mistyped("a duration such as 10m, 1h30m or 3600 (seconds)")
    return read


def _texts(raw: object) -> tuple[str, ...]:
    if not isinstance(raw, list) or not all(isinstance(item, str) for item in raw):
        raise Mistyped("a list of texts")
    return tuple(item.strip() for item in raw)


def _block(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def _pem(raw: object) -> str:
    text = _block(_text(raw))
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise Mistyped("certificates in PEM form (-----BEGIN CERTIFICATE----- ...)")
    return text


def _mysql_address(raw: object) -> str:
    text = _text(raw)
    if not text.startswith(_TEMPLATED):
        raise Mistyped(f"an address that leaves the credential to Vault: {_TEMPLATED}tcp(host:port)/")
    return text


def _cidrs(raw: object) -> tuple[str, ...]:
    try:
        return _sorted(str(ipaddress.ip_network(item)) for item in _texts(raw))
    except ValueError as error:
        raise Mistyped("a list of networks such as 10.0.0.0/16") from error


def _sorted(items: object) -> tuple[str, ...]:
    return tuple(sorted({str(item) for item in items}))  # type: ignore[attr-defined]  # callers pass what they iterated


def _answered_number(raw: object) -> object:
    text = str(raw or 0).removesuffix(".0")
    return int(text) if whole(text.removeprefix("-")) else text


def _answered_duration(raw: object) -> object:
    text = str(raw or 0).removesuffix(".0")
    read = seconds(text)
    return text if read is None else read


def _answered_texts(raw: object) -> tuple[str, ...]:
    if isinstance(raw, list):
        return tuple(str(item).strip() for item in raw)
    return (str(raw),) if raw else ()


def _answered_cidrs(raw: object) -> tuple[str, ...]:
    # Vault drops the prefix length of a single address.
    try:
        return _sorted(str(ipaddress.ip_network(item)) for item in _answered_texts(raw))
    except ValueError:
        return _sorted(_answered_texts(raw))


def _header(name: str) -> str:
    return "-".join(part.capitalize() for part in name.split("-"))


def _lines(value: object) -> str:
    return "\n".join(value) if isinstance(value, tuple) else str(value)


def _shown_pem(value: object) -> str:
    text = str(value)
    count = text.count("-----BEGIN CERTIFICATE-----")
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"{count} certificate{'' if count == 1 else 's'}, sha256 {digest}..." if text else ""


def _shown_mysql_address(value: object) -> str:
    # Vault gives a password that somebody wrote into the address back in the clear: its URL parser doesn't know this form.
    user, colon, rest = str(value).partition(":")
    _, at, where = rest.rpartition("@")
    leaves_it_to_vault = rest.startswith("{{password}}@")
    return f"{user}:{HIDDEN}@{where}" if colon and at and not leaves_it_to_vault else str(value)


TEXT: Final = ValueType("text", _text, lambda raw: str(raw or ""))
NUMBER: Final = ValueType("number", _number, _answered_number)
SWITCH: Final = ValueType(
    "switch",
    _switch,
    lambda raw: str(raw).lower() in {"true", "1"},
    lambda value: str(value).lower() if isinstance(value, bool) else str(value),
)
DURATION: Final = ValueType(
    "duration",
    _duration,
    _answered_duration,
    lambda value: duration_text(value) if isinstance(value, int) else str(value),
    lambda value: f"{value}s",
)
TEXTS: Final = ValueType("texts", _texts, _answered_texts, _lines, lambda value: [*value] if isinstance(value, tuple) else value)
NAMES: Final = ValueType("names", lambda raw: _sorted(_texts(raw)), lambda raw: _sorted(_answered_texts(raw)), _lines, TEXTS.sent)
HEADERS: Final = ValueType(
    "headers",
    lambda raw: _sorted(_header(name) for name in _texts(raw)),
    lambda raw: _sorted(_header(name) for name in _answered_texts(raw)),
    _lines,
    TEXTS.sent,
)
CIDRS: Final = ValueType("networks", _cidrs, _answered_cidrs, _lines, TEXTS.sent)
BLOCK: Final = ValueType("text", lambda raw: _block(_text(raw)), lambda raw: _block(str(raw or "")), str, lambda v: f"{v}\n")
PEM: Final = ValueType("certificates", _pem, lambda raw: _block(str(raw or "")), _shown_pem, BLOCK.sent)
MYSQL_ADDRESS: Final = ValueType("address", _mysql_address, TEXT.answered, _shown_mysql_address)
