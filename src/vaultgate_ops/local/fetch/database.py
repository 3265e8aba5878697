"""A MySQL-family server: the machine's own, or the system's package where we may install it.

Rules: the server that a person named is used or refused; a server counts only with everything that makes a data folder
for it; installing needs no question answered, removes nothing and starts nothing.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vaultgate_ops.errors import Missing
from vaultgate_ops.local.fetch import apt, programs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from vaultgate_ops.reporting import Reporter

SERVERS = ("mariadbd", "mysqld")
# Where packages put servers that an ordinary user's PATH doesn't show.
SYSTEM_FOLDERS = (Path("/usr/sbin"), Path("/usr/libexec"), Path("/usr/local/sbin"), Path("/usr/local/bin"))

_CHOICES = (
    "Install one (sudo apt-get install mariadb-server-core mariadb-client-core), or set MYSQLD_BIN to a mariadbd or mysqld,"
    " or run this as root or with passwordless sudo to have it installed, or use compose: make demo DEMO=docker."
)


@dataclass(frozen=True)
class DatabaseBinaries:
    """The programs of one database server.

    Args:
        server: mariadbd or mysqld.
        install_db: MariaDB's program that makes a data folder; None for MySQL, whose server does it (--initialize).
        flavour: whose server it is.
        version: such as ``10.11.19``.
    """

    server: Path
    install_db: Path | None
    flavour: Literal["mariadb", "mysql"]
    version: str


class _Unfit(Exception):
    """A program that is not a server we can run; the text completes "PATH is ..."."""


def find_database_server(
    environ: Mapping[str, str],
    reporter: Reporter,
    *,
    system_folders: Sequence[Path] = SYSTEM_FOLDERS,
    is_root: bool | None = None,
) -> DatabaseBinaries:
    """A database server, installed from the system's packages if there is none and we may.

    Looked for in this order: ``MYSQLD_BIN``, PATH, the system's folders, ``apt-get`` as root or by ``sudo -n``.

    Args:
        environ: ``MYSQLD_BIN``, ``PATH``, proxies for apt.
        reporter: told what goes on.
        system_folders: searched after PATH.
        is_root: whether we are; asked for when None.

    Raises:
        Missing: there is none, and none can be installed; the choices are in the hint.
        Unreachable: the package can't be downloaded.
    """
    if named := environ.get("MYSQLD_BIN"):
        return _named(Path(named), environ, system_folders)
    if (found := _installed(environ, reporter, system_folders)) is not None:
        return found
    rights = apt.rights(environ, is_root=os.geteuid() == 0 if is_root is None else is_root)
    if rights is None:
        raise Missing("No database server is on this machine: neither mariadbd nor mysqld.", _CHOICES)
    apt.install_mariadb(rights, environ=environ, reporter=reporter)
    if (found := _installed(environ, reporter, system_folders)) is None:
        raise Missing("MariaDB's packages were installed, and yet no working mariadbd is on this machine.", _CHOICES)
    return found


def _named(server: Path, environ: Mapping[str, str], system_folders: Sequence[Path]) -> DatabaseBinaries:
    fix = "Point MYSQLD_BIN at a mariadbd or mysqld, or unset it to have one found or installed."
    if not server.is_file():
        raise Missing(f"MYSQLD_BIN names {server}, and there is no such file.", fix)
    if not os.access(server, os.X_OK):
        raise Missing(f"MYSQLD_BIN names {server}, which is not executable.", fix)
    try:
        return _inspect(server.absolute(), environ, system_folders)
    except _Unfit as unfit:
        raise Missing(f"MYSQLD_BIN names {server}, which is {unfit}.", fix) from None


def _installed(environ: Mapping[str, str], reporter: Reporter, system_folders: Sequence[Path]) -> DatabaseBinaries | None:
    for server in _candidates(environ, system_folders):
        try:
            return _inspect(server, environ, system_folders)
        except _Unfit as unfit:
            reporter.say(f"{server} is {unfit}; looking for another database server.")
    return None


def _candidates(environ: Mapping[str, str], system_folders: Sequence[Path]) -> Iterator[Path]:
    """Servers by name and folder, each file once: Debian's mysqld is a link to its mariadbd."""
    seen: set[Path] = set()
    for name in SERVERS:
        found = shutil.which(name, path=_search_path(environ, system_folders))
        if found is not None and (real := Path(found).resolve()) not in seen:
            seen.add(real)
            yield Path(found).absolute()


def _inspect(server: Path, environ: Mapping[str, str], system_folders: Sequence[Path]) -> DatabaseBinaries:
    told = programs.answer([str(server), "--no-defaults", "--version"], environ=environ) or ""
    # MariaDB says "mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for ...", MySQL "mysqld  Ver 8.0.44-0ubuntu0.24.04.1 for ...".
    found = re.search(r"\bVer (\d+\.\d+\.\d+)", told)
    if found is None:
        raise _Unfit("no program that can tell its version")
    if "mariadb" not in told.lower():
        return DatabaseBinaries(server, None, "mysql", found[1])
    beside = [server.parent, *(server.parent.parent / folder for folder in ("bin", "scripts"))]
    search = _search_path(environ, [*beside, *system_folders])
    install_db = shutil.which("mariadb-install-db", path=search) or shutil.which("mysql_install_db", path=search)
    # The installer is a shell script that calls it; Debian has it in another package than the server.
    if install_db is None or shutil.which("my_print_defaults", path=search) is None:
        lacking = "mariadb-install-db" if install_db is None else "my_print_defaults"
        raise _Unfit(f"MariaDB {found[1]} without {lacking}, which makes its data folder")
    return DatabaseBinaries(server, Path(install_db).absolute(), "mariadb", found[1])


def _search_path(environ: Mapping[str, str], folders: Sequence[Path]) -> str:
    named = environ.get("PATH", "")
    return os.pathsep.join([*([named] if named else []), *map(str, folders)])
