"""What bootstrap is for: a function logs in with its IAM role and gets what its policy allows, and nobody else does."""

from __future__ import annotations

import base64
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import hvac
import pymysql
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as Keys

from vaultgate_ops.local.aws import REGION
from vaultgate_ops.local.database import ROWS, SCHEMA, TABLE
from vaultgate_ops.local.wiring import ROLE, SERVER_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vaultgate_ops.local.aws import Credentials
    from vaultgate_ops.local.stack import Stack

pytestmark = pytest.mark.stack

COUNT = f"SELECT COUNT(*) FROM {SCHEMA}.{TABLE}"  # noqa: S608 - constants
STS = f"https://sts.{REGION}.amazonaws.com/"


def signed(credentials: Credentials, server_id: str = SERVER_ID) -> dict[str, str]:
    """A login for Vault: GetCallerIdentity, signed by botocore."""
    body = "Action=GetCallerIdentity&Version=2011-06-15"
    request = AWSRequest(
        "POST",
        STS,
        data=body,
        headers={
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            "X-Vault-AWS-IAM-Server-ID": server_id,
        },
    )
    SigV4Auth(Keys(*credentials), "sts", REGION).add_auth(request)
    return {
        "role": "records",
        "iam_http_request_method": "POST",
        "iam_request_url": _encoded(STS),
        "iam_request_body": _encoded(body),
        "iam_request_headers": _encoded(json.dumps(dict(request.headers.items()))),
    }


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def root(stack: Stack) -> Iterator[hvac.Client]:
    """A client of the stack's Vault, which bootstrap has been at; it may do everything."""
    with stack.vault.client() as client:
        yield client


@contextmanager
def logged_in(stack: Stack) -> Iterator[tuple[hvac.Client, dict[str, Any]]]:
    """A client with the token that the function's signed login brought, and what Vault said about it; revoked at the end."""
    with stack.vault.client("") as client:
        auth = client.write_data("auth/aws/login", data=signed(stack.aws.assume(ROLE)))["auth"]
        client.token = auth["client_token"]
        yield client, auth
        client.auth.token.revoke_self()


def test_the_functions_role_gets_a_token_with_its_policy_alone(stack: Stack) -> None:
    """An hour, renewable, a service token, the policy "records" and not even "default"."""
    with logged_in(stack) as (client, auth):
        assert auth["token_policies"] == ["records"]
        assert (auth["lease_duration"], auth["renewable"], auth["token_type"]) == (3600, True, "service")
        assert client.auth.token.lookup_self()["data"]["explicit_max_ttl"] == 0


def test_a_credential_reads_the_table_and_ends_with_its_token(
    stack: Stack, eventually: Callable[[Callable[[], object]], None]
) -> None:
    """A database user of its own, for the one table, over TLS only; when the token is revoked the user goes."""
    with logged_in(stack) as (client, _):
        answer = client.read("database/creds/records")
        user, password = answer["data"]["username"], answer["data"]["password"]
        assert answer["lease_duration"] == 600
        with stack.database.connect(user, password) as connection, connection.cursor() as cursor:
            cursor.execute(COUNT)
            assert cursor.fetchone() == (ROWS,)
            with pytest.raises(pymysql.OperationalError, match="denied"):
                cursor.execute("SELECT user FROM mysql.user")
        with pytest.raises(pymysql.Error):
            pymysql.connect(host="127.0.0.1", port=stack.database.port, user=user, password=password, ssl_disabled=True)

    def is_gone() -> bool:
        with stack.database.connect() as connection, connection.cursor() as cursor:
            return cursor.execute("SELECT 1 FROM mysql.user WHERE user = %s", (user,)) == 0

    eventually(is_gone)


def test_a_lease_whose_user_is_gone_can_still_be_revoked(root: hvac.Client, stack: Stack) -> None:
    """Somebody dropped the user by hand; the revocation, made synchronously here, doesn't stumble over that."""
    answer = root.read("database/creds/records")
    with stack.database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DROP USER %s@'%%'", (answer["data"]["username"],))

    root.write_data("sys/leases/revoke", data={"lease_id": answer["lease_id"], "sync": True})


def test_an_open_session_of_a_revoked_user_reads_no_more(root: hvac.Client, stack: Stack) -> None:
    """The grant is on the table, so a session that outlives its user is refused at its next statement."""
    answer = root.read("database/creds/records")
    with (
        stack.database.connect(answer["data"]["username"], answer["data"]["password"]) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(COUNT)
        root.write_data("sys/leases/revoke", data={"lease_id": answer["lease_id"], "sync": True})
        with pytest.raises(pymysql.OperationalError, match="denied"):
            cursor.execute(COUNT)


def test_the_policy_allows_what_the_function_needs_and_no_more(stack: Stack) -> None:
    """Each path that is meant to work works; a neighbour of each is denied."""
    with logged_in(stack) as (client, _):
        lease = client.read("database/creds/records")["lease_id"]
        assert client.read("database/static-creds/records-static")["data"]["password"]
        assert client.secrets.kv.v2.read_secret_version("records", raise_on_deleted_version=True)["data"]["data"]
        assert client.secrets.kv.v2.read_secret_metadata("records")
        assert client.auth.token.renew_self()
        assert client.sys.read_lease(lease)["data"]["id"] == lease
        assert client.sys.renew_lease(lease)["lease_id"] == lease
        assert client.sys.get_capabilities(["secret/data/records"])["data"]["secret/data/records"] == ["read"]
        assert client.read("sys/internal/ui/mounts")["data"]["secret"]["secret/"]["options"] == {"version": "2"}
        assert client.read("sys/internal/ui/mounts/secret/data/records")["data"]["path"] == "secret/"
        for path in (
            "database/creds/others",
            "database/config/shop",
            "database/roles/records",
            "secret/data/others",
            "auth/aws/role/records",
            "sys/policies/acl/records",
            "sys/mounts",
        ):
            with pytest.raises(hvac.exceptions.Forbidden):
                client.read(path)
        for path in ("secret/data/records", "auth/token/create", "sys/leases/revoke", "database/rotate-root/shop"):
            with pytest.raises(hvac.exceptions.Forbidden):
                client.write_data(path, data={})
        with pytest.raises(hvac.exceptions.Forbidden):
            client.list("secret/metadata")


def test_another_role_is_refused(stack: Stack) -> None:
    """A properly signed login of another IAM role gets no token."""
    with stack.vault.client("") as client, pytest.raises(hvac.exceptions.VaultError, match="does not belong to the role"):
        client.write_data("auth/aws/login", data=signed(stack.aws.assume("somebody-else")))


def test_a_wrong_key_is_refused(stack: Stack) -> None:
    """A login that STS wouldn't take is none for Vault."""
    forged = stack.aws.assume(ROLE)._replace(secret_key="x" * 40)

    with stack.vault.client("") as client, pytest.raises(hvac.exceptions.VaultError, match="error making upstream request"):
        client.write_data("auth/aws/login", data=signed(forged))


def test_a_login_for_another_vault_is_refused(stack: Stack) -> None:
    """A login that was signed for one server id can't be replayed at another Vault."""
    with stack.vault.client("") as client, pytest.raises(hvac.exceptions.VaultError, match=r'expected "?vault\.vaultgate\.local'):
        client.write_data("auth/aws/login", data=signed(stack.aws.assume(ROLE), server_id="vault.other.example"))
