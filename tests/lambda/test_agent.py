"""A Vault Agent's configuration in the emulator, with the real Vault: template, listener, sink."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

import hvac
import pytest
from tests.simulators.lambda_service import sandbox_of

from vaultgate_ops.local import processes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vaultgate_ops.local.stack import Stack

pytestmark = pytest.mark.stack

TEMPLATE = """{{ with secret "database/static-creds/records-static" -}}
user={{ .Data.username }}
{{- end }}
{{ with secret "secret/data/agent" }}key={{ .Data.data.api_key }}{{ end }}
"""


@pytest.fixture
def environment(stack: Stack, tmp_path: Path, store: Callable[..., object]) -> dict[str, str]:
    """Variables of the sandbox alone; everything about Vault stands in the file."""
    port = processes.free_port()
    variables = stack.function_environment(port)
    store(api_key="from-vault")
    document = {
        "vault": {"address": variables.pop("VAULT_ADDR"), "ca_cert": variables.pop("VAULT_CACERT")},
        "auto_auth": {
            "method": {
                "type": variables.pop("VAULT_AUTH_PROVIDER"),
                "config": {
                    "type": "iam",
                    "role": variables.pop("VAULT_AUTH_ROLE"),
                    "region": variables.pop("VAULT_STS_ENDPOINT_REGION"),
                    "header_value": variables.pop("VAULT_IAM_SERVER_ID"),
                },
            },
            "sink": {"file": {"config": {"path": str(tmp_path / "sink/token")}}},
        },
        "listener": {"tcp": {"address": variables.pop("VAULTGATE_LISTEN"), "tls_disable": True}},
        "template": {
            "contents": TEMPLATE.replace("secret/data/agent", "secret/data/records"),
            "destination": str(tmp_path / "out/app.properties"),
        },
    }
    (tmp_path / "agent.json").write_text(json.dumps(document))
    return {**variables, "VAULTGATE_CONFIG": str(tmp_path / "agent.json"), "VAULTGATE_ALLOW_SINK": "true"}


def test_a_configuration_is_served(
    environment: dict[str, str], tmp_path: Path, stack: Stack, nothing_left: Callable[[], Any]
) -> None:
    """The template is written, the sink holds a token that Vault knows, both are the owner's alone, and both go at the end."""
    rendered, sink = tmp_path / "out/app.properties", tmp_path / "sink/token"
    with nothing_left(), sandbox_of("on-demand", environment, tmp_path) as sandbox:
        sandbox.start()
        assert rendered.read_text() == "user=records_static\nkey=from-vault\n"
        token = hvac.Client(url=stack.vault.address, token=sink.read_text(), verify=str(stack.vault.ca_file))
        assert "records" in token.lookup_token()["data"]["policies"]
        for file in (rendered, sink):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert sink.read_text() not in sandbox.log("extension")
        sandbox.shut_down()
    assert not rendered.exists()
    assert not sink.exists()


def test_a_sink_follows_the_token(
    environment: dict[str, str], tmp_path: Path, stack: Stack, eventually: Callable[[Callable[[], object]], None]
) -> None:
    """When the token was revoked behind its back, the sink holds the next one after an invocation or two that use it."""
    sink = tmp_path / "sink/token"
    with sandbox_of("on-demand", environment, tmp_path) as sandbox:
        sandbox.start()
        first = sink.read_text()
        admin = hvac.Client(url=stack.vault.address, token=stack.vault.root_token, verify=str(stack.vault.ca_file))
        admin.revoke_token(first)
        listen = json.loads((tmp_path / "agent.json").read_text())["listener"]["tcp"]["address"]
        hvac.Client(url=f"http://{listen}", token="vaultgate").secrets.kv.v2.read_secret_version(
            "records", mount_point="secret", raise_on_deleted_version=False
        )
        sandbox.service.invoke()
        eventually(lambda: sink.exists() and sink.read_text() != first)
        sandbox.shut_down()


def test_a_sink_without_leave_fails_the_init(environment: dict[str, str], tmp_path: Path) -> None:
    """A token in a file is written only where somebody said so."""
    del environment["VAULTGATE_ALLOW_SINK"]
    with sandbox_of("on-demand", environment, tmp_path) as sandbox:
        with pytest.raises(AssertionError, match="init did not end"):
            sandbox.start()
        [(call, _, document)] = sandbox.service.errors
    assert call == "init/error"
    assert "VAULTGATE_ALLOW_SINK=true" in document["errorMessage"]
    assert not (tmp_path / "sink").exists()
