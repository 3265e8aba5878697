"""Lambda as a function and an extension meet it where AWS's emulator can't: SnapStart and Managed Instances.

It serves the Runtime API and the Extensions API on one port, starts the extension as it was built and AWS's own runtime
client (`awslambdaric`) in front of the function, and drives both through a sandbox's life. A snapshot is a stop: both
processes are stopped (SIGSTOP) once the init is over and go on (SIGCONT) at the restore, so that what they hold in between is
what a snapshot would hold. There is no Telemetry API: the extension asks for none.

Sources: AWS Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes", "Lambda Managed Instances";
`awslambdaric` for `/restore/next`, which only its source documents.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.simulators.lambda_api import LambdaApi, serving

import vaultgate
from vaultgate.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_RUNTIME = "/2018-06-01/runtime/"
_ARN = "arn:aws:lambda:us-east-1:123456789012:function:records"
_WAIT_S = 30.0
_STEP_S = 0.01


class LambdaService(LambdaApi):
    """One sandbox's two APIs.

    Args:
        kind: `on-demand`, `provisioned-concurrency`, `snap-start` or `lambda-managed-instances`.

    Attributes:
        ready: how many runtimes have asked for an invocation, or for the restore: their init is over.
        init_errors: what runtimes reported instead.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        if kind == "lambda-managed-instances":
            self.events = frozenset({"SHUTDOWN"})
        self._lock = threading.Condition()
        self._waiting: list[tuple[str, Any, int]] = []
        self._answers: dict[str, Any] = {}
        self._restored = False
        self._count = 0
        self._over = False
        self.ready = 0
        self.init_errors: list[Any] = []

    def answer(self, method: str, path: str, headers: Any, document: Any) -> tuple[int, dict[str, str], object]:
        """A call of either API."""
        if not path.startswith(_RUNTIME):
            return super().answer(method, path, headers, document)
        call = path.removeprefix(_RUNTIME)
        with self._lock:
            if call in {"init/error", "restore/error"}:
                self.init_errors.append(document)
                self._lock.notify_all()
                return 202, {}, {"status": "OK"}
            if call == "restore/next":
                self.ready += 1
                self._lock.notify_all()
                self._lock.wait_for(lambda: self._restored or self._over, 300)
                return 200, {}, {}
            if call == "invocation/next":
                self.ready += 1
                self._lock.notify_all()
                self._lock.wait_for(lambda: self._waiting or self._over, 300)
                if self._over:
                    return 500, {}, {}
                request_id, event, deadline_ms = self._waiting.pop(0)
                return 200, _invocation_headers(request_id, deadline_ms), json.dumps(event).encode()
            _, request_id, outcome = call.split("/")
            self._answers[request_id] = (outcome, document)
            self._lock.notify_all()
            return 202, {}, {"status": "OK"}

    def until_registered(self) -> None:
        """Wait until the extension has registered, which is when Lambda starts the runtime."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.registered is not None, _WAIT_S):
                raise AssertionError(f"the extension did not register: {self.calls}")

    def until_idle(self) -> None:
        """Wait until the extension has said that its init is over."""
        with self._changed:
            self._changed.wait_for(lambda: "event/next" in self.calls or self.errors, _WAIT_S)
            if "event/next" not in self.calls:
                raise AssertionError(f"the extension's init did not end: {self.calls} {self.errors}")

    def until_ready(self, times: int) -> None:
        """Wait until runtimes have asked so many times for an invocation, or for the restore."""
        with self._lock:
            done = self._lock.wait_for(lambda: self.ready >= times or self.init_errors, _WAIT_S)
        if not done or self.init_errors:
            raise AssertionError(f"the runtime is not ready: {self.init_errors}")

    def let_restore(self) -> None:
        """Answer the runtime's restore/next: the snapshot was restored."""
        with self._lock:
            self._restored = True
            self._lock.notify_all()

    def begin(self, event: Any, seconds: float = 10.0) -> str:
        """Hand an invocation to the next runtime that is free, and the INVOKE to the extension if it is one that hears of it."""
        deadline_ms = int((Clock().wall() + seconds) * 1000)
        with self._lock:
            self._count += 1
            request_id = f"request-{self._count}"
            self._waiting.append((request_id, event, deadline_ms))
            self._lock.notify_all()
        if "INVOKE" in self.events:
            self.invoke(deadline_ms)
        return request_id

    def result(self, request_id: str) -> Any:
        """What the function answered.

        Raises:
            AssertionError: it failed, with what it said.
        """
        with self._lock:
            if not self._lock.wait_for(lambda: request_id in self._answers, _WAIT_S):
                raise AssertionError(f"no answer to {request_id}")
            outcome, document = self._answers[request_id]
        if outcome != "response":
            raise AssertionError(document)
        return document

    def close(self) -> None:
        """Let go of whoever waits."""
        with self._lock:
            self._over = True
            self._lock.notify_all()
        super().close()


