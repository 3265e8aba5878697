"""What `--docker` means for `vaultgate up`, `down` and `demo`: the same, in containers."""

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
from vaultgate_ops.local.compose.prepare import NODES
from vaultgate_ops.local.compose.project import CHOSEN_BY_ENGINE, Project, demo_name, left_behind, project_name, remove
from vaultgate_ops.local.compose.scene import KEYS, ComposeScene
from vaultgate_ops.local.database import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator


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
    others = NODES[1:] if ha else ()
    # Where `.env` says so, compose does it without being asked.
    asked = {"COMPOSE_PROFILES": "ha", "VAULT_ADDRESSES": ",".join(f"https://{node}:8200" for node in others)} if ha else {}
    with interruptible():
        project = Project(project_name(name), {**os.environ, **asked}, speech.Spoken(), Clock())
        project.check()
        project.build()
        project.up("front", "mirror", *others)
    folder = _folder(project.name)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for line in _exports(project, ComposeScene(project, folder)):
        speech.line(line)


def down(name: str) -> None:
    """Remove the project, and demos whose owner is dead. Without an engine there is nothing to remove."""
    try:
        engine = engines.connect(os.environ)
    except OpsError:
        return
    for project in (project_name(name), *left_behind(engine)):
        ended = remove(engine, project, Clock())
        shutil.rmtree(_folder(project), ignore_errors=True)
        if ended:
            speech.line(f"{project} (docker): ended {', '.join(ended)}, deleted its containers and volumes")


def _folder(project: str) -> Path:
    """Where the CA's certificate lies for the clients on this side."""
    return paths.build_folder() / "compose" / project


def _exports(project: Project, scene: ComposeScene) -> Iterator[str]:
    front = f"http://{project.address('front', 8080)}"
    host, _, port = project.address("mysql", 3306).partition(":")
    unseal = shlex.quote(project.container("unseal").name or "")
    yield f"# curl {front}/records"
    yield "# stop with: vaultgate down"
    variables = {
        "VAULT_ADDR": f"https://{project.address('vault', 8200)}",
        "VAULT_CACERT": str(scene.ca_file()),
        "RDS_HOST": host,
        "RDS_PORT": port,
        "RDS_DB_NAME": SCHEMA,
        "RDS_CA_BUNDLE": str(scene.ca_file()),
        "AWS_ENDPOINT_URL": f"http://{project.address('aws', 5000)}",
        "AWS_REGION": REGION,
        "RECORDS_URL": f"{front}/records",
    }
    for variable, value in variables.items():
        yield f"export {variable}={shlex.quote(value)}"
    yield f'export VAULT_TOKEN="$(docker exec {unseal} cat {KEYS}/root-token)"'
