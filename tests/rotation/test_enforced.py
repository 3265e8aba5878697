"""Whole rotations, and the overdue checker, with the roles that template.yaml gives them, and with every bit of them taken away.

The database is real. Roles are enforced as `tests.deploy.holder` says.
"""

from __future__ import annotations

import io
import json
import uuid
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError
from tests.deploy.holder import Amazon, Holder
from tests.rotation.bed import FUNCTION
from tests.rotation.test_template import API_KEY, OWN, ROTATOR, deployed

from vaultgate_ops.errors import OpsError
from vaultgate_ops.local.database import HOST
from vaultgate_ops.rotation.driver import Assignment, Driver
from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.model import Request
from vaultgate_ops.rotation.overdue import Watched, make_handler
from vaultgate_ops.rotation.parameter_store import ParameterStore
from vaultgate_ops.rotation.parameters import Parameters
from vaultgate_ops.rotation.rotation import STRATEGIES, build
from vaultgate_ops.rotation.service import Api, SecretsManager
from vaultgate_ops.rotation.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.rotation.bed import Bed, User

    from vaultgate_ops.local.stack import Stack
    from vaultgate_ops.rotation.engine import Engine
    from vaultgate_ops.rotation.settings import Settings
    from vaultgate_ops.rotation.store import Store

# One process reads what boto3 knows of the services.
pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("enforced")]

PARAMETER = "/shop/rotated"
STACK = {**OWN, "ApiKeyArn": API_KEY, "RotatedParameter": PARAMETER}
OURS = deployed(**STACK).resolve({"Ref": "DatabaseSecret"})


@pytest.fixture(scope="module")
def amazon(stack: Stack) -> Iterator[Amazon]:
    """The emulated AWS, with clients that are made once."""
    made = Amazon(stack.aws)
    yield made
    made.close()


class Rotated:
    """A user whose secret is in the emulated AWS, with its rotator's; and who rotates it.

    Args:
        bed: has the database, and the rotator's credential.
        managed: the rotator's secret is one that RDS manages for an ``instance`` or a ``cluster``; empty for one with a host.
    """

    def __init__(self, bed: Bed, amazon: Amazon, managed: str = "") -> None:
        self._bed, self._amazon = bed, amazon
        self._user: User = bed.user("dual")
        master = json.loads(bed.client.get_secret_value(SecretId=bed.master)["SecretString"])
        if managed:
            del master["host"]
        tags = [{"Key": f"aws:rds:primarydb{managed}arn", "Value": self._managed(managed)}] if managed else []
        self.rotator = self._stored(json.dumps(master), tags)
        self.secret = self._stored(json.dumps(json.loads(self._user.values[0]) | {"masterarn": self.rotator}))
        real = {OURS: self.secret, ROTATOR: self.rotator}
        self.holder = Holder(amazon, deployed(**STACK), "RotationRole", real)

    def _managed(self, kind: str) -> str:
        name = f"x{uuid.uuid4().hex}"
        rds = self._amazon.client("rds")
        if kind == "instance":
            size = {"DBInstanceClass": "db.t4g.micro", "AllocatedStorage": 20, "Engine": "mysql"}
            arn: str = rds.create_db_instance(DBInstanceIdentifier=name, **size)["DBInstance"]["DBInstanceArn"]
        else:
            login = {"MasterUsername": "admin", "MasterUserPassword": "made-up-password"}
            made = rds.create_db_cluster(DBClusterIdentifier=name, Engine="aurora-mysql", **login)["DBCluster"]
            arn = made["DBClusterArn"]
        return arn

    def _stored(self, value: str, tags: list[dict[str, str]] | None = None) -> str:
        administrator = self._amazon.client("secretsmanager")
        arn: str = administrator.create_secret(Name=str(uuid.uuid4()), SecretString=value, Tags=tags or [])["ARN"]
        return arn

    def rotate(self) -> str:
        """All four steps, as the service begins and calls them; gives the new version."""
        token = str(uuid.uuid4())
        rules = {"AutomaticallyAfterDays": 45}
        with suppress(ClientError):
            # Moto makes the pending version, and only then finds that the function isn't one of its own.
            self._amazon.client("secretsmanager").rotate_secret(
                SecretId=self.secret, ClientRequestToken=token, RotationLambdaARN=FUNCTION, RotationRules=rules
            )
        # RDS's answer is of a host that isn't there: the list vouches for the real one.
        variables = {"ROTATION_CA_BUNDLE": str(self._bed.stack.database.ca_file), "ROTATION_HOSTS": HOST}
        settings = load(variables, STRATEGIES)
        store = SecretsManager(self.holder.client("secretsmanager"), self._bed.clock)  # type: ignore[arg-type] - it only moves
        engine = build(settings, store, self._bed.clock, rds=lambda: self.holder.client("rds"))  # type: ignore[arg-type] - as above
        driver = Driver(lambda event: engine.step(Request.parse(event)), self._bed.clock, attempts=1)  # type: ignore[arg-type] - as above
        driver.drive(Assignment(self.secret, token))
        return token

    def current(self) -> tuple[str, dict[str, Any]]:
        """The version that clients are told of, and its value."""
        administrator = self._amazon.client("secretsmanager")
        stages = administrator.describe_secret(SecretId=self.secret)["VersionIdsToStages"]
        (version,) = (one for one, labels in stages.items() if "AWSCURRENT" in labels)
        value = administrator.get_secret_value(SecretId=self.secret, VersionId=version)["SecretString"]
        return version, json.loads(value)

    def login(self) -> None:
        """Log in as clients do."""
        value = self.current()[1]
        self._user.login((value["username"], value["password"]))


