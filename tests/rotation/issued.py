"""Secrets whose values Vault issues or keeps, on the real Vault: made, rotated with faults, looked at.

Rules: every request to Vault counts as a call that can break; a session of its own logs in for each step, as in Lambda, and one
whose process died gives no token back until the test ends.
"""

from __future__ import annotations

import json
import re
import uuid
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pymysql
from pymysql.constants.ER import ACCESS_DENIED_ERROR
from tests.rotation.bed import FUNCTION, login_of
from tests.rotation.faults import BreakableClient, Faults

from vaultgate_ops.local import paths
from vaultgate_ops.local.aws import REGION
from vaultgate_ops.local.database import HOST
from vaultgate_ops.local.wiring import SERVER_ID
from vaultgate_ops.rotation.driver import Driver
from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.model import Request
from vaultgate_ops.rotation.rotation import STRATEGIES, build
from vaultgate_ops.rotation.service import SecretsManager
from vaultgate_ops.rotation.settings import load
from vaultgate_ops.rotation.vault import own_role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import hvac
    from tests.rotation.bed import Bed

    from vaultgate_ops.rotation.driver import Assignment
    from vaultgate_ops.rotation.engine import Engine
    from vaultgate_ops.rotation.vault import Reply, Session

ROLE, NAME = "vaultgate-rotation", "rotation"
STATIC, KV = "database/static-creds/records-static", "secret/data/shop/webhook"
POLICY = paths.checkout() / "vault-config" / "policies" / "rotation.hcl"
_BLOCK = re.compile(r'^path "([^"]+)" \{\n  capabilities = \[([^\]]+)\]\n\}$', re.MULTILINE)


def granted() -> dict[str, set[str]]:
    """The policy as it ships: paths and their capabilities."""
    return {path: set(re.findall(r"\w+", words)) for path, words in _BLOCK.findall(POLICY.read_text(encoding="utf-8"))}


def policy_of(grants: Mapping[str, set[str]]) -> str:
    """Such grants as Vault takes them."""
    blocks = (f'path "{path}" {{ capabilities = {json.dumps(sorted(words))} }}' for path, words in grants.items())
    return "\n".join(blocks)


@dataclass(frozen=True)
class Left:
    """What is left of a rotation; values are N, N-1 and so on, counted from the newest.

    Attributes:
        stages: label to value.
        vault: the value that Vault has.
        beside: what else Vault's secret holds.
    """

    stages: Mapping[str, str]
    vault: str
    beside: Mapping[str, Any]


class Broken:
    """Vault, broken where the faults say.

    Args:
        environ: of the function.
        faults: count the requests.
        meanwhile: done before each request, as somebody else would.
    """

    def __init__(self, environ: Mapping[str, str], faults: Faults, meanwhile: Callable[[str, str], None]) -> None:
        self._environ, self._faults, self._meanwhile = environ, faults, meanwhile
        self.left: list[AbstractContextManager[Session]] = []

    @contextmanager
    def __call__(self) -> Iterator[Session]:
        """A session; see `vault.Vault`."""
        opened = own_role(self._environ)()
        session = opened.__enter__()
        try:
            yield _Counted(session, self._faults, self._meanwhile)
        finally:
            if self._faults.dead:
                self.left.append(opened)
            else:
                opened.__exit__(None, None, None)

    def close(self) -> None:
        """Give the tokens of dead processes back; Vault would end them in five minutes."""
        for opened in self.left:
            opened.__exit__(None, None, None)


class _Counted:
    def __init__(self, session: Session, faults: Faults, meanwhile: Callable[[str, str], None]) -> None:
        self._session, self._faults, self._meanwhile = session, faults, meanwhile

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Reply:
        self._meanwhile(method, path)
        reply: Reply = self._faults.around(
            f"vault {method} {path}",
            lambda: self._session.ask(method, path, body),
            lambda: RotationError("vault-unreachable", "the answer was lost"),
        )
        return reply


