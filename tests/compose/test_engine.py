"""What can be wrong with a container engine, each told in one sentence with its fix, before anything is started."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.simulators.container_engine import ContainerEngine

from vaultgate_ops.errors import CheckFailed, Missing, OpsError, Unreachable, UsageProblem
from vaultgate_ops.local import paths
from vaultgate_ops.local.compose import engine as engines
from vaultgate_ops.local.compose.engine import PROJECT, Wanted
from vaultgate_ops.local.compose.prepare import FORMAT
from vaultgate_ops.reporting import Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import docker

VAULT = Wanted("vault", "hashicorp/vault:1.21", "VAULT_IMAGE", ())
PREPARE = {
    "image": "vaultgate-tools",
    "build": {"args": {"PYTHON_IMAGE": "python:3.12-slim"}},
    "environment": {"VAULT_ADDRESSES": ""},
}


@pytest.fixture
def simulated() -> ContainerEngine:
    """An engine that has nothing and may pull nothing."""
    return ContainerEngine()


@pytest.fixture
def client(simulated: ContainerEngine, tmp_path: Path) -> Iterator[docker.DockerClient]:
    """The simulated engine, connected to."""
    with simulated.listening(tmp_path) as address:
        connected = engines.connect({"DOCKER_HOST": address})
        yield connected
        connected.close()


@pytest.fixture
def programs(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Makes programs by name and script, and an environment whose PATH has nothing else."""

    def make(**scripts: str) -> dict[str, str]:
        folder = tmp_path / "bin"
        folder.mkdir()
        for name, script in scripts.items():
            program = folder / name.replace("_", "-")
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o755)
        return {"PATH": str(folder)}

    return make


def told(error: pytest.ExceptionInfo[OpsError]) -> str:
    """The sentence; it is one line, and there is a fix."""
    assert "\n" not in error.value.message
    assert error.value.hint
    return error.value.message


def test_no_engine(tmp_path: Path) -> None:
    """Where nobody answers, the address is named, and the stack that needs no engine."""
    with pytest.raises(Unreachable) as error:
        engines.connect({"DOCKER_HOST": f"unix://{tmp_path}/nobody.sock"})
    assert told(error) == f"No container engine answers at unix://{tmp_path}/nobody.sock."
    assert "make demo" in error.value.hint


def test_an_engine_that_is_not_ours_to_use(simulated: ContainerEngine, tmp_path: Path) -> None:
    """A socket that this user may not open is told apart from one where nobody listens."""
    # Root may open any socket, so this asks as somebody who may not.
    program = (
        "import os, sys; from vaultgate_ops.local.compose import engine; from vaultgate_ops.errors import Denied\n"
        "import http.client, encodings.idna\n"
        "os.geteuid() == 0 and os.setuid(65534)\n"
        "try:\n    engine.connect({'DOCKER_HOST': sys.argv[1]})\n"
        "except Denied as error:\n    print(error.message, error.hint)\n"
    )
    with simulated.listening(tmp_path) as address:
        os.chmod(tmp_path / "engine.sock", 0)  # noqa: PTH101 - a socket, not a file
        source = {**os.environ, "PYTHONPATH": str(paths.checkout() / "src")}
        command = [sys.executable, "-c", program, address]
        done = subprocess.run(command, env=source, capture_output=True, text=True, check=False)
    assert "You may not use the container engine" in done.stdout, done.stderr
    assert "usermod" in done.stdout


def test_an_engine_that_is_too_old(simulated: ContainerEngine, tmp_path: Path) -> None:
    """An engine before 20.10 is refused with its version."""
    simulated.api, simulated.version = "1.40", "19.03.15"
    with simulated.listening(tmp_path) as address, pytest.raises(Missing) as error:
        engines.connect({"DOCKER_HOST": address})
    assert "is 19.03.15, older than 20.10" in told(error)


def test_compose_of_the_second_generation_wins(programs: Callable[..., dict[str, str]]) -> None:
    """`docker compose` is taken where both are there."""
    environment = programs(docker="echo 2.27.0", docker_compose="echo 1.29.2")
    assert engines.compose_command(environment) == [f"{environment['PATH']}/docker", "compose"]


def test_a_docker_command_without_the_plugin_is_no_compose(programs: Callable[..., dict[str, str]]) -> None:
    """A docker command that knows no compose leaves the word to docker-compose 1.29."""
    environment = programs(docker="echo unknown command >&2; exit 1", docker_compose="echo 1.29.2")
    assert engines.compose_command(environment) == [f"{environment['PATH']}/docker-compose"]


def test_a_compose_that_is_too_old(programs: Callable[..., dict[str, str]]) -> None:
    """docker-compose before 1.29 doesn't wait for services that end; it is refused with its version."""
    with pytest.raises(Missing) as error:
        engines.compose_command(programs(docker_compose="echo 1.25.0"))
    assert "is version 1.25.0, older than 1.29" in told(error)


