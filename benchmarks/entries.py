"""Audit lines for benchmarks: what a real Vault wrote, with a number of their own in each.

Rules: nothing is invented: every line is one of Vault's own, but for its request's id, which becomes its number, and its time,
which becomes the moment it is written.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, NamedTuple

from vaultgate_ops.errors import CheckFailed

if TYPE_CHECKING:
    from vaultgate_ops.local.stack import Stack

_ID = re.compile(rb'"id":"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"')
_TIME = re.compile(rb'"time":"[^"]{20,35}","type":')
_NUMBER = re.compile(rb'"id":"00000000-0000-4000-8000-([0-9a-f]{12})"')
_ROUNDS = 40


class _Template(NamedTuple):
    before: bytes
    between: bytes
    after: bytes


class Entries:
    """Makes lines.

    Args:
        wrote: lines that Vault wrote.

    Raises:
        CheckFailed: none of them has an id and a time where they are looked for.
    """

    def __init__(self, wrote: list[bytes]) -> None:
        self._templates = [template for line in wrote if (template := _template(line))]
        if not self._templates:
            raise CheckFailed("Vault's audit entries have another form than this benchmark knows.")

    @property
    def average_bytes(self) -> float:
        """Of a line."""
        made = [self.line(number, 0) for number in range(len(self._templates))]
        return sum(map(len, made)) / len(made)

    def line(self, number: int, wall_s: float) -> bytes:
        """The line of this number, without its newline.

        Args:
            number: 0 to 2**48.
            wall_s: when it was written, seconds since 1970.
        """
        before, between, after = self._templates[number % len(self._templates)]
        moment = dt.datetime.fromtimestamp(wall_s, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
        return b'%b"id":"00000000-0000-4000-8000-%012x"%b"time":"%b000Z","type":%b' % (
            before,
            number,
            between,
            moment.encode(),
            after,
        )


def number_of(line: bytes) -> int | None:
    """The number that a line was given."""
    found = _NUMBER.search(line)
    return int(found[1], 16) if found else None


def recorded(stack: Stack) -> Entries:
    """What a Vault writes whose functions read secrets: reads, logins and leases of a stack.

    Args:
        stack: a bootstrapped one, whose file device is on.
    """
    begin = stack.vault.audit_file.stat().st_size
    with stack.vault.client(stack.vault.root_token) as client:
        for _ in range(_ROUNDS):
            client.secrets.kv.v2.read_secret_version(path="records", raise_on_deleted_version=True)
            lease = client.read("database/creds/records")
            client.auth.token.lookup_self()
            client.sys.revoke_lease(lease["lease_id"])
    return Entries(stack.vault.audit_file.read_bytes()[begin:].splitlines())


def _template(line: bytes) -> _Template | None:
    identified, times = _ID.search(line), list(_TIME.finditer(line))
    if identified is None or not times or times[-1].start() < identified.end():
        return None
    timed = times[-1]
    return _Template(line[: identified.start()], line[identified.end() : timed.start()], line[timed.end() :])