class Issuing:
    """A Vault that lets the rotation's role in, beside the simulated Secrets Manager.

    Attributes:
        root: Vault's administrator.
        environ: of the rotation function.
        meanwhile: done before each request to Vault.
    """

    def __init__(self, bed: Bed, root: hvac.Client) -> None:
        self.bed, self.root = bed, root
        self.meanwhile: Callable[[str, str], None] = lambda _method, _path: None
        self._vaults: list[Broken] = []
        self.allow(granted())
        bed.stack.aws.create_role(ROLE)
        fields = {
            "auth_type": "iam",
            "bound_iam_principal_arn": [bed.stack.aws.role_arn(ROLE)],
            "resolve_aws_unique_ids": False,
            "token_policies": [NAME],
            "token_no_default_policy": True,
            "token_ttl": "5m",
            "token_max_ttl": "5m",
        }
        root.write_data(f"auth/aws/role/{NAME}", data=fields)
        keys = bed.stack.aws.assume(ROLE, "rotation")
        self.environ = {
            "AWS_ACCESS_KEY_ID": keys.access_key,
            "AWS_SECRET_ACCESS_KEY": keys.secret_key,
            "AWS_SESSION_TOKEN": keys.session_token,
            "AWS_REGION": REGION,
            "VAULT_ADDR": bed.stack.vault.address,
            "VAULT_CACERT": str(bed.stack.vault.ca_file),
            "VAULT_AUTH_PROVIDER": "aws",
            "VAULT_AUTH_ROLE": NAME,
            "VAULT_IAM_SERVER_ID": SERVER_ID,
            "VAULT_STS_ENDPOINT_REGION": REGION,
        }

    def allow(self, grants: Mapping[str, set[str]]) -> None:
        """Give the role these grants."""
        self.root.sys.create_or_update_policy(NAME, policy_of(grants))

    def close(self) -> None:
        """Take everything back."""
        for vault in self._vaults:
            vault.close()
        self.root.delete(f"auth/aws/role/{NAME}")
        self.root.sys.delete_policy(NAME)
        self.root.secrets.kv.v2.delete_metadata_and_all_versions("shop/webhook", mount_point="secret")

    def engine(self, faults: Faults | None = None, environ: Mapping[str, str] | None = None) -> Engine:
        """The rotation function over doors that break where the faults say."""
        faults = faults or Faults()
        vault = Broken(environ or self.environ, faults, self.meanwhile)
        self._vaults.append(vault)
        settings = load({"ROTATION_CA_BUNDLE": str(self.bed.stack.database.ca_file)}, STRATEGIES)
        store = SecretsManager(BreakableClient(self.bed.client, faults), self.bed.clock)  # type: ignore[arg-type] - close enough
        return build(settings, store, self.bed.clock, connect=faults.connect, issuer=vault)

    def secret(self, path: str, **fields: Any) -> IssuedSecret:
        """Make a secret whose value is the one that Vault has now; a KV secret is made anew."""
        return IssuedSecret(self, path, fields)


