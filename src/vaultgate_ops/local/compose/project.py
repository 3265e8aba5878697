"""One compose project of docker-compose.yml: brought up, looked at, and removed with all it holds.

Rules: compose starts, because only it knows the order; everything else goes through the engine by the labels that both
generations of compose set, so that a project can be removed where no compose is installed. A demo's project carries its
owner in its name, by pid and start time, so that one whose owner died is known.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import tarfile
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import yaml
from docker.errors import APIError, NotFound

from vaultgate_ops.errors import Missing, Unreachable, UsageProblem
from vaultgate_ops.interruptions import uninterrupted
from vaultgate_ops.local import paths
from vaultgate_ops.local.compose import engine as engines
from vaultgate_ops.local.compose import standing
from vaultgate_ops.local.compose.engine import PROJECT, SERVICE
from vaultgate_ops.local.identity import Identity

if TYPE_CHECKING:
    from collections.abc import Mapping

    import docker
    from docker.models.containers import Container
    from docker.models.networks import Network
    from docker.models.volumes import Volume

    from vaultgate_ops.clock import Clock
    from vaultgate_ops.reporting import Reporter

_DEMO = re.compile(r"vaultgate-demo-(\d+)-(\d+)")
_HEALTHY_S = 180.0
_POLL_S = 0.2
# The function first: its extension has 2 s to give back what it holds, and needs Vault for that.
_ENDING = ("front", "function", "mirror", "bootstrap", "unseal", "vault-c", "vault-b", "vault", "mysql", "aws", "prepare")
_STOP_S = 10
_GONE_S = 60.0
_TAIL = 5

CHOSEN_BY_ENGINE: Final[Mapping[str, str]] = {
    f"{name}_PORT": "" for name in ("VAULT", "VAULT_B", "VAULT_C", "MYSQL", "AWS", "FUNCTION", "FRONT")
}
"""Ports for a project that shall not meet another."""


class Project:
    """One project, whether it runs or not.

    Args:
        name: compose's project name.
        environ: for compose: image names, ports, where the engine is.
        reporter: told what goes on.
    """

    def __init__(self, name: str, environ: Mapping[str, str], reporter: Reporter, clock: Clock) -> None:
        self.name = name
        self.engine = engines.connect(environ)
        self._environ = dict(environ)
        self._reporter, self._clock = reporter, clock
        self._compose = [*engines.compose_command(environ), "--project-name", name]

    def check(self) -> None:
        """See that it could start, and fetch its images.

        Raises:
            OpsError: what is in the way, in one sentence.
        """
        engines.check(self.engine, self.name, engines.wanted(self._config), self._reporter)

    def nodes(self) -> list[str]:
        """The services of Vault beside the first that are to run."""
        return engines.nodes(self._config)

    @cached_property
    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = yaml.safe_load(self._run("config"))
        return config

    def build(self) -> None:
        """Build the tools' image; quick where nothing changed."""
        with self._reporter.task("Building the tools' image"):
            self._run("build", "prepare")

    def up(self, *services: str) -> None:
        """Start services and those they need, and wait until each is healthy, or done if it ends by itself.

        Raises:
            Unreachable: one did not come up; the message quotes its log.
        """
        with self._reporter.task(f"Starting {', '.join(services)} in containers"):
            try:
                self._run("up", "-d", "--no-build", *services)
            except UsageProblem as error:
                raise self._blame() or error from error
            deadline = self._clock.steady() + _HEALTHY_S
            for service in services:
                while (state := self._state(service)) not in (standing.HEALTHY, standing.DONE):
                    if state == standing.FAILED or self._clock.steady() > deadline:
                        raise self._blame() or Unreachable(f"{service} did not become healthy.", self._read_logs(service))
                    self._clock.sleep(_POLL_S)
            self._renew_credentials()

    def container(self, service: str) -> Container:
        """The container of a service.

        Raises:
            Missing: there is none.
        """
        found = self.engine.containers.list(all=True, filters={"label": [f"{PROJECT}={self.name}", f"{SERVICE}={service}"]})
        if not found:
            raise Missing(f"The project {self.name} has no service {service}.", "Start it: vaultgate up --docker.")
        return found[0]

    def address(self, service: str, port: int) -> str:
        """Where a service's port is on this machine: ``127.0.0.1:PORT``."""
        container = self.container(service)
        for published in container.ports.get(f"{port}/tcp") or ():
            return f"127.0.0.1:{published['HostPort']}"
        raise Unreachable(f"{service} is not published.", self._read_logs(service))

    def report(self, service: str) -> dict[str, Any]:
        """What a step that ended reported: its last line, as JSON."""
        last = self.container(service).logs(tail=1).decode().strip()
        facts: dict[str, Any] = json.loads(last)
        return facts

    def again(self, service: str) -> None:
        """Run a step once more.

        Raises:
            Unreachable: it failed.
        """
        container = self.container(service)
        container.start()
        if container.wait()["StatusCode"]:
            raise self._blame() or Unreachable(f"{service} failed.", self._read_logs(service))

    def read(self, service: str, path: str) -> bytes:
        """A file as a container sees it."""
        stream, _ = self.container(service).get_archive(path)
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
            member = archive.extractfile(archive.getmembers()[0])
            if member is None:
                raise Missing(f"{path} of {service} is no file.")
            return member.read()

    def _renew_credentials(self) -> None:
        """Start the function anew if the emulated AWS began after it: its credentials ended with the one before."""
        found = {container.labels.get(SERVICE): container for container in _of(self.engine, self.name)[0]}
        aws, function = found.get("aws"), found.get("function")
        if aws is None or function is None or function.status != "running":
            return
        if aws.attrs["State"]["StartedAt"] > function.attrs["State"]["StartedAt"]:
            function.restart(timeout=_STOP_S)
            while self._state("function") == "starting":
                self._clock.sleep(_POLL_S)

    def _state(self, service: str) -> str:
        return standing.state(self.container(service))

    def _blame(self) -> Unreachable | None:
        """The first service that failed, with the last words of its log."""
        for service in reversed(_ENDING):
            for container in self.engine.containers.list(
                all=True, filters={"label": [f"{PROJECT}={self.name}", f"{SERVICE}={service}"]}
            ):
                state = container.attrs["State"]
                ended_badly = state["Status"] == "exited" and state["ExitCode"]
                if ended_badly or state.get("Health", {}).get("Status") == "unhealthy":
                    said = " ".join(container.logs(tail=_TAIL).decode(errors="replace").split("\n")).strip()
                    return Unreachable(f"{service} did not come up; it said: {said}", self._read_logs(service))
        return None

    def _read_logs(self, service: str) -> str:
        return f"Read docker logs {self.name}-{service}-1 (docker-compose 1.29 puts _ for -)."

    def _run(self, *arguments: str) -> str:
        # From the checkout, so that compose finds its file, and .env and docker-compose.override.yml if they are there.
        command, folder = [*self._compose, *arguments], paths.checkout()
        done = subprocess.run(command, cwd=folder, env=self._environ, capture_output=True, text=True, check=False)
        if done.returncode:
            said = " ".join((done.stderr or done.stdout).split())
            raise UsageProblem(f"{' '.join(arguments)} failed in compose: {said[-600:]}", "Look at docker-compose.yml and .env.")
        return done.stdout


