"""Sandboxes of the record-count function on the shared stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vaultgate_ops.local.sandbox import Sandbox
    from vaultgate_ops.local.stack import Stack


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
