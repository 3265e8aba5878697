"""How the function connects: always by TLS, always checking, never for ever."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from vaultgate.errors import ConfigurationError
from vaultgate_ops.local.certificates import Authority
from vaultgate_ops.records.settings import Settings
from vaultgate_ops.records.sources import SOURCES, connect_arguments

if TYPE_CHECKING:
    from pathlib import Path


def settings(ca_file: str | None) -> Settings:
    """Settings with one CA bundle."""
    return Settings("vault", "database/creds/records", "orders", "db.internal", 3307, "shop", ca_file)


def test_the_servers_certificate_and_name_are_checked(tmp_path: Path) -> None:
    """Against the bundle and nothing else."""
    Authority.create(tmp_path)
    tls = connect_arguments(settings(str(tmp_path / "ca.pem")))["ssl"]
    assert tls.verify_mode is ssl.CERT_REQUIRED
    assert tls.check_hostname
    assert [dict(pair[0] for pair in one["subject"]) for one in tls.get_ca_certs()] == [
        dict(pair[0] for pair in one["subject"]) for one in trusted_by(tmp_path / "ca.pem")
    ]


def trusted_by(bundle: Path) -> list[dict[str, object]]:
    """The certificates of a bundle."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(bundle)
    return context.get_ca_certs()  # type: ignore[return-value]


def test_without_a_bundle_the_systems_certificates_are_trusted() -> None:
    """TLS stays on, and checked."""
    tls = connect_arguments(settings(None))["ssl"]
    assert tls.verify_mode is ssl.CERT_REQUIRED
    assert tls.check_hostname


def test_aws_own_bundle_is_acceptable(tmp_path: Path) -> None:
    """Its roots lack a field that Python 3.13 asks for by default."""
    Authority.create(tmp_path)
    tls = connect_arguments(settings(str(tmp_path / "ca.pem")))["ssl"]
    assert not tls.verify_flags & ssl.VERIFY_X509_STRICT


def test_connecting_and_reading_end_before_api_gateway_gives_up() -> None:
    """Two attempts of both fit into its 29 s."""
    arguments = connect_arguments(settings(None))
    assert arguments["connect_timeout"] == 5
    assert 2 * (arguments["connect_timeout"] + arguments["read_timeout"]) < 29
    assert (arguments["host"], arguments["port"], arguments["database"]) == ("db.internal", 3307, "shop")


def test_a_bundle_that_is_no_pem_is_a_configuration_error(tmp_path: Path) -> None:
    """Named, at init."""
    bundle = tmp_path / "rds.pem"
    bundle.write_text("not a certificate")
    with pytest.raises(ConfigurationError, match=r"RDS_CA_BUNDLE=.*rds\.pem.* can't be read as PEM"):
        connect_arguments(settings(str(bundle)))


def test_making_a_source_asks_nobody() -> None:
    """Neither Vault nor the database: a cold start that doesn't need them doesn't wait for them."""
    assert {name: make(settings(None)).name for name, make in SOURCES.items()} == {"vault": "vault"}
