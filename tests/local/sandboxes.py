"""A trivial function and extension for sandboxes, so that the sandbox itself is what is tried."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vaultgate_ops.local.fetch.emulator import find_emulator
from vaultgate_ops.local.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from vaultgate_ops.clock import Clock

FUNCTION = """\
import os, threading

if "FAIL_IMPORT" in os.environ:
    raise ValueError("no import today")

def handler(event, context):
    match event.get("do"):
        case "raise":
            raise ValueError("as asked")
        case "exit":
            os._exit(3)
        case "hang":
            threading.Event().wait()
        case "write":
            with open(event["path"], "w") as file:
                file.write("x")
        case "list":
            return sorted(os.listdir(event["path"]))
    return {"pid": os.getpid(), "environ": dict(os.environ), "cwd": os.getcwd(), "event": event}
"""

# Says what it hears; with HANG in its environment it stays after SHUTDOWN.
EXTENSION = """\
#!/usr/bin/env python3
import http.client, json, os, signal, threading
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])

def call(method, path, headers, body=None):
    api.request(method, "/2020-01-01/extension/" + path, body, headers)
    answer = api.getresponse()
    return answer.read(), answer.headers

_, headers = call("POST", "register", {"Lambda-Extension-Name": "trivial"}, '{"events": ["INVOKE", "SHUTDOWN"]}')
me = {"Lambda-Extension-Identifier": headers["Lambda-Extension-Identifier"]}
while True:
    event = json.loads(call("GET", "event/next", me)[0])
    print("extension heard", event["eventType"], flush=True)
    if event["eventType"] == "SHUTDOWN":
        if "HANG" in os.environ:
            threading.Event().wait()
        break
"""


def make_layer(folder: Path, extension: str = EXTENSION) -> Path:
    """A layer with one extension, `trivial`."""
    path = folder / "layer/extensions/trivial"
    path.parent.mkdir(parents=True)
    path.write_text(extension)
    path.chmod(0o755)
    return folder / "layer"


def make_sandbox(
    folder: Path,
    layer: Path,
    environment: Mapping[str, str] | None = None,
    *,
    emulator: Path | None = None,
    clock: Clock | None = None,
    name: str = "one",
    timeout_s: int = 30,
) -> Sandbox:
    """A sandbox with the trivial function, not started.

    Args:
        folder: of the stack; the function's code goes beside it.
        layer: to see as /opt.
        environment: of the function.
        emulator: instead of AWS's.
        clock: instead of the real one.
        name: of the sandbox.
        timeout_s: of one invocation.
    """
    code = folder.parent / "code"
    code.mkdir(exist_ok=True)
    (code / "app.py").write_text(FUNCTION)
    return Sandbox(
        emulator or find_emulator(),
        layer,
        environment or {},
        "app.handler",
        folder,
        code=code,
        name=name,
        timeout_s=timeout_s,
        clock=clock,
        visible=[code],
    )
