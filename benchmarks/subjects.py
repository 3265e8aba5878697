"""What is measured: Vaultgate's extension, another one, and no extension at all; each as a sandbox's layer and variables.

Rules: all are given the same variables by the names of HashiCorp's extension, the same Vault, credentials and role; both
extensions serve by ``VAULT_RUN_MODE=proxy`` with their cache on. Only where ours listens can be chosen.
"""

from __future__ import annotations

import io
import shutil
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import machine
from vaultgate_ops.errors import CheckFailed, Missing
from vaultgate_ops.layer import build
from vaultgate_ops.local import markers, processes
from vaultgate_ops.local.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vaultgate_ops.local.stack import Stack
    from vaultgate_ops.reporting import Reporter

FUNCTIONS = Path(__file__).parent / "functions"
HANDLERS = {"bare": "bare.handler", "boto3": "with_boto3.handler"}
_PEER_PORT = 8200
_EXTENSIONS = b"/opt/extensions/"
# HashiCorp's names, which ours takes too.
_SETTINGS = {"VAULT_RUN_MODE": "proxy", "VAULT_DEFAULT_CACHE_ENABLED": "true", "VAULT_DEFAULT_CACHE_TTL": "10m"}


@dataclass(frozen=True)
class Subject:
    """One thing that is measured.

    Attributes:
        side: ``ours``, ``peer`` or ``none``.
        layer: folder to see as /opt.
        listen: where its proxy listens; None for a port of the kernel's choice for each sandbox.
        zip_kb: of its layer, in KB of 1,000 bytes.
    """

    side: str
    layer: Path
    zip_kb: float
    zip_all_kb: float | None = None
    listen: str | None = None


def ours(checkout: Path, environ: Mapping[str, str], folder: Path, reporter: Reporter) -> Subject:
    """The layer for the Python that runs here; a copy of it in ``folder``, so that a new build doesn't get into the run.

    Raises:
        Missing, CheckFailed: it can't be built.
    """
    everyone = build(checkout, environ, reporter)
    built = build(checkout, environ, reporter, [f"{sys.version_info[0]}.{sys.version_info[1]}"])
    layer = shutil.copytree(built.folder, folder / "layer-ours")
    return Subject("ours", layer, built.size / 1000, everyone.size / 1000)


def nothing(folder: Path) -> Subject:
    """No extension: an empty layer, made in ``folder``."""
    layer = folder / "layer-none"
    layer.mkdir()
    return Subject("none", layer, 0)


def peer(executable: Path, folder: Path) -> Subject:
    """Another extension that takes HashiCorp's variables, on its port, which can't be changed.

    Args:
        executable: a copy of it becomes /opt/extensions/<its name>.
        folder: for its layer.

    Raises:
        Missing: there is no such file.
    """
    if not executable.is_file():
        raise Missing(f"PEER={executable} is no file.", "Name the executable of an extension.")
    layer = folder / "layer-peer"
    (layer / "extensions").mkdir(parents=True)
    copy = layer / "extensions" / executable.name
    shutil.copyfile(executable, copy)
    copy.chmod(0o755)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.write(copy, f"extensions/{copy.name}")
    return Subject("peer", layer, packed.tell() / 1000, listen=f"127.0.0.1:{_PEER_PORT}")


class Sandboxes:
    """Makes sandboxes for subjects, all with one set of credentials.

    Args:
        stack: a bootstrapped one.
        emulator: executable of the Runtime Interface Emulator.
    """

    def __init__(self, stack: Stack, emulator: Path) -> None:
        self._stack, self._emulator = stack, emulator
        self._variables = stack.function_environment(0)
        self._count = 0

    def make(self, subject: Subject, function: str, vault: str) -> Sandbox:
        """A sandbox, not started yet.

        Args:
            subject: whose layer.
            function: ``bare`` or ``boto3``.
            vault: base URL of Vault, as the extension shall see it.
        """
        self._count += 1
        listen = subject.listen or f"127.0.0.1:{processes.free_port()}"
        variables = {**self._variables, "VAULT_ADDR": vault, "BENCH_PROXY": listen, **_SETTINGS}
        if subject.side == "ours":
            variables["VAULTGATE_LISTEN"] = listen
        else:
            del variables["VAULTGATE_LISTEN"]
        return Sandbox(
            self._emulator,
            subject.layer,
            variables,
            HANDLERS[function],
            self._stack.folder,
            code=FUNCTIONS,
            name=f"{subject.side}-{self._count}",
        )

    def pids(self) -> list[int]:
        """Every process of the sandboxes that are running."""
        return [one.identity.pid for one in markers.find(self._stack.folder) if one.part.startswith("sandbox-")]

    def extension(self) -> int:
        """The pid of the extension that is running.

        Raises:
            CheckFailed: there is none, or more than one.
        """
        found = [pid for pid in self.pids() if any(word.startswith(_EXTENSIONS) for word in machine.words(pid))]
        if len(found) != 1:
            raise CheckFailed(f"{len(found)} extensions run where there should be one.")
        return found[0]


def ask(sandbox: Sandbox, do: str, **arguments: object) -> dict[str, object]:
    """Invoke the measured function.

    Raises:
        CheckFailed: it failed; with what it said and the last of the sandbox's log.
    """
    said = sandbox.invoke({"do": do, **arguments})
    if not isinstance(said, dict) or "errorMessage" in said:
        message = said.get("errorMessage") if isinstance(said, dict) else said
        tail = " | ".join(sandbox.log().splitlines()[-4:])
        raise CheckFailed(f"The measured function failed at {do!r}: {message}; its log ends: {tail}")
    return said
