"""`make bench`: what the extension costs a function, beside no extension and, where one is given, another extension.

Rules: one round measures every variant once, in an order that is turned each round, so that whatever the machine does
meanwhile meets all of them; what is compared was measured in the same run; a sandbox is alone while it is measured. Vault,
STS and database are the local stack's, behind a proxy that makes logins slow (`benchmarks.delay`).

docs/benchmarks.md says what each figure is.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from benchmarks import machine, subjects, table
from benchmarks.delay import CALLS_PATH, LOGIN_PATH
from benchmarks.figures import Figures, median, quantile, rounded
from benchmarks.subjects import Sandboxes, Subject, ask
from vaultgate_ops.cli import speech
from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import CheckFailed, Missing, OpsError, Unreachable, UsageProblem
from vaultgate_ops.local import paths, processes
from vaultgate_ops.local.fetch.emulator import find_emulator
from vaultgate_ops.local.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from vaultgate_ops.local.sandbox import Sandbox
    from vaultgate_ops.reporting import Task

LOGINS_MS = (0, 50, 200)
FUNCTIONS = ("bare", "boto3")
SECRET = "secret/data/records"  # noqa: S105 - a path
LEASED = "database/creds/records"
FAMILIES = ("layer.", "cold.", "read.")
_READS = 1000
_BATCHES = 20
_THREADS = 4
_ATTEMPTS = 3
_INTERRUPTED = 130

T = TypeVar("T")


class Bench:
    """One run against one stack.

    Args:
        stack: a bootstrapped one.
        compared: the subjects, the one without an extension first.
        figures: takes the samples.
        reporter: told of what had to be done again.

    Attributes:
        bases: how long the inits without an extension took, in ms, by function.
    """

    def __init__(self, stack: Stack, compared: list[Subject], figures: Figures, clock: Clock, reporter: speech.Spoken) -> None:
        self._none, *self._extensions = compared
        self._reporter = reporter
        self._stack, self._figures, self._clock = stack, figures, clock
        self._sandboxes = Sandboxes(stack, find_emulator(reporter))
        self._vaults: dict[int, str] = {}
        self._echoes = ""
        self.bases: dict[str, list[float]] = {function: [] for function in FUNCTIONS}
        self._trust = ssl.create_default_context(cafile=str(stack.vault.ca_file))

    def put_proxies(self) -> None:
        """Start the proxy before Vault, with a port for each delay."""
        certificate = self._stack.vault.ca_file.with_name("vault.pem")  # it is 127.0.0.1's, whatever the port
        argv: list[str | Path] = [sys.executable, "-m", "benchmarks.delay", "--upstream", self._stack.vault.address]
        argv += ["--ca", self._stack.vault.ca_file, "--certificate", certificate, "--key", certificate.with_suffix(".key")]

        def attempt(port: int) -> None:
            # Without a delay last: once this one answers, all of them do.
            ports = {**{delay_ms: processes.free_port() for delay_ms in LOGINS_MS if delay_ms}, 0: port}
            self._vaults = {delay_ms: f"https://127.0.0.1:{port}" for delay_ms, port in ports.items()}
            places = [word for delay_ms, port in ports.items() for word in ("--listen", f"{port}:{delay_ms}")]
            process = processes.start("delay", [*argv, *places], self._stack.folder, cwd=paths.checkout())
            process.await_ready(self._counts_calls, self._clock)

        processes.on_free_port(attempt)

    def cold_rounds(self, samples: int, task: Task, adopt: Callable[[Iterable[int]], None] | None = None) -> None:
        """Measure cold starts.

        Args:
            samples: how many of each.
            task: told of each.
            adopt: puts the sandbox on half a core; the figures then have ``cores``.
        """
        params: dict[str, Any] = {"cores": 0.5} if adopt else {}
        variants = [(function, delay_ms) for function in FUNCTIONS for delay_ms in LOGINS_MS]
        for turn in range(samples):
            bases = {function: self._cold(self._none, function, 0, adopt)[1] for function in FUNCTIONS}
            if not adopt:
                for function, init_ms in bases.items():
                    self.bases[function].append(init_ms)
            for function, delay_ms in _turned(variants, turn):
                for subject in _turned(self._extensions, turn):
                    task.describe(f"cold start, {function}, login {delay_ms} ms, {subject.side}")
                    first_ms, init_ms, cpu_ms, rss_mb = self._cold(subject, function, delay_ms, adopt)
                    named = {"login_ms": delay_ms, "function": function, **params}
                    self._figures.sample(subject.side, "cold.first_secret_ms", first_ms, **named)
                    self._figures.sample(subject.side, "cold.added_init_ms", init_ms - bases[function], **named)
                    if (function, delay_ms) == ("bare", 0):
                        self._figures.sample(subject.side, "cold.cpu_ms", cpu_ms, **params)
                        self._figures.sample(subject.side, "cold.peak_rss_mb", rss_mb, **params)
            task.advance()

    def read_rounds(self, samples: int, task: Task) -> None:
        """Measure warm reads of a leased database credential, each round in a fresh sandbox."""
        for turn in range(samples):
            for subject in _turned(self._extensions, turn):
                task.describe(f"reads, {subject.side}")
                with self._started(self._sandboxes.make(subject, "bare", self._vaults[0])) as sandbox:
                    self._reads(subject.side, sandbox)
                    sandbox.shutdown()
            task.advance()

    def sizes(self) -> None:
        """Measure the layers."""
        for subject in self._extensions:
            self._figures.sample(subject.side, "layer.zip_kb", subject.zip_kb)
            if subject.zip_all_kb is not None:
                self._figures.sample(subject.side, "layer.zip_kb", subject.zip_all_kb, runtimes="all")

    def _cold(self, *variant: Any) -> tuple[float, float, float, float]:
        """Measure a cold start, and once more if somebody took a port of the sandbox's between its choice and its use."""
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._cold_once(*variant)
            except (Unreachable, CheckFailed) as error:
                self._reporter.say(f"measured again, for {error.message[:200]}")
        return self._cold_once(*variant)

    def _cold_once(
        self, subject: Subject, function: str, delay_ms: int, adopt: Callable[[Iterable[int]], None] | None
    ) -> tuple[float, float, float, float]:
        """Milliseconds until the first answer and of the init, CPU in ms and peak memory in MB of the extension."""
        with self._started(self._sandboxes.make(subject, function, self._vaults[delay_ms])) as sandbox:
            if adopt:
                adopt(self._sandboxes.pids())
            begin = self._clock.steady()
            if subject is self._none:
                ask(sandbox, "nothing")
            else:
                ask(sandbox, "secret", path=SECRET)
            first_ms = (self._clock.steady() - begin) * 1000
            cpu_ms = rss_mb = 0.0
            if subject is not self._none:
                pid = self._sandboxes.extension()
                cpu_ms, rss_mb = machine.cpu_ms(pid), machine.peak_rss_mb(pid)
            init_ms = sandbox.init_ms
            if init_ms is None:
                raise Missing("The emulator wrote no INIT REPORT.", "Use the version that requirements/dev.txt pins.")
            return first_ms, init_ms, cpu_ms, rss_mb

    def _reads(self, side: str, sandbox: Sandbox) -> None:
        before = self._calls()
        length = ask(sandbox, "many", path=LEASED, reads=_READS)["bytes"]
        self._figures.sample(side, "read.vault_calls_per_1000", self._calls() - before)
        echo = self._echo(length)
        self._loopback(side, sandbox, echo)
        with machine.awake():
            self._loopback(side, sandbox, echo, processors="awake")
        rate: Any = ask(sandbox, "rate", path=LEASED, threads=_THREADS, reads=_READS // 2)["per_second"]
        self._figures.sample(side, "read.proxy_rps", rate)
        if side == "ours":
            memory: Any = ask(sandbox, "memory", path=LEASED, batches=_BATCHES, reads=_READS)
            self._figures.sample(side, "read.memory_us", median(memory["batch_us"]), quantile=0.5)
            self._figures.sample(side, "read.memory_us", quantile(memory["single_us"], 0.99), quantile=0.99)

    def _loopback(self, side: str, sandbox: Sandbox, echo: str, **params: str) -> None:
        """Measure reads through the proxy, and as many of constant bytes right after."""
        for name, where in (("read.proxy_us", {}), ("read.echo_us", {"address": echo})):
            times: Any = ask(sandbox, "many", path=LEASED, reads=_READS, **where)["us"]
            for share in (0.5, 0.99):
                self._figures.sample(side, name, quantile(times, share), quantile=share, **params)

    def _echo(self, length: Any) -> str:
        """Address of a server of constant bytes, as many as the secret has; started at the first call."""

        def attempt(port: int) -> None:
            argv = [sys.executable, "-m", "benchmarks.echo", "--listen", str(port), "--size", str(length)]
            process = processes.start("echo", argv, self._stack.folder, cwd=paths.checkout())
            process.await_ready(lambda: _answers(port), self._clock)
            self._echoes = f"127.0.0.1:{port}"

        if not self._echoes:
            processes.on_free_port(attempt)
        return self._echoes

    @contextlib.contextmanager
    def _started(self, sandbox: Sandbox) -> Iterator[Sandbox]:
        """Start a sandbox; at the end it is killed, so that no revocation of its is under way during the next one."""
        try:
            sandbox.start()
            yield sandbox
        finally:
            sandbox.kill()

    def _calls(self) -> int:
        """Calls that reached Vault, logins aside."""
        url = self._vaults[0] + CALLS_PATH
        with urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self._trust)).open(
            url, timeout=5
        ) as answer:
            calls: dict[str, int] = json.load(answer)
        return sum(count for call, count in calls.items() if not call.endswith(LOGIN_PATH))

    def _counts_calls(self) -> bool:
        try:
            self._calls()
        except OSError:
            return False
        return True


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _turned(things: list[T], turn: int) -> list[T]:
    """The list, begun elsewhere each turn."""
    start = turn % len(things)
    return things[start:] + things[:start]


