from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from tests.local.fetch import parts

from vaultgate_ops.errors import CheckFailed, Missing
from vaultgate_ops.local import disk
from vaultgate_ops.local.fetch.download import Patience
from vaultgate_ops.local.fetch.go import Space
from vaultgate_ops.local.fetch.vault import Bounds, Release, find_vault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.local.fetch.parts import Recorder, ReleaseServer

ARCHIVE = parts.vault_archive()
BOUNDS = Bounds(Patience(answer_s=5, stall_s=5), archive_bytes=1, build=Space(modules=1, objects=1, work=1))


@dataclass
class Machine:
    """A machine on which Vault is looked for."""

    environ: dict[str, str]
    reporter: Recorder
    cache: Path
    release: Release
    bounds: Bounds = BOUNDS

    def find(self, **changes: str) -> Path:
        """Look for Vault with these variables on top."""
        return find_vault(
            {**self.environ, **changes},
            self.reporter,
            cache=self.cache,
            release=self.release,
            bounds=self.bounds,
            machine="x86_64",
        )

    def serves(self, server: ReleaseServer, sha256: str = parts.sha256(ARCHIVE)) -> Machine:
        """The same machine with a release server within reach."""
        release = Release(archive=server.url + "/vault_{version}_{arch}.zip", sha256={"amd64": sha256})
        return replace(self, release=release)

    def files(self) -> set[str]:
        """All that is in the cache."""
        return {str(path.relative_to(self.cache)) for path in self.cache.rglob("*") if path.is_file()}


KEPT = {f"vault/1.21.1/{name}" for name in ("linux_amd64/vault", "linux_amd64/vault.sha256", "linux_amd64.lock")}
LOCK = {"vault/1.21.1/linux_amd64.lock"}


@pytest.fixture
def machine(environ: dict[str, str], reporter: Recorder, tmp_path: Path, nobody_listens: str) -> Machine:
    """A machine without a network and without anything installed."""
    release = Release(archive=nobody_listens + "/vault_{version}_{arch}.zip")
    return Machine(environ, reporter, tmp_path / "cache", release)


def test_named_binary_wins(machine: Machine, programs: Path, tmp_path: Path) -> None:
    """VAULT_BIN is taken before a newer vault on PATH, and nothing is fetched."""
    parts.program(programs / "vault", parts.vault_text("1.30.0"))
    named = parts.program(tmp_path / "mine", parts.vault_text("1.21.4+ent"))
    assert machine.find(VAULT_BIN=str(named)) == named
    assert machine.files() == set()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (parts.vault_text("1.20.7"), "which is Vault 1.20.7, older than 1.21"),
        (parts.vault_text("2.4.1", "OpenBao"), "which is not HashiCorp's Vault but 'OpenBao v2.4.1"),
        ("exit 1", "which is no program that can tell its version"),
        ("true", "which is not HashiCorp's Vault"),
    ],
)
def test_named_binary_is_never_replaced(machine: Machine, programs: Path, tmp_path: Path, text: str, reason: str) -> None:
    """A VAULT_BIN that doesn't fit is refused by what it is, though a good vault is on PATH."""
    parts.program(programs / "vault", parts.vault_text("1.21.1"))
    named = parts.program(tmp_path / "mine", text)
    with pytest.raises(Missing, match="VAULT_BIN names") as refused:
        machine.find(VAULT_BIN=str(named))
    assert reason in refused.value.message
    assert "1.21 or newer" in refused.value.hint


def test_named_binary_must_exist(machine: Machine, tmp_path: Path) -> None:
    """A VAULT_BIN that isn't there, or can't be executed, is told apart."""
    with pytest.raises(Missing, match="there is no such file"):
        machine.find(VAULT_BIN=str(tmp_path / "absent"))
    plain = parts.program(tmp_path / "plain", parts.vault_text("1.21.1"))
    plain.chmod(0o644)
    with pytest.raises(Missing, match="which is not executable"):
        machine.find(VAULT_BIN=str(plain))


def test_path_before_fetching(machine: Machine, programs: Path, serve: Callable[..., ReleaseServer]) -> None:
    """A vault on PATH that is new enough is used, and no server is asked."""
    server = serve(ARCHIVE)
    found = parts.program(programs / "vault", parts.vault_text("1.21.0"))
    assert machine.serves(server).find() == found
    assert (server.asked, machine.files()) == ([], set())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (parts.vault_text("1.9.10"), "is Vault 1.9.10, older than 1.21; looking for another Vault."),
        (parts.vault_text("2.4.1", "OpenBao"), "is not HashiCorp's Vault but 'OpenBao v2.4.1"),
    ],
)
def test_unfit_on_path_is_passed_over(
    machine: Machine, programs: Path, serve: Callable[..., ReleaseServer], text: str, reason: str
) -> None:
    """An old Vault or an OpenBao on PATH is passed over, and why is said."""
    parts.program(programs / "vault", text)
    found = machine.serves(serve(ARCHIVE)).find()
    assert found.is_relative_to(machine.cache)
    assert reason in machine.reporter.said[0]


def test_archive_is_fetched_once(machine: Machine, serve: Callable[..., ReleaseServer]) -> None:
    """The release archive becomes a checked binary in the cache, which the next look uses without a server."""
    server = serve(ARCHIVE)
    found = machine.serves(server).find()
    assert machine.files() == KEPT
    assert server.asked == ["/vault_1.21.1_amd64.zip"]
    assert machine.reporter.find("Downloading Vault 1.21.1").done == len(ARCHIVE)
    subprocess.run(["sha256sum", "--check", "--quiet", "vault.sha256"], cwd=found.parent, check=True)
    assert machine.serves(server).find() == found
    assert len(server.asked) == 1


