"""`make bench-audit`: how fast the audit mirror is, what it costs, and what gets lost on bad days.

Rules: every line comes from a real Vault's (`benchmarks.entries`), goes over TLS to a sink in another process
(`benchmarks.sink`), and is counted there by its content once the run is over: lost is what never came, a duplicate what came
again. Another program is given the same file, the same sink and the same time; it is started and stopped alike. What is
compared was measured in the same run.

docs/benchmarks.md says what each figure is.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import shlex
import shutil
import signal
import ssl
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from benchmarks import entries, machine, sink, table
from benchmarks.figures import Figures, quantile
from vaultgate_ops.audit.envelope import Line, Reassembly
from vaultgate_ops.cli import speech
from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import CheckFailed, OpsError
from vaultgate_ops.local import paths
from vaultgate_ops.local.certificates import Authority
from vaultgate_ops.local.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.entries import Entries
    from vaultgate_ops.reporting import Task

REFERENCE_NOTE = "Fluent Bit 5.1 with a disk buffer, measured once on a 2-core machine of this kind, not here"
LINES = 200_000
GROUP, NODE, DEVICE = "/vault/audit", "bench", "file"
STREAM = f"{NODE}/{DEVICE}"
_STILL_S = 15.0
_ENDS_S = 10.0
_LONG = 1_500_000
_INTERRUPTED = 130


class Subject(NamedTuple):
    """A program that mirrors a file.

    Attributes:
        side: ``ours`` or ``peer``.
        argv: its command, with ``{file}`` and the like in it (`Run.start`).
    """

    side: str
    argv: tuple[str, ...]


class Seen(NamedTuple):
    """What a sink has at the end.

    Attributes:
        arrived: SHA-256 of each line, as often as it came.
        lines: the lines that are short, to be looked at.
        moments: line number to when it came first, seconds since 1970.
    """

    arrived: Counter[bytes]
    lines: list[Line]
    moments: dict[int, float]


class Run:
    """One file, one sink, one program that is started and stopped.

    Args:
        folder: for all of it.
        authority: of the sink's certificate.
        subject: the program.
        clock: the machine's.
    """

    def __init__(self, folder: Path, authority: Authority, subject: Subject, clock: Clock) -> None:
        self._folder, self._subject, self._clock = folder, subject, clock
        self.file = folder / "audit.log"
        self._kept = folder / "kept"
        self._kept.mkdir(parents=True)
        self._ca = authority.certificate_file
        issued = authority.issue("sink", ["127.0.0.1", "localhost"])
        argv = [sys.executable, "-m", "benchmarks.sink", "--folder", self._kept]
        argv += ["--certificate", issued.certificate, "--key", issued.key]
        self._sink = subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=paths.checkout())
        self._port = int(self._sink.stdout.readline()) if self._sink.stdout else 0
        self._program: subprocess.Popen[bytes] | None = None
        self.cpu_s = 0.0
        self.peak_rss_mb = 0.0

    def start(self) -> None:
        """Start the program."""
        given = {
            "file": self.file,
            "state": self._folder / "state",
            "endpoint": f"https://127.0.0.1:{self._port}",
            "host": "127.0.0.1",
            "port": self._port,
            "group": GROUP,
            "stream": STREAM,
            "ca": self._ca,
        }
        (self._folder / "state").mkdir(exist_ok=True)
        keys = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_REGION": "us-east-1"}
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self._program = subprocess.Popen(
            [word.format(**given) for word in self._subject.argv],
            env={**environment, **keys, "AWS_CA_BUNDLE": str(self._ca)},
            stdout=subprocess.DEVNULL,
            stderr=(self._folder / "program.log").open("ab"),
            cwd=self._folder,
        )

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Take its figures, and end it."""
        program, self._program = self._program, None
        if program is None:
            return
        if program.poll() is not None:
            said = (self._folder / "program.log").read_text(encoding="utf-8", errors="replace")[-300:]
            raise CheckFailed(f"The measured program ended by itself, with {program.returncode}: {said}")
        self.cpu_s += machine.cpu_ms(program.pid) / 1000
        self.peak_rss_mb = max(self.peak_rss_mb, machine.peak_rss_mb(program.pid))
        program.send_signal(number)
        try:
            program.wait(_ENDS_S)
        except subprocess.TimeoutExpired:
            program.kill()
            program.wait()

    def until(self, events: int) -> float:
        """Wait until the sink has so many events, or got none for a while; when its last came, seconds since 1970."""
        last, changed_s = -1, self._clock.steady()
        while True:
            counts = self.ask("GET", "/-/counts")
            if counts["events"] >= events:
                return float(counts["last_s"])
            now_s = self._clock.steady()
            if counts["events"] != last:
                last, changed_s = counts["events"], now_s
            if now_s - changed_s > _STILL_S:
                return float(counts["last_s"])
            self._clock.sleep(0.02)

    def ask(self, method: str, target: str) -> dict[str, Any]:
        """Ask the sink."""
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self._port, context=ssl.create_default_context(cafile=str(self._ca)), timeout=10
        )
        with contextlib.closing(connection):
            connection.request(method, target)
            told: dict[str, Any] = json.loads(connection.getresponse().read())
            return told

    def seen(self) -> Seen:
        """What came, by now."""
        reassembly = Reassembly()
        arrived: Counter[bytes] = Counter()
        short: list[Line] = []
        moments: dict[int, float] = {}
        for call in sink.kept(self._kept):
            if call.proof:
                continue
            for event in json.loads(call.body)["logEvents"]:
                line = reassembly.line(event["message"])
                if line is None:
                    continue
                arrived[hashlib.sha256(line.content).digest()] += 1
                if line.torn or not line.content.endswith(b"}"):
                    short.append(line)
                if (number := entries.number_of(line.content)) is not None:
                    moments.setdefault(number, call.arrived_s)
        return Seen(arrived, short, moments)

    def close(self) -> None:
        """End everything."""
        if self._program is not None:
            self._program.kill()
            self._program.wait()
        self._sink.kill()
        self._sink.wait()
        if self._sink.stdout:
            self._sink.stdout.close()


