"""Whatever is wrong with a secret or its server has an error code and a hint of its own, and AWSCURRENT is untouched."""

from __future__ import annotations

import json
import uuid
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import pytest
from pymysql.err import OperationalError
from tests.rotation.bed import Bed, login_of
from tests.rotation.faults import Faults
from tests.simulators.clock import MovableClock
from tests.simulators.secrets_manager import HOME, SimulatedSecretsManager
from tests.simulators.secrets_manager_http import served

from vaultgate_ops.local.database import HOST
from vaultgate_ops.local.paths import checkout
from vaultgate_ops.local.processes import free_port
from vaultgate_ops.rotation.driver import Driver
from vaultgate_ops.rotation.errors import CODES, RotationError
from vaultgate_ops.rotation.model import Request
from vaultgate_ops.rotation.rotation import STRATEGIES, build
from vaultgate_ops.rotation.service import SecretsManager
from vaultgate_ops.rotation.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.rotation.bed import User

    from vaultgate_ops.local.stack import Stack

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def bed(stack: Stack) -> Iterator[Bed]:
    """One of our own: others read every value that their Secrets Manager ever had."""
    clock = MovableClock()
    with served(SimulatedSecretsManager(clock)) as amazon:
        made = Bed(stack, amazon, clock)
        yield made
        made.close()


FIELDS: list[tuple[str, Any, str, str]] = [
    ("engine", "", "secret-field-missing", "engine"),
    ("engine", "postgres", "engine-unknown", "mysql, mariadb"),
    ("host", None, "secret-field-missing", "host"),
    ("host", 7, "secret-field-wrong", "host"),
    ("host", "https://db.example.com/", "host-refused", "scheme"),
    ("host", "db.example.com:3306", "host-refused", "port"),
    ("host", "169.254.169.254", "host-refused", "169.254.169.254"),
    ("host", "0.0.0.0", "host-refused", "0.0.0.0"),  # noqa: S104 - an address to refuse
    ("host", "::ffff:169.254.169.254", "host-refused", "no server"),
    ("host", "2852039166", "host-refused", "name or an address"),
    ("host", "169.254.0xa9fe.", "host-refused", "name or an address"),
    ("port", "many", "secret-field-wrong", "port"),
    ("port", 0, "secret-field-wrong", "port"),
    ("port", True, "secret-field-wrong", "port"),
    ("username", None, "secret-field-missing", "username"),
    ("username", "u" * 129, "secret-field-wrong", "128"),
    ("password", "", "secret-field-missing", "password"),
    ("password", ["a"], "secret-field-wrong", "password"),
    ("password", "half a pair: \ud83d", "secret-field-wrong", "password"),
    ("dbname", ["shop"], "secret-field-wrong", "dbname"),
    ("twin", {"name": "x"}, "secret-field-wrong", "twin"),
    ("ssl", "maybe", "secret-field-wrong", "true or false"),
    ("ssl", 0, "secret-field-wrong", "true or false"),
    ("grace_s", "soon", "secret-field-wrong", "seconds"),
    ("grace_s", -1, "secret-field-wrong", "seconds"),
    ("strategy", "triple", "strategy-unknown", "alternating, api-key, dual"),
    ("strategy", ["dual"], "strategy-unknown", "alternating, api-key, dual"),
    ("masterarn", "", "strategy-unfit", "masterarn"),
    ("masterarn", "no-such-secret", "rotator-unreadable", "GetSecretValue"),
    ("host", "localhost", "host-refused", "ROTATION_HOSTS"),
]


def with_fields(bed: Bed, user: User, **fields: Any) -> None:
    """Store another current value."""
    value = {**json.loads(user.values[-1]), **fields}
    bed.client.put_secret_value(SecretId=user.secret, SecretString=json.dumps({k: v for k, v in value.items() if v is not None}))


def failure(bed: Bed, user: User) -> RotationError:
    """What a rotation ends with, after a look at what it must not have changed."""
    before = bed.amazon.service.value(user.secret)
    with pytest.raises(RotationError) as caught:
        user.drive(user.begin(), attempts=1)
    assert bed.amazon.service.value(user.secret) == before
    assert caught.value.hint
    assert login_of(user.values[-1])[1] not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(("field", "value", "code", "words"), FIELDS)
def test_fields(bed: Bed, field: str, value: object, code: str, words: str) -> None:
    """A field that is missing or wrong is named, with what would fit."""
    user = bed.user("dual")
    with_fields(bed, user, **{field: value})
    error = failure(bed, user)
    assert error.code == code
    assert words in str(error)
    assert user.works(-1)


