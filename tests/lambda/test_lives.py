"""Many lives: what is left in Vault and the database after sandboxes ended in order, and after they were killed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.simulators.lives import CREDS, life, live_in_order, live_until_killed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from vaultgate_ops.local.scene import EmbeddedScene
    from vaultgate_ops.local.stack import Stack

pytestmark = pytest.mark.stack

LIVES = 200  # make soak SUITE=extension: 1,000
KILLED = 20  # and 200


def test_lives_that_end_in_order_leave_nothing(stack: Stack, nothing_left: Callable[[], AbstractContextManager[None]]) -> None:
    """After SHUTDOWN no token, no lease and no database user of any of them is left."""
    with nothing_left():
        users = live_in_order(stack.function_environment(1), LIVES)
    assert len(users) == LIVES


def test_lives_that_are_killed_leave_what_they_held(stack: Stack, backstage: EmbeddedScene) -> None:
    """After SIGKILL there is one token and one lease for each at most, until their TTL; nothing else."""
    tokens, leases, users = backstage.tokens(), backstage.leases(), backstage.database_users()
    held = live_until_killed(stack.function_environment(1), KILLED)
    assert len(held) == KILLED
    assert backstage.database_users() - users <= held
    assert len(backstage.leases() - leases) <= KILLED
    left = backstage.tokens() - tokens
    assert len(left) <= KILLED
    with stack.vault.client() as client:
        for accessor in left:
            client.auth.token.revoke_accessor(accessor)


def test_a_life_with_a_batch_token_leaves_no_lease(
    stack: Stack, backstage: EmbeddedScene, eventually: Callable[[Callable[[], object]], None]
) -> None:
    """A batch token can't be revoked; with sys/leases/revoke granted its leases are gone after SHUTDOWN all the same."""
    with stack.vault.client() as client:
        client.sys.create_or_update_policy("ends-leases", 'path "sys/leases/revoke" { capabilities = ["update"] }')
        usual = client.read("auth/aws/role/records")["data"]
        terms = {name: usual[name] for name in ("auth_type", "bound_iam_principal_arn", "resolve_aws_unique_ids")}
        terms |= {"token_policies": "records,ends-leases", "token_no_default_policy": True, "token_type": "batch"}
        client.write_data("auth/aws/role/ends-leases", data=terms | {"token_ttl": "5m"})
    leases, users = backstage.leases(), backstage.database_users()
    with life(stack.function_environment(1) | {"VAULT_AUTH_ROLE": "ends-leases"}) as one:
        for _ in range(10):
            assert one.until_ready().ask(CREDS, X_Vault_Cache_Control="nocache").status == 200
        assert len(backstage.leases() - leases) == 10
        assert one.shut_down() == 0
        (said,) = [line for line in one.events if line["event"] == "leases-revoked"]
        assert (said["leases"], said["token_ends_in_s"] > 200) == (10, True)
    eventually(lambda: backstage.leases() <= leases)
    eventually(lambda: backstage.database_users() <= users)


@pytest.fixture
def approle(stack: Stack, tmp_path: Path) -> Iterator[dict[str, str]]:
    """What a laptop's environment says of an AppRole at a mount of its own; the secret_id comes wrapped, in a file."""
    role = "auth/team/laptops/role/records"
    with stack.vault.client() as client:
        client.sys.enable_auth_method("approle", path="team/laptops")
        client.write_data(role, data={"token_policies": "records", "token_no_default_policy": True, "token_ttl": "5m"})
        wrapped = client.write_data(f"{role}/secret-id", data={}, wrap_ttl="60s")["wrap_info"]["token"]
        secret_id = tmp_path / "secret-id"
        secret_id.touch(0o600)
        secret_id.write_text(wrapped)
        usual = stack.function_environment(1)
        yield {
            **{name: text for name, text in usual.items() if name in {"VAULT_ADDR", "VAULT_CACERT"}},
            "VAULT_AUTH_PROVIDER": "team/laptops",
            "VAULT_LOG_LEVEL": "debug",
            "VAULTGATE_AUTH_METHOD": "approle",
            "VAULTGATE_APPROLE_ROLE_ID": client.read(f"{role}/role-id")["data"]["role_id"],
            "VAULTGATE_APPROLE_SECRET_ID_FILE": str(secret_id),
            "VAULTGATE_APPROLE_WRAPPING_PATH": f"{role}/secret-id",
        }
        client.sys.disable_auth_method("team/laptops")


def test_a_life_without_an_iam_role(approle: dict[str, str], nothing_left: Callable[[], AbstractContextManager[None]]) -> None:
    """The process that ships logs in by AppRole where it is told to, without AWS keys; nothing of it is left or said."""
    with nothing_left(), life(approle) as one:
        reply = one.until_ready().ask(CREDS)
        assert reply.status == 200, one.output
        assert one.shut_down() == 0
        wrapping = Path(approle["VAULTGATE_APPROLE_SECRET_ID_FILE"]).read_text(encoding="utf-8")
        for secret in (wrapping, approle["VAULTGATE_APPROLE_ROLE_ID"], reply.document["data"]["password"]):
            assert secret not in one.output
        assert [line["role"] for line in one.events if line["event"] == "login"] == ["approle"]
