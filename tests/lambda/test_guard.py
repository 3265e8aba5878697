"""The guarded door on real parts: what a function gets through it, and what anybody else on loopback gets."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING

import pytest

from vaultgate_ops.local.processes import free_port
from vaultgate_ops.local.proxy_events import GET_RECORDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vaultgate_ops.local.sandbox import Sandbox
    from vaultgate_ops.local.stack import Stack

pytestmark = pytest.mark.stack
CREDS = "/v1/database/creds/records"
INTENT = {"X-Vault-Request": "true"}


def fetched(port: int, path: str, headers: dict[str, str], *, method: str = "GET") -> int:
    """The status that somebody else on loopback gets."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def secrets(stack: Stack) -> list[Path]:
    """The files of doors' secrets in the sandboxes' /tmp, from outside."""
    return list((stack.folder / "sandboxes").glob("*/tmp/vaultgate-*.secret"))


def test_the_function_knows_the_secret_and_nobody_else_does(stack: Stack, sandboxes: Callable[..., Sandbox]) -> None:
    """In mode `secret` the client is let in from the first call on, others get a 403, and the file goes with the sandbox."""
    port = free_port()
    sandbox = sandboxes(VAULTGATE_GUARD="secret", VAULTGATE_LISTEN=f"127.0.0.1:{port}")
    answer = sandbox.invoke(GET_RECORDS)
    assert answer["statusCode"] == 200, answer
    for headers in ({}, INTENT, {"X-Vault-Token": "vaultgate"}, {**INTENT, "X-Vaultgate-Secret": "guessed"}):
        assert fetched(port, CREDS, headers) == 403
    (file,) = secrets(stack)
    assert file.stat().st_mode & 0o777 == 0o600
    assert fetched(port, CREDS, {"X-Vaultgate-Secret": file.read_text()}) == 200
    assert file.read_text() not in sandbox.log()
    sandbox.shutdown()
    assert secrets(stack) == []


def test_the_lists_hold_in_a_sandbox(stack: Stack, sandboxes: Callable[..., Sandbox]) -> None:
    """What VAULTGATE_ALLOW doesn't name, or VAULTGATE_DENY does, is refused to our token; the function's own path still works."""
    port = free_port()
    sandbox = sandboxes(
        VAULTGATE_LISTEN=f"127.0.0.1:{port}",
        VAULTGATE_ALLOW="GET database/creds/*,GET secret/*",
        VAULTGATE_DENY="secret/data/records",
    )
    assert json.loads(sandbox.invoke(GET_RECORDS)["body"])["count"] == 42
    assert fetched(port, CREDS, INTENT) == 200
    for path in ("/v1/secret/data/records", "/v1/secret/data/%72ecords", "/v1/secret//data/records", "/v1/cubbyhole/a"):
        assert fetched(port, path, INTENT) == 403
    assert fetched(port, CREDS, INTENT, method="DELETE") == 403
    assert fetched(port, "/v1/secret/data/records", {"X-Vault-Token": stack.vault.root_token}) == 200
