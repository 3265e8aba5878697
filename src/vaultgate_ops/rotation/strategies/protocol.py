"""What the engine asks of a strategy.

Rules: small enough for a service with four verbs: an API that allows two keys creates one in `propose`, verifies it in
`Hold.prove`, promotes it in `Hold.ready`, retires the older in `Hold.retire`. Whatever a method does, doing it again from any
state in between must come to the same end. What can't be known is no reason to write over it: a view of the stages may be
seconds old, so a method that meets something which no stage has is `Surprised`, and is asked again by an engine that waited.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from vaultgate_ops.rotation.model import Change, SecretValue


class Surprised(Exception):
    """The service contradicts the stages: it accepts none of the values that it should, or one that none of them has.

    Our view of the stages is late, or somebody changed the service by hand.
    """


class Hold(Protocol):
    """The service, held so that no other step of this secret runs."""

    def apply(self, *, sure: bool) -> None:
        """Make the pending value valid, beside the current one where that is possible.

        Args:
            sure: the view of the stages is known to be of now; else nothing may be written over a state that contradicts it.

        Raises:
            Surprised: it does, and nothing was written.
            RotationError: ``password-policy`` or ``value-overtaken`` if the service will never accept this value.
        """

    def prove(self) -> None:
        """Show that the pending value does all that the current one does; without a pending one, that rotation would work."""

    def ready(self) -> None:
        """Show that the pending value works at this moment, just before it becomes the current one."""

    def retire(self, *, sure: bool, sessions: bool) -> bool:
        """End what is older than the current value; gives whether there was anything.

        Args:
            sure: as for `apply`: what is neither the current nor the previous value may be one that is current by now.
            sessions: end open sessions too.

        Raises:
            Surprised: there is such a one, and nothing was ended.
        """


class Strategy(Protocol):
    """One way of rotating."""

    @property
    def name(self) -> str:
        """What the secret's ``strategy`` calls it."""

    def propose(self, token: str, change: Change, draw: Callable[[], str], *, sure: bool) -> SecretValue:
        """The new value; made by the service where it is the one that makes them.

        Args:
            token: the version it will be; the same whenever this is called again, as after a crash before the value was stored.
            change: checked, without a pending value.
            draw: gives a new random password.
            sure: as for `Hold.apply`.

        Raises:
            Surprised: the service has something that no stage has; nothing was ended.
        """

    def outline(self, change: Change) -> Sequence[tuple[str, str]]:
        """What a rotation would do, as pairs of a word and its meaning for people; contacts nobody, names no secret.

        Args:
            change: checked, without a pending value.
        """

    def check(self, change: Change) -> None:
        """Refuse values that don't belong together, before anybody is contacted.

        Raises:
            RotationError: ``value-changed`` or what is wrong with a field.
        """

    def hold(self, change: Change) -> AbstractContextManager[Hold]:
        """Contact the service and keep other steps of this secret out until the block is left.

        Raises:
            RotationError: ``rotation-running`` or why there is no contact.
        """

    def grace_s(self, current: SecretValue) -> float | None:
        """How long an older value may live on, in seconds; None until the next rotation."""
