"""A sandbox whose function reads through the extension's door and shows what it got; its extension's wall clock can be moved.

Rules: the function keeps nothing, so what it shows is what the door said. The layer is a copy of the built one with another
launcher, which gives the extension's process a clock whose wall hand is ahead by what a file says; everything else, TLS, the
kernel's timers and Vault's clock among it, goes on as it is. A freeze stops every process of the sandbox but the emulator, as
Lambda does.
"""

from __future__ import annotations

import itertools
import shutil
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaultgate_ops.local import markers, paths
from vaultgate_ops.local.fetch.emulator import find_emulator
from vaultgate_ops.local.processes import free_port
from vaultgate_ops.local.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vaultgate_ops.local.stack import Stack

HANDLER = "reading.handler"
FUNCTION = """\
import http.client, json, os

def handler(event, context):
    host, port = os.environ["VAULTGATE_LISTEN"].split(":")
    door = http.client.HTTPConnection(host, int(port), timeout=25)
    door.request("GET", "/v1/" + event["path"], headers={"X-Vault-Request": "true"} | event["headers"])
    answer = door.getresponse()
    return {"status": answer.status, "headers": dict(answer.getheaders()), "document": json.loads(answer.read() or b"null")}
"""
LAUNCHER = """\
#!/bin/sh
exec python3 -I -S -c '
import os, sys
sys.path.append(os.path.abspath(sys.argv[1] + "/../../python"))
from vaultgate.arrival import arrive
from vaultgate.clock import Clock, Instant
from vaultgate.process import run

class Moved(Clock):
    def wall(self):
        try:
            with open("/tmp/ahead") as file:
                return super().wall() + float(file.read())
        except OSError:
            return super().wall()

    def now(self):
        return Instant(self.wall(), self.steady())

name = os.path.basename(sys.argv[1])
sys.exit(run(dict(os.environ), name, arrive(dict(os.environ), name), Moved()))
' "$0"
"""
_NUMBERS = itertools.count()


def layer_with_a_movable_clock(folder: Path) -> Path:
    """A copy of the built layer whose extension takes its wall clock's lead from /tmp/ahead; its folder."""
    layer = folder / "layer"
    shutil.copytree(paths.build_folder() / "layer", layer)
    launcher = layer / "extensions" / "vaultgate"
    launcher.chmod(0o755)
    launcher.write_text(LAUNCHER, encoding="utf-8")
    return layer


class Reader:
    """A sandbox, and the two hands on it: its clock and its freezer."""

    def __init__(self, stack: Stack, layer: Path, code: Path, environment: Mapping[str, str], handler: str) -> None:
        (code / "reading.py").write_text(FUNCTION, encoding="utf-8")
        self._folder = stack.folder
        self.name = f"reader-{next(_NUMBERS)}"
        self._ahead = stack.folder / "sandboxes" / self.name / "tmp" / "ahead"
        variables = stack.function_environment(free_port()) | dict(environment)
        own = code if handler == HANDLER else None
        self.sandbox = Sandbox(find_emulator(), layer, variables, handler, stack.folder, code=own, name=self.name)

    def read(self, path: str = "database/creds/records", **headers: str) -> dict[str, Any]:
        """What the function got for a path: status, headers and document."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        shown: dict[str, Any] = self.sandbox.invoke({"path": path, "headers": named})
        if "status" not in shown:
            raise AssertionError(f"{shown}: {self.sandbox.log()}")
        return shown

    def user(self) -> str:
        """The database user that the function is given now."""
        shown = self.read()
        if shown["status"] != 200:
            raise AssertionError(f"{shown['document']}: {self.sandbox.log()}")
        return str(shown["document"]["data"]["username"])

    def set_ahead(self, seconds: float) -> None:
        """Set the extension's wall clock: this much ahead of the true one, or behind it."""
        fresh = self._ahead.with_name("ahead.new")
        fresh.write_text(str(seconds), encoding="utf-8")
        fresh.replace(self._ahead)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Nothing of the sandbox runs while the block does."""
        stopped = [one.identity for one in markers.find(self._folder, f"sandbox-{self.name}") if not _emulates(one.identity.pid)]
        if len(stopped) < 2:  # the extension and the function's runtime
            raise AssertionError("the sandbox has no processes to freeze")
        for one in stopped:
            one.send(signal.SIGSTOP)
        try:
            yield
        finally:
            for one in stopped:
                one.send(signal.SIGCONT)


def _emulates(pid: int) -> bool:
    """Whether a process is the emulator, or what started it."""
    return b"--runtime-interface-emulator-address" in Path(f"/proc/{pid}/cmdline").read_bytes()
