"""The three nodes of compose's profile `ha`, with the real Vault and what `prepare` wrote, but without an engine."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import hvac
import pytest
import requests
import yaml

from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import CheckFailed
from vaultgate_ops.local import folder as folders
from vaultgate_ops.local import markers, paths, processes
from vaultgate_ops.local.compose import unseal
from vaultgate_ops.local.compose.prepare import NODES, ROOT_TOKEN, prepare
from vaultgate_ops.local.fetch.vault import find_vault
from vaultgate_ops.local.vault_cluster import welcome_soon
from vaultgate_ops.reporting import Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

VOLUMES = ("keys", "trust", "vault-config", "mysql-config", "layer", "task", "vault-storage", "mysql-storage")


@pytest.fixture(scope="module")
def vault_program() -> Path:
    """The Vault that the tests run on."""
    return find_vault(os.environ, Silent())


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder with empty volumes, whose processes are ended with it."""
    with folders.claimed(paths.stacks_folder(), f"test-compose-ha-{os.getpid()}", Clock()) as folder:
        for name in (*VOLUMES, "built/layer", "built/task", "vault-b-storage", "vault-c-storage"):
            (folder / name).mkdir(parents=True)
        yield folder


def prepared(place: Path, *, ha: bool) -> None:
    """What the container `prepare` does."""
    prepare(place, place / "built", os.geteuid(), ha=ha)


def moved(place: Path, node: str, ports: dict[str, int]) -> Path:
    """A node's configuration with nothing changed but where things lie and listen, so that all run on one machine."""
    name = node.replace("vault", "server") + ".json"
    text = (place / "vault-config" / name).read_text(encoding="utf-8")
    for other, port in ports.items():
        text = text.replace(f"https://{other}:8200", f"https://127.0.0.1:{port}")
    cluster = processes.free_port()
    text = text.replace(f"https://{node}:8201", f"https://127.0.0.1:{cluster}").replace("0.0.0.0:8201", f"127.0.0.1:{cluster}")
    text = text.replace("0.0.0.0:8200", f"127.0.0.1:{ports[node]}")
    text = text.replace("/srv/vault/config", str(place / "vault-config"))
    text = text.replace("/srv/vault/storage", str(place / f"{node}-storage"))
    (place / name).write_text(text, encoding="utf-8")
    return place / name


@pytest.mark.stack
def test_three_nodes_become_one_cluster(
    place: Path, vault_program: Path, eventually: Callable[[Callable[[], object]], None]
) -> None:
    """The operator initializes the first and unseals the others as they join; it is whole once those have their vote."""
    prepared(place, ha=True)
    ports = {node: processes.free_port() for node in NODES}
    started = [processes.start(node, [vault_program, "server", f"-config={moved(place, node, ports)}"], place) for node in NODES]
    addresses = [f"https://127.0.0.1:{port}" for port in ports.values()]
    first, *others = addresses
    ca_file, keys = place / "trust/ca.pem", place / "keys"

    def leads() -> bool:
        with contextlib.suppress(OSError, hvac.exceptions.VaultError):
            unseal.attend(first, ca_file, keys)
        return unseal.whole([first], ca_file, keys)

    def root() -> AbstractContextManager[hvac.Client]:
        return unseal.client(first, ca_file, (keys / ROOT_TOKEN).read_text(encoding="ascii"))

    def members() -> set[str]:
        try:
            for other in others:
                unseal.attend(other, ca_file, keys, joins=True)
            with root() as client:
                servers = client.sys.read_raft_config()["data"]["config"]["servers"]
        except (OSError, hvac.exceptions.VaultError, requests.RequestException):
            return set()
        return {server["node_id"] for server in servers}

    try:
        assert not unseal.whole(addresses, ca_file, keys)
        eventually(leads)
        with root() as client:
            client.write_data("sys/storage/raft/autopilot/configuration", data={"server_stabilization_time": "1h"})
        eventually(lambda: members() == set(NODES))
        eventually(lambda: {unseal.health(address, ca_file) for address in others} == {429})
        assert not unseal.whole(addresses, ca_file, keys)
        with root() as client:
            welcome_soon(client)
        eventually(lambda: unseal.whole(addresses, ca_file, keys))
    finally:
        markers.end(place, clock=Clock())
        for process in started:
            process.reap()


def test_a_stack_of_one_node_does_not_become_one_of_three(place: Path) -> None:
    """The storage is another one: it is refused before anything is written."""
    prepared(place, ha=False)
    with pytest.raises(CheckFailed, match="format 1, what is asked for is format 1, ha"):
        prepared(place, ha=True)


def test_the_nodes_differ_in_little() -> None:
    """What holds for Vault's container holds for the others; only their configuration, port and storage are their own."""
    services = yaml.safe_load((paths.checkout() / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    own = {"profiles", "command", "ports", "volumes"}
    common = [{key: value for key, value in services[node].items() if key not in own} for node in NODES]
    assert common[0] == common[1] == common[2]
    assert [services[node].get("profiles") for node in NODES] == [None, ["ha"], ["ha"]]
