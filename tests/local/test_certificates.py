from __future__ import annotations

import ssl
import stat
from typing import TYPE_CHECKING

import pytest

from vaultgate_ops.local.certificates import Authority

if TYPE_CHECKING:
    from pathlib import Path

    from vaultgate_ops.local.certificates import Issued


def shake_hands(ca_file: Path, issued: Issued, host: str) -> None:
    """A TLS handshake in memory, the client as strict as OpenSSL can be."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(issued.certificate, issued.key)
    client_context = ssl.create_default_context(cafile=str(ca_file))
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=host)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_strict_client_trusts_it(tmp_path: Path, host: str) -> None:
    """A client that knows the authority accepts a server by address and by name, with strict checks."""
    authority = Authority.create(tmp_path)
    shake_hands(authority.certificate_file, authority.issue("vault", ["127.0.0.1", "localhost"]), host)


def test_another_host_is_refused(tmp_path: Path) -> None:
    """A certificate is good for the hosts it names and no other."""
    authority = Authority.create(tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        shake_hands(authority.certificate_file, authority.issue("vault", ["127.0.0.1"]), "127.0.0.2")


def test_another_authority_is_refused(tmp_path: Path) -> None:
    """Two stacks have nothing in common: one's clients don't trust the other's servers."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    issued = Authority.create(theirs).issue("vault", ["127.0.0.1"])
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(Authority.create(ours).certificate_file, issued, "127.0.0.1")


def test_keys_are_for_their_owner_and_the_authoritys_is_nowhere(tmp_path: Path) -> None:
    """Every file has mode 0600, and the only private key on disk is the server's."""
    authority = Authority.create(tmp_path)
    authority.issue("vault", ["127.0.0.1"])
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}
    keys = [file.name for file in tmp_path.iterdir() if "PRIVATE KEY" in file.read_text()]
    assert keys == ["vault.key"]
