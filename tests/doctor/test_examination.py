"""How steps follow each other, and what happens to those that don't end."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from vaultgate.clock import Clock
from vaultgate_ops.doctor.catalogue import found
from vaultgate_ops.doctor.examination import Step, examine
from vaultgate_ops.doctor.model import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

WRONG = found("tcp.refused", "x", "refused", host="x", port=1)
SLOW = found("tls.ends-soon", "x", "a day", host="x")


def step(check: str, about: str = "", *, verdict: Verdict | None = None, seen: Any = None, **order: tuple[str, ...]) -> Step:
    """A step that sees this, and is judged so."""
    return Step(check, about, lambda _known, _end: seen, lambda facts: verdict or Verdict(str(facts)), **order)


def run(*steps: Step, longest_s: float = 10.0) -> dict[str, Outcome]:
    """Examine; outcomes by what they are about."""
    clock = Clock()
    outcomes = examine(steps, clock, clock.steady() + longest_s)
    assert [one.check for one in outcomes] == [one.check for one in steps]
    return {f"{one.check} {one.about}".strip(): one for one in outcomes}


def test_facts_go_to_those_that_come_after() -> None:
    """And to nobody else."""
    known: list[Mapping[str, Any]] = []

    def probe(facts: Mapping[str, Any], _end: float) -> str:
        known.append(dict(facts))
        return "done"

    last = Step("login", "", probe, Verdict, needs=("dns a",), any_of=("tcp b",), after=("tls c",))
    outcomes = run(
        step("dns", "a", seen=1), step("tcp", "b", seen=2), step("tls", "c", seen=3), step("health", "d", seen=4), last
    )
    assert known == [{"dns a": 1, "tcp b": 2, "tls c": 3}]
    assert outcomes["login"] == Outcome("login", "", "fine", "done")


def test_nothing_is_built_on_what_failed() -> None:
    """Whatever depends on it says what was the first to fail."""
    bad = step("tcp", "b", verdict=Verdict("refused", (WRONG,)))
    outcomes = run(bad, step("tls", "b", needs=("tcp b",)), step("health", "b", needs=("tls b",)), step("sts"))
    assert outcomes["tcp b"] == Outcome("tcp", "b", "found", "refused", (WRONG,))
    assert outcomes["tls b"] == Outcome("tls", "b", "not reached", "because 'tcp b' failed")
    assert outcomes["health b"] == Outcome("health", "b", "not reached", "because 'tcp b' failed")
    assert outcomes["sts"].state == "fine"


def test_a_warning_stops_nothing() -> None:
    """But a verdict may say that it does."""
    warned = step("tls", "b", verdict=Verdict("short", (SLOW,)))
    assert run(warned, step("health", "b", needs=("tls b",)))["health b"].state == "fine"
    stopped = step("tls", "b", verdict=Verdict("short", (SLOW,), stops=True))
    assert run(stopped, step("health", "b", needs=("tls b",)))["health b"].state == "not reached"


def test_one_of_several_is_enough() -> None:
    """All of them failing isn't, and what is only waited for may fail."""
    bad = step("tcp", "a", verdict=Verdict("refused", (WRONG,)))
    good = step("tcp", "b")
    after = ("tcp a", "tcp b")
    assert run(bad, good, step("login", any_of=after))["login"].state == "fine"
    assert run(bad, step("login", any_of=("tcp a",)))["login"].told == "because 'tcp a' failed"
    assert run(bad, step("clock", after=("tcp a",)))["clock"].state == "fine"


def test_what_does_not_end_is_not_waited_for() -> None:
    """The one that hangs is told; what waits for it says why it wasn't reached; the others have their results."""
    never = threading.Event()
    hanging = Step("dns", "a", lambda _known, _end: never.wait(60), lambda _: Verdict(""))
    outcomes = run(hanging, step("tcp", "a", needs=("dns a",)), step("sts"), longest_s=0.3)
    never.set()
    assert outcomes["dns a"].findings == (found("doctor.late", "dns a", "dns a had no result", check="dns"),)
    assert outcomes["tcp a"] == Outcome("tcp", "a", "not reached", "because time ran out before")
    assert outcomes["sts"].state == "fine"


def test_our_own_fault() -> None:
    """It is told by the exception's kind; its words might hold a secret. The rest goes on."""

    def probe(_known: Mapping[str, Any], _end: float) -> None:
        raise ValueError("hvs.secret")

    broken = Step("sts", "", probe, lambda _: Verdict(""))
    outcomes = run(broken, step("clock", after=("sts",)), step("login", needs=("sts",)))
    assert outcomes["sts"].findings == (found("doctor.failed", "sts", "ValueError"),)
    assert outcomes["clock"].state == "fine"
    assert outcomes["login"].told == "because of our own fault"
