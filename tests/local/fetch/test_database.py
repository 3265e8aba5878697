from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.local.fetch import parts

from vaultgate_ops.errors import Missing, OpsError, Unreachable
from vaultgate_ops.local.fetch import apt
from vaultgate_ops.local.fetch.database import DatabaseBinaries, find_database_server

if TYPE_CHECKING:
    from tests.local.fetch.parts import Recorder

MARIADB = "echo '/usr/sbin/mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)'"
MYSQL = "echo '/usr/sbin/mysqld  Ver 8.0.44-0ubuntu0.24.04.1 for Linux on x86_64 ((Ubuntu))'"


@dataclass
class Machine:
    """A machine on which a database server is looked for."""

    environ: dict[str, str]
    reporter: Recorder
    programs: Path
    system: Path
    is_root: bool = False
    known: list[str] = field(default_factory=lambda: ["mariadb-server-core", "mariadb-client-core"])

    def find(self, **changes: str) -> DatabaseBinaries:
        """Look for it with these variables on top."""
        return find_database_server(
            {**self.environ, **changes}, self.reporter, system_folders=[self.system], is_root=self.is_root
        )

    def has_mariadb(self, folder: Path, *, lacking: str = "") -> Path:
        """Put MariaDB into ``folder``; return its server."""
        texts = {"mariadbd": MARIADB, "mariadb-install-db": "exit 1", "my_print_defaults": "exit 1"}
        for name, text in texts.items():
            if name != lacking:
                parts.program(folder / name, text)
        return folder / "mariadbd"

    def has_apt(self, *, install: str = "", update: str = "") -> None:
        """Put an apt-get on PATH that writes its command lines to ``$HOME/apt.log``.

        Args:
            install: shell commands instead of an installation that goes well.
            update: shell commands instead of an update that goes well.
        """
        kept = self.programs.parent / "package"
        self.has_mariadb(kept)
        goes_well = (
            'echo "dlstatus:1:50.0:Retrieving file 1 of 2"; echo "dlstatus:2:100:Retrieving file 2 of 2";'
            'echo "pmstatus:mariadb-common:40.0:Unpacking mariadb-common"; echo "pmstatus:x:100:Installed";'
            f'cp {kept}/* "{self.system}"'
        )
        parts.program(
            self.programs / "apt-get",
            f"""
echo "$* $DEBIAN_FRONTEND $NEEDRESTART_MODE" >>"$HOME/apt.log"
case "$*" in
*update*) {update or ":"} ;;
*install*) {install or goes_well} ;;
esac""",
        )
        text = 'case "$*" in ' + "".join(f"*{name.rsplit('-core')[0]}*) echo {name} ;; " for name in self.known) + "esac"
        parts.program(self.programs / "apt-cache", text)
        # The one program of the system that installing needs.
        (self.programs / "env").symlink_to("/usr/bin/env")

    def apt_log(self) -> list[str]:
        """What apt-get was asked."""
        return (Path(self.environ["HOME"]) / "apt.log").read_text(encoding="utf-8").splitlines()


@pytest.fixture
def machine(environ: dict[str, str], reporter: Recorder, programs: Path, tmp_path: Path) -> Machine:
    """A machine without a database server, and an ordinary user."""
    system = tmp_path / "sbin"
    system.mkdir()
    return Machine(environ, reporter, programs, system)


def test_mariadb_on_path(machine: Machine) -> None:
    """A MariaDB on PATH is found with the program that makes its data folder."""
    server = machine.has_mariadb(machine.programs)
    expected = DatabaseBinaries(server, machine.programs / "mariadb-install-db", "mariadb", "10.11.19")
    assert machine.find() == expected


def test_mysql_makes_its_own_data_folder(machine: Machine) -> None:
    """Oracle's MySQL needs no other program."""
    server = parts.program(machine.programs / "mysqld", MYSQL)
    assert machine.find() == DatabaseBinaries(server, None, "mysql", "8.0.44")


def test_system_folders_are_searched(machine: Machine) -> None:
    """A server where packages put it, off an ordinary user's PATH, is found."""
    server = machine.has_mariadb(machine.system)
    assert machine.find().server == server


def test_one_server_under_two_names(machine: Machine) -> None:
    """Debian's mysqld is a link to its mariadbd: what is wrong with it is told once."""
    (machine.system / "mysqld").symlink_to(machine.has_mariadb(machine.system, lacking="my_print_defaults"))
    with pytest.raises(Missing):
        machine.find()
    assert len(machine.reporter.said) == 1