def project_name(name: str) -> str:
    """The project of `vaultgate up --docker --name NAME`; the default's is the one that compose itself would take."""
    return "vaultgate" if name == "up" else f"vaultgate-{name}"


def demo_name() -> str:
    """A project name for this process's demo."""
    me = Identity.of(os.getpid())
    return f"vaultgate-demo-{os.getpid()}-{me.started if me else 0}"


def remove(engine: docker.DockerClient, name: str, clock: Clock) -> list[str]:
    """End a project in order and delete its containers, network and volumes; the services that were ended.

    A compose command that was cut off may have a request under way, so it is looked at again until nothing is there.
    Nobody interrupts it, and each of its waits is bounded.

    Raises:
        Unreachable: something can't be removed.
    """
    ended: list[str] = []
    deadline = clock.steady() + _GONE_S
    with uninterrupted():
        while True:
            containers, networks, volumes = _of(engine, name)
            if not (containers or networks or volumes):
                return ended
            try:
                for container in sorted(containers, key=_order):
                    if container.status == "running":
                        container.stop(timeout=_STOP_S)
                        ended.append(str(container.labels.get(SERVICE)))
                    container.remove(force=True, v=True)
                for network in networks:
                    network.remove()
                for volume in volumes:
                    volume.remove()
            except NotFound:
                continue
            except APIError as error:
                if clock.steady() > deadline:
                    raise Unreachable(
                        f"The project {name} can't be removed: {error.explanation}.", "End what uses it, and do this again."
                    ) from error
                clock.sleep(_POLL_S)


def _of(engine: docker.DockerClient, name: str) -> tuple[list[Container], list[Network], list[Volume]]:
    """Everything that carries a project's label."""
    label: dict[str, str | list[str] | bool] = {"label": f"{PROJECT}={name}"}
    # ignore_removed: one that goes while the others are looked at is none.
    containers = engine.containers.list(all=True, filters=label, ignore_removed=True)
    return containers, engine.networks.list(filters=label), engine.volumes.list(filters=label)


def _order(container: Container) -> int:
    service = container.labels.get(SERVICE)
    return _ENDING.index(service) if service in _ENDING else -1


def left_behind(engine: docker.DockerClient) -> list[str]:
    """Names of demo projects whose owner is dead."""
    things = [
        *engine.containers.list(all=True, filters={"label": PROJECT}),
        *engine.volumes.list(filters={"label": PROJECT}),
    ]
    names = {str((thing.attrs.get("Labels") or thing.attrs["Config"]["Labels"])[PROJECT]) for thing in things}
    return sorted(name for name in names if (owner := _DEMO.fullmatch(name)) and not _owner(owner).alive())


def _owner(found: re.Match[str]) -> Identity:
    return Identity(int(found[1]), int(found[2]))
