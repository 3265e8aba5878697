"""Runs: what is done once, what a kill leaves, whose folder it is, and what a step that fails does to the others."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pymysql
import pytest
from botocore.exceptions import ClientError
from tests.compare.fakes import Watched, aws
from tests.simulators.clock import MovableClock

from vaultgate_ops.compare import access, leaks, prices
from vaultgate_ops.compare.contenders import CATALOGUE, entry
from vaultgate_ops.compare.experiments import Step
from vaultgate_ops.compare.experiments.cold_start import ColdStart
from vaultgate_ops.compare.experiments.leak import Case, Leak
from vaultgate_ops.compare.experiments.outage import Outage
from vaultgate_ops.compare.experiments.reads import Reads
from vaultgate_ops.compare.experiments.staleness import Staleness
from vaultgate_ops.compare.journal import MARK, Journal, claim
from vaultgate_ops.compare.result import Dimension, Measurement
from vaultgate_ops.compare.run import FULL, QUICK, Options, Scale, check, identity, place_of, unable
from vaultgate_ops.compare.runner import Runner
from vaultgate_ops.errors import CheckFailed, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vaultgate_ops.compare.contenders import Entry
    from vaultgate_ops.compare.experiments import Experiment, Observed
    from vaultgate_ops.reporting import Task

LIFE = Path(__file__).with_name("life.py")
SM = entry("secretsmanager.boto3")


class Steps:
    """An experiment of some steps of ten seconds each; the last of them may fail."""

    dimension = Dimension.READS

    def __init__(self, clock: MovableClock, keys: Sequence[str], *, slowness: float = 1, failing: str = "") -> None:
        self._clock, self._keys, self._slowness, self._failing = clock, keys, slowness, failing
        self.done: list[str] = []

    def steps(self, able: Sequence[Entry]) -> list[Step]:
        return [Step(key, tuple(one.id for one in able), 10) for key in self._keys]

    def observe(self, step: Step, task: Task) -> Observed:
        task.describe(step.key)
        self.done.append(step.key)
        self._clock.advance(10 * self._slowness)
        if step.key == self._failing:
            raise CheckFailed("It broke.")
        return {subject: {"value": len(self.done)} for subject in step.subjects}

    def conclude(self, observed: Mapping[str, Observed]) -> list[Measurement]:
        return [
            Measurement(self.dimension, subject, key.replace("-", "_"), one.get("value"), note=one.get("problem", ""))
            for key, seen in observed.items()
            for subject, one in seen.items()
        ]


def journal(folder: Path, **run: str) -> Journal:
    claim(folder, force=False)
    begun = Journal(folder)
    begun.begin(run)
    return begun


def test_a_step_that_is_done_is_not_done_again(tmp_path: Path) -> None:
    """A second runner with the same journal does the rest, and concludes from all."""
    clock = MovableClock()
    first = Steps(clock, ["a", "b"])
    Runner([first], [SM], journal(tmp_path), Watched(), clock).run()
    second = Steps(clock, ["a", "b", "c"])
    measured = Runner([second], [SM], journal(tmp_path), Watched(), clock).run()
    assert second.done == ["c"]
    assert [(one.name, one.value) for one in measured] == [("a", 1), ("b", 2), ("c", 1)]


def test_another_run_begins_anew(tmp_path: Path) -> None:
    """What was observed under other settings is nothing to this one."""
    clock = MovableClock()
    Runner([Steps(clock, ["a"])], [SM], journal(tmp_path, mode="full"), Watched(), clock).run()
    again = Steps(clock, ["a"])
    Runner([again], [SM], journal(tmp_path, mode="quick"), Watched(), clock).run()
    assert again.done == ["a"]


def test_a_step_that_fails_marks_its_cells(tmp_path: Path) -> None:
    """The reason stands in them, and the next step is done."""
    clock = MovableClock()
    broken = Steps(clock, ["a", "b"], failing="a")
    measured = Runner([broken], [SM], journal(tmp_path), Watched(), clock).run()
    assert [(one.name, one.value, one.note) for one in measured] == [("a", None, "It broke."), ("b", 2, "")]


def test_the_time_left_is_what_the_steps_take_here(tmp_path: Path) -> None:
    """Expected ten seconds each: after one that took thirty, two are left, which is a minute."""
    clock, reporter = MovableClock(), Watched()
    Runner([Steps(clock, ["a", "b", "c"], slowness=3)], [SM], journal(tmp_path), reporter, clock).run()
    assert reporter.total == reporter.done == 30
    assert reporter.said == ["a, about 30 s left", "b, about 60 s left", "c, about 30 s left"]


class Waiting:
    """An experiment of one step that waits a minute beside ten seconds of work, and tells so every quarter of its time."""

    dimension = Dimension.OUTAGE

    def __init__(self, clock: MovableClock, slowness: float) -> None:
        self._clock, self._slowness = clock, slowness

    def steps(self, able: Sequence[Entry]) -> list[Step]:
        return [Step("wait", tuple(one.id for one in able), 70, 60)]

    def observe(self, step: Step, task: Task) -> Observed:
        for _ in range(4):
            task.describe(step.key)
            self._clock.advance((60 + 10 * self._slowness) / 4)
        return {}

    def conclude(self, observed: Mapping[str, Observed]) -> list[Measurement]:  # noqa: ARG002 - the protocol's shape
        return []


def test_a_slow_machine_works_longer_and_waits_as_long(tmp_path: Path) -> None:
    """Work took three times as long as expected: a minute of waiting is a minute, ten seconds of work are thirty.

    Within the step the time left falls with the clock, and the bar moves.
    """
    clock, reporter = MovableClock(), Watched()
    Runner([Steps(clock, ["a"], slowness=3), Waiting(clock, 3)], [SM], journal(tmp_path), reporter, clock).run()
    left = ["about 80 s left", "about 90 s left", "about 68 s left", "about 45 s left", "about 22 s left"]
    assert [said.partition(", ")[2] for said in reporter.said] == left
    assert reporter.total == 80
    assert reporter.done == pytest.approx(80)


class Played:
    """An experiment's steps, each of which takes what it waits and a known multiple of its work; it tells what was promised."""

    def __init__(self, real: Experiment, clock: MovableClock, slowness: float) -> None:
        self._real, self._clock, self._slowness = real, clock, slowness
        self.dimension = real.dimension
        self.begun: list[float] = []

    def steps(self, able: Sequence[Entry]) -> list[Step]:
        return self._real.steps(able)

    def observe(self, step: Step, task: Task) -> Observed:
        self.begun.append(self._clock.steady())
        task.describe(step.key)
        self._clock.advance(step.waits_s + (step.seconds - step.waits_s) * self._slowness)
        return {}

    def conclude(self, observed: Mapping[str, Observed]) -> list[Measurement]:  # noqa: ARG002 - the protocol's shape
        return []