class IssuedSecret:
    """One secret of the strategy `vault`."""

    def __init__(self, issuing: Issuing, path: str, fields: Mapping[str, Any]) -> None:
        self._issuing, self.path, self._bed = issuing, path, issuing.bed
        self.static = path == STATIC
        self.name = f"issued/{uuid.uuid4()}"
        if not self.static:
            made = {"token": f"first-{uuid.uuid4()}", "url": "https://shop.example.com/hook"}
            issuing.root.secrets.kv.v2.delete_metadata_and_all_versions("shop/webhook", mount_point="secret")
            issuing.root.secrets.kv.v2.create_or_update_secret("shop/webhook", made, mount_point="secret")
        server = {"engine": "mariadb", "host": HOST, "port": self._bed.stack.database.port, "dbname": "shop"}
        value = {"strategy": "vault", "vault_path": path, **(server if self.static else {"vault_field": "token"})}
        value |= self.in_vault() if self.static else {"token": self.in_vault()["token"]}
        self._bed.client.create_secret(Name=self.name, SecretString=json.dumps({**value, **fields}))
        self.values = [self.current]

    @property
    def current(self) -> str:
        """AWSCURRENT."""
        return self._bed.amazon.service.value(self.name)

    def in_vault(self) -> dict[str, str]:
        """What Vault's administrator finds."""
        data = self._issuing.root.read(self.path)["data"]
        return {name: data[name] for name in ("username", "password")} if self.static else data["data"]

    def put_in_vault(self, **fields: str) -> None:
        """Change Vault's KV secret by hand."""
        engine = self._issuing.root.secrets.kv.v2
        engine.create_or_update_secret("shop/webhook", {**self.in_vault(), **fields}, mount_point="secret")

    def versions(self) -> int:
        """How many versions Vault's KV secret has got."""
        metadata = self._issuing.root.secrets.kv.v2.read_secret_metadata("shop/webhook", mount_point="secret")
        return int(metadata["data"]["current_version"])

    def begin(self) -> Assignment:
        """Ask the service for a rotation."""
        token, waiting = str(uuid.uuid4()), self._bed.amazon.service.rotations
        self._bed.client.rotate_secret(SecretId=self.name, ClientRequestToken=token, RotationLambdaARN=FUNCTION)
        (own,) = (one for one in waiting if one.token == token)
        waiting.remove(own)
        return own

    def drive(self, assignment: Assignment, faults: Faults | None = None, attempts: int = 4) -> int:
        """Call the function as the service does; gives the number of attempts."""
        faults = faults or Faults()
        engine = self._issuing.engine(faults)
        driver = Driver(
            lambda event: faults.invoke(lambda: engine.step(Request.parse(event))), self._bed.clock, attempts=attempts, pause_s=2
        )
        took = driver.drive(assignment)
        self._bed.amazon.service.end(assignment)
        self.values.append(self.current)
        return took

    def step(self, assignment: Assignment, step: str, environ: Mapping[str, str] | None = None) -> str:
        """Call the function once, with other variables if need be."""
        event = {"SecretId": assignment.secret_id, "ClientRequestToken": assignment.token, "Step": step}
        return self._issuing.engine(environ=environ).step(Request.parse(event))

    def rehearse(self) -> None:
        """Have testSecret run alone, as for a new configuration."""
        waiting = self._bed.amazon.service.rotations
        self._bed.client.rotate_secret(SecretId=self.name, RotationLambdaARN=FUNCTION, RotateImmediately=False)
        rotation = waiting.pop()
        try:
            self.step(rotation, "testSecret")
        finally:
            self._bed.amazon.service.end(rotation)

    def withdraw(self) -> None:
        """Take AWSPENDING off a rotation that failed."""
        pending = self._bed.amazon.service.stages(self.name).get("AWSPENDING")
        if pending:
            self._bed.client.update_secret_version_stage(
                SecretId=self.name, VersionStage="AWSPENDING", RemoveFromVersionId=pending
            )

    def rotate(self) -> None:
        """Rotate without any fault."""
        self.drive(self.begin())

    def left(self) -> Left:
        """What there is now."""
        service, age = self._bed.amazon.service, {text: f"N-{back}" for back, text in enumerate(reversed(self.values))}
        field = "password" if self.static else "token"
        here = self.in_vault()
        vault = next((age[text] for text in reversed(self.values) if json.loads(text)[field] == here[field]), "none of them")
        return Left(
            {stage: age[service.value(self.name, stage)] for stage in service.stages(self.name)},
            vault,
            {name: text for name, text in here.items() if name != field},
        )

    def works(self, place: int) -> bool:
        """Whether the value at a place of the row of all values logs in to the database; -1 is the newest."""
        user, password = login_of(self.values[place])
        try:
            pymysql.connect(
                host=HOST, port=self._bed.stack.database.port, user=user, password=password, ssl=self._bed.tls, connect_timeout=10
            ).close()
        except pymysql.OperationalError as error:
            if error.args[0] != ACCESS_DENIED_ERROR:
                raise
            return False
        return True
