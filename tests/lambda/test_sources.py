"""Where the record-count function gets its credential from: each store answers, and answers after a rotation.

The rotation here is the rudest there is: the password changes in the database and in the store, and every open session is
killed, so that the function stands there with what it has kept.
"""

from __future__ import annotations

import json
import uuid
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from vaultgate_ops.local.proxy_events import GET_RECORDS
from vaultgate_ops.local.wiring import ROLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vaultgate_ops.local.sandbox import Sandbox
    from vaultgate_ops.local.stack import Stack

    Start = Callable[..., Sandbox]

pytestmark = pytest.mark.stack

OLD, NEW = "old-Passw0rd", "new-Passw0rd"


def records(sandbox: Sandbox) -> tuple[int, dict[str, Any]]:
    """Status and body of GET /records."""
    answer = sandbox.invoke(GET_RECORDS)
    assert "statusCode" in answer, answer
    return answer["statusCode"], json.loads(answer["body"])


class Place:
    """A database user, and the stores that its password may lie in.

    Attributes:
        name: of the user, and of whatever holds its password.
    """

    def __init__(self, stack: Stack, clients: ExitStack, store: Callable[..., object]) -> None:
        self._stack = stack
        self._store = store
        self.name = f"app_{uuid.uuid4().hex[:12]}"
        self._execute("CREATE USER %s@'%%' IDENTIFIED BY %s REQUIRE SSL", self.name, OLD)
        self._execute("GRANT SELECT ON shop.orders TO %s@'%%'", self.name)
        self._secrets = clients.enter_context(stack.aws.client("secretsmanager"))
        self._ssm = clients.enter_context(stack.aws.client("ssm"))

    @property
    def environment(self) -> dict[str, str]:
        """Variables of the function that hold for all of them."""
        return {"SECRET_NAME": self.name, "AWS_ENDPOINT_URL": self._stack.aws.endpoint}

    def change(self) -> None:
        """Give the user the new password and end its sessions."""
        self._execute("ALTER USER %s@'%%' IDENTIFIED BY %s", self.name, NEW)
        self.kill(self.name)

    def kill(self, user: str) -> None:
        """End a user's sessions."""
        with self._stack.database.connect() as connection, connection.cursor() as cursor:
            cursor.execute("KILL USER %s", (user,))

    def secret(self, text: str) -> None:
        """Store in Secrets Manager, the first time or once more."""
        try:
            self._secrets.create_secret(Name=self.name, SecretString=text)
        except self._secrets.exceptions.ResourceExistsException:
            self._secrets.put_secret_value(SecretId=self.name, SecretString=text)

    def parameter(self, text: str) -> None:
        """Store as a SecureString."""
        self._ssm.put_parameter(Name=self.name, Value=text, Type="SecureString", Overwrite=True)

    def kv(self, password: str) -> None:
        """Store in Vault's KV engine."""
        self._store(username=self.name, password=password)

    def _execute(self, statement: str, *arguments: str) -> None:
        with self._stack.database.connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement, arguments)


@pytest.fixture
def place(stack: Stack, store: Callable[..., object]) -> Iterator[Place]:
    """A user, and a function's role that may read what AWS holds of it."""
    allowed = ["secretsmanager:GetSecretValue", "ssm:GetParameter"]
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": allowed, "Resource": "*"}]}
    with ExitStack() as clients, stack.aws.client("iam") as iam:
        iam.put_role_policy(RoleName=ROLE, PolicyName="read", PolicyDocument=json.dumps(policy))
        yield Place(stack, clients, store)
        iam.delete_role_policy(RoleName=ROLE, PolicyName="read")


def login(place: Place, password: str) -> str:
    """What rotation functions keep in a secret."""
    return json.dumps({"engine": "mysql", "username": place.name, "password": password})


def survives(sandbox: Sandbox, user: str, source: str, rotate: Callable[[], None]) -> None:
    """It answers before and after, as this user, by way of this source."""
    before = records(sandbox)
    rotate()
    for status, body in (before, records(sandbox), records(sandbox)):
        assert status == 200, body
        assert body["credential"] == {"source": source, "user": user, "expires_in_s": -1}


