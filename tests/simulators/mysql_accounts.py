"""MySQL 8's accounts by their documented rules, for there is no MySQL server where these tests are run.

Rules: a statement that isn't in the documented grammar is a syntax error (1064), so this proves what is generated, not what a
server makes of it. A primary and a secondary password for each account: setting one leaves the other alone, RETAIN CURRENT
PASSWORD makes the primary the secondary, DISCARD OLD PASSWORD ends the secondary; a password that is the primary already
can't be set (as under a history policy); caching_sha2_password stores salt and digest.
Source: MySQL 8.0 Reference Manual, "CREATE USER", "ALTER USER" (Dual Password Support), "SHOW CREATE USER", "GRANT", "REVOKE",
"SET DEFAULT ROLE", "Account Management: Password History".
"""

from __future__ import annotations

import json
import re
import secrets
import string
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.mysql import grants, hashes
from vaultgate_ops.rotation.mysql.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vaultgate_ops.rotation.mysql.server import Target

VERSION = "8.0.36"
_OPTIONS = (
    r"REQUIRE (?P<require>NONE|SSL|X509)"
    r" WITH (?P<limits>MAX_QUERIES_PER_HOUR \d+ MAX_UPDATES_PER_HOUR \d+ MAX_CONNECTIONS_PER_HOUR \d+ MAX_USER_CONNECTIONS \d+)"
    r" ACCOUNT (?P<lock>LOCK|UNLOCK) PASSWORD EXPIRE (?P<expire>DEFAULT|NEVER|INTERVAL \d+ DAY)"
    r" PASSWORD HISTORY (?P<history>DEFAULT|\d+) PASSWORD REUSE INTERVAL (?P<reuse>DEFAULT|\d+ DAY)"
    r" PASSWORD REQUIRE CURRENT(?P<current>| DEFAULT| OPTIONAL) "
    r"FAILED_LOGIN_ATTEMPTS (?P<failed>\d+) PASSWORD_LOCK_TIME (?P<pause>\d+|UNBOUNDED)"
)
_ACCOUNT = "%s@%s"


@dataclass
class Account:
    """One account.

    Attributes:
        primary, secondary: stored forms; an empty secondary is none.
        options: the tail of SHOW CREATE USER.
    """

    primary: str
    secondary: str = ""
    options: str = (
        "REQUIRE NONE PASSWORD EXPIRE DEFAULT ACCOUNT UNLOCK PASSWORD HISTORY DEFAULT PASSWORD REUSE INTERVAL DEFAULT"
        " PASSWORD REQUIRE CURRENT DEFAULT"
    )
    locked: bool = False
    plugin: str = hashes.CACHING
    granted: list[str] = field(default_factory=list)
    default_roles: str = ""


def stored(password: str) -> str:
    """A caching_sha2_password form, with salt."""
    salt = "".join(secrets.choice(string.ascii_letters) for _ in range(20))
    return f"$A$001${salt}{hashes.sha256_crypt(password.encode(), salt.encode(), 1000)}"


def failure(code: str, text: str) -> RotationError:
    """As `Server` raises it."""
    return RotationError(code, text)


