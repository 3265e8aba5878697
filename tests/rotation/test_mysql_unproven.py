"""What is generated for MySQL, against its documented grammar and rules. No MySQL server has seen it: see docs/rotation.md."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

import pytest
from tests.simulators.clock import MovableClock
from tests.simulators.mysql_accounts import Account, SimulatedMySql, stored
from tests.simulators.secrets_manager import SimulatedSecretsManager
from tests.simulators.secrets_manager_http import Served, served

from vaultgate_ops.rotation.driver import Driver
from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.model import Request
from vaultgate_ops.rotation.mysql.administration import lock
from vaultgate_ops.rotation.mysql.secret import DatabaseSecret
from vaultgate_ops.rotation.rotation import STRATEGIES, build
from vaultgate_ops.rotation.service import SecretsManager
from vaultgate_ops.rotation.settings import load
from vaultgate_ops.rotation.strategies.alternating import twin_of

if TYPE_CHECKING:
    from collections.abc import Iterator

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:rotate"
HOST = "shop.example.com"
RICH = (
    "REQUIRE SSL WITH MAX_USER_CONNECTIONS 9 PASSWORD EXPIRE NEVER ACCOUNT UNLOCK PASSWORD HISTORY 5"
    " PASSWORD REUSE INTERVAL 30 DAY PASSWORD REQUIRE CURRENT OPTIONAL FAILED_LOGIN_ATTEMPTS 3 PASSWORD_LOCK_TIME 1"
)


class Shop:
    """A secret, its server and the function."""

    def __init__(self, amazon: Served, strategy: str, version: str = "8.0.36") -> None:
        self.server, self.amazon, self.client, clock = SimulatedMySql(version), amazon, amazon.client(), MovableClock()
        self.server.accounts["root", "%"] = Account(stored("root's"))
        self.server.accounts["app", "%"] = Account(stored("first"), granted=["GRANT SELECT ON `shop`.* TO {0}"])
        master = json.dumps({"username": "root", "password": "root's", "host": HOST})
        arn = self.client.create_secret(Name=f"master-{uuid.uuid4()}", SecretString=master)["ARN"]
        value = {"engine": "mysql", "host": HOST, "username": "app", "password": "first", "strategy": strategy, "masterarn": arn}
        self.name = f"app-{uuid.uuid4()}"
        self.client.create_secret(Name=self.name, SecretString=json.dumps(value))
        self.engine = build(load({}, STRATEGIES), SecretsManager(self.client, clock), clock, connect=self.server.connect)
        self.driver = Driver(lambda event: self.engine.step(Request.parse(event)), clock, attempts=1)
        self.values = [self.login()]

    def login(self) -> tuple[str, str]:
        """Of AWSCURRENT."""
        value = json.loads(self.amazon.service.value(self.name))
        return value["username"], value["password"]

    def rotate(self) -> None:
        """Once."""
        self.client.rotate_secret(SecretId=self.name, ClientRequestToken=str(uuid.uuid4()), RotationLambdaARN=FUNCTION)
        rotation = self.amazon.service.rotations.pop()
        self.driver.drive(rotation)
        self.amazon.service.end(rotation)
        self.values.append(self.login())

    def works(self) -> list[bool]:
        """The values, the newest first."""
        return [self.server.admits(*login) for login in reversed(self.values)]

    def changes(self) -> list[str]:
        """The statements that changed something, since this was last called."""
        found = [line for line in self.server.statements if not line.startswith(("SELECT", "SHOW", "SET SESSION"))]
        self.server.statements.clear()
        return found


@pytest.fixture
def amazon() -> Iterator[Served]:
    """A Secrets Manager."""
    with served(SimulatedSecretsManager(MovableClock())) as found:
        yield found


def test_dual(amazon: Served) -> None:
    """One statement for each rotation; the one before the current works, the one before that doesn't."""
    shop = Shop(amazon, "dual")
    for expected in ([True, True], [True, True, False], [True, True, False, False]):
        shop.rotate()
        assert shop.works() == expected
        assert shop.changes() == ["ALTER USER %s@%s IDENTIFIED BY %s RETAIN CURRENT PASSWORD"]
    assert shop.engine.sweep(shop.name) == "too early"