def test_secrets_manager(place: Place, sandboxes: Start) -> None:
    """The secret's own username and password; what was kept is read anew when the database refuses it."""
    place.secret(login(place, OLD))
    sandbox = sandboxes(CREDENTIAL_SOURCE="secretsmanager", **place.environment)

    def rotate() -> None:
        place.secret(login(place, NEW))
        place.change()

    survives(sandbox, place.name, "secretsmanager", rotate)


def test_a_secret_with_a_password_alone(place: Place, sandboxes: Start) -> None:
    """RDS_USERNAME is whose it is, by way of Parameter Store's reference to the secret."""
    place.secret(json.dumps({"password": OLD}))
    sandbox = sandboxes(CREDENTIAL_SOURCE="ssm-reference", RDS_USERNAME=place.name, **place.environment)

    def rotate() -> None:
        place.secret(json.dumps({"password": NEW}))
        place.change()

    survives(sandbox, place.name, "ssm-reference", rotate)


def test_parameter_store(place: Place, sandboxes: Start) -> None:
    """A SecureString with the password as it is."""
    place.parameter(OLD)
    sandbox = sandboxes(CREDENTIAL_SOURCE="ssm", RDS_USERNAME=place.name, **place.environment)

    def rotate() -> None:
        place.parameter(NEW)
        place.change()

    survives(sandbox, place.name, "ssm", rotate)


def test_vaults_kv(place: Place, sandboxes: Start) -> None:
    """Also where the extension keeps reads that have no lease."""
    place.kv(OLD)
    caching = {"VAULT_DEFAULT_CACHE_ENABLED": "true", "VAULT_DEFAULT_CACHE_TTL": "1h"}
    sandbox = sandboxes(CREDENTIAL_SOURCE="vault-kv", **caching)

    def rotate() -> None:
        place.kv(NEW)
        place.change()

    survives(sandbox, place.name, "vault-kv", rotate)


def test_vaults_static_role(place: Place, sandboxes: Start, stack: Stack) -> None:
    """Vault changes the password by itself; the extension's copy is asked past."""
    caching = {"VAULT_DEFAULT_CACHE_ENABLED": "true", "VAULT_DEFAULT_CACHE_TTL": "1h"}
    sandbox = sandboxes(CREDENTIAL_SOURCE="vault-static", **caching)

    def rotate() -> None:
        with stack.vault.client() as vault:
            vault.secrets.database.rotate_static_role_credentials(name="records-static", mount_point="database")
        place.kill("records_static")

    survives(sandbox, "records_static", "vault-static", rotate)


def test_an_environment_can_not_follow(place: Place, sandboxes: Start) -> None:
    """It answers until the password changes; then the answer says that the credential isn't accepted."""
    sandbox = sandboxes(CREDENTIAL_SOURCE="env", RDS_USERNAME=place.name, RDS_PASSWORD=OLD)
    status, body = records(sandbox)
    assert (status, body["credential"]["user"]) == (200, place.name)
    place.change()
    status, body = records(sandbox)
    assert (status, body["reason"]) == (500, "access-denied")


def test_what_is_wrong_with_a_secret_is_said(place: Place, sandboxes: Start) -> None:
    """Absent, without a username, without a password: each its own sentence, and no value in answer or log."""
    place.secret("planted-password")
    nameless = sandboxes(CREDENTIAL_SOURCE="secretsmanager", **place.environment)
    status, body = records(nameless)
    assert (status, body["reason"]) == (500, "configuration")
    assert "RDS_USERNAME" in nameless.log()
    place.secret(json.dumps({"username": place.name, "passwort": "planted-password"}))
    passwordless = sandboxes(CREDENTIAL_SOURCE="secretsmanager", **place.environment)
    status, body = records(passwordless)
    assert (status, body["reason"]) == (500, "protocol")
    assert "holds no password" in passwordless.log()
    absent = sandboxes(CREDENTIAL_SOURCE="secretsmanager", **{**place.environment, "SECRET_NAME": "nothing-here"})
    status, body = records(absent)
    assert (status, body["reason"]) == (500, "not-found")
    assert not any("planted-password" in sandbox.log() for sandbox in (nameless, passwordless, absent))
