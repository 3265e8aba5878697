"""Calling something again and again, and what came of it, by the clock.

Rules: a caller asks, waits for the answer, then pauses until its next turn, so a slow answer makes fewer calls and never a
heap of them; what is told of a call is when it began, how long it took, whether it was served, and what tells its answer
from another. Judging is apart from calling, and pure.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vaultgate_ops.clock import Clock

    Ask = Callable[[], "Answer"]

T = TypeVar("T")
TICK_S = 1.0
"""How often somebody who waits is told that it goes on."""


class Answer(NamedTuple):
    """What was answered.

    Attributes:
        served: whether it was what was asked for.
        mark: tells one value from another; empty where it was not served.
    """

    served: bool
    mark: str = ""


class Call(NamedTuple):
    """One call.

    Attributes:
        at_s: when it began, by the steady clock.
        took_s: until its answer.
        served: see `Answer`.
        mark: see `Answer`.
    """

    at_s: float
    took_s: float
    served: bool
    mark: str


def calls(ask: Ask, clock: Clock, every_s: float, over: Callable[[Sequence[Call]], bool]) -> list[Call]:
    """Call until it is over.

    Args:
        ask: gives an answer, never raises.
        clock: for turns and times.
        every_s: from one turn to the next.
        over: looked at after each call, with all until then.
    """
    made: list[Call] = []
    while not over(made):
        begin = clock.steady()
        answer = ask()
        made.append(Call(begin, clock.steady() - begin, answer.served, answer.mark))
        clock.sleep(max(0.0, begin + every_s - clock.steady()))
    return made


def side_by_side(
    asks: Mapping[str, Ask],
    meanwhile: Callable[[], None],
    clock: Clock,
    every_s: float,
    over: Callable[[Sequence[Call]], bool],
    *,
    tick: Callable[[], object] = lambda: None,
) -> dict[str, list[Call]]:
    """Call several at once, and do something meanwhile.

    Args:
        asks: by subject.
        meanwhile: done beside the calls; an exception of it ends the callers and is raised.
        clock: see `calls`.
        every_s: see `calls`.
        over: see `calls`.
        tick: see `awaited`.
    """
    abandoned = threading.Event()

    def ended(made: Sequence[Call]) -> bool:
        return abandoned.is_set() or over(made)

    with ThreadPoolExecutor(max(1, len(asks))) as pool:
        try:
            futures = {subject: pool.submit(calls, ask, clock, every_s, ended) for subject, ask in asks.items()}
            meanwhile()
            return {subject: awaited(future, tick) for subject, future in futures.items()}
        except BaseException:
            # Somebody interrupts, or what was to be done failed: nobody else would end the callers.
            abandoned.set()
            raise


def awaited(future: Future[T], tick: Callable[[], object], every_s: float = TICK_S) -> T:
    """A future's result.

    Args:
        future: of anything.
        tick: done again and again until it is there.
        every_s: how often.
    """
    while wait([future], every_s).not_done:
        tick()
    return future.result()


class Tally(NamedTuple):
    """How many calls of a time came to what.

    Attributes:
        served, failed: how many.
        longest_s: the longest that one took.
    """

    served: int
    failed: int
    longest_s: float


def tally(made: Sequence[Call], since_s: float, until_s: float) -> Tally:
    """Count the calls that began in a time.

    Args:
        made: in order.
        since_s: by the steady clock.
        until_s: likewise, not part of it.
    """
    within = [call for call in made if since_s <= call.at_s < until_s]
    served = sum(call.served for call in within)
    return Tally(served, len(within) - served, max((call.took_s for call in within), default=0.0))


def first_served(made: Sequence[Call], since_s: float, *, unlike: str | None = None) -> float | None:
    """Seconds from an instant until the end of the first call, begun at or after it, that was served; None for none.

    Args:
        made: in order.
        since_s: by the steady clock.
        unlike: a mark; calls that bear it don't count.
    """
    for call in made:
        if call.at_s >= since_s and call.served and call.mark != unlike:
            return call.at_s + call.took_s - since_s
    return None
