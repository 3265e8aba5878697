"""The trial of a layer: what was packed lives one life under each interpreter, before anybody calls it good.

Rules: it is the unpacked archive that runs, by its own launchers, with the environment of a sandbox and nothing of ours. Lambda's
Extensions API and Vault are played here on loopback, as thinly as one life needs: a login, one secret, one SHUTDOWN. That the
extension is right is for the tests to say; a trial says that this artefact starts, serves a secret through its door and ends.
"""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import tempfile
import threading
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import CheckFailed, Missing
from vaultgate_ops.interruptions import uninterrupted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from vaultgate_ops.layer.interpreters import Interpreter

LAMBDAS = Path("/var/lang/bin/python3")
"""The interpreter of Lambda's Python runtimes, and of its images."""
_PATH = "secret/data/trial"
_LAMBDA, _VAULT = "/2020-01-01/extension/", "/v1/"
_TOKEN = {
    "client_token": "hvs.trial",
    "accessor": "trial",
    "token_type": "service",
    "lease_duration": 600,
    "renewable": True,
    "policies": ["trial"],
}
_INIT_S, _END_S, _HANG_S, _LOOK_S = 30.0, 10.0, 60.0, 0.05


def live_once(opt: Path, interpreters: Sequence[Interpreter], lambdas: Path = LAMBDAS) -> None:
    """Run a layer under each of these interpreters, side by side.

    Args:
        opt: the unpacked archive.
        interpreters: whose bytecode is in it.
        lambdas: what the launchers take before any other, where it is there.

    Raises:
        CheckFailed: it did not start, served no secret, or did not end in order; with what it said.
        Missing: this is one of Lambda's images, and they would all be that image's Python.
    """
    others = [one.version for one in interpreters if lambdas.exists() and not lambdas.samefile(one.path)]
    if others:
        raise Missing(
            f"No layer can be tried under Python {', '.join(others)} here: its launchers take {lambdas} before any other.",
            "Build it outside of Lambda's images, or with --python for the image's own Python alone.",
        )
    with ExitStack() as stack:
        lives = [stack.enter_context(_Life(opt, one)) for one in interpreters]
        for life in lives:
            life.until_ready()
        for life in lives:
            life.serve()
        for life in lives:
            life.end()


