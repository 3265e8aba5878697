"""How the containers of a compose project stand.

Rules: asked of the engine by labels, so that it works where no compose is installed; nothing here changes anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from vaultgate_ops.local.compose.engine import FORMAT_LABEL, PROJECT, SERVICE

if TYPE_CHECKING:
    import docker
    from docker.models.containers import Container

HEALTHY, DONE, FAILED = "healthy", "done", "failed"


class Standing(NamedTuple):
    """How one service stands.

    Attributes:
        service: its name.
        address: where it is published on this machine, or `-`.
        state: see `state`.
    """

    service: str
    address: str
    state: str


def state(container: Container) -> str:
    """`done` or `failed` for one that ended, otherwise what its health check says: `healthy`, `starting`, `unhealthy`."""
    found = container.attrs["State"]
    if found["Status"] == "exited":
        return FAILED if found["ExitCode"] else DONE
    # Every service that stays has a health check; one without is a step that is still at it.
    return str(found.get("Health", {}).get("Status", "at it"))


def projects(engine: docker.DockerClient) -> list[str]:
    """Names of our projects: their volumes carry our label."""
    volumes = engine.volumes.list(filters={"label": FORMAT_LABEL})
    return sorted({str(volume.attrs["Labels"][PROJECT]) for volume in volumes})


def of(engine: docker.DockerClient, project: str) -> list[Standing]:
    """How each service of a project stands."""
    # ignore_removed: one that goes while the others are looked at is none.
    found = engine.containers.list(all=True, filters={"label": f"{PROJECT}={project}"}, ignore_removed=True)
    return sorted(Standing(str(one.labels.get(SERVICE)), _address(one), state(one)) for one in found)


def _address(container: Container) -> str:
    bindings = [binding for published in container.ports.values() for binding in published or ()]
    return f"{bindings[0]['HostIp']}:{bindings[0]['HostPort']}" if bindings else "-"
