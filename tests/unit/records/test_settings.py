"""The function's variables: checked all at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from vaultgate.errors import ConfigurationError
from vaultgate_ops.records.settings import Settings, load

if TYPE_CHECKING:
    from pathlib import Path

LEAST = {"RECORDS_TABLE": "orders", "RDS_HOST": "db.internal", "RDS_DB_NAME": "shop"}
SOURCES = ("vault", "vault-kv", "secretsmanager", "env")


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
    more = {"CREDENTIAL_SOURCE": " vault ", "RECORDS_SECRET_PATH": "p", "RDS_PORT": "13306", "RDS_CA_BUNDLE": str(bundle)}
    assert load({**LEAST, **more}, SOURCES) == Settings("vault", "p", "orders", "db.internal", 13306, "shop", str(bundle))
    aws = {"CREDENTIAL_SOURCE": "secretsmanager", "SECRET_NAME": " app ", "RDS_USERNAME": "reader"}
    there = Settings("secretsmanager", "", "orders", "db.internal", 3306, "shop", None, "app", "reader")
    assert load({**LEAST, **aws}, SOURCES) == there


def test_each_source_of_vaults_has_a_path_of_its_own() -> None:
    """Named by RECORDS_SECRET_PATH where it is another."""
    assert load({**LEAST, "CREDENTIAL_SOURCE": "vault-kv"}, SOURCES).secret_path == "secret/data/records"


def test_a_password_of_the_environment_keeps_its_blanks_and_does_not_show() -> None:
    """It is a secret from the first line on."""
    settings = load({**LEAST, "CREDENTIAL_SOURCE": "env", "RDS_USERNAME": "reader", "RDS_PASSWORD": " planted "}, SOURCES)
    assert settings.password is not None
    assert settings.password.reveal() == " planted "
    assert "planted" not in repr(settings)


def test_a_source_names_what_it_needs() -> None:
    """All of it, beside everything else that is wrong."""
    assert problems(CREDENTIAL_SOURCE="env", RDS_PORT="0") == (
        "RDS_PORT='0' is not a port between 1 and 65535",
        "RDS_USERNAME is missing; CREDENTIAL_SOURCE=env needs it",
        "RDS_PASSWORD is missing; CREDENTIAL_SOURCE=env needs it",
    )
    assert problems(CREDENTIAL_SOURCE="secretsmanager") == ("SECRET_NAME is missing; CREDENTIAL_SOURCE=secretsmanager needs it",)


def test_every_problem_is_told_at_once() -> None:
    """One deployment is enough to mend them all."""
    with pytest.raises(ConfigurationError) as caught:
        load({"RDS_PORT": "0", "RDS_HOST": " "}, SOURCES)
    names = [problem.partition("=")[0].partition(" ")[0] for problem in caught.value.problems]
    assert sorted(names) == ["RDS_DB_NAME", "RDS_HOST", "RDS_PORT", "RECORDS_TABLE"]


def test_an_unknown_source_is_told_the_known_ones() -> None:
    """One problem, not one for each thing that depends on it."""
    known = "env, secretsmanager, vault, vault-kv"
    assert problems(CREDENTIAL_SOURCE="valut") == (f"CREDENTIAL_SOURCE='valut' must be one of: {known}",)


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
