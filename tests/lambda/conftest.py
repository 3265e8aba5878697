"""Sandboxes of the record-count function on the shared stack."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from vaultgate_ops.local.scene import EmbeddedScene
from vaultgate_ops.reporting import Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vaultgate_ops.local.sandbox import Sandbox
    from vaultgate_ops.local.stack import Stack


@pytest.fixture
def backstage(stack: Stack) -> EmbeddedScene:
    """Vault and the database as their administrators see them."""
    return EmbeddedScene(stack, Silent())


@pytest.fixture
def sandboxes(stack: Stack) -> Iterator[Callable[..., Sandbox]]:
    """Starts sandboxes with variables of the test's choice; whatever still runs at the end is killed."""
    started: list[Sandbox] = []

    def start(**environment: str | None) -> Sandbox:
        sandbox = stack.sandbox(environment)
        started.append(sandbox)
        sandbox.start()
        return sandbox

    yield start
    for sandbox in started:
        sandbox.kill()


@pytest.fixture
def nothing_left(backstage: EmbeddedScene, eventually: Callable[[Callable[[], object]], None]) -> Callable[..., object]:
    """A block after which tokens, leases and database users are what they were before it."""

    @contextmanager
    def block() -> Iterator[None]:
        tokens, leases, users = backstage.tokens(), backstage.leases(), backstage.database_users()
        yield
        eventually(lambda: backstage.tokens() <= tokens)
        eventually(lambda: backstage.leases() <= leases)
        eventually(lambda: backstage.database_users() <= users)

    return block
