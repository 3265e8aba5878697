"""What somebody does to Vault while a sandbox runs: policies narrowed, roles deleted, tokens revoked, tokens replaced."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.simulators.logs import said

from vaultgate_ops.local.proxy_events import GET_RECORDS
from vaultgate_ops.local.stack import HANDLER as RECORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.simulators.readers import Reader

    from vaultgate_ops.local.scene import EmbeddedScene
    from vaultgate_ops.local.stack import Stack

    Eventually = Callable[[Callable[[], object]], None]
    Readers = Callable[..., Reader]
    Roles = Callable[..., str]

pytestmark = pytest.mark.stack

KV = "secret/data/records"
CREDS = "database/creds/records"
OWN = ("auth/token/lookup-self", "auth/token/revoke-self")


def rules(*paths: str) -> str:
    """A policy that lets its token do what we need with itself, and read these paths."""
    return "\n".join(f'path "{path}" {{ capabilities = ["read", "update"] }}' for path in (*OWN, *paths))


@pytest.fixture
def policy(stack: Stack) -> Iterator[Callable[[str], None]]:
    """Writes the policy `changing`, again and again; it is gone afterwards."""
    with stack.vault.client() as client:
        yield lambda text: client.sys.create_or_update_policy("changing", text)
        client.sys.delete_policy("changing")


def test_a_policy_that_is_narrowed(policy: Callable[[str], None], roles: Roles, readers: Readers) -> None:
    """A path that is no longer granted is denied in Vault's words, without a login; granted again, it is read again."""
    policy(rules(KV, CREDS))
    reader = readers(VAULT_AUTH_ROLE=roles("narrowed", token_policies="changing"))
    assert reader.read(KV)["status"] == 200
    user = reader.user()
    policy(rules())
    denied = reader.read(KV)
    assert (denied["status"], "permission denied" in denied["document"]["errors"][0]) == (403, True)
    assert "X-Vaultgate-Error" not in denied["headers"]
    assert reader.user() == user  # the lease that was granted lives on
    assert reader.read(CREDS, X_Vault_Cache_Control="recache")["status"] == 403
    policy(rules(KV, CREDS))
    assert reader.read(KV)["status"] == 200
    assert len(said(reader.sandbox, "login")) == 1


def test_a_role_that_is_deleted(
    stack: Stack, roles: Roles, readers: Readers, backstage: EmbeddedScene, eventually: Eventually
) -> None:
    """What is held is good to its end; then the refusal names the role, and a role that is there again heals it."""
    terms = {"token_ttl": "3s", "token_max_ttl": "3s"}
    name = roles("deleted", **terms)
    reader = readers(VAULT_AUTH_ROLE=name, VAULT_TOKEN_EXPIRY_GRACE_PERIOD="0")
    first = reader.user()
    with stack.vault.client() as client:
        client.delete(f"auth/aws/role/{name}")
    eventually(lambda: first not in backstage.database_users())
    refused = reader.read()
    assert (refused["status"], refused["headers"]["X-Vaultgate-Error"]) == (403, "login-refused")
    words = " ".join(refused["document"]["errors"])
    assert "entry for role deleted not found" in words
    assert "check VAULT_AUTH_ROLE" in words
    roles("deleted", **terms)
    second = reader.user()
    assert second != first
    assert second in backstage.database_users()


def test_a_token_that_is_revoked(stack: Stack, readers: Readers, backstage: EmbeddedScene) -> None:
    """The first read that Vault refuses heals itself: one login, the read once more, and another user than the dead one."""
    reader = readers()
    before = backstage.tokens()
    first = reader.user()
    (accessor,) = backstage.tokens() - before
    with stack.vault.client() as client:
        client.auth.token.revoke_accessor(accessor)
    assert reader.read(KV)["status"] == 200
    second = reader.user()
    assert second != first
    assert second in backstage.database_users()
    assert (len(said(reader.sandbox, "login")), len(said(reader.sandbox, "token-dead"))) == (2, 1)


def test_a_token_is_replaced_while_a_connection_is_open(
    policy: Callable[[str], None], roles: Roles, readers: Readers, backstage: EmbeddedScene
) -> None:
    """A token that can't be renewed is replaced; the connection made with the old one goes on, as its user lives on."""
    tokens = backstage.tokens()
    policy(rules(KV, CREDS))  # without auth/token/renew-self
    reader = readers(RECORDS, VAULT_AUTH_ROLE=roles("replaced", token_policies="changing", token_ttl="1m"))

    def records() -> dict[str, Any]:
        answer = reader.sandbox.invoke(GET_RECORDS)
        assert answer["statusCode"] == 200, reader.sandbox.log()
        body: dict[str, Any] = json.loads(answer["body"])
        return body

    user = records()["credential"]["user"]
    reader.set_ahead(40)  # two thirds of its life
    assert records()["credential"]["user"] == user
    assert len(said(reader.sandbox, "login")) == 2
    assert len(backstage.tokens() - tokens) == 2
    assert user in backstage.database_users()
    assert records()["credential"]["user"] == user
    reader.sandbox.shutdown()
    assert len(said(reader.sandbox, "token-revoked")) == 2
    assert backstage.tokens() <= tokens
