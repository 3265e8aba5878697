"""One stack: Vault, a database and emulated AWS, and on request the function behind its HTTP front.

Rules: the parts start side by side and end in order, whoever uses a part before the part; whatever goes wrong while they
start, whoever interrupts, everything that was started is ended and the folder deleted; ending is never cut short, and
each of its waits is bounded.
"""

from __future__ import annotations

import itertools
import os
import socket
import sys
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from vaultgate_ops.bootstrap import apply, load, plan
from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import Missing
from vaultgate_ops.interruptions import interruptible, uninterrupted
from vaultgate_ops.local import folder as folders
from vaultgate_ops.local import markers, paths, preflight, processes, wiring
from vaultgate_ops.local.aws import EmulatedAws
from vaultgate_ops.local.certificates import Authority
from vaultgate_ops.local.database import Database
from vaultgate_ops.local.mirror import AuditMirror
from vaultgate_ops.local.programs import Programs
from vaultgate_ops.local.sandbox import Sandbox
from vaultgate_ops.local.vault_cluster import VaultCluster
from vaultgate_ops.local.vault_server import VaultServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Future
    from pathlib import Path

    from vaultgate_ops.bootstrap import Change, Desired
    from vaultgate_ops.reporting import Reporter

HANDLER = "vaultgate_ops.records.handler.handler"
_POLL_S = 0.05


@dataclass(frozen=True)
class Health:
    """How one part of a stack is.

    Attributes:
        pid: of its first process; None where none runs.
        address: where it listens.
        healthy: whether it answers there.
    """

    part: str
    pid: int | None
    address: str
    healthy: bool


