"""What `--docker` means for `vaultgate up`, `down`, `status` and `demo`: the same, in containers."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from vaultgate_ops.cli import speech
from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import OpsError
from vaultgate_ops.interruptions import interruptible
from vaultgate_ops.local import paths
from vaultgate_ops.local.aws import REGION
from vaultgate_ops.local.compose import engine as engines
from vaultgate_ops.local.compose import standing
from vaultgate_ops.local.compose.prepare import NODES
from vaultgate_ops.local.compose.project import CHOSEN_BY_ENGINE, Project, demo_name, left_behind, project_name, remove
from vaultgate_ops.local.compose.scene import KEYS, ComposeScene
from vaultgate_ops.local.database import SCHEMA, TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

# What a shell has set for a Vault of the user's own, or for a stack before this one, would win over what is exported here.
FOREIGN = ("VAULT_NAMESPACE", "VAULT_TLS_SERVER_NAME", "VLE_VAULT_ADDR", "VAULTGATE_ADDRESSES")


@contextmanager
def demo_scene() -> Iterator[ComposeScene]:
    """A project of its own for one demo, its parts running; removed at the end, whatever happens."""
    with interruptible(), tempfile.TemporaryDirectory(prefix="vaultgate-") as folder:
        project = Project(demo_name(), {**os.environ, **CHOSEN_BY_ENGINE}, speech.Spoken(), Clock())
        project.check()
        project.build()
        try:
            project.up("vault", "unseal", "mysql", "aws")
            yield ComposeScene(project, Path(folder))
        finally:
            remove(project.engine, project.name, Clock())


def up(name: str, *, ha: bool) -> None:
    """Start the project and print, for a shell, how to use it.

    Args:
        name: tells several apart; their ports must differ (.env.example).
        ha: with three nodes of Vault.
    """
    others = ",".join(f"https://{node}:8200" for node in NODES[1:])
    asked = {"COMPOSE_PROFILES": "ha", "VAULT_ADDRESSES": others} if ha else {}
    with interruptible():
        project = Project(project_name(name), {**os.environ, **asked}, speech.Spoken(), Clock())
        project.check()
        project.build()
        # `.env` may ask for more nodes, too. With them, the operator is healthy once each has its vote.
        nodes = project.nodes()
        project.up("front", "mirror", *nodes, *(["unseal"] if nodes else []))
    folder = _folder(project.name)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for line in _exports(project, ComposeScene(project, folder)):
        speech.line(line)


def down(name: str) -> bool:
    """Remove the project, and demos whose owner is dead; whether there was one. Without an engine there is nothing to remove."""
    try:
        engine = engines.connect(os.environ)
    except OpsError:
        return False
    found = False
    for project in (project_name(name), *left_behind(engine)):
        ended = remove(engine, project, Clock())
        shutil.rmtree(_folder(project), ignore_errors=True)
        if ended:
            found = True
            speech.line(f"{project} (docker): ended {', '.join(ended)}, deleted its containers and volumes")
    return found


def status(name: str | None) -> list[bool]:
    """Print one line for each service of our projects; for each project, whether all of it stands.

    Args:
        name: only this one.
    """
    try:
        engine = engines.connect(os.environ)
    except OpsError:
        return []
    found = [project for project in standing.projects(engine) if name is None or project == project_name(name)]
    return [_tell(project, standing.of(engine, project)) for project in found]


def _tell(project: str, services: list[standing.Standing]) -> bool:
    speech.line(f"{project} (docker):")
    for one in services:
        speech.line(f"  {one.service:<16} {'-':>8}  {one.address:<24}  {one.state}")
    return all(one.state in (standing.HEALTHY, standing.DONE) for one in services)


def _folder(project: str) -> Path:
    """Where the CA's certificate lies for the clients on this side."""
    return paths.build_folder() / "compose" / project


def _exports(project: Project, scene: ComposeScene) -> Iterator[str]:
    front = f"http://{project.address('front', 8080)}"
    host, _, port = project.address("mysql", 3306).partition(":")
    addresses = [f"https://{project.address(node, 8200)}" for node in (NODES[0], *project.nodes())]
    unseal = shlex.quote(project.container("unseal").name or "")
    yield f"# curl {front}/records"
    yield "# stop with: vaultgate down"
    variables = {
        "VAULT_ADDR": addresses[0],
        **({"VAULTGATE_ADDRESSES": others} if (others := ",".join(addresses[1:])) else {}),
        "VAULT_CACERT": str(scene.ca_file()),
        "RDS_HOST": host,
        "RDS_PORT": port,
        "RDS_DB_NAME": SCHEMA,
        "RECORDS_TABLE": TABLE,
        "RDS_CA_BUNDLE": str(scene.ca_file()),
        "AWS_ENDPOINT_URL": f"http://{project.address('aws', 5000)}",
        "AWS_REGION": REGION,
        "RECORDS_URL": f"{front}/records",
    }
    yield f"unset {' '.join(FOREIGN)}"
    for variable, value in variables.items():
        yield f"export {variable}={shlex.quote(value)}"
    yield f'export VAULT_TOKEN="$(docker exec {unseal} cat {KEYS}/root-token)"'
