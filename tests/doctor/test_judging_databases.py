"""The database's credential and a session with it, judged."""

from __future__ import annotations

import pytest

from vaultgate_ops.doctor.catalogue import found
from vaultgate_ops.doctor.facts import DatabaseSession, Fetched, Place
from vaultgate_ops.doctor.judges.database import credential, session
from vaultgate_ops.doctor.model import Verdict

PLACE = Place("database", "db.example.com", 3306, https=False)
ABOUT = "db.example.com:3306"
NOON, DAY_S = 1_795_262_400.0, 86_400.0
PATH = "database/creds/app"


def test_a_credential() -> None:
    """Whose, and for how long where it ends by itself."""
    assert credential(Fetched("vault", PATH, "ok", user="u", lease_s=600.4)) == Verdict("vault: user u, for 600 s")
    assert credential(Fetched("env", "RDS_PASSWORD", "ok", user="u")) == Verdict("env: user u")


@pytest.mark.parametrize(
    ("code", "words", "name"),
    [
        ("denied", "permission denied", "credential.denied"),
        ("missing", "nothing is there", "credential.missing"),
        ("shape", "its fields are a", "credential.shape"),
        ("failed", "timed out", "credential.failed"),
        ("failed", "", "credential.failed"),
        ("engine", "Error 1045 (28000): Access denied for user 'vault_admin'", "credential.vault-login"),
        ("engine", "Error 1698 (28000): no", "credential.vault-login"),
        ("engine", "Error 1040: Too many connections", "credential.vault-connections"),
        ("engine", "Error 1226 (42000): limit", "credential.vault-connections"),
        ("engine", "Error 1203: limit", "credential.vault-connections"),
        ("engine", "Error 1227 (42000): you need CREATE USER", "credential.vault-grants"),
        ("engine", "Error 1142: GRANT denied", "credential.vault-grants"),
        ("engine", "Error 1044: denied", "credential.vault-grants"),
        ("engine", "Error 1143: denied", "credential.vault-grants"),
        ("engine", "Error 1410: denied", "credential.vault-grants"),
        ("engine", "tls: failed to verify certificate: x509: unknown authority", "credential.vault-tls"),
        ("engine", "tls: bad", "credential.vault-tls"),
        ("engine", "X509: bad", "credential.vault-tls"),
        ("engine", "dial tcp 10.0.0.1:3306: connect: Connection refused", "credential.vault-reach"),
        ("engine", "dial tcp 10.0.0.1:3306: i/o timeout", "credential.vault-reach"),
        ("engine", "lookup db: no such host", "credential.vault-reach"),
        ("engine", "no route to host", "credential.vault-reach"),
        ("engine", "network is unreachable", "credential.vault-reach"),
        ("engine", "connection reset by peer", "credential.vault-reach"),
        ("engine", "Error 1064: syntax", "credential.failed"),
        ("engine", "", "credential.failed"),
    ],
)
def test_no_credential(code: str, words: str, name: str) -> None:
    """Vault quotes the database, whose numbers tell."""
    evidence = f"{PATH}: {words}" if words else PATH
    assert credential(Fetched("vault", PATH, code, words)) == Verdict(evidence, (found(name, PATH, evidence, where=PATH),))


def opened(**seen: object) -> DatabaseSession:
    """A session at noon."""
    return DatabaseSession(PLACE, "shop", "orders", "u", **({"now": NOON} | seen))  # type: ignore[arg-type]


def test_a_session() -> None:
    """Who reads what."""
    assert session(opened()) == Verdict("u reads shop.orders")
    assert session(opened(certificate_ends=NOON + 30 * DAY_S)) == Verdict("u reads shop.orders")


def test_a_certificate_that_ends_soon() -> None:
    """The server's own figure."""
    verdict = session(opened(certificate_ends=NOON + 29.5 * DAY_S))
    finding = found("database.certificate-ends-soon", ABOUT, "29.5 days left")
    assert verdict == Verdict("u reads shop.orders", (finding,))


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (1045, "database.wrong-password"),
        (1698, "database.wrong-password"),
        (1040, "database.too-many-connections"),
        (1203, "database.too-many-connections"),
        (1226, "database.too-many-connections"),
        (1044, "database.no-grant"),
        (1142, "database.no-grant"),
        (1143, "database.no-grant"),
        (1227, "database.no-grant"),
        (1410, "database.no-grant"),
        (1049, "database.unknown-schema"),
        (1051, "database.unknown-table"),
        (1146, "database.unknown-table"),
        (1820, "database.account"),
        (1862, "database.account"),
        (3118, "database.account"),
        (4151, "database.account"),
        (1129, "database.host-blocked"),
        (1130, "database.host-blocked"),
        (2003, "database.unreachable"),
        (2006, "database.unreachable"),
        (2013, "database.unreachable"),
        (2055, "database.unreachable"),
        (1053, "database.unreachable"),
        (1927, "database.unreachable"),
        (3159, "database.tls"),
        (2026, "database.tls"),
        (1064, "database.failed"),
        (-1, "database.failed"),
    ],
)
def test_no_session(number: int, name: str) -> None:
    """By the error's number."""
    evidence = f"'u' at {ABOUT}, read: error {number}, its words"
    finding = found(name, ABOUT, evidence, user="u", database="shop", table="orders")
    assert session(opened(number=number, stage="read", words="its words")) == Verdict(evidence, (finding,))


def test_an_error_with_a_number_or_words_alone() -> None:
    """Either is enough."""
    assert session(opened(number=1045)).told == f"'u' at {ABOUT}, connect: error 1045"
    assert session(opened(words="odd")).told == f"'u' at {ABOUT}, connect: error 0, odd"


@pytest.mark.parametrize(
    ("why", "name"), [("unable to get issuer", "database.tls"), ("but server doesn't support SSL", "database.no-tls")]
)
def test_no_tls(why: str, name: str) -> None:
    """Not trusted, or not spoken."""
    assert session(opened(tls=why, number=2026)) == Verdict(why, (found(name, ABOUT, why),))
