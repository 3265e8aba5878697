"""`make test-compose`: the checks of docker-compose.yml on a real engine.

Rules: an engine that answers is used as it is, with the real images. Where none answers, Debian's packages are installed
if that is allowed, and an engine of our own runs for as long as the tests do: in namespaces of its own for processes,
mounts and network, so that nothing of it (containers, bridge, packet filter rules, mounts) can outlive this command, not
even if it is killed. Such an engine reaches no registry: its images are the stand-ins. What it stores stays in the cache
folder and makes the next run quick.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import stand_ins
from docker.errors import DockerException

from vaultgate_ops.cli import speech
from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import Denied, Missing, OpsError, Unreachable
from vaultgate_ops.local import paths
from vaultgate_ops.local.compose import engine as engines

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = {"dockerd": "docker.io", "docker-compose": "docker-compose", "debootstrap": "debootstrap", "ip": "iproute2"}
CHECKS = "tests/compose/engine_checks.py"
INSIDE = "inside"
_READY_S, _STOP_S, _POLL_S = 60.0, 60, 0.1


def main(arguments: list[str]) -> int:
    """Run the checks; pytest's exit code, or that of what is in the way."""
    try:
        if arguments[:1] == [INSIDE]:
            return inside(arguments[1:])
        try:
            engine = engines.connect(os.environ)
        except (Unreachable, Denied):
            return with_own_engine(arguments)
        speech.line(f"using the engine that answers, {engine.version()['Version']}, and the images of .env.example")
        return checks(arguments, os.environ.copy())
    except OpsError as error:
        speech.failure(error)
        return error.exit_code


def with_own_engine(arguments: list[str]) -> int:
    """Gather what the images are made of while there is a network, then go on in namespaces."""
    if os.geteuid() != 0:
        raise Missing(
            "No container engine answers, and only root can start one.", "Start Docker, or run make test-compose as root."
        )
    install([package for program, package in PROGRAMS.items() if shutil.which(program) is None])
    speech.line("no engine answers: starting one of our own, with stand-in images")
    stand_ins.gather()
    with lock():
        namespaces = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
        return subprocess.run([*namespaces, sys.executable, __file__, INSIDE, *arguments], check=False).returncode


def inside(arguments: list[str]) -> int:
    """In the namespaces: the engine, the images, the checks."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.TemporaryDirectory(prefix="vaultgate-engine-") as folder, running(Path(folder)) as address:
        environment = {**os.environ, **stand_ins.environment(), "DOCKER_HOST": address}
        stand_ins.build(docker.DockerClient(base_url=address, timeout=600))
        return checks(arguments, environment)


def checks(arguments: list[str], environment: dict[str, str]) -> int:
    """Run the checks with pytest."""
    command = [sys.executable, "-m", "pytest", "-n0", "-v", "--timeout=600", CHECKS, *arguments]
    return subprocess.run(command, cwd=paths.checkout(), env=environment, check=False).returncode


@contextlib.contextmanager
def running(folder: Path) -> Iterator[str]:
    """An engine of our own; gives its address."""
    address = f"unix://{folder}/docker.sock"
    log_file = paths.build_folder() / "test-compose" / "dockerd.log"
    log_file.parent.mkdir(parents=True, exist_ok=True)
    store = paths.cache_folder() / "engine"
    with log_file.open("wb") as log:
        daemon = subprocess.Popen(
            [
                *("dockerd", "--host", address, "--pidfile", str(folder / "docker.pid")),
                *("--data-root", str(store), "--exec-root", str(folder / "exec")),
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        clock = Clock()
        deadline = clock.steady() + _READY_S
        while not answers(address):
            if daemon.poll() is not None or clock.steady() > deadline:
                last = log_file.read_text(errors="replace").splitlines()[-1:]
                raise Unreachable(f"dockerd did not come up: {' '.join(last)}", f"Read {log_file}.")
            clock.sleep(_POLL_S)
        yield address
    finally:
        daemon.terminate()
        try:
            daemon.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


def answers(address: str) -> bool:
    """Whether an engine is there."""
    try:
        return bool(docker.DockerClient(base_url=address, timeout=5).ping())
    except (DockerException, OSError):
        return False


def install(packages: list[str]) -> None:
    """Install Debian's packages."""
    if not packages:
        return
    if shutil.which("apt-get") is None:
        raise Missing(f"These are not installed: {', '.join(packages)}.", "Install them, or start a container engine.")
    speech.line(f"installing {' '.join(packages)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *packages]
    log_file = paths.build_folder() / "test-compose" / "apt.log"
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("wb") as log:
        for step in (["apt-get", "update", "--quiet"], command):
            done = subprocess.run(step, env=environment, stdout=log, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise Missing(f"{' '.join(packages)} can't be installed.", f"Read {log_file}.")


@contextlib.contextmanager
def lock() -> Iterator[None]:
    """One at a time: an engine's store is its own."""
    path = paths.cache_folder() / "engine.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
