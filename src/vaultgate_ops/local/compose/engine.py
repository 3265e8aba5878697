"""The container engine and its compose command: found, and judged before anything is started.

Rules: one sentence for each thing that can be wrong, with the fix; nothing here starts, stops or changes anything but
for images, which are fetched. The engine is the one the docker command line would talk to.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import docker
from docker.context import ContextAPI
from docker.errors import APIError, DockerException, ImageNotFound

from vaultgate_ops.errors import CheckFailed, Denied, Missing, OpsError, Unreachable, UsageProblem
from vaultgate_ops.local.compose.prepare import FORMAT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vaultgate_ops.reporting import Reporter

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
FORMAT_LABEL = "io.vaultgate.format"

_OLDEST_ENGINE, _OLDEST_API = "20.10", (1, 41)
_OLDEST_V1 = (1, 29)
_LOCAL = ("unix://", "npipe://", "http+docker://")
_ANSWER_S, _SLOW_S = 10, 600
_EMBEDDED = "or use the embedded stack, which needs no engine (make demo, make up)"


class Wanted(NamedTuple):
    """What one service needs of the machine.

    Attributes:
        service: its name.
        image: what has to be there before it starts; for one that is built, the image it is built from.
        variable: the name in ``.env`` that chooses the image.
        ports: loopback ports it is published on; those that the engine chooses are left out.
    """

    service: str
    image: str
    variable: str
    ports: tuple[int, ...]


def connect(environ: Mapping[str, str]) -> docker.DockerClient:
    """The engine that ``DOCKER_HOST`` or the current docker context names.

    Raises:
        Unreachable: none answers.
        Denied: this user may not speak to it.
        Missing: it is older than 20.10.
    """
    address = environ.get("DOCKER_HOST") or _context() or "unix:///var/run/docker.sock"
    refused = Denied(
        f"You may not use the container engine at {address}.",
        f"Join its group (usermod -aG docker $USER, then log in anew), {_EMBEDDED}.",
    )
    silent = Unreachable(
        f"No container engine answers at {address}.", f"Start Docker, or point DOCKER_HOST to an engine, {_EMBEDDED}."
    )
    try:
        _knock(address)
        engine = docker.DockerClient(base_url=address, timeout=_ANSWER_S)
        version = engine.version()
    except PermissionError as error:
        raise refused from error
    except (DockerException, OSError) as error:
        raise silent from error
    # A pull may say nothing for a while.
    engine.api.timeout = _SLOW_S
    if _numbers(version["ApiVersion"]) < _OLDEST_API:
        engine.close()
        raise Missing(
            f"The container engine at {address} is {version['Version']}, older than {_OLDEST_ENGINE}.",
            f"Update it, {_EMBEDDED}.",
        )
    return engine


def compose_command(environ: Mapping[str, str]) -> list[str]:
    """``docker compose`` or, where there is none, ``docker-compose`` 1.29.

    Raises:
        Missing: neither is there.
    """
    path = environ.get("PATH", os.defpath)
    if (found := shutil.which("docker", path=path)) and _told([found, "compose", "version", "--short"], environ):
        return [found, "compose"]
    if found := shutil.which("docker-compose", path=path):
        told = _told([found, "version", "--short"], environ)
        if _numbers(told) >= _OLDEST_V1:
            return [found]
        raise Missing(f"{found} is version {told or 'unknown'}, older than 1.29.", "Install Compose v2: docker compose.")
    raise Missing(
        "There is no docker compose on PATH.",
        f"Install the compose plugin (docker-compose-plugin) or Debian's docker-compose, {_EMBEDDED}.",
    )


def nodes(config: Mapping[str, Any]) -> list[str]:
    """The services of Vault beside the first that a resolved compose file asks for, by command or by `.env`."""
    addresses = str(config["services"]["prepare"]["environment"]["VAULT_ADDRESSES"] or "")
    return [str(urlsplit(address).hostname) for address in addresses.split(",") if address]


def wanted(config: Mapping[str, Any]) -> list[Wanted]:
    """What a resolved compose file needs, as both generations of compose print it; 1.29 prints other profiles', too."""
    found = []
    asked = nodes(config)
    for service, spec in config["services"].items():
        if spec.get("profiles") and service not in asked:
            continue
        image, variable = str(spec["image"]), f"{service.upper()}_IMAGE"
        if "build" in spec:
            arguments = spec["build"]["args"]
            given = arguments if isinstance(arguments, dict) else dict(word.split("=", 1) for word in arguments)
            image, variable = str(given["PYTHON_IMAGE"]), "PYTHON_IMAGE"
        elif spec.get("pull_policy") == "never":
            image = ""
        if service == "function":
            variable = "LAMBDA_IMAGE"
        elif service in asked:
            variable = "VAULT_IMAGE"
        ports = tuple(filter(None, (_published(port) for port in spec.get("ports", ()))))
        found.append(Wanted(service, image, variable, ports))
    return found


