"""The server configurations that ship are ones that Vault starts with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import hvac
import pytest
import requests

from vaultgate_ops.clock import Clock
from vaultgate_ops.local import folder as folders
from vaultgate_ops.local import markers, paths, processes
from vaultgate_ops.local.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXAMPLES = sorted((paths.checkout() / "vault-config" / "server").glob("*.hcl"))


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder whose processes are ended with it."""
    with folders.claimed(paths.stacks_folder(), f"test-example-{processes.free_port()}", Clock()) as folder:
        yield folder


def moved(text: str, folder: Path, port: int) -> str:
    """The example with nothing changed but where things lie, so that it runs beside others and without privileges."""
    for there, here in (
        ("/opt/vault/data", folder / "data"),
        ("/etc/vault/tls/ca.pem", folder / "ca.pem"),
        ("/etc/vault/tls", folder),
        ("0.0.0.0:8200", f"127.0.0.1:{port}"),
        ("0.0.0.0:8201", f"127.0.0.1:{processes.free_port()}"),
        ("https://vault-b.internal:8200", f"https://127.0.0.1:{processes.free_port()}"),
        ("https://vault-c.internal:8200", f"https://127.0.0.1:{processes.free_port()}"),
        ("disable_mlock = false", "disable_mlock = true"),
    ):
        text = text.replace(there, str(here))
    return text


@pytest.mark.parametrize("example", EXAMPLES, ids=[path.name for path in EXAMPLES])
def test_vault_starts_with_it(example: Path, place: Path, vault_program: Path) -> None:
    """Vault comes up over TLS, waits to be initialised, and finds no setting that it doesn't know."""
    Authority.create(place).issue("vault", ["127.0.0.1"])
    (place / "data").mkdir()

    def answers(port: int) -> bool:
        with requests.Session() as session:
            session.trust_env, session.verify = False, str(place / "ca.pem")
            client = hvac.Client(f"https://127.0.0.1:{port}", token="", cert=(), session=session)
            try:
                return client.sys.is_initialized() is False
            except (requests.RequestException, hvac.exceptions.VaultError):
                return False

    def attempt(port: int) -> processes.Process:
        configuration = place / "server.hcl"
        configuration.write_text(moved(example.read_text(encoding="utf-8"), place, port), encoding="utf-8")
        process = processes.start("vault", [vault_program, "server", f"-config={configuration}"], place)
        process.await_ready(lambda: answers(port), Clock())
        return process

    process = processes.on_free_port(attempt)
    markers.end(place, clock=Clock())
    process.reap()

    log = process.log.read_text(encoding="utf-8")
    assert "Vault server started" in log
    assert "unknown or unsupported field" not in log
