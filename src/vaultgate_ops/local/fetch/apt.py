"""Debian's and Ubuntu's packages, without a question and without a running service; MariaDB's above all.

Rules: only the core packages are installed: they hold the programs and nothing that starts a server, so the machine has
no new service afterwards; a package that would have to go makes apt refuse; a dpkg at work is never killed.

The server, its installer and its message files are in mariadb-server-core; ``my_print_defaults``, which the installer
calls, is in mariadb-client-core. Ubuntu 22.04 has them only with the version in the name (mariadb-server-core-10.6).
"""

from __future__ import annotations

import re
import shutil
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vaultgate_ops.errors import Missing, OpsError, Unreachable
from vaultgate_ops.local import disk
from vaultgate_ops.local.fetch import programs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from vaultgate_ops.reporting import Reporter, Task

_SERVER = "mariadb-server-core"
_CLIENT = "mariadb-client-core"
_OFFLINE_WORDS = ("could not resolve", "temporary failure resolving", "could not connect", "failed to fetch", "timed out")
_FULL_WORDS = (*disk.FULL_WORDS, "don't have enough free space")
_BUSY_WORDS = ("could not get lock", "unable to acquire the dpkg frontend lock", "unable to lock")
_DPKG_WORDS = ("dpkg: error",)

# APT::Status-Fd's lines: "dlstatus:1:23.5:Retrieving file 1 of 9", "pmstatus:mariadb-common:40.0:Unpacking ...".
_STATUS = re.compile(r"(?P<kind>dlstatus|pmstatus):[^:]*:(?P<percent>[\d.]+):(?P<words>.*)")


@dataclass(frozen=True)
class Rights:
    """How apt-get may be run.

    Args:
        prefix: what stands before it on the command line; empty for root.
    """

    prefix: tuple[str, ...]


def rights(environ: Mapping[str, str], *, is_root: bool) -> Rights | None:
    """How we may install packages, or None where there is no apt-get or no right to it."""
    search = environ.get("PATH", "")
    if shutil.which("apt-get", path=search) is None:
        return None
    if is_root:
        return Rights(())
    sudo = shutil.which("sudo", path=search)
    # -n: fails instead of asking for a password.
    if sudo is not None and programs.answer([sudo, "-n", "true"], environ=environ) is not None:
        return Rights((sudo, "-n"))
    return None


@dataclass(frozen=True)
class Wanted:
    """What is installed, in words.

    Args:
        title: its name.
        absent: completes "This system's packages have no".
        by_hand: the command a person would type.
        instead: what a person may do instead, as an imperative.
    """

    title: str
    absent: str
    by_hand: str
    instead: str


MARIADB = Wanted(
    "MariaDB",
    "MariaDB server",
    f"sudo apt-get install {_SERVER} {_CLIENT}",
    "set MYSQLD_BIN to a mariadbd or mysqld",
)


def install_mariadb(rights: Rights, *, environ: Mapping[str, str], reporter: Reporter) -> None:
    """Install MariaDB's server and the program that makes its data folder; see `install`."""
    install(rights, MARIADB, lambda: mariadb_packages(known(environ, _SERVER, _CLIENT)), environ=environ, reporter=reporter)


def install(
    rights: Rights,
    wanted: Wanted,
    choose: Callable[[], Sequence[str] | None],
    *,
    environ: Mapping[str, str],
    reporter: Reporter,
) -> None:
    """Install packages.

    Args:
        rights: how.
        wanted: what, in words.
        choose: the names of the packages, asked once the lists are fresh; None where apt knows none that do.
        environ: passed to apt-get, without anything that could ask a question.
        reporter: told what goes on.

    Raises:
        Unreachable: the packages can't be downloaded.
        Missing: apt-get fails otherwise, or knows no such package.
    """
    try:
        _apt_get(rights, ["update"], environ)
        stale = None
    except programs.ProgramFailed as failure:
        # One broken source among many is no obstacle: the package may be in another, or in the lists of yesterday.
        stale = failure
    packages = choose()
    if packages is None:
        absent = Missing(f"This system's packages have no {wanted.absent}.", f"{wanted.instead[0].upper()}{wanted.instead[1:]}.")
        raise _explain(stale, wanted) if stale else absent
    with reporter.task(f"Installing {' and '.join(packages)}", total=200) as task:
        try:
            _apt_get(rights, ["install", "--no-install-recommends", "--no-remove", *packages], environ, _meter(task))
        except programs.ProgramFailed as failure:
            raise _explain(failure, wanted) from failure


