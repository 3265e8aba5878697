"""An event that CloudWatch Logs refuses for good: found in its batch, sent in other clothes, or told of.

Rules: pure. A refused batch is halved until the event that it is about stands alone; the others go as they are. The one goes
again as base64 in an envelope, which holds nothing that a service could dislike. What is refused even so is given up for one
reason only: that a notice of it was accepted in its stead, in its stream. So a service that refuses everything, for whatever
reason, stops the mirror and loses nothing, and an event that never came is named twice: by its notice and by its proof.
"""

from __future__ import annotations

import hashlib
import json
from typing import NamedTuple

from vaultgate_ops.audit import envelope
from vaultgate_ops.audit.batcher import Batcher, Body, events_of

_KEY = "vaultgate_refused"
_OPENING = f'{{"{_KEY}":'


class Refused(NamedTuple):
    """An event that stands alone and was refused.

    Attributes:
        timestamp: ms since 1970.
        message: UTF-8.
    """

    timestamp: int
    message: bytes

    @property
    def digest(self) -> bytes:
        """SHA-256 of the line that it is, or is a part of."""
        head = envelope.head_of(self.message)
        return bytes.fromhex(str(head["sha256"])) if head else hashlib.sha256(self.message).digest()


def parted(body: Body, group: str, stream: str) -> tuple[Body, Body] | Refused:
    """A refused body's two halves, or its only event.

    Args:
        body: which was refused.
        group: where it was to go.
        stream: likewise.
    """
    events = events_of(body)
    if len(events) == 1:
        return Refused(*events[0])
    middle = len(events) // 2
    return _body(events[:middle], group, stream), _body(events[middle:], group, stream)


def notice(refused: Refused, place: str, why: str) -> bytes:
    """The event that says what was given up.

    Args:
        refused: the event.
        place: of its line, in words.
        why: the service's own.
    """
    told = {"place": place, "sha256": refused.digest.hex(), "bytes": len(refused.message), "why": why[:500]}
    return json.dumps({_KEY: told}).encode()


def told(message: str) -> str | None:
    """What a notice says, in a sentence; None where an event is none."""
    if not message.startswith(_OPENING):
        return None
    try:
        found = json.loads(message)[_KEY]
        return f"CloudWatch Logs refused {found['place']} ({found['why']})"
    except (ValueError, KeyError, TypeError):
        return None


def _body(events: list[tuple[int, bytes]], group: str, stream: str) -> Body:
    batcher = Batcher(group, stream)
    for timestamp, message in events:
        batcher.add(timestamp, message)
    return batcher.take()