def planned(scale: Scale) -> list[Experiment]:
    """The experiments that take long, of which nothing but the steps is asked."""
    none: Any = None
    cases = [Case(SM.store, str(number), "", none) for number in range(13)]
    return [
        ColdStart(none, scale.rounds, aws),
        Reads(none, scale.warm, scale.misses, scale.turns, aws),
        Staleness(none, scale.applications, scale.span, none, aws),
        Leak(cases, scale.horizon_s, none, aws),
        Outage(none, scale.down_s, none, aws),
    ]


@pytest.mark.parametrize(("scale", "most_s"), [(FULL, 15 * 60), (QUICK, 60)])
def test_the_plan_is_within_what_is_promised(scale: Scale, most_s: float) -> None:
    """Fifteen minutes, or one, with every contender; a third is left for the stack and for slower machines."""
    expected = sum(step.seconds for one in planned(scale) for step in one.steps(CATALOGUE))
    assert most_s / 3 < expected < most_s * 2 / 3


@pytest.mark.parametrize("slowness", [0.5, 1, 2])
def test_the_time_left_of_a_full_run_is_sound(slowness: float, tmp_path: Path) -> None:
    """After the first round of cold starts, on a machine of half or twice the speed, it is right at every step."""
    clock, reporter = MovableClock(), Watched()
    played = [Played(one, clock, slowness) for one in planned(FULL)]
    Runner(played, CATALOGUE, journal(tmp_path), reporter, clock).run()
    over = clock.steady()
    begun = [at for one in played for at in one.begun]
    told = [re.search(r"about (\d+) (min|s) left", said) for said in reporter.said]
    for at, found in list(zip(begun, told, strict=True))[1:]:
        assert found
        unit_s = 60 if found[2] == "min" else 1
        assert int(found[1]) * unit_s == pytest.approx(over - at, abs=unit_s / 2 + 0.01)


