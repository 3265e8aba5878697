"""A token that may be dead, in Vaults that say so and in Vaults that don't; and tokens given up on purpose."""

from __future__ import annotations

import json

import pytest
from tests.simulators.extension import CREDS, Extension, user

from vaultgate.clock import Clock
from vaultgate.model import Origin, Request
from vaultgate.outlets.proxy import HEALTH_PATH, Proxy, bind
from vaultgate.transport import Connections

FORBIDDEN = "secret/data/others"
REVOKE = ("X-Vault-Token-Options", "revoke")


@pytest.fixture
def reticent() -> Extension:
    """An extension whose policy doesn't grant lookup-self."""
    extension = Extension()
    extension.server.policies["records"] = tuple(
        rule for rule in extension.server.policies["records"] if rule[0] != "auth/token/lookup-self"
    )
    return extension


@pytest.mark.parametrize("old_words", [False, True])
def test_a_denial_causes_no_login_where_lookup_self_is_denied_too(reticent: Extension, *, old_words: bool) -> None:
    """A live token that may not look itself up is not mistaken for a dead one, if Vault names the dead."""
    reticent.server.old_words = old_words
    reticent.ask()
    assert reticent.ask(FORBIDDEN).status == 403
    assert reticent.server.logins == (2 if old_words else 1)  # an old Vault leaves no way to tell; one login in 30 s is the price


def test_a_dead_token_is_healed_where_lookup_self_is_denied(reticent: Extension) -> None:
    """Vault's own word, invalid token, is proof enough."""
    first = user(reticent.ask())
    reticent.server.revoke_tokens()
    assert reticent.ask("secret/data/records").ok
    assert user(reticent.ask()) != first
    assert reticent.server.logins == 2


def test_a_dead_token_is_healed_in_an_old_vault() -> None:
    """A Vault that calls nothing invalid refuses the look-up of a dead token, and that is proof."""
    extension = Extension()
    extension.server.old_words = True
    extension.ask()
    extension.server.revoke_tokens()
    assert extension.ask("secret/data/records").ok
    assert extension.server.logins == 2


def test_nobodys_token_is_tried_once(reticent: Extension) -> None:
    """What Vault says to a token that never was is asked once, not at each denial."""
    reticent.ask()
    for _ in range(3):
        reticent.ask(FORBIDDEN)
    assert reticent.server.count("GET", "auth/token/lookup-self") == 4


def test_a_caller_can_have_the_token_revoked() -> None:
    """`X-Vault-Token-Options: revoke` ends the token for real, with its leases, and the request goes with a new one."""
    extension = Extension()
    first = user(extension.ask())
    old = set(extension.server.tokens)
    answer = extension.ask(CREDS, REVOKE)
    assert user(answer) != first
    assert extension.server.logins == 2
    assert len(old - set(extension.server.tokens)) == 1
    assert len(extension.server.leases) == 1


def test_health_tells_how_things_stand_without_a_secret() -> None:
    """A local GET shows whether we are logged in and what is held; it needs the guard's header like everything else."""
    extension = Extension()
    password = json.loads(extension.ask().body)["data"]["password"]
    listener = bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    Proxy(listener, extension.broker, "header", extension.log).start()
    clock = Clock()
    network = Connections(clock)
    try:
        ask = Request("GET", HEALTH_PATH, (("X-Vault-Request", "true"),))
        answer = network.exchange(Origin("http", "127.0.0.1", port), ask, clock.steady() + 10)
        assert json.loads(answer.body) == {
            "logged_in": True,
            "token_remaining_s": 3590,
            "answers_kept": 1,
            "leases_held": 1,
            "circuit": "closed",
        }
        assert password not in answer.body.decode()
        forged = network.exchange(Origin("http", "127.0.0.1", port), Request("GET", HEALTH_PATH), clock.steady() + 10)
        assert forged.status == 403
    finally:
        network.close()
        listener.close()
