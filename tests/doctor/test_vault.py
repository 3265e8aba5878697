"""Real Vaults that can't serve, roles and policies that don't fit, engines that can't reach their database."""

from __future__ import annotations

import json
import os
import secrets
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.doctor.conftest import ids, states
from tests.simulators.certificates import DAY
from tests.simulators.certificates import Authority as Stranger
from tests.simulators.loopback import loopback

from vaultgate.http1 import answer_bytes
from vaultgate.model import Answer
from vaultgate_ops.clock import Clock
from vaultgate_ops.local.certificates import Authority
from vaultgate_ops.local.fetch.vault import find_vault
from vaultgate_ops.local.vault_server import VaultServer
from vaultgate_ops.reporting import Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.doctor.conftest import Diagnose

    from vaultgate.model import Request
    from vaultgate_ops.local.stack import Stack

pytestmark = pytest.mark.stack

OWN = """
path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
path "sys/leases/lookup" { capabilities = ["update"] }
path "sys/leases/renew" { capabilities = ["update"] }
path "sys/capabilities-self" { capabilities = ["update"] }
path "sys/internal/ui/mounts/*" { capabilities = ["read"] }
"""
CREATE = "CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}' REQUIRE SSL"
USUAL = ("auth_type", "bound_iam_principal_arn", "resolve_aws_unique_ids", "token_no_default_policy")


@pytest.fixture
def role(stack: Stack) -> Iterator[Callable[..., str]]:
    """Makes a role of the test's own with a policy of its own; gives its name, which is the policy's as well."""
    made: list[str] = []
    with stack.vault.client() as client:
        usual = client.read("auth/aws/role/records")["data"]

        def make(policy: str, **terms: Any) -> str:
            name = f"doctor-{secrets.token_hex(4)}"
            made.append(name)
            client.sys.create_or_update_policy(name, policy)
            kept = {one: usual[one] for one in USUAL}
            client.write_data(f"auth/aws/role/{name}", data=kept | {"token_policies": [name], "token_ttl": 60} | terms)
            return name

        yield make
        for name in made:
            client.delete(f"auth/aws/role/{name}")
            client.sys.delete_policy(name)


def test_a_vault_before_its_first_day_and_a_sealed_one(diagnosed: Diagnose, tmp_path: Path) -> None:
    """Neither is logged in to, and the fix is the operator's command."""
    authority = Authority.create(tmp_path)
    server = VaultServer(find_vault(os.environ, Silent()), tmp_path, authority.certificate_file, Clock())
    changes = {"VAULT_CACERT": str(authority.certificate_file)}
    server.set_up(authority)
    try:
        fresh = diagnosed("login", VAULT_ADDR=server.address, **changes)
        server.found()
        with server.client() as client:
            client.sys.seal()
        sealed = diagnosed("login", VAULT_ADDR=server.address, **changes)
    finally:
        server.stop()
    assert ids(fresh) == ["health.uninitialized"]
    assert fresh.findings[0].fix.startswith("Run: vault operator init")
    assert ids(sealed) == ["health.sealed"]
    assert sealed.findings[0].fix.startswith("Run: vault operator unseal")
    assert states(sealed)["login"] == "not reached"


def test_paths_that_no_policy_grants(diagnosed: Diagnose, role: Callable[..., str]) -> None:
    """Every path of the settings and every one of the extension's own, each with the line that is missing."""
    name = role(
        'path "sys/capabilities-self" { capabilities = ["update"] }\npath "auth/token/revoke-self" { capabilities = ["update"] }'
    )
    changes = {"VAULT_SECRET_PATH_A": "secret/data/records?version=1", "VAULT_SECRET_FILE_A": "/tmp/vault/a"}  # noqa: S108 - not written
    report = diagnosed("policy", VAULT_AUTH_ROLE=name, **changes)
    found = {(one.id, one.about) for one in report.findings}
    assert found == {
        ("policy.denied", "database/creds/records"),
        ("policy.denied", "secret/data/records"),
        ("policy.own-token", "auth/token/lookup-self"),
        ("policy.own-token", "auth/token/renew-self"),
        ("policy.own-token", "sys/leases/lookup"),
        ("policy.own-token", "sys/leases/renew"),
    }
    (secret,) = [one for one in report.findings if one.about == "secret/data/records"]
    assert f'policy {name}: path "secret/data/records" {{ capabilities = ["read"] }}' in secret.fix
    assert "VAULT_SECRET_PATH_A" in secret.evidence


