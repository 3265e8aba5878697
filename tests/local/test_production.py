"""What docs/production.md tells an operator, done on three nodes: the files of vault-config, and then the whole story."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pymysql
import pytest
from botocore.exceptions import ClientError

from vaultgate_ops.bootstrap import apply, load, plan
from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import UsageProblem
from vaultgate_ops.local import paths, wiring
from vaultgate_ops.local.aws import Credentials
from vaultgate_ops.local.database import SCHEMA, TABLE
from vaultgate_ops.local.proxy_events import GET_RECORDS
from vaultgate_ops.local.scene import EmbeddedScene
from vaultgate_ops.local.stack import Stack
from vaultgate_ops.local.story import Story
from vaultgate_ops.reporting import Silent

if TYPE_CHECKING:
    from collections.abc import Iterator

    import hvac

    from vaultgate_ops.bootstrap import Desired

pytestmark = pytest.mark.stack

CONFIG = paths.checkout() / "vault-config"


class ProductionScene(EmbeddedScene):
    """The stack as an operator sets it up who goes by docs/production.md.

    Attributes:
        first_password: of Vault's database user, until rotate-root.
        vaults_keys: Vault's own in AWS.
        refusal: what bootstrap said while it had none.
    """

    vaults_keys: Credentials

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack, Silent())
        self.stack = stack
        self.first_password = "Pw-" + secrets.token_urlsafe()
        self.refusal = ""

    def configure(self) -> int:
        self.stack.mirror_audit()
        self._make_database_user()
        with self.stack.vault.client() as client:
            changes = plan(client, self.desired())
            try:
                apply(client, changes, Silent())
            except UsageProblem as problem:
                # Vault may not look up the function's role yet.
                self.refusal = problem.message
            self._give_vault_its_role(client)
            apply(client, plan(client, self.desired()), Silent())
            client.write_data("database/rotate-root/shop")
            second = self.stack.vault.audit_file.with_name("second-audit.log")
            client.sys.enable_audit_device("file", path="second", options={"file_path": str(second)})
        return len(changes)

    def pending_changes(self) -> int:
        with self.stack.vault.client() as client:
            return len(plan(client, self.desired()))

    def desired(self) -> Desired:
        """The file that ships, with what production has otherwise."""
        variables = wiring.vault_variables(self.stack.vault, self.stack.database, self.stack.aws)
        differing = {"AWS_UNIQUE_IDS": "true", "DATABASE_ADMIN_USER": "vault", "DATABASE_ADMIN_PASSWORD": self.first_password}
        return load(CONFIG / "vault.yaml", {**variables, **differing})

    def _make_database_user(self) -> None:
        text = (CONFIG / "database" / "vault-user.sql").read_text(encoding="utf-8")
        words = {"NETWORK": "%", "PASSWORD": self.first_password, "`DATABASE`": f"`{SCHEMA}`", "`TABLE`": f"`{TABLE}`"}
        for word, value in words.items():
            text = text.replace(word, value)
        code = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("--"))
        with self.stack.database.connect() as connection, connection.cursor() as cursor:
            for statement in filter(None, map(str.strip, code.split(";"))):
                cursor.execute(statement.replace("%", "%%"), ())

    def _give_vault_its_role(self, client: hvac.Client) -> None:
        """An AWS identity of Vault's own with the policy that ships; on EC2 or ECS its instance profile or task role."""
        policy = (CONFIG / "aws" / "vault-role-policy.json").read_text(encoding="utf-8")
        with self.stack.aws.client("iam") as iam:
            iam.create_user(UserName="vault")
            document = policy.replace("${FUNCTION_ROLE_ARN}", self.stack.aws.role_arn(wiring.ROLE))
            iam.put_user_policy(UserName="vault", PolicyName="vault", PolicyDocument=document)
            key = iam.create_access_key(UserName="vault")["AccessKey"]
        self.vaults_keys = Credentials(key["AccessKeyId"], key["SecretAccessKey"])
        login = {"access_key": key["AccessKeyId"], "secret_key": key["SecretAccessKey"], "iam_endpoint": self.stack.aws.endpoint}
        client.write_data("auth/aws/config/client", data=login)


@pytest.fixture
def scene() -> Iterator[ProductionScene]:
    """Three nodes of Vault that nobody has configured."""
    with Stack.embedded(f"production-{secrets.token_hex(4)}", Silent(), ha=True) as stack:
        yield ProductionScene(stack)


def test_the_story_is_told_on_a_cluster_as_in_production(scene: ProductionScene) -> None:
    """The demo on three nodes, with what production has otherwise; then what that is good for."""
    stack = scene.stack
    told = [step.title for step in Story(scene, Clock()).steps()]
    assert {"GET /records answered", "lease revoked behind its back", "sandbox shut down", "audit log mirrored"} <= set(told)
    # Bootstrap said what Vault lacked before it had an AWS identity of its own.
    assert "auth/aws/role/records" in scene.refusal

    with pytest.raises(pymysql.OperationalError, match="Access denied"):
        stack.database.connect("vault", scene.first_password)
    with stack.database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SHOW GRANTS FOR vault@'%%'", ())
        granted = sorted(row[0].partition(" TO ")[0] for row in cursor.fetchall())
    assert granted == ["GRANT CREATE USER ON *.*", f"GRANT SELECT ON `{SCHEMA}`.`{TABLE}`"]

    with stack.vault.client() as client:
        user = client.read("database/creds/records")["data"]
        assert len(user["password"]) == 32
        assert len(stack.vault.audit_file.with_name("second-audit.log").read_bytes()) > 1000

    with stack.aws.client("iam", scene.vaults_keys) as iam, pytest.raises(ClientError, match="not authorized"):
        iam.list_roles()

    # Whoever may delete and make IAM roles can't become the function: the name is the same, the id isn't.
    with stack.aws.client("iam") as iam:
        iam.delete_role(RoleName=wiring.ROLE)
    stack.aws.create_role(wiring.ROLE)
    sandbox = stack.sandbox()
    sandbox.start()
    answer = sandbox.invoke(GET_RECORDS)
    assert answer["statusCode"] != 200
    assert "does not belong to the role" in sandbox.log()


def test_the_page_shows_the_statement_that_ships() -> None:
    """Who copies it from docs/production.md gets what was tested."""
    page = (paths.checkout() / "docs" / "production.md").read_text(encoding="utf-8")
    shown = page.partition("```json\n")[2].partition("```")[0]
    assert shown == (CONFIG / "aws" / "vault-role-policy.json").read_text(encoding="utf-8")
