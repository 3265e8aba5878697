"""Blocks of a file become entries: one per line, byte for byte.

Rules: a line is complete when its newline is there; no byte is looked at by Python itself, only by searches that run in C;
what is kept between two blocks is at most one message of the longest kind. A line that is longer is only measured.

Salvage: when the disk fills, Vault leaves the beginning of an entry behind, and the next entry is glued to it on one line. If
what follows the glue is a whole entry and the line as it stands is none, the line becomes two: the fragment, marked as torn,
and the entry. Together they are the line's bytes. Only Vault's JSON is salvaged; jsonx passes as it is.

Source of an entry's beginnings: Vault marshals the top-level keys sorted, so an entry begins with ``auth``, ``error`` or
``request`` (audit/event.go and audit/entry_formatter.go, 1.16 and later), before 1.16 with ``time``.
"""

from __future__ import annotations

import json
import re

from vaultgate_ops.audit.model import LONGEST_MESSAGE, Entry

_BEGINS = rb'\{"%s(?:auth|request|time|error|forwarded_from)":'
_BEGINNING = re.compile(_BEGINS % b"")
# A whole value: where a block ends within it, the next one decides; where an entry is torn within it, it is none.
# The search begins at a byte that is rare in an entry, and looks back from there: a quarter less of its time.
_RAW_JSON = re.compile(rb'_token":"(?<=("client_token":"))(?!hmac-)[^"{]+"')
_RAW_JSONX = re.compile(rb'(name="client_token">)(?!hmac-)[^<{]+<')
_OVERLAP = 64


class RawContent(Exception):
    """The device writes secrets in clear (``log_raw``).

    Args:
        offset: of the first such byte, or a little before it.
    """

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset


class Splitter:
    """The lines of one file, from one offset on.

    Args:
        offset: where the first block begins; the beginning of a line.
        prefix: what the device writes before each entry (`prefix_of`).
        raw_allowed: let entries pass that carry secrets in clear.

    Attributes:
        offset: where the next block must begin.
    """

    def __init__(self, offset: int, prefix: bytes = b"", *, raw_allowed: bool = False) -> None:
        self.offset = offset
        self._prefix = prefix
        # The two literal bytes come first, so that the search can skip ahead to them.
        self._glued = re.compile(_BEGINS % (rb'(?<!\n%s\{")' % re.escape(prefix)))
        self._start = offset
        self._tail = b""
        self._measuring = False
        self._raw_allowed = raw_allowed

    @property
    def complete(self) -> int:
        """Offset behind the last complete line."""
        return self._start

    def feed(self, block: bytes) -> list[Entry]:
        """Take the file's next bytes; give the entries that are complete now.

        Raises:
            RawContent: a token stands there in clear, and that was not allowed. The block is not taken.
        """
        data = self._tail + block
        base = self.offset - len(self._tail)
        if not self._raw_allowed:
            _refuse_raw(data, base)
        self.offset += len(block)
        entries: list[Entry] = []
        if self._measuring:
            newline = data.find(b"\n", len(self._tail))
            if newline < 0:
                self._tail = data[-_OVERLAP:]
                return entries
            data = data[newline + 1 :]
            entries.append(Entry(self._start, self.offset - len(data), None))
            self._start, self._measuring = self.offset - len(data), False
        lines = data.split(b"\n")
        self._tail = lines.pop()
        # The first line has no newline before it here.
        glued = self._glued.search(data, len(self._prefix) + 1) is not None
        self._number(lines, entries, glued=glued)
        if len(self._tail) > LONGEST_MESSAGE:
            self._tail, self._measuring = self._tail[-_OVERLAP:], True
        return entries

    def end(self) -> list[Entry]:
        """The file ends here for good: what stands behind its last newline is a fragment, if there is anything."""
        if self.offset == self._start:
            return []
        line = None if self._measuring else self._tail
        entry = Entry(self._start, self.offset, line, torn=True)
        self._start, self._tail, self._measuring = self.offset, b"", False
        return [entry]

    def _number(self, lines: list[bytes], entries: list[Entry], *, glued: bool) -> None:
        """Append the entries of complete lines."""
        start = self._start
        for line in lines:
            end = start + len(line) + 1
            if len(line) > LONGEST_MESSAGE:
                entries.append(Entry(start, end, None))
            elif glued and (cut := glue(line, self._prefix)):
                entries += (Entry(start, start + cut, line[:cut], torn=True), Entry(start + cut, end, line[cut:]))
            else:
                entries.append(Entry(start, end, line))
            start = end
        self._start = start


def prefix_of(beginning: bytes) -> bytes:
    """What stands before the first entry of a file that begins so: the device's ``prefix``, or nothing."""
    found = _BEGINNING.search(beginning.partition(b"\n")[0])
    prefix = beginning[: found.start()] if found else b""
    return b"" if b"{" in prefix or b"\0" in prefix else prefix


def glue(line: bytes, prefix: bytes = b"") -> int:
    """Where in a line a whole entry begins, its prefix included, that was glued to a fragment; 0 where there is none.

    An entry may hold another's beginning in its data; then the line is valid JSON as it stands.
    """
    where = [found.start() for found in _BEGINNING.finditer(line)]
    if line.startswith(prefix) and len(prefix) in where:
        if len(where) == 1 or _entry(line[len(prefix) :]):
            return 0
        where.remove(len(prefix))
    for at in where:
        if _entry(line[at:]):
            return at - len(prefix) if line.endswith(prefix, 0, at) else at
    return 0


def _entry(text: bytes) -> bool:
    """Whether a text is one of Vault's entries, whole."""
    try:
        parsed = json.loads(text)
    except ValueError:
        return False
    return isinstance(parsed, dict) and {"time", "type"} <= parsed.keys()


def _refuse_raw(text: bytes, base: int) -> None:
    found = (_RAW_JSONX if b"<json:" in text[:4096] else _RAW_JSON).search(text)
    if found:
        raise RawContent(base + found.start(1))