def test_a_store_that_fails_unforeseen_marks_its_cells_too(tmp_path: Path) -> None:
    """AWS, Vault or the database says no in the middle of a step: told by kind alone, and the next step is done."""

    class Throttled(Steps):
        def observe(self, step: Step, task: Task) -> Observed:
            if step.key == "a":
                raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "planted"}}, "PutSecretValue")
            return super().observe(step, task)

    clock = MovableClock()
    measured = Runner([Throttled(clock, ["a", "b"])], [SM], journal(tmp_path), Watched(), clock).run()
    assert [(one.value, one.note) for one in measured] == [(None, "It can't be tried here (ClientError)."), (1, "")]


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("secretsmanager.boto3", "aws"),
        ("ssm-reference.powertools", "aws"),
        ("env.kms", "aws"),
        ("secretsmanager", "aws"),
        ("ssm", "aws"),
        ("env.plain", "loopback"),
        ("env", "loopback"),
        ("vault-kv.hvac", "loopback"),
        ("vault-dynamic", "loopback"),
    ],
)
def test_only_what_reaches_aws_is_timed_there(name: str, place: str) -> None:
    """With a real account Vault and the database are still this machine's."""
    assert place_of(name, "aws") == place
    assert place_of(name, "loopback") == "loopback"


def test_a_killed_run_goes_on_with_what_it_had_not_done(
    tmp_path: Path, eventually: Callable[[Callable[[], object]], None]
) -> None:
    """SIGKILL in the middle of the third step: the first two are not done again, the third is."""
    log, gate = tmp_path / "log", tmp_path / "gate"
    words = [sys.executable, str(LIFE), str(tmp_path / "out"), str(log), str(gate)]
    with subprocess.Popen(words, stderr=subprocess.PIPE) as life:
        eventually(lambda: log.exists() and log.read_text("ascii").split() == ["step-0", "step-1", "step-2"])
        life.send_signal(signal.SIGKILL)
    gate.touch()
    subprocess.run(words, check=True, timeout=60)
    assert log.read_text("ascii").split() == ["step-0", "step-1", "step-2", "step-2", "step-3"]
    assert json.loads((tmp_path / "out" / "figures.json").read_text("ascii")) == ["step-0", "step-1", "step-2", "step-3"]


def test_a_folder_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    """Nothing is written into it, but with --force, and then nothing is deleted."""
    theirs = tmp_path / "thesis.txt"
    theirs.write_text("years of work", encoding="ascii")
    notes = tmp_path / "journal" / "some.notes.json"
    notes.parent.mkdir()
    notes.write_text("{}", encoding="ascii")
    with pytest.raises(UsageProblem, match="not empty"):
        claim(tmp_path, force=False)
    assert sorted(tmp_path.iterdir()) == sorted([theirs, notes.parent])
    claim(tmp_path, force=True)
    assert Journal(tmp_path).begin({}) == 0
    Journal(tmp_path).clear()
    assert theirs.read_text("ascii") == "years of work"
    assert notes.read_text("ascii") == "{}"
    claim(tmp_path, force=False)
    with pytest.raises(UsageProblem, match="is a file"):
        claim(theirs, force=True)


