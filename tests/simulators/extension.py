"""The extension's state on a simulated Vault and a movable clock: what the broker's tests stand on."""

from __future__ import annotations

import io
import json
import sys
import threading
from typing import TYPE_CHECKING, Any

from tests.simulators.clock import MovableClock
from tests.simulators.vault import SERVER_ID, Gate, SimulatedVault

from vaultgate.auth import AwsLogin
from vaultgate.broker import Broker
from vaultgate.clock import Clock
from vaultgate.config import load
from vaultgate.credentials import Credentials
from vaultgate.log import Log
from vaultgate.model import Request
from vaultgate.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable

    from vaultgate.model import Answer

CREDS = "database/creds/records"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "planted-key", "AWS_SESSION_TOKEN": "planted-session"}
SETTINGS = {
    "VAULT_ADDR": "https://vault.example.com:8200",
    "VAULT_AUTH_ROLE": "records",
    "VAULT_IAM_SERVER_ID": SERVER_ID,
    "VAULT_STS_ENDPOINT_REGION": "us-east-1",
    "VAULT_LOG_LEVEL": "trace",
}
_REAL = Clock()


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until a condition holds; the clock here is the real one, threads don't run on ours."""
    end = _REAL.steady() + seconds
    while not condition():
        if _REAL.steady() > end:
            raise AssertionError("what was waited for didn't happen")
        _REAL.sleep(0.001)


_WAITING = (threading.Condition.wait.__code__, threading.Thread.join.__code__)


def waits(thread: threading.Thread) -> bool:
    """Whether a thread is waiting for another one, or for its end; to be held at a gate doesn't count."""
    frame = sys._current_frames().get(thread.ident or 0)  # noqa: SLF001 - nothing else tells what a thread is doing
    stack = []
    while frame is not None:
        stack.append(frame.f_code)
        frame = frame.f_back
    return any(code in stack for code in _WAITING) and Gate.pass_through.__code__ not in stack


class Beside:
    """A call that runs in a thread of its own."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._result: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._result = self._call()
        except BaseException as error:  # noqa: BLE001 - handed to whoever asks for the result
            self._error = error

    def until_it_waits(self) -> Beside:
        """Go on once it waits for somebody."""
        eventually(lambda: waits(self._thread))
        return self

    def ended(self) -> None:
        """Wait for its end, whatever that is."""
        self._thread.join(10)
        if self._thread.is_alive():
            raise AssertionError("the call beside did not end")

    def result(self) -> Any:
        """What it gave, or raise what it raised."""
        self.ended()
        if self._error is not None:
            raise self._error
        return self._result


class Extension:
    """A broker and everything under it.

    Args:
        **environ: settings beside the usual ones.

    Attributes:
        invalidations: how often the broker said that copies of what it handed out may no longer be true.
    """

    def __init__(self, **environ: str) -> None:
        self.clock = MovableClock()
        self.server = SimulatedVault(self.clock)
        self.config = load(SETTINGS | environ)
        self._lines = io.StringIO()
        self.log = Log(self._lines, self.config.log_level, self.clock)
        self.vault = Vault(self.server, self.config.vault, self.config.namespace, self.config.max_retries, self.clock)
        login = AwsLogin(self.vault, Credentials(KEYS, self.server), self.config, self.clock)
        self.invalidations = 0
        self.broker = Broker(self.vault, login, self.config, self.clock, self.log, invalidated=self._count)

    def _count(self) -> None:
        self.invalidations += 1

    def ask(
        self, path: str = CREDS, *headers: tuple[str, str], method: str = "GET", document: object = None, seconds: float = 60
    ) -> Answer:
        """What the broker answers to a request."""
        body = b"" if document is None else json.dumps(document).encode()
        return self.broker.answer(Request(method, f"/v1/{path}", headers, body), self.clock.steady() + seconds)

    def beside(self, path: str = CREDS, *headers: tuple[str, str], seconds: float = 60) -> Beside:
        """The same in a thread of its own."""
        return Beside(lambda: self.ask(path, *headers, seconds=seconds))

    @property
    def logged(self) -> list[dict[str, Any]]:
        """The log's lines, parsed."""
        return [json.loads(line) for line in self._lines.getvalue().splitlines()]

    @property
    def events(self) -> list[str]:
        """The log's events, in order."""
        return [line["event"] for line in self.logged]


class Direct:
    """A network from the client to an extension's broker without sockets."""

    def __init__(self, extension: Extension) -> None:
        self._extension = extension

    def exchange(self, _origin: object, request: Request, deadline: float) -> Answer:
        """Answer as the proxy would, errors raised as they are."""
        return self._extension.broker.answer(request, deadline)


def user(answer: Answer) -> str:
    """The database user in an answer."""
    return str(json.loads(answer.body)["data"]["username"])


def cache(answer: Answer) -> str | None:
    """What an answer says about the cache."""
    return answer.header("X-Vaultgate-Cache")
