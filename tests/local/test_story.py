"""The demo's story: each step is checked, and one that doesn't hold is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.simulators.clock import MovableClock

from vaultgate_ops.errors import CheckFailed
from vaultgate_ops.local.story import Story

if TYPE_CHECKING:
    from collections.abc import Callable


class Stage:
    """A scene of scripted parts on which everything goes well, until a test spoils one."""

    def __init__(self) -> None:
        self.changes, self.pending, self.size = 13, 0, 1000
        self.counted, self.table_rows = 42, 42
        self.status = 200
        self.held: list[str] = []
        self.users: list[str] = []
        self.accessors = {"admin"}
        self.made = 0
        self.warm = self.heals = self.tidy = True
        self.arrived = ["response", "request"]

    def configure(self) -> int:
        return self.changes

    def pending_changes(self) -> int:
        return self.pending

    def build_layer(self) -> int:
        return self.size

    def start_function(self) -> None:
        self.accessors.add("function")

    def init_ms(self) -> float | None:
        return 100.0

    def stop_function(self) -> None:
        if self.tidy:
            self.accessors.discard("function")
            self.held.clear()
            self.users.clear()

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        assert path == "/records"
        if not self.held or not self.warm:
            self.made += 1
            self.held.append(f"lease-{self.made}")
            self.users.append(f"v-{self.made}" if self.heals else "v-1")
        credential = {"source": "vault", "user": self.users[-1], "expires_in_s": 590}
        return self.status, {"table": "orders", "count": self.counted, "credential": credential}

    def leases(self) -> frozenset[str]:
        return frozenset(self.held)

    def revoke(self, lease_id: str) -> None:
        self.held.remove(lease_id)
        self.users.clear()

    def tokens(self) -> frozenset[str]:
        return frozenset(self.accessors)

    def database_users(self) -> frozenset[str]:
        return frozenset(self.users)

    def rows(self) -> int:
        return self.table_rows

    def ask_vault(self) -> str:
        return "6ae511a8-3c46"

    def mirrored(self, request_id: str) -> list[str]:
        assert request_id == "6ae511a8-3c46"
        return self.arrived


def test_the_whole_story_is_told() -> None:
    """On a scene that works, eight steps are told, in order, with their figures."""
    told = list(Story(Stage(), MovableClock()).steps())
    assert [step.title for step in told] == [
        "Vault configured",
        "layer built",
        "function cold-started",
        "GET /records answered",
        "second call is warm",
        "lease revoked behind its back",
        "sandbox shut down",
        "audit log mirrored",
    ]
    assert told[0].detail == "13 changes, 0 the second time"
    assert told[3].detail == "42 rows, user v-1, expires in 590 s"
    assert told[5].detail == "still answers, new user v-2"


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda stage: setattr(stage, "changes", 0), "Vault configured: an empty Vault needed no change"),
        (lambda stage: setattr(stage, "pending", 2), "Vault configured: a second bootstrap would still make 2 changes"),
        (lambda stage: setattr(stage, "size", 0), "layer built: the zip is empty"),
        (lambda stage: setattr(stage, "status", 503), "function cold-started: the function answered 503"),
        (
            lambda stage: setattr(stage, "table_rows", 7),
            "GET /records answered: the function counted 42 rows, the database has 7",
        ),
        (lambda stage: setattr(stage, "warm", False), "second call is warm: the user changed between two calls"),
        (
            lambda stage: setattr(stage, "heals", False),
            "lease revoked behind its back: the function still shows the revoked user",
        ),
        (lambda stage: setattr(stage, "tidy", False), "sandbox shut down: the extension's token is still there"),
        (lambda stage: setattr(stage, "arrived", ["request"]), "audit log mirrored: the entries of request 6ae511a8-3c46"),
    ],
)
def test_a_step_that_does_not_hold_is_named(spoil: Callable[[Stage], None], named: str) -> None:
    """Whatever goes wrong, the story ends there, with the step's title and what was seen."""
    stage = Stage()
    spoil(stage)
    with pytest.raises(CheckFailed) as raised:
        list(Story(stage, MovableClock()).steps())
    assert raised.value.message.startswith(named)
