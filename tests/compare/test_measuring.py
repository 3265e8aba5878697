"""The measuring, measured: every experiment against contenders whose answer is known."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.compare.fakes import Breakable, NoTask, Rotatable, Sandboxed, Watched, aws, slow_read
from tests.simulators.clock import MovableClock

from vaultgate_ops.clock import Clock
from vaultgate_ops.compare import stopwatch
from vaultgate_ops.compare.bench import Bench
from vaultgate_ops.compare.calling import Answer, Call, awaited, calls, first_served, side_by_side, tally
from vaultgate_ops.compare.contenders import Keeps, entry
from vaultgate_ops.compare.experiments import AFAR, Step, quantile
from vaultgate_ops.compare.experiments.cold_start import ColdStart, First
from vaultgate_ops.compare.experiments.leak import UNNOTICED, Case, Leak, lives
from vaultgate_ops.compare.experiments.outage import Outage
from vaultgate_ops.compare.experiments.outage import observed as outage_observed
from vaultgate_ops.compare.experiments.reads import SANDBOX_S, Counts, Reads, calls_per_million, distribution
from vaultgate_ops.compare.experiments.staleness import Span, Staleness
from vaultgate_ops.compare.experiments.staleness import observed as staleness_observed
from vaultgate_ops.compare.experiments.throttling import throttling
from vaultgate_ops.compare.result import NEVER, Dimension, Measurement, Tag
from vaultgate_ops.errors import CheckFailed
from vaultgate_ops.local import paths

if TYPE_CHECKING:
    from collections.abc import Sequence

SM, SSM, ENV, KV = "secretsmanager.boto3", "ssm.powertools", "env.plain", "vault-kv.layer"


def of(measured: Sequence[Measurement], contender: str, name: str) -> Measurement:
    """The one figure of this name."""
    (found,) = (one for one in measured if (one.contender, one.name) == (contender, name))
    return found


def loopback(contender: str) -> str:
    return "loopback"


# Quantiles and curves


@given(st.lists(st.integers(-100, 100), min_size=1), st.sampled_from([0.01, 0.5, 0.99, 1.0]))
def test_a_quantile_is_the_least_sample_that_the_share_is_not_above(samples: list[int], share: float) -> None:
    """By its definition, counted."""
    found = quantile(samples, share)
    assert found in samples
    assert sum(one <= found for one in samples) >= share * len(samples)
    assert sum(one < found for one in samples) < share * len(samples)


def test_a_distribution_ends_with_the_slowest() -> None:
    """A hundred points at most, from the first share to the whole."""
    points = distribution([float(one) for one in range(1000)])
    assert len(points) == 100
    assert points[0] == (0.01, 9.0)
    assert points[-1] == (1.0, 999.0)


class Warm:
    """A ground of warm functions whose answers may be old; asking past what is kept makes them new."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def warm(self, contender: str) -> Warm:
        self.events.append({"warm": contender})
        return self

    def drop(self, contender: str) -> None:
        self.events.append({"drop": contender})

    def invoke(self, event: dict[str, Any]) -> dict[str, Any]:
        self.events.append(event)
        return {"user": "u", "mark": "m", "ms": 1.0}


@pytest.mark.parametrize(
    ("contender", "before"),
    [
        ("vault-kv.layer", [{"warm": "vault-kv.layer"}, {"do": "read", "anew": True}]),
        ("secretsmanager.caching", [{"drop": "secretsmanager.caching"}, {"warm": "secretsmanager.caching"}]),
        ("vault-dynamic.layer", [{"warm": "vault-dynamic.layer"}]),
    ],
)
def test_an_outage_begins_with_fresh_answers(contender: str, before: list[dict[str, Any]]) -> None:
    """Whose answer happened to be five minutes old would fail in the middle of it, by nothing but its place in the run."""
    ground: Any = Warm()
    Bench(ground).read(contender)
    assert ground.events == [*before, {"do": "read"}]


