"""What to do next, given the three truths: version stages, what the service accepts, the pending value.

Rules: pure. No clock, no network, no logging; one call looks at one moment. Each plan is for any state that a crash, a
replay, a late step or another driver can leave behind, and carried out it leads to the state of an undisturbed run.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.model import CURRENT, PENDING, Step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vaultgate_ops.rotation.model import Description


class Admission(Enum):
    """Whether a step is to be done."""

    PROCEED = "proceed"
    DONE = "done"
    UNSEEN = "unseen"


def admit(token: str, seen: Description) -> Admission:
    """Judge a step's token by the version stages.

    | the token's version | answer |
    |---|---|
    | has AWSCURRENT | done: a finished rotation's step again |
    | has AWSPENDING | proceed |
    | has other labels | refused: a later rotation overtook it |
    | isn't listed | unseen: not there yet, or without labels by now |

    Raises:
        RotationError: ``managed-elsewhere``, ``replica-region``, ``rotation-disabled``, ``token-not-pending``.
    """
    refuse_foreign(seen)
    labels = seen.stages.labels.get(token)
    if labels is None:
        return Admission.UNSEEN
    if not seen.rotation_enabled:
        raise _disabled(seen)
    if CURRENT in labels:
        return Admission.DONE
    if PENDING not in labels:
        raise RotationError(
            "token-not-pending",
            f"Version {token} of {seen.arn} is not pending: {', '.join(sorted(labels))}.",
            "Nothing is to be done: a later rotation has overtaken this one.",
        )
    return Admission.PROCEED


def unseen(token: str, seen: Description) -> RotationError:
    """What a token comes to that didn't appear for as long as reads may lag."""
    if not seen.rotation_enabled:
        return _disabled(seen)
    return RotationError(
        "token-unknown",
        f"{seen.arn} has no version {token} with a label.",
        "Nothing is to be done: its rotation was ended or overtaken, or it never began.",
    )


def _disabled(seen: Description) -> RotationError:
    return RotationError(
        "rotation-disabled", f"Rotation isn't enabled for {seen.arn}.", "Enable it: aws secretsmanager rotate-secret ..."
    )


def refuse_foreign(seen: Description) -> None:
    """Refuse a secret that isn't ours to change here.

    Raises:
        RotationError: ``managed-elsewhere``, ``replica-region``.
    """
    if seen.owner:
        raise RotationError(
            "managed-elsewhere",
            f"{seen.arn} is managed by {seen.owner}.",
            f"Let {seen.owner} rotate it, or make a secret of your own.",
        )
    if seen.primary_region is not None and seen.primary_region != seen.region:
        raise RotationError(
            "replica-region",
            f"{seen.arn} is a replica; its primary region is {seen.primary_region}.",
            f"Rotate it in {seen.primary_region}; replicas follow by themselves.",
        )


class Entry(Enum):
    """Whose login a `single` user's password is changed with."""

    NOBODY = "nobody"
    CURRENT = "current"
    PREVIOUS = "previous"
    STUCK = "stuck"


def single(accepted: Mapping[str, bool]) -> Entry:
    """Decide how the one password of a user becomes the pending one.

    Args:
        accepted: label to whether the server lets its value in; a label without a value is absent.

    | accepted | plan |
    |---|---|
    | pending | nobody needs to: it is done |
    | current, not pending | with the current one |
    | previous, neither of the others | with the previous one: somebody set the server back |
    | none | stuck |
    """
    if accepted.get(PENDING):
        return Entry.NOBODY
    if accepted.get(CURRENT):
        return Entry.CURRENT
    return Entry.PREVIOUS if accepted.get("AWSPREVIOUS") else Entry.STUCK


def passwords(stored: Sequence[str], wanted: Sequence[str]) -> Sequence[str] | None:
    """Which password hashes an account must have; None if it has just these, in this order.

    Args:
        stored: hashes that the server accepts, in its order.
        wanted: hashes that it should accept, the newest first; a repeated one counts once.
    """
    target = list(dict.fromkeys(wanted))
    return None if list(stored) == target else target


class Move(Enum):
    """What changes a MySQL account's primary and secondary password."""

    SET_OLDER = "the older one becomes primary"
    SET_NEWER = "the newer one becomes primary"
    ADD_NEWER = "the newer one becomes primary, the primary one secondary"
    DISCARD = "the secondary one ends"


def two_passwords(
    *, newer_is_primary: bool, older_is_primary: bool, older_is_secondary: bool, has_secondary: bool, keep_older: bool
) -> Sequence[Move]:
    """How a MySQL account comes to accept the newer and the older password, or the newer alone.

    Setting a primary password leaves the secondary one alone; adding one makes the primary the secondary. So the older one
    has to be primary before the newer is added, and at no moment is either refused that was accepted and is wanted.

    Args:
        newer_is_primary: what the server has.
        older_is_primary: as above.
        older_is_secondary: as above.
        has_secondary: any at all.
        keep_older: whether two are wanted; else newer and older are the same.
    """
    if not keep_older:
        first = [] if newer_is_primary else [Move.SET_NEWER]
        return [*first, Move.DISCARD] if has_secondary else first
    if newer_is_primary and older_is_secondary:
        return []
    return [Move.ADD_NEWER] if older_is_primary else [Move.SET_OLDER, Move.ADD_NEWER]


def sweepable(seen: Description, now_s: float, current_since_s: float, grace_s: float | None) -> bool:
    """Whether what is older than AWSCURRENT may be taken back.

    Args:
        seen: the secret; of its dates the latest counts, since promotion itself has none.
        now_s: seconds since 1970.
        current_since_s: when AWSCURRENT's value was stored.
        grace_s: how long clients may go on with the older value; None for as long as they like.

    Raises:
        RotationError: ``rotation-unfinished``, ``managed-elsewhere``, ``replica-region``.
    """
    refuse_foreign(seen)
    pending = seen.stages.holder(PENDING)
    if pending is not None and pending != seen.stages.holder(CURRENT):
        raise RotationError(
            "rotation-unfinished",
            f"Version {pending} of {seen.arn} is pending.",
            "Wait for its rotation, or: vaultgate rotate repair.",
        )
    return grace_s is not None and now_s - max(current_since_s, seen.changed_at) >= grace_s


STEPS_THAT_NEED_A_VALUE = frozenset({Step.SET, Step.FINISH})
"""testSecret has none when Secrets Manager only tries a new configuration out; createSecret makes it."""
