"""Crash anywhere: one seed is one story of a device, its rotations, its torn lines, the service's faults and many deaths.

The oracle: what arrived is what was written, and nothing else; how often a line came too many is bounded by what was under way
when a life was killed or a call was left without an answer; the evidence counts the same; after a clean stop nothing is sent
twice.
"""

from __future__ import annotations

import os
import random  # noqa: TID251 - a seed gives the same story each time
import signal
import subprocess
import sys
import threading
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.audit.life import DESTINATION, PACE, Life
from tests.audit.writer import Device
from tests.simulators.cloudwatch_logs import CloudWatchLogs, Fault, serving

from vaultgate_ops.audit.envelope import Reassembly
from vaultgate_ops.audit.evidence import Evidence
from vaultgate_ops.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_S = 60.0
UNDER_WAY = 2 * PACE.window
"""Batches that a killed life may have sent without a trace in the checkpoint: the window's, and those proven since the last."""
CHECKOUT = Path(__file__).parents[2]
_FAULTS = (Fault.THROTTLED, Fault.UNAVAILABLE, Fault.INTERNAL, Fault.DROPPED, Fault.LANDED, Fault.GARBLED, Fault.EXPIRED)
_SURELY_LOST = (Fault.THROTTLED, Fault.UNAVAILABLE, Fault.DROPPED, Fault.GARBLED)


class Deadly(CloudWatchLogs):
    """A service during whose call the caller dies."""

    def __init__(self) -> None:
        super().__init__()
        self.victim = 0
        self.fatal_call = 0
        self.after_it_landed = False
        self.life = 0
        self.landed: list[tuple[int, frozenset[str]]] = []

    def answer(self, action: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.fatal_call -= action == "PutLogEvents"
        fatal = action == "PutLogEvents" and self.fatal_call == 0 and self.victim
        if fatal and not self.after_it_landed:
            os.kill(self.victim, signal.SIGKILL)
        mirrored = action == "PutLogEvents" and request["logStreamName"] == DESTINATION.stream
        before = len(self.messages(DESTINATION.group, DESTINATION.stream)) if mirrored else 0
        try:
            answer = super().answer(action, request)
        finally:
            if mirrored and len(self.messages(DESTINATION.group, DESTINATION.stream)) > before:
                self.landed.append((self.life, frozenset(event["message"] for event in request["logEvents"])))
        if fatal and self.after_it_landed:
            os.kill(self.victim, signal.SIGKILL)
        return answer


class Nursery:
    """The process that forks lives."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def bear(self, life: Life) -> int:
        """Begin a life; gives its process id."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{life.line()}\n")
        self._process.stdin.flush()
        return self._word()

    def bury(self) -> int:
        """Wait for its end; gives its exit status."""
        return self._word()

    def _word(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


@contextmanager
def nursery() -> Iterator[Nursery]:
    """A process that forks lives, while the block runs."""
    keys = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"}
    environment = {**os.environ, **keys, "PYTHONPATH": os.pathsep.join((str(CHECKOUT), str(CHECKOUT / "src")))}
    argv = [sys.executable, "-m", "tests.audit.life"]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=CHECKOUT
    ) as process:
        yield Nursery(process)


@dataclass
class Outcome:
    """What a trial came to.

    Attributes:
        problems: what should not be; empty where the promise held.
        lines: written.
        deaths: lives that were killed.
        twice: how many lines came too many.
        under_way: of the batches of one life, how many another one sent again at most.
    """

    problems: list[str] = field(default_factory=list)
    lines: int = 0
    deaths: int = 0
    twice: int = 0
    under_way: int = 0