# Cold start


def test_a_cold_start_takes_what_the_caller_waits() -> None:
    """From the invocation to the answer: the emulator's own start is no part of it; calls to the store are counted."""
    clock = MovableClock()
    ground = Sandboxed(clock, first_s=0.25, calls=2)
    bench = Bench(ground)
    first = bench.cold_start(SM, last=False)
    assert first.first_ms == pytest.approx(250)
    assert first.init_ms == 12.5
    assert bench.first_calls(SM) == 2
    assert (ground.ended, ground.kept) == (["killed"], [])
    bench.cold_start(SM, last=True)
    assert bench.first_calls(SM) == 2, "its own, not those of the one before"
    assert ground.kept == [SM], "the last one stays as the warm one"


def test_cold_starts_are_interleaved_and_summed_up() -> None:
    """Each round begins with another contender; a failure is told beside the others' figures."""
    times = iter([10.0, 30.0, 20.0, 5.0])
    order = []

    def start(contender: str, last: bool) -> First:  # noqa: FBT001 - the experiment's form
        order.append((contender, last))
        if contender == SSM and len(order) == 2:
            raise CheckFailed("It did not come up.")
        return First(next(times), None)

    experiment = ColdStart(start, 2, loopback)
    steps = experiment.steps([entry(SM), entry(SSM)])
    seen = {step.key: experiment.observe(step, NoTask()) for step in steps}
    assert order == [(SM, False), (SSM, False), (SSM, True), (SM, True)]
    measured = experiment.conclude(seen)
    assert of(measured, SM, "first_secret_p50").value == 10.0
    assert of(measured, SM, "first_secret_max").value == 20.0
    assert of(measured, SSM, "first_secret_p50").value == 30.0
    assert "1 of 2 cold starts failed: It did not come up." in of(measured, SSM, "first_secret_p50").note
    assert {one.place for one in measured} == {"loopback"}


# Reads


def test_a_read_takes_what_the_store_takes() -> None:
    """A store of 3 ms is a store of 3,000 us, each time."""
    clock = MovableClock()
    assert stopwatch.timed(slow_read(clock, 0.003), clock, 4, anew=False) == pytest.approx([3000] * 4)


def test_a_mark_tells_passwords_apart_and_is_none() -> None:
    """Two passwords, two marks; neither is in its mark. A failure is told by its kind alone."""
    clock = MovableClock()
    old, new = (stopwatch.read(slow_read(clock, 0, password), clock, anew=False)["mark"] for password in ("old-one", "new-one"))
    assert old != new
    assert "old-one" not in old

    def broken(*, anew: bool) -> tuple[str, str]:
        raise ValueError("planted-password")

    assert stopwatch.read(broken, clock, anew=False) == {"failed": "ValueError", "ms": 0}


class Counted:
    """A contender of which every miss takes 2 ms and 3 calls, a warm read 1 us and none; its start took 5."""

    def __init__(self) -> None:
        self._made = 0

    def times(self, contender: str, reads: int, *, anew: bool) -> list[float]:  # noqa: ARG002 - the protocol's shape
        self._made += 3 * reads if anew else 0
        return [2000.0 if anew else 1.0] * reads

    def calls(self, contender: str) -> int | None:  # noqa: ARG002 - the protocol's shape
        return self._made

    def first_calls(self, contender: str) -> int | None:  # noqa: ARG002 - the protocol's shape
        return 5


