"""What a database secret says, checked field by field.

Rules: the fields are those of AWS's own rotation functions plus a few of ours; whatever else the secret holds is carried along
untouched. The first wrong field ends it, with its name and what would fit; no value of a password is ever named.
Source: AWS Secrets Manager User Guide, "JSON structure of AWS Secrets Manager secrets".
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vaultgate_ops.rotation.errors import RotationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vaultgate_ops.rotation.model import SecretValue

ENGINES = ("mysql", "mariadb")
LONGEST_USER = {"mysql": 32, "mariadb": 128}
"""Characters of a user's name: MySQL's and MariaDB's "Identifier Length Limits"."""
DEFAULT_PORT = 3306
_LAST_PORT = 65535
_HOST = re.compile(r"(?=.{1,253}\Z)(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?", re.ASCII)

# Resolvers read 2852039166, 0xa9fea9fe or 169.254.43518 as an address; no name's last label is a number.
_NUMBER = re.compile(r"(^|\.)([0-9]+|0[xX][0-9A-Fa-f]*)\.?$", re.ASCII)


@dataclass(frozen=True)
class DatabaseSecret:
    """A user of a database.

    Attributes:
        port: 1 to 65535.
        masterarn: where the rotator's credential is; None for a user who changes its own password.
        tls: False only where the secret says ``"ssl": false``.
        twin: the other user of `alternating`, if the secret names it.
        grace_s: seconds that an older password may live on; None until the next rotation.
        probe: a statement that the application's user must be able to run.
        cleartext: send the new password itself where the server refuses hashes.
    """

    engine: str
    host: str
    port: int
    username: str
    password: str = field(repr=False)
    dbname: str | None = None
    masterarn: str | None = None
    tls: bool = True
    twin: str | None = None
    grace_s: float | None = None
    probe: str | None = None
    cleartext: bool = False

    @classmethod
    def parse(cls, value: SecretValue) -> DatabaseSecret:
        """Check a value.

        Raises:
            RotationError: ``secret-field-missing``, ``secret-field-wrong``, ``engine-unknown``, ``host-refused``.
        """
        fields = value.fields
        engine = _text(fields, "engine")
        if engine not in ENGINES:
            raise RotationError("engine-unknown", f"The secret's engine is {engine!r}.", f"Valid engines: {', '.join(ENGINES)}.")
        username, password = _text(fields, "username"), _text(fields, "password")
        if len(username) > LONGEST_USER[engine]:
            raise _wrong("username", f"at most {LONGEST_USER[engine]} characters")
        return cls(
            engine=engine,
            host=checked_host(_text(fields, "host")),
            port=_port(fields.get("port", DEFAULT_PORT)),
            username=username,
            password=password,
            dbname=_optional(fields, "dbname"),
            masterarn=_optional(fields, "masterarn"),
            tls=_boolean(fields, "ssl", default=True),
            twin=_optional(fields, "twin"),
            grace_s=_seconds(fields),
            probe=_optional(fields, "probe"),
            cleartext=_boolean(fields, "cleartext", default=False),
        )


def checked_host(host: str) -> str:
    """A host that may be named in a secret: a name or an address, and not one that only this machine can mean.

    Raises:
        RotationError: ``host-refused``.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if _HOST.fullmatch(host) and not _NUMBER.search(host):
            return host
        raise RotationError(
            "host-refused",
            f"The secret's host {host!r} is not a host.",
            "Give a name or an address, without scheme, port or path.",
        ) from None
    address = getattr(address, "ipv4_mapped", None) or address
    if address.is_link_local or address.is_multicast or address.is_unspecified:
        raise RotationError("host-refused", f"The secret's host {host} is no database's address.", "Give the database's own.")
    return host


def _text(fields: Mapping[str, Any], name: str) -> str:
    text = fields.get(name)
    if text is None or text == "":
        raise RotationError("secret-field-missing", f"The secret has no {name}.", f'Add "{name}" to its JSON.')
    if not isinstance(text, str) or "\0" in text or not _encodable(text):
        raise _wrong(name, "a text")
    return text


def _encodable(text: str) -> bool:
    # JSON may hold half a surrogate pair; an error about it would quote the whole text.
    return all(not "\ud800" <= letter <= "\udfff" for letter in text)


def _optional(fields: Mapping[str, Any], name: str) -> str | None:
    given = fields.get(name)
    return None if given is None or given == "" else _text(fields, name)


def _boolean(fields: Mapping[str, Any], name: str, *, default: bool) -> bool:
    # AWS's functions take the words too.
    known = {True: True, False: False, "true": True, "false": False}
    given = fields.get(name, default)
    given = given.lower() if isinstance(given, str) else given
    if not isinstance(given, str | bool) or given not in known:
        raise _wrong(name, "true or false")
    return known[given]


def _port(given: Any) -> int:
    text = str(given)
    if isinstance(given, bool) or not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= _LAST_PORT:
        raise _wrong("port", "a number between 1 and 65535")
    return int(text)


def _seconds(fields: Mapping[str, Any]) -> float | None:
    given = fields.get("grace_s")
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given < float("inf"):
        raise _wrong("grace_s", "a number of seconds")
    return float(given)


def _wrong(name: str, fits: str) -> RotationError:
    return RotationError("secret-field-wrong", f"The secret's {name} is wrong.", f"It must be {fits}.")