def test_a_path_without_data(diagnosed: Diagnose) -> None:
    """Vault's mount tells that it is a KV engine of version 2."""
    report = diagnosed("policy", VAULT_SECRET_PATH="secret/records")
    assert ids(report) == ["policy.kv-data"]
    assert report.findings[0].fix == "Correct the path: secret/data/records."


def test_a_token_that_may_not_ask(diagnosed: Diagnose, role: Callable[..., str]) -> None:
    """Then the paths aren't judged, and reading the credential tells."""
    allowed = OWN.replace("sys/capabilities-self", "sys/nothing") + 'path "database/creds/records" { capabilities = ["read"] }'
    report = diagnosed(VAULT_AUTH_ROLE=role(allowed))
    assert ids(report) == ["policy.unseen"]
    assert (states(report)["database"], report.exit_code) == ("fine", 0)


def test_identities(diagnosed: Diagnose, role: Callable[..., str]) -> None:
    """A token with no policy of its own."""
    name = role(OWN, token_policies=[], token_no_default_policy=False)
    report = diagnosed("identity", VAULT_AUTH_ROLE=name)
    assert ids(report) == ["identity.no-policy"]


def test_a_token_that_can_t_be_given_back(diagnosed: Diagnose, role: Callable[..., str]) -> None:
    """It is told, with the line that is missing, and ends by its TTL."""
    name = role(OWN.replace("auth/token/revoke-self", "auth/token/nothing"))
    report = diagnosed("login", VAULT_AUTH_ROLE=name)
    assert ids(report) == ["doctor.token-left"]
    assert "permission denied" in report.findings[0].evidence


def test_a_batch_token_s_lease_is_revoked(
    diagnosed: Diagnose, role: Callable[..., str], nothing_left: Callable[[], AbstractContextManager[None]]
) -> None:
    """The token can't be; the database user goes."""
    policy = (
        OWN + 'path "database/creds/records" { capabilities = ["read"] }\npath "sys/leases/revoke" { capabilities = ["update"] }'
    )
    with nothing_left():
        assert ids(diagnosed(VAULT_AUTH_ROLE=role(policy, token_type="batch"))) == []


def test_a_batch_token_s_lease_that_stays(diagnosed: Diagnose, role: Callable[..., str]) -> None:
    """It is told with the privilege that is missing; what only other tokens can do is not asked for."""
    own = "\n".join(line for line in OWN.splitlines() if "renew-self" not in line and "revoke-self" not in line)
    policy = own + '\npath "database/creds/records" { capabilities = ["read"] }'
    report = diagnosed(VAULT_AUTH_ROLE=role(policy, token_type="batch"))
    assert ids(report) == ["doctor.leases-left"]
    assert 'path "sys/leases/revoke"' in report.findings[0].fix


def worded(words: str, status: int = 400) -> Answer:
    """A refusal in Vault's form."""
    return Answer(status, (), json.dumps({"errors": [words]}).encode())


