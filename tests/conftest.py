"""What tests of several folders share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from vaultgate_ops.local.stack import Stack
from vaultgate_ops.reporting import Silent

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def stack(worker_id: str) -> Iterator[Stack]:
    """A bootstrapped embedded stack, one for each worker: tests count leases and users, so no two may share one."""
    with Stack.embedded(f"test-{worker_id}-{os.getpid()}", Silent()) as started:
        started.bootstrap()
        yield started
