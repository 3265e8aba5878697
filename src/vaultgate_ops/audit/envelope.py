"""Lines that CloudWatch Logs can't take as they are: too long, not UTF-8, empty, fragments.

Rules: everything else travels as itself, so an event that begins like an envelope is one. An envelope's parts carry the
line's own SHA-256; their id is made of that and of the line's place, so it is the same when they are sent again and another
one for an equal line elsewhere. Text is cut at character borders. A long line is read twice, a window at a time: once for
its hash and its cuts, once to be sent; it is never in memory as a whole on the way out.

The form: ``{"vaultgate_part": {"id", "part", "parts", "sha256", "encoding"}, "data": ...}``, parts counted from 1, encoding
``utf-8`` or ``base64``; ``"torn": true`` beside them marks a fragment that no newline followed.
"""

from __future__ import annotations

import base64
import codecs
import hashlib
import json
from dataclasses import dataclass, field
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any, NamedTuple

from vaultgate_ops.audit.model import LONGEST_MESSAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Read = Callable[[int, int], bytes]
    """Bytes of a line: (place in the line, how many); fewer only at the line's end."""

OPENING = '{"vaultgate_part":'
OURS = b'{"vaultgate_'
"""What no line may begin with that travels as itself."""

_WINDOW = 512 * 1024
_ROOM = LONGEST_MESSAGE - 512  # the head of an envelope is some 250 characters
_HASH_WINDOW = 256 * 1024


class Plan(NamedTuple):
    """How a line is cut.

    Attributes:
        sha256: of the whole line, 32 bytes.
        encoding: ``utf-8`` or ``base64``.
        cuts: where each part begins, and the line's length.
        identifier: of the line at its place.
        torn: it is a fragment.
    """

    sha256: bytes
    encoding: str
    cuts: list[int]
    identifier: str
    torn: bool


def plan(read: Read, length: int, place: str, *, torn: bool = False) -> Plan:
    """Look a line through: the first pass.

    Args:
        read: gives its bytes.
        length: how many it has.
        place: what tells it from an equal line elsewhere.
        torn: it is a fragment.

    Raises:
        OSError: it can't be read, or ended early.
    """
    digest = hashlib.sha256()
    decoder = codecs.getincrementaldecoder("utf-8")()
    text = True
    for start in range(0, length, _HASH_WINDOW):
        window = _exactly(read, start, min(_HASH_WINDOW, length - start))
        digest.update(window)
        if text:
            try:
                decoder.decode(window, final=start + len(window) == length)
            except UnicodeDecodeError:
                text = False
    cuts = list(_text_cuts(read, length)) if text else list(range(0, max(length, 1), _WINDOW))
    sha256 = digest.digest()
    identifier = hashlib.sha256(sha256 + place.encode()).hexdigest()[:32]
    return Plan(sha256, "utf-8" if text else "base64", [*cuts, length], identifier, torn)


def messages(planned: Plan, read: Read) -> Iterator[bytes]:
    """The line's envelopes, in order: the second pass.

    Raises:
        OSError: the line can't be read, or ended early.
    """
    parts = len(planned.cuts) - 1
    for part, (start, end) in enumerate(zip(planned.cuts, planned.cuts[1:], strict=False), 1):
        content = _exactly(read, start, end - start)
        head = {
            "id": planned.identifier,
            "part": part,
            "parts": parts,
            "sha256": planned.sha256.hex(),
            "encoding": planned.encoding,
            **({"torn": True} if planned.torn else {}),
        }
        yield _part(head, content)


def disguised(message: bytes, place: str) -> list[bytes]:
    """An event in base64: a line's envelopes, or an envelope's other form; none where it has that form already.

    Args:
        message: UTF-8, as it would be sent.
        place: what tells a line from an equal one elsewhere.
    """
    head = head_of(message)
    if head is None:
        sha256 = hashlib.sha256(message).digest()
        identifier = hashlib.sha256(sha256 + place.encode()).hexdigest()[:32]
        cuts = [*range(0, len(message), _WINDOW), len(message)]
        return list(messages(Plan(sha256, "base64", cuts, identifier, torn=False), reads(message)))
    if head["encoding"] == "base64":
        return []
    return [_part({**head, "encoding": "base64"}, json.loads(message)["data"].encode())]