def _meets(name: str, family: str) -> bool:
    return name.startswith(family) or family.startswith(name)


def run(samples: int, only: tuple[str, ...], executable: Path | None, reporter: speech.Spoken) -> dict[str, Any]:
    """Measure, and write ``build/bench/extension.json``.

    Args:
        samples: rounds.
        only: the beginnings of the wanted figures' names; all for none.
        executable: of another extension, or None.
        reporter: told what goes on.

    Returns:
        what was written.

    Raises:
        UsageProblem: a name is no figure's beginning.
    """
    figures, clock, build = Figures(), Clock(), paths.build_folder()
    stray = [name for name in only if not any(_meets(name, family) for family in FAMILIES)]
    if stray:
        raise UsageProblem(f"No figure's name begins with {', '.join(stray)}.", f"Name some of: {', '.join(FAMILIES)}")

    def wanted(family: str) -> bool:
        return not only or any(_meets(name, family) for name in only)

    told = machine.facts(paths.checkout())
    with Stack.embedded(f"bench-{os.getpid()}", reporter, clock=clock) as stack:
        stack.bootstrap()
        compared = [subjects.nothing(stack.folder), subjects.ours(paths.checkout(), os.environ, stack.folder, reporter)]
        if executable:
            compared.append(subjects.peer(executable, stack.folder))
        bench = Bench(stack, compared, figures, clock, reporter)
        bench.put_proxies()
        if wanted("layer."):
            bench.sizes()
        if wanted("cold."):
            with reporter.task("Cold starts", total=samples) as task:
                bench.cold_rounds(samples, task)
            told["init_without_extension_ms"] = {name: rounded(median(inits)) for name, inits in bench.bases.items()}
        if wanted("read."):
            with reporter.task("Reads", total=samples) as task:
                bench.read_rounds(samples, task)
        if wanted("cold."):
            told["half_core"] = "measured"
            try:
                with machine.half_core() as adopt, reporter.task("Cold starts on half a core", total=samples) as task:
                    bench.cold_rounds(samples, task, adopt)
            except Missing as missing:
                told["half_core"] = f"not measured: {missing.message}"
    told["load_after"] = machine.load()
    document = figures.document(told)
    target = build / "bench" / "extension.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    for line in table.lines(figures, told, measured_peer=executable is not None):
        speech.line(line)
    speech.line(f"written to {target}")
    return document


@click.command()
@click.option("--samples", default=15, show_default=True, type=click.IntRange(1), help="Rounds; 15 is the least to quote.")
@click.option("--only", multiple=True, metavar="NAME", help="Only figures whose names begin so, such as read.; repeatable.")
@click.option("--peer", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Executable of another extension.")
def main(samples: int, only: tuple[str, ...], peer: Path | None) -> None:
    """Measure cold starts and reads with Vaultgate's extension."""
    try:
        run(samples, only, peer, speech.Spoken())
    except OpsError as error:
        speech.failure(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        speech.stderr.print("interrupted", markup=False)
        sys.exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
