"""From the environment to Vault: what is missing, what answers, and what is said about it."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import hvac
import pytest
from tests.bootstrap.answering import answering

from vaultgate_ops.bootstrap import Desired, bootstrap, connect, plan
from vaultgate_ops.bootstrap.contents import POLICY
from vaultgate_ops.bootstrap.model import Resource
from vaultgate_ops.bootstrap.mounts import SECRETS_ENGINE
from vaultgate_ops.errors import CheckFailed, OpsError, Unreachable, UsageProblem
from vaultgate_ops.local.processes import free_port
from vaultgate_ops.reporting import Silent

if TYPE_CHECKING:
    from pathlib import Path

    from vaultgate_ops.local.vault_server import VaultServer

NOT_FOUND = 404
ONE_POLICY = Desired((Resource(POLICY, "sys/policies/acl/records", {"policy": 'path "x" {}'}),))
ONE_MOUNT = Desired((Resource(SECRETS_ENGINE, "sys/mounts/secret", {"type": "kv"}),))


def test_all_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    """No address, no such CA file and no token are one error."""
    with pytest.raises(UsageProblem) as refusal:
        connect({"VAULT_CACERT": "/nowhere/ca.pem"}, tmp_path)

    assert refusal.value.message.splitlines()[1:] == [
        "  VAULT_ADDR is not set",
        "  VAULT_CACERT: there is no file /nowhere/ca.pem",
        "  there is no token",
    ]
    assert "vault login" in refusal.value.hint


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("vault.example.com:8200", "must be like https://vault.example.com:8200"),
        ("https://", "must be like https://"),
        ("https://me:secret@vault.example.com", "no user and password belong into it"),
        ("http://vault.example.com:8200", "would send the token in the clear; use https://"),
        ("http://10.0.0.1:8200", "would send the token in the clear"),
    ],
)
def test_an_address_that_cant_be_used_is_named(tmp_path: Path, address: str, problem: str) -> None:
    """A malformed address, and plain HTTP to another machine, are refused before anything is sent."""
    with pytest.raises(UsageProblem) as refusal:
        connect({"VAULT_ADDR": address, "VAULT_TOKEN": "t"}, tmp_path)

    assert problem in refusal.value.message
    assert "secret" not in refusal.value.message


@pytest.mark.parametrize(
    "address", ["https://vault.example.com", "http://127.0.0.1:8200", "http://localhost:8200", "http://[::1]:8200"]
)
def test_tls_and_this_machine_are_fine(tmp_path: Path, address: str) -> None:
    """TLS anywhere, plain HTTP on loopback."""
    assert connect({"VAULT_ADDR": address, "VAULT_TOKEN": "t"}, tmp_path).url == address


def test_the_token_comes_from_the_first_place_that_has_one(tmp_path: Path) -> None:
    """VAULT_TOKEN, then the file of VAULT_TOKEN_FILE, then ~/.vault-token; without the line's end."""
    named = tmp_path / "named"
    named.write_text("from-file\n", encoding="utf-8")
    (tmp_path / ".vault-token").write_text("from-login\n", encoding="utf-8")
    everything = {"VAULT_ADDR": "https://v", "VAULT_TOKEN": "from-environment", "VAULT_TOKEN_FILE": str(named)}

    tokens = []
    for gone in ("", "VAULT_TOKEN", "VAULT_TOKEN_FILE"):
        everything.pop(gone, None)
        tokens.append(connect(everything, tmp_path).token)

    assert tokens == ["from-environment", "from-file", "from-login"]


@pytest.mark.parametrize("content", [None, " \n"])
def test_a_token_file_that_is_named_must_hold_one(tmp_path: Path, content: str | None) -> None:
    """A named file that is missing or empty is an error, not a reason to look elsewhere."""
    (tmp_path / ".vault-token").write_text("from-login", encoding="utf-8")
    named = tmp_path / "named"
    if content is not None:
        named.write_text(content, encoding="utf-8")

    with pytest.raises(UsageProblem, match=str(named)):
        connect({"VAULT_ADDR": "https://v", "VAULT_TOKEN_FILE": str(named)}, tmp_path)


