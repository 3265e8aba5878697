"""Two passwords on one account of a real server, whatever the account was before."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from pymysql.err import MySQLError, OperationalError
from tests.rotation.bed import login_of

from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.mysql.hashes import native

if TYPE_CHECKING:
    from tests.rotation.bed import Bed

pytestmark = pytest.mark.stack


def account(bed: Bed, name: str) -> str:
    """SHOW CREATE USER."""
    return str(bed.execute("SHOW CREATE USER %s@'%%'", name)[0][0])


def test_our_hash_is_the_servers(bed: Bed) -> None:
    """Also of letters beyond ASCII, which travel as UTF-8."""
    for password in ("plain", "Zoë ☃ Müller", "'\\\"`%s"):
        assert bed.execute("SELECT PASSWORD(%s)", password) == [(native(password),)]


def test_a_first_password_beyond_ascii(bed: Bed) -> None:
    """A password that a person chose logs in and is rotated away."""
    user = bed.user("dual")
    bed.execute("ALTER USER %s@'%%' IDENTIFIED BY 'Müller ☃'", user.name)
    bed.client.put_secret_value(
        SecretId=user.secret, SecretString=json.dumps({**json.loads(user.values[0]), "password": "Müller ☃"})
    )
    user.rotate(2)
    assert user.works(-1)


def test_ways_without_a_password_stay(bed: Bed) -> None:
    """Who may come in by the socket still may; only passwords are exchanged."""
    user = bed.user("dual")
    stored = native(login_of(user.values[0])[1])
    bed.execute(f"ALTER USER '{user.name}'@'%' IDENTIFIED VIA unix_socket OR mysql_native_password USING '{stored}'")
    user.rotate(2)
    assert account(bed, user.name).count(" OR ") == 2
    assert "unix_socket" in account(bed, user.name)
    assert [user.works(place) for place in (-1, -2)] == [True, True]
    with pytest.raises(OperationalError):  # in the socket's words, no longer the password's
        user.login(login_of(user.values[-3]))


def test_a_password_that_cant_be_written_here(bed: Bed) -> None:
    """An ed25519 key isn't replaced by a weaker hash behind anyone's back: the rotation ends before anything is changed."""
    user = bed.user("dual")
    with bed.plugin("auth_ed25519"):
        bed.execute(f"ALTER USER '{user.name}'@'%' IDENTIFIED VIA ed25519 USING PASSWORD('chosen')")
        before = account(bed, user.name)
        with pytest.raises(RotationError, match=r"strategy-unfit.*ed25519"):
            user.drive(user.begin(), attempts=1)
        assert account(bed, user.name) == before
        bed.execute(f"DROP USER '{user.name}'@'%'")


def test_somebody_changed_it_by_hand(bed: Bed) -> None:
    """The server takes none of the passwords: after a second look, when reads can't be late any more, both are set."""
    user = bed.user("dual")
    user.rotate()
    for (host,) in bed.execute("SELECT host FROM mysql.user WHERE user = %s", user.name):
        bed.execute("ALTER USER %s@%s IDENTIFIED BY 'by hand'", user.name, host)
    before = bed.clock.steady()
    user.rotate()
    assert bed.clock.steady() - before >= 5
    assert [user.works(place) for place in (-1, -2, -3)] == [True, True, False]


def test_a_pending_password_of_a_rotation_that_was_called_off(bed: Bed) -> None:
    """It is gone with the next rotation."""
    user = bed.user("dual")
    abandoned = user.begin()
    user.step(abandoned, "createSecret")
    user.step(abandoned, "setSecret")
    stray = bed.amazon.service.value(user.secret, "AWSPENDING")
    bed.client.update_secret_version_stage(SecretId=user.secret, VersionStage="AWSPENDING", RemoveFromVersionId=abandoned.token)
    user.rotate()
    user.values.append(stray)
    assert [user.works(place) for place in (0, 1, 2)] == [True, True, False]


def test_only_the_idle_twins_sessions_end(bed: Bed) -> None:
    """With two users, sessions of the current one go on."""
    user = bed.user("alternating")
    user.rotate()
    with user.session(-2) as older, user.session(-1) as current:
        assert user.drop_previous() == "swept"
        with pytest.raises(MySQLError):
            older.ping(reconnect=False)
        with current.cursor() as cursor:
            cursor.execute("SELECT 1")
    assert [user.works(place) for place in (-1, -2)] == [True, False]
    user.rotate()
    assert [user.works(place) for place in (-1, -2)] == [True, True]


def test_a_user_with_two_passwords_is_no_single_one(bed: Bed) -> None:
    """SET PASSWORD would change the first and leave the other valid for ever: refused, and both go on as they were."""
    user = bed.user("dual")
    user.rotate()
    alone = json.loads(user.values[-1]) | {"strategy": "single"}
    bed.client.put_secret_value(SecretId=user.secret, SecretString=json.dumps(alone), VersionStages=["AWSCURRENT", "AWSPENDING"])
    with pytest.raises(RotationError, match=r"strategy-unfit.*more than one password"):
        user.drive(user.begin(), attempts=1)
    assert [user.works(place) for place in (-1, -2)] == [True, True]


def test_nothing_is_taken_back_during_a_rotation(bed: Bed) -> None:
    """Nor in an emergency: finish or repair the rotation first."""
    user = bed.user("dual")
    user.rotate()
    user.begin()
    with pytest.raises(RotationError, match="rotation-unfinished"):
        user.drop_previous()
    assert user.works(-2)


def test_the_current_password_must_work_before_the_older_is_taken_back(bed: Bed) -> None:
    """Or clients would be left without any."""
    user = bed.user("dual")
    user.rotate()
    older = native(login_of(user.values[-2])[1])
    bed.execute(f"ALTER USER '{user.name}'@'%' IDENTIFIED BY PASSWORD '{older}'")
    with pytest.raises(RotationError, match="access-denied"):
        user.drop_previous()
    assert user.works(-2)
