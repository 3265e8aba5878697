"""Who can log in when: the table of docs/rotation.md, tried on a real server.

N is the newest value, N-1 the one before, N-2 the one before that; `y` works, `-` is refused.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

import pymysql
import pytest
from tests.rotation.bed import GRACE_S, login_of

from vaultgate_ops.local.database import HOST
from vaultgate_ops.rotation.errors import RotationError

if TYPE_CHECKING:
    from tests.rotation.bed import Bed, User

pytestmark = pytest.mark.stack

#              strategy       when                            AWSCURRENT  N-1  N-2
TABLE = """
               dual           before                          y           y    -
               dual           createSecret                    y           y    -
               dual           setSecret                       y           -    -
               dual           testSecret                      y           -    -
               dual           finishSecret                    y           y    -
               dual           grace                           y           -    -
               alternating    before                          y           y    -
               alternating    createSecret                    y           y    -
               alternating    setSecret                       y           -    -
               alternating    testSecret                      y           -    -
               alternating    finishSecret                    y           y    -
               alternating    grace                           y           -    -
               single         before                          y           -    -
               single         createSecret                    y           -    -
               single         setSecret                       -           -    -
               single         testSecret                      -           -    -
               single         finishSecret                    y           -    -
               single         grace                           y           -    -
"""
ROWS = [line.split() for line in TABLE.strip().splitlines()]


def seen(user: User, newest: int = -1) -> list[str]:
    """The row's last columns."""
    return ["y" if user.works(newest - back) else "-" for back in range(3)]


@pytest.mark.parametrize("strategy", ["dual", "alternating", "single"])
def test_the_table(bed: Bed, strategy: str) -> None:
    """Each row holds, and the pending value works from setSecret on."""
    user = bed.user(strategy)
    user.rotate(3)
    found = [["before", *seen(user)]]
    assignment = user.begin()
    for step in ("createSecret", "setSecret", "testSecret"):
        user.step(assignment, step)
        found.append([step, *seen(user)])
        assert user.admits_pending() is (step != "createSecret")
    user.drive(assignment)
    found.append(["finishSecret", *seen(user)])
    if strategy != "single":
        assert user.sweep() == "too early"
        bed.clock.advance(GRACE_S)
        assert user.sweep() == "swept"
    found.append(["grace", *seen(user)])
    assert found == [row for name, *row in ROWS if name == strategy]


def test_dropping_the_previous_value_ends_it_and_its_sessions(bed: Bed) -> None:
    """At once, whatever the grace; the current value goes on."""
    user = bed.user("dual")
    user.rotate()
    with user.session(-2) as old:
        assert user.drop_previous() == "swept"
        with pytest.raises(pymysql.MySQLError):
            old.ping(reconnect=False)
    assert [user.works(-1), user.works(-2)] == [True, False]
    assert user.drop_previous() == "nothing to do"


@pytest.mark.parametrize("strategy", ["dual", "alternating"])
def test_an_emergency_while_the_older_sessions_are_all_there_may_be(bed: Bed, strategy: str) -> None:
    """Whoever holds every connection that the user may have keeps neither the older password alive by that nor the sessions."""
    user = bed.user(strategy)
    user.rotate()
    bed.execute("ALTER USER %s@'%%' WITH MAX_USER_CONNECTIONS 1", login_of(user.values[-2])[0])
    with user.session(-2) as old:
        assert user.drop_previous() == "swept"
        with pytest.raises(pymysql.MySQLError):
            old.ping(reconnect=False)
    assert [user.works(-1), user.works(-2)] == [True, False]


def test_an_emergency_while_the_user_may_not_come_in_and_has_no_sessions(bed: Bed) -> None:
    """Its connections of this hour are used up: a rotator that sees all sessions finds that there is none to end."""
    user = bed.user("dual")
    user.rotate()
    bed.execute("ALTER USER %s@'%%' WITH MAX_CONNECTIONS_PER_HOUR 1", user.name)
    assert user.drop_previous() == "swept"
    bed.execute("ALTER USER %s@'%%' WITH MAX_CONNECTIONS_PER_HOUR 0", user.name)
    assert [user.works(-1), user.works(-2)] == [True, False]


def test_an_emergency_with_a_rotator_that_may_end_nobodys_sessions(bed: Bed) -> None:
    """The older password ends all the same; the exact grant is in the hint, and with it the next attempt ends the sessions."""
    bed.execute("CREATE OR REPLACE USER weak@'%' IDENTIFIED BY 'rotates'")
    bed.execute("GRANT CREATE USER ON *.* TO weak@'%'")
    bed.execute("GRANT SELECT ON mysql.* TO weak@'%'")
    master = json.dumps({"username": "weak", "password": "rotates", "host": HOST})
    user = bed.user("dual", masterarn=bed.client.create_secret(Name=f"weak-{uuid.uuid4()}", SecretString=master)["ARN"])
    user.rotate()
    bed.execute("ALTER USER %s@'%%' WITH MAX_USER_CONNECTIONS 1", user.name)
    with user.session(-2) as old:
        with pytest.raises(RotationError, match="sessions-remain") as caught:
            user.drop_previous()
        assert not user.works(-2)
        old.ping(reconnect=False)
        statement = caught.value.hint.rpartition(": ")[2]
        assert statement == "GRANT PROCESS, CONNECTION ADMIN ON *.* TO 'weak'@'%';"
        bed.execute(statement)
        assert user.drop_previous() == "nothing to do"
        with pytest.raises(pymysql.MySQLError):
            old.ping(reconnect=False)
    bed.execute("DROP USER weak@'%'")
