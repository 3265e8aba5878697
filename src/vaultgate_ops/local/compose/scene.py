"""The stack in containers as the demo's story sees it.

Rule: the same as for the embedded stack; what is looked at is what the services of docker-compose.yml did, each by itself.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pymysql

from vaultgate_ops.clock import Clock
from vaultgate_ops.local.aws import EmulatedAws, stored_keys
from vaultgate_ops.local.certificates import write_private
from vaultgate_ops.local.compose import unseal
from vaultgate_ops.local.compose.prepare import CA, ROOT_PASSWORD, ROOT_TOKEN
from vaultgate_ops.local.database import SCHEMA, TABLE
from vaultgate_ops.local.scene import Backstage, entry_types, get_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import hvac
    from pymysql.cursors import Cursor

    from vaultgate_ops.local.compose.project import Project

KEYS, TRUST = "/volumes/keys", "/volumes/trust"
AWS_KEYS = "/tmp/aws/credentials"  # noqa: S108 - the container's own
_INIT = re.compile(r"INIT REPORT\(durationMs: ([0-9.]+)")
# The runtime and the extensions have 2 s; the emulator takes a little longer to notice.
_STOP_S = 15


class ComposeScene(Backstage):
    """The story's scene in containers.

    Args:
        project: checked and built; nothing of it needs to run yet.
        folder: where the stack's CA goes, for the clients on this side.
    """

    def __init__(self, project: Project, folder: Path) -> None:
        super().__init__(self._vault_client, self._connect, (SCHEMA, TABLE))
        self._project, self._ca_file = project, folder / CA
        self._ca_read = False

    def configure(self) -> int:
        """Start all but the function; what `bootstrap` changed."""
        self._project.up("bootstrap", "mirror")
        return int(self._project.report("bootstrap")["changes"])

    def pending_changes(self) -> int:
        """What `bootstrap` changes when it runs once more."""
        self._project.again("bootstrap")
        return int(self._project.report("bootstrap")["changes"])

    def build_layer(self) -> int:
        """The layer that `prepare` put into the function's volume; bytes of its zip."""
        return int(self._project.report("prepare")["layer_bytes"])

    def start_function(self) -> None:
        """Start the function's container and the HTTP front before it."""
        self._project.up("front")

    def init_ms(self) -> float | None:
        """What the emulator reported."""
        found = _INIT.findall(self.function_log())
        return float(found[-1]) if found else None

    def function_log(self) -> str:
        """What emulator, runtime, function and extensions wrote."""
        return self._project.container("function").logs().decode(errors="replace")

    def stop_function(self) -> None:
        """Stop the container: the emulator passes SHUTDOWN on."""
        self._project.container("function").stop(timeout=_STOP_S)

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """GET from the front."""
        return get_json(f"http://{self._project.address('front', 8080)}{path}")

    def mirrored(self, request_id: str) -> list[str]:
        """Asked of the emulated CloudWatch Logs."""
        keys = stored_keys(self._project.read("aws", AWS_KEYS).decode())
        port = int(self._project.address("aws", 5000).rpartition(":")[2])
        with EmulatedAws(self._ca_file.parent, Clock(), port).client("logs", keys) as logs:
            return entry_types(logs, request_id)

    @contextmanager
    def _vault_client(self) -> Iterator[hvac.Client]:
        token = self._project.read("unseal", f"{KEYS}/{ROOT_TOKEN}").decode()
        with unseal.client(f"https://{self._project.address('vault', 8200)}", self.ca_file(), token) as client:
            yield client

    def _connect(self) -> pymysql.connections.Connection[Cursor]:
        host, _, port = self._project.address("mysql", 3306).partition(":")
        return pymysql.connect(
            host=host,
            port=int(port),
            user="root",
            password=self._project.read("unseal", f"{KEYS}/{ROOT_PASSWORD}").decode(),
            ssl={"ca": str(self.ca_file())},
            connect_timeout=5,
            autocommit=True,
        )

    def ca_file(self) -> Path:
        """The CA of Vault's and MySQL's certificates."""
        # Once for each scene: a file that lies there may be of a project before.
        if not self._ca_read:
            write_private(self._ca_file, self._project.read("unseal", f"{TRUST}/{CA}"))
            self._ca_read = True
        return self._ca_file