@pytest.mark.parametrize("lacking", ["mariadb-install-db", "my_print_defaults"])
def test_incomplete_mariadb_is_completed(machine: Machine, lacking: str) -> None:
    """A MariaDB that can't make a data folder doesn't count; what it lacks is said, and the package is installed."""
    machine.has_mariadb(machine.system, lacking=lacking)
    machine.has_apt()
    machine.is_root = True
    assert machine.find().install_db == machine.system / "mariadb-install-db"
    assert f"is MariaDB 10.11.19 without {lacking}" in machine.reporter.said[0]


def test_named_server_wins(machine: Machine, tmp_path: Path) -> None:
    """MYSQLD_BIN is taken before what is on PATH; its other programs are looked for beside it."""
    machine.has_mariadb(machine.programs)
    server = machine.has_mariadb(tmp_path / "opt" / "sbin")
    (tmp_path / "opt" / "bin").mkdir()
    (tmp_path / "opt" / "sbin" / "mariadb-install-db").rename(tmp_path / "opt" / "bin" / "mariadb-install-db")
    found = machine.find(MYSQLD_BIN=str(server))
    assert found.server == server


def test_programs_beside_the_server_come_first(machine: Machine, tmp_path: Path) -> None:
    """A tarball's server is set up by the tarball's own installer, which lies in its folder scripts."""
    server = machine.has_mariadb(tmp_path / "opt" / "bin")
    (tmp_path / "opt" / "scripts").mkdir()
    installer = tmp_path / "opt" / "scripts" / "mariadb-install-db"
    (tmp_path / "opt" / "bin" / "mariadb-install-db").rename(installer)
    assert machine.find(MYSQLD_BIN=str(server)).install_db == installer


@pytest.mark.parametrize(
    ("text", "mode", "reason"),
    [
        (None, 0o755, "there is no such file"),
        (MARIADB, 0o644, "is not executable"),
        ("echo hello", 0o755, "is no program that can tell its version"),
        (MARIADB, 0o755, "is MariaDB 10.11.19 without mariadb-install-db"),
    ],
)
def test_named_server_is_never_replaced(machine: Machine, tmp_path: Path, text: str | None, mode: int, reason: str) -> None:
    """A MYSQLD_BIN that doesn't fit is refused by what it is, though nothing else would be missing."""
    machine.has_apt()
    machine.is_root = True
    named = tmp_path / "mine" / "mysqld"
    if text is not None:
        parts.program(named, text).chmod(mode)
    with pytest.raises(Missing, match="MYSQLD_BIN names") as refused:
        machine.find(MYSQLD_BIN=str(named))
    assert reason in refused.value.message
    assert "Point MYSQLD_BIN at" in refused.value.hint


@pytest.mark.parametrize("sudo", [None, "exit 1"])
def test_without_rights_the_choices_are_told(machine: Machine, sudo: str | None) -> None:
    """An ordinary user without sudo, or whose sudo wants a password, reads every choice in one message."""
    machine.has_apt()
    if sudo is not None:
        parts.program(machine.programs / "sudo", sudo)
    with pytest.raises(Missing, match="neither mariadbd nor mysqld") as told:
        machine.find()
    for choice in ("apt-get install mariadb-server-core", "MYSQLD_BIN", "passwordless sudo", "make demo DEMO=docker"):
        assert choice in told.value.hint
    assert not (Path(machine.environ["HOME"]) / "apt.log").exists()


def test_root_installs_the_core_packages(machine: Machine) -> None:
    """Root gets the two packages with the programs: no recommended ones, no removals, no question, no service."""
    machine.has_apt()
    machine.is_root = True
    assert machine.find().server == machine.system / "mariadbd"
    update, install = machine.apt_log()
    assert " update " in update
    assert install.endswith(
        "install --no-install-recommends --no-remove mariadb-server-core mariadb-client-core noninteractive l"
    )
    assert install.startswith("-y ")
    task = machine.reporter.find("Installing mariadb-server-core and mariadb-client-core")
    assert (task.total, task.done) == (200, 200)
    assert task.described[2] == "Unpacking mariadb-common"


