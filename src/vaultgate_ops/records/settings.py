"""The function's settings: variables in, one frozen value out, or every problem at once.

Rules: nothing else of the function reads the environment, and it is read once. The one secret that may be among the
settings, RDS_PASSWORD of the source ``env``, doesn't print.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vaultgate.errors import ConfigurationError
from vaultgate.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

# What MySQL takes unquoted, less the letters beyond ASCII ("Schema Object Names" in its reference manual).
_IDENTIFIER = re.compile(r"[A-Za-z0-9_$]{1,64}")
_LAST_PORT = 65535
_PATHS = {
    "vault": "database/creds/records",
    "vault-static": "database/static-creds/records-static",
    "vault-kv": "secret/data/records",
}
# What a source can't do without, beside what all of them need.
_NEEDS = {
    "secretsmanager": ("SECRET_NAME",),
    "ssm": ("SECRET_NAME",),
    "ssm-reference": ("SECRET_NAME",),
    "env": ("RDS_USERNAME", "RDS_PASSWORD"),
}


@dataclass(frozen=True)
class Settings:
    """What to count, where, and with whose credential.

    Attributes:
        source: a name of `sources.SOURCES`.
        secret_path: in Vault; empty for the sources that don't ask it.
        table: a valid identifier, without quotes.
        host, port, database: of the server.
        ca_file: PEM bundle that the server's certificate is checked against; None for the system's.
        secret_name: in AWS: a secret's name or ARN, or a parameter's name; empty for the other sources.
        username: for a secret that holds a password alone, and for ``env``.
        password: of the source ``env``.
    """

    source: str
    secret_path: str
    table: str
    host: str
    port: int
    database: str
    ca_file: str | None
    secret_name: str = ""
    username: str = ""
    password: Secret | None = None


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
    host, database = text("RDS_HOST"), text("RDS_DB_NAME")
    absent = [name for name in _NEEDS.get(source, ()) if not environ.get(name, "").strip()]
    problems += [f"{name} is missing; CREDENTIAL_SOURCE={source} needs it" for name in absent]
    if problems:
        raise ConfigurationError(problems)
    return Settings(
        source,
        text("RECORDS_SECRET_PATH", _PATHS[source]) if source in _PATHS else "",
        table,
        host,
        int(port),
        database,
        ca_file,
        environ.get("SECRET_NAME", "").strip(),
        environ.get("RDS_USERNAME", "").strip(),
        # A password keeps its blanks.
        Secret(environ["RDS_PASSWORD"]) if source == "env" else None,
    )
