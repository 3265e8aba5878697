"""Thin lives of the extension: the built layer's launcher in a process of its own, as Lambda would start it.

It has the environment that Lambda would give it, a real Vault, and a Lambda that consists of the Extensions API alone. Rules:
nothing of the extension is touched; what it says and answers is all that is seen of it. A life ends by SHUTDOWN, or by SIGKILL
as when a host is lost.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.simulators.lambda_api import lambda_api

from vaultgate.generation import folder_of
from vaultgate_ops.local import paths

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.simulators.lambda_api import LambdaApi

CREDS = "database/creds/records"
_OWN = {"X-Vault-Request": "true"}
_END_S = 20.0


class Reply:
    """What the door answered: status, headers and the text."""

    def __init__(self, status: int, headers: Mapping[str, str], text: str) -> None:
        self.status = status
        self.headers = headers
        self.text = text

    @property
    def ok(self) -> bool:
        """Whether the status is a success."""
        return self.status // 100 == 2

    @property
    def document(self) -> Any:
        """The JSON in it."""
        return json.loads(self.text)


class Life:
    """An extension's process, from its start to its end.

    Args:
        environment: what Lambda gives it; `LANG` and `PATH` are added.
        api: Lambda.
        port: where its door is.
        command: how its launcher is started, where not from the built layer.
    """

    def __init__(self, environment: Mapping[str, str], api: LambdaApi, port: int, command: Sequence[str | Path] = ()) -> None:
        self.port = port
        self.api = api
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed at the end of the life
        path = os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"])
        self.process = subprocess.Popen(
            command or [paths.build_folder() / "layer/extensions/vaultgate"],
            env={"LANG": "C.UTF-8", "PATH": path, "AWS_LAMBDA_RUNTIME_API": api.origin.authority} | dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )

    def __enter__(self) -> Self:
        """Its life."""
        return self

    def __exit__(self, *_: object) -> None:
        """The end of it, whatever happened."""
        self.kill()
        self._output.close()
        # What it shares with a function's processes stays behind where it was killed.
        shutil.rmtree(folder_of(("127.0.0.1", self.port)), ignore_errors=True)

    def until_ready(self) -> Self:
        """Wait until the extension has called Next for the first time: its init is over."""
        self.api.until_asked(1)
        return self

    def invoke(self) -> None:
        """An invocation, up to the extension's next call of Next."""
        before = self.api.calls.count("event/next")
        self.api.invoke()
        self.api.until_asked(before + 1)

    def ask(self, path: str, method: str = "GET", body: object = None, **headers: str) -> Reply:
        """Ask the door for a path below /v1/, as a function would; underscores in a header's name stand for hyphens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            sent = _OWN | {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, f"/v1/{path}", json.dumps(body) if body is not None else None, sent)
            answer = connection.getresponse()
            return Reply(answer.status, dict(answer.getheaders()), answer.read().decode())
        finally:
            connection.close()

    def shut_down(self) -> int:
        """SHUTDOWN; the exit code."""
        self.api.shut_down()
        return self.process.wait(_END_S)

    def kill(self) -> None:
        """SIGKILL; fine for one that has ended."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(_END_S)

    @property
    def output(self) -> str:
        """Everything it wrote."""
        size = os.fstat(self._output.fileno()).st_size
        return os.pread(self._output.fileno(), size, 0).decode()

    @property
    def events(self) -> list[dict[str, Any]]:
        """The log's lines."""
        return [json.loads(line) for line in self.output.splitlines() if line.startswith('{"ts"')]


@contextmanager
def life(environment: Mapping[str, str], command: Sequence[str | Path] = ()) -> Iterator[Life]:
    """Start an extension on a port of its own; killed at the end of the block if it still lives.

    Args:
        environment: its `VAULTGATE_LISTEN` doesn't count.
        command: how the launcher is started, where not from the built layer.
    """
    with socket.socket() as held, lambda_api() as api:
        # As long as somebody holds the port, and lets others have it too, no conversation of anybody's is given it.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        with Life(dict(environment) | {"VAULTGATE_LISTEN": f"127.0.0.1:{port}"}, api, port, command) as one:
            yield one


def live_in_order(environment: Mapping[str, str], lives: int) -> frozenset[str]:
    """Lives that end by SHUTDOWN, one after the other, each with an invocation and a database user of its own.

    Args:
        environment: of each.
        lives: how many.

    Returns:
        the database users that were handed out.

    Raises:
        AssertionError: one was not as it should be; with what it said.
    """
    users = set()
    for _ in range(lives):
        with life(environment) as one:
            users.add(_serve(one))
            code = one.shut_down()
            events = [line["event"] for line in one.events]
            if code or events.count("token-revoked") != 1:
                raise AssertionError(f"it ended with {code}: {one.output}")
    return frozenset(users)


def live_until_killed(environment: Mapping[str, str], lives: int) -> frozenset[str]:
    """The same, but each is killed while it holds its lease."""
    users = set()
    for _ in range(lives):
        with life(environment) as one:
            users.add(_serve(one))
            one.kill()
    return frozenset(users)


def _serve(one: Life) -> str:
    one.until_ready().invoke()
    reply = one.ask(CREDS)
    if reply.status != http.client.OK:
        raise AssertionError(f"it answered {reply.status} {reply.text}: {one.output}")
    return str(reply.document["data"]["username"])
