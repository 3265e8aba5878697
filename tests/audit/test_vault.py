"""The real Vault's file device, under load, rotated by rename and SIGHUP."""

from __future__ import annotations

import json
import signal
import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from tests.audit.recorder import Recorder
from tests.audit.test_mirror import Place

from vaultgate_ops.clock import Clock
from vaultgate_ops.local import markers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from vaultgate_ops.local.stack import Stack

    Eventually = Callable[[Callable[[], object]], None]

pytestmark = pytest.mark.stack
ROTATIONS, EVERY_S, CLIENTS = 4, 1.0, 2


@pytest.fixture
def place(stack: Stack) -> Iterator[Place]:
    """A file device of the stack's Vault, with a mirror's folder."""
    folder: Path = stack.folder / "rotated"
    (folder / "log").mkdir(parents=True)
    log = folder / "log" / "audit.log"
    with stack.vault.client() as client:
        client.sys.enable_audit_device("file", path="rotated", options={"file_path": str(log), "mode": "0600"})
        yield Place(folder, log)
        client.sys.disable_audit_device("rotated")


def test_nothing_is_missing_under_load_and_rotation(stack: Stack, place: Place, eventually: Eventually) -> None:
    """A rotation each second while clients work: every line on disk arrived once, and every request with its response."""
    clock, recorder, done = Clock(), Recorder(), threading.Event()
    asked: list[str] = []

    def work() -> None:
        with stack.vault.client() as client:
            while not done.is_set():
                asked.append(client.auth.token.lookup_self()["request_id"])

    (vault,) = (found for found in markers.find(stack.folder, "vault") if found.leads)
    clients = [threading.Thread(target=work) for _ in range(CLIENTS)]
    with place.running(recorder):
        for client in clients:
            client.start()
        for number in range(ROTATIONS):
            due_s = clock.steady() + EVERY_S
            eventually(lambda due_s=due_s: clock.steady() >= due_s)
            place.log.rename(place.log.with_name(f"audit.log.{number}"))
            vault.identity.send(signal.SIGHUP)
            eventually(place.log.exists)
        done.set()
        for client in clients:
            client.join()
        written = Counter(line for file in place.log.parent.iterdir() for line in file.read_bytes().splitlines())
        eventually(lambda: len(recorder.lines) >= sum(written.values()))
    assert Counter(recorder.lines) == written
    arrived = Counter(json.loads(line)["request"]["id"] for line in recorder.lines)
    assert len(asked) > ROTATIONS
    assert {arrived[request] for request in asked} == {2}
