"""Two users made equal, on a real server: whatever their names, and whatever either of them had before."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from tests.rotation.bed import login_of

from vaultgate_ops.local.database import HOST
from vaultgate_ops.rotation.errors import RotationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.rotation.bed import Bed, User

pytestmark = pytest.mark.stack

NAMES = ["o'br\"ien", "back`tick", "per%cent %s", "Zoë ☃ Müller", "back\\slash", "n" * 32, "TO"]


@pytest.fixture(autouse=True)
def tidy(bed: Bed) -> Iterator[None]:
    """Whoever is made here is gone afterwards: names are chosen here, and others may choose the same."""
    before = set(bed.execute("SELECT user, host FROM mysql.user WHERE host <> ''"))
    yield
    for account in set(bed.execute("SELECT user, host FROM mysql.user WHERE host <> ''")) - before:
        bed.execute("DROP USER %s@%s", *account)


def named(bed: Bed, strategy: str, name: str, hosts: tuple[str, ...] = ("%",), **fields: object) -> User:
    """A user with a name of our choice in place of the made-up one."""
    user = bed.user(strategy, **fields)
    password = login_of(user.values[0])[1]
    bed.execute("DROP USER IF EXISTS %s@'%%'", user.name)
    for twin in (name, f"{name}_clone"):
        for host in ("%", "10.%", "localhost"):
            bed.execute("DROP USER IF EXISTS %s@%s", twin, host)
    for host in hosts:
        bed.execute("CREATE USER %s@%s IDENTIFIED BY %s", name, host, password)
        bed.execute("GRANT SELECT ON shop.orders TO %s@%s", name, host)
    user.name = name
    value = json.dumps({**json.loads(user.values[0]), "username": name})
    bed.client.put_secret_value(SecretId=user.secret, SecretString=value)
    user.values = [value]
    return user


def shown(bed: Bed, name: str, host: str = "%") -> tuple[str, list[str]]:
    """An account and its grants as the server shows them, without name and hash."""
    account = bed.execute("SHOW CREATE USER %s@%s", name, host)[0][0]
    quoted = name.replace("`", "``")
    tail = account.split("'", 2)[2]
    rows = [row[0] for row in bed.execute("SHOW GRANTS FOR %s@%s", name, host)]
    grants = [row.replace(f"`{quoted}`", "`U`") for row in rows if not row.startswith("GRANT USAGE ON *.*")]
    # Columns are shown in no particular order.
    ordered = [re.sub(r"\((.*?)\)", lambda columns: str(sorted(columns[1].split(", "))), row) for row in grants]
    return tail, sorted(re.sub(r"PASSWORD '\*\w+'", "", row) for row in ordered)


@pytest.mark.parametrize("strategy", ["dual", "alternating", "single"])
@pytest.mark.parametrize("name", NAMES)
def test_odd_names(bed: Bed, strategy: str, name: str) -> None:
    """Quotes, backticks, percent signs, letters from anywhere, 32 characters, a keyword: two rotations, both users usable."""
    user = named(bed, strategy, name)
    user.rotate(2)
    assert user.works(-1)
    assert user.works(-2) is (strategy != "single")


def test_every_host_entry(bed: Bed) -> None:
    """The twin has the model's hosts, and none of its own; one that is added later is there after the next rotation."""
    user = named(bed, "alternating", "hosts", ("%", "10.%", "localhost"))
    user.rotate(2)
    bed.execute("DROP USER 'hosts'@'10.%'")
    bed.execute("CREATE USER 'hosts_clone'@'192.168.%' IDENTIFIED BY 'left over'")
    bed.execute("CREATE USER 'hosts'@'172.16.%%' IDENTIFIED BY %s REQUIRE X509", login_of(user.values[-1])[1])
    user.rotate()
    found = {host for _, host in bed.execute("SELECT user, host FROM mysql.user WHERE user = 'hosts_clone'")}
    assert found == {"%", "localhost", "172.16.%"}
    assert shown(bed, "hosts_clone", "172.16.%")[0].strip() == "REQUIRE X509"


