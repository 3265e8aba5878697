"""What the containers find in their volumes before any of them starts."""

from __future__ import annotations

import datetime as dt
import os
import stat
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from vaultgate_ops.errors import CheckFailed
from vaultgate_ops.local.compose.prepare import prepare

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

VOLUMES = ("keys", "trust", "vault-config", "mysql-config", "layer", "task", "vault-storage", "mysql-storage")


@pytest.fixture
def volumes(tmp_path: Path) -> Path:
    """Empty volumes, as the engine mounts them."""
    for name in VOLUMES:
        (tmp_path / "volumes" / name).mkdir(parents=True)
    return tmp_path / "volumes"


@pytest.fixture
def run(volumes: Path, tmp_path: Path) -> Callable[[], dict[str, bytes]]:
    """Runs it with a small image, and gives all files of all volumes."""
    for name in ("layer", "task"):
        (tmp_path / "built" / name).mkdir(parents=True)
        (tmp_path / "built" / name / "code.py").write_text(name)

    def once() -> dict[str, bytes]:
        prepare(volumes, tmp_path / "built", os.geteuid())
        return {str(file.relative_to(volumes)): file.read_bytes() for file in volumes.rglob("*") if file.is_file()}

    return once


def test_each_volume_holds_what_its_container_needs_and_no_more(run: Callable[[], dict[str, bytes]]) -> None:
    """Server keys and passwords lie only where they are needed; the authority's own key lies nowhere."""
    assert sorted(run()) == [
        "keys/format",
        "keys/mysql-root-password",
        "keys/vault-admin-password",
        "layer/code.py",
        "mysql-config/ca.pem",
        "mysql-config/mysql.key",
        "mysql-config/mysql.pem",
        "mysql-config/root-password",
        "task/code.py",
        "trust/ca.pem",
        "vault-config/ca.pem",
        "vault-config/server.json",
        "vault-config/vault.key",
        "vault-config/vault.pem",
    ]


def test_only_the_certificate_to_trust_may_be_read_by_others(run: Callable[[], dict[str, bytes]], volumes: Path) -> None:
    """Everything drawn or signed has mode 0600, but for the authority's certificate."""
    open_to_others = {
        name
        for name in run()
        if not name.startswith(("layer/", "task/")) and stat.S_IMODE((volumes / name).stat().st_mode) != 0o600
    }
    assert open_to_others == {"trust/ca.pem"}


def test_running_it_again_changes_nothing(run: Callable[[], dict[str, bytes]]) -> None:
    """A second `up` finds the same secrets and certificates."""
    assert run() == run()


def test_a_newer_image_brings_its_layer_and_takes_old_files_away(run: Callable[[], dict[str, bytes]], tmp_path: Path) -> None:
    """What the volume held of the function and the layer is replaced; secrets stay."""
    before = run()
    (tmp_path / "built/layer/code.py").rename(tmp_path / "built/layer/newer.py")
    after = run()
    assert {name for name in after if name.startswith("layer/")} == {"layer/newer.py"}
    assert after["keys/mysql-root-password"] == before["keys/mysql-root-password"]


def test_certificates_name_the_services(run: Callable[[], dict[str, bytes]]) -> None:
    """Vault and MySQL can be verified by service name and from this machine's loopback."""
    files = run()
    for name, hosts in (("vault", ["vault", "vault-b", "vault-c"]), ("mysql", ["mysql"])):
        certificate = x509.load_pem_x509_certificate(files[f"{name}-config/{name}.pem"])
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == [*hosts, "localhost"]
        assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


def test_certificates_near_their_end_are_signed_anew(run: Callable[[], dict[str, bytes]], volumes: Path) -> None:
    """An authority that ends in ten days makes way for a new one, with new server certificates of its own."""
    before = run()
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "old")])
    now = dt.datetime.now(dt.UTC)
    ending = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=355))
        .not_valid_after(now + dt.timedelta(days=10))
        .sign(key, hashes.SHA256())
    )
    (volumes / "trust/ca.pem").write_bytes(ending.public_bytes(serialization.Encoding.PEM))
    after = run()
    assert after["vault-config/vault.pem"] != before["vault-config/vault.pem"]
    assert after["trust/ca.pem"] == after["vault-config/ca.pem"] == after["mysql-config/ca.pem"]


def test_volumes_of_another_format_are_refused_untouched(run: Callable[[], dict[str, bytes]], volumes: Path) -> None:
    """Keys that another version wrote stop it before it writes anything."""
    (volumes / "keys/format").write_text("0")
    with pytest.raises(CheckFailed, match="format 0") as error:
        run()
    assert "docker compose down --volumes" in error.value.hint
    assert not (volumes / "trust/ca.pem").exists()


def test_a_database_whose_keys_are_gone_is_refused(run: Callable[[], dict[str, bytes]], volumes: Path) -> None:
    """With data and without keys nobody could log in; that is said here and not by MySQL."""
    (volumes / "mysql-storage/ibdata1").touch()
    with pytest.raises(CheckFailed, match="mysql-storage is in use, but its keys are gone"):
        run()