@pytest.mark.parametrize("managed", ["", "instance", "cluster"])
def test_the_rotation_function_works_with_its_role(bed: Bed, amazon: Amazon, managed: str) -> None:
    """Four steps against a real database: the new value is current, logs in, and nothing was refused."""
    rotated = Rotated(bed, amazon, managed)
    token = rotated.rotate()
    assert (rotated.current()[0], rotated.holder.refused) == (token, set())
    rotated.login()


# Of what the function calls itself: statement by statement, which kind of rotator needs it.
_NEEDED = [
    ("secretsmanager:DescribeSecret", ""),
    ("secretsmanager:GetSecretValue", ""),
    ("secretsmanager:PutSecretValue", ""),
    ("secretsmanager:UpdateSecretVersionStage", ""),
    ("secretsmanager:GetRandomPassword", ""),
    ("secretsmanager:DescribeSecret", "instance"),
    ("secretsmanager:GetSecretValue", ""),
    ("rds:DescribeDBInstances", "instance"),
    ("rds:DescribeDBClusters", "cluster"),
]


@pytest.mark.parametrize("number", range(len(_NEEDED)), ids=lambda number: _NEEDED[number][0])
def test_without_any_bit_of_its_role_it_fails(bed: Bed, amazon: Amazon, number: int) -> None:
    """Each action of each statement, taken away, is named by the failure; AWSCURRENT stays and logs in."""
    rotated = Rotated(bed, amazon, _NEEDED[number][1])
    own = [one for one in rotated.holder.grants() if one.action.startswith(("secretsmanager:", "rds:"))]
    assert [one.action for one in own] == [action for action, _ in _NEEDED]
    before = rotated.current()[0]
    rotated.holder.give(but=[own[number]])
    with pytest.raises(RotationError) as caught:
        rotated.rotate()
    assert own[number].action in f"{caught.value.message} {caught.value.hint}"
    assert rotated.holder.refused == {own[number].action}
    assert rotated.current()[0] == before
    rotated.login()


def test_a_secret_of_somebody_else_is_not_rotated(bed: Bed, amazon: Amazon) -> None:
    """The role names this stack's: with another one in the event the first call is refused."""
    rotated, other = Rotated(bed, amazon), Rotated(bed, amazon)
    rotated.secret = other.secret
    with pytest.raises(RotationError, match="DescribeSecret"):
        rotated.rotate()
    assert rotated.holder.refused == {"secretsmanager:DescribeSecret"}


def test_the_overdue_checker_has_what_it_needs_and_no_more(bed: Bed, amazon: Amazon) -> None:
    """With its role it looks at secrets and a parameter; without any action it fails by name, and gives no figure for all."""
    rotated = Rotated(bed, amazon)
    parameter = f"/shop/{uuid.uuid4().hex}"
    amazon.client("ssm").put_parameter(Name=parameter, Value="x", Type="SecureString")
    real = {OURS: rotated.secret, API_KEY: rotated.rotator}
    holder = Holder(amazon, deployed(**STACK), "OverdueRole", real)
    store = SecretsManager(holder.client("secretsmanager"), bed.clock)  # type: ignore[arg-type] - it only moves
    systems = Api(holder.client("ssm"), bed.clock)  # type: ignore[arg-type] - as above
    watched = (Watched(rotated.secret, 45), Watched(rotated.rotator, 30), Watched(parameter, 31))
    logger = Logger(service=f"enforced-{id(rotated)}", stream=io.StringIO())
    check = make_handler(store, watched, "us-east-1", bed.clock, logger, systems=systems)  # type: ignore[arg-type] - as above
    assert check({}, None).keys() == {rotated.secret, rotated.rotator, parameter}
    assert holder.refused == set()
    for grant in list(holder.grants()):
        if grant.action.startswith(("secretsmanager:", "ssm:")):
            holder.give(but=[grant])
            with pytest.raises(OpsError, match=grant.action):
                check({}, None)
            assert holder.refused == {grant.action}