def head_of(message: bytes) -> dict[str, Any] | None:
    """What stands before an envelope's content; None where an event is a line as it is."""
    if not message.startswith(OPENING.encode()):
        return None
    head: dict[str, Any] = json.loads(message)["vaultgate_part"]
    return head


def _part(head: dict[str, Any], content: bytes) -> bytes:
    data = content.decode() if head["encoding"] == "utf-8" else base64.b64encode(content).decode("ascii")
    return f'{OPENING}{json.dumps(head, separators=(",", ":"))},"data":{encode_basestring(data)}}}'.encode()


def reads(line: bytes) -> Read:
    """A reader of a line that is in memory."""
    return lambda start, length: line[start : start + length]


def _text_cuts(read: Read, length: int) -> Iterator[int]:
    start = 0
    yield start
    while start < length:
        window = _exactly(read, start, min(_WINDOW, length - start))
        end = len(window) if start + len(window) == length else _border(window, len(window))
        # Escaping can make six bytes of one.
        while len(encode_basestring(window[:end].decode()).encode()) > _ROOM:
            end = _border(window, end // 2)
        start += end
        if start < length:
            yield start


def _border(window: bytes, place: int) -> int:
    """The last place up to this one where no character is cut."""
    if place == len(window):
        # What follows is not in sight: the last character is left to the next window, whole.
        place -= 1
    while window[place] & 0xC0 == 0x80:  # noqa: PLR2004 - UTF-8's continuation bytes, 10xxxxxx
        place -= 1
    return place


def _exactly(read: Read, start: int, length: int) -> bytes:
    content = read(start, length)
    if len(content) != length:
        raise OSError(f"{length} bytes at {start} were wanted, {len(content)} came: the file was changed while it was read")
    return content


class Line(NamedTuple):
    """A line as it was in its file.

    Attributes:
        content: its bytes, without the newline.
        torn: it is a fragment.
    """

    content: bytes
    torn: bool


@dataclass
class _Pieces:
    parts: int
    found: dict[int, list[bytes]] = field(default_factory=dict)


class Reassembly:
    """Makes lines of the messages of a stream again, in any order, however often each of them came.

    Attributes:
        damaged: ids of envelopes whose line does not have the hash that they name.
    """

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], _Pieces] = {}
        self.damaged: list[str] = []

    @property
    def incomplete(self) -> list[str]:
        """Ids of envelopes of which no part came as often as another: what came too often or too seldom."""
        return [identifier for identifier, _ in self._waiting]

    def line(self, message: str) -> Line | None:
        """The line that this message is, or completes; None while parts of it are missing.

        A message that only looks like an envelope is a line of its own.
        """
        if not message.startswith(OPENING):
            return Line(message.encode(), torn=False)
        try:
            document = json.loads(message)
            head, data = document["vaultgate_part"], document["data"]
            content = data.encode() if head["encoding"] == "utf-8" else base64.b64decode(data, validate=True)
            key, part, parts = (str(head["id"]), str(head["sha256"])), int(head["part"]), int(head["parts"])
        except (ValueError, KeyError, TypeError, AttributeError):
            return Line(message.encode(), torn=False)
        pieces = self._waiting.setdefault(key, _Pieces(parts))
        pieces.found.setdefault(part, []).append(content)
        if not all(pieces.found.get(number) for number in range(1, pieces.parts + 1)):
            return None
        whole = b"".join(pieces.found[number].pop() for number in range(1, pieces.parts + 1))
        if not any(pieces.found.values()):
            del self._waiting[key]
        if hashlib.sha256(whole).hexdigest() != key[1]:
            self.damaged.append(key[0])
        return Line(whole, bool(head.get("torn")))