def test_calls_are_counted_at_the_store() -> None:
    """Three for each miss, five for a start, whatever the way says of itself."""
    experiment = Reads(Counted(), warm=50, misses=100, rounds=3, places=loopback)
    steps = experiment.steps([entry(SSM)])
    measured = experiment.conclude({step.key: experiment.observe(step, NoTask()) for step in steps})
    assert (of(measured, SSM, "warm_p50").value, of(measured, SSM, "warm_p50").samples) == (1.0, 50)
    assert (of(measured, SSM, "miss_p99").value, of(measured, SSM, "miss_p99").samples) == (2000.0, 100)
    assert (of(measured, SSM, "miss_calls").value, of(measured, SSM, "miss_calls").samples) == (3, 100)
    assert of(measured, SSM, "first_calls").value == 5
    assert "The slowest of 50" in of(measured, SSM, "warm_p99").note, "a p99 of few is their slowest, and says so"
    assert "slowest" not in of(measured, SSM, "miss_p99").note
    computed = [one for one in measured if one.name == "calls_per_million"]
    assert {one.tag for one in computed} == {Tag.COMPUTED}
    assert len(computed) == 9


def test_reads_are_interleaved() -> None:
    """A noisy minute falls on all: each round reads with everybody and begins with another.

    Of AWS's slow library there is one long miss for twenty of others'.
    """
    asked: list[tuple[str, int, bool]] = []

    class Noted(Counted):
        def times(self, contender: str, reads: int, *, anew: bool) -> list[float]:
            asked.append((contender, reads, anew))
            return super().times(contender, reads, anew=anew)

    slow = "secretsmanager.caching"
    experiment = Reads(Noted(), warm=4, misses=40, rounds=2, places=loopback)
    steps = experiment.steps([entry(SM), entry(slow)])
    for step in steps:
        experiment.observe(step, NoTask())
    turns = [(SM, 20), (slow, 2)], [(slow, 2), (SM, 20)]
    misses = {SM: 20, slow: 1}
    assert asked == [
        one for turn in turns for who, warm in turn for one in ((who, 1, False), (who, warm, False), (who, misses[who], True))
    ]
    assert [step.waits_s for step in steps] == [3.75, 3.75]


def test_a_round_that_fails_is_told_beside_the_others_figures() -> None:
    """With its reason; if all fail, that is the cell."""
    rounds = iter([True, False, True])

    class Flaky(Counted):
        def first_calls(self, contender: str) -> int | None:
            if not next(rounds):
                raise CheckFailed("It was gone.")
            return super().first_calls(contender)

    experiment = Reads(Flaky(), warm=3, misses=3, rounds=3, places=loopback)
    seen = {step.key: experiment.observe(step, NoTask()) for step in experiment.steps([entry(SSM)])}
    measured = experiment.conclude(seen)
    assert of(measured, SSM, "miss_p50").samples == 2
    assert of(measured, SSM, "miss_p50").note.startswith("1 of 3 rounds failed: It was gone. ")
    [failed] = experiment.conclude({"round-1": seen["round-1"]})
    assert (failed.value, failed.note) == (None, "It was gone.")


def test_where_nobody_counts_nothing_is_computed() -> None:
    """The cell says so."""

    class Uncounted(Counted):
        def calls(self, contender: str) -> int | None:  # noqa: ARG002 - the protocol's shape
            return None

    experiment = Reads(Uncounted(), 5, 5, 1, loopback)
    (step,) = experiment.steps([entry(SSM)])
    measured = experiment.conclude({step.key: experiment.observe(step, NoTask())})
    assert of(measured, SSM, "calls_per_million").value is None
    assert of(measured, SSM, "calls_per_million").note


@pytest.mark.parametrize(
    ("kept", "concurrency", "lifetime_s", "calls_made"),
    [
        # 1,000,000 invocations at 100/s take 10,000 s: two lives of a sandbox of 7,200 s.
        (Keeps.NOTHING, 10, 0, 20 * 2 + (1_000_000 - 20) * 3),
        (Keeps.SANDBOX, 10, SANDBOX_S, 20 * 2),
        (Keeps.TIME, 10, 300, 20 * 2 + (10 * 34 - 20) * 3),
        (Keeps.LEASE, 1000, 600, 2000 * 2 + (1000 * 17 - 2000) * 3),
        # A lifetime so short that every invocation asks: no more than one each.
        (Keeps.TIME, 1000, 0.001, 2000 * 2 + (1_000_000 - 2000) * 3),
    ],
)
def test_calls_per_million_by_hand(kept: Keeps, concurrency: int, lifetime_s: float, calls_made: float) -> None:
    """Each kind of keeping, worked out by hand; a start takes two calls, a miss three."""
    assert calls_per_million(Counts(2, 3), concurrency, lifetime_s, kept=kept) == calls_made


