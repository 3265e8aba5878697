"""Where the database credential comes from.

Rules: a source hands out live connections with the credential they were made with; how it gets and renews that is its own
business. A new one is a class like `Vault` and a line in `SOURCES`. TLS is never off, and the server's name is always
checked: the database's password would travel with it.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, Protocol

from vaultgate import client
from vaultgate.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from vaultgate_ops.records.settings import Settings

CONNECT_TIMEOUT_S = 5
# A sandbox that was frozen may hold a connection whose other end is gone without a word: reads must end too. Two attempts
# stay below the 29 s that API Gateway waits.
READ_TIMEOUT_S = 8


class Credential(Protocol):
    """A database user, as far as the answer tells of it."""

    @property
    def user(self) -> str:
        """Its name."""

    def expires_in_s(self) -> int:
        """Whole seconds of use left; -1 for one that doesn't end by itself."""


class Source(Protocol):
    """Somebody who lends connections."""

    @property
    def name(self) -> str:
        """What CREDENTIAL_SOURCE calls it."""

    def connection(self) -> AbstractContextManager[tuple[Any, Credential]]:
        """Lend a live DB-API connection and the credential it was made with.

        Raises:
            VaultgateError: no credential can be had.
            pymysql.err.MySQLError: the database refuses the connection, or isn't there.
        """


class Vault:
    """A dynamic database role of Vault, through Vaultgate's extension."""

    name = "vault"

    def __init__(self, settings: Settings) -> None:
        self._pool = client.mysql(settings.secret_path, **connect_arguments(settings))

    def connection(self) -> AbstractContextManager[tuple[Any, Credential]]:
        """Lend a connection; its user lives as long as its lease."""
        return self._pool.connection()


SOURCES: Mapping[str, Callable[[Settings], Source]] = {Vault.name: Vault}


def connect_arguments(settings: Settings) -> dict[str, Any]:
    """The arguments of ``pymysql.connect``, without user and password.

    Raises:
        ConfigurationError: the CA bundle can't be read.
    """
    try:
        tls = ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError([f"RDS_CA_BUNDLE={settings.ca_file!r} can't be read as PEM: {error.strerror}"]) from error
    # Python 3.13 made this strict; the roots of AWS's own bundle lack a field that it asks for.
    tls.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return {
        "host": settings.host,
        "port": settings.port,
        "database": settings.database,
        "ssl": tls,
        "connect_timeout": CONNECT_TIMEOUT_S,
        "read_timeout": READ_TIMEOUT_S,
        "write_timeout": READ_TIMEOUT_S,
        "autocommit": True,
    }