def test_the_namespace_is_sent(tmp_path: Path) -> None:
    """VAULT_NAMESPACE goes into every request."""
    client = connect({"VAULT_ADDR": "https://v", "VAULT_TOKEN": "t", "VAULT_NAMESPACE": "team"}, tmp_path)

    assert client.adapter.namespace == "team"


def errors(*texts: str) -> str:
    return json.dumps({"errors": texts})


@pytest.mark.parametrize(
    ("status", "body", "expected", "said"),
    [
        (503, errors("Vault is sealed"), Unreachable, "can't serve: Vault is sealed"),
        (501, errors("not initialized"), Unreachable, "can't serve: not initialized"),
        (502, errors("gateway"), Unreachable, "can't serve now: gateway"),
        (429, errors("slow down"), Unreachable, "can't serve now: slow down"),
        (500, errors("internal error"), CheckFailed, "failed at sys/mounts: internal error"),
        (418, "{}", CheckFailed, "failed at sys/mounts"),
        (200, "<html>welcome</html>", Unreachable, "is not Vault"),
        (404, "<html>nothing</html>", Unreachable, "is not Vault"),
        (200, "[]", Unreachable, "is not Vault"),
    ],
)
def test_an_answer_becomes_an_error_that_says_what_it_is(
    tmp_path: Path, status: int, body: str, expected: type[OpsError], said: str
) -> None:
    """Sealed, overloaded, broken, or not Vault at all: each has its sentence and its exit code."""
    with answering([(status, body)]) as address:
        client = connect({"VAULT_ADDR": address, "VAULT_TOKEN": "t"}, tmp_path)
        with pytest.raises(expected, match=said):
            plan(client, ONE_MOUNT)
        if status != NOT_FOUND:  # a policy that isn't there is no error
            with pytest.raises(expected):
                plan(client, ONE_POLICY)
        client.adapter.close()


def test_a_list_that_a_namespace_lacks_says_so(tmp_path: Path) -> None:
    """Where a namespace has no audit devices, that is said instead of doubting that Vault answers."""
    with answering([(404, errors("unsupported path"))]) as address:
        client = connect({"VAULT_ADDR": address, "VAULT_TOKEN": "t", "VAULT_NAMESPACE": "team"}, tmp_path)
        with pytest.raises(UsageProblem, match="sys/mounts doesn't exist in the namespace team"):
            plan(client, ONE_MOUNT)
        client.adapter.close()


def test_nobody_there_is_unreachable(tmp_path: Path) -> None:
    """A port that nobody listens on is exit code 4."""
    client = connect({"VAULT_ADDR": f"http://127.0.0.1:{free_port()}", "VAULT_TOKEN": "t"}, tmp_path)

    with pytest.raises(Unreachable, match="can't be reached") as refusal:
        plan(client, ONE_POLICY)

    assert refusal.value.exit_code == 4
    client.adapter.close()


def test_silence_is_unreachable() -> None:
    """A server that takes the connection and says nothing is given up."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = hvac.Client(f"http://127.0.0.1:{silent.getsockname()[1]}", token="t", timeout=0.05)
        with pytest.raises(Unreachable, match="didn't answer in time"):
            plan(client, ONE_POLICY)
        client.adapter.close()


@pytest.mark.stack
def test_a_certificate_that_nobody_vouches_for_is_named(vault: VaultServer, tmp_path: Path) -> None:
    """Without the CA the certificate can't be verified; with it the same environment works."""
    environ = {"VAULT_ADDR": vault.address, "VAULT_TOKEN": vault.root_token}
    stranger, friend = connect(environ, tmp_path), connect({**environ, "VAULT_CACERT": str(vault.ca_file)}, tmp_path)

    with pytest.raises(Unreachable, match=r"certificate .* can't be verified") as refusal:
        plan(stranger, ONE_POLICY)

    assert "VAULT_CACERT" in refusal.value.hint
    assert len(plan(friend, ONE_POLICY)) == 1
    stranger.adapter.close()
    friend.adapter.close()


@pytest.mark.stack
def test_a_sealed_vault_is_unreachable(vault: VaultServer) -> None:
    """A sealed Vault is exit code 4, and the fix is to unseal it."""
    with vault.client() as client:
        client.sys.seal()
        with pytest.raises(Unreachable, match="Vault is sealed") as refusal:
            bootstrap(client, ONE_POLICY, Silent())

    assert "unseal" in refusal.value.hint
