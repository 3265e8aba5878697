"""Other people's clients through the proxy of a running sandbox, and what a look around that sandbox finds."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hvac
import pytest
import requests

from vaultgate_ops.local import folder as folders
from vaultgate_ops.local import markers, processes
from vaultgate_ops.local.proxy_events import GET_RECORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vaultgate_ops.local.sandbox import Sandbox
    from vaultgate_ops.local.scene import EmbeddedScene
    from vaultgate_ops.local.stack import Stack

    Command = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.stack

CREDS = "database/creds/records"
STATIC = "database/static-creds/records-static"


@pytest.fixture
def proxy(sandboxes: Callable[..., Sandbox]) -> str:
    """The address of the proxy in a sandbox whose function has answered once, with a credential that has no lease."""
    port = processes.free_port()
    sandbox = sandboxes(VAULTGATE_LISTEN=f"127.0.0.1:{port}", RECORDS_SECRET_PATH=STATIC)
    assert sandbox.invoke(GET_RECORDS)["statusCode"] == 200
    return f"http://127.0.0.1:{port}"


def curl(proxy: str, path: str, *options: str) -> subprocess.Popen[str]:
    """A curl under way."""
    command = ["curl", "--silent", "--noproxy", "*", *options, f"{proxy}/v1/{path}"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What a curl printed."""
    answer: dict[str, Any] = json.loads(process.communicate(timeout=30)[0])
    return answer


