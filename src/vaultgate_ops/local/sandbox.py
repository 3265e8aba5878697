"""A Lambda sandbox: AWS's Runtime Interface Emulator with a layer on /opt and a Python function.

Rules: the function and its extensions see the environment that Lambda would give them plus what the caller gives, and
nothing of ours but the two markers by which the stack's processes are found. The layer is what `vaultgate layer build` left,
mounted read-only; /tmp is the sandbox's own. The emulator does the init at the first invocation, not before.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import Unreachable
from vaultgate_ops.local import markers, namespace, paths, preflight, processes
from vaultgate_ops.local.function_endpoint import INVOKE_PATH, FunctionEndpoint, InitFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

_INIT_REPORT = re.compile(r"INIT REPORT\(durationMs: ([0-9.]+)")
_FATAL = re.compile(r"First fatal error stored in appctx: (\S+)")
_EMULATORS = re.compile(r".{24} \[[A-Z]+\] \(rapid\) |(START|END|REPORT) RequestId: ")
_OVERDUE = re.compile(r"the agent extension-(.+)-\d+ did not exit after deadline")
# The emulator gives 2 s to runtime and extensions, then kills them and waits up to 9 s for that (lambda/rapid/shutdown.go).
_SHUTDOWN_S = 13.0
_KILL_S = 5.0
_POLL_S = 0.01
_QUOTED_LINES = 5
_WRAPPER = "AWS_LAMBDA_EXEC_WRAPPER"


@dataclass(frozen=True)
class Ending:
    """How a sandbox ended.

    Attributes:
        overdue: extensions that outlived the 2 s of the SHUTDOWN phase and were killed; empty if all finished by themselves.
        took_s: from the signal until all its processes were gone.
    """

    overdue: tuple[str, ...]
    took_s: float


class Sandbox:
    """One sandbox, which is one execution environment: one runtime and the layer's extensions.

    Args:
        emulator: executable of the Runtime Interface Emulator.
        layer: folder to see as /opt.
        environment: the function's variables, credentials among them; they win over `lambda_environment`.
        handler: ``module.function``.
        folder: of the stack; output goes to ``logs/``, /tmp is ``sandboxes/NAME/tmp`` in it.
        python: an interpreter that has ``awslambdaric`` and the function's requirements; by default the running one.
        code: folder that holds the function's modules; by default this checkout's ``src``.
        name: tells the sandboxes of one stack apart.
        visible: further folders under /tmp that the function must see.
        timeout_s: whole seconds that one invocation may take.
    """

    def __init__(
        self,
        emulator: Path,
        layer: Path,
        environment: Mapping[str, str],
        handler: str,
        folder: Path,
        *,
        python: Path | None = None,
        code: Path | None = None,
        name: str = "records",
        visible: Iterable[Path] = (),
        timeout_s: int = 30,
        clock: Clock | None = None,
    ) -> None:
        self._emulator = emulator
        self._layer = layer
        self._python = Path(sys.executable) if python is None else python
        self._code = paths.checkout() / "src" if code is None else code
        self._handler = handler
        self._folder = folder
        self._part = f"sandbox-{name}"
        self._scratch = folder / "sandboxes" / name / "tmp"
        self._visible = tuple(visible)
        self._clock = Clock() if clock is None else clock
        self._environment = {
            **lambda_environment(self._python, self._code, handler, timeout_s),
            **environment,
        }
        self._process: processes.Process | None = None
        self._endpoint: FunctionEndpoint | None = None

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Shut down in order, or at once if something went wrong."""
        if kind is None:
            self.shutdown()
        else:
            self.kill()

    def start(self) -> None:
        """Start the emulator and wait until it takes invocations.

        Raises:
            Missing: no namespaces here, or the emulator can't be executed.
            Unreachable: it ended, or did not answer; with the last lines it wrote.
        """
        self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        programs = (self._emulator.parent, self._python.parent, Path(sys.prefix), Path(sys.base_prefix))
        visible = (self._folder, self._code, *programs, *self._visible)
        prefix = namespace.enter(preflight.mount_namespace(os.environ), self._layer, self._scratch, visible)
        processes.on_free_port(lambda port: self._attempt(port, prefix))

    def _attempt(self, port: int, prefix: list[str]) -> None:
        address = f"127.0.0.1:{port}"
        process = processes.start(
            self._part,
            [
                *prefix,
                self._emulator,
                *("--runtime-interface-emulator-address", address),
                *("--runtime-api-address", f"127.0.0.1:{processes.free_port()}"),
                *("--log-level", "info"),
                # Lambda's own start script does this before it starts the runtime; the emulator leaves it to an image's.
                *([self._environment[_WRAPPER]] if self._environment.get(_WRAPPER) else []),
                *(self._python, "-m", "awslambdaric", self._handler),
            ],
            self._folder,
            extra=self._environment,
            cwd=self._code,
        )
        self._process = process
        try:
            process.await_ready(lambda: _listens(port), self._clock)
        except BaseException:
            self.kill()
            raise
        self._endpoint = FunctionEndpoint(f"http://{address}{INVOKE_PATH}")

    @property
    def url(self) -> str:
        """Where Lambda's Invoke API is served; whoever uses it must not overlap with `invoke`."""
        return self._running()[1].url

    def invoke(self, event: Any) -> Any:
        """Run the function once, after those that asked before; the first time, runtime and extensions start.

        Args:
            event: any JSON value.

        Returns:
            what the function returned, or ``{"errorMessage", "errorType", ...}`` if it or its runtime failed.

        Raises:
            FunctionTimedOut: it ran out of time.
            InitFailed: an extension did not come up; with its last words.
            Unreachable: the emulator died, or gave no result; with the last lines it wrote.
        """
        process, endpoint = self._running()
        try:
            return endpoint.invoke(event)
        except InitFailed as error:
            log = self.log()
            reason = (_FATAL.findall(log) or ["no reason given"])[-1]
            words = " | ".join([line for line in log.splitlines() if line and not _EMULATORS.match(line)][-_QUOTED_LINES:])
            raise InitFailed(
                f"{error.message.rstrip('.')} ({reason}); it said: {words or 'nothing'}", f"Read {process.log}."
            ) from error
        except Unreachable as error:
            raise process.failure(error.message.rstrip(".")) from error

    @property
    def init_ms(self) -> float | None:
        """How long the latest init took, extensions and function together, in ms; None before the first invocation."""
        found = _INIT_REPORT.findall(self.log())
        return float(found[-1]) if found else None

    def log(self) -> str:
        """What emulator, runtime, function and extensions have written so far."""
        if self._process is None:
            return ""
        with self._process.log.open("rb") as file:
            file.seek(self._process.log_from)
            return file.read().decode(errors="replace")

    def shutdown(self) -> Ending:
        """End it as Lambda does: extensions get SHUTDOWN and 2 s. Fine for a sandbox that has ended or never began.

        Raises:
            Unreachable: the emulator did not end; the sandbox has been killed.
        """
        begin = self._clock.steady()
        if self._process is not None:
            self._process.identity.send(signal.SIGTERM)
        try:
            if self._process is not None:
                self._process.wait(_SHUTDOWN_S)
        finally:
            self.kill()
        return Ending(tuple(_OVERDUE.findall(self.log())), self._clock.steady() - begin)

    def kill(self) -> None:
        """End every process of it at once with SIGKILL, as when a host is lost. Fine at any time, and twice.

        Raises:
            Unreachable: a process outlived it.
        """
        deadline = self._clock.steady() + _KILL_S
        # Nothing is left when nothing is found twice: a process that is just being started shows no markers for a moment.
        seen_nobody = 0
        while seen_nobody < 2:  # noqa: PLR2004 - see above
            found = markers.find(self._folder, self._part)
            seen_nobody = 0 if found else seen_nobody + 1
            if found and self._clock.steady() > deadline:
                raise Unreachable(f"Process {found[0].identity.pid} of a sandbox can't be ended.")
            for one in found:
                one.identity.send(signal.SIGKILL)
            self._clock.sleep(_POLL_S)
        if self._process is not None:
            self._process.reap()
        self._endpoint = None

    def _running(self) -> tuple[processes.Process, FunctionEndpoint]:
        if self._process is None or self._endpoint is None:
            raise Unreachable("The sandbox is not running.", "Start it first.")
        return self._process, self._endpoint


def lambda_environment(python: Path, code: Path, handler: str, timeout_s: int) -> dict[str, str]:
    """The variables that Lambda sets for a Python function, with the values they have here.

    Source: AWS Lambda Developer Guide, "Defined runtime environment variables". ``AWS_LAMBDA_FUNCTION_TIMEOUT`` is the
    emulator's own. Credentials are the caller's to add.
    """
    return {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_NAME": "vaultgate-records",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout_s),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_REGION": "us-east-1",
        "LAMBDA_TASK_ROOT": str(code),
        "LANG": "en_US.UTF-8",
        "PATH": f"{python.parent}:/usr/local/bin:/usr/bin:/bin:/opt/bin",
        "PYTHONPATH": f"/opt/python:{code}",
        "TZ": ":UTC",
        "_HANDLER": handler,
    }


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
