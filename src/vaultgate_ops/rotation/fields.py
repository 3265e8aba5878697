"""Fields of a secret, checked one by one.

Rules: pure; the first wrong field ends it, with its name and what would fit; no value is ever named but a host's, which is no
secret. A field that is another's part has a name such as ``api.url``.
"""

from __future__ import annotations

import ipaddress
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from vaultgate_ops.rotation.errors import RotationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_HOST = re.compile(r"(?=.{1,253}\Z)(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?", re.ASCII)
# Resolvers read 2852039166, 0xa9fea9fe or 169.254.43518 as an address; no name's last label is a number.
_NUMBER = re.compile(r"(^|\.)([0-9]+|0[xX][0-9A-Fa-f]*)\.?$", re.ASCII)


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
        raise RotationError("host-refused", f"The secret's host {host} is no server's address.", "Give the server's own.")
    return host


def listed(host: str, patterns: Sequence[str]) -> bool:
    """Whether one of the patterns, such as ``*.example.com``, is a host's; letters' case doesn't matter."""
    return any(fnmatchcase(host.lower(), pattern.lower()) for pattern in patterns)


def refuse_unlisted(host: str, patterns: Sequence[str]) -> None:
    """Refuse a host outside ROTATION_HOSTS, where that is set.

    Raises:
        RotationError: ``host-refused``.
    """
    if patterns and not listed(host, patterns):
        raise RotationError("host-refused", f"{host} is not among ROTATION_HOSTS.", "Add it there, or correct the secret's host.")


def text(fields: Mapping[str, Any], name: str, within: str = "") -> str:
    """A text that must be there.

    Args:
        fields: of the secret, or of a part of it.
        name: of the field.
        within: the part's name with a dot, for errors.

    Raises:
        RotationError: ``secret-field-missing``, ``secret-field-wrong``.
    """
    given = fields.get(name)
    if given is None or given == "":
        raise missing(within + name)
    if not is_text(given):
        raise wrong(within + name, "a text")
    return str(given)


def is_text(given: object) -> bool:
    """Whether something is a text that can be stored and sent, and not an empty one."""
    return isinstance(given, str) and given != "" and "\0" not in given and _encodable(given)


def optional(fields: Mapping[str, Any], name: str) -> str | None:
    """A text that may be absent, or empty."""
    given = fields.get(name)
    return None if given is None or given == "" else text(fields, name)


def boolean(fields: Mapping[str, Any], name: str, *, default: bool) -> bool:
    """True or false, also as the words, which AWS's functions take too."""
    known = {True: True, False: False, "true": True, "false": False}
    given = fields.get(name, default)
    given = given.lower() if isinstance(given, str) else given
    if not isinstance(given, str | bool) or given not in known:
        raise wrong(name, "true or false")
    return known[given]


def grace(fields: Mapping[str, Any]) -> float | None:
    """``grace_s``: seconds that an older value may live on; None until the next rotation."""
    given = fields.get("grace_s")
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given < float("inf"):
        raise wrong("grace_s", "a number of seconds")
    return float(given)


def missing(name: str) -> RotationError:
    """A field that isn't there."""
    return RotationError("secret-field-missing", f"The secret has no {name}.", f'Add "{name}" to its JSON.')


def wrong(name: str, fits: str) -> RotationError:
    """A field that doesn't fit.

    Args:
        name: of the field.
        fits: what would.
    """
    return RotationError("secret-field-wrong", f"The secret's {name} is wrong.", f"It must be {fits}.")


def _encodable(given: str) -> bool:
    # JSON may hold half a surrogate pair; an error about it would quote the whole text.
    return all(not "\ud800" <= letter <= "\udfff" for letter in given)
