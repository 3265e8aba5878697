"""When a secret's next rotations are, in words: of its own schedule, or of one that somebody thinks of giving it.

Rules: pure; a schedule that Secrets Manager wouldn't take is a usage problem with all that is wrong with it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from vaultgate_ops.rotation.schedule import described, load

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vaultgate_ops.rotation.survey import Survey

_SHOWN = 5


def outlook(looked: Survey, rules: Mapping[str, Any], now_s: float) -> Iterator[tuple[str, str]]:
    """The next windows, as pairs of a word and its meaning.

    Args:
        looked: the secret.
        rules: RotationRules to try; empty for its own.
        now_s: seconds since 1970.

    Raises:
        UsageProblem: Secrets Manager wouldn't take the rules.
    """
    own = described(looked.rules) if looked.enabled else {}
    if not rules and not own:
        yield "schedule", "none: it rotates when it is asked to"
        return
    schedule = load(rules or own)
    yield "schedule", schedule.text if own and not rules else f"{schedule.text}, if it were given"
    rotated_at = looked.rotated_at or (looked.current.created_at if looked.current else now_s)
    now = datetime.fromtimestamp(now_s, UTC)
    for window in schedule.next_windows(datetime.fromtimestamp(rotated_at, UTC), now, _SHOWN):
        hours = (window.closes - window.opens).total_seconds() / 3600
        yield "window", f"{window.opens:%a %Y-%m-%d %H:%M}Z, open for {hours:.0f} h"
