"""What the tests of the audit mirror share."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.audit.crash import Nursery, nursery

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def lives() -> Iterator[Nursery]:
    """Where the lives of the trials come from."""
    with nursery() as process:
        yield process


@pytest.fixture
def scene() -> Iterator[Path]:
    """A folder in memory where there is one: thousands of synced checkpoints are a strain on a disk."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)
