"""The local stack's own certificate authority.

Rules: the authority's private key never leaves this process, so nothing on disk can sign for it later; each server gets
a key of its own in a file only its owner can read; certificates carry what strict verifiers ask for (RFC 5280: basic
constraints, key usage, key identifiers; Python 3.13 checks them).
"""

from __future__ import annotations

import datetime as dt
import os
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_LIFETIME = dt.timedelta(days=365)
_CLOCK_SKEW = dt.timedelta(hours=1)


class Issued(NamedTuple):
    """A server's certificate and its private key, PEM files."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority that lives as long as this process.

    Attributes:
        certificate_file: the authority's certificate, PEM, for clients to trust.
    """

    def __init__(self, folder: Path, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._folder, self._key, self._certificate = folder, key, certificate
        self.certificate_file = folder / "ca.pem"

    @classmethod
    def create(cls, folder: Path) -> Authority:
        """Make a new authority; its certificate goes to ``folder/ca.pem``."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("Vaultgate local stack")
        certificate = (
            _builder(name, name, key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        authority = cls(folder, key, certificate)
        write_private(authority.certificate_file, certificate.public_bytes(serialization.Encoding.PEM))
        return authority

    def issue(self, name: str, hosts: Sequence[str]) -> Issued:
        """Make a key and a server certificate for it.

        Args:
            name: common name, and the names of the two files.
            hosts: DNS names and IP addresses that clients connect to.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(_name(name), self._certificate.subject, key)
            .add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        issued = Issued(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        write_private(issued.certificate, certificate.public_bytes(serialization.Encoding.PEM))
        pkcs8 = serialization.PrivateFormat.PKCS8
        unencrypted = serialization.NoEncryption()
        write_private(issued.key, key.private_bytes(serialization.Encoding.PEM, pkcs8, unencrypted))
        return issued


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read; a reader sees all of it or the one before."""
    partial = path.with_name(f".{path.name}.partial")
    with open(partial, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(content)
    partial.replace(path)


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