class _World:
    """Lambda and Vault, as one extension sees them.

    Attributes:
        secret: what Vault holds.
        calls: the paths that were called, in order.
    """

    def __init__(self) -> None:
        self.secret = secrets.token_hex()
        self.calls: list[str] = []
        self._over = False
        self._changed = threading.Condition()

    def until(self, call: str, seconds: float) -> bool:
        """Wait for a call; whether it came."""
        with self._changed:
            return self._changed.wait_for(lambda: call in self.calls, seconds)

    def shut_down(self) -> None:
        """Let Next be answered."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def answer(self, path: str) -> tuple[int, dict[str, str], object]:
        """Status, headers and document for a call."""
        with self._changed:
            self.calls.append(path)
            self._changed.notify_all()
            if path == f"{_LAMBDA}event/next":
                self._changed.wait_for(lambda: self._over, _HANG_S)
        match path:
            case "/2020-01-01/extension/register":
                return HTTPStatus.OK, {"Lambda-Extension-Identifier": "trial"}, {"functionName": "trial"}
            case "/2020-01-01/extension/event/next":
                return HTTPStatus.OK, {}, {"eventType": "SHUTDOWN", "shutdownReason": "SPINDOWN", "deadlineMs": 0}
            case "/v1/auth/aws/login":
                return HTTPStatus.OK, {}, {"auth": _TOKEN}
            case "/v1/auth/token/revoke-self":
                return HTTPStatus.NO_CONTENT, {}, None
            case "/v1/secret/data/trial":
                return (
                    HTTPStatus.OK,
                    {},
                    {"data": {"data": {"word": self.secret}, "metadata": {"version": 1}}, "lease_duration": 0},
                )
            case _:
                return HTTPStatus.NOT_FOUND, {}, {"errors": []}


class _Life:
    """One extension's process, and the world around it."""

    def __init__(self, opt: Path, interpreter: Interpreter) -> None:
        self._opt = opt
        self._interpreter = interpreter
        self._world = _World()

    def __enter__(self) -> Self:
        """Start it."""
        with ExitStack() as stack:
            address = stack.enter_context(_served(self._world))
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vaultgate-trial-")))
            # On PATH under the name that the launcher looks for, and nothing else is.
            (scratch / "bin").mkdir()
            (scratch / "bin/python3").symlink_to(self._interpreter.path)
            self._environment = {
                "PATH": str(scratch / "bin"),
                "TMPDIR": str(scratch),
                "AWS_LAMBDA_RUNTIME_API": address,
                "AWS_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": "trial",
                "AWS_SECRET_ACCESS_KEY": "trial",
                "VAULT_ADDR": f"http://{address}",
                "VAULT_AUTH_PROVIDER": "aws",
                "VAULT_AUTH_ROLE": "trial",
                "VAULTGATE_LISTEN": stack.enter_context(_port_for_another()),
            }
            self._log = stack.enter_context((scratch / "log").open("w+b"))
            # Not started without being known here.
            with uninterrupted():
                self._process = subprocess.Popen(
                    [self._opt / "extensions/vaultgate"],
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=self._log,
                    stderr=subprocess.STDOUT,
                )
                stack.callback(self._kill)
            self._left = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """End it, however far it came."""
        self._left.close()

    def until_ready(self) -> None:
        """Its init is over: it has registered, logged in and asked for its first event."""
        clock = Clock()
        deadline = clock.steady() + _INIT_S
        while not self._world.until(f"{_LAMBDA}event/next", _LOOK_S):
            if self._process.poll() is not None:
                raise self._failed(f"it ended with {self._process.returncode} in its init")
            if clock.steady() > deadline:
                raise self._failed("its init did not end")
        if f"{_VAULT}auth/aws/login" not in self._world.calls:
            raise self._failed("it did not log in")

    def serve(self) -> None:
        """A function's variable is resolved by `vaultgate-exec`, through the extension's door."""
        command = [str(self._opt / "vaultgate-exec"), "/bin/sh", "-c", 'printf %s "$WORD"']
        environment = self._environment | {"WORD": f"vault:{_PATH}#word"}
        try:
            said = subprocess.run(
                command, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=_INIT_S
            )
        except subprocess.TimeoutExpired as error:
            raise self._failed("vaultgate-exec did not come to its end") from error
        if said.stdout != self._world.secret:
            raise self._failed(f"it served no secret: {said.stderr.strip()}")

    def end(self) -> None:
        """SHUTDOWN: the token is given back, and the process ends by itself."""
        self._world.shut_down()
        try:
            code = self._process.wait(_END_S)
        except subprocess.TimeoutExpired as error:
            raise self._failed("it did not end at SHUTDOWN") from error
        if code:
            raise self._failed(f"it ended with {code}")
        if f"{_VAULT}auth/token/revoke-self" not in self._world.calls:
            raise self._failed("it did not give its token back")

    def _failed(self, what: str) -> CheckFailed:
        self._log.seek(0)
        said = self._log.read().decode(errors="replace").strip()
        told = f"The layer does not pass its trial under Python {self._interpreter.release}: {what}."
        return CheckFailed(f"{told} {said}".strip(), "Mend what it says; nothing was built, the last layer is as it was.")

    def _kill(self) -> None:
        with self._process:
            self._process.kill()


@contextmanager
def _port_for_another() -> Iterator[str]:
    """An address that no other process is given by the kernel while the block runs, and that the extension can bind."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        """Answer."""
        self._answer()

    do_POST = do_PUT = do_GET  # noqa: N815 - the names are http.server's

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        status, headers, document = self.server.world.answer(self.path)
        body = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, world: _World) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.world = world


@contextmanager
def _served(world: _World) -> Iterator[str]:
    """Let a world answer on loopback; its address."""
    with _Server(world) as server:
        # A poll of the default half second would be waited out by every build.
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield "{}:{}".format(*server.server_address[:2])
        finally:
            world.shut_down()
            server.shutdown()