class RotatedParameter(Rotated):
    """The same with a parameter in the place of the secret."""

    role = "ParameterRotationRole"

    def __init__(self, bed: Bed, amazon: Amazon) -> None:
        super().__init__(bed, amazon)
        self.name = f"/shop/{uuid.uuid4().hex}"
        value = self.current()[1]
        amazon.client("ssm").put_parameter(Name=self.name, Value=json.dumps(value), Type="SecureString")
        real = {PARAMETER: self.name, ROTATOR: self.rotator}
        self.holder = Holder(amazon, deployed(**STACK), self.role, real)

    def rotate(self) -> str:
        """By a schedule that fires later than anything was stored."""
        clock: Any = self._bed.clock
        settings = load({"ROTATION_CA_BUNDLE": str(self._bed.stack.database.ca_file)}, STRATEGIES)
        store = SecretsManager(self.holder.client("secretsmanager"), clock)
        engines = partial(_engine, settings, store, clock)
        return Parameters(self.holder.client("ssm"), engines, clock, attempts=1).rotate(self.name, since_s=1e11)

    def stored(self) -> tuple[int, dict[str, Any]]:
        """The parameter's version and value."""
        found = self._amazon.client("ssm").get_parameter(Name=self.name, WithDecryption=True)["Parameter"]
        return found["Version"], json.loads(found["Value"])

    def login(self) -> None:
        """Log in as clients do."""
        value = self.stored()[1]
        self._user.login((value["username"], value["password"]))


def _engine(settings: Settings, store: SecretsManager, clock: Any, values: Store) -> Engine:
    return build(settings, store, clock, values=values)


def test_the_parameters_function_works_with_its_role(bed: Bed, amazon: Amazon) -> None:
    """The parameter's next version logs in, and nothing was refused; a value that is never accepted can be taken back."""
    rotated = RotatedParameter(bed, amazon)
    assert rotated.rotate() == "2"
    assert (rotated.stored()[0], rotated.holder.refused) == (2, set())
    rotated.login()


# As for the secret: each action of each statement that a rotation with this rotator needs, by its place in the role.
_NEEDED_BY_PARAMETERS = {
    0: "ssm:GetParameter",
    1: "ssm:GetParameterHistory",
    2: "ssm:PutParameter",
    3: "ssm:GetParameter",
    4: "ssm:GetParameters",
    5: "ssm:PutParameter",
    7: "ssm:DeleteParameters",
    8: "secretsmanager:GetRandomPassword",
    10: "secretsmanager:GetSecretValue",
}
# Where a value is taken back; and what a rotator that RDS manages needs, as above.
_OTHERWISE_NEEDED = {6: "ssm:DeleteParameter", 9: "secretsmanager:DescribeSecret"}


@pytest.mark.parametrize("number", _NEEDED_BY_PARAMETERS)
def test_a_parameter_is_not_rotated_without_any_bit_of_the_role(bed: Bed, amazon: Amazon, number: int) -> None:
    """What is taken away is named; the parameter stays as it was, and logs in."""
    rotated = RotatedParameter(bed, amazon)
    own = [one for one in rotated.holder.grants() if one.action.startswith(("secretsmanager:", "ssm:"))]
    assert dict(enumerate(one.action for one in own)) == _NEEDED_BY_PARAMETERS | _OTHERWISE_NEEDED
    rotated.holder.give(but=[own[number]])
    with pytest.raises(RotationError) as caught:
        rotated.rotate()
    assert own[number].action in caught.value.message
    assert rotated.holder.refused == {own[number].action}
    assert rotated.stored()[0] == 1
    rotated.login()


def test_a_parameter_that_waits_can_be_taken_back(bed: Bed, amazon: Amazon) -> None:
    """With the role; without its action that is refused by name."""
    rotated = RotatedParameter(bed, amazon)
    clock: Any = bed.clock
    store = ParameterStore(rotated.holder.client("ssm"), clock)
    for left_out in ([], [one for one in rotated.holder.grants() if one.action == "ssm:DeleteParameter"]):
        rotated.holder.give(but=left_out)
        with suppress(RotationError):
            store.withdraw(rotated.name, "2")
        assert rotated.holder.refused == {one.action for one in left_out}