def check(engine: docker.DockerClient, project: str, needs: Iterable[Wanted], reporter: Reporter) -> None:
    """See that everything could start, and fetch the images that are not there.

    Raises:
        CheckFailed: a volume is of another version.
        UsageProblem: a port is taken.
        Unreachable: an image can't be fetched.
    """
    needs = list(needs)
    check_volumes(engine, project)
    if engine.api.base_url.startswith(_LOCAL):
        running = {one.labels.get(SERVICE) for one in engine.containers.list(filters={"label": f"{PROJECT}={project}"})}
        check_ports(need for need in needs if need.service not in running)
    fetch_images(engine, needs, reporter)


def check_volumes(engine: docker.DockerClient, project: str) -> None:
    """See that volumes of earlier runs fit."""
    for volume in engine.volumes.list(filters={"label": f"{PROJECT}={project}"}):
        found = (volume.attrs.get("Labels") or {}).get(FORMAT_LABEL, "an older one")
        if found != FORMAT:
            raise CheckFailed(
                f"The volume {volume.name} is of format {found}, this Vaultgate's are of format {FORMAT}.",
                "Remove the old stack with all it holds: vaultgate down.",
            )


def check_ports(needs: Iterable[Wanted]) -> None:
    """See that the ports are free on loopback."""
    for need in needs:
        for port in need.ports:
            with socket.socket() as probe:
                # As the engine does it: connections of a process that ended don't count.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError as error:
                    if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                        raise
                    reason = "taken" if error.errno == errno.EADDRINUSE else "not yours to use"
                    name = f"{need.service.upper().replace('-', '_')}_PORT"
                    raise UsageProblem(
                        f"Port {port} of 127.0.0.1, for {need.service}, is {reason}.",
                        f"Choose another in .env ({name}={port + 10000}), or none and the engine chooses ({name}=).",
                    ) from error


def fetch_images(engine: docker.DockerClient, needs: Iterable[Wanted], reporter: Reporter) -> None:
    """Pull what the engine doesn't have."""
    for need in needs:
        if not need.image:
            continue
        with contextlib.suppress(ImageNotFound):
            engine.images.get(need.image)
            continue
        with reporter.task(f"Pulling {need.image}") as task:
            try:
                for event in engine.api.pull(*_repository(need.image), stream=True, decode=True):
                    if "error" in event:
                        raise _unpullable(need, event["error"])
                    task.describe(str(event.get("status", "")))
            except APIError as error:
                raise _unpullable(need, error.explanation or str(error)) from error


def _unpullable(need: Wanted, reason: str) -> OpsError:
    # The engine's words end with the registry's, which may be long.
    return Unreachable(
        f"The image {need.image} can't be pulled: {reason.strip().rstrip('.').splitlines()[0]}.",
        f"Check its name and the network, or set {need.variable} in .env to an image that you have.",
    )


def _repository(image: str) -> tuple[str, str]:
    """Name and tag; a colon before a slash is a registry's port."""
    name, colon, tag = image.rpartition(":")
    return (name, tag) if colon and "/" not in tag else (image, "latest")


def _published(port: Any) -> int | None:
    """Compose v2 prints a mapping, 1.29 a text such as ``127.0.0.1:8200:8200/tcp``."""
    text = str(port.get("published") or "") if isinstance(port, dict) else str(port).partition("/")[0].split(":")[-2]
    return int(text) if text.isdecimal() and int(text) else None


def _context() -> str:
    with contextlib.suppress(DockerException, OSError, ValueError):
        context = ContextAPI.get_current_context()
        if context is not None:
            return str(context.Host or "")
    return ""


def _knock(address: str) -> None:
    """Open an engine's socket and close it: the SDK hides why it can't, and leaves its own open.

    Raises:
        OSError: nobody listens, or we may not.
    """
    if address.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_ANSWER_S)
            probe.connect(address.removeprefix("unix://"))


def _told(command: list[str], environ: Mapping[str, str]) -> str:
    """What a command prints; empty if it fails."""
    try:
        done = subprocess.run(command, env=dict(environ), capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "" if done.returncode else done.stdout.strip()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])
