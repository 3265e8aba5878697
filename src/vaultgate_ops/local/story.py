"""The demo's story: one chain on real parts, each step checked before it is told.

Rules: a step that doesn't hold ends the story by name; nothing is told that was not looked at; what must come true a
moment later is polled with a deadline, never slept for. The story knows its parts only as a `Scene`, so that every kind of
stack tells the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from vaultgate_ops.errors import CheckFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vaultgate_ops.clock import Clock

PATIENCE_S = 30.0
_POLL_S = 0.1
_OK = 200


class Scene(Protocol):
    """What the story needs of a running stack."""

    def configure(self) -> int:
        """Make Vault what vault-config says it must be; how many changes that took."""

    def pending_changes(self) -> int:
        """How many changes a bootstrap would make now."""

    def build_layer(self) -> int:
        """Build the layer; bytes of its zip."""

    def start_function(self) -> None:
        """Make a new sandbox of the function answer behind the HTTP front; its init may come with the first request."""

    def init_ms(self) -> float | None:
        """How long the function's init took beside the extension's; None where the emulator doesn't tell."""

    def stop_function(self) -> None:
        """End the sandbox as Lambda does."""

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """GET from the HTTP front: status and JSON."""

    def leases(self) -> frozenset[str]:
        """Ids of the leases that the demo's database role holds."""

    def revoke(self, lease_id: str) -> None:
        """Revoke a lease as an administrator would."""

    def tokens(self) -> frozenset[str]:
        """Accessors of all tokens that Vault knows."""

    def database_users(self) -> frozenset[str]:
        """Users of the database that Vault made."""

    def rows(self) -> int:
        """Rows in the demo's table, counted by the database's administrator."""

    def ask_vault(self) -> str:
        """Send Vault a request as an administrator; its id."""

    def mirrored(self, request_id: str) -> list[str]:
        """Types of the audit entries with this request id that have arrived in CloudWatch Logs: request, response."""


@dataclass(frozen=True)
class Step:
    """One thing that was seen to be true.

    Args:
        title: what happened.
        detail: the figures.
        seconds: how long it took.
    """

    title: str
    detail: str
    seconds: float


class Story:
    """Tells the chain, step by step.

    Args:
        patience_s: how long to wait for what Vault does in the background.
    """

    def __init__(self, scene: Scene, clock: Clock, patience_s: float = PATIENCE_S) -> None:
        self._scene = scene
        self._clock = clock
        self._patience_s = patience_s
        self._leases_before: frozenset[str] = frozenset()
        self._tokens_before: frozenset[str] = frozenset()
        self._first: dict[str, Any] = {}

    def steps(self) -> Iterator[Step]:
        """Go through the story.

        Raises:
            CheckFailed: a step doesn't hold; its title and what was seen are in the message.
        """
        for title, act in (
            ("Vault configured", self._configured),
            ("layer built", self._built),
            ("function cold-started", self._started),
            ("GET /records answered", self._answered),
            ("second call is warm", self._warm),
            ("lease revoked behind its back", self._healed),
            ("sandbox shut down", self._ended),
            ("audit log mirrored", self._audited),
        ):
            began = self._clock.steady()
            try:
                detail = act()
            except CheckFailed as error:
                raise CheckFailed(f"{title}: {error.message}", error.hint) from error
            yield Step(title, detail, self._clock.steady() - began)

    def _configured(self) -> str:
        changes = self._scene.configure()
        pending = self._scene.pending_changes()
        _check(changes > 0, "an empty Vault needed no change")
        _check(pending == 0, f"a second bootstrap would still make {pending} changes")
        return f"{changes} changes, 0 the second time"

    def _built(self) -> str:
        size = self._scene.build_layer()
        _check(size > 0, "the zip is empty")
        return f"{size / 1000:.0f} kB zipped"

    def _started(self) -> str:
        self._leases_before = self._scene.leases()
        self._tokens_before = self._scene.tokens()
        self._scene.start_function()
        self._first = self._records()
        init_ms = self._scene.init_ms()
        return "first request answered" if init_ms is None else f"init {init_ms:.0f} ms, the extension's login beside it"

    def _answered(self) -> str:
        rows = self._scene.rows()
        _check(self._first["count"] == rows, f"the function counted {self._first['count']} rows, the database has {rows}")
        credential = self._first["credential"]
        users = self._scene.database_users()
        _check(credential["user"] in users, f"the user {credential['user']!r} is none that Vault made")
        return f"{self._first['count']} rows, user {credential['user']}, expires in {credential['expires_in_s']} s"

    def _warm(self) -> str:
        held = self._scene.leases()
        again = self._records()
        _check(again["credential"]["user"] == self._first["credential"]["user"], "the user changed between two calls")
        _check(self._scene.leases() == held, "a second call cost a second lease")
        return "same lease, same user"

    def _healed(self) -> str:
        ours = self._scene.leases() - self._leases_before
        _check(len(ours) == 1, f"the function should hold one lease, it holds {len(ours)}")
        old = self._first["credential"]["user"]
        self._scene.revoke(next(iter(ours)))
        self._wait(lambda: old not in self._scene.database_users(), f"the database still has the user {old!r}")
        new = self._records()["credential"]["user"]
        _check(new != old, f"the function still shows the revoked user {old!r}")
        return f"still answers, new user {new}"

    def _ended(self) -> str:
        self._scene.stop_function()
        self._wait(lambda: self._scene.tokens() <= self._tokens_before, "the extension's token is still there")
        self._wait(lambda: not self._scene.database_users(), "the database still has users that Vault made")
        self._wait(lambda: self._scene.leases() == self._leases_before, "Vault still holds leases of the function")
        return "token revoked, 0 database users, 0 leases left"

    def _audited(self) -> str:
        # The last request of all: what came before it in the log came before it to the mirror.
        request = self._scene.ask_vault()
        both = ["request", "response"]
        self._wait(lambda: sorted(self._scene.mirrored(request)) == both, f"the entries of request {request} have not arrived")
        return "the last request, found by its id, and its response"

    def _records(self) -> dict[str, Any]:
        status, body = self._scene.get("/records")
        _check(status == _OK, f"the function answered {status}: {body}")
        shape = set(body) == {"table", "count", "credential"} and set(body["credential"]) == {"source", "user", "expires_in_s"}
        _check(shape, f"the answer has another shape: {body}")
        _check(body["credential"]["source"] == "vault", f"the credential came from {body['credential']['source']!r}")
        return body

    def _wait(self, holds: Callable[[], bool], otherwise: str) -> None:
        deadline = self._clock.steady() + self._patience_s
        while not holds():
            if self._clock.steady() > deadline:
                raise CheckFailed(f"{otherwise} after {self._patience_s:.0f} s")
            self._clock.sleep(_POLL_S)


def _check(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as an assertion
    if not holds:
        raise CheckFailed(otherwise)