def test_an_empty_or_absent_folder_becomes_ours(tmp_path: Path) -> None:
    """It bears our mark from then on."""
    claim(tmp_path / "new" / "folder", force=False)
    assert (tmp_path / "new" / "folder" / MARK).is_file()


def test_a_choice_must_name_what_there_is(tmp_path: Path) -> None:
    """Dimensions, stores and contenders; anything else is refused with what is valid."""
    check(["reads", "ssm", "env.kms"])
    chosen = Options(tmp_path, only=("reads", "ssm", "env.kms"))
    assert chosen.dimensions() == [Dimension.READS]
    assert [one.id for one in chosen.contenders()] == ["ssm.boto3", "ssm.powertools", "ssm.extension", "env.kms"]
    assert Options(tmp_path).contenders() == list(CATALOGUE)
    with pytest.raises(UsageProblem, match="'latency'"):
        check(["latency"])


def test_an_agent_that_does_not_answer_is_left_out(tmp_path: Path) -> None:
    """With the address in the reason."""
    why = unable(entry("ssm.extension"), Options(tmp_path, agent="127.0.0.1:9"))
    assert why == "No agent of AWS's answers at 127.0.0.1:9."
    assert unable(entry("ssm.boto3"), Options(tmp_path)) is None


@pytest.mark.parametrize(
    ("endpoints", "where"),
    [
        (["https://kms.us-east-1.amazonaws.com", "https://vpce-1.ssm.eu-west-1.vpce.amazonaws.com"], "aws"),
        (["https://kms.us-east-1.amazonaws.com", "http://localstack:4566"], "loopback"),
        (["https://amazonaws.com.example.org"], "loopback"),
        (["http://127.0.0.1:5000"], "loopback"),
    ],
)
def test_only_aws_own_endpoints_are_aws(endpoints: list[str], where: str) -> None:
    """An emulation's times are never shown as AWS's, whatever its host is called."""
    assert access.place(endpoints) == where


def test_a_database_that_fails_at_a_login_has_not_refused_it() -> None:
    """A connection that is lost says no on a session that was ended, and nothing at all at the door."""

    def lost() -> None:
        raise pymysql.OperationalError(2013, "Lost connection")

    def denied() -> None:
        raise pymysql.OperationalError(1045, "Access denied")

    assert not leaks.let_in(denied, leaks.REFUSED)
    assert not leaks.let_in(lost, leaks.REFUSED | leaks.ENDED)
    with pytest.raises(CheckFailed, match="2013"):
        leaks.let_in(lost, leaks.REFUSED)


def test_the_cost_of_a_run_by_hand() -> None:
    """An hour of 730 of eight secrets at $0.40 and a key at $1, and 30,000 calls at $0.05 and $0.03 for 10,000: $0.25."""
    told = access.estimate("123456789012", prices.load())
    assert "8 secrets, 2 parameters, 1 key are made, tagged vaultgate:compare" in told
    assert "at most 30,000 calls cost about $0.25 (prices of 20" in told


def test_figures_of_another_machine_account_or_choice_are_another_runs(tmp_path: Path) -> None:
    """A journal that was copied elsewhere, or made before an agent answered, is not gone on with; a busier machine's is."""
    told = {"cpu": "a", "cores": 2, "load_before": 0.1}
    options = Options(tmp_path)
    mine = identity(options, "account 1, us-east-1", told, [SM.id])
    assert identity(options, "account 1, us-east-1", {**told, "load_before": 9.9}, [SM.id]) == mine
    assert identity(options, "account 2, us-east-1", told, [SM.id]) != mine
    assert identity(options, "account 1, us-east-1", {**told, "cpu": "b"}, [SM.id]) != mine
    assert identity(options, "account 1, us-east-1", told, []) != mine
    assert identity(Options(tmp_path, quick=True), "account 1, us-east-1", told, [SM.id]) != mine