RICH = (
    "GRANT CREATE TEMPORARY TABLES, LOCK TABLES ON `sh%`.* TO {0}",
    "GRANT SELECT (id, customer), UPDATE (amount_cents) ON shop.orders TO {0} WITH GRANT OPTION",
    "GRANT EXECUTE ON FUNCTION shop.rotation_answer TO {0}",
    "GRANT PROCESS ON *.* TO {0}",
    "GRANT rotation_reader TO {0} WITH ADMIN OPTION",
    "GRANT rotation_writer TO {0}",
    "SET DEFAULT ROLE rotation_writer FOR {0}",
    "GRANT PROXY ON 'somebody'@'%' TO {0}",
    "ALTER USER {0} WITH MAX_QUERIES_PER_HOUR 7000 MAX_STATEMENT_TIME 2.5 PASSWORD EXPIRE INTERVAL 90 DAY",
)
POOR = (
    "SET DEFAULT ROLE NONE FOR {0}",
    "REVOKE ALL PRIVILEGES, GRANT OPTION FROM {0}",  # roles too
    "REVOKE PROXY ON 'somebody'@'%' FROM {0}",
    "ALTER USER {0} REQUIRE SSL WITH MAX_QUERIES_PER_HOUR 0 MAX_STATEMENT_TIME 0 PASSWORD EXPIRE DEFAULT",
    "GRANT SELECT ON shop.orders TO {0}",
)


def test_both_directions(bed: Bed) -> None:
    """What the model gained the twin gains, what it lost it loses: columns, routines, roles, proxies, limits, TLS, expiry."""
    bed.execute("CREATE ROLE IF NOT EXISTS rotation_writer")
    bed.execute("CREATE OR REPLACE FUNCTION shop.rotation_answer() RETURNS INT RETURN 42")
    user = named(bed, "alternating", "rich")
    user.rotate(2)
    plain = shown(bed, "rich")
    for statement in RICH:
        bed.execute(statement.format("'rich'@'%'"))
    user.rotate()
    assert shown(bed, "rich_clone") == shown(bed, "rich") != plain
    # The users change places: now the clone is the model, and loses everything.
    for statement in POOR:
        bed.execute(statement.format("'rich_clone'@'%'"))
    user.rotate()
    assert shown(bed, "rich") == shown(bed, "rich_clone")
    assert "REQUIRE SSL" in shown(bed, "rich")[0]
    assert len(shown(bed, "rich")[1]) == 1


def test_a_requirement_that_our_login_cannot_meet(bed: Bed) -> None:
    """A twin that needs a client's certificate is made equal, and refused by testSecret: it is not promoted unproven."""
    user = named(bed, "alternating", "strict")
    user.rotate()
    bed.execute("ALTER USER strict_clone@'%' REQUIRE ISSUER '/O=it''s'")
    with pytest.raises(RotationError, match="access-denied"):
        user.drive(user.begin(), attempts=1)
    assert shown(bed, "strict")[0] == shown(bed, "strict_clone")[0]
    assert json.loads(bed.amazon.service.value(user.secret))["username"] == "strict_clone"


def test_a_default_role_by_a_rotator_without_the_right(bed: Bed) -> None:
    """Only who may write to mysql.* sets another user's default role; the twin sets its own instead."""
    bed.execute("CREATE OR REPLACE USER modest_rotator@'%' IDENTIFIED BY 'rotates'")
    for grant in ("CREATE USER ON *.*", "SELECT ON mysql.*"):
        bed.execute(f"GRANT {grant} TO modest_rotator@'%'")
    bed.execute("GRANT SELECT ON shop.orders TO modest_rotator@'%' WITH GRANT OPTION")
    bed.execute("GRANT rotation_reader TO modest_rotator@'%' WITH ADMIN OPTION")
    master = {"username": "modest_rotator", "password": "rotates", "host": HOST}
    arn = bed.client.create_secret(Name="rotator-without", SecretString=json.dumps(master))["ARN"]
    user = named(bed, "alternating", "modest", masterarn=arn)
    bed.execute("GRANT rotation_reader TO modest@'%'")
    bed.execute("SET DEFAULT ROLE rotation_reader FOR modest@'%'")
    user.rotate()
    assert shown(bed, "modest_clone") == shown(bed, "modest")
    assert "SET DEFAULT ROLE `rotation_reader` FOR `U`@`%`" in shown(bed, "modest_clone")[1]


