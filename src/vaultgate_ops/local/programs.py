"""The programs that a stack is made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaultgate_ops.local.fetch.database import DatabaseBinaries, find_database_server
from vaultgate_ops.local.fetch.emulator import find_emulator
from vaultgate_ops.local.fetch.vault import find_vault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vaultgate_ops.reporting import Reporter


@dataclass(frozen=True)
class Programs:
    """Everything, found on this machine or brought to it."""

    vault: Path
    database: DatabaseBinaries
    emulator: Path

    @classmethod
    def find(cls, environ: Mapping[str, str], reporter: Reporter) -> Programs:
        """Look for everything, and fetch, build or install what is not there; minutes, the first time.

        Raises:
            Missing: this machine lacks something that can't be brought.
            Unreachable: no network to bring it by.
            CheckFailed: what was brought is not what was pinned.
        """
        # What only needs a look first: nobody should wait for Vault's build to read that a database is missing.
        emulator = find_emulator(reporter)
        database = find_database_server(environ, reporter)
        return cls(find_vault(environ, reporter), database, emulator)

    def noted(self) -> dict[str, Any]:
        """For the stack's notes (JSON), so that who attaches to it uses the same."""
        install_db = self.database.install_db
        return {
            "vault": str(self.vault),
            "emulator": str(self.emulator),
            "server": str(self.database.server),
            "install_db": None if install_db is None else str(install_db),
            "flavour": self.database.flavour,
            "version": self.database.version,
        }

    @classmethod
    def of(cls, noted: Mapping[str, Any]) -> Programs:
        """What `noted` gave."""
        install_db = None if noted["install_db"] is None else Path(noted["install_db"])
        database = DatabaseBinaries(Path(noted["server"]), install_db, noted["flavour"], noted["version"])
        return cls(Path(noted["vault"]), database, Path(noted["emulator"]))
