"""The doctor inside the deployed function.

Rules: the handler asks for it with one event, which is exactly `DOCTOR`. Whatever API Gateway's proxy integration, a function URL
or an event source sends has more in it, whatever their callers write: only who may invoke the function directly
(lambda:InvokeFunction) can ask for the doctor. An integration without proxy would hand a caller's body on as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vaultgate.clock import Clock
from vaultgate_ops.doctor.doctor import LONGEST_S, diagnose

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEPT_S = 4.0
"""Of an invocation's time, for giving back what the doctor got and for the answer."""
_SHORTEST_S = 1.0


def answer(environ: Mapping[str, str], left_ms: int) -> dict[str, Any]:
    """The report, as Lambda's answer.

    Args:
        environ: the function's.
        left_ms: until the invocation's deadline.
    """
    longest_s = max(_SHORTEST_S, min(LONGEST_S, left_ms / 1000 - _KEPT_S))
    return diagnose(environ, Clock(), longest_s=longest_s).document()
