"""Hundreds of sandbox lives in a row: what they leave in Vault and in the database, and how long one takes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from tests.simulators.lives import live_in_order, live_until_killed

from vaultgate_ops.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from vaultgate_ops.local.scene import EmbeddedScene
    from vaultgate_ops.local.stack import Stack

log = logging.getLogger("soak")
KILLED = 200


@pytest.mark.parametrize("lives", [200, 1000])
def test_nothing_is_left_after_shutdown(
    stack: Stack, backstage: EmbeddedScene, nothing_left: Callable[[], AbstractContextManager[None]], lives: int
) -> None:
    """So many lives that end by SHUTDOWN leave no token, no lease and no database user."""
    clock = Clock()
    began = clock.steady()
    with nothing_left():
        users = live_in_order(stack.function_environment(1), lives)
        took = clock.steady() - began
        waiting = len(backstage.leases())
    drained = clock.steady() - began - took
    assert len(users) == lives
    log.info("%d lives in %.1f s, %.0f ms each; %d leases when the last ended", lives, took, took / lives * 1000, waiting)
    log.info("0 tokens, 0 leases, 0 users of them %.1f s later", drained)


def test_a_killed_life_leaves_what_it_held(
    stack: Stack, backstage: EmbeddedScene, eventually: Callable[[Callable[[], object]], None]
) -> None:
    """After SIGKILL one token, one lease and one user for each life remain at most; revoking the tokens ends all of them."""
    tokens, leases, users = backstage.tokens(), backstage.leases(), backstage.database_users()
    held = live_until_killed(stack.function_environment(1), KILLED)
    left = backstage.tokens() - tokens, backstage.leases() - leases, backstage.database_users() - users
    log.info("%d lives killed; tokens, leases and users left: %s", KILLED, [len(one) for one in left])
    assert len(held) == KILLED
    assert len(left[0]) <= KILLED
    assert len(left[1]) <= KILLED
    assert left[2] <= held
    with stack.vault.client() as client:
        for accessor in left[0]:
            client.auth.token.revoke_accessor(accessor)
    eventually(lambda: backstage.leases() <= leases)
    eventually(lambda: backstage.database_users() <= users)