# Calling


def test_calls_come_at_their_turns_and_never_in_heaps() -> None:
    """Every 50 ms; an answer that takes 120 ms is followed at once by the next call."""
    clock = MovableClock(steady=0)
    took = iter([0.01, 0.12, 0.01])

    def ask() -> Answer:
        clock.advance(next(took))
        return Answer(served=True)

    made = calls(ask, clock, 0.05, lambda so_far: len(so_far) == 3)
    assert [call.at_s for call in made] == pytest.approx([0, 0.05, 0.17])


def test_callers_end_when_what_was_to_happen_fails() -> None:
    """Nobody goes on calling for ever."""

    def fails() -> None:
        raise CheckFailed("The store can't be rotated.")

    with pytest.raises(CheckFailed, match="rotated"):
        side_by_side({"one": lambda: Answer(served=True)}, fails, Clock(), 0.01, lambda _: False)


def test_who_waits_is_told_that_it_goes_on() -> None:
    """Again and again until there is a result."""
    future: Future[str] = Future()
    ticks: list[int] = []

    def tick() -> None:
        ticks.append(1)
        if len(ticks) == 3:
            future.set_result("there")

    assert awaited(future, tick, 0.001) == "there"
    assert len(ticks) == 3


CALLS = [Call(0.0, 0.1, True, "a"), Call(1.0, 0.1, False, ""), Call(2.0, 0.4, False, ""), Call(3.0, 0.5, True, "b")]


def test_a_tally_counts_what_began_in_its_time() -> None:
    """The beginning belongs to it, the end does not."""
    assert tally(CALLS, 1.0, 3.0) == (0, 2, 0.4)
    assert tally(CALLS, 0.0, 3.5) == (2, 2, 0.5)
    assert tally([], 0.0, 1.0) == (0, 0, 0.0)


def test_the_first_served_counts_from_an_instant_to_an_answer() -> None:
    """A call that began before doesn't count; None where none came."""
    assert first_served(CALLS, 0.5) == pytest.approx(3.0)
    assert first_served(CALLS, 0.0, unlike="a") == pytest.approx(3.5)
    assert first_served(CALLS, 3.5) is None


# Staleness


def test_a_rotation_s_figures_by_hand() -> None:
    """Failures since its beginning; the new value's time from there to the end of the first answer asked for after its end."""
    assert staleness_observed(CALLS, 0.5, 1.5) == {
        "failed": 2,
        "new_s": pytest.approx(3.0),
        "calls": [[-0.5, True], [0.5, False], [1.5, False], [2.5, True]],
    }
    assert staleness_observed(CALLS[:3], 0.5, 1.5)["new_s"] is None


def test_lost_requests_are_counted_to_the_last() -> None:
    """Contenders that lose three, none and all: 3, 0 and never."""
    rotated = Rotatable({SM: 3, "secretsmanager.powertools": 0, ENV: float("inf")})
    experiment = Staleness(rotated, ["careful"], Span(0.1, 0.02, 0.3, 4), Clock(), aws)
    (step,) = experiment.steps([entry(SM), entry("secretsmanager.powertools"), entry(ENV)])
    measured = experiment.conclude({step.key: experiment.observe(step, NoTask())})
    assert of(measured, SM, "failed_careful").value == 3
    assert of(measured, SM, "new_value_careful").value > 0
    assert of(measured, "secretsmanager.powertools", "failed_careful").value == 0
    assert of(measured, ENV, "new_value_careful").value == NEVER
    assert of(measured, ENV, "new_value_careful").conditions["horizon_s"] == 0.3
    assert of(measured, ENV, "failed_careful").value > 0
    waited = [one for one in measured if one.name == "new_value_careful"]
    assert [one.place for one in waited] == ["aws"] * 3, "never mistaken for loopback's"
    assert AFAR in of(measured, SM, "new_value_careful").note
    assert rotated.made_ready == rotated.rotated == rotated.restored == ["secretsmanager", "env"], "each store once"


