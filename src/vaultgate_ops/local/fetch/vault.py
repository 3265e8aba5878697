"""HashiCorp's Vault, found on this machine or brought to it once.

Rules: what a person named is used or refused, never replaced; what is only lying about is used if it fits, and told of
if it doesn't; what we bring is pinned by hash, kept in the user's cache folder and checked each time it is used.
"""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import CheckFailed, Missing, Unreachable
from vaultgate_ops.local import disk, paths
from vaultgate_ops.local.fetch import download, go, programs, toolchain
from vaultgate_ops.local.fetch.store import State, Store, Workplace
from vaultgate_ops.local.machine import architecture

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vaultgate_ops.reporting import Reporter

OLDEST = (1, 21, 0)


@dataclass(frozen=True)
class Release:
    """One release of Vault.

    Args:
        version: such as ``1.21.1``.
        archive: the URL of its archive for Linux, with ``{version}`` and ``{arch}`` (Go's name of the processor).
        sha256: the archive's hash by processor. These are of HashiCorp's own Homebrew formula for the release.
    """

    version: str = "1.21.1"
    archive: str = "https://releases.hashicorp.com/vault/{version}/vault_{version}_linux_{arch}.zip"
    sha256: Mapping[str, str] = field(
        default_factory=lambda: {
            "amd64": "4088617653eba4ea341b6166130239fcbe42edc7839c7f7c6209d280948769c7",
            "arm64": "f83f541e4293289bf1cc3f1e62e41a29a9ce20aeb9a152ada2b00ca42e7e856d",
        }
    )


@dataclass(frozen=True)
class Bounds:
    """What fetching may take.

    Args:
        patience: with the server of release archives.
        archive_bytes: of disk, for the archive and what is in it.
        build: of disk, for the Go build.
    """

    patience: download.Patience = field(default_factory=download.Patience)
    archive_bytes: int = disk.GIB
    build: go.Space = field(default_factory=go.Space)


class _Unfit(Exception):
    """A program that is not the Vault we need; the text completes "PATH is ..."."""


def find_vault(
    environ: Mapping[str, str],
    reporter: Reporter,
    *,
    clock: Clock | None = None,
    cache: Path | None = None,
    release: Release | None = None,
    bounds: Bounds | None = None,
    machine: str | None = None,
    requirements: Path | None = None,
    source: Path = toolchain.SOURCE,
) -> Path:
    """A Vault binary that is new enough; fetched if there is none, which may take minutes.

    Looked for in this order: ``VAULT_BIN``, ``vault`` on PATH, our cache, HashiCorp's release archive, a build from its
    Go module. Call it in the main thread: there, Ctrl-C ends the programs that it runs.

    Args:
        environ: ``VAULT_BIN``, ``PATH``, cache folders, proxies, Go's settings.
        reporter: told what goes on.
        clock: for telling how long a build took.
        cache: Vaultgate's cache folder.
        release: which Vault to fetch.
        bounds: limits of time and space.
        machine: the processor, as ``uname -m`` names it.
        requirements: pins the Go compiler for machines without one.
        source: the folder of the Go build.

    Raises:
        Missing: ``VAULT_BIN`` names no fitting Vault; no disk space; nothing to build with.
        Unreachable: no network to fetch it by.
        CheckFailed: something that was fetched is not what was pinned.
    """
    if named := environ.get("VAULT_BIN"):
        return _named(Path(named), environ)
    if (found := _on_path(environ, reporter)) is not None:
        return found
    release = release or Release()
    arch = architecture(machine).go
    folder = (cache or paths.cache_folder(environ)) / "vault" / release.version / f"linux_{arch}"
    fetching = _Fetching(
        store=Store(folder, "vault"),
        release=release,
        arch=arch,
        environ=environ,
        reporter=reporter,
        clock=clock or Clock(),
        bounds=bounds or Bounds(),
    )
    with disk.explained(folder, f"Fetching Vault {release.version}"):
        return fetching.cached() or fetching.fetch(requirements, source)


def version_of(binary: Path, environ: Mapping[str, str]) -> tuple[int, int, int]:
    """The version of a Vault binary.

    Raises:
        _Unfit: it isn't Vault, or doesn't run.
    """
    # No home: one of Vault's database drivers makes ~/.cache/snowflake there, whatever Vault is asked.
    told = programs.answer([str(binary), "version"], environ={**environ, "HOME": os.devnull})
    if told is None:
        raise _Unfit("no program that can tell its version")
    found = re.match(r"Vault v(\d+)\.(\d+)\.(\d+)", told)
    if found is None:
        first = told.strip().splitlines()[:1]
        raise _Unfit(f"not HashiCorp's Vault but {first[0][:60]!r}" if first else "not HashiCorp's Vault")
    return int(found[1]), int(found[2]), int(found[3])