def mariadb_packages(known: Iterable[str]) -> tuple[str, str] | None:
    """The two packages to install, of all those that apt knows; None if there is no such pair."""
    names = set(known)

    def version(name: str) -> tuple[int, ...]:
        return tuple(int(part) for part in re.findall(r"\d+", name))

    servers = [name for name in names if re.fullmatch(rf"{_SERVER}(-\d+\.\d+)?", name)]
    pairs = [(name, name.replace(_SERVER, _CLIENT)) for name in servers]
    # The name without a version is the distribution's choice; among others the newest.
    ordered = sorted((pair for pair in pairs if pair[1] in names), key=lambda pair: version(pair[0]))
    if not ordered:
        return None
    return ordered[0] if ordered[0][0] == _SERVER else ordered[-1]


def known(environ: Mapping[str, str], *prefixes: str) -> list[str]:
    """The packages whose names begin so, of all that apt knows."""
    return [
        name
        for prefix in prefixes
        for name in (programs.answer(["apt-cache", "pkgnames", prefix], environ=environ) or "").split()
    ]


def _apt_get(
    rights: Rights,
    arguments: list[str],
    environ: Mapping[str, str],
    on_line: Callable[[str], None] | None = None,
) -> None:
    # By "env", because sudo passes no variables on. NEEDRESTART_MODE=l: Ubuntu's needrestart lists services, restarts none.
    variables = ["DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_MODE=l", "LC_ALL=C.UTF-8"]
    options = ["-y", "-q", "-o", "APT::Status-Fd=1", "-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Lock::Timeout=120"]
    programs.follow(
        [*rights.prefix, "env", *variables, "apt-get", *options, *arguments],
        environ=environ,
        on_line=on_line,
        # apt-get ends a download at once and lets dpkg finish the package that it is unpacking.
        stop=signal.SIGINT,
        own_session=not rights.prefix,
    )


def _meter(task: Task) -> Callable[[str], None]:
    """Tell a task whose total is 200: 100 for downloading, 100 for unpacking."""
    reached = {"dlstatus": 0.0, "pmstatus": 0.0}

    def read(line: str) -> None:
        if found := _STATUS.match(line):
            percent = min(float(found["percent"]), 100.0)
            task.describe(found["words"])
            task.advance(max(percent - reached[found["kind"]], 0.0))
            reached[found["kind"]] = max(percent, reached[found["kind"]])

    return read


def _explain(failure: programs.ProgramFailed, wanted: Wanted) -> OpsError:
    if line := failure.line_with(_FULL_WORDS):
        return Missing(f"Installing {wanted.title} failed for want of disk space: {line}", "Free some space and try again.")
    if line := failure.line_with(_BUSY_WORDS):
        return Missing(
            f"Installing {wanted.title} failed, because another program is installing packages: {line}",
            "Wait for it and try again.",
        )
    if line := failure.line_with(_OFFLINE_WORDS):
        return Unreachable(
            f"Installing {wanted.title} failed for want of a network: {line}",
            f"Connect this machine or repair its package sources, or {wanted.instead}.",
        )
    # apt-get says of dpkg's failures only that there was one.
    line = failure.line_with(_DPKG_WORDS) or next((line[3:] for line in failure.lines if line.startswith("E: ")), failure.last())
    return Missing(
        f"Installing {wanted.title} failed: {line}", f"See what is wrong by hand ({wanted.by_hand}), or {wanted.instead}."
    )