@pytest.fixture
def pointed(stack: Stack, tmp_path: Path) -> Callable[[str], Command]:
    """Vault's own command, pointed at a proxy as a function would."""
    binary = folders.noted(stack.folder)["programs"]["vault"]
    usual = {"VAULT_TOKEN": "vaultgate", "HOME": str(tmp_path), "PATH": os.environ["PATH"]}

    def at(address: str) -> Command:
        environment = usual | {"VAULT_ADDR": address}

        def run(*arguments: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run([binary, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False)

        return run

    return at


@pytest.fixture
def vault(proxy: str, pointed: Callable[[str], Command]) -> Command:
    """That command at the proxy of a function that may read."""
    return pointed(proxy)


@pytest.fixture
def writer(stack: Stack, sandboxes: Callable[..., Sandbox], pointed: Callable[[str], Command]) -> Command:
    """That command at the proxy of a function that may write below secret/own, and keeps what it reads there."""
    policy = """
        path "secret/data/own/*"     { capabilities = ["create", "read", "update"] }
        path "secret/metadata/own/*" { capabilities = ["create", "read", "update", "delete", "list"] }
    """
    with stack.vault.client() as client:
        client.sys.create_or_update_policy("writes", policy)
        usual = client.read("auth/aws/role/records")["data"]
        terms = {name: usual[name] for name in ("auth_type", "bound_iam_principal_arn", "resolve_aws_unique_ids")}
        client.write_data("auth/aws/role/writes", data=terms | {"token_policies": "records,writes", "token_ttl": "5m"})
    port = processes.free_port()
    settings = {"VAULT_AUTH_ROLE": "writes", "VAULTGATE_CACHE": "secret/*=5m", "RECORDS_SECRET_PATH": STATIC}
    assert sandboxes(VAULTGATE_LISTEN=f"127.0.0.1:{port}", **settings).invoke(GET_RECORDS)["statusCode"] == 200
    return pointed(f"http://127.0.0.1:{port}")


def test_vaults_own_command(vault: Command) -> None:
    """`vault kv get`, `vault read` and `vault token lookup` work as they are; the token's id doesn't show, sys is denied."""
    secret = vault("kv", "get", "-format=json", "-mount=secret", "records")
    assert secret.returncode == 0, secret.stderr
    assert json.loads(secret.stdout)["data"]["data"]
    users = [json.loads(vault("read", "-format=json", CREDS).stdout)["data"]["username"] for _ in range(2)]
    assert users[0] == users[1]
    looked = json.loads(vault("token", "lookup", "-format=json").stdout)["data"]
    assert looked["id"] == "redacted"
    assert "records" in looked["policies"]
    denied = vault("secrets", "list")
    assert denied.returncode == 2
    assert "is denied to the extension's token" in denied.stderr


def test_vaults_own_command_writes(writer: Command) -> None:
    """`vault kv put`, `kv list`, `list` and `write` work as they are, and what was written is what is read next."""
    name = "own/user@home"  # which the command leaves as it is, and other clients escape
    for value in ("one", "two"):
        put = writer("kv", "put", "-mount=secret", name, f"greeting={value}")
        assert put.returncode == 0, put.stderr
        assert writer("kv", "get", "-mount=secret", "-field=greeting", name).stdout.strip() == value
    written = writer("write", "secret/metadata/own/other", "max_versions=5")
    assert written.returncode == 0, written.stderr
    for listing in (("kv", "list", "-format=json", "-mount=secret", "own"), ("list", "-format=json", "secret/metadata/own")):
        assert json.loads(writer(*listing).stdout) == ["other", "user@home"]
    assert writer("kv", "metadata", "delete", "-mount=secret", name).returncode == 0
    assert json.loads(writer("list", "-format=json", "secret/metadata/own").stdout) == ["other"]


def test_hvac(proxy: str) -> None:
    """The library hvac, pointed at the proxy, works as it is."""
    with requests.Session() as session:
        session.trust_env = False
        client = hvac.Client(url=proxy, token="vaultgate", session=session)
        secret = client.secrets.kv.v2.read_secret_version("records", raise_on_deleted_version=True)
        assert secret["data"]["data"]
        assert client.secrets.database.generate_credentials("records")["lease_id"]
        with pytest.raises(hvac.exceptions.Forbidden, match="is denied to the extension's token"):
            client.sys.list_mounted_secrets_engines()


def test_curl(proxy: str) -> None:
    """A plain GET is refused and told how to pass; with the header it is answered."""
    refused = said(curl(proxy, "secret/data/records"))
    assert "X-Vault-Request: true" in " ".join(refused["errors"])
    assert said(curl(proxy, "secret/data/records", "--header", "X-Vault-Request: true"))["data"]["data"]


def test_processes_that_ask_at_once_share_one_lease(proxy: str, backstage: EmbeddedScene) -> None:
    """Eight processes of one environment ask for one key; Vault makes one user."""
    before = backstage.leases()
    asking = [curl(proxy, CREDS, "--header", "X-Vault-Request: true") for _ in range(8)]
    users = {said(process)["data"]["username"] for process in asking}
    assert len(users) == 1
    assert len(backstage.leases() - before) == 1


def traces(stack: Stack) -> Iterator[tuple[str, bytes]]:
    """What anybody could look at: arguments and environment of the sandboxes' processes, their logs and files."""
    for found in markers.find(stack.folder):
        if found.part.startswith("sandbox"):
            for name in ("cmdline", "environ"):
                path = Path("/proc") / str(found.identity.pid) / name
                yield str(path), path.read_bytes()
    for place in ("sandboxes", "logs"):
        for path in (stack.folder / place).rglob("*"):
            if path.is_file():
                yield str(path), path.read_bytes()


def places(stack: Stack, secret: str) -> list[str]:
    """Where a secret shows."""
    return [place for place, content in traces(stack) if secret.encode() in content]


def test_no_secret_shows_around_a_sandbox(stack: Stack, proxy: str, backstage: EmbeddedScene) -> None:
    """A password that was handed out stands in no argument, environment, log or file, as a planted one is found to do."""
    password = said(curl(proxy, CREDS, "--header", "X-Vault-Request: true"))["data"]["password"]
    assert backstage.database_users()
    assert places(stack, password) == []
    assert places(stack, "VAULT_AUTH_ROLE"), "the scan finds what is there"
    planted = stack.folder / "logs" / "planted.log"
    planted.write_text(password)
    assert places(stack, password) == [str(planted)]
    planted.unlink()