def test_passwordless_sudo_installs(machine: Machine) -> None:
    """An ordinary user with passwordless sudo gets them by it; sudo passes no variables on, so they are in the command."""
    machine.has_apt()
    parts.program(
        machine.programs / "sudo",
        f'[ "$1" = -n ] || exit 1; shift; echo "$*" >>"$HOME/sudo.log"; PATH={machine.programs}; '
        'unset DEBIAN_FRONTEND; HOME=$HOME exec "$@"',
    )
    (machine.programs / "true").symlink_to("/usr/bin/true")
    machine.find()
    asked = (Path(machine.environ["HOME"]) / "sudo.log").read_text(encoding="utf-8").splitlines()
    assert [line.split()[0] for line in asked] == ["true", "env", "env"]
    assert machine.apt_log()[1].endswith("noninteractive l")


def test_failed_update_is_no_obstacle(machine: Machine) -> None:
    """One package source that can't be updated doesn't stop an installation that works without it."""
    machine.has_apt(update='echo "E: The repository does not have a Release file."; exit 100')
    machine.is_root = True
    assert machine.find().flavour == "mariadb"


OFFLINE = 'echo "E: Failed to fetch http://mirror.example.com/x.deb  Could not connect to mirror.example.com:80"; exit 100'
LOCKED = 'echo "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7 (apt)"; exit 100'
FULL = 'echo "E: You don\'t have enough free space in /var/cache/apt/archives/."; exit 100'
DPKG = (
    'echo "dpkg: error: unable to access its database"; echo "E: Sub-process /usr/bin/dpkg returned an error code (2)"; exit 100'
)
REMOVES = 'echo "Reading..."; echo "E: Packages need to be removed but remove is disabled."; exit 100'


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (OFFLINE, Unreachable, "for want of a network: Failed to fetch http://mirror.example.com/x.deb"),
        (LOCKED, Missing, "another program is installing packages: Could not get lock"),
        (FULL, Missing, "for want of disk space: You don't have"),
        (REMOVES, Missing, "Installing MariaDB failed: Packages need to be removed but remove is disabled."),
        (DPKG, Missing, "Installing MariaDB failed: dpkg: error: unable to access its database"),
        (":", Missing, "MariaDB's packages were installed, and yet no working mariadbd is on this machine."),
    ],
)
def test_failed_installation_is_explained(machine: Machine, text: str, error: type[OpsError], message: str) -> None:
    """Each way in which apt-get fails has its own sentence and fix."""
    machine.has_apt(install=text)
    machine.is_root = True
    with pytest.raises(error) as failed:
        machine.find()
    assert message in failed.value.message
    assert failed.value.hint


def test_no_package_lists_and_no_network(machine: Machine) -> None:
    """A fresh container without package lists or network is told of the network, not of an unknown package."""
    machine.known = []
    machine.has_apt(update="echo \"E: Failed to fetch http://x/InRelease  Temporary failure resolving 'x'\"; exit 100")
    machine.is_root = True
    with pytest.raises(Unreachable, match="for want of a network"):
        machine.find()


@pytest.mark.parametrize(
    ("known", "chosen"),
    [
        (["mariadb-server-core", "mariadb-client-core", "mariadb-server-core-10.5"], "mariadb-server-core"),
        # Ubuntu 22.04
        (["mariadb-server-core-10.6", "mariadb-client-core-10.6"], "mariadb-server-core-10.6"),
        (
            [f"mariadb-{part}-core-{version}" for part in ("client", "server") for version in ("10.11", "10.6", "9.9")],
            "mariadb-server-core-10.11",
        ),
        (
            [f"mariadb-{part}-core{version}" for part in ("client", "server") for version in ("", "-10.6")],
            "mariadb-server-core",
        ),
        (["mariadb-server-core", "mariadb-server-core-10.6", "mariadb-client-core-10.6"], "mariadb-server-core-10.6"),
        (["mariadb-server", "mysql-server-core-8.0"], None),
        ([], None),
    ],
)
def test_package_names(known: list[str], chosen: str | None) -> None:
    """The pair without a version in its name is chosen, else the newest whole pair."""
    found = apt.mariadb_packages(known)
    assert found == (None if chosen is None else (chosen, chosen.replace("server", "client")))


def test_server_of_this_machine() -> None:
    """What 'make test' brought is found again without installing anything, and it is what it says it is."""
    found = find_database_server(os.environ, parts.Recorder())
    assert os.access(found.server, os.X_OK)
    assert (found.install_db is None) == (found.flavour == "mysql")
