"""A comparison from nothing to a result: a stack of its own, its stores filled, the experiments run, everything ended.

Rules: nothing is measured on a stack that somebody else uses; the layer is the one that is built, as in every sandbox of this
project, and `make compare` builds it anew. Whatever goes wrong, whoever interrupts, what was made in AWS is removed and the stack
ended; a run that was interrupted leaves its journal, and the same command goes on with it. Who can't run is said to, with the
reason, and the others do.
"""

from __future__ import annotations

import datetime as dt
import http.client
import os
import secrets
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from vaultgate_ops.compare import access, machine, prices
from vaultgate_ops.compare.applications import CAREFUL, TRUSTING
from vaultgate_ops.compare.bench import Bench
from vaultgate_ops.compare.cloud import Cloud
from vaultgate_ops.compare.contenders import CATALOGUE, STORES
from vaultgate_ops.compare.decoys import Decoys
from vaultgate_ops.compare.experiments.audit import Audit
from vaultgate_ops.compare.experiments.blast_radius import BlastRadius
from vaultgate_ops.compare.experiments.cold_start import ColdStart
from vaultgate_ops.compare.experiments.leak import Leak
from vaultgate_ops.compare.experiments.outage import Outage
from vaultgate_ops.compare.experiments.reads import Reads
from vaultgate_ops.compare.experiments.staleness import Span, Staleness
from vaultgate_ops.compare.experiments.throttling import throttling
from vaultgate_ops.compare.ground import Ground
from vaultgate_ops.compare.journal import RESULT, Journal, claim
from vaultgate_ops.compare.leaks import Leaks
from vaultgate_ops.compare.result import Contender, Dimension, Result, Tag
from vaultgate_ops.compare.runner import Runner
from vaultgate_ops.compare.trails import Trails
from vaultgate_ops.errors import OpsError, UsageProblem
from vaultgate_ops.layer import build
from vaultgate_ops.local import paths
from vaultgate_ops.local.certificates import write_private
from vaultgate_ops.local.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from vaultgate_ops.clock import Clock
    from vaultgate_ops.compare.access import Access
    from vaultgate_ops.compare.contenders import Entry
    from vaultgate_ops.compare.experiments import Experiment
    from vaultgate_ops.compare.result import Measurement
    from vaultgate_ops.reporting import Reporter

AGENT = "127.0.0.1:2773"
LEDGER = "aws-resources.json"
_IN_AWS = ("secretsmanager.", "ssm.", "ssm-reference.", "env.kms")


@dataclass(frozen=True)
class Scale:
    """How much is measured.

    Attributes:
        rounds: cold starts of each.
        warm, misses: reads of each, over `turns` rounds.
        span: of a rotation under load.
        applications: that are called then.
        horizon_s: for a leak's end.
        down_s: of an outage.
    """

    rounds: int
    warm: int
    misses: int
    turns: int
    span: Span
    applications: tuple[str, ...]
    horizon_s: float
    down_s: float


QUICK = Scale(1, 200, 5, 5, Span(0.3, 0.3, 1.5, 8), (CAREFUL,), 1.5, 5)
FULL = Scale(15, 5000, 100, 10, Span(5, 5, 20, 4), (CAREFUL, TRUSTING), 30, 60)


@dataclass(frozen=True)
class Options:
    """What is asked for.

    Attributes:
        folder: where the result goes.
        quick: under a minute instead of eight to ten.
        only: names of dimensions, stores or contenders; all for none.
        target: `local` or `aws`.
        agent: host:port of a local agent of AWS's.
        force: see `journal.claim`.
        environ: the user's environment.
    """

    folder: Path
    quick: bool = False
    only: tuple[str, ...] = ()
    target: str = "local"
    agent: str = AGENT
    force: bool = False
    environ: dict[str, str] = field(default_factory=dict)

    def dimensions(self) -> list[Dimension]:
        """The wanted ones."""
        return [one for one in Dimension if one in self.only] or list(Dimension)

    def contenders(self) -> list[Entry]:
        """The wanted ones."""
        return [one for one in CATALOGUE if one.id in self.only or one.store in self.only] or list(CATALOGUE)


def check(only: Collection[str]) -> None:
    """See that a choice names what there is.

    Raises:
        UsageProblem: it doesn't.
    """
    known = {*map(str, Dimension), *STORES, *(one.id for one in CATALOGUE)}
    for name in only:
        if name not in known:
            raise UsageProblem(f"There is no {name!r} to compare.", f"Valid: {', '.join(sorted(known))}.")