def let_in(**seen: Any) -> Answer:
    """A login's answer in Vault's form."""
    return Answer(200, (), json.dumps({"auth": {"client_token": "made-up", "policies": ["app"], "metadata": {}} | seen}).encode())


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (Answer(307, (("Location", "https://elsewhere.invalid/v1/auth/aws/login"),)), "login.redirected"),
        (Answer(200, (), b"{}"), "login.refused"),
        (worded("internal error", 500), "login.unavailable"),
        (worded('request path "auth/aws/login": rate limit quota exceeded', 429), "login.rate-limited"),
        (worded("expected IAM role to resolve to unique ID AROA1 but got AROA2 instead"), "login.unique-id"),
        (let_in(metadata={"account_id": "999999999999"}), "identity.other-account"),
        (let_in(policies=["root"]), "identity.root"),
    ],
)
def test_what_vault_says_to_a_login(diagnosed: Diagnose, tmp_path: Path, answer: Answer, found: str) -> None:
    """A standby that doesn't forward, an answer without a token, and what this stack's Vault has no reason to say."""
    authority = Stranger(tmp_path)
    health = answer_bytes(Answer(200, (), json.dumps({"initialized": True, "sealed": False, "version": "1.21.1"}).encode()))
    said = {"GET": health, "HEAD": answer_bytes(Answer(200), to_head=True), "POST": answer_bytes(answer)}

    def converse(connection: socket.socket, following: Callable[[], Request | None]) -> None:
        while (request := following()) is not None:
            connection.sendall(said[request.method])

    with loopback(converse, authority.server("127.0.0.1", 300 * DAY)) as server:
        report = diagnosed("identity", VAULT_ADDR=repr(server.origin), VAULT_CACERT=str(authority.certificate_file))
    assert [name for name in ids(report) if not name.startswith("doctor.")] == [found]


def test_another_method_at_the_mount(diagnosed: Diagnose, stack: Stack, tmp_path: Path) -> None:
    """AppRole where AWS is expected; and an AppRole whose secret_id nobody gave."""
    with stack.vault.client() as client:
        client.sys.enable_auth_method("approle", path="doctor-apps")
        try:
            assert ids(diagnosed("login", VAULT_AUTH_PROVIDER="doctor-apps")) == ["login.other-method"]
            (tmp_path / "role-id").write_text("nobody")
            (tmp_path / "secret-id").write_text("nothing")
            (tmp_path / "secret-id").chmod(0o600)
            approle = {
                "VAULTGATE_AUTH_METHOD": "approle",
                "VAULTGATE_APPROLE_ROLE_ID_FILE": str(tmp_path / "role-id"),
                "VAULTGATE_APPROLE_SECRET_ID_FILE": str(tmp_path / "secret-id"),
            }
            report = diagnosed("login", "sts", VAULT_AUTH_PROVIDER="doctor-apps", **approle)
        finally:
            client.sys.disable_auth_method("doctor-apps")
    assert ids(report) == ["login.ids"]
    assert states(report)["sts"] == "not asked"


def test_a_wrapped_secret_id_is_left_to_the_extension(diagnosed: Diagnose, stack: Stack, tmp_path: Path) -> None:
    """A wrapping token can be used once: nothing is logged in to, and the token is still good."""
    path = "auth/doctor-wrapped/role/app/secret-id"
    with stack.vault.client() as client:
        client.sys.enable_auth_method("approle", path="doctor-wrapped")
        try:
            client.write_data("auth/doctor-wrapped/role/app", data={"token_policies": ["records"]})
            wrapped = client.write_data(path, data={}, wrap_ttl="60s")["wrap_info"]["token"]
            (tmp_path / "role-id").write_text(client.read("auth/doctor-wrapped/role/app/role-id")["data"]["role_id"])
            (tmp_path / "secret-id").write_text(wrapped)
            (tmp_path / "secret-id").chmod(0o600)
            approle = {
                "VAULTGATE_AUTH_METHOD": "approle",
                "VAULT_AUTH_PROVIDER": "doctor-wrapped",
                "VAULTGATE_APPROLE_ROLE_ID_FILE": str(tmp_path / "role-id"),
                "VAULTGATE_APPROLE_SECRET_ID_FILE": str(tmp_path / "secret-id"),
                "VAULTGATE_APPROLE_WRAPPING_PATH": path,
            }
            report = diagnosed(**approle)
            assert client.sys.unwrap(wrapped)["data"]["secret_id"]
        finally:
            client.sys.disable_auth_method("doctor-wrapped")
    assert ids(report) == []
    assert {states(report)[check] for check in ("login", "identity", "policy", "credential", "database")} == {"not asked"}
    assert states(report)["health"] == "fine"