def test_pinned_hash_is_a_wall(machine: Machine, programs: Path, serve: Callable[..., ReleaseServer]) -> None:
    """An archive with another hash is refused: it isn't used, and no other way is tried behind the user's back."""
    parts.go(programs / "go")
    with pytest.raises(CheckFailed, match="is not the file that was pinned"):
        machine.serves(serve(ARCHIVE + b"x")).find()
    assert machine.files() == LOCK
    assert not (programs.parent / "home" / "go.log").exists()


@pytest.mark.parametrize(
    ("faults", "reason"),
    [
        ({"status": 404}, "answered 404"),
        ({"status": 503}, "answered 503"),
        ({"cut": 100}, "ended after"),
        ({"hang": "before"}, "gave no answer within 0.2 s"),
        ({"hang": "middle"}, "stopped in the middle (timed out)"),
    ],
)
def test_absent_archive_leads_to_the_build(
    machine: Machine, programs: Path, serve: Callable[..., ReleaseServer], faults: dict[str, object], reason: str
) -> None:
    """A server that has no archive for us is told of in a sentence, and Vault is built instead."""
    parts.go(programs / "go")
    # The one that is tried is short, the other out of the way.
    short = "answer_s" if faults == {"hang": "before"} else "stall_s"
    machine.bounds = replace(BOUNDS, patience=replace(BOUNDS.patience, **{short: 0.2}))
    machine.serves(serve(ARCHIVE, **faults)).find()
    assert reason in machine.reporter.said[0]
    assert "Building Vault 1.21.1 from its Go module instead" in machine.reporter.said[0]
    assert machine.files() == KEPT


def test_unreachable_archive_leads_to_the_build(machine: Machine, programs: Path) -> None:
    """Without a network the release server is given up at once, and Vault is built instead."""
    parts.go(programs / "go")
    machine.find()
    assert "can't be reached (Connection refused)" in machine.reporter.said[0]


def test_good_cache_is_only_read(machine: Machine, serve: Callable[..., ReleaseServer]) -> None:
    """A binary that is whole is used without a lock, so that nobody waits for it and a read-only cache will do."""
    server = serve(ARCHIVE)
    found = machine.serves(server).find()
    lock = found.parent.with_name("linux_amd64.lock")
    lock.unlink()
    assert machine.serves(server).find() == found
    assert not lock.exists()


@pytest.mark.parametrize("damage", ["flipped", "cut", "no checksum", "empty checksum", "not executable", "gone"])
def test_corrupt_cache_is_refetched(machine: Machine, serve: Callable[..., ReleaseServer], damage: str) -> None:
    """A cached binary that doesn't match its checksum is told of in one sentence and fetched again."""
    server = serve(ARCHIVE)
    found = machine.serves(server).find()
    whole, checksum = found.read_bytes(), found.with_name("vault.sha256")
    match damage:
        case "flipped":
            found.write_bytes(whole[:-2] + b"#\n")
        case "cut":
            found.write_bytes(whole[:-1])
        case "no checksum":
            checksum.unlink()
        case "empty checksum":
            checksum.write_bytes(b"")
        case "not executable":
            found.chmod(0o644)
        case "gone":
            found.unlink()
    assert machine.serves(server).find().read_bytes() == whole
    assert machine.reporter.said == [f"The cached {found} doesn't match its checksum; fetching it again."]
    assert machine.files() == KEPT
    assert len(server.asked) == 2


def test_wrong_version_is_thrown_away(machine: Machine, programs: Path) -> None:
    """A build that turns out to be another Vault than the pinned one is not kept."""
    parts.go(programs / "go", makes="1.21.2")
    with pytest.raises(CheckFailed, match=r"What was fetched as Vault 1\.21\.1 is 1\.21\.2"):
        machine.find()
    assert machine.files() == LOCK


def test_space_is_asked_for_first(machine: Machine, serve: Callable[..., ReleaseServer]) -> None:
    """Where the disk is too small for the archive, nothing is downloaded."""
    server = serve(ARCHIVE)
    machine.bounds = replace(BOUNDS, archive_bytes=1024 * disk.GIB * 1024)
    with pytest.raises(Missing, match=r"Downloading Vault 1\.21\.1 needs .* free\.$"):
        machine.serves(server).find()
    assert server.asked == []


def test_unwritable_cache_is_named(machine: Machine) -> None:
    """A cache folder that can't be made is one sentence with the fix."""
    machine.cache.write_bytes(b"a file where a folder should be")
    with pytest.raises(Missing, match=r"Fetching Vault 1\.21\.1 can't use .*: Not a directory\.$") as refused:
        machine.find()
    assert "XDG_CACHE_HOME" in refused.value.hint


def test_cache_is_the_users(machine: Machine, serve: Callable[..., ReleaseServer], tmp_path: Path) -> None:
    """Without a folder given, the cache is Vaultgate's in the user's cache folder."""
    served = machine.serves(serve(ARCHIVE))
    environ = {**machine.environ, "XDG_CACHE_HOME": str(tmp_path / "xdg")}
    found = find_vault(environ, machine.reporter, release=served.release, bounds=BOUNDS, machine="x86_64")
    assert found == tmp_path / "xdg" / "vaultgate" / "vault" / "1.21.1" / "linux_amd64" / "vault"