@pytest.mark.parametrize(
    ("extra", "grant"),
    [
        ("CREATE VIEW ON shop.*", "GRANT CREATE VIEW ON `shop`.* TO 'lacking'@'%' WITH GRANT OPTION;"),
        ("rotation_reader", "GRANT `rotation_reader` TO 'lacking'@'%' WITH ADMIN OPTION;"),
    ],
)
def test_a_rotator_that_lacks_a_privilege(bed: Bed, extra: str, grant: str) -> None:
    """The hint is the exact statement that whoever administers the database has to run."""
    bed.execute("CREATE OR REPLACE USER lacking@'%' IDENTIFIED BY 'rotates'")
    for given in ("CREATE USER ON *.*", "SELECT ON mysql.*"):
        bed.execute(f"GRANT {given} TO lacking@'%'")
    bed.execute("GRANT SELECT ON shop.orders TO lacking@'%' WITH GRANT OPTION")
    master = {"username": "lacking", "password": "rotates", "host": HOST}
    arn = bed.client.create_secret(Name=f"rotator-lacking-{len(extra)}", SecretString=json.dumps(master))["ARN"]
    user = named(bed, "alternating", "wanting", masterarn=arn)
    bed.execute(f"GRANT {extra} TO wanting@'%'")
    rotation = user.begin()
    with pytest.raises(RotationError) as caught:
        user.drive(rotation, attempts=1)
    assert (caught.value.code, caught.value.hint) == ("privilege-missing", grant)
    bed.execute(grant.rstrip(";"))
    user.drive(rotation)
    assert user.works(-1)


@pytest.mark.parametrize("grant", ["GRANT DELETE ON shop.orders TO popular_clone@'%'", "GRANT USAGE ON *.* TO popular_clone@'%'"])
def test_a_stranger_is_not_taken_for_the_twin(bed: Bed, grant: str) -> None:
    """A user of the twin's name that may do more, or less, is left as it is, unless the secret calls it the twin."""
    user = named(bed, "alternating", "popular")
    bed.execute("CREATE USER popular_clone@'%' IDENTIFIED BY 'somebody else'")
    bed.execute(grant)
    before = shown(bed, "popular_clone")
    assert user.drop_previous() == "nothing to do"
    with pytest.raises(RotationError, match="twin-taken"):
        user.drive(user.begin(), attempts=1)
    assert shown(bed, "popular_clone") == before
    user.login(("popular_clone", "somebody else"))


def test_a_first_rotation_that_was_called_off(bed: Bed) -> None:
    """It left a twin that is equal to its model, which the next rotation takes."""
    user = named(bed, "alternating", "hesitant")
    abandoned = user.begin()
    user.step(abandoned, "createSecret")
    user.step(abandoned, "setSecret")
    bed.client.update_secret_version_stage(SecretId=user.secret, VersionStage="AWSPENDING", RemoveFromVersionId=abandoned.token)
    user.rotate()
    assert [user.works(-1), user.works(-2)] == [True, True]


def test_a_twin_of_another_name(bed: Bed) -> None:
    """The secret may name the twin; after each rotation it names the other one."""
    bed.execute("DROP USER IF EXISTS second@'%'")
    user = named(bed, "alternating", "first", twin="second")
    user.rotate(3)
    names = [(value["username"], value["twin"]) for value in map(json.loads, user.values)]
    assert names == [("first", "second"), ("second", "first"), ("first", "second"), ("second", "first")]
    assert user.works(-1)
    assert user.works(-2)


def test_a_model_that_is_locked(bed: Bed) -> None:
    """Who locked the user of AWSCURRENT didn't mean to have an unlocked one beside it."""
    user = named(bed, "alternating", "closed")
    bed.execute("ALTER USER closed@'%' ACCOUNT LOCK")
    with pytest.raises(RotationError, match="account-unusable"):
        user.drive(user.begin(), attempts=1)
    assert not bed.execute("SELECT 1 FROM mysql.user WHERE user = 'closed_clone'")


CHANGES = [
    ("GRANT INSERT ON shop.orders TO moving_clone@'%'", "grants"),
    ("ALTER USER moving_clone@'%' WITH MAX_QUERIES_PER_HOUR 5000", "properties"),
    ("ALTER USER moving_clone@'%' ACCOUNT LOCK", "properties"),
    ("DROP USER moving_clone@'%'", "host entry"),
]


@pytest.mark.parametrize(("change", "what"), CHANGES)
def test_what_changes_between_set_and_test(bed: Bed, change: str, what: str) -> None:
    """The third step compares again; running the second again makes them equal."""
    user = named(bed, "alternating", "moving")
    user.rotate(2)
    rotation = user.begin()
    user.step(rotation, "createSecret")
    user.step(rotation, "setSecret")
    bed.execute(change)
    with pytest.raises(RotationError, match=f"privileges-differ: {what}"):
        user.step(rotation, "testSecret")
    user.drive(rotation)
    assert shown(bed, "moving") == shown(bed, "moving_clone")
    assert user.works(-1)