def test_dual_discards(amazon: Served) -> None:
    """The sweeper ends the older password and leaves the current one."""
    shop = Shop(amazon, "dual")
    value = {**json.loads(amazon.service.value(shop.name)), "grace_s": 0}
    shop.client.put_secret_value(SecretId=shop.name, SecretString=json.dumps(value))
    shop.rotate()
    shop.changes()
    assert shop.engine.sweep(shop.name) == "swept"
    assert shop.changes() == ["ALTER USER %s@%s DISCARD OLD PASSWORD"]
    assert shop.works() == [True, False]
    assert shop.engine.sweep(shop.name) == "nothing to do"


def test_dual_after_a_rotation_that_was_called_off(amazon: Served) -> None:
    """The current password has become the secondary one: it is made primary first, else RETAIN would lose it."""
    shop = Shop(amazon, "dual")
    account = shop.server.accounts["app", "%"]
    account.primary, account.secondary = stored("called off"), account.primary
    shop.rotate()
    assert shop.changes() == [
        "ALTER USER %s@%s IDENTIFIED BY %s",
        "ALTER USER %s@%s IDENTIFIED BY %s RETAIN CURRENT PASSWORD",
    ]
    assert shop.works() == [True, True]


def test_alternating(amazon: Served) -> None:
    """The twin gets options, grants, roles and default roles, by MySQL's own statements; then the two change places."""
    shop = Shop(amazon, "alternating")
    model = shop.server.accounts["app", "%"]
    model.options, model.default_roles = RICH, "`reader`@`%`,`writer`@`%`"
    model.granted += [
        "GRANT SELECT (`id`), INSERT (`id`) ON `shop`.`orders` TO {0} WITH GRANT OPTION",
        "GRANT `reader`@`%` TO {0}",
    ]
    shop.rotate()
    twin = shop.server.accounts["app_clone", "%"]
    assert (twin.options, twin.default_roles) == (RICH, model.default_roles)
    made = shop.changes()
    assert made[1:] == [
        "GRANT SELECT ON `shop`.* TO %s@%s",
        "GRANT INSERT (`id`), SELECT (`id`) ON `shop`.`orders` TO %s@%s WITH GRANT OPTION",
        "GRANT `reader`@`%%` TO %s@%s",
        "SET DEFAULT ROLE `reader`@`%%`, `writer`@`%%` TO %s@%s",
    ]
    assert made[0].startswith("CREATE USER %s@%s IDENTIFIED BY %s REQUIRE SSL WITH")
    twin.granted = ["GRANT SELECT ON `shop`.* TO {0}"]
    model.granted = ["GRANT SELECT ON `shop`.* TO {0}", "GRANT DELETE ON `shop`.* TO {0}"]
    twin.default_roles = ""
    shop.rotate()
    assert shop.changes()[1:] == ["REVOKE DELETE ON `shop`.* FROM %s@%s", "SET DEFAULT ROLE NONE TO %s@%s"]
    shop.rotate()
    assert shop.works() == [True, True, False, False]


def test_alternating_locks(amazon: Served) -> None:
    """The idle user is locked when its time is over, and unlocked by the next rotation."""
    shop = Shop(amazon, "alternating")
    value = {**json.loads(amazon.service.value(shop.name)), "grace_s": 0}
    shop.client.put_secret_value(SecretId=shop.name, SecretString=json.dumps(value))
    shop.rotate()
    assert shop.engine.sweep(shop.name) == "swept"
    assert shop.works() == [True, False]
    shop.rotate()
    assert shop.works()[:2] == [True, True]


