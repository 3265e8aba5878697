"""What Vault answers: the simulator that our tests stand on says the same as HashiCorp's server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.simulators.vault import BATCH_ROLE

from vaultgate.errors import Denied, LoginRefused
from vaultgate.model import Request
from vaultgate.vault import meaning, words_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.conftest import Caller

    from vaultgate.model import Answer
    from vaultgate.secret import Secret

CREDS = "database/creds/records"
LOOKUP = "auth/token/lookup-self"
ENVELOPE = {"request_id", "lease_id", "renewable", "lease_duration", "data", "wrap_info", "warnings", "auth"}


def read(answer: Answer) -> Any:
    """A successful answer's document, which has the envelope that Vault wraps everything in."""
    assert answer.status == 200, words_of(answer)
    document = json.loads(answer.body)
    assert document.keys() >= ENVELOPE
    return document


def errors(answer: Answer) -> Any:
    """An unsuccessful answer's errors."""
    return json.loads(answer.body)["errors"]


def test_login(caller: Caller) -> None:
    """A login gives a service token with an accessor and a life, and our policy alone."""
    token = caller.login(caller.side.keys())
    assert token.secret.reveal().startswith("hvs.")
    assert token.accessor
    assert not token.batch
    assert token.lifetime.ttl_s == 3600
    assert read(caller.call("GET", LOOKUP, None, token.secret))["data"]["policies"] == ["records"]


@pytest.mark.parametrize(
    ("settings", "said", "hint"),
    [
        ({"VAULT_AUTH_ROLE": "absent"}, "entry for role absent not found", "VAULT_AUTH_ROLE"),
        (
            {"VAULT_IAM_SERVER_ID": ""},
            'error validating X-Vault-AWS-IAM-Server-ID header: missing header "X-Vault-AWS-IAM-Server-ID"',
            "VAULT_IAM_SERVER_ID",
        ),
        (
            {"VAULT_IAM_SERVER_ID": "other"},
            'error validating X-Vault-AWS-IAM-Server-ID header: expected "vault.vaultgate.local" but got "other"',
            "VAULT_IAM_SERVER_ID",
        ),
        ({"VAULT_AUTH_PROVIDER": "nowhere"}, "permission denied", "VAULT_AUTH_PROVIDER"),
    ],
)
def test_login_with_a_wrong_setting(caller: Caller, settings: dict[str, str], said: str, hint: str) -> None:
    """Each wrong setting has its own words of Vault's, and our hint names it."""
    with pytest.raises(LoginRefused) as caught:
        caller.login(caller.side.keys(), **settings)
    assert caught.value.message.partition(": ")[2] == said
    assert hint in caught.value.hint


def test_login_with_a_wrong_key(caller: Caller) -> None:
    """What STS refuses is Vault's error about its upstream, and our hint is about regions."""
    with pytest.raises(LoginRefused) as caught:
        caller.login(caller.side.wrong_keys())
    assert caught.value.message.partition(": ")[2].startswith("error making upstream request: ")
    assert "sts_region" in caught.value.hint


def test_login_of_another_role(caller: Caller) -> None:
    """A principal that Vault's role isn't bound to is named."""
    with pytest.raises(LoginRefused) as caught:
        caller.login(caller.side.other_keys())
    arn = "arn:aws:sts::123456789012:assumed-role/somebody-else/"
    assert caught.value.message.partition(": ")[2].startswith(f'IAM Principal "{arn}')
    assert caught.value.message.endswith('" does not belong to the role "records"')
    assert "bound_iam_principal_arn" in caught.value.hint


def test_token_looks_itself_up(caller: Caller, token: Secret) -> None:
    """A look-up of itself shows the token's own id and what is left of it."""
    data = read(caller.call("GET", LOOKUP, None, token))["data"]
    assert data["id"] == token.reveal()
    assert 3500 < data["ttl"] <= 3600
    assert not caller.vault.token_is_dead(token, caller.deadline)


