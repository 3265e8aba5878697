"""The function's variables: checked all at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from vaultgate.errors import ConfigurationError
from vaultgate_ops.records.settings import Settings, load

if TYPE_CHECKING:
    from pathlib import Path

LEAST = {"RECORDS_TABLE": "orders", "RDS_HOST": "db.internal", "RDS_DB_NAME": "shop"}
SOURCES = ("vault", "env")


def problems(**environ: str) -> tuple[str, ...]:
    """What is wrong with the least settings after these changes."""
    with pytest.raises(ConfigurationError) as caught:
        load({**LEAST, **environ}, SOURCES)
    return caught.value.problems


def test_three_settings_are_enough() -> None:
    """The rest has defaults."""
    assert load(LEAST, SOURCES) == Settings("vault", "database/creds/records", "orders", "db.internal", 3306, "shop", None)


def test_all_settings_are_read(tmp_path: Path) -> None:
    """Blanks around them don't count."""
    bundle = tmp_path / "rds.pem"
    bundle.touch()
    more = {"CREDENTIAL_SOURCE": " env ", "RECORDS_SECRET_PATH": "p", "RDS_PORT": "13306", "RDS_CA_BUNDLE": str(bundle)}
    assert load({**LEAST, **more}, SOURCES) == Settings("env", "p", "orders", "db.internal", 13306, "shop", str(bundle))


def test_every_problem_is_told_at_once() -> None:
    """One deployment is enough to mend them all."""
    with pytest.raises(ConfigurationError) as caught:
        load({"RDS_PORT": "0", "RDS_HOST": " "}, SOURCES)
    names = [problem.partition("=")[0].partition(" ")[0] for problem in caught.value.problems]
    assert sorted(names) == ["RDS_DB_NAME", "RDS_HOST", "RDS_PORT", "RECORDS_TABLE"]


def test_an_unknown_source_is_told_the_known_ones() -> None:
    """One problem, not one for each thing that depends on it."""
    assert problems(CREDENTIAL_SOURCE="valut") == ("CREDENTIAL_SOURCE='valut' must be one of: env, vault",)


@pytest.mark.parametrize("table", ["or`ders", "shop.orders", "orders;", "or ders", "a" * 65, "órders", "orders\n--"])
def test_a_table_must_be_a_plain_identifier(table: str) -> None:
    """It stands in a statement."""
    (problem,) = problems(RECORDS_TABLE=table)
    assert problem.startswith(f"RECORDS_TABLE={table!r} is not a table's name")


@pytest.mark.parametrize("port", ["0", "65536", "-1", "3306x", "٣٣٠٦", "1e3"])
def test_a_port_must_be_one(port: str) -> None:
    """In plain digits."""
    assert problems(RDS_PORT=port) == (f"RDS_PORT={port!r} is not a port between 1 and 65535",)


def test_a_bundle_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Before a connection fails over it."""
    assert problems(RDS_CA_BUNDLE=str(tmp_path)) == (f"RDS_CA_BUNDLE={str(tmp_path)!r} is not a file",)
