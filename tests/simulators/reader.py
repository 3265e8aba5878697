"""A function that reads one secret at each invocation, and says what came of it and how much of its time was left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vaultgate_ops.local import paths, processes
from vaultgate_ops.local.fetch.emulator import find_emulator
from vaultgate_ops.local.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from vaultgate_ops.local.stack import Stack

SECRET = "secret/data/records"
FUNCTION = f"""\
import threading

from vaultgate import client
from vaultgate.errors import VaultgateError

def handler(event, context):
    # Whatever else a function does with its time.
    spend_s = context.get_remaining_time_in_millis() / 1000 - event.get("left_s", 1e9)
    if spend_s > 0:
        threading.Event().wait(spend_s)
    try:
        said = {{"fields": sorted(client.read(event.get("path", "{SECRET}")).data)}}
    except VaultgateError as error:
        said = {{"code": error.code, "hint": error.hint, "message": error.message}}
    return said | {{"left_ms": context.get_remaining_time_in_millis()}}
"""


def reader(
    stack: Stack,
    code: Path,
    name: str,
    environment: Mapping[str, str | None] | None = None,
    timeout_s: int = 30,
    *,
    layer: Path | None = None,
    emulator: Path | None = None,
) -> Sandbox:
    """A sandbox of that function, not started.

    Args:
        stack: whose Vault is read.
        code: a folder for the function.
        name: of the sandbox.
        environment: variables that differ from the stack's; None takes one away.
        timeout_s: of one invocation.
        layer: by default the built one.
        emulator: by default AWS's.
    """
    code.mkdir(exist_ok=True)
    (code / "app.py").write_text(FUNCTION, encoding="utf-8")
    wanted = {**stack.function_environment(processes.free_port()), **(environment or {})}
    return Sandbox(
        emulator or find_emulator(),
        layer or paths.build_folder() / "layer",
        {variable: value for variable, value in wanted.items() if value is not None},
        "app.handler",
        stack.folder,
        code=code,
        name=name,
        visible=[code],
        timeout_s=timeout_s,
    )
