"""The settings as people see them."""

from __future__ import annotations

from vaultgate.settings import SETTINGS
from vaultgate_ops import settings
from vaultgate_ops.local.paths import checkout


def test_the_documentation_is_what_the_code_says() -> None:
    """docs/configuration.md is `make docs`' output; a setting that was added without it fails here."""
    assert (checkout() / "docs" / "configuration.md").read_text(encoding="utf-8") == settings.markdown()


def test_every_setting_is_shown_with_its_origin() -> None:
    """What the environment sets is told from what is a default, and problems come along."""
    rows, problems = settings.effective({"VAULT_ADDR": "https://vault.example.com", "VAULTGATE_GARD": "open"})
    assert [row.name for row in rows] == [setting.name for setting in SETTINGS]
    shown = {row.name: (row.value, row.origin) for row in rows}
    assert shown["VAULT_ADDR"] == ("https://vault.example.com", "environment")
    assert shown["VAULTGATE_LISTEN"] == ("127.0.0.1:8200", "default")
    assert any("VAULTGATE_GUARD" in problem for problem in problems)
    assert any("VAULT_AUTH_ROLE" in problem for problem in problems)


def test_each_files_settings_are_shown() -> None:
    """A name with an ending of one's own has a row beside the bare one; the default of the start follows from it."""
    needed = {"VAULT_ADDR": "https://vault.example.com", "VAULT_AUTH_ROLE": "app"}
    rows, problems = settings.effective(
        needed | {"VAULT_SECRET_PATH_DB": "a/b", "VAULT_SECRET_FILE_DB": "/srv/db", "VAULTGATE_FILE_DB_MODE": "0640"}
    )
    shown = {row.name: (row.value, row.origin) for row in rows}
    assert problems == []
    assert shown["VAULT_SECRET_PATH_DB"] == ("a/b", "environment")
    assert shown["VAULTGATE_FILE_DB_MODE"] == ("0640", "environment")
    assert shown["VAULTGATE_FILE_MODE"] == ("0600", "default")
    assert shown["VAULTGATE_START"] == ("ready", "default")


def test_a_secret_setting_is_not_shown() -> None:
    """That it is set is said, what it says is not."""
    approle = {"VAULTGATE_AUTH_METHOD": "approle", "VAULTGATE_APPROLE_ROLE_ID": "a", "VAULTGATE_APPROLE_SECRET_ID": "planted"}
    rows, problems = settings.effective({"VAULT_ADDR": "https://vault.example.com"} | approle)
    shown = {row.name: (row.value, row.origin) for row in rows}
    assert problems == []
    assert shown["VAULTGATE_APPROLE_SECRET_ID"] == ("***", "environment")
    assert shown["VAULTGATE_APPROLE_ROLE_ID"] == ("a", "environment")
    assert shown["VAULT_AUTH_PROVIDER"] == ("approle", "default")


def test_a_good_environment_has_no_problems() -> None:
    """Two variables are enough."""
    assert settings.effective({"VAULT_ADDR": "https://vault.example.com", "VAULT_AUTH_ROLE": "app"})[1] == []
