"""Doubles for those who write functions: an extension that has what a test gives it.

    from vaultgate import testing

    def test_the_key_is_sent() -> None:
        with testing.extension() as vault:
            vault.put("secret/data/app", {"data": {"api_key": "k1"}})
            from app import handler              # inside, so that what it makes at import time is made here

            assert handler({}, None)["sent"] == "k1"
            vault.fail(times=1)                  # Vault is away for one call
            ...

It is the extension's own door on a loopback port of the kernel's choice, so the guard, the headers and the errors are those of
the real one, for `vaultgate.client`, hvac and everybody else; behind it stands no Vault. Time stands still until `advance`.
Rules: nothing outlives the block; what is handed out is what the test put there.
"""

from __future__ import annotations

import io
import json
import os
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vaultgate import client
from vaultgate.clock import Clock, Instant
from vaultgate.errors import Denied, Unreachable
from vaultgate.log import Log
from vaultgate.model import Answer
from vaultgate.outlets.proxy import Proxy, bind
from vaultgate.reading import Client
from vaultgate.transport import Connections

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from vaultgate.model import Origin, Request

__all__ = ["FakeExtension", "extension"]

_NOON = 1_795_262_400.0
_TIMEOUT_S = 10.0
# How long the function's memory may be behind: it looks whether something was taken back once a second.
_BEHIND_S = 1.0


class _Hands(Clock):
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.gone_s = 0.0

    def wall(self) -> float:
        return _NOON + self.gone_s

    def steady(self) -> float:
        return 1000.0 + self.gone_s

    def now(self) -> Instant:
        return Instant(self.wall(), self.steady())

    def sleep(self, seconds: float) -> None:
        self.gone_s += seconds


class _Way:
    """To the door, in real time: the client's own deadlines are of a clock that stands still."""

    def __init__(self, connections: Connections, clock: Clock) -> None:
        self._connections = connections
        self._clock = clock

    def exchange(self, origin: Origin, request: Request, _deadline: float) -> Answer:
        return self._connections.exchange(origin, request, self._clock.steady() + _TIMEOUT_S)


class _Kept:
    """What is at a path: the answers to come, and the lease of the last one."""

    def __init__(self, answers: Sequence[Mapping[str, Any]], ttl_s: float | None) -> None:
        self.answers = list(answers)
        self.ttl_s = ttl_s
        self.given = 0
        self.lease_id = ""
        self.since_s = 0.0
        self.dead = True