@contextmanager
def engine(stack: Stack, create: str = CREATE, **connection: Any) -> Iterator[str]:
    """A connection and a dynamic role of the test's own in the database engine; gives the path of its credentials."""
    name = f"doctor-{secrets.token_hex(4)}"
    usual = {
        "plugin_name": "mysql-database-plugin",
        "connection_url": f"{{{{username}}}}:{{{{password}}}}@tcp(127.0.0.1:{stack.database.port})/",
        "tls_ca": stack.database.ca_file.read_text(),
        "allowed_roles": [name],
        "verify_connection": False,
        "username": "vault_admin",
        "password": stack.database.vault_password,
    }
    with stack.vault.client() as client:
        client.write_data(f"database/config/{name}", data=usual | connection)
        client.write_data(
            f"database/roles/{name}", data={"db_name": name, "creation_statements": [create], "default_ttl": 60, "max_ttl": 60}
        )
        try:
            yield f"database/creds/{name}"
        finally:
            client.delete(f"database/roles/{name}")
            client.delete(f"database/config/{name}")


@contextmanager
def account(stack: Stack, *statements: str, options: str = "REQUIRE SSL") -> Iterator[tuple[str, str]]:
    """A user of the test's own in the database; gives its name and password."""
    name, password = f"doctor_{secrets.token_hex(4)}", f"Aa1-{secrets.token_urlsafe(12)}"
    with stack.database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE USER %s@'%%' IDENTIFIED BY %s {options}", (name, password))
        try:
            for statement in statements:
                cursor.execute(statement.format(user=f"'{name}'@'%'"))
            yield name, password
        finally:
            cursor.execute("DROP USER %s@'%%'", (name,))


def fetched(diagnosed: Diagnose, role: Callable[..., str], path: str) -> list[str]:
    """What is found when this path is read by a role that may."""
    name = role(OWN + f'path "{path}" {{ capabilities = ["read"] }}')
    return ids(diagnosed("database", VAULT_AUTH_ROLE=name, RECORDS_SECRET_PATH=path))


def test_an_engine_in_trouble(diagnosed: Diagnose, role: Callable[..., str], stack: Stack, tmp_path: Path) -> None:
    """Vault's own password, its way to the database, its trust, its grants and its share of connections are told apart."""
    with engine(stack, password="wrong") as path:
        assert fetched(diagnosed, role, path) == ["credential.vault-login"]
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"{{{{username}}}}:{{{{password}}}}@tcp(127.0.0.1:{closed.getsockname()[1]})/"
        with engine(stack, connection_url=url) as path:
            assert fetched(diagnosed, role, path) == ["credential.vault-reach"]
    with engine(stack, tls_ca=Stranger(tmp_path).certificate_file.read_text()) as path:
        assert fetched(diagnosed, role, path) == ["credential.vault-tls"]
    with engine(stack, "MAKE A USER") as path:
        assert fetched(diagnosed, role, path) == ["credential.failed"]
    with account(stack) as (user, password), engine(stack, username=user, password=password) as path:
        assert fetched(diagnosed, role, path) == ["credential.vault-grants"]
    held = account(stack, options="REQUIRE SSL WITH MAX_USER_CONNECTIONS 1")
    with (
        held as (user, password),
        stack.database.connect(user, password),
        engine(stack, username=user, password=password) as path,
    ):
        assert fetched(diagnosed, role, path) == ["credential.vault-connections"]


def test_a_credential_that_is_not_there(diagnosed: Diagnose, role: Callable[..., str], stack: Stack) -> None:
    """No such role, no such secret, a secret that is no login."""
    assert fetched(diagnosed, role, "database/creds/nobody") == ["credential.missing"]
    kv = {"CREDENTIAL_SOURCE": "vault-kv"}
    name = role(OWN + 'path "secret/data/nothing" { capabilities = ["read"] }')
    assert ids(diagnosed("database", VAULT_AUTH_ROLE=name, RECORDS_SECRET_PATH="secret/data/nothing", **kv)) == [
        "credential.missing"
    ]
    name = role(OWN + 'path "secret/data/no-login" { capabilities = ["read"] }')
    with stack.vault.client(stack.vault.root_token) as client:
        client.write_data("secret/data/no-login", data={"data": {"greeting": "hello"}})
        try:
            report = diagnosed("database", VAULT_AUTH_ROLE=name, RECORDS_SECRET_PATH="secret/data/no-login", **kv)
        finally:
            client.delete("secret/metadata/no-login")
    assert ids(report) == ["credential.shape"]
    assert "its fields are greeting" in report.findings[0].evidence


