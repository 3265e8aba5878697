"""How the function connects: always by TLS, always checking, never for ever."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
from tests.simulators.clock import MovableClock

from vaultgate.errors import ConfigurationError
from vaultgate.secret import Secret
from vaultgate_ops.local.certificates import Authority
from vaultgate_ops.records.settings import Settings
from vaultgate_ops.records.sources import SOURCES, Logins, connect_arguments
from vaultgate_ops.records.stores import KEEP_S, Login

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


@pytest.fixture(autouse=True)
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lambda always says which."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


def test_making_a_source_asks_nobody() -> None:
    """Neither Vault nor AWS nor the database: a cold start that doesn't need them doesn't wait for them."""
    names = {"vault", "vault-static", "vault-kv", "secretsmanager", "ssm", "ssm-reference", "env"}
    assert {name: make(settings(None)).name for name, make in SOURCES.items()} == {name: name for name in names}


class Shelf:
    """A store that holds what the test puts there.

    Attributes:
        login: what it holds by now.
        kept: what it answers to whoever doesn't ask anew.
        asked: how it was asked, in order.
    """

    def __init__(self, username: str, password: str) -> None:
        self.kept = self.login = Login(username, Secret(password))
        self.asked: list[bool] = []

    def read(self, *, anew: bool) -> Login:
        """Answer from memory, or not."""
        self.asked.append(anew)
        if anew:
            self.kept = self.login
        return self.kept


def test_a_login_is_over_when_its_store_holds_another() -> None:
    """Another password or another user; the same once more is not."""
    shelf = Shelf("reader", "one")
    logins = Logins(shelf, MovableClock())
    first = logins.read()
    assert (first.data, first.expires_in_s()) == ({"username": "reader", "password": "one"}, -1)
    assert not logins.over(first.lease_id)
    shelf.login = Login("reader", Secret("two"))
    assert logins.read().lease_id == first.lease_id, "nobody has asked anew"
    assert logins.over(first.lease_id)
    second = logins.read()
    assert second.data["password"] == "two"
    shelf.login = Login("reader_clone", Secret("two"))
    assert logins.over(second.lease_id)
    assert not logins.over(logins.read().lease_id)
    assert shelf.asked == [False, True, False, True, False, True, False, True]


def test_a_login_is_asked_for_again_after_a_while() -> None:
    """So that a warm sandbox doesn't stay with a connection of long ago."""
    clock = MovableClock()
    value = Logins(Shelf("reader", "one"), clock).read()
    assert not value.lifetime.over(clock.now())
    clock.advance(KEEP_S)
    assert value.lifetime.over(clock.now())


def test_a_logins_name_is_not_made_of_its_password() -> None:
    """It goes into logs."""
    assert Logins(Shelf("reader", "one"), MovableClock()).read().lease_id == "login-1"
