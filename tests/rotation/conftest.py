"""What the tests of rotations share: a simulated Secrets Manager beside the stack's real server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.rotation.bed import Bed
from tests.simulators.clock import MovableClock
from tests.simulators.secrets_manager import SimulatedSecretsManager
from tests.simulators.secrets_manager_http import served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vaultgate_ops.local.stack import Stack


@pytest.fixture(scope="session")
def bed(stack: Stack) -> Iterator[Bed]:
    """A server and a Secrets Manager, shared by the tests of a worker; each makes users of its own."""
    clock = MovableClock()
    with served(SimulatedSecretsManager(clock)) as amazon:
        made = Bed(stack, amazon, clock)
        yield made
        made.close()
