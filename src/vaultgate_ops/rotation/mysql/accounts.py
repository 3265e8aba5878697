"""An account as the server has it: its host, its ways of logging in, and what goes with it.

Rules: read from SHOW CREATE USER, which is documented and the same for every account; written back in full, so that what one
account lacks is taken from the other too. A hash is as secret as a password: it never prints.
Source: MariaDB and MySQL reference manuals, "SHOW CREATE USER", "CREATE USER".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vaultgate_ops.rotation.mysql.lexer import Tokens, unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping

NATIVE = "mysql_native_password"
LIMITS = (
    "MAX_QUERIES_PER_HOUR",
    "MAX_UPDATES_PER_HOUR",
    "MAX_CONNECTIONS_PER_HOUR",
    "MAX_USER_CONNECTIONS",
    "MAX_STATEMENT_TIME",
)
_MARIADB_ONLY = "MAX_STATEMENT_TIME"
_PASSWORD_OPTIONS = (("HISTORY",), ("REUSE", "INTERVAL"), ("REQUIRE", "CURRENT"))


@dataclass(frozen=True)
class Way:
    """One way of logging in.

    Attributes:
        plugin: that judges it.
        string: what the server stores for it; empty where there is nothing.
    """

    plugin: str
    string: str = field(default="", repr=False)


@dataclass(frozen=True)
class Properties:
    """What two accounts must share to be equal, besides grants.

    Attributes:
        require: of TLS, such as ``(("SSL", ""),)`` or ``(("ISSUER", "..."), ("SUBJECT", "..."))``; empty for none.
        limits: resource limit to its number as text; without those that are 0.
        expiry: of passwords: ``DEFAULT``, ``NEVER`` or ``INTERVAL n DAY``.
        options: MySQL's on passwords, such as ``PASSWORD HISTORY`` to ``5``; without those at their default.
    """

    require: tuple[tuple[str, str], ...] = ()
    limits: tuple[tuple[str, str], ...] = ()
    expiry: str = "DEFAULT"
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Account:
    """A user at a host.

    Attributes:
        ways: of logging in, any of which will do.
        locked, expired: whether nobody can use it at the moment.
        default_roles: as ``(role, host)``, where the server shows them here (MySQL).
    """

    user: str
    host: str
    ways: tuple[Way, ...] = ()
    properties: Properties = field(default_factory=Properties)
    locked: bool = False
    expired: bool = False
    default_roles: frozenset[tuple[str, str]] = frozenset()

    @property
    def hashes(self) -> tuple[str, ...]:
        """What is stored for `NATIVE`, in the server's order."""
        return tuple(way.string for way in self.ways if way.plugin == NATIVE)


def parse(line: str) -> Account:
    """Read SHOW CREATE USER.

    Raises:
        RotationError: ``grants-unreadable``.
    """
    tokens = Tokens(line)
    tokens.expect("CREATE", "USER")
    user = tokens.take("name", "text")
    tokens.expect("@")
    host = tokens.take("name", "text")
    ways = _ways(tokens)
    roles = _roles(tokens) if tokens.accept("DEFAULT", "ROLE") else frozenset()
    require = _require(tokens) if tokens.accept("REQUIRE") else ()
    limits: dict[str, str] = {}
    if tokens.accept("WITH"):
        while (name := next((one for one in LIMITS if tokens.accept(one)), None)) is not None:
            limits[name] = tokens.take("word")
    locked, expired, expiry = False, False, "DEFAULT"
    options: dict[str, str] = {}
    while tokens:
        if tokens.accept("ACCOUNT", "LOCK"):
            locked = True
        elif tokens.accept("PASSWORD", "EXPIRE"):
            found = _expiry(tokens)
            expired, expiry = found is None, found or "DEFAULT"
        elif tokens.accept("ATTRIBUTE") or tokens.accept("COMMENT"):
            tokens.take("text")  # MySQL's note about a user: nothing that it may do, and each may have its own
        elif not tokens.accept("ACCOUNT", "UNLOCK"):
            name, value = _option(tokens)
            if value != "DEFAULT":
                options[name] = value
    shown = Properties(
        tuple(sorted(require)),
        tuple((name, limits[name]) for name in LIMITS if name in limits and float(limits[name])),
        expiry,
        tuple(sorted(options.items())),
    )
    return Account(user, host, ways, shown, locked, expired, roles)