def run(options: Options, confirm: Callable[[str], bool], reporter: Reporter, clock: Clock) -> Result:
    """Compare, and write the result to ``result.json``.

    Args:
        options: what.
        confirm: asked before anything is made in a real account, with what will be made and about what it costs.
        reporter: told what goes on.
        clock: for everything.

    Raises:
        UsageProblem: the choice, the folder or the account's settings are wrong, or it was not confirmed.
    """
    check(options.only)
    claim(options.folder, force=options.force)
    with ExitStack() as ending:
        where, account, no_account = _account(options, confirm, reporter) if options.target == "aws" else ("", None, None)
        why = {
            one.id: no_account if one.id.startswith(_IN_AWS) and no_account else unable(one, options)
            for one in options.contenders()
        }
        able = [one for one in options.contenders() if why[one.id] is None]
        if not able:
            reasons = " ".join(dict.fromkeys(reason for reason in why.values() if reason))
            raise UsageProblem(f"None of the chosen contenders can run. {reasons}", "Choose others with --only.")
        told = machine.facts()
        journal = Journal(options.folder)
        done = journal.begin(identity(options, where, told, [one.id for one in able]))
        if done:
            reporter.say(f"going on with an interrupted run: {done} steps are done")
        if not (paths.build_folder() / "layer").is_dir():
            build(paths.checkout(), os.environ, reporter)
        stack = ending.enter_context(Stack.embedded(f"compare-{os.getpid()}", reporter, clock=clock))
        stack.bootstrap()
        reached = account or ending.enter_context(access.emulated(stack))
        ledger = (options.folder if account else stack.folder) / LEDGER
        cloud = Cloud(reached.clients, secrets.token_hex(4), ledger, where)
        if account:
            ending.callback(cloud.remove)
        ground = Ground(stack, reached, cloud, options.agent, clock)
        ending.callback(ground.close)
        ground.prepare({one.store for one in able})
        try:
            figures = Runner(_experiments(options, ground), able, journal, reporter, clock).run()
        except KeyboardInterrupt:
            reporter.say("What is measured is kept: the same command goes on with it.")
            raise
        if Dimension.THROTTLING in options.dimensions():
            figures += throttling(figures)
        result = Result(
            made=dt.datetime.fromtimestamp(clock.wall(), dt.UTC).isoformat(timespec="seconds"),
            mode=_mode(options),
            target=options.target,
            machine={**told, "load_after": machine.load(), "commit": machine.commit(paths.checkout())},
            versions=machine.versions(stack),
            stores=STORES,
            contenders=tuple(_contender(one, why[one.id], figures) for one in options.contenders()),
            measurements=tuple(figures),
            complete=not options.only,
        )
    write_private(options.folder / RESULT, result.text().encode())
    journal.clear()
    return result


def identity(options: Options, where: str, told: Mapping[str, str | int | float], able: Sequence[str]) -> dict[str, Any]:
    """What makes a run this run and no other: figures of two machines, sources, accounts or choices are never mixed."""
    return {
        "mode": _mode(options),
        "target": options.target,
        "where": where,
        "only": sorted(options.only),
        "able": list(able),
        "commit": machine.commit(paths.checkout()),
        "machine": {name: value for name, value in told.items() if name != "load_before"},
    }


def place_of(name: str, aws: str) -> str:
    """Where the store is that is read or acted on.

    Args:
        name: id of a contender or a store.
        aws: where AWS's are, `loopback` or `aws`.
    """
    return aws if f"{name}.".startswith(_IN_AWS) else "loopback"


def _mode(options: Options) -> str:
    return "quick" if options.quick else "full"


def _experiments(options: Options, ground: Ground) -> list[Experiment]:
    """The wanted ones, outage last: nothing is to be measured of a store that has just been down."""
    scale, clock = QUICK if options.quick else FULL, ground.clock

    places = partial(place_of, aws=ground.access.place)
    bench = Bench(ground)
    wanted = options.dimensions()
    if Dimension.AUDIT in wanted:
        ground.stack.mirror_audit()
    every: list[Experiment] = [
        ColdStart(bench.cold_start, scale.rounds, places),
        Reads(bench, scale.warm, scale.misses, scale.turns, places),
        Audit(Trails(ground).follow),
        BlastRadius(Decoys(ground).trials()),
        Staleness(bench, scale.applications, scale.span, clock, places),
        Leak(Leaks(ground).cases(), scale.horizon_s, clock, places),
        Outage(bench, scale.down_s, clock, places),
    ]
    # Shares of quotas stand on the counts of reads.
    needed = {*wanted, *((Dimension.READS,) if Dimension.THROTTLING in wanted else ())}
    return [one for one in every if one.dimension in needed]


def unable(one: Entry, options: Options) -> str | None:
    """Why a contender can't run here; None for one that can."""
    if one.way == "caching" and find_spec("aws_secretsmanager_caching") is None:
        return "The package aws-secretsmanager-caching is not installed."
    if one.way in ("agent", "extension"):
        return _silent(options.agent)
    return None


def _silent(agent: str) -> str | None:
    """Why a local agent can't be used; None for one that answers."""
    connection = http.client.HTTPConnection(agent, timeout=1)
    try:
        connection.request("GET", "/ping")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return f"No agent of AWS's answers at {agent}."
    finally:
        connection.close()
    return None


def _contender(one: Entry, why_not: str | None, figures: Sequence[Measurement]) -> Contender:
    """What became of a contender."""
    mine = [figure for figure in figures if figure.contender == one.id and figure.tag is Tag.MEASURED]
    ran = why_not is None and any(figure.value is not None for figure in mine)
    if why_not is None and not ran:
        why_not = next((figure.note for figure in mine if figure.value is None), "Nothing of it was asked for.")
    return Contender(one.id, one.store, one.way, one.title, ran, why_not)


def _account(options: Options, confirm: Callable[[str], bool], reporter: Reporter) -> tuple[str, Access | None, str | None]:
    """The account with its region, and the way to it, which was confirmed; or why there is none, which is said.

    Raises:
        UsageProblem: it was not confirmed.
    """
    try:
        number, reached = access.account(options.environ)
    except OpsError as error:
        reporter.say(f"AWS's stores are left out: {error.message} {error.hint}")
        if (options.folder / LEDGER).exists():
            reporter.say(
                "Resources of an interrupted comparison are still in an account; the next one with its credentials ends them."
            )
        return "", None, error.message
    where = f"account {number}, {reached.variables['AWS_REGION']}"
    left = Cloud.left_behind(reached.clients, options.folder / LEDGER, where)
    if left:
        for name in left.remove():
            reporter.say(f"removed from an earlier run: {name}")
    if not confirm(access.estimate(number, prices.load())):
        raise UsageProblem("The comparison in a real account was not confirmed.", "Answer yes, or add --yes.")
    return where, reached, None