class Stack:
    """A stack whose parts run; make one with `embedded`, or with `attach` for one that runs already.

    Attributes:
        folder: everything of it, and nothing elsewhere.
        vault, database, aws: its parts; of several nodes of Vault, the first.
        vaults: all nodes of Vault.
        cluster: the same as a cluster; None where Vault is one server.
    """

    def __init__(self, folder: Path, programs: Programs, reporter: Reporter, clock: Clock, *, ha: bool = False) -> None:
        self.folder = folder
        self._programs, self._reporter, self._clock = programs, reporter, clock
        ports = folders.noted(folder).get("ports", {})
        ca_file = folder / "ca.pem"
        self.cluster = VaultCluster(programs.vault, folder, ca_file, clock, ports) if ha else None
        alone = VaultServer(programs.vault, folder, ca_file, clock, ports.get(VaultServer.name, 0))
        self.vaults: tuple[VaultServer, ...] = self.cluster.nodes if self.cluster else (alone,)
        self.vault = self.vaults[0]
        self.database = Database(programs.database, folder, ca_file, clock, ports.get("database", 0))
        self.aws = EmulatedAws(folder, clock, ports.get("aws", 0))
        self.mirror = AuditMirror(folder, clock, self.vault.audit_file)
        self._sandboxes: list[Sandbox] = []
        self._served: Sandbox | None = None
        self._started: list[processes.Process] = []
        self._numbers = itertools.count(1)

    @classmethod
    @contextmanager
    def embedded(
        cls,
        name: str,
        reporter: Reporter,
        *,
        environ: Mapping[str, str] = os.environ,
        clock: Clock | None = None,
        root: Path | None = None,
        stays: bool = False,
        ha: bool = False,
    ) -> Iterator[Stack]:
        """Start a stack, and end it when the block is left.

        Args:
            name: of its folder.
            reporter: told what goes on.
            environ: for finding programs; nothing of it reaches the parts but `processes.environment`'s short list.
            clock: for waiting.
            root: where stacks are kept; ``build/stacks/`` by default.
            stays: leave it running unless the block raises.
            ha: three nodes of Vault, so that one may die.

        Raises:
            Occupied: there is one of this name.
            Missing: this machine lacks something.
            Unreachable: a part did not come up; the message quotes its log.
        """
        clock = clock or Clock()
        root = root or paths.stacks_folder()
        with interruptible(), folders.claimed(root, name, clock, stays=stays) as folder:
            preflight.check(environ, root)
            stack = cls(folder, Programs.find(environ, reporter), reporter, clock, ha=ha)
            try:
                stack.start()
                yield stack
            except BaseException:
                stack.close()
                raise
            if not stays:
                stack.close()

    @classmethod
    def attach(cls, folder: Path, reporter: Reporter, clock: Clock | None = None) -> Stack:
        """Take hold of a stack that was started by somebody else."""
        noted = folders.noted(folder)
        ha = VaultServer.name not in noted["ports"]
        return cls(folder, Programs.of(noted["programs"]), reporter, clock or Clock(), ha=ha)

    def start(self) -> None:
        """Start Vault, the database and emulated AWS side by side.

        Raises:
            Unreachable: one of them did not come up; the others may be half-way, `close` ends them.
        """
        ca = Authority.create(self.folder)
        vault = self.cluster or self.vault
        with self._reporter.task("Starting Vault, the database and emulated AWS"):
            self._together(lambda: vault.create(ca), lambda: self.database.create(ca), lambda: self.aws.create(wiring.ROLE))
        ports = {part.name: part.port for part in (*self.vaults, self.database, self.aws)}
        folders.note(self.folder, ports=ports, programs=self._programs.noted())

    def desired(self) -> Desired:
        """What Vault must look like here: ``vault-config/vault.yaml`` with this stack's addresses."""
        variables = wiring.vault_variables(self.vault, self.database, self.aws)
        return load(paths.checkout() / "vault-config" / "vault.yaml", variables)

    def pending(self) -> list[Change]:
        """The changes that Vault still needs to look as it must."""
        with self.vault.client() as client:
            return plan(client, self.desired())

    def bootstrap(self) -> list[Change]:
        """Make Vault look as it must; gives the changes that took."""
        with self.vault.client() as client:
            changes = plan(client, self.desired())
            apply(client, changes, self._reporter)
        return changes

    def mirror_audit(self) -> None:
        """Start the mirror of Vault's audit device; the device may come later.

        Raises:
            Unreachable: it did not come up; the message quotes its log.
        """
        self.mirror.create(self.aws)
        folders.note(self.folder, mirrored=True)

    def function_environment(self, port: int) -> dict[str, str]:
        """The variables of the record-count function and its extension.

        Args:
            port: where the extension's proxy listens on 127.0.0.1.
        """
        return wiring.function_variables(self.vaults, self.database, self.aws, port)

    def health(self) -> list[Health]:
        """How each part is, the first to be ended last."""
        pids = {found.part: found.identity.pid for found in reversed(markers.find(self.folder))}
        parts: list[tuple[str, str, Callable[[], bool]]] = [
            *((vault.name, vault.address, vault.healthy) for vault in self.vaults),
            ("database", self.database.address, self.database.healthy),
            ("aws", self.aws.endpoint, self.aws.healthy),
        ]
        served: dict[str, int] = folders.noted(self.folder).get("served", {})
        if folders.noted(self.folder).get("mirrored"):
            parts.append(("mirror", self.mirror.address, self.mirror.healthy))
        parts += [(part, f"http://127.0.0.1:{port}", partial(_listens, port)) for part, port in served.items()]
        return [Health(part, pids.get(part), address, healthy()) for part, address, healthy in parts]

    def sandbox(self, environment: Mapping[str, str | None] | None = None, *, name: str | None = None) -> Sandbox:
        """A Lambda sandbox with the built layer and the record-count function, not started yet.

        Args:
            environment: variables that differ from `function_environment`; None takes one away.
            name: tells it from the stack's others; a number by default.

        Raises:
            Missing: the layer isn't built.
        """
        layer = paths.build_folder() / "layer"
        if not layer.is_dir():
            raise Missing(f"There is no layer in {layer}.", "Build it: make layer.")
        wanted = {**self.function_environment(processes.free_port()), **(environment or {})}
        sandbox = Sandbox(
            self._programs.emulator,
            layer,
            {variable: value for variable, value in wanted.items() if value is not None},
            HANDLER,
            self.folder,
            name=name or str(next(self._numbers)),
            clock=self._clock,
        )
        self._sandboxes.append(sandbox)
        return sandbox

    def serve(self, payload: str = "2.0") -> str:
        """Start one sandbox and the HTTP front before it; gives the front's base URL.

        Args:
            payload: version of API Gateway's proxy event, ``1.0`` or ``2.0``.
        """
        sandbox = self._served = self.sandbox(name="records")
        sandbox.start()

        def attempt(port: int) -> int:
            listen = f"127.0.0.1:{port}"
            argv = [sys.executable, "-m", "vaultgate_ops.local.front", "--listen", listen]
            argv += ["--function", sandbox.url, "--payload", payload]
            process = processes.start("front", argv, self.folder)
            self._started.append(process)
            process.await_ready(lambda: _listens(port), self._clock)
            return port

        port = processes.on_free_port(attempt)
        folders.note(self.folder, served={"sandbox-records": urlsplit(sandbox.url).port, "front": port})
        return self.front

    @property
    def front(self) -> str:
        """Base URL of the HTTP front.

        Raises:
            Missing: nothing is served.
        """
        port = folders.noted(self.folder).get("served", {}).get("front")
        if port is None:
            raise Missing("No function is served by this stack.", "Call serve() first.")
        return f"http://127.0.0.1:{port}"

    @property
    def served(self) -> Sandbox:
        """The sandbox behind the HTTP front.

        Raises:
            Missing: nothing is served.
        """
        if self._served is None:
            raise Missing("No function is served by this stack.", "Call serve() first.")
        return self._served

    def close(self) -> None:
        """End everything in order; done to the end, whoever interrupts."""
        with uninterrupted():
            markers.end(self.folder, clock=self._clock)
            for sandbox in self._sandboxes:
                sandbox.kill()
            for part in (self.mirror, *self.vaults, self.database, self.aws):
                part.stop()
            for process in self._started:
                process.reap()

    def _together(self, *actions: Callable[[], None]) -> None:
        """Do all at once; when one fails or somebody interrupts, end the others' processes and wait for them."""
        futures: list[Future[None]] = []
        with ThreadPoolExecutor(len(actions)) as pool:
            try:
                # None is begun without being known here.
                with uninterrupted():
                    futures.extend(pool.submit(action) for action in actions)
                done, _ = wait(futures, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
            except BaseException:
                # What an action waits for dies, so the action fails; it may start something more until it does.
                with uninterrupted():
                    while wait(futures, timeout=_POLL_S).not_done:
                        markers.end(self.folder, clock=self._clock)
                raise


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True
