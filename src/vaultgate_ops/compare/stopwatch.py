"""Timing reads, inside the function: the caller's cost of asking it is no part of them.

Rules: reading the clock twice is part of each time. What is told of a password is a mark by which two can be told apart.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vaultgate_ops.clock import Clock
    from vaultgate_ops.compare.ways import Read


def read(one: Read, clock: Clock, *, anew: bool) -> dict[str, Any]:
    """Read once: ``user``, ``mark`` of the password and ``ms``, or ``failed`` with the kind of the error."""
    begin = clock.steady()
    try:
        user, password = one(anew=anew)
    except Exception as error:  # noqa: BLE001 - whatever a way raises, it did not read
        return {"failed": type(error).__name__, "ms": (clock.steady() - begin) * 1000}
    return {"user": user, "mark": mark(password), "ms": (clock.steady() - begin) * 1000}


def timed(one: Read, clock: Clock, reads: int, *, anew: bool) -> list[float]:
    """Read again and again; the time of each in microseconds."""
    times = []
    for _ in range(reads):
        begin = clock.steady()
        one(anew=anew)
        times.append((clock.steady() - begin) * 1e6)
    return times


def mark(password: str) -> str:
    """What tells a password from another; these are random and long, so it tells nothing of them."""
    return hashlib.sha256(password.encode()).hexdigest()[:12]
