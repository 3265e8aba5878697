"""Make the changes.

Rules: in order, one request each, nothing after the first failure; a run that broke off is continued by the next one, which
plans anew from what is there. Privileges are checked before the first request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vaultgate_ops.bootstrap import answers, privileges
from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import CheckFailed, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Sequence

    import hvac

    from vaultgate_ops.bootstrap.model import Change
    from vaultgate_ops.reporting import Reporter

# What a young mount answers for a moment, the longer the slower the storage: KV while it turns into version 2; a database
# engine while it fills its rotation queue in the background, where a static role made meanwhile already is.
_SETTLING: Final = ("Upgrading from non-versioned to versioned", "duplicate item")
_SETTLES_WITHIN_S: Final = 30.0
_LOOK_AGAIN_S: Final = 0.1


def apply(client: hvac.Client, changes: Sequence[Change], reporter: Reporter, *, clock: Clock | None = None) -> None:
    """Make these changes, in this order.

    Raises:
        Denied: a privilege is missing (asked for beforehand: nothing was changed), or Vault refuses one request all the same.
        UsageProblem: Vault refuses the values of a change; those before it are made.
        CheckFailed, Unreachable: Vault fails or is gone; the changes before are made.
    """
    privileges.require(client, changes)
    with reporter.task("Configuring Vault", total=len(changes)) as task:
        for change in changes:
            task.describe(change.path)
            for warning in _make(client, change, clock or Clock()):
                reporter.say(f"Vault warns about {change.path}: {warning}")
            task.advance()


def _make(client: hvac.Client, change: Change, clock: Clock) -> tuple[str, ...]:
    """Make one change; gives Vault's warnings."""
    give_up = clock.steady() + _SETTLES_WITHIN_S
    while True:
        try:
            return answers.send(client, change.write).warnings
        except (UsageProblem, CheckFailed) as refusal:
            if not any(words in refusal.message for words in _SETTLING) or clock.steady() >= give_up:
                raise
            clock.sleep(_LOOK_AGAIN_S)