@pytest.mark.parametrize("text", ["no JSON at all", "[1, 2]", '"text"', '{"username": "torn', "[" * 60_000])
def test_no_json_object(bed: Bed, text: str) -> None:
    """A value that isn't an object is no secret for a database; its text isn't quoted."""
    user = bed.user("dual")
    bed.client.put_secret_value(SecretId=user.secret, SecretString=text)
    with pytest.raises(RotationError, match="secret-not-json") as caught:
        user.drive(user.begin(), attempts=1)
    assert text not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [("host", "other.example.com"), ("port", 1), ("username", "root"), ("masterarn", "x"), ("ssl", False), ("engine", "mysql")],
)
def test_a_pending_value_that_changes_more_than_the_password(bed: Bed, field: str, value: object) -> None:
    """Whoever wrote AWSPENDING could send credentials elsewhere: refused before anybody is contacted, in each step."""
    user = bed.user("dual")
    rotation = user.begin()
    bed.client.put_secret_value(
        SecretId=user.secret,
        ClientRequestToken=rotation.token,
        SecretString=json.dumps({**json.loads(user.values[0]), field: value}),
        VersionStages=["AWSPENDING"],
    )
    for step in ("createSecret", "setSecret", "testSecret", "finishSecret"):
        faults = Faults()
        event = {"SecretId": rotation.secret_id, "ClientRequestToken": rotation.token, "Step": step}
        with pytest.raises(RotationError, match="value-changed") as caught:
            bed.engine(faults).step(Request.parse(event))
        assert ("tls" if field == "ssl" else field) in str(caught.value)
        assert not [call for call in faults.calls if call.startswith("connect")]
    assert user.works(-1)


def test_a_name_without_an_address(bed: Bed) -> None:
    """DNS."""
    assert elsewhere(bed, "no-such-host.invalid", 3306).code == "host-unknown"


def test_nobody_at_the_port(bed: Bed) -> None:
    """TCP."""
    assert elsewhere(bed, HOST, free_port()).code == "unreachable"


def elsewhere(bed: Bed, host: str, port: int) -> RotationError:
    """The failure of a rotation whose whole secret, rotator included, says another place."""
    user = bed.user("dual")
    master = json.loads(bed.client.get_secret_value(SecretId=bed.master)["SecretString"])
    arn = bed.client.create_secret(Name=f"elsewhere-{uuid.uuid4()}", SecretString=json.dumps({**master, "host": host}))["ARN"]
    with_fields(bed, user, host=host, port=port, masterarn=arn)
    return failure(bed, user)


def rotated_with(bed: Bed, user: User, variables: dict[str, str], region: str = HOME) -> RotationError:
    """What a rotation by a function with other variables, or in another region, ends with."""
    engine = build(load(variables, STRATEGIES), SecretsManager(bed.amazon.client(region), bed.clock), bed.clock)
    with pytest.raises(RotationError) as caught:
        Driver(lambda event: engine.step(Request.parse(event)), bed.clock, attempts=1).drive(user.begin())
    return caught.value


def test_a_certificate_that_nobody_vouches_for(bed: Bed) -> None:
    """TLS: without the right CA bundle nothing is sent to the server."""
    error = rotated_with(bed, bed.user("dual"), {})
    assert error.code == "tls"
    assert "ROTATION_CA_BUNDLE" in error.hint


def test_a_bundle_that_is_none(bed: Bed) -> None:
    """A wrong path is the deployer's to correct."""
    assert rotated_with(bed, bed.user("dual"), {"ROTATION_CA_BUNDLE": "/nowhere.pem"}).code == "settings-wrong"


def test_a_host_outside_the_list(bed: Bed) -> None:
    """ROTATION_HOSTS bounds every strategy."""
    for strategy in ("dual", "single"):
        assert rotated_with(bed, bed.user(strategy), {"ROTATION_HOSTS": "*.example.com"}).code == "host-refused"


def test_no_tls_where_the_secret_says_so(bed: Bed) -> None:
    """And only there: this server then refuses the login, for it wants TLS. A rotator's login isn't even tried."""
    user = bed.user("single")
    with_fields(bed, user, ssl=False)
    assert failure(bed, user).code == "access-denied"
    user = bed.user("dual")
    with_fields(bed, user, ssl=False)
    assert failure(bed, user).code == "tls"