def _invocation_headers(request_id: str, deadline_ms: int) -> dict[str, str]:
    return {
        "Lambda-Runtime-Aws-Request-Id": request_id,
        "Lambda-Runtime-Deadline-Ms": str(deadline_ms),
        "Lambda-Runtime-Invoked-Function-Arn": _ARN,
        "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0",
    }


class Environment:
    """One execution environment's processes: the extension, and the runtime with the function.

    Args:
        service: Lambda's side.
        environment: the function's variables, and so the extension's.
        folder: for what they write.
        handler: `module.function`.
        code: folder that holds the function's modules.
        concurrency: processes of the function; above one it runs as on a managed instance.
    """

    def __init__(
        self,
        service: LambdaService,
        environment: Mapping[str, str],
        folder: Path,
        *,
        handler: str = "",
        code: Path | None = None,
        concurrency: int = 1,
    ) -> None:
        layer = Path(vaultgate.__file__).parents[2]
        self.service = service
        self._concurrency = concurrency
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        own = {"AWS_LAMBDA_RUNTIME_API": service.origin.authority, "AWS_LAMBDA_INITIALIZATION_TYPE": service.kind}
        known = {"PATH": os.environ["PATH"], "TMPDIR": str(folder), "AWS_REGION": "us-east-1", **environment, **own}
        paths = f"{layer}/python:{code or ''}"
        many = {"AWS_LAMBDA_MAX_CONCURRENCY": str(concurrency)} if concurrency > 1 else {}
        self._commands = {
            "extension": ([str(layer / "extensions/vaultgate")], known),
            "runtime": ([sys.executable, "-m", "awslambdaric", handler], {**known, "PYTHONPATH": paths, **many}),
        }
        self._with_function = bool(handler)

    def start(self) -> None:
        """Start the extension and, once it has registered, the runtime; wait for the end of both inits."""
        self._start("extension")
        self.service.until_registered()
        if self._with_function:
            self._start("runtime")
            self.service.until_ready(self._concurrency)
        self.service.until_idle()

    def snapshot(self) -> None:
        """Stop everything, as it is in the snapshot."""
        for process in self._processes.values():
            process.send_signal(signal.SIGSTOP)

    def restore(self) -> None:
        """Go on, let the runtime run its after-restore hooks, and wait until it takes invocations."""
        before = self.service.ready
        for process in self._processes.values():
            process.send_signal(signal.SIGCONT)
        self.service.let_restore()
        if self._with_function:
            self.service.until_ready(before + 1)

    def shut_down(self, reason: str = "SPINDOWN") -> float:
        """End the runtime, then tell the extension; the seconds until it has ended."""
        if "runtime" in self._processes:
            self._end("runtime")
        began = Clock().steady()
        self.service.shut_down(reason)
        self._processes["extension"].wait(_WAIT_S)
        del self._processes["extension"]
        return Clock().steady() - began

    def crash(self) -> None:
        """End the extension as a crash would, and start it again in the same sandbox: Lambda runs the init anew."""
        self._end("extension")
        self.service.forget()
        self._start("extension")
        self.service.until_registered()
        self.service.until_idle()

    def kill(self) -> None:
        """End whatever still runs."""
        for part in tuple(self._processes):
            self._end(part)

    def log(self, part: str) -> str:
        """What a part wrote."""
        return (self._folder / f"{part}.log").read_text()

    def events(self) -> list[dict[str, Any]]:
        """The extension's log lines."""
        return [json.loads(line) for line in self.log("extension").splitlines() if line.startswith("{")]

    def _end(self, part: str) -> None:
        """Kill a part with all its processes; a function has many on a managed instance."""
        process = self._processes.pop(part)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(_WAIT_S)

    def _start(self, part: str) -> None:
        command, environment = self._commands[part]
        with (self._folder / f"{part}.log").open("ab") as log:
            self._processes[part] = subprocess.Popen(
                command, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )


@contextmanager
def sandbox_of(kind: str, environment: Mapping[str, str], folder: Path, **options: Any) -> Iterator[Environment]:
    """An environment of some kind, not started yet; nothing of it outlives the block."""
    with ExitStack() as stack:
        service = stack.enter_context(serving(LambdaService(kind)))
        made = Environment(service, environment, folder, **options)
        stack.callback(made.kill)
        yield made
