"""A child process made by fork, as gunicorn and multiprocessing make theirs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def in_a_fork(holds: Callable[[], bool]) -> bool:
    """Whether something holds in a forked child; False too if it raises there."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    status = 1
    try:
        status = 0 if holds() else 1
    finally:
        os._exit(status)  # nothing of the test runner's may run here