def test_a_server_that_is_full(bed: Bed) -> None:
    """1040: worth another try."""
    user = bed.user("single")
    bed.execute("SET GLOBAL max_connections = 10")
    try:
        with ExitStack() as sessions:
            with suppress(OperationalError):  # the server is full
                for _ in range(11):
                    sessions.enter_context(user.session(-1))
            error = failure(bed, user)
    finally:
        bed.execute("SET GLOBAL max_connections = DEFAULT")
    assert (error.code, error.retryable) == ("too-many-connections", True)
    assert "1040" in error.message


def test_no_connection_left_for_the_user(bed: Bed) -> None:
    """1226: as above."""
    user = bed.user("single")
    bed.execute("ALTER USER %s@'%%' WITH MAX_USER_CONNECTIONS 1", user.name)
    with user.session(-1):
        error = failure(bed, user)
    assert (error.code, error.retryable) == ("too-many-connections", True)


def test_a_password_that_was_changed_by_hand(bed: Bed) -> None:
    """1045: without a rotator nobody gets in any more; the message names whose passwords were tried."""
    user = bed.user("single")
    user.rotate()
    bed.execute("ALTER USER %s@'%%' IDENTIFIED BY 'by hand'", user.name)
    error = failure(bed, user)
    assert error.code == "access-denied"
    assert "AWSPENDING, AWSCURRENT, AWSPREVIOUS" in error.message


def test_a_rotator_with_a_wrong_password(bed: Bed) -> None:
    """1045 of the rotator names the rotator."""
    user = bed.user("dual")
    master = json.dumps({"username": "root", "password": "wrong", "host": HOST})
    with_fields(bed, user, masterarn=bed.client.create_secret(Name=f"wrong-{uuid.uuid4()}", SecretString=master)["ARN"])
    error = failure(bed, user)
    assert error.code == "access-denied"
    assert "'root'" in error.message


def test_a_rotator_without_create_user(bed: Bed) -> None:
    """The exact grants are in the hint, and they are enough."""
    bed.execute("CREATE OR REPLACE USER powerless@'%' IDENTIFIED BY 'rotates'")
    user = bed.user("dual")
    master = json.dumps({"username": "powerless", "password": "rotates", "host": HOST})
    with_fields(bed, user, masterarn=bed.client.create_secret(Name=f"powerless-{uuid.uuid4()}", SecretString=master)["ARN"])
    rotation = user.begin()
    with pytest.raises(RotationError) as caught:
        user.drive(rotation, attempts=1)
    assert caught.value.code == "privilege-missing"
    assert caught.value.hint == "GRANT CREATE USER ON *.* TO 'powerless'@'%'; GRANT SELECT ON mysql.* TO 'powerless'@'%';"
    for grant in caught.value.hint.rstrip(";").split("; "):
        bed.execute(grant)
    user.drive(rotation)
    assert user.works(-1)
    bed.execute("DROP USER powerless@'%'")


def test_a_user_that_is_gone(bed: Bed) -> None:
    """A missing user isn't made anew: nobody knows what it may do."""
    user = bed.user("dual")
    for (host,) in bed.execute("SELECT host FROM mysql.user WHERE user = %s", user.name):
        bed.execute("DROP USER %s@%s", user.name, host)
    assert failure(bed, user).code == "user-missing"


def test_a_probe_that_fails(bed: Bed) -> None:
    """A login isn't enough: the application's statement has to run too; a percent sign in it is just that."""
    bed.user("dual", probe="SELECT COUNT(*) FROM orders WHERE customer LIKE 'customer 1%'").rotate()
    error = failure(bed, bed.user("dual", probe="SELECT COUNT(*) FROM no_such_table"))
    assert error.code == "probe-failed"
    assert "no_such_table" in error.message


def test_a_replica(bed: Bed) -> None:
    """In another region the secret is a replica, whose rotation is refused with the primary's name."""
    user = bed.user("dual")
    bed.client.replicate_secret_to_regions(SecretId=user.secret, AddReplicaRegions=[{"Region": "eu-west-1"}])
    error = rotated_with(bed, user, {}, region="eu-west-1")
    assert error.code == "replica-region"
    assert HOME in error.hint


def test_every_code_has_its_row() -> None:
    """docs/errors.md lists each code with its exit code, whether another try may help, and who acts."""
    page = (checkout() / "docs" / "errors.md").read_text(encoding="utf-8")
    for code, meaning in CODES.items():
        retry = "yes" if meaning.retryable else "no"
        assert f"| `{code}` | {meaning.exit_code} | {retry} | {meaning.acts} |" in page