class Bench:
    """The cases, each for one subject.

    Args:
        folder: for files; emptied after each case.
        made: makes the lines.
        figures: takes the samples.
        clock: the machine's.
        lines: how many the large cases have.
    """

    def __init__(self, folder: Path, made: Entries, figures: Figures, clock: Clock, lines: int) -> None:
        self._folder, self._made, self._figures, self._clock, self._lines = folder, made, figures, clock, lines
        folder.mkdir(parents=True)
        self._authority = Authority.create(folder)

    @contextlib.contextmanager
    def _run(self, subject: Subject) -> Iterator[Run]:
        folder = self._folder / "run"
        run = Run(folder, self._authority, subject, self._clock)
        try:
            yield run
        finally:
            run.close()
            shutil.rmtree(folder)

    def _write(self, path: Path, numbers: range) -> None:
        now_s = self._clock.wall() - 60
        with path.open("ab") as file:
            for number in numbers:
                file.write(self._made.line(number, now_s + number / 10_000) + b"\n")

    def _count(self, subject: Subject, case: str, run: Run, *wanted: bytes) -> Seen:
        """Compare what came with the lines that were written."""
        seen = run.seen()
        expected = Counter(hashlib.sha256(line).digest() for line in wanted)
        lost = sum((expected - seen.arrived).values())
        again = sum(count - expected[digest] for digest, count in seen.arrived.items() if 0 < expected[digest] < count)
        self._figures.sample(subject.side, "audit.lost", lost, case=case)
        self._figures.sample(subject.side, "audit.duplicates", again, case=case)
        return seen

    def backlog(self, subject: Subject) -> None:
        """A file that is there already."""
        with self._run(subject) as run:
            self._write(run.file, range(self._lines))
            begin_s = self._clock.wall()
            run.start()
            end_s = run.until(self._lines)
            run.stop()
            self._figures.sample(subject.side, "audit.events_per_s", self._lines / (end_s - begin_s))
            self._figures.sample(subject.side, "audit.cpu_s_per_100k", run.cpu_s / self._lines * 100_000)
            self._figures.sample(subject.side, "audit.peak_rss_mb", run.peak_rss_mb)
            self._count(subject, "backlog", run, *run.file.read_bytes().splitlines())

    def delay(self, subject: Subject) -> None:
        """1,000 lines a second."""
        written: dict[int, float] = {}
        with self._run(subject) as run:
            run.file.touch(mode=0o600)
            self._write(run.file, range(1_000_000, 1_000_001))
            run.start()
            run.until(1)
            self._at_pace(run.file, 20_000, 1000, written)
            run.until(20_001)
            run.stop()
            seen = self._count(subject, "1,000/s", run, *run.file.read_bytes().splitlines())
        delays = sorted(
            (seen.moments[number] - moment_s) * 1000 for number, moment_s in written.items() if number in seen.moments
        )
        if delays:
            for share in (0.5, 0.99):
                self._figures.sample(subject.side, "audit.delay_ms", quantile(delays, share), quantile=share)

    def _at_pace(self, path: Path, lines: int, per_s: int, written: dict[int, float]) -> None:
        begin_s, number = self._clock.steady(), 0
        with path.open("ab", buffering=0) as file:
            while number < lines:
                due = min(lines, int((self._clock.steady() - begin_s) * per_s) + 1)
                for one in range(number, due):
                    now_s = self._clock.wall()
                    file.write(self._made.line(one, now_s) + b"\n")
                    written[one] = now_s
                number = due
                self._clock.sleep(0.002)

    def killed(self, subject: Subject) -> None:
        """SIGKILL at 40 % and at 70 % of a backlog."""
        with self._run(subject) as run:
            self._write(run.file, range(self._lines))
            for share in (0.4, 0.7):
                run.start()
                run.until(int(self._lines * share))
                run.stop(signal.SIGKILL)
            run.start()
            # Lines that were sent twice let the sink reach the number too early.
            before = -1
            while (now := self._distinct(run)) != before and now < self._lines:
                before = now
                run.until(run.ask("GET", "/-/counts")["events"] + self._lines)
            run.stop()
            self._count(subject, "SIGKILL at 40 % and 70 %", run, *run.file.read_bytes().splitlines())

    def _distinct(self, run: Run) -> int:
        run.until(self._lines)
        return len(run.seen().arrived)

    def long_line(self, subject: Subject) -> None:
        """A line of 1.5 MB among others."""
        with self._run(subject) as run:
            self._write(run.file, range(2000))
            with run.file.open("ab") as file:
                file.write(self._made.line(2000, self._clock.wall())[:-1] + b',"long":"' + b"L" * _LONG + b'"}\n')
            self._write(run.file, range(2001, 4001))
            run.start()
            run.until(4003)
            run.stop()
            self._count(subject, "a 1.5 MB line", run, *run.file.read_bytes().splitlines())

    def rotated(self, subject: Subject) -> None:
        """Rotated while the program was stopped."""
        rotated = "audit.log.1"
        with self._run(subject) as run:
            self._write(run.file, range(5000))
            run.start()
            run.until(5000)
            # So that every program had the time to save how far it is.
            self._clock.sleep(5)
            run.stop()
            self._write(run.file, range(5000, 10_000))
            run.file.rename(run.file.with_name(rotated))
            self._write(run.file, range(10_000, 15_000))
            run.start()
            run.until(15_000)
            run.stop()
            lines = [line for name in (rotated, "audit.log") for line in run.file.with_name(name).read_bytes().splitlines()]
            self._count(subject, "rotated while stopped", run, *lines)

    def throttled(self, subject: Subject) -> None:
        """A service that throttles everything for 20 s, in the middle of 3,500 lines a second."""
        with self._run(subject) as run:
            self._write(run.file, range(1_000_000, 1_000_001))
            run.start()
            run.until(1)
            writing = threading.Thread(target=self._at_pace, args=(run.file, 70_000, 2500, {}))
            writing.start()
            self._clock.sleep(2)
            run.ask("POST", "/-/throttle?seconds=20")
            again_s = self._clock.wall() + 20
            writing.join()
            end_s = run.until(70_001)
            run.stop()
            self._figures.sample(subject.side, "audit.catch_up_ms", max(0.0, end_s - again_s) * 1000)
            self._count(subject, "throttled for 20 s", run, *run.file.read_bytes().splitlines())

    def torn(self, subject: Subject) -> None:
        """A fragment, as a full disk leaves it, and the next entry glued to it."""
        with self._run(subject) as run:
            whole = [self._made.line(number, self._clock.wall()) for number in range(1000)]
            fragment = whole[400][:700]
            run.file.write_bytes(b"\n".join([*whole[:500], fragment + whole[500], *whole[501:]]) + b"\n")
            run.start()
            run.until(1001)
            run.stop()
            seen = self._count(subject, "a torn line", run, *whole)
        reported = any(line == Line(fragment, torn=True) for line in seen.lines)
        self._figures.sample(subject.side, "audit.fragments_reported", int(reported))


