"""One count: how often it is tried, and what an error means."""

from __future__ import annotations

import pytest
from pymysql.err import InterfaceError, MySQLError, OperationalError, ProgrammingError
from tests.unit.records.doubles import ScriptedSource

from vaultgate.errors import Unreachable
from vaultgate_ops.records.counting import Counted, count, meaning, number

DENIED = (1044, 1045, 1142, 1143, 1227)
GONE = (2006, 2013, 2055, 1053, 1927, 4031)
ABSENT = (2002, 2003, 2005, 1040, 1203, 1226)


def test_the_rows_of_the_quoted_table_are_counted() -> None:
    """Once, with whoever's credential."""
    source = ScriptedSource(42)
    assert count(source, "or$ders") == Counted(42, "v-user-1", 600, repeated=False)
    assert source.statements == ["SELECT COUNT(*) FROM `or$ders`"]


@pytest.mark.parametrize("code", DENIED + GONE)
def test_a_revoked_user_or_a_lost_connection_is_tried_once_more_on_another(code: int) -> None:
    """The first block ends with the error, so that its lender can look into it; the second is lent anew."""
    lost = OperationalError(code, "words")
    source = ScriptedSource(lost, 42)
    assert count(source, "orders") == Counted(42, "v-user-2", 599, repeated=True)
    assert source.raised == [lost, None]


def test_a_connection_closed_under_us_is_tried_once_more() -> None:
    """PyMySQL has no number for that."""
    assert count(ScriptedSource(InterfaceError(0, ""), 42), "orders").repeated


def test_there_is_no_third_attempt() -> None:
    """What fails twice stands, as the second time said it."""
    source = ScriptedSource(OperationalError(2013, "first"), OperationalError(1142, "second"), 42)
    with pytest.raises(OperationalError, match="second"):
        count(source, "orders")


@pytest.mark.parametrize("error", [*(OperationalError(code, "") for code in ABSENT), ProgrammingError(1146, "")])
def test_what_a_second_attempt_cannot_change_is_not_tried_again(error: MySQLError) -> None:
    """A database that isn't there would cost its time-out twice; a table doesn't appear."""
    source = ScriptedSource(error, 42)
    with pytest.raises(type(error)):
        count(source, "orders")


def test_a_refused_login_is_tried_once_more() -> None:
    """The user may have been dropped between its making and our coming."""
    assert count(ScriptedSource([OperationalError(1045, "")], 42), "orders").rows == 42


def test_without_a_credential_nothing_is_tried() -> None:
    """Waiting is the extension's business."""
    source = ScriptedSource([Unreachable("Vault does not answer")], 42)
    with pytest.raises(Unreachable):
        count(source, "orders")


@pytest.mark.parametrize(
    ("codes", "status", "reason"),
    [
        (ABSENT + GONE, 503, "database-unreachable"),
        ((1045,), 500, "access-denied"),
        ((1044, 1142, 1143, 1227), 500, "no-grant"),
        ((1146, 1051), 500, "unknown-table"),
        ((1049,), 500, "unknown-database"),
        ((1064, 3, 0), 500, "database-error"),
    ],
)
def test_every_error_has_a_status_and_a_reason(codes: tuple[int, ...], status: int, reason: str) -> None:
    """503 for what passes by itself, 500 for what somebody must mend."""
    for code in codes:
        failure = meaning(OperationalError(code, "SELECT secret FROM inside"))
        assert (failure.status, failure.reason) == (status, reason)
        assert "inside" not in failure.message


def test_a_lost_interface_is_an_absent_database() -> None:
    """It has no number."""
    assert meaning(InterfaceError(0, "")).reason == "database-unreachable"


@pytest.mark.parametrize(("error", "expected"), [(OperationalError(1142, "x"), 1142), (MySQLError(), 0), (MySQLError("x"), 0)])
def test_an_errors_number_is_its_first_argument(error: MySQLError, expected: int) -> None:
    """Where it has one."""
    assert number(error) == expected