class FakeExtension:
    """What a test says to the extension, and what it heard. Safe for threads.

    Attributes:
        address: `http://127.0.0.1:PORT`, where the door is; a proxy's address for any client of Vault.
        reads: every path that was read, in order, also those that failed.
    """

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.reads: list[str] = []
        self.clock = _Hands()
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}
        self._failures: list[tuple[str | None, Exception, int | None]] = []
        self._generation = 0

    # --- what a test says ---

    def put(self, path: str, data: Mapping[str, Any]) -> None:
        """Let a path hold a secret without a lease.

        Args:
            path: below `/v1/`, such as `secret/data/app`.
            data: `data` of Vault's answer; under KV version 2 that is `{"data": {...}}`.
        """
        with self._lock:
            self._kept[path] = _Kept([data], None)
            self._changed()

    def lease(self, path: str, *credentials: Mapping[str, Any], ttl_s: float = 600) -> None:
        """Let a path give leased credentials, such as a database role's.

        Args:
            path: below `/v1/`, such as `database/creds/app`.
            *credentials: what one lease after the other holds; the last one is given again and again.
            ttl_s: how long each lease lasts.
        """
        with self._lock:
            self._kept[path] = _Kept(credentials, ttl_s)
            self._changed()

    def revoke(self, path: str) -> None:
        """End the lease of a path behind the function's back: its credential is dead, the next read gets another."""
        with self._lock:
            self._kept[path].dead = True

    def rotate(self, path: str, data: Mapping[str, Any]) -> None:
        """Change what a path holds; a second goes by, by which time no process of the function still keeps the old value."""
        with self._lock:
            kept = self._kept[path]
            kept.answers = [data]
            kept.given, kept.dead = 0, True
            self._changed()
        self.advance(_BEHIND_S)

    def advance(self, seconds: float) -> None:
        """Let time pass: leases come to their end."""
        self.clock.sleep(seconds)

    def fail(self, path: str | None = None, *, times: int | None = None) -> None:
        """Let reads fail as they do when Vault is away: 503, retryable.

        Args:
            path: only reads of it; None for all.
            times: so often; None until `recover`.
        """
        error = Unreachable("Vault is away, as the test wants it")
        with self._lock:
            self._failures.append((path, error, times))

    def deny(self, path: str) -> None:
        """Let reads of a path fail as they do when Vault's policy denies it: 403, until `recover`."""
        with self._lock:
            self._failures.append((path, Denied("permission denied"), None))

    def recover(self) -> None:
        """Let nothing fail any more."""
        with self._lock:
            self._failures.clear()

    def _changed(self) -> None:
        self._generation += 1

    # --- what the door asks: see `broker.Broker` ---

    def deadline(self) -> float:
        """Whatever: nothing here takes time."""
        return self.clock.steady() + _TIMEOUT_S

    def health(self) -> dict[str, object]:
        """All is well."""
        with self._lock:
            held = sum(1 for kept in self._kept.values() if not kept.dead)
        return {
            "logged_in": True,
            "token_remaining_s": None,
            "answers_kept": len(self._kept),
            "leases_held": held,
            "circuit": "closed",
        }

    def token(self, _deadline: float) -> None:
        """There is none, and none is needed."""

    def answer(self, request: Request, _deadline: float) -> Answer:
        """Answer as Vault would, with the extension's headers."""
        path = request.path.removeprefix("/v1/")
        with self._lock:
            if path == "sys/leases/lookup":
                return self._looked_up(request)
            if request.method not in {"GET", "LIST"}:
                return _plain(404, {"errors": [f"the double has no answer to {request.method} {path}"]})
            self.reads.append(path)
            failure = self._failure(path)
            if isinstance(failure, Denied):
                return _plain(403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]})
            if failure is not None:
                raise failure
            kept = self._kept.get(path)
            return _plain(404, {"errors": []}) if kept is None else self._given(path, kept)

    # --- for the client: see `reading.Generations` ---

    def look(self) -> tuple[int, int, int]:
        """Which generation this is."""
        with self._lock:
            return 0, 0, self._generation

    def _failure(self, path: str) -> Exception | None:
        for index, (of, error, times) in enumerate(self._failures):
            if of is None or of == path:
                if times is not None:
                    self._failures[index : index + 1] = [(of, error, times - 1)] if times > 1 else []
                return error
        return None

    def _given(self, path: str, kept: _Kept) -> Answer:
        hit = not kept.dead and kept.ttl_s is not None and self._left_s(kept) > 0
        if not hit:
            kept.given += 1
            kept.since_s, kept.dead = self.clock.gone_s, kept.ttl_s is None
            kept.lease_id = f"{path}/lease-{kept.given}" if kept.ttl_s is not None else ""
        data = kept.answers[min(kept.given, len(kept.answers)) - 1]
        document = {
            "request_id": f"request-{len(self.reads)}",
            "lease_id": kept.lease_id,
            "renewable": False,
            "lease_duration": int(kept.ttl_s or 0),
            "data": data,
            "wrap_info": None,
            "warnings": None,
            "auth": None,
        }
        headers = [("X-Vaultgate-Cache", "hit" if hit else "miss"), ("Age", str(int(self.clock.gone_s - kept.since_s)))]
        if kept.ttl_s is not None:
            headers.append(("X-Vaultgate-Lease-Remaining", str(int(self._left_s(kept)))))
        return _plain(200, document, *headers)

    def _left_s(self, kept: _Kept) -> float:
        return (kept.ttl_s or 0) - (self.clock.gone_s - kept.since_s)

    def _looked_up(self, request: Request) -> Answer:
        lease_id = json.loads(request.body).get("lease_id")
        for kept in self._kept.values():
            if kept.lease_id == lease_id and not kept.dead and self._left_s(kept) > 0:
                return _plain(200, {"data": {"id": lease_id, "ttl": int(self._left_s(kept))}})
        self._changed()
        return _plain(400, {"errors": ["invalid lease"]})


def _plain(status: int, document: Mapping[str, Any], *headers: tuple[str, str]) -> Answer:
    return Answer(status, (("Content-Type", "application/json"), *headers), json.dumps(document).encode())


@contextmanager
def extension() -> Iterator[FakeExtension]:
    """Run a fake extension; within the block `vaultgate.client` and VAULTGATE_LISTEN mean it.

    What a module made of `vaultgate.client` before the block, a pool for example, keeps its own extension.
    """
    listener = bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    fake = FakeExtension(port)
    door = Proxy(listener, fake, "header", Log(io.StringIO(), "off", fake.clock))
    clock = Clock()
    connections = Connections(clock)
    made = Client(("127.0.0.1", port), _TIMEOUT_S, _Way(connections, clock), fake.clock, fake)
    before = os.environ.get("VAULTGATE_LISTEN")
    os.environ["VAULTGATE_LISTEN"] = f"127.0.0.1:{port}"
    used = client.use(made)
    door.start()
    try:
        yield fake
    finally:
        client.use(used)
        if before is None:
            del os.environ["VAULTGATE_LISTEN"]
        else:
            os.environ["VAULTGATE_LISTEN"] = before
        listener.shutdown(socket.SHUT_RDWR)  # closing alone would leave the door's thread in its wait
        door.close()
        connections.close()