def opened(diagnosed: Diagnose, login: tuple[str, str], **changes: str) -> list[str]:
    """What is found of the database with this login."""
    user, password = login
    report = diagnosed("database", CREDENTIAL_SOURCE="env", RDS_USERNAME=user, RDS_PASSWORD=password, **changes)
    return ids(report)


def test_a_login_to_the_database(diagnosed: Diagnose, stack: Stack, tmp_path: Path) -> None:
    """Wrong password, no grant on the schema or on the table, no connection left, a locked account, another authority."""
    read = "GRANT SELECT ON shop.orders TO {user}"
    with account(stack, read) as (user, password):
        assert opened(diagnosed, (user, password)) == []
        assert opened(diagnosed, (user, "Zz9-not-this-one")) == ["database.wrong-password"]
        assert opened(diagnosed, ("nobody", password)) == ["database.wrong-password"]
        assert opened(diagnosed, (user, password), RDS_DB_NAME="mysql") == ["database.no-grant"]
        assert opened(diagnosed, (user, password), RECORDS_TABLE="customers") == ["database.no-grant"]
        stranger = str(Stranger(tmp_path).certificate_file)
        assert opened(diagnosed, (user, password), RDS_CA_BUNDLE=stranger) == ["database.tls"]
    with account(stack) as login:
        assert opened(diagnosed, login) == ["database.no-grant"]
    with account(stack, read, options="REQUIRE SSL WITH MAX_USER_CONNECTIONS 1") as login, stack.database.connect(*login):
        assert opened(diagnosed, login) == ["database.too-many-connections"]
    with account(stack, read, "ALTER USER {user} ACCOUNT LOCK") as login:
        assert opened(diagnosed, login) == ["database.account"]
    with account(stack, "GRANT SELECT ON *.* TO {user}") as login:
        assert opened(diagnosed, login, RDS_DB_NAME="nowhere") == ["database.unknown-schema"]
        assert opened(diagnosed, login, RECORDS_TABLE="nothing") == ["database.unknown-table"]


def greeting(payload: bytes) -> Callable[[socket.socket, Callable[[], Request | None]], None]:
    """A server that says one packet of MySQL's protocol first, and nothing more."""
    packet = len(payload).to_bytes(3, "little") + b"\0" + payload

    def converse(connection: socket.socket, _next: Callable[[], Request | None]) -> None:
        connection.sendall(packet)
        connection.recv(1)

    return converse


# Protocol::HandshakeV10 without CLIENT_SSL, and ERR_Packet, both of MySQL's "Client/Server Protocol".
WITHOUT_TLS = (
    b"\x0a8.0.0\0"
    + bytes(4)
    + b"saltsalt"
    + b"\0"
    + b"\x00\x82"
    + b"\x21"
    + bytes(2)
    + bytes(2)
    + b"\x15"
    + bytes(10)
    + b"saltsaltsalt\0"
)


def error(number: int, words: str) -> bytes:
    """An ERR_Packet."""
    return b"\xff" + number.to_bytes(2, "little") + words.encode()


@pytest.mark.parametrize(
    ("packet", "found"),
    [
        (WITHOUT_TLS, "database.no-tls"),
        (error(1040, "Too many connections"), "database.too-many-connections"),
        (error(1129, "Host is blocked because of many connection errors"), "database.host-blocked"),
        (error(1053, "Server shutdown in progress"), "database.unreachable"),
        (error(1105, "Unknown error"), "database.failed"),
    ],
)
def test_what_a_database_says_before_tls(diagnosed: Diagnose, packet: bytes, found: str) -> None:
    """That it speaks none, that max_connections is reached, that it doesn't want us; the password isn't sent."""
    with loopback(greeting(packet)) as server:
        assert opened(diagnosed, ("u", "Zz9-not-this-one"), RDS_PORT=str(server.origin.port)) == [found]