def test_a_twin_with_two_passwords(amazon: Served) -> None:
    """A secondary password that an earlier strategy left on the twin doesn't outlive the rotation."""
    shop = Shop(amazon, "alternating")
    left = ["GRANT SELECT ON `shop`.* TO {0}"]
    shop.server.accounts["app_clone", "%"] = Account(stored("older"), stored("oldest"), granted=left)
    shop.rotate()
    assert shop.works() == [True, True]
    assert not shop.server.admits("app_clone", "oldest")


def test_single(amazon: Served) -> None:
    """A user changes its own password."""
    shop = Shop(amazon, "single")
    shop.rotate()
    assert shop.changes() == ["ALTER USER USER() IDENTIFIED BY %s"]
    assert shop.works() == [True, False]


@pytest.mark.parametrize(
    ("version", "strategy", "code"),
    [("8.0.13", "dual", "strategy-unfit"), ("5.7.44", "dual", "strategy-unfit"), ("10.3.39-MariaDB", "dual", "strategy-unfit")],
)
def test_servers_that_know_one_password_only(amazon: Served, version: str, strategy: str, code: str) -> None:
    """They are told by their version, before anything is changed."""
    shop = Shop(amazon, strategy, version)
    with pytest.raises(RotationError, match=code):
        shop.rotate()
    assert shop.changes() == []


@pytest.mark.parametrize("strategy", ["dual", "alternating", "single"])
def test_a_server_that_has_no_native_password(amazon: Served, strategy: str) -> None:
    """MySQL 9: its version is one that knows two passwords, and no statement names the plugin that it doesn't have any more."""
    shop = Shop(amazon, strategy, "9.1.0")
    shop.rotate()
    assert shop.works()[0]
    assert not [line for line in shop.server.statements if "native" in line]


def test_a_plugin_that_cant_be_compared(amazon: Served) -> None:
    """Whoever logs in by something else is left alone."""
    shop = Shop(amazon, "dual")
    shop.server.accounts["app", "%"].plugin = "sha256_password"
    with pytest.raises(RotationError, match=r"strategy-unfit.*sha256_password"):
        shop.rotate()


@pytest.mark.parametrize(
    ("engine", "username", "fields", "twin"),
    [
        ("mysql", "app", {}, "app_clone"),
        ("mysql", "app_clone", {}, "app"),
        ("mysql", "n" * 26, {}, "n" * 26 + "_clone"),
        ("mariadb", "n" * 32, {}, "n" * 32 + "_clone"),
        ("mysql", "n" * 32, {"twin": "other"}, "other"),
    ],
)
def test_the_twins_name(engine: str, username: str, fields: dict[str, str], twin: str) -> None:
    """AWS's, unless the secret has another one."""
    assert twin_of(DatabaseSecret(engine, HOST, 3306, username, "secret", **fields)) == twin


@pytest.mark.parametrize(
    ("engine", "username", "fields"),
    [("mysql", "n" * 27, {}), ("mariadb", "n" * 123, {}), ("mysql", "app", {"twin": "app"}), ("mysql", "_clone", {})],
)
def test_a_twin_that_cant_be_called_so(engine: str, username: str, fields: dict[str, str]) -> None:
    """Too long for the server, or no other name: the secret has to name it."""
    with pytest.raises(RotationError, match=r'secret-field-wrong.*"twin"'):
        twin_of(DatabaseSecret(engine, HOST, 3306, username, "secret", **fields))


def test_a_lock_that_somebody_else_has() -> None:
    """A step that doesn't get the secret's lock in time is run again later; each secret has a lock of its own."""
    server = SimulatedMySql()
    server.accounts["root", "%"] = Account(stored("root's"))
    session = server.connect(None, "root", "root's")  # type: ignore[arg-type]  # it looks at no target
    lock(session, "arn:one")
    lock(session, "arn:two")
    server.locked = True
    with pytest.raises(RotationError, match="rotation-running") as caught:
        lock(session, "arn:one")
    assert caught.value.retryable
    assert len(set(server.locks)) == 2
    assert all(len(name) <= 64 for name in server.locks)