def _fitting(binary: Path, environ: Mapping[str, str]) -> Path:
    version = version_of(binary, environ)
    if version < OLDEST:
        raise _Unfit(f"Vault {_dotted(version)}, older than {_dotted(OLDEST[:2])}")
    return binary


def _named(binary: Path, environ: Mapping[str, str]) -> Path:
    fix = f"Point VAULT_BIN at a Vault binary, {_dotted(OLDEST[:2])} or newer, or unset it to have one found or fetched."
    if not binary.is_file():
        raise Missing(f"VAULT_BIN names {binary}, and there is no such file.", fix)
    if not os.access(binary, os.X_OK):
        raise Missing(f"VAULT_BIN names {binary}, which is not executable.", fix)
    try:
        return _fitting(binary.absolute(), environ)
    except _Unfit as unfit:
        raise Missing(f"VAULT_BIN names {binary}, which is {unfit}.", fix) from None


def _on_path(environ: Mapping[str, str], reporter: Reporter) -> Path | None:
    found = shutil.which("vault", path=environ.get("PATH", ""))
    if found is None:
        return None
    try:
        return _fitting(Path(found).absolute(), environ)
    except _Unfit as unfit:
        reporter.say(f"{found} is {unfit}; looking for another Vault.")
        return None


@dataclass(frozen=True)
class _Fetching:
    """One look into the cache and, where it is in vain, one way to fill it."""

    store: Store
    release: Release
    arch: str
    environ: Mapping[str, str]
    reporter: Reporter
    clock: Clock
    bounds: Bounds

    @property
    def title(self) -> str:
        return f"Vault {self.release.version}"

    def cached(self) -> Path | None:
        return self.store.binary if self.store.state() is State.GOOD else None

    def fetch(self, requirements: Path | None, source: Path) -> Path:
        with self.store.exclusive(lambda: self.reporter.task(f"Waiting for another process to fetch {self.title}")) as place:
            # Looked at again: whoever held the lock may have fetched it.
            state = self.store.state()
            if state is State.GOOD:
                return self.store.binary
            if state is State.CORRUPT:
                self.reporter.say(f"The cached {self.store.binary} doesn't match its checksum; fetching it again.")
            made = self._archive(place) or self._build(place, requirements, source)
            self._check(made)
            return self.store.publish(place, made)

    def _archive(self, place: Workplace) -> Path | None:
        pinned = self.release.sha256.get(self.arch)
        if pinned is None:
            return None
        title = f"Downloading {self.title}"
        disk.require_space({place.folder: self.bounds.archive_bytes}, title)
        url = self.release.archive.format(version=self.release.version, arch=self.arch)
        archive = place.folder / "vault.zip"
        try:
            download.download(
                url,
                archive,
                sha256=pinned,
                title=title,
                environ=self.environ,
                reporter=self.reporter,
                patience=self.bounds.patience,
            )
        except Unreachable as error:
            self.reporter.say(f"{error.message} Building {self.title} from its Go module instead, once for this machine.")
            return None
        made = place.folder / "vault"
        with zipfile.ZipFile(archive) as opened, opened.open("vault") as member, made.open("xb") as file:
            shutil.copyfileobj(member, file)
        archive.unlink()
        return made

    def _build(self, place: Workplace, requirements: Path | None, source: Path) -> Path:
        began_s = self.clock.steady()
        compiler = toolchain.find_go(self.environ, toolchain.needed_go(source), self.reporter) or toolchain.bring_go(
            place,
            environ=self.environ,
            requirements=requirements or paths.checkout() / "requirements" / "go.txt",
            reporter=self.reporter,
        )
        made = go.build_vault(
            place,
            version=self.release.version,
            toolchain=compiler,
            arch=self.arch,
            environ=self.environ,
            reporter=self.reporter,
            source=source,
            space=self.bounds.build,
        )
        self.reporter.say(f"Built {self.title} in {self.clock.steady() - began_s:.0f} s; it is kept in {self.store.folder}.")
        return made

    def _check(self, made: Path) -> None:
        made.chmod(0o755)
        try:
            version = _dotted(version_of(made, self.environ))
        except _Unfit as unfit:
            version = str(unfit)
        if version != self.release.version:
            raise CheckFailed(
                f"What was fetched as {self.title} is {version}; it was thrown away.",
                "Point VAULT_BIN at a Vault binary of your own.",
            )


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(number) for number in version)
