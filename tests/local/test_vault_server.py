"""A Vault that misbehaves between its start and its being unsealed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import Unreachable
from vaultgate_ops.local.certificates import Authority
from vaultgate_ops.local.vault_server import VaultServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Sealed for ever: it answers what is asked while a server is initialized, and does what the test wants when it is unsealed.
PROGRAM = """#!{python}
import http.server, json, os, ssl, sys

listener = json.load(open(sys.argv[2].partition("=")[2]))["listener"]["tcp"]

class Sealed(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(503, {{"sealed": True}})

    def do_PUT(self):
        unseal = self.path.endswith("/unseal")
        self.rfile.read(int(self.headers["Content-Length"]))
        if unseal and "{unsealed}" == "refuse":
            self.answer(500, {{"errors": ["no"]}})
            return
        self.answer(200, {{"keys_base64": ["key"], "root_token": "token"}})
        if unseal:
            print("core: post-unseal setup failed", flush=True)
            os._exit(1)

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *words):
        pass

host, _, port = listener["address"].partition(":")
server = http.server.ThreadingHTTPServer((host, int(port)), Sealed)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(listener["tls_cert_file"], listener["tls_key_file"])
server.socket = context.wrap_socket(server.socket, server_side=True)
print("serving", flush=True)
server.serve_forever()
"""


@pytest.fixture
def servers(folder: Path, tmp_path: Path) -> Iterator[dict[str, VaultServer]]:
    """Servers that are not Vault, by what they do when they are unsealed."""
    made = {}
    for unsealed in ("die", "refuse"):
        program = tmp_path / unsealed
        program.write_text(PROGRAM.format(python=sys.executable, unsealed=unsealed))
        program.chmod(0o700)
        made[unsealed] = VaultServer(program, folder, folder / "ca.pem", Clock())
    yield made
    for server in made.values():
        server.stop()


def test_a_vault_that_dies_while_it_is_unsealed_is_not_waited_for(servers: dict[str, VaultServer], folder: Path) -> None:
    """The error comes at once and quotes its log."""
    with pytest.raises(Unreachable, match=r"vault ended with status 1; its log ends: serving \| core: post-unseal setup failed"):
        servers["die"].create(Authority.create(folder))


def test_a_vault_that_refuses_to_be_unsealed_is_one_sentence(servers: dict[str, VaultServer], folder: Path) -> None:
    """What the client library raised is told in our words."""
    with pytest.raises(Unreachable, match=r"vault can't be unsealed \(InternalServerError\); its log ends: serving"):
        servers["refuse"].create(Authority.create(folder))
