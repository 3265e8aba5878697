"""What is kept of Vault's answers, and under which key: a shelf without a lock and without I/O.

Rules: only answers to GET and LIST are kept, a leased one while its lease lives, another only where somebody asked for
that; never one with `wrap_info` or `auth`, which is for one reader alone; never one that a caller's own token fetched. A
write drops what it may have changed. The shelf is bounded by bytes; what was used longest ago goes first.
"""

from __future__ import annotations

import json
import re

from vaultgate.leases import due

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from vaultgate.clock import Instant
    from vaultgate.leases import Lifetime
    from vaultgate.model import Answer, Request

_KV_KINDS = frozenset({"data", "metadata", "delete", "undelete", "destroy", "subkeys"})
# What is asked of sys/leases, and the statuses that say that the lease is over.
_TAKEN = frozenset({200, 202, 204})
_ENDING = {"lookup": frozenset({400}), "revoke": _TAKEN, "revoke-prefix": _TAKEN, "revoke-force": _TAKEN}
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
Key = tuple[str, str, str]
# What an entry weighs beside its body: keys, headers and Python's own objects, by tracemalloc about 900 bytes.
_ENTRY_BYTES = 1024


def key_of(request: Request, namespace: str | None) -> Key | None:
    """Under which key an answer would be kept, or None for a request whose answer is its caller's alone.

    Tracing headers don't count; path, query and namespace do.
    """
    if request.method not in {"GET", "LIST"} or request.header("X-Vault-Wrap-TTL") is not None or request.body:
        return None
    named = request.header("X-Vault-Namespace")  # an empty one names the root, whatever the settings say
    return request.method, request.target, (namespace or "") if named is None else named


def path_of(key: Key) -> str:
    """The path below `/v1/` that a key stands for."""
    return path_below(key[1])


def path_below(target: str) -> str:
    """The path below `/v1/` of a request's target, as Vault reads it: what one client escapes another one may not."""
    path = target.partition("?")[0].removeprefix("/v1/")
    if "%" not in path:
        return path
    return _ESCAPE.sub(lambda escape: bytes([int(escape[1], 16)]), path.encode()).decode("utf-8", "replace")


def for_one_reader(document: Mapping[str, Any]) -> bool:
    """Whether an answer, Vault's envelope, is for whoever asked alone: a wrapping token is used up once, a login is one's own."""
    return bool(document.get("wrap_info") or document.get("auth"))


def ended_lease(request: Request, answer: Answer) -> str:
    """The lease that an exchange with Vault shows to be over, or the beginning of the ids of several; empty for none.

    That is a look-up which Vault answers by 400, or a revocation that it took, whosever token went with it.
    Source: HashiCorp, "/sys/leases".
    """
    before, _, asked = path_below(request.target).partition("sys/leases/")
    verb, _, rest = asked.partition("/") if not before else ("", "", "")
    if answer.status not in _ENDING.get(verb, ()):
        return ""
    try:
        named = rest or json.loads(request.body)["lease_id"]
    except (ValueError, KeyError, TypeError):
        return ""
    return named if isinstance(named, str) else ""


def ttl_without_lease(path: str, rules: tuple[tuple[str, float], ...], default_s: float | None, *, asked: bool) -> float:
    """Seconds that an answer without a lease may be kept; 0 for not at all.

    Args:
        path: below `/v1/`.
        rules: globs and seconds; the first that matches decides.
        default_s: for what no rule matches; None for not at all.
        asked: whether the request, or the settings, ask for the default.
    """
    for glob, seconds in rules:
        if re.fullmatch(re.escape(glob).replace(r"\*", ".*"), path):
            return seconds
    return default_s or 0.0 if asked else 0.0


def touches(written: str, kept: str) -> bool:
    """Whether a write to one path may change what a read of the other gives; when in doubt, yes.

    A secret of KV v2 has several paths: `mount/data/app`, `mount/metadata/app`, `mount/destroy/app` and so on all speak of
    `app`, and a listing speaks of everything below it. A mount's own path may hold such a word too, so each is tried.
    """
    return any(
        one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")
        for one in _subjects(written)
        for other in _subjects(kept)
    )


def _subjects(path: str) -> set[str]:
    parts = path.strip("/").split("/")
    return {"/".join(parts)} | {
        "/".join(parts[:index] + parts[index + 1 :]) for index, part in enumerate(parts) if part in _KV_KINDS
    }


