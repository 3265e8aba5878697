"""What the tests of rotations share: a simulated Secrets Manager beside the stack's real server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.rotation.bed import Bed
from tests.rotation.keys import key_bed as served_key_bed
from tests.simulators.clock import MovableClock
from tests.simulators.secrets_manager import SimulatedSecretsManager
from tests.simulators.secrets_manager_http import served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.rotation.keys import KeyBed

    from vaultgate_ops.local.stack import Stack


@pytest.fixture(scope="session")
def bed(stack: Stack) -> Iterator[Bed]:
    """A server and a Secrets Manager, shared by the tests of a worker; each makes users of its own."""
    clock = MovableClock()
    with served(SimulatedSecretsManager(clock)) as amazon:
        made = Bed(stack, amazon, clock)
        yield made
        made.close()


@pytest.fixture
def key_bed(tmp_path: Path) -> Iterator[KeyBed]:
    """Where accounts of APIs grow; everything new."""
    with served_key_bed(tmp_path) as made:
        yield made
