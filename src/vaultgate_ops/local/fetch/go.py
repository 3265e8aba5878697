"""Vault from HashiCorp's Go module, for machines that can't get the release archive.

Rules: ``vault_go/`` pins every module by version and hash, and nothing resolves anything anew (``-mod=readonly``); the
user's module proxy, checksum database and caches are respected, flags that would change the result are not; with a Go
that we brought ourselves, everything that it downloads and compiles is gone with the workplace.

``vault_go/main.go`` is Vault's own main program. The two ``replace`` lines of its ``go.mod`` are those of Vault 1.21.1;
1.21.2 to 1.21.4 can't be built this way, because their sdk lies between two published versions.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaultgate_ops.errors import Missing
from vaultgate_ops.local import disk
from vaultgate_ops.local.fetch import programs
from vaultgate_ops.local.fetch.toolchain import SOURCE, YOUR_OWN, Toolchain, explain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vaultgate_ops.local.fetch.store import Workplace
    from vaultgate_ops.reporting import Reporter

# cmd/go, with -x, tells of a finished download: "# get https://proxy/some/module/@v/v1.2.3.zip: 200 OK (0.210s)".
_FETCHED = re.compile(r"# get \S*?([^/\s]+/[^/\s]+)/@v/(\S+)\.zip: 200\b")


@dataclass(frozen=True)
class Space:
    """Bytes of disk that a build of Vault takes; the defaults were measured with Go 1.26 on empty caches.

    Args:
        modules: in Go's module cache, unless they are there already.
        objects: in Go's build cache.
        work: in the workplace: Go keeps a second copy of all objects until it has linked, then there is the binary.
    """

    modules: int = 4 * disk.GIB
    objects: int = 4 * disk.GIB
    work: int = 9 * disk.GIB // 2


def settings(environ: Mapping[str, str], toolchain: Toolchain, workplace: Workplace, arch: str) -> dict[str, str]:
    """The environment that Go is run with.

    Values are set rather than removed: an empty variable lets ``go env -w`` settings through.
    """
    ours = {
        "CGO_ENABLED": "0",
        "GO111MODULE": "on",
        "GOARCH": arch,
        # -modcacherw: the module cache would be read-only folders, which nobody can delete.
        "GOFLAGS": "-mod=readonly -modcacherw" if toolchain.ours else "-mod=readonly",
        "GOOS": "linux",
        # Here and not in /tmp: it is large, and this folder is swept after a crash.
        "GOTMPDIR": str(workplace.folder / "tmp"),
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
    kept = {name: value for name, value in environ.items() if name not in {"GOEXPERIMENT", "GOROOT"}}
    if not toolchain.ours:
        return {**kept, **ours}
    temporary = {
        "GOMODCACHE": str(workplace.folder / "modules"),
        "GOCACHE": str(workplace.folder / "objects"),
    }
    return {**temporary, **kept, **ours}


@dataclass(frozen=True)
class _Build:
    """One build: a toolchain, its environment and where it works."""

    toolchain: Toolchain
    environ: dict[str, str]
    source: Path
    workplace: Workplace

    def go(self, *arguments: str, on_line: Callable[[str], None], purpose: str, **variables: str) -> None:
        try:
            programs.follow(
                [str(self.toolchain.go), *arguments],
                environ={**self.environ, **variables},
                folder=self.source,
                on_line=on_line,
                held=[self.workplace.lock],
            )
        except programs.ProgramFailed as failure:
            raise explain(failure, purpose, self.workplace.folder) from failure

    def ask(self, *arguments: str) -> Any:
        told = programs.answer([str(self.toolchain.go), *arguments], environ=self.environ, folder=self.source)
        if told is None:
            raise Missing(
                f"{self.toolchain.go} doesn't work: go {' '.join(arguments)} failed.",
                f"Repair that Go or take it off PATH, or {YOUR_OWN}.",
            )
        return json.loads(told)


def build_vault(
    workplace: Workplace,
    *,
    version: str,
    toolchain: Toolchain,
    arch: str,
    environ: Mapping[str, str],
    reporter: Reporter,
    source: Path = SOURCE,
    space: Space = Space(),
) -> Path:
    """Download Vault's modules and compile it: a few minutes, most of the machine.

    Args:
        workplace: where it is compiled.
        version: for the words only; ``go.mod`` decides.
        toolchain: the Go to use.
        arch: Go's name of the processor.
        environ: whose Go settings are respected, see ``settings``.
        reporter: sees modules and packages go by.
        source: the folder of ``main.go``, ``go.mod`` and ``go.sum``.
        space: asked for before anything is downloaded.

    Returns:
        The binary, in the workplace.

    Raises:
        Missing: no room on disk, or a Go that doesn't work.
        Unreachable: modules can't be downloaded.
        CheckFailed: a module isn't the one that was pinned, or Vault doesn't compile.
    """
    (workplace.folder / "tmp").mkdir(exist_ok=True)
    # A copy: whatever Go might write beside go.mod isn't written into the checkout.
    copy = Path(shutil.copytree(source, workplace.folder / "source"))
    build = _Build(toolchain, settings(environ, toolchain, workplace, arch), copy, workplace)
    caches = build.ask("env", "-json", "GOMODCACHE", "GOCACHE")
    modules, objects = Path(caches["GOMODCACHE"]), Path(caches["GOCACHE"])
    absent = _absent_modules(build.ask("mod", "edit", "-json"), modules)
    needs = {workplace.folder: space.work, objects: space.objects, modules: space.modules if absent else 0}
    disk.require_space(needs, f"Building Vault {version}")
    _download_modules(build, absent, version, reporter)
    return _compile(build, version, reporter)


def _absent_modules(module: Mapping[str, Any], cache: Path) -> int:
    """How many of the modules that ``go mod edit -json`` names are not in the cache yet."""
    replaced = {each["Old"]["Path"]: each["New"] for each in module.get("Replace") or []}
    count = 0
    for required in module["Require"]:
        taken = replaced.get(required["Path"], required)
        # The cache spells capital letters "!a", for file systems that don't tell them apart (golang.org/ref/mod).
        path, version = (re.sub(r"[A-Z]", lambda m: "!" + m[0].lower(), taken[key]) for key in ("Path", "Version"))
        if not (cache / "cache" / "download" / path / "@v" / f"{version}.zip").exists():
            count += 1
    return count


def _download_modules(build: _Build, absent: int, version: str, reporter: Reporter) -> None:
    if not absent:
        return
    purpose = f"Downloading the modules of Vault {version}"
    with reporter.task(purpose, total=absent) as task:

        def count(line: str) -> None:
            if fetched := _FETCHED.match(line):
                task.describe(f"{fetched[1]} {fetched[2]}")
                task.advance()

        # Go downloads as many modules at a time as it may use processors: on two, most of the time would be waiting.
        build.go("mod", "download", "-x", on_line=count, purpose=purpose, GOMAXPROCS="8")


def _compile(build: _Build, version: str, reporter: Reporter) -> Path:
    purpose = f"Building Vault {version}"
    packages: set[str] = set()
    build.go("list", "-deps", ".", on_line=packages.add, purpose=purpose)
    made = build.workplace.folder / "vault"
    with reporter.task(purpose, total=len(packages)) as task:

        def count(line: str) -> None:
            if line in packages:
                task.describe("linking" if line.startswith("vaultgate.local/") else line)
                task.advance()

        flags = ["-v", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", str(made)]
        build.go("build", *flags, ".", on_line=count, purpose=purpose)
    return made
