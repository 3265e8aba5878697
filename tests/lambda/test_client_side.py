"""The function's side in AWS's emulator: SQLAlchemy, Powertools and the plain client over one lease, and what ends it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from vaultgate.clock import Clock
from vaultgate.model import Origin, Request
from vaultgate.transport import Connections
from vaultgate_ops.local import folder as folders
from vaultgate_ops.local import paths, processes
from vaultgate_ops.local.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from vaultgate_ops.local.scene import EmbeddedScene
    from vaultgate_ops.local.stack import Stack

pytestmark = pytest.mark.stack

FUNCTIONS = Path(__file__).with_name("functions")
NAME = "client-side"


def looked_up(port: int, lease_id: str) -> int:
    """Somebody in the sandbox asks the extension for a lease; the answer's status."""
    clock = Clock()
    connections = Connections(clock)
    try:
        headers = (("X-Vault-Request", "true"), ("Content-Type", "application/json"))
        request = Request("PUT", "/v1/sys/leases/lookup", headers, json.dumps({"lease_id": lease_id}).encode())
        return connections.exchange(Origin("http", "127.0.0.1", port), request, clock.steady() + 20).status
    finally:
        connections.close()


def test_three_ways_one_lease(stack: Stack, backstage: EmbeddedScene, eventually: Callable[[Callable[[], object]], None]) -> None:
    """All three see one user of one lease; once anybody finds that dead, the function's memory lets go; no file is left."""
    port = processes.free_port()
    emulator = Path(folders.noted(stack.folder)["programs"]["emulator"])
    layer = paths.build_folder() / "layer"
    variables = stack.function_environment(port)
    leases = backstage.leases()
    sandbox = Sandbox(emulator, layer, variables, "client_side.handler", stack.folder, code=FUNCTIONS, name=NAME)
    with sandbox:
        first = sandbox.invoke({})
        assert first["count"] == backstage.rows(), first
        assert {first["sqlalchemy"], first["powertools"], first["client"]} <= backstage.database_users()
        assert first["sqlalchemy"] == first["powertools"] == first["client"]
        assert sandbox.invoke({}) == first
        assert backstage.leases() - leases == {first["lease"]}
        scratch = stack.folder / "sandboxes" / NAME / "tmp"
        assert [path.name for path in scratch.glob("vaultgate-*/*")] == ["generation"]
        backstage.revoke(first["lease"])
        eventually(lambda: first["client"] not in backstage.database_users())
        assert looked_up(port, first["lease"]) == 400
        eventually(lambda: sandbox.invoke({"memory": True})["client"] != first["client"])
        eventually(lambda: "errorMessage" not in (said := sandbox.invoke({})) and said["sqlalchemy"] == said["client"])
    assert list(scratch.glob("vaultgate-*")) == []