def test_stores_are_rotated_together_as_long_as_few_enough_are_called() -> None:
    """A store's contenders are never parted, and each application has its turn."""
    experiment = Staleness(Rotatable({}), ["careful", "trusting"], Span(1, 2, 9, 3), Clock(), loopback)
    steps = experiment.steps([entry(one) for one in (SM, "secretsmanager.powertools", SSM, ENV, "env.kms")])
    assert [step.subjects for step in steps] == 2 * [(SM, "secretsmanager.powertools", SSM), (ENV, "env.kms")]
    assert len({step.key for step in steps}) == 4
    # The careful follow at once; who trusts what it keeps is waited for, and so is a variable.
    assert [step.waits_s for step in steps] == [1 + 2, 1 + 9, 1 + 9, 1 + 9]
    [alone] = Staleness(Rotatable({}), ["careful"], Span(1, 2, 9, 3), Clock(), loopback).steps([entry("secretsmanager.caching")])
    assert alone.waits_s == 1 + 3.75


# Outage


def test_an_outage_s_figures_by_hand() -> None:
    """Served and failed of those that began while it was down; back from its end on."""
    seen = outage_observed(CALLS, 0.5, 2.5)
    assert (seen["served"], seen["failed"], seen["longest_ms"]) == (0, 2, 400)
    assert seen["back_s"] == pytest.approx(1.0)


def test_who_needs_the_store_fails_and_who_keeps_answers_serves() -> None:
    """Side by side in one outage; a store that can't be down is a marked cell."""
    experiment, watched = Outage(Breakable({SM}), 0.5, Clock(), loopback), Watched()
    (step,) = experiment.steps([entry(SM), entry(SSM), entry(KV)])
    measured = experiment.conclude({step.key: experiment.observe(step, watched)})
    assert len(watched.said) >= 2, "whoever watches is told while it lasts"
    assert of(measured, SM, "back").place == "loopback"
    assert of(measured, SM, "served").value == 0
    assert of(measured, SM, "failed").value >= 1
    assert of(measured, SM, "back").value != NEVER
    assert of(measured, SSM, "failed").value == 0
    assert of(measured, SSM, "served").value >= 1
    assert of(measured, KV, "failed").value is None
    assert "can't be taken down" in of(measured, KV, "failed").note


# Leaks


def test_a_leak_lives_as_long_as_the_database_lets_it() -> None:
    """3.7 s for the login, never for the session: found within a poll's pause, a twentieth of the life."""
    clock = MovableClock(steady=0)
    found = lives({"login": lambda: clock.steady() < 3.7, "session": lambda: True}, 0, 10, clock)
    assert found["session"] is None
    assert found["login"] == pytest.approx(3.7 * 1.025, rel=0.03)


def test_one_refusal_is_none() -> None:
    """A database that was busy now and then has refused nobody."""
    clock = MovableClock(steady=0)
    answers = iter([True, False, True, False, True])
    assert lives({"login": lambda: next(answers, True)}, 0, 1, clock) == {"login": None}


def test_an_action_longer_than_the_horizon_is_judged_all_the_same() -> None:
    """Everybody is asked twice after it."""
    clock = MovableClock(steady=50)
    assert lives({"login": lambda: False}, 0, 10, clock) == {"login": pytest.approx(50)}


