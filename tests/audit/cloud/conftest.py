"""A sender before the simulated CloudWatch Logs."""

from __future__ import annotations

import datetime as dt
import functools
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import botocore.session
import pytest
from tests.simulators.cloudwatch_logs import CloudWatchLogs as Simulator
from tests.simulators.cloudwatch_logs import serving

from vaultgate_ops.audit.cloudwatch import CloudWatchLogs, Service
from vaultgate_ops.audit.delivery import Patience
from vaultgate_ops.audit.destinations import Creation
from vaultgate_ops.audit.envelope import Reassembly
from vaultgate_ops.audit.model import Destination, Entry, FileIdentity, Position, Span
from vaultgate_ops.audit.sender import CloudWatchSender, Pace
from vaultgate_ops.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ACCESS_KEY, SECRET_KEY = "AKIDSIMULATED", "simulated-secret"
DESTINATION = Destination("/vault/audit", "node-1/file")
QUICK = Pace(linger_s=0.02, proof_every_s=0.05, patience=Patience(first_s=0.01, most_s=0.05, start_s=5.0))
IDENTITY = FileIdentity(1, 2, "ab" * 32, 1024)
PATIENCE_S = 20.0


class File:
    """Lines as they would be in a file, and a reader of it."""

    def __init__(self, *lines: bytes, long: int = 1_048_550, torn: frozenset[int] = frozenset()) -> None:
        self.content = b""
        self.entries: list[Entry] = []
        for number, line in enumerate(lines):
            start = len(self.content)
            self.content += line + (b"" if number in torn else b"\n")
            kept = line if len(line) <= long else None
            self.entries.append(Entry(start, len(self.content), kept, torn=number in torn))

    def pread(self, start: int, length: int) -> bytes:
        """Up to so many bytes there."""
        return self.content[start : start + length]


def entry(number: int, second: int = 0) -> bytes:
    """A line as Vault writes it, of the minute that is passing now."""
    moment = Clock().wall() - 60 + second
    return b'{"auth":{"n":%d},"time":"%b.%03dZ","type":"request"}' % (number, _written(moment), number % 1000)


def _written(moment_s: float) -> bytes:
    return dt.datetime.fromtimestamp(moment_s, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()


class Way(NamedTuple):
    """A way to a simulated service.

    Attributes:
        simulator: the service.
        service: our door to it.
        said: what the senders said.
        open: makes a sender; closed with the fixture.
    """

    simulator: Simulator
    service: CloudWatchLogs
    said: list[str]
    open: Callable[..., CloudWatchSender]

    def lines(self) -> Counter[bytes]:
        """The lines that arrived, as often as they did."""
        reassembly = Reassembly()
        messages = self.simulator.messages(DESTINATION.group, DESTINATION.stream)
        return Counter(line.content for message in messages if (line := reassembly.line(message)))

    def messages(self) -> list[str]:
        """The events of the lines' stream."""
        return self.simulator.messages(DESTINATION.group, DESTINATION.stream)

    def proofs(self) -> list[str]:
        """The proof events."""
        return self.simulator.messages(DESTINATION.group, DESTINATION.proof_stream)


@functools.cache
def session() -> botocore.session.Session:
    """A botocore session that knows the simulator's keys and nothing of this machine; one, for it reads large models."""
    made = botocore.session.Session(
        session_vars={"config_file": (None, None, "/dev/null", None), "credentials_file": (None, None, "/dev/null", None)}
    )
    made.set_credentials(ACCESS_KEY, SECRET_KEY)
    return made


@pytest.fixture
def way() -> Iterator[Way]:
    """A sender's way to a service that has the group and both streams."""
    simulator = Simulator(Clock(), {ACCESS_KEY: (SECRET_KEY, "")})
    said: list[str] = []
    opened: list[CloudWatchSender] = []
    simulator.answer("CreateLogGroup", {"logGroupName": DESTINATION.group})
    for stream in (DESTINATION.stream, DESTINATION.proof_stream):
        simulator.answer("CreateLogStream", {"logGroupName": DESTINATION.group, "logStreamName": stream})
    with serving(simulator) as endpoint:
        service = CloudWatchLogs(Service("us-east-1", endpoint, read_s=1.0), Clock(), session())
        creation = Creation()

        def make(pace: Pace = QUICK, creation: Creation = creation, retention_days: int | None = None) -> CloudWatchSender:
            opened.append(
                CloudWatchSender(
                    service, DESTINATION, creation, Clock(), pace=pace, say=said.append, retention_days=retention_days
                )
            )
            return opened[-1]

        yield Way(simulator, service, said, make)
        simulator.release()
        for sender in opened:
            sender.close()
        service.close()


def send(sender: CloudWatchSender, file: File, *, position: Position | None = None, step: int = 100) -> bool:
    """Offer a file from a position on, and flush."""
    begin = position or Position(IDENTITY)
    sender.begin(begin)
    entries = [one for one in file.entries if one.start >= begin.offset]
    for place in range(0, len(entries), step):
        sender.offer(Span(begin.identity, entries[place : place + step]), file)
    return sender.flush(Clock().steady() + PATIENCE_S)