def test_no_compose_at_all(programs: Callable[..., dict[str, str]]) -> None:
    """Neither of the two is a sentence of its own."""
    with pytest.raises(Missing) as error:
        engines.compose_command(programs())
    assert told(error) == "There is no docker compose on PATH."


@pytest.mark.parametrize(("service", "variable"), [("mysql", "MYSQL_PORT="), ("vault-b", "VAULT_B_PORT=")])
def test_a_port_that_is_taken(service: str, variable: str) -> None:
    """A taken port is named with its service and the variable that changes it."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(UsageProblem) as error:
            engines.check_ports([Wanted(service, "", "IMAGE", (port,))])
    assert told(error) == f"Port {port} of 127.0.0.1, for {service}, is taken."
    assert f" ({variable}" in error.value.hint


def test_a_free_port_is_fine() -> None:
    """Nothing is said of ports that nobody has, and the check leaves them free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for _ in range(2):
        engines.check_ports([Wanted("mysql", "", "MYSQL_IMAGE", (port,))])


def test_an_image_that_cannot_be_pulled(client: docker.DockerClient) -> None:
    """The image is named, with the registry's first words and the variable to set."""
    with pytest.raises(Unreachable) as error:
        engines.fetch_images(client, [VAULT], Silent())
    assert told(error).startswith("The image hashicorp/vault:1.21 can't be pulled: manifest for hashicorp/vault:1.21 not found")
    assert "VAULT_IMAGE" in error.value.hint


def test_images_are_pulled_once_and_only_those_that_are_missing(client: docker.DockerClient, simulated: ContainerEngine) -> None:
    """What is there is not pulled again; an image that is built here is not asked for."""
    simulated.images = {"mysql:8.4"}
    simulated.registry = {VAULT.image}
    needs = [VAULT, Wanted("mysql", "mysql:8.4", "MYSQL_IMAGE", ()), Wanted("front", "", "FRONT_IMAGE", ())]
    engines.fetch_images(client, needs, Silent())
    engines.fetch_images(client, needs, Silent())
    assert simulated.pulled == [VAULT.image]


def test_a_volume_of_an_older_version(client: docker.DockerClient, simulated: ContainerEngine) -> None:
    """A volume of the project with another format, or with none, stops it; those of others don't matter."""
    simulated.volumes = {
        "theirs_keys": {PROJECT: "theirs", "io.vaultgate.format": "0"},
        "ours_keys": {PROJECT: "ours", "io.vaultgate.format": FORMAT},
    }
    engines.check_volumes(client, "ours")
    simulated.volumes["ours_old"] = {PROJECT: "ours"}
    with pytest.raises(CheckFailed) as error:
        engines.check_volumes(client, "ours")
    assert told(error).startswith("The volume ours_old is of format an older one")


def test_nothing_is_started_while_looking(client: docker.DockerClient, simulated: ContainerEngine) -> None:
    """All checks together change nothing but the images that are there."""
    simulated.registry = {VAULT.image}
    engines.check(client, "ours", [VAULT], Silent())
    assert simulated.changed == []


@pytest.mark.parametrize(
    "ports",
    [
        ["127.0.0.1:8200:8200/tcp", "127.0.0.1::3306/tcp"],
        [
            {"mode": "ingress", "host_ip": "127.0.0.1", "target": 8200, "published": "8200", "protocol": "tcp"},
            {"mode": "ingress", "host_ip": "127.0.0.1", "target": 3306, "protocol": "tcp"},
        ],
    ],
    ids=["docker-compose 1.29", "compose v2"],
)
def test_both_generations_of_compose_are_understood(ports: list[Any]) -> None:
    """Ports are read as either prints them; one that the engine chooses is no wish; a built image wishes for its base."""
    config = {
        "services": {
            "vault": {"image": "hashicorp/vault:1.21", "ports": ports},
            "prepare": PREPARE,
            "front": {"image": "vaultgate-tools", "pull_policy": "never"},
        }
    }
    vault, prepare, front = engines.wanted(config)
    assert vault == Wanted("vault", "hashicorp/vault:1.21", "VAULT_IMAGE", (8200,))
    assert (prepare.image, prepare.variable) == ("python:3.12-slim", "PYTHON_IMAGE")
    assert front.image == ""


@pytest.mark.parametrize(("addresses", "more"), [("", []), ("https://vault-b:8200,https://vault-c:8200", ["vault-b", "vault-c"])])
def test_nodes_of_vault_count_where_they_are_asked_for(addresses: str, more: list[str]) -> None:
    """docker-compose 1.29 prints the services of every profile; their images and ports matter only if they are to run."""
    node = {"image": "hashicorp/vault:1.21", "profiles": ["ha"], "ports": ["127.0.0.1:8210:8200/tcp"]}
    prepare = {**PREPARE, "environment": {"VAULT_ADDRESSES": addresses}}
    config = {"services": {"prepare": prepare, "vault-b": node, "vault-c": node}}
    assert engines.nodes(config) == more
    assert engines.wanted(config)[1:] == [Wanted(name, "hashicorp/vault:1.21", "VAULT_IMAGE", (8210,)) for name in more]