class Trial:
    """One seed.

    Args:
        seed: of everything in it.
        folder: an empty one.
        lives: where they come from.
    """

    def __init__(self, seed: int, folder: Path, lives: Nursery) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - as above
        self._folder, self._lives = folder, lives
        (folder / "log").mkdir()
        self._device = Device(folder / "log" / "audit.log")
        self._service = Deadly()
        self._service.answer("CreateLogGroup", {"logGroupName": DESTINATION.group})
        for stream in (DESTINATION.stream, DESTINATION.proof_stream):
            self._service.answer("CreateLogStream", {"logGroupName": DESTINATION.group, "logStreamName": stream})
        self._outcome = Outcome()
        self._clean_only = seed % 5 == 0

    def run(self) -> Outcome:
        """Tell the story, and judge it."""
        with serving(self._service) as endpoint:
            for _ in range(self._chance.randint(2, 5)):
                self._events(self._chance.randint(1, 6))
                self._life(endpoint)
            self._device.write()
            self._device.rename()
            self._device.reopen()
            self._device.write()
            self._service.faults.clear()
            self._last_life(endpoint)
            before = self._arrived()
            self._last_life(endpoint)
            if self._arrived() != before:
                self._outcome.problems.append("a start after a clean stop sent something")
        self._device.close()
        self._judge(before)
        return self._outcome

    def _life(self, endpoint: str) -> None:
        chance = self._chance
        self._service.life += 1
        how = "clean" if self._clean_only else chance.choice(["boundary", "boundary", "call", "outside", "clean"])
        if how != "clean" or not self._clean_only:
            self._service.faults.extend(chance.choices((None, *_FAULTS), k=chance.randint(0, 3)))
        once = chance.random() < 0.5
        self._service.fatal_call = chance.randint(1, 8) if how == "call" else 0
        self._service.after_it_landed = chance.random() < 0.5
        boundary = chance.randint(1, 30) if how == "boundary" else 0
        pid = self._lives.bear(Life(str(self._device.path), str(self._folder), endpoint, once=once, boundary=boundary))
        self._service.victim = pid if how == "call" else 0
        self._events(chance.randint(0, 4))
        ended = threading.Event()
        statuses: list[int] = []
        waiting = threading.Thread(target=lambda: (statuses.append(self._lives.bury()), ended.set()))
        waiting.start()
        if how == "outside":
            ended.wait(chance.random() * 0.1)
            _signal(pid, signal.SIGKILL, ended)
        elif not once:
            wanted = sum(self._device.written.values())
            deadline = Clock().steady() + 1.0
            while not ended.wait(0.02) and sum(self._arrived().values()) < wanted and Clock().steady() < deadline:
                pass
            _signal(pid, signal.SIGTERM, ended)
        if not ended.wait(PATIENCE_S):
            self._outcome.problems.append(f"a life ({how}, once={once}) did not end")
            _signal(pid, signal.SIGKILL, ended)
        waiting.join()
        self._service.victim = 0
        # SIGTERM kills as well, before it is listened to.
        self._outcome.deaths += statuses[0] < 0
        if statuses[0] > 0:
            self._outcome.problems.append(f"a life ended with {statuses[0]}: {self._said()}")

    def _last_life(self, endpoint: str) -> None:
        self._service.life += 1
        self._lives.bear(Life(str(self._device.path), str(self._folder), endpoint, once=True))
        status = self._lives.bury()
        if status:
            self._outcome.problems.append(f"the last life ended with {status}: {self._said()}")

    def _events(self, count: int) -> None:
        for _ in range(count):
            self._chance.choice(
                [self._some_lines, self._some_lines, self._some_lines, self._odd_line, self._tear, self._rotate]
            )()

    def _some_lines(self) -> None:
        for _ in range(self._chance.randint(1, 30)):
            self._device.write(extra="x" * self._chance.randint(0, 2000))

    def _odd_line(self) -> None:
        line = self._chance.choice(
            [
                b"x",
                b"same line",
                b"\xff\xfe no text",
                b"ends in CR\r",
                b"has\0a NUL",
                "\u00e9\u4e16".encode(),
                b"",
                b"y" * 300_000,
            ]
        )
        if self._chance.random() < 0.02:
            line = b"z" * (1_048_550 + self._chance.randint(-1, 400_000))
        if not self._device.path.exists() or not self._device.path.stat().st_size:
            # Vault's first line is never a short one: by its head a compressed file is known again.
            self._device.write()
        for _ in range(self._chance.randint(1, 3)):
            self._device.write(line)

    def _tear(self) -> None:
        self._device.fill_the_disk(self._chance.random() * 0.9)
        if self._chance.random() < 0.7:
            self._device.write()

    def _rotate(self) -> None:
        self._device.rename(create=self._chance.random() < 0.5)
        if self._chance.random() < 0.6:
            self._device.write()
        self._device.reopen()
        if self._chance.random() < 0.8:
            self._device.write()
        if self._chance.random() < 0.5:
            self._device.compress()

    def _arrived(self) -> Counter[bytes]:
        whole = Reassembly()
        lines = (whole.line(message) for message in self._service.messages(DESTINATION.group, DESTINATION.stream))
        return Counter(line.content for line in lines if line)

    def _said(self) -> str:
        with suppress(OSError):
            return (self._folder / "said").read_text(encoding="utf-8")[-2000:]
        return "nothing"

    def _judge(self, arrived: Counter[bytes]) -> None:
        written, outcome = self._device.written, self._outcome
        outcome.lines = sum(written.values())
        missing, foreign = written - arrived, {line for line in arrived if line not in written}
        outcome.twice = sum((arrived - written).values())
        if missing:
            outcome.problems.append(f"{sum(missing.values())} lines are missing, such as {next(iter(missing))[:200]!r}")
        if foreign:
            outcome.problems.append(f"{len(foreign)} lines were never written, such as {next(iter(foreign))[:200]!r}")
        outcome.problems += self._contradictions(outcome.lines)
        outcome.under_way = max(self._sent_again(life) for life in range(self._service.life))
        if outcome.under_way > UNDER_WAY:
            outcome.problems.append(f"{outcome.under_way} batches of one life were sent again by later ones")
        if self._clean_only and outcome.twice:
            outcome.problems.append(f"{outcome.twice} lines came twice though every life ended cleanly")

    def _contradictions(self, lines: int) -> list[str]:
        """What the evidence in the service says otherwise."""
        evidence = Evidence()
        for message in self._service.messages(DESTINATION.group, DESTINATION.proof_stream):
            evidence.proof(message, 0)
        for message in self._service.messages(DESTINATION.group, DESTINATION.stream):
            evidence.event(message, 0)
        found = evidence.findings()
        # A file that was compressed before a checkpoint knew it is another one to the evidence: what came twice is lines of both.
        counted = lines <= found.lines and found.lines + found.duplicates == lines + self._outcome.twice
        if found.complete and counted:
            return []
        return [f"the evidence says otherwise: {found}"[:600]]

    def _sent_again(self, life: int) -> int:
        """How many of a life's batches hold a line with a number that a later life sent again."""
        later: set[str] = set()
        for sender, messages in self._service.landed:
            if sender > life:
                later.update(message for message in messages if '"id":"' in message)
        return len({messages for sender, messages in self._service.landed if sender == life and not later.isdisjoint(messages)})


def _signal(pid: int, number: int, ended: threading.Event) -> None:
    if not ended.is_set():
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def trial(seed: int, folder: Path, lives: Nursery) -> Outcome:
    """The story of one seed."""
    return Trial(seed, folder, lives).run()
