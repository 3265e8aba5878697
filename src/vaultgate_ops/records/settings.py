"""The function's settings: variables in, one frozen value out, or every problem at once.

Rules: nothing else of the function reads the environment, and it is read once. No secret is among the settings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vaultgate.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

# What MySQL takes unquoted, less the letters beyond ASCII ("Schema Object Names" in its reference manual).
_IDENTIFIER = re.compile(r"[A-Za-z0-9_$]{1,64}")
_LAST_PORT = 65535


@dataclass(frozen=True)
class Settings:
    """What to count, where, and with whose credential.

    Attributes:
        source: a name of `sources.SOURCES`.
        secret_path: where the source finds the credential.
        table: a valid identifier, without quotes.
        host, port, database: of the server.
        ca_file: PEM bundle that the server's certificate is checked against; None for the system's.
    """

    source: str
    secret_path: str
    table: str
    host: str
    port: int
    database: str
    ca_file: str | None


def load(environ: Mapping[str, str], sources: Collection[str]) -> Settings:
    """Check a whole environment.

    Args:
        environ: names to texts; an empty text counts as absent.
        sources: the values that CREDENTIAL_SOURCE may have.

    Raises:
        ConfigurationError: with all problems, each naming its variable and what would be right.
    """
    problems: list[str] = []

    def text(name: str, default: str = "") -> str:
        value = environ.get(name, "").strip() or default
        if not value:
            problems.append(f"{name} is missing")
        return value

    source = text("CREDENTIAL_SOURCE", "vault")
    if source not in sources:
        problems.append(f"CREDENTIAL_SOURCE={source!r} must be one of: {', '.join(sorted(sources))}")
    table = text("RECORDS_TABLE")
    if table and not _IDENTIFIER.fullmatch(table):
        problems.append(
            f"RECORDS_TABLE={table!r} is not a table's name: use letters, digits, _ and $, without a schema or quotes"
        )
    port = text("RDS_PORT", "3306")
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= _LAST_PORT:
        problems.append(f"RDS_PORT={port!r} is not a port between 1 and 65535")
    ca_file = environ.get("RDS_CA_BUNDLE", "").strip() or None
    if ca_file is not None and not Path(ca_file).is_file():
        problems.append(f"RDS_CA_BUNDLE={ca_file!r} is not a file")
    secret_path, host, database = text("RECORDS_SECRET_PATH", "database/creds/records"), text("RDS_HOST"), text("RDS_DB_NAME")
    if problems:
        raise ConfigurationError(problems)
    return Settings(source, secret_path, table, host, int(port), database, ca_file)
