"""A login by AppRole, in the simulator and in HashiCorp's Vault: what is shown, where it is read, what a refusal means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.contract.conftest import APPROLE, document

from vaultgate.errors import LoginRefused, NoCredentials

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contract.conftest import Caller

WRAPPING = "VAULTGATE_APPROLE_WRAPPING_PATH"


def private(path: Path, text: str) -> str:
    """Write a file that its owner alone may read; its path."""
    path.touch(0o600)
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.fixture
def files(caller: Caller, tmp_path: Path) -> dict[str, str]:
    """Settings that name a file with the role_id, and one with a secret_id of its own."""
    return {
        "VAULTGATE_APPROLE_ROLE_ID_FILE": private(tmp_path / "role-id", caller.role_id()),
        "VAULTGATE_APPROLE_SECRET_ID_FILE": private(tmp_path / "secret-id", f"{caller.secret_id()}\n"),
    }


def test_login_from_files(caller: Caller, files: dict[str, str]) -> None:
    """Two files are enough: the token is like any other of ours, and a line's end in a file doesn't count."""
    token = caller.approle(**files).login(caller.deadline)
    assert token.secret.reveal().startswith("hvs.")
    assert (token.lifetime.ttl_s, token.renewable, token.batch) == (3600, True, False)
    found = document(caller.call("GET", "auth/token/lookup-self", None, token.secret))["data"]
    assert found["policies"] == ["records"]


def test_login_from_variables(caller: Caller) -> None:
    """Both ids may stand in the environment."""
    ids = {"VAULTGATE_APPROLE_ROLE_ID": caller.role_id(), "VAULTGATE_APPROLE_SECRET_ID": caller.secret_id()}
    assert caller.approle(**ids).login(caller.deadline).accessor


def test_a_secret_id_that_was_replaced_is_read_again(caller: Caller, files: dict[str, str], tmp_path: Path) -> None:
    """A secret_id that is used up is refused with the fix; whoever writes another one into the file needs no restart."""
    private(tmp_path / "secret-id", caller.secret_id(num_uses=1))
    login = caller.approle(**files)
    login.login(caller.deadline)
    with pytest.raises(LoginRefused, match="invalid role or secret ID") as caught:
        login.login(caller.deadline)
    assert "make a new one" in caught.value.hint
    private(tmp_path / "secret-id", caller.secret_id())
    assert login.login(caller.deadline).accessor


def test_files_may_be_taken_away(caller: Caller, files: dict[str, str], tmp_path: Path) -> None:
    """What was read once is kept: the next login works without the files, as it does in Vault Agent."""
    login = caller.approle(**files)
    login.login(caller.deadline)
    for name in ("role-id", "secret-id"):
        (tmp_path / name).unlink()
    assert login.login(caller.deadline).accessor


@pytest.mark.parametrize(
    ("settings", "said", "hint"),
    [
        ({"VAULTGATE_APPROLE_ROLE_ID_FILE": ""}, "invalid role or secret ID", "role_id is not one of this mount"),
        ({"VAULTGATE_APPROLE_SECRET_ID_FILE": ""}, "missing secret_id", "VAULTGATE_APPROLE_SECRET_ID_FILE"),
        ({"VAULT_AUTH_PROVIDER": "nowhere"}, "permission denied", "VAULT_AUTH_PROVIDER"),
    ],
)
def test_a_wrong_setting_is_named(caller: Caller, files: dict[str, str], settings: dict[str, str], said: str, hint: str) -> None:
    """Each wrong setting has its own words of Vault's, and our hint says what to look at."""
    chosen = files | settings
    if not chosen["VAULTGATE_APPROLE_ROLE_ID_FILE"]:
        chosen["VAULTGATE_APPROLE_ROLE_ID"] = "made-up"
    with pytest.raises(LoginRefused) as caught:
        caller.approle(**chosen).login(caller.deadline)
    assert caught.value.message.partition(": ")[2] == said
    assert hint in caught.value.hint


def test_another_method_at_the_mount_is_told(caller: Caller, files: dict[str, str]) -> None:
    """VAULT_AUTH_PROVIDER names a mount, never a method; a login of the wrong kind says so."""
    with pytest.raises(LoginRefused, match="failed to determine alias name from login request") as caught:
        caller.login(caller.side.keys(), VAULT_AUTH_PROVIDER="approle")
    assert "VAULTGATE_AUTH_METHOD=approle" in caught.value.hint
    with pytest.raises(LoginRefused, match="didn't supply required authentication values") as caught:
        caller.approle(**files, VAULT_AUTH_PROVIDER="aws").login(caller.deadline)
    assert "VAULTGATE_AUTH_METHOD" in caught.value.hint


def test_a_wrapped_secret_id_is_unwrapped_once(caller: Caller, files: dict[str, str], tmp_path: Path) -> None:
    """A file may hold a wrapping token instead; it is used up by the first login, and what was in it serves the next."""
    file = private(tmp_path / "secret-id", caller.wrapped("POST", f"{APPROLE}/secret-id"))
    settings = files | {WRAPPING: f"{APPROLE}/secret-id"}
    login = caller.approle(**settings)
    assert login.login(caller.deadline).name != login.login(caller.deadline).name
    with pytest.raises(LoginRefused, match="not valid") as caught:
        caller.approle(**settings).login(caller.deadline)
    assert "somebody who has the secret_id now" in caught.value.hint
    private(tmp_path / "secret-id", caller.wrapped("POST", f"{APPROLE}/secret-id"))
    assert login.login(caller.deadline).accessor
    assert file == files["VAULTGATE_APPROLE_SECRET_ID_FILE"]


def test_what_was_wrapped_elsewhere_is_not_unwrapped(caller: Caller, files: dict[str, str], tmp_path: Path) -> None:
    """A wrapping token made at another path may have been put there by somebody; it is named, and not used."""
    token = caller.wrapped("GET", "secret/data/records")
    private(tmp_path / "secret-id", token)
    with pytest.raises(LoginRefused, match="made at 'secret/data/records'"):
        caller.approle(**files, **{WRAPPING: f"{APPROLE}/secret-id"}).login(caller.deadline)
    lookup = caller.call("POST", "sys/wrapping/lookup", {"token": token}, None)
    assert document(lookup)["data"]["creation_path"] == "secret/data/records"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_secret_id_that_others_may_read_is_refused(caller: Caller, files: dict[str, str], mode: int, tmp_path: Path) -> None:
    """A file's mode is looked at before its content is used; the fix is a command."""
    (tmp_path / "secret-id").chmod(mode)
    with pytest.raises(NoCredentials, match=f"{mode:04o}") as caught:
        caller.approle(**files).login(caller.deadline)
    assert caught.value.hint == f"chmod 600 {tmp_path / 'secret-id'}"


@pytest.mark.parametrize("content", [None, " \n"])
def test_a_file_without_an_id_is_named(caller: Caller, files: dict[str, str], content: str | None, tmp_path: Path) -> None:
    """A missing file, and an empty one, are named."""
    (tmp_path / "role-id").unlink()
    if content is not None:
        private(tmp_path / "role-id", content)
    with pytest.raises(NoCredentials, match="role-id"):
        caller.approle(**files).login(caller.deadline)
