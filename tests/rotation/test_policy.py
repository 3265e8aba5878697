"""A server with a password policy: hashes are refused, and so are values that don't satisfy it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from vaultgate_ops.rotation.errors import RotationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.rotation.bed import Bed

pytestmark = pytest.mark.stack


@pytest.fixture
def policy(bed: Bed) -> Iterator[None]:
    """MariaDB's simple_password_check; with strict_password_validation, its default, hashes can't be checked and are refused."""
    with bed.plugin("simple_password_check"):
        yield


@pytest.mark.parametrize("strategy", ["dual", "alternating", "single"])
def test_hashes_are_refused(bed: Bed, policy: None, strategy: str) -> None:
    """A password isn't sent in clear unasked; the hint has both ways out, and AWSCURRENT goes on."""
    user = bed.user(strategy)
    with pytest.raises(RotationError) as caught:
        user.drive(user.begin(), attempts=1)
    assert caught.value.code == "hashes-refused"
    assert "strict_password_validation" in caught.value.hint
    assert '"cleartext": true' in caught.value.hint
    assert user.works(0)


@pytest.mark.parametrize("strategy", ["dual", "alternating", "single"])
def test_sealed_passwords_satisfy_it(bed: Bed, policy: None, strategy: str) -> None:
    """Where the secret allows it, the password itself is judged by the policy, and is in no log all the same."""
    user = bed.user(strategy, cleartext=True)
    bed.execute("SET GLOBAL log_output = 'TABLE', GLOBAL general_log = ON")
    try:
        user.rotate(2)
    finally:
        bed.execute("SET GLOBAL general_log = OFF, GLOBAL log_output = DEFAULT")
    assert user.works(-1)
    assert user.works(-2) is (strategy != "single")
    logged = "\n".join(str(row[0]) for row in bed.execute("SELECT argument FROM mysql.general_log"))
    bed.execute("TRUNCATE mysql.general_log")
    assert "GET_LOCK" in logged
    assert not [value for value in user.values if json.loads(value)["password"] in logged]


@pytest.mark.parametrize("strategy", ["dual", "alternating", "single"])
def test_a_refused_value_is_replaced(bed: Bed, policy: None, strategy: str) -> None:
    """A value that the policy will never take is taken back, so that the next rotation draws another; AWSCURRENT goes on."""
    user = bed.user(strategy, cleartext=True)
    bed.execute("SET GLOBAL simple_password_check_minimal_length = 100")
    rotation = user.begin()
    try:
        with pytest.raises(RotationError, match="password-policy"):
            user.drive(rotation, attempts=1)
    finally:
        bed.execute("SET GLOBAL simple_password_check_minimal_length = 8")
    assert set(bed.amazon.service.stages(user.secret)) == {"AWSCURRENT"}
    with pytest.raises(RotationError, match=r"token-unknown|token-not-pending"):
        user.drive(rotation, attempts=1)
    assert user.works(0)
    user.rotate()
    assert user.works(-1)


def test_a_policy_on_reuse(bed: Bed) -> None:
    """Alternating sends each password once, however often its step is run; dual would have to repeat the current one."""
    with bed.plugin("password_reuse_check"):
        user = bed.user("alternating", cleartext=True)
        rotation = user.begin()
        user.step(rotation, "createSecret")
        user.step(rotation, "setSecret")
        bed.execute(f"ALTER USER '{user.name}_clone'@'%' WITH MAX_QUERIES_PER_HOUR 5000")
        user.drive(rotation)
        assert user.works(-1)
        repeated = bed.user("dual", cleartext=True)
        rotation = repeated.begin()
        with pytest.raises(RotationError, match="password-policy"):
            repeated.drive(rotation, attempts=1)
