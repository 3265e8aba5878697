"""What tests of several folders share."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import configuration, settings

from vaultgate_ops.clock import Clock
from vaultgate_ops.local.scene import EmbeddedScene
from vaultgate_ops.local.stack import Stack
from vaultgate_ops.reporting import Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE_S = 60.0

# Properties try the same examples each time, and write nothing outside build/; deadlines would measure a busy machine.
configuration.set_hypothesis_home_dir(Path(__file__).parents[1] / "build" / "hypothesis")
settings.register_profile("same-each-time", derandomize=True, database=None, deadline=None)
settings.load_profile("same-each-time")


@pytest.fixture(scope="session")
def stack(worker_id: str) -> Iterator[Stack]:
    """A bootstrapped embedded stack, one for each worker: tests count leases and users, so no two may share one."""
    with Stack.embedded(f"test-{worker_id}-{os.getpid()}", Silent()) as started:
        started.bootstrap()
        yield started


@pytest.fixture(scope="session")
def ha_stack(worker_id: str) -> Iterator[Stack]:
    """The same with three nodes of Vault, all of them up; who ends one starts it again. Made for the first who asks."""
    with Stack.embedded(f"test-ha-{worker_id}-{os.getpid()}", Silent(), ha=True) as started:
        started.bootstrap()
        yield started


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], None]:
    """Waits until something holds, and fails if it doesn't within a minute: a busy machine is no fault."""
    clock = Clock()

    def wait(holds: Callable[[], object]) -> None:
        deadline = clock.steady() + PATIENCE_S
        while not holds():
            assert clock.steady() < deadline, "it did not come true in time"
            clock.sleep(0.02)

    return wait


@pytest.fixture
def backstage(stack: Stack) -> EmbeddedScene:
    """Vault and the database as their administrators see them."""
    return EmbeddedScene(stack, Silent())


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