class Entry:
    """An answer on the shelf.

    Args:
        answer: Vault's, whole.
        lease_id: of the secret in it; empty for an answer without one.
        lifetime: how long it may be handed out.
        owner: name of the token it was got with, and dies with.
        renewable: whether Vault may give the lease more time.
        first_ttl_s: what Vault gave at first; a renewal is measured by it. By default the lifetime's.

    Attributes:
        used: whether it was handed out since it was put on the shelf; nobody keeps alive what nobody asks for.
    """

    __slots__ = ("answer", "first_ttl_s", "lease_id", "lifetime", "owner", "renewable", "used")

    def __init__(
        self,
        answer: Answer,
        lease_id: str,
        lifetime: Lifetime,
        owner: str = "",
        *,
        renewable: bool = False,
        first_ttl_s: float | None = None,
    ) -> None:
        self.answer = answer
        self.lease_id = lease_id
        self.lifetime = lifetime
        self.owner = owner
        self.renewable = renewable
        self.first_ttl_s = lifetime.ttl_s if first_ttl_s is None else first_ttl_s
        self.used = False

    def renewed(self, lifetime: Lifetime) -> Entry:
        """The same answer with a new life."""
        return Entry(self.answer, self.lease_id, lifetime, self.owner, renewable=self.renewable, first_ttl_s=self.first_ttl_s)

    @property
    def size(self) -> int:
        """Bytes it weighs."""
        return len(self.answer.body) + _ENTRY_BYTES


class Shelf:
    """The kept answers.

    Args:
        limit: bytes that all entries together may weigh.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: dict[Key, Entry] = {}  # in order of use, the oldest first
        self._size = 0
        self._changed: set[Key] = set()
        self._revision = 0

    def __repr__(self) -> str:
        """Show how full it is."""
        return f"Shelf({len(self._entries)} entries, {self._size} of {self._limit} bytes)"

    def __len__(self) -> int:
        """How many answers are kept."""
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        """The entries, the one used longest ago first."""
        return iter(tuple(self._entries.values()))

    @property
    def revision(self) -> int:
        """Rises when a copy of what was handed out may no longer be true, or when nobody would notice if it were not."""
        return self._revision

    def look(self, key: Key, now: Instant) -> Entry | None:
        """The fresh entry at `key`, or None; one that is over is dropped on the way."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.lifetime.over(now):
            self.drop(key)
            return None
        self._entries[key] = self._entries.pop(key)
        entry.used = True
        return entry

    def take_past(self, key: Key, now: Instant) -> Entry | None:
        """The entry without a lease at `key` that is over, taken off the shelf; None where there is none."""
        entry = self._entries.get(key)
        if entry is None or entry.lease_id or not entry.lifetime.over(now):
            return None
        self.drop(key)
        return entry

    def peek(self, key: Key) -> Entry | None:
        """What is at `key`, fresh or not; that it was looked at doesn't count as use."""
        return self._entries.get(key)

    def due(self, now: Instant) -> list[tuple[Key, Entry]]:
        """What was used and is near its end, but not over: time for the next."""
        return [
            (key, entry)
            for key, entry in self._entries.items()
            if entry.used and due(entry.lifetime, now) and not entry.lifetime.over(now)
        ]

    def put(self, key: Key, entry: Entry) -> bool:
        """Keep an entry, at the cost of older ones; False for one that is larger than the whole shelf."""
        known = self._entries.get(key)
        if known is not None and known.answer is not entry.answer:
            self._disown(key)
        self.drop(key)
        if entry.size > self._limit:
            return False
        self._entries[key] = entry
        self._size += entry.size
        while self._size > self._limit:
            oldest, evicted = next(iter(self._entries.items()))
            self.drop(oldest)
            # A write that touches it will find nothing to take back.
            self._revision += not evicted.lease_id
        return True

    def drop(self, key: Key) -> None:
        """Forget what is at `key`, if anything."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._size -= entry.size

    def drop_lease(self, lease_id: str) -> bool:
        """Forget the answer that holds a lease; True if there was one.

        Args:
            lease_id: the whole id, or what stands before a slash in those of several.
        """
        ended = [
            key
            for key, entry in self._entries.items()
            if entry.lease_id and f"{entry.lease_id}/".startswith(f"{lease_id.rstrip('/')}/")
        ]
        for key in ended:
            self._disown(key)
        return bool(ended)

    def drop_touched(self, path: str) -> None:
        """Forget what a write to a path may have changed; leased secrets stay, their lease says how long they are good.

        Args:
            path: below `/v1/`.
        """
        for key, entry in tuple(self._entries.items()):
            if not entry.lease_id and touches(path, path_of(key)):
                self._disown(key)

    def drop_owner(self, owner: str) -> None:
        """Forget what was got with a token: it is dead, and its leases with it."""
        for key, entry in tuple(self._entries.items()):
            if entry.owner == owner:
                self._disown(key)

    def changes(self) -> set[Key]:
        """Where another answer came, or what was there is no longer true, since this was last asked; age doesn't count."""
        changed, self._changed = self._changed, set()
        return changed

    def _disown(self, key: Key) -> None:
        self.drop(key)
        self._changed.add(key)
        self._revision += 1

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._size = 0
