"""Life of a leaked credential: it is copied, then somebody does what people do about a leak; who is let in, and how long.

Rules: the database is asked, nobody else: by a login with the copy, and by a statement on a session that was open before.
The clock starts when the action begins, the horizon when it has been done. A refusal counts if the next probe is refused as
well; who isn't refused within the horizon is `never`, and the horizon is said. The statement reads the demo's table.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vaultgate_ops.compare.calling import awaited
from vaultgate_ops.compare.experiments import AFAR, Step, unmeasured
from vaultgate_ops.compare.result import NEVER, Dimension, Measurement, Tag
from vaultgate_ops.errors import OpsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vaultgate_ops.clock import Clock
    from vaultgate_ops.compare.contenders import Entry
    from vaultgate_ops.compare.experiments import Observed
    from vaultgate_ops.reporting import Task

POLL_S, POLL_SHARE = 0.01, 0.05
"""The pause between two probes: this long, or this share of the life so far, so that knocking doesn't slow down what is timed."""
UNNOTICED = {
    "vault-dynamic": (
        3600.0,
        "max_ttl in vault-config/vault.yaml; default_ttl, 600 s, from when its sandbox no longer renews it.",
    ),
    "vault-static": (86400.0, "rotation_period in vault-config/vault.yaml."),
}
"""The longest that a credential is let in if nobody does anything, in seconds, and by what; where nothing ends it, no entry."""
_LEAST = 2  # rounds: a refusal must be seen twice
_PREPARED_S = 0.15  # one case: a user, what holds its password, two connections: about
_LOGIN, _SESSION = "login", "session"


@dataclass(frozen=True)
class Case:
    """One leak, and what is done about it.

    Attributes:
        store: id.
        action: id of what is done, such as `revoke_lease`.
        title: what is done, for people.
        copied: leaks a credential; gives what does the action, and the probes for `login` and `session`: each says whether it
            is still let in.
    """

    store: str
    action: str
    title: str
    copied: Callable[[], tuple[Callable[[], object], Mapping[str, Callable[[], bool]]]]

    @property
    def key(self) -> str:
        """Tells it from the others."""
        return f"{self.store}-{self.action}"


class Leak:
    """The experiment.

    Args:
        cases: to go through.
        horizon_s: how long a refusal is waited for.
        clock: for polls and times.
        places: where a store is, `loopback` or `aws`: what is done about a leak is done there.
    """

    dimension = Dimension.LEAK

    def __init__(self, cases: Sequence[Case], horizon_s: float, clock: Clock, places: Callable[[str], str]) -> None:
        self._cases = {case.key: case for case in cases}
        self._horizon_s, self._clock, self._places = horizon_s, clock, places

    def steps(self, able: Sequence[Entry]) -> list[Step]:
        """One: all cases side by side, for each of those that never end takes the whole horizon."""
        stores = {one.store for one in able}
        keys = tuple(key for key, case in self._cases.items() if case.store in stores)
        return [Step("all", keys, self._horizon_s + _PREPARED_S * len(keys), self._horizon_s)] if keys else []

    def observe(self, step: Step, task: Task) -> Observed:
        """Leak, act, and knock until refused."""

        def tell() -> None:
            task.describe("leaked credentials")

        tell()
        abandoned = threading.Event()
        with ThreadPoolExecutor(len(step.subjects)) as pool:
            try:
                futures = {key: pool.submit(self._one, key, abandoned) for key in step.subjects}
                return {key: awaited(future, tell) for key, future in futures.items()}
            except BaseException:
                # Somebody interrupts: nobody waits for the horizon.
                abandoned.set()
                raise

    def _one(self, key: str, abandoned: threading.Event) -> dict[str, Any]:
        try:
            act, probes = self._cases[key].copied()
            for name, probe in probes.items():
                if not probe():
                    return {"problem": f"The copy's {name} was refused before anything was done about it."}
            begin = self._clock.steady()
            act()
            return lives(probes, begin, self._clock.steady() + self._horizon_s, self._clock, abandoned.is_set)
        except OpsError as error:
            return {"problem": error.message}

    def conclude(self, observed: Mapping[str, Observed]) -> list[Measurement]:
        """Seconds until a login, and a statement on an open session, are refused; at most how long if nobody notices."""
        stores = dict.fromkeys(self._cases[key].store for seen in observed.values() for key in seen)
        return [
            measured for seen in observed.values() for key, one in seen.items() for measured in self._of(self._cases[key], one)
        ] + [self._unnoticed(store) for store in stores]

    def _unnoticed(self, store: str) -> Measurement:
        if store not in UNNOTICED:
            why = "Nothing ends it by itself: whoever wants it to end must schedule rotations."
            return unmeasured(self.dimension, store, "unnoticed", why)
        seconds, why = UNNOTICED[store]
        return Measurement(self.dimension, store, "unnoticed", seconds, "s", Tag.COMPUTED, samples=0, note=why)

    def _of(self, case: Case, seen: Mapping[str, Any]) -> list[Measurement]:
        if "problem" in seen:
            return [unmeasured(self.dimension, case.store, f"login_after_{case.action}", seen["problem"])]
        place = self._places(case.store)
        return [
            Measurement(
                self.dimension,
                case.store,
                f"{probe}_after_{case.action}",
                NEVER if seen[probe] is None else round(seen[probe], 3),
                "s",
                note=case.title if place == "loopback" else f"{case.title} {AFAR}",
                conditions={"horizon_s": self._horizon_s},
                place=place,
            )
            for probe in (_LOGIN, _SESSION)
            if probe in seen
        ]


def lives(
    probes: Mapping[str, Callable[[], bool]],
    since_s: float,
    until_s: float,
    clock: Clock,
    abandoned: Callable[[], bool] = lambda: False,
) -> dict[str, float | None]:
    """How long each is let in, in seconds; None for who still is at the end.

    Args:
        probes: by name; each says whether it is let in.
        since_s: when the life began, by the steady clock.
        until_s: when to give up, by the same; everybody is asked twice at least.
        clock: for polls and times.
        abandoned: whether nobody wants to know any more.
    """
    ended: dict[str, float | None] = dict.fromkeys(probes)
    suspected: dict[str, float] = {}
    rounds = 0
    while (rounds < _LEAST or clock.steady() < until_s) and None in ended.values() and not abandoned():
        rounds += 1
        for name, probe in probes.items():
            if ended[name] is not None:
                continue
            now = clock.steady() - since_s
            if probe():
                suspected.pop(name, None)
            elif name in suspected:
                ended[name] = suspected[name]
            else:
                suspected[name] = now
        clock.sleep(max(POLL_S, POLL_SHARE * (clock.steady() - since_s)))
    return ended
