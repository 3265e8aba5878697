from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.local.fetch import parts

from vaultgate_ops.local import preflight
from vaultgate_ops.local.fetch.go import Space
from vaultgate_ops.local.fetch.vault import Bounds, Release, find_vault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.local.fetch.parts import ReleaseServer

ARCHIVE = parts.vault_archive()
FETCH = [sys.executable, str(Path(parts.__file__).with_name("process.py"))]
KEPT = ["linux_amd64", "linux_amd64.lock"]

Start = "Callable[[list[str]], subprocess.Popen[str]]"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir()
    return folder


@pytest.fixture
def start(environ: dict[str, str], cache: Path) -> Iterator[Start]:
    """Start fetching in a process of its own; it and the build that it started are dead when the test ends."""
    started: list[subprocess.Popen[str]] = []

    def popen(arguments: list[str]) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*FETCH, str(cache), *arguments],
            env={**environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield popen
    for process in started:
        process.kill()
        process.communicate()
    pids = Path(environ["HOME"]) / "pids"
    for pid in map(int, pids.read_text(encoding="utf-8").split() if pids.exists() else []):
        if alive(pid):
            os.kill(pid, signal.SIGKILL)


def find(environ: dict[str, str], reporter: parts.Recorder, cache: Path, archive: str) -> Path:
    """Fetch Vault in this process."""
    return find_vault(
        environ,
        reporter,
        cache=cache,
        release=Release(archive=archive, sha256={"amd64": parts.sha256(ARCHIVE)}),
        bounds=Bounds(archive_bytes=1, build=Space(modules=1, objects=1, work=1)),
        machine="x86_64",
    )


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped doesn't."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def until(condition: Callable[[], object]) -> None:
    """Wait for a condition that others bring about."""
    pause = threading.Event()
    for _ in range(parts.DEADLINE_S * 100):
        if condition():
            return
        pause.wait(0.01)
    pytest.fail("the condition did not come about in time")


def building(home: Path) -> list[int]:
    """The processes of the build under way, once both have said who they are."""
    written = home / "pids"
    until(lambda: written.exists() and len(written.read_text().split()) == 2)
    return [int(pid) for pid in written.read_text().split()]


BUILD_FOREVER = 'sleep 300 & echo $! $$ >"$HOME/pids"; echo runtime; wait'
BUILD_UNTIL_TOLD = 'echo $$ $$ >"$HOME/pids"; while [ ! -e "$HOME/go-on" ]; do sleep 0.02; done'
BUILD_TALKING = 'echo $$ $$ >"$HOME/pids"; while :; do echo runtime; sleep 0.02; done'


def test_interrupt_ends_the_build(start: Start, programs: Path, cache: Path, tmp_path: Path, nobody_listens: str) -> None:
    """Ctrl-C in the middle of a build ends Go and all that it started, and leaves nothing partial."""
    parts.go(programs / "go", build=BUILD_FOREVER)
    process = start([nobody_listens, "0"])
    pids = building(tmp_path / "home")
    process.send_signal(signal.SIGINT)
    assert process.wait(parts.DEADLINE_S) == 130
    until(lambda: not any(alive(pid) for pid in pids))
    assert [path.name for path in (cache / "vault" / "1.21.1").iterdir()] == ["linux_amd64.lock"]


def test_interrupt_ends_the_download(start: Start, serve: Callable[..., ReleaseServer], cache: Path) -> None:
    """Ctrl-C in the middle of a download leaves nothing partial."""
    server = serve(ARCHIVE, hang="middle")
    process = start([server.url, parts.sha256(ARCHIVE)])
    assert server.arrived.wait(parts.DEADLINE_S)
    process.send_signal(signal.SIGINT)
    assert process.wait(parts.DEADLINE_S) == 130
    assert [path.name for path in (cache / "vault" / "1.21.1").iterdir()] == ["linux_amd64.lock"]


def test_killed_download_is_swept(
    start: Start, serve: Callable[..., ReleaseServer], environ: dict[str, str], cache: Path, reporter: parts.Recorder
) -> None:
    """After SIGKILL in the middle of a download, what it left is not used, and the next run removes it."""
    server = serve(ARCHIVE, hang="middle")
    process = start([server.url, parts.sha256(ARCHIVE)])
    left = cache / "vault" / "1.21.1" / "linux_amd64.partial" / "vault.zip"
    assert server.arrived.wait(parts.DEADLINE_S)
    until(left.exists)
    process.kill()
    process.wait()
    server.release()
    assert left.exists()
    find(environ, reporter, cache, server.url)
    assert sorted(path.name for path in (cache / "vault" / "1.21.1").iterdir()) == KEPT


def test_killed_build_ends_by_itself(start: Start, programs: Path, cache: Path, tmp_path: Path, nobody_listens: str) -> None:
    """After SIGKILL of us, Go ends at its next word, because nobody reads it any more."""
    parts.go(programs / "go", build=BUILD_TALKING)
    process = start([nobody_listens, "0"])
    pids = building(tmp_path / "home")
    process.kill()
    until(lambda: not any(alive(pid) for pid in pids))
    assert not (cache / "vault" / "1.21.1" / "linux_amd64").exists()


def test_killed_build_keeps_its_lock(
    start: Start,
    serve: Callable[..., ReleaseServer],
    programs: Path,
    environ: dict[str, str],
    *,
    cache: Path,
    tmp_path: Path,
    nobody_listens: str,
) -> None:
    """A build that outlives us isn't swept from under its feet: the next run waits for its end, and says so."""
    parts.go(programs / "go", build=BUILD_UNTIL_TOLD)
    process = start([nobody_listens, "0"])
    pids = building(tmp_path / "home")
    process.kill()
    process.wait()

    def waiting(title: str) -> None:
        if title.startswith("Waiting"):
            (tmp_path / "home" / "go-on").touch()

    reporter = parts.Recorder(waiting)
    find(environ, reporter, cache, serve(ARCHIVE).url)
    assert reporter.tasks[0].title == "Waiting for another process to fetch Vault 1.21.1"
    assert not any(alive(pid) for pid in pids)
    assert sorted(path.name for path in (cache / "vault" / "1.21.1").iterdir()) == KEPT


def test_two_at_once_fetch_once(start: Start, serve: Callable[..., ReleaseServer], environ: dict[str, str], cache: Path) -> None:
    """Of two processes that need Vault, the second waits, says so, and uses what the first fetched."""
    server = serve(ARCHIVE, hang="middle")
    first = start([server.url, parts.sha256(ARCHIVE)])
    assert server.arrived.wait(parts.DEADLINE_S)
    reporter = parts.Recorder(lambda title: server.release() if title.startswith("Waiting") else None)
    found = find(environ, reporter, cache, server.url)
    assert first.wait(parts.DEADLINE_S) == 0
    assert found.exists()
    assert [task.title for task in reporter.tasks] == ["Waiting for another process to fetch Vault 1.21.1"]
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("asked_bytes", "message"),
    [
        ("1", "Downloading Vault 1.21.1 stopped in the middle: the disk that holds"),
        ("4000000", "Downloading Vault 1.21.1 needs 4 MB of disk space, and"),
    ],
)
def test_full_disk(
    serve: Callable[..., ReleaseServer], environ: dict[str, str], cache: Path, asked_bytes: str, message: str
) -> None:
    """A disk of 1 MB that fills up in the middle, or is too small from the start, is one sentence; nothing stays."""
    archive = parts.vault_archive(padding=bytes(3_000_000))
    mount = 'PATH=/usr/sbin:/usr/bin:/sbin:/bin; cache=$1; shift; mount -t tmpfs -o size=1m none "$cache" || exit 99; "$@"; '
    script = mount + 'code=$?; find "$cache" -type f; exit "$code"'
    fetch = [*FETCH, str(cache), serve(archive).url, parts.sha256(archive), asked_bytes]
    done = subprocess.run(
        [*preflight.mount_namespace(os.environ), "sh", "-c", script, "sh", str(cache), *fetch],
        env={**environ, "PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert done.stderr.startswith(message)
    assert done.stdout.splitlines() == [str(cache / "vault" / "1.21.1" / "linux_amd64.lock")]
