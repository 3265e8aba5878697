"""Who can log in when: the table of docs/rotation.md, tried on a real server.

N is the newest value, N-1 the one before, N-2 the one before that; `y` works, `-` is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pymysql
import pytest
from tests.rotation.bed import GRACE_S

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


def test_an_emergency_while_the_older_sessions_are_all_there_may_be(bed: Bed) -> None:
    """Whoever holds every connection that the user may have doesn't keep the older password alive by that."""
    user = bed.user("dual")
    user.rotate()
    bed.execute("ALTER USER %s@'%%' WITH MAX_USER_CONNECTIONS 1", user.name)
    with user.session(-2):
        with pytest.raises(RotationError, match="too-many-connections"):
            user.drop_previous()
        assert not user.works(-2)
    assert user.drop_previous() == "nothing to do"
    assert user.works(-1)
