"""What the one who runs bootstrap may and may not do, and that each missing privilege is named."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from tests.bootstrap.test_converging import DRIFT

from vaultgate_ops.bootstrap import apply, bootstrap, plan, require
from vaultgate_ops.errors import Denied
from vaultgate_ops.reporting import Silent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import hvac

    from vaultgate_ops.bootstrap import Desired
    from vaultgate_ops.local.vault_server import VaultServer

pytestmark = pytest.mark.stack

Grants = dict[str, set[str]]
_BLOCK = re.compile(r'^path "([^"]+)" \{\n  capabilities = \[([^\]]+)\]\n\}$', re.MULTILINE)
ASK = "sys/capabilities-self"


@pytest.fixture
def documented(declared_file: Path) -> Grants:
    """The policy for the one who runs bootstrap, as it ships."""
    text = (declared_file.parent / "policies" / "bootstrapper.hcl").read_text(encoding="utf-8")
    return {path: set(re.findall(r"\w+", capabilities)) for path, capabilities in _BLOCK.findall(text)}


@contextmanager
def holder(vault: VaultServer, root: hvac.Client, grants: Grants) -> Iterator[hvac.Client]:
    """A client whose token has these grants and no others."""
    policy = "".join(
        f'path "{path}" {{ capabilities = [{", ".join(f"{chr(34)}{word}{chr(34)}" for word in sorted(words))}] }}\n'
        for path, words in grants.items()
    )
    root.sys.create_or_update_policy("bootstrapper", policy)
    token = root.auth.token.create(policies=["bootstrapper"], no_default_policy=True, no_parent=True)["auth"]["client_token"]
    with vault.client(token) as client:
        yield client


def without(grants: Grants, path: str, capability: str) -> Grants:
    return {**grants, path: grants[path] - {capability}}


def test_the_documented_policy_is_enough_and_every_word_of_it_is_needed(
    vault: VaultServer, root: hvac.Client, desired: Desired, documented: Grants
) -> None:
    """The whole policy is enough to make and mend everything; without any one capability of it, that one is named first."""
    words = {(path, word) for path, granted in documented.items() for word in granted} - {(ASK, "update")}

    def named_when_missing() -> set[tuple[str, str]]:
        named = set()
        for path, word in words:
            with holder(vault, root, without(documented, path, word)) as client:
                named |= {(path, word)} & refused(client, desired)
        return named

    while_empty = named_when_missing()
    with holder(vault, root, documented) as client:
        assert len(bootstrap(client, desired, Silent())) == 13
        assert plan(client, desired) == []
    for path, by_hand in DRIFT.items():
        root.write_data(path, data=by_hand)
    root.write_data("sys/mounts/secret/tune", data={"description": "mine"})
    root.write_data("database/static-roles/records-static", data={"username": desired_static(desired), "rotation_period": "1h"})
    while_drifted = named_when_missing()
    with holder(vault, root, documented) as client:
        assert len(bootstrap(client, desired, Silent())) == len(DRIFT) + 2

    assert while_empty | while_drifted == words


def refused(client: hvac.Client, desired: Desired) -> set[tuple[str, str]]:
    """Each path and capability that the refusal names; empty where nothing is refused."""
    try:
        require(client, plan(client, desired))
    except Denied as refusal:
        named = re.findall(r"\n  (\S+): (.*)", refusal.message)
        return {(path, word) for path, words in named for word in words.split(", ")}
    return set()


def desired_static(desired: Desired) -> str:
    (role,) = (resource for resource in desired.resources if resource.path == "database/static-roles/records-static")
    return str(role.values["username"])


def test_all_missing_privileges_are_named_at_once_and_nothing_is_changed(
    vault: VaultServer, root: hvac.Client, desired: Desired, documented: Grants
) -> None:
    """A token that lacks two privileges is told both, with exit code 5, before the audit device is made."""
    narrow = without(without(documented, "sys/auth/aws", "sudo"), "database/roles/records", "create")
    with holder(vault, root, narrow) as client, pytest.raises(Denied) as refusal:
        bootstrap(client, desired, Silent())

    assert "lacks 2 privileges" in refusal.value.message
    assert "\n  sys/auth/aws: sudo" in refusal.value.message
    assert "\n  database/roles/records: create" in refusal.value.message
    assert refusal.value.exit_code == 5
    assert root.read("sys/audit")["data"] == {}


def test_what_cant_be_read_is_named_all_at_once(vault: VaultServer, root: hvac.Client, desired: Desired) -> None:
    """A token that may nearly nothing is told everything that has to be read."""
    bootstrap(root, desired, Silent())
    with holder(vault, root, {"sys/health": {"read"}}) as client, pytest.raises(Denied) as refusal:
        plan(client, desired)

    named = re.findall(r"\n  (\S+): (.*)", refusal.value.message)
    assert named[0] == ("sys/audit", "read, sudo")
    assert {path for path, _ in named} == {
        "sys/audit",
        "sys/auth",
        "sys/mounts",
        "sys/policies/acl/records",
        "sys/policies/password/mysql",
        "auth/aws/config/client",
        "auth/aws/role/records",
        "database/config/shop",
        "database/roles/records",
        "database/static-roles/records-static",
        "secret/config",
        "secret/metadata/records",
    }


def test_where_vault_wont_say_the_refused_request_itself_is_named(
    vault: VaultServer, root: hvac.Client, desired: Desired, documented: Grants
) -> None:
    """A token that may not ask what it may do gets as far as it can; then path and capability are named."""
    blind = {path: words for path, words in without(documented, "sys/auth/aws", "sudo").items() if path != ASK}
    with holder(vault, root, blind) as client, pytest.raises(Denied, match="may not sudo and update sys/auth/aws"):
        apply(client, plan(client, desired), Silent())

    assert "file/" in root.read("sys/audit")["data"]


def test_a_dead_token_is_called_dead(vault: VaultServer, root: hvac.Client, desired: Desired) -> None:
    """A revoked token isn't taken for one with too few privileges."""
    with vault.client("hvs.nobody") as client, pytest.raises(Denied, match="doesn't know the token") as refusal:
        plan(client, desired)

    assert refusal.value.hint == "log in again"
