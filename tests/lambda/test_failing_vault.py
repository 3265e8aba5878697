"""A Vault that fails under running functions: the node that leads is killed, or nobody answers any more."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from tests.simulators.reader import reader

from vaultgate_ops.clock import Clock
from vaultgate_ops.local import markers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from vaultgate_ops.local.sandbox import Sandbox
    from vaultgate_ops.local.stack import Stack

    Start = Callable[..., Sandbox]

pytestmark = pytest.mark.stack

SANDBOXES = 4
CALLS_A_SECOND = 20


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Start]:
    """Starts readers; whatever still runs at the end is killed."""
    sandboxes: list[Sandbox] = []

    def start(stack: Stack, timeout_s: int = 30, **environment: str | None) -> Sandbox:
        name = f"{tmp_path.name}-{len(sandboxes)}"
        sandbox = reader(stack, tmp_path / "code", name, environment, timeout_s)
        sandboxes.append(sandbox)
        sandbox.start()
        return sandbox

    yield start
    for sandbox in sandboxes:
        sandbox.kill()


@pytest.fixture
def secret(ha_stack: Stack) -> None:
    """A value to read."""
    with ha_stack.vault.client() as client:
        client.secrets.kv.v2.create_or_update_secret("records", {"greeting": "hello"}, mount_point="secret")


class Load:
    """Calls at regular moments, shared among sandboxes, until it is told to end."""

    def __init__(self, sandboxes: list[Sandbox]) -> None:
        self._clock = Clock()
        self._end = threading.Event()
        self.answers: list[dict[str, Any]] = []
        self._pool = ThreadPoolExecutor(len(sandboxes))
        self._workers = [self._pool.submit(self._call, sandbox, number) for number, sandbox in enumerate(sandboxes)]

    def _call(self, sandbox: Sandbox, number: int) -> None:
        due = self._clock.steady() + number / CALLS_A_SECOND
        while not self._end.is_set():
            self._end.wait(max(0.0, due - self._clock.steady()))
            self.answers.append(sandbox.invoke({}))
            due = max(due + SANDBOXES / CALLS_A_SECOND, self._clock.steady())

    def end(self) -> list[dict[str, Any]]:
        """No more calls; what all of them were answered."""
        self._end.set()
        for worker in self._workers:
            worker.result()
        self._pool.shutdown()
        return self.answers


@pytest.mark.xdist_group("ha")
def test_the_leader_is_killed_under_load(
    ha_stack: Stack, secret: None, started: Start, eventually: Callable[[Callable[[], object]], None]
) -> None:
    """Twenty calls a second, each of which asks Vault: none fails, whoever leads, with two retries at most."""
    assert ha_stack.cluster is not None
    sandboxes = [started(ha_stack, VAULT_MAX_RETRIES="2") for _ in range(SANDBOXES)]
    for sandbox in sandboxes:
        assert "fields" in sandbox.invoke({})
    leader = ha_stack.cluster.leader()
    load = Load(sandboxes)
    try:
        eventually(lambda: len(load.answers) > CALLS_A_SECOND)
        leader.kill()
        before = len(load.answers)
        eventually(lambda: any(node.leads() for node in ha_stack.vaults if node is not leader))  # type: ignore[attr-defined]
        eventually(lambda: len(load.answers) > before + 2 * CALLS_A_SECOND)
    finally:
        answers = load.end()
        leader.start()
    assert [answer for answer in answers if "fields" not in answer] == []
    assert len(answers) > 3 * CALLS_A_SECOND


@pytest.fixture
def black_hole(stack: Stack) -> Iterator[Callable[[], None]]:
    """Stops Vault's process: its connections stay, new ones are taken by the kernel, and nothing is ever answered."""

    def send(what: signal.Signals) -> None:
        for found in markers.find(stack.folder, "vault"):
            found.identity.send(what)

    yield lambda: send(signal.SIGSTOP)
    send(signal.SIGCONT)


@pytest.mark.parametrize("logged_in", [True, False])
def test_a_black_hole_is_answered_before_the_deadline(
    stack: Stack, started: Start, black_hole: Callable[[], None], *, logged_in: bool
) -> None:
    """With 400 ms left and a Vault that never answers, the function hears why in time, with a token and without one."""
    sandbox = started(stack, 2, VAULTGATE_START="early")
    if logged_in:
        sandbox.invoke({})
    black_hole()
    answer = sandbox.invoke({"left_s": 0.4})
    assert answer["code"] == "deadline", answer
    assert 0 < answer["left_ms"] < 400