def test_dead_token(caller: Caller, token: Secret) -> None:
    """A revoked token's look-up is a 403 in Vault's words; that proves its death."""
    caller.vault.revoke_self(token, caller.deadline)
    answer = caller.call("GET", LOOKUP, None, token)
    assert answer.status == 403
    assert errors(answer) == ["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]
    assert caller.vault.token_is_dead(token, caller.deadline)
    with pytest.raises(Denied):
        caller.vault.revoke_self(token, caller.deadline)


def test_made_up_token(caller: Caller, token: Secret) -> None:
    """A token that never was looks like a dead one."""
    answer = caller.call("GET", LOOKUP, None, type(token)("hvs.CAESmade-up"))
    assert (answer.status, words_of(answer)[:20]) == (403, "2 errors occurred: *")


@pytest.mark.parametrize("path", [LOOKUP, "secret/data/records", "nowhere/at/all"])
def test_no_token(caller: Caller, path: str) -> None:
    """A request without a token is refused, whether anything is there or not."""
    answer = caller.call("GET", path, None, None)
    assert (answer.status, errors(answer)) == (403, ["permission denied"])


def test_renew_self(caller: Caller, token: Secret) -> None:
    """A renewal gives the seconds from now."""
    assert 3590 < caller.vault.renew_self(token, caller.deadline) <= 3600


def test_policy_denial(caller: Caller, token: Secret) -> None:
    """What the policy doesn't grant is a 403 that differs from a dead token's; the token stays alive."""
    for path in ("secret/data/others", "sys/mounts", "nowhere/at/all"):
        answer = caller.call("GET", path, None, token)
        assert answer.status == 403
        assert errors(answer) == ["1 error occurred:\n\t* permission denied\n\n"]
        assert isinstance(meaning(answer, path), Denied)
    assert not caller.vault.token_is_dead(token, caller.deadline)


def test_no_such_route(caller: Caller) -> None:
    """A path where nothing is mounted is a 404 for whoever may ask."""
    answer = caller.call("GET", "nowhere/at/all", None, caller.root)
    assert answer.status == 404
    assert errors(answer) == ['no handler for route "nowhere/at/all". route entry not found.']


def test_kv(caller: Caller, token: Secret) -> None:
    """A KV v2 secret has its fields one level deeper, no lease, and a version."""
    document = read(caller.call("GET", "secret/data/records", None, token))
    assert isinstance(document["data"]["data"], dict)
    assert document["data"]["metadata"]["version"] >= 1
    assert (document["lease_id"], document["lease_duration"], document["renewable"]) == ("", 0, False)


def test_kv_that_is_not_there(caller: Caller) -> None:
    """A missing KV secret is a 404 without a word."""
    answer = caller.call("GET", "secret/data/absent", None, caller.root)
    assert (answer.status, errors(answer)) == (404, [])


@pytest.mark.parametrize(
    ("path", "mount"),
    [
        ("secret/records", ("secret/", "kv", {"version": "2"})),
        ("secret/data/absent", ("secret/", "kv", {"version": "2"})),
        (CREDS, ("database/", "database", {})),
    ],
)
def test_mount_of_a_path(caller: Caller, token: Secret, path: str, mount: tuple[str, str, object]) -> None:
    """A token may ask where a path's mount begins, and which version of KV it is, if it may do anything below it."""
    found = read(caller.call("GET", f"sys/internal/ui/mounts/{path}", None, token))["data"]
    assert (found["path"], found["type"], found["options"]) == mount


def test_mount_that_is_not_there(caller: Caller, token: Secret) -> None:
    """A mount that doesn't exist is refused like one that is none of the token's business."""
    answer = caller.call("GET", "sys/internal/ui/mounts/absent/records", None, token)
    assert answer.status == 403
    assert errors(answer)[0].startswith("preflight capability check returned 403")


@pytest.mark.parametrize("path", ["secret/records", "secret/data/absent"])
def test_kv_paths_without_a_secret(caller: Caller, path: str) -> None:
    """A path that lacks `data/`, and one where nothing is, are both 404 to whoever may read them."""
    assert caller.call("GET", path, None, caller.side.root).status == 404


def test_list(caller: Caller) -> None:
    """LIST is a method of its own and gives keys; an empty folder is a 404 without a word."""
    assert "records" in read(caller.call("LIST", "secret/metadata", None, caller.root))["data"]["keys"]
    answer = caller.call("LIST", "secret/metadata/absent", None, caller.root)
    assert (answer.status, errors(answer)) == (404, [])


def test_database_credentials(caller: Caller, token: Secret) -> None:
    """Each read of a dynamic role makes a user of its own with a lease of ten minutes."""
    first, second = (read(caller.call("GET", CREDS, None, token)) for _ in range(2))
    assert first["lease_id"].startswith(f"{CREDS}/")
    assert (first["lease_duration"], first["renewable"]) == (600, True)
    assert first["data"].keys() == {"username", "password"}
    assert first["data"]["username"] != second["data"]["username"]


def test_static_credentials(caller: Caller, token: Secret) -> None:
    """A static role's credential has no lease."""
    document = read(caller.call("GET", "database/static-creds/records-static", None, token))
    assert document["lease_id"] == ""
    assert document["data"]["username"] == "records_static"
    assert document["data"].keys() >= {"username", "password", "ttl", "rotation_period"}


def test_lease_lookup_and_renewal(caller: Caller, token: Secret) -> None:
    """A live lease is found by its id, and can be renewed."""
    lease_id = read(caller.call("GET", CREDS, None, token))["lease_id"]
    found = read(caller.call("PUT", "sys/leases/lookup", {"lease_id": lease_id}, token))["data"]
    assert found["id"] == lease_id
    assert 590 < found["ttl"] <= 600
    assert 590 < caller.vault.renew_lease(lease_id, 600, token, caller.deadline) <= 600


def test_revoked_lease(caller: Caller, token: Secret, eventually: Callable[[Callable[[], object]], None]) -> None:
    """The look-up of a revoked lease is a 400 in Vault's words."""
    lease_id = read(caller.call("GET", CREDS, None, token))["lease_id"]
    assert caller.call("PUT", "sys/leases/revoke", {"lease_id": lease_id}, caller.root).ok
    eventually(lambda: caller.call("PUT", "sys/leases/lookup", {"lease_id": lease_id}, token).status == 400)
    answer = caller.call("PUT", "sys/leases/lookup", {"lease_id": lease_id}, token)
    assert errors(answer) == ["invalid lease"]
    renewal = caller.call("PUT", "sys/leases/renew", {"lease_id": lease_id}, token)
    assert (renewal.status, errors(renewal)) == (400, ["lease not found"])


def test_revoke_self_ends_leases(caller: Caller, token: Secret, eventually: Callable[[Callable[[], object]], None]) -> None:
    """The end of a token is the end of its leases, a moment later."""
    lease_id = read(caller.call("GET", CREDS, None, token))["lease_id"]
    answer = caller.call("POST", "auth/token/revoke-self", {}, token)
    assert (answer.status, answer.body) == (204, b"")
    eventually(lambda: caller.call("PUT", "sys/leases/lookup", {"lease_id": lease_id}, caller.root).status == 400)


def test_batch_token(caller: Caller) -> None:
    """A batch token has no accessor, can be neither renewed nor revoked, and may look itself up."""
    token = caller.login(caller.side.keys(), VAULT_AUTH_ROLE=BATCH_ROLE)
    assert token.secret.reveal().startswith("hvb.")
    assert (token.accessor, token.batch, token.renewable) == ("", True, False)
    assert read(caller.call("GET", LOOKUP, None, token.secret))["data"]["policies"] == ["records"]
    for verb, said in (("renew-self", "batch tokens cannot be renewed"), ("revoke-self", "batch tokens cannot be revoked")):
        answer = caller.call("POST", f"auth/token/{verb}", {}, token.secret)
        assert (answer.status, errors(answer)) == (400, [said])


def test_the_leases_of_a_batch_token(caller: Caller, token: Secret, eventually: Callable[[Callable[[], object]], None]) -> None:
    """They can be revoked one by one by whoever may: our policy doesn't grant that, as service tokens don't need it."""
    batch = caller.login(caller.side.keys(), VAULT_AUTH_ROLE=BATCH_ROLE)
    lease_id = read(caller.call("GET", CREDS, None, batch.secret))["lease_id"]
    with pytest.raises(Denied):
        caller.vault.revoke_lease(lease_id, batch.secret, caller.deadline)
    caller.vault.revoke_lease(lease_id, caller.root, caller.deadline)
    eventually(lambda: caller.call("PUT", "sys/leases/lookup", {"lease_id": lease_id}, token).status == 400)
    caller.vault.revoke_lease(lease_id, caller.root, caller.deadline)  # once more does no harm


def test_wrapping(caller: Caller, token: Secret) -> None:
    """A wrapped answer holds a token instead of data; that token gives the answer once."""
    request = Request("GET", "/v1/secret/data/records", (("X-Vault-Wrap-TTL", "60"),))
    wrapped = read(caller.vault.forward(request, token, caller.deadline))
    assert wrapped["data"] is None
    assert (wrapped["wrap_info"]["ttl"], wrapped["wrap_info"]["creation_path"]) == (60, "secret/data/records")
    wrapping = type(token)(wrapped["wrap_info"]["token"])
    unwrapped = read(caller.call("POST", "sys/wrapping/unwrap", None, wrapping))
    assert unwrapped["data"]["data"] == read(caller.call("GET", "secret/data/records", None, token))["data"]["data"]
    again = caller.call("POST", "sys/wrapping/unwrap", None, wrapping)
    assert (again.status, errors(again)) == (400, ["wrapping token is not valid or does not exist"])


def test_sealed(caller: Caller, token: Secret) -> None:
    """A sealed Vault says so to everybody; once unsealed, tokens are what they were."""
    with caller.side.seal():
        answer = caller.call("GET", "secret/data/records", None, token)
        assert (answer.status, errors(answer)) == (503, ["Vault is sealed"])
        assert caller.call("GET", "sys/health", None, None).status == 503
    assert caller.call("GET", "sys/health", None, None).status == 200
    assert not caller.vault.token_is_dead(token, caller.deadline)