CASES: dict[str, Callable[[Bench, Subject], None]] = {
    "backlog": Bench.backlog,
    "delay": Bench.delay,
    "killed": Bench.killed,
    "long": Bench.long_line,
    "rotated": Bench.rotated,
    "throttled": Bench.throttled,
    "torn": Bench.torn,
}


def ours() -> Subject:
    """The mirror of this checkout."""
    program = Path(sys.executable).with_name("vaultgate")
    words = ["mirror", "--file", f"{DEVICE}={{file}}", "--group", "{group}", "--node", NODE]
    return Subject("ours", (str(program), *words, "--checkpoints", "{state}", "--endpoint-url", "{endpoint}"))


def run(samples: int, only: tuple[str, ...], peer: str | None, lines: int, reporter: speech.Spoken) -> dict[str, Any]:
    """Measure, and write ``build/bench/audit.json``.

    Args:
        samples: rounds.
        only: the wanted cases; all for none.
        peer: another program's command.
        lines: how many the large cases have.
        reporter: told what goes on.

    Returns:
        what was written.
    """
    figures, clock, build = Figures(), Clock(), paths.build_folder()
    told = machine.facts(paths.checkout())
    with Stack.embedded(f"bench-{os.getpid()}", reporter, clock=clock) as stack:
        stack.bootstrap()
        made = entries.recorded(stack)
    told["line_bytes"] = round(made.average_bytes)
    subjects = [ours()] + ([Subject("peer", tuple(shlex.split(peer)))] if peer else [])
    wanted = [name for name in CASES if not only or name in only]
    folder = build / "bench" / f"audit-{os.getpid()}"
    bench = Bench(folder, made, figures, clock, lines)
    try:
        with reporter.task("Audit mirror", total=samples * len(wanted) * len(subjects)) as task:
            for turn in range(samples):
                for name in wanted:
                    _measured(bench, name, subjects if turn % 2 == 0 else subjects[::-1], task)
    finally:
        shutil.rmtree(folder)
    told["load_after"] = machine.load()
    document = figures.document(told)
    target = build / "bench" / "audit.json"
    target.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    for line in table.lines(figures, told, measured_peer=peer is not None, note=REFERENCE_NOTE):
        speech.line(line)
    speech.line(f"written to {target}")
    return document


def _measured(bench: Bench, name: str, subjects: list[Subject], task: Task) -> None:
    for subject in subjects:
        task.describe(f"{name}, {subject.side}")
        CASES[name](bench, subject)
        task.advance()


@click.command()
@click.option("--samples", default=1, show_default=True, type=click.IntRange(1), help="Rounds of everything.")
@click.option("--only", multiple=True, type=click.Choice(tuple(CASES)), help="Only this case; repeatable.")
@click.option("--lines", default=LINES, show_default=True, type=click.IntRange(1000), help="Lines of the large cases.")
@click.option("--peer", metavar="COMMAND", help="Another program, with {file}, {state}, {endpoint}, {host}, {port}, {ca} in it.")
def main(samples: int, only: tuple[str, ...], lines: int, peer: str | None) -> None:
    """Measure the audit mirror against a sink on this machine."""
    try:
        run(samples, only, peer, lines, speech.Spoken())
    except OpsError as error:
        speech.failure(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        speech.stderr.print("interrupted", markup=False)
        sys.exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