class SimulatedMySql:
    """A server.

    Attributes:
        accounts: by user and host.
        statements: that were executed, as sent.
        locks: names that were asked for; locked: whether somebody else has them all.
    """

    def __init__(self, version: str = VERSION) -> None:
        self.version = version
        self.accounts: dict[tuple[str, str], Account] = {}
        self.statements: list[str] = []
        self.locks: list[str] = []
        self.locked = False
        self._grammar: list[tuple[str, Callable[[re.Match[str], list[Any]], list[tuple[Any, ...]]]]] = [
            (r"SELECT VERSION\(\)", lambda _, __: [(self.version,)]),
            (r"SET SESSION print_identified_with_as_hex = ON", lambda _, __: []),
            (r"SELECT GET_LOCK\(%s, %s\)", self._lock_name),
            (r"SELECT User, Host FROM mysql\.user WHERE User = %s", self._hosts),
            (r"SELECT User_attributes FROM mysql\.user WHERE User = %s AND Host = %s", self._attributes),
            (rf"SHOW CREATE USER {_ACCOUNT}", self._show),
            (rf"SHOW GRANTS FOR {_ACCOUNT}", self._grants),
            (rf"ALTER USER {_ACCOUNT} IDENTIFIED BY %s(?P<retain> RETAIN CURRENT PASSWORD)?", self._set),
            (rf"ALTER USER {_ACCOUNT} IDENTIFIED BY %s ACCOUNT LOCK", self._lock),
            (r"ALTER USER USER\(\) IDENTIFIED BY %s", self._set_own),
            (rf"ALTER USER {_ACCOUNT} DISCARD OLD PASSWORD", self._discard),
            (rf"(?P<verb>CREATE|ALTER) USER {_ACCOUNT}(?P<by> IDENTIFIED BY %s)? {_OPTIONS}", self._equip),
            (rf"DROP USER IF EXISTS {_ACCOUNT}", self._drop),
            (rf"(?P<what>GRANT .+) TO {_ACCOUNT}(?P<option> WITH (?:GRANT|ADMIN) OPTION)?", self._grant),
            (rf"REVOKE (?P<what>.+) FROM {_ACCOUNT}", self._revoke),
            (rf"SET DEFAULT ROLE (?P<roles>NONE|`.+`) TO {_ACCOUNT}", self._default),
        ]

    def connect(self, target: Target, user: str, password: str, database: str | None = None) -> Session:  # noqa: ARG002 - a `Connect`
        """Log in with either password."""
        account = self.accounts.get((user, "%"))
        forms = [account.primary, account.secondary] if account and not account.locked else []
        if not any(form and hashes.matches(password, hashes.CACHING, form) for form in forms):
            raise failure("access-denied", user)
        return Session(self, user)

    def admits(self, user: str, password: str) -> bool:
        """Whether a login works."""
        try:
            self.connect(None, user, password)  # type: ignore[arg-type]  # it looks at no target
        except RotationError:
            return False
        return True

    def run(self, user: str, statement: str, arguments: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Execute one statement as a user."""
        self.statements.append(statement)
        for pattern, serve in self._grammar:
            found = re.fullmatch(pattern.replace("%s", r"\%s"), statement)
            if found is not None:
                return serve(found, [*arguments, user])
        raise failure("database-error", f"1064: {statement}")

    def _account(self, given: list[Any]) -> Account:
        if (given[0], given[1]) not in self.accounts:
            raise failure("database-error", "1396")
        return self.accounts[given[0], given[1]]

    def _lock_name(self, _: re.Match[str], given: list[Any]) -> list[tuple[Any, ...]]:
        self.locks.append(given[0])
        return [(0 if self.locked else 1,)]

    def _hosts(self, _: re.Match[str], given: list[Any]) -> list[tuple[Any, ...]]:
        return [key for key in self.accounts if key[0].lower() == given[0].lower()]

    def _attributes(self, _: re.Match[str], given: list[Any]) -> list[tuple[Any, ...]]:
        account = self._account(given)
        return [(json.dumps({"additional_password": account.secondary}) if account.secondary else None,)]

    def _show(self, _: re.Match[str], given: list[Any]) -> list[tuple[Any, ...]]:
        account = self._account(given)
        name = f"{grants.quoted(given[0])}@{grants.quoted(given[1])}"
        roles = f" DEFAULT ROLE {account.default_roles}" if account.default_roles else ""
        form = account.primary.encode("latin-1").hex().upper()
        return [(f"CREATE USER {name} IDENTIFIED WITH '{account.plugin}' AS 0x{form}{roles} {account.options}",)]

    def _grants(self, _: re.Match[str], given: list[Any]) -> list[tuple[Any, ...]]:
        name = f"{grants.quoted(given[0])}@{grants.quoted(given[1])}"
        return [(f"GRANT USAGE ON *.* TO {name}",), *((line.replace("{0}", name),) for line in self._account(given).granted)]

    def _set(self, found: re.Match[str], given: list[Any]) -> list[tuple[Any, ...]]:
        self._new_primary(self._account(given), given[2], retain=bool(found["retain"]))
        return []

    def _set_own(self, _: re.Match[str], given: list[Any]) -> list[tuple[Any, ...]]:
        self._new_primary(self.accounts[given[1], "%"], given[0], retain=False)
        return []

    def _new_primary(self, account: Account, password: str, *, retain: bool) -> None:
        if hashes.matches(password, hashes.CACHING, account.primary):
            raise failure("password-policy", "3638")
        account.secondary = account.primary if retain else account.secondary
        account.primary = stored(password)

    def _lock(self, _: re.Match[str], given: list[Any]) -> list[tuple[Any, ...]]:
        account = self._account(given)
        self._new_primary(account, given[2], retain=False)
        account.locked, account.options = True, account.options.replace("ACCOUNT UNLOCK", "ACCOUNT LOCK")
        return []

    def _discard(self, _: re.Match[str], given: list[Any]) -> list[tuple[Any, ...]]:
        self._account(given).secondary = ""
        return []

    def _equip(self, found: re.Match[str], given: list[Any]) -> list[tuple[Any, ...]]:
        if (found["verb"] == "CREATE") == ((given[0], given[1]) in self.accounts):
            raise failure("database-error", "1396")
        if found["verb"] == "CREATE":
            self.accounts[given[0], given[1]] = Account(stored(given[2]))
        elif found["by"]:
            self._new_primary(self._account(given), given[2], retain=False)
        limits = re.sub(r" ?\w+ 0(?!\d)", "", found["limits"]).strip()
        options = f"REQUIRE {found['require']}" + (f" WITH {limits}" if limits else "")
        options += f" PASSWORD EXPIRE {found['expire']} ACCOUNT {found['lock']} PASSWORD HISTORY {found['history']}"
        options += f" PASSWORD REUSE INTERVAL {found['reuse']} PASSWORD REQUIRE CURRENT{found['current']}"
        if found["failed"] != "0":
            options += f" FAILED_LOGIN_ATTEMPTS {found['failed']} PASSWORD_LOCK_TIME {found['pause']}"
        account = self._account(given)
        account.options, account.locked = options, found["lock"] == "LOCK"
        return []

    def _drop(self, _: re.Match[str], given: list[Any]) -> list[tuple[Any, ...]]:
        self.accounts.pop((given[0], given[1]), None)
        return []

    def _grant(self, found: re.Match[str], given: list[Any]) -> list[tuple[Any, ...]]:
        line = found["what"].replace("%%", "%") + " TO {0}" + (found["option"] or "")
        self._account(given).granted.append(line)
        return []

    def _revoke(self, found: re.Match[str], given: list[Any]) -> list[tuple[Any, ...]]:
        account, line = self._account(given), "GRANT " + found["what"].replace("%%", "%") + " TO {0}"
        if line not in account.granted:
            raise failure("database-error", "1141")
        account.granted.remove(line)
        return []

    def _default(self, found: re.Match[str], given: list[Any]) -> list[tuple[Any, ...]]:
        roles = found["roles"].replace("%%", "%")
        self._account(given).default_roles = "" if roles == "NONE" else roles.replace(", ", ",")
        return []


class Session(Server):
    """A login."""

    def __init__(self, server: SimulatedMySql, user: str) -> None:
        self._server, self.user = server, user

    def execute(self, statement: str, arguments: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._server.run(self.user, statement, arguments)

    def close(self) -> None: ...
