"""What a database secret says, checked field by field.

Rules: the fields are those of AWS's own rotation functions plus a few of ours; whatever else the secret holds is carried along
untouched; errors are those of `fields`.
Source: AWS Secrets Manager User Guide, "JSON structure of AWS Secrets Manager secrets".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.fields import boolean, checked_host, grace, optional, text, wrong

if TYPE_CHECKING:
    from vaultgate_ops.rotation.model import SecretValue

ENGINES = ("mysql", "mariadb")
LONGEST_USER = {"mysql": 32, "mariadb": 128}
"""Characters of a user's name: MySQL's and MariaDB's "Identifier Length Limits"."""
DEFAULT_PORT = 3306
_LAST_PORT = 65535


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
        engine = text(fields, "engine")
        if engine not in ENGINES:
            raise RotationError("engine-unknown", f"The secret's engine is {engine!r}.", f"Valid engines: {', '.join(ENGINES)}.")
        username, password = text(fields, "username"), text(fields, "password")
        if len(username) > LONGEST_USER[engine]:
            raise wrong("username", f"at most {LONGEST_USER[engine]} characters")
        return cls(
            engine=engine,
            host=checked_host(text(fields, "host")),
            port=_port(fields.get("port", DEFAULT_PORT)),
            username=username,
            password=password,
            dbname=optional(fields, "dbname"),
            masterarn=optional(fields, "masterarn"),
            tls=boolean(fields, "ssl", default=True),
            twin=optional(fields, "twin"),
            grace_s=grace(fields),
            probe=optional(fields, "probe"),
            cleartext=boolean(fields, "cleartext", default=False),
        )


def _port(given: Any) -> int:
    number = str(given)
    if isinstance(given, bool) or not re.fullmatch(r"[0-9]{1,5}", number) or not 1 <= int(number) <= _LAST_PORT:
        raise wrong("port", "a number between 1 and 65535")
    return int(number)
