"""When work may be interrupted, and when not.

Rules: a request to terminate, or a terminal that is closed, is an interruption like Ctrl-C, so that everything is tidied
up; tidying up itself is short and goes on to its end, and an interruption that came meanwhile counts after it. Only the
main thread is ever interrupted, so elsewhere nothing happens here.
"""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    Handler = Callable[[int, FrameType | None], None]

_INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP raise KeyboardInterrupt in here, as SIGINT does.

    One that is raised in a finalizer is swallowed there by Python, as that of any exception: it is raised again at the end.
    """
    came: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        raise KeyboardInterrupt

    with _handling(interrupt):
        yield
    if came:
        raise KeyboardInterrupt


@contextmanager
def uninterrupted() -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP wait in here until the end, where they raise KeyboardInterrupt.

    They don't where an exception is being handled already: it says more.
    """
    failing = sys.exception() is not None
    came: list[int] = []
    with _handling(lambda number, _frame: came.append(number)):
        yield
    if came and not failing:
        raise KeyboardInterrupt


@contextmanager
def _handling(handler: Handler) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # Who was started in the background or by nohup ignores some of them, and goes on doing so.
    heard = [number for number in _INTERRUPTIONS if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in heard}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)