def _ways(tokens: Tokens) -> tuple[Way, ...]:
    if tokens.accept("IDENTIFIED", "BY", "PASSWORD"):
        return (Way(NATIVE, tokens.take("text")),)
    if not tokens.accept("IDENTIFIED", "VIA") and not tokens.accept("IDENTIFIED", "WITH"):
        return (Way(NATIVE),)  # MariaDB shows nothing for an empty password
    ways = []
    while True:
        plugin = tokens.take("word", "name", "text").lower()
        ways.append(Way(plugin, _stored(tokens) if tokens.accept("USING") or tokens.accept("AS") else ""))
        if not tokens.accept("OR"):
            return tuple(ways)


def _stored(tokens: Tokens) -> str:
    text = tokens.take("text", "word")
    # MySQL's print_identified_with_as_hex: a salt may hold any byte.
    return bytes.fromhex(text[2:]).decode("latin-1") if text.startswith("0X") else text


def _roles(tokens: Tokens) -> frozenset[tuple[str, str]]:
    roles = set()
    while True:
        role = tokens.take("name")
        tokens.expect("@")
        roles.add((role, tokens.take("name")))
        if not tokens.accept(","):
            return frozenset(roles)


def _require(tokens: Tokens) -> tuple[tuple[str, str], ...]:
    if tokens.accept("NONE"):
        return ()
    if tokens.accept("SSL"):
        return (("SSL", ""),)
    if tokens.accept("X509"):
        return (("X509", ""),)
    found = []
    while (name := next((one for one in ("ISSUER", "SUBJECT", "CIPHER") if tokens.accept(one)), None)) is not None:
        found.append((name, tokens.take("text")))
        tokens.accept("AND")
    if not found:
        raise unreadable()
    return tuple(found)


def _expiry(tokens: Tokens) -> str | None:
    """The rule; None if the password is expired here and now."""
    if tokens.accept("DEFAULT"):
        return "DEFAULT"
    if tokens.accept("NEVER"):
        return "NEVER"
    if tokens.accept("INTERVAL"):
        days = tokens.take("word")
        tokens.expect("DAY")
        return f"INTERVAL {days} DAY"
    return None


def _option(tokens: Tokens) -> tuple[str, str]:
    """One of MySQL's options that this code may write again."""
    for lead in ("FAILED_LOGIN_ATTEMPTS", "PASSWORD_LOCK_TIME"):
        if tokens.accept(lead):
            return lead, tokens.take("word")
    tokens.expect("PASSWORD")
    for words in _PASSWORD_OPTIONS:
        if tokens.accept(*words):
            value = "" if words[0] == "REQUIRE" else tokens.take("word")
            if words[0] == "REQUIRE":
                value = next((one for one in ("DEFAULT", "OPTIONAL") if tokens.accept(one)), "")
            elif words[0] == "REUSE" and value != "DEFAULT":
                tokens.expect("DAY")
                value += " DAY"
            return f"PASSWORD {' '.join(words)}", value
    raise unreadable()


def clauses(properties: Properties, *, mariadb: bool) -> tuple[str, list[str]]:
    """All properties as a piece of SQL with its arguments, defaults included, so that nothing of before is left.

    Args:
        properties: to write.
        mariadb: or MySQL.
    """
    arguments = [value for _, value in properties.require if value]
    require = " AND ".join(f"{name} %s" if value else name for name, value in properties.require) or "NONE"
    given = dict(properties.limits)
    limits = " ".join(f"{name} {given.get(name, '0')}" for name in LIMITS if mariadb or name != _MARIADB_ONLY)
    options = "" if mariadb else "".join(f" {name} {value}".rstrip() for name, value in _all_options(dict(properties.options)))
    return f"REQUIRE {require} WITH {limits} ACCOUNT UNLOCK PASSWORD EXPIRE {properties.expiry}{options}", arguments


def _all_options(given: Mapping[str, str]) -> list[tuple[str, str]]:
    defaults = {f"PASSWORD {' '.join(words)}": "DEFAULT" for words in _PASSWORD_OPTIONS}
    locks = {"FAILED_LOGIN_ATTEMPTS": "0", "PASSWORD_LOCK_TIME": "0"}
    return list({**defaults, **locks, **given}.items())