def test_leaks_are_told_by_store_and_action() -> None:
    """Refused, never, and one that could not be tried."""

    def copied(*, lasts: bool) -> object:
        gone = []
        return lambda: (lambda: gone.append(1), {"login": lambda: lasts or not gone, "session": lambda: True})

    def impossible() -> object:
        raise CheckFailed("No such role.")

    cases = [
        Case("vault-dynamic", "revoke_lease", "Its lease is revoked.", copied(lasts=False)),
        Case("env", "delete", "It is removed.", copied(lasts=True)),
        Case("ssm", "delete", "It is deleted.", impossible),
        Case("ssm-reference", "delete", "Nobody asked.", impossible),
    ]
    experiment = Leak(cases, 0.1, Clock(), aws)
    (step,) = experiment.steps([entry("vault-dynamic.layer"), entry(ENV), entry(SSM)])
    measured = experiment.conclude({step.key: experiment.observe(step, NoTask())})
    assert isinstance(of(measured, "vault-dynamic", "login_after_revoke_lease").value, float)
    assert of(measured, "vault-dynamic", "session_after_revoke_lease").value == NEVER
    assert of(measured, "vault-dynamic", "login_after_revoke_lease").place == "aws"
    assert of(measured, "vault-dynamic", "login_after_revoke_lease").note == f"Its lease is revoked. {AFAR}"
    assert of(measured, "env", "login_after_delete").value == NEVER
    assert of(measured, "ssm", "login_after_delete").note == "No such role."
    assert "ssm-reference" not in {one.contender for one in measured}
    assert of(measured, "vault-dynamic", "unnoticed").value == 3600
    assert of(measured, "ssm", "unnoticed").value is None


def test_what_ends_a_leak_by_itself_is_what_vault_config_says() -> None:
    """The longest life of a lease, and the period of the static role."""
    secrets = yaml.safe_load((paths.checkout() / "vault-config" / "vault.yaml").read_text("utf-8"))["secrets"]["database"]
    assert secrets["roles"]["records"]["max_ttl"] == "1h"
    assert secrets["static_roles"]["records-static"]["rotation_period"] == "24h"
    assert {store: seconds for store, (seconds, _) in UNNOTICED.items()} == {"vault-dynamic": 3600, "vault-static": 24 * 3600}


def test_a_copy_that_never_worked_proves_nothing() -> None:
    """It is told, not timed."""
    case = Case("env", "delete", "It is removed.", lambda: (lambda: None, {"login": lambda: False, "session": lambda: True}))
    experiment = Leak([case], 0.1, Clock(), loopback)
    measured = experiment.conclude({"all": experiment.observe(Step("all", (case.key,), 1), NoTask())})
    assert of(measured, "env", "login_after_delete").value is None


# Throttling


def test_shares_of_quotas_by_hand() -> None:
    """1,000 cold starts of one call are 25 times Parameter Store's 40 a second, and a tenth of the 10,000 that are paid for."""

    def counted(contender: str) -> list[Measurement]:
        return [
            Measurement(Dimension.READS, contender, name, value, "calls")
            for name, value in (("first_calls", 1), ("miss_calls", 1))
        ]

    measured = throttling([*counted("ssm.boto3"), *counted(SSM), *counted(KV), *counted(ENV)])
    shares = {one.conditions.get("load"): one.value for one in measured if one.contender == SSM}
    assert shares == {"burst": 25, "burst, higher throughput paid for": 0.1}, "who keeps answers has no steady load"
    steady = {one.conditions["invocations_per_s"]: one.value for one in measured if one.conditions.get("load") == "steady"}
    assert steady == {10: 0.25, 100: 2.5, 1000: 25}
    unlimited = of(measured, KV, "share_of_quota")
    assert (unlimited.value, unlimited.conditions) == (None, {"load": "burst"}), "told of where the others' burst is judged"
    assert ENV not in {one.contender for one in measured}
    [sealed] = throttling(counted("env.kms"))
    assert sealed.value == 0.01, "KMS allows 100,000 a second in us-east-1"
    assert "100,000 Decrypt allowed in us-east-1" in sealed.note
    assert all(one.source for one in measured if one.value is not None)
