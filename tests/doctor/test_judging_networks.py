"""Names, connections, certificates and clocks, judged."""

from __future__ import annotations

import pytest

from vaultgate_ops.doctor.catalogue import found
from vaultgate_ops.doctor.facts import Attempt, Certificate, Dialled, Handshake, Lookup, Place, Times
from vaultgate_ops.doctor.judges.network import DAY_S, dial, ends_soon, handshake, lookup, times
from vaultgate_ops.doctor.model import ERROR, NOTE, Verdict

VAULT = Place("Vault", "vault.example.com", 8200, https=True)
STS = Place("STS", "sts.example.com", 443, https=True, needed=False, aws=True)
SECRETS = Place("Secrets Manager", "secrets.example.com", 443, https=True, aws=True)
LOGS = Place("CloudWatch Logs", "logs.example.com", 443, https=True, aws=True)
DATABASE = Place("database", "db.example.com", 3306, https=False)
NOON = 1_795_262_400.0  # 2026-11-21T12:00:00Z
SHOWN = Certificate("vault.example.com", "Example CA", ("a.example.com", "b.example.com"), NOON - 10 * DAY_S, NOON + 90 * DAY_S)


def test_a_name_with_addresses() -> None:
    """The addresses are told."""
    assert lookup(Lookup(VAULT, ("10.0.0.1", "10.0.0.2"))) == Verdict("10.0.0.1, 10.0.0.2")


@pytest.mark.parametrize(("place", "severity"), [(VAULT, ERROR), (STS, NOTE)])
@pytest.mark.parametrize(
    ("failure", "name", "words"), [("unknown", "dns.unknown", "no address"), ("timeout", "dns.timeout", "no answer in 4.2 s")]
)
def test_a_name_without(place: Place, severity: str, failure: str, name: str, words: str) -> None:
    """Nothing can be looked at behind it; what isn't needed is worth a note."""
    evidence = f"{place.host}: {words}"
    finding = found(name, place.about, evidence, severity=severity, host=place.host)
    assert lookup(Lookup(place, (), failure, 4.23)) == Verdict(evidence, (finding,), stops=True)


def attempt(outcome: str, address: str = "10.0.0.1", *, private: bool = True) -> Attempt:
    """One that took 4.04 s."""
    return Attempt(address, private, outcome, 4.04)


def test_an_open_port() -> None:
    """Nothing is found, also where another address refuses: whoever dials goes on at once."""
    assert dial(Dialled(VAULT, (attempt("open"),), in_function=False)) == Verdict("10.0.0.1 (private): open")
    both = (attempt("open"), attempt("refused", "2.2.2.2", private=False))
    assert dial(Dialled(VAULT, both, in_function=True)) == Verdict("10.0.0.1 (private): open; 2.2.2.2 (public): refused")


def test_one_address_of_several_is_silent() -> None:
    """It works, slowly: a warning, and the rest goes on."""
    verdict = dial(Dialled(VAULT, (attempt("timeout"), attempt("open", "10.0.0.2")), in_function=False))
    told = "10.0.0.1 (private): timeout after 4.0 s; 10.0.0.2 (private): open"
    assert verdict == Verdict(told, (found("tcp.one-address", VAULT.about, told),))
    assert verdict.passed


PEERING = "Reach Vault by a private address (peering, PrivateLink),"
ENDPOINT = "Run: aws ec2 create-vpc-endpoint --service-name com.amazonaws.<region>.{} ...;"


@pytest.mark.parametrize(
    ("place", "in_function", "private", "outcomes", "name", "way"),
    [
        (VAULT, False, True, ["refused"], "tcp.refused", ""),
        (VAULT, False, True, ["refused", "no-route"], "tcp.refused", ""),
        (VAULT, False, True, ["no-route"], "tcp.no-route", ""),
        (VAULT, False, True, ["no-route", "broken"], "tcp.failed", ""),
        (VAULT, False, True, ["broken"], "tcp.failed", ""),
        (VAULT, False, False, ["timeout"], "tcp.filtered", ""),
        (VAULT, False, True, ["timeout"], "tcp.filtered", ""),
        (VAULT, True, True, ["timeout", "refused"], "tcp.filtered", ""),
        (DATABASE, True, True, ["timeout"], "tcp.filtered", ""),
        (STS, True, True, ["timeout"], "tcp.endpoint-closed", ""),
        (STS, False, True, ["timeout"], "tcp.filtered", ""),
        (VAULT, True, False, ["timeout"], "tcp.no-way-out", PEERING),
        (STS, True, False, ["timeout"], "tcp.no-way-out", ENDPOINT.format("sts")),
        (SECRETS, True, False, ["timeout"], "tcp.no-way-out", ENDPOINT.format("secretsmanager")),
        (LOGS, True, False, ["timeout"], "tcp.no-way-out", ENDPOINT.format("logs")),
    ],
)
def test_no_connection(  # noqa: PLR0917 - a table
    place: Place,
    in_function: bool,  # noqa: FBT001 - as above
    private: bool,  # noqa: FBT001 - as above
    outcomes: list[str],
    name: str,
    way: str,
) -> None:
    """From where, to what kind of address and how it failed says what is missing."""
    attempts = tuple(attempt(outcome, f"1.1.1.{number}", private=private) for number, outcome in enumerate(outcomes))
    after = {"timeout": "timeout after 4.0 s"}
    kind = "private" if private else "public"
    told = "; ".join(f"1.1.1.{number} ({kind}): {after.get(outcome, outcome)}" for number, outcome in enumerate(outcomes))
    severity = ERROR if place.needed else NOTE
    finding = found(name, place.about, told, severity=severity, host=place.host, port=place.port, way=way)
    assert dial(Dialled(place, attempts, in_function)) == Verdict(told, (finding,), stops=True)


def test_the_kind_of_the_silent_addresses_counts() -> None:
    """A public address that times out isn't excused by a private one that refuses."""
    mixed = (attempt("refused"), attempt("timeout", "52.0.0.1", private=False))
    (finding,) = dial(Dialled(SECRETS, mixed, in_function=True)).findings
    assert finding.id == "tcp.no-way-out"


def tried(outcome: str, code: int = 0, *, place: Place = VAULT, **seen: object) -> Handshake:
    """A handshake of that outcome at noon."""
    facts = {"words": "its words", "certificate": SHOWN, "authorities": (), "now": NOON} | seen
    return Handshake(place, "vault.example.com", "VAULT_CACERT=/ca.pem", outcome=outcome, code=code, **facts)  # type: ignore[arg-type]


def test_a_good_certificate() -> None:
    """Whose it is, from whom, and until when."""
    assert handshake(tried("ok")) == Verdict("vault.example.com, by Example CA, until 2027-02-19 12:00Z")
    assert handshake(tried("ok", certificate=None)) == Verdict("nobody checks it: VAULT_SKIP_VERIFY")


@pytest.mark.parametrize(("place", "severity"), [(VAULT, ""), (STS, NOTE)])
def test_a_certificate_that_ends_soon(place: Place, severity: str) -> None:
    """It works until then."""
    short = SHOWN.__class__("s", "i", (), NOON - 60 * DAY_S, NOON + 9.5 * DAY_S)
    verdict = handshake(tried("ok", place=place, certificate=short))
    evidence = "9.5 days left, until 2026-12-01 00:00Z"
    finding = found("tls.ends-soon", place.about, evidence, severity=severity, host=place.host)
    assert verdict == Verdict("s, by i, until 2026-12-01 00:00Z", (finding,))
    assert verdict.passed


@pytest.mark.parametrize(
    ("life_days", "left_days", "soon"),
    [(365, 31, False), (365, 30, False), (365, 29.9, True), (60, 20, False), (60, 19.9, True), (1, 0.9, False), (1, 0.3, True)],
)
def test_when_soon_is(life_days: float, left_days: float, soon: bool) -> None:  # noqa: FBT001 - a table
    """Less than thirty days and less than a third of its life."""
    ends = NOON + left_days * DAY_S
    assert ends_soon(ends - life_days * DAY_S, ends, NOON) == soon


@pytest.mark.parametrize(("place", "severity"), [(VAULT, ERROR), (STS, NOTE)])
@pytest.mark.parametrize(
    ("outcome", "name"),
    [
        ("not-tls", "tls.not-tls"),
        ("timeout", "tls.silent"),
        ("client-certificate", "tls.client-certificate"),
        ("files", "tls.files"),
        ("failed", "tls.failed"),
    ],
)
def test_no_tls(place: Place, severity: str, outcome: str, name: str) -> None:
    """The library's words are the evidence."""
    filled = {"host": place.host, "port": place.port, "expected": "vault.example.com"}
    finding = found(name, place.about, "its words", severity=severity, **filled)
    assert handshake(tried(outcome, place=place)) == Verdict("its words", (finding,), stops=True)


NAMED = "asked for vault.example.com; the certificate is for a.example.com, b.example.com"
ISSUED = "issued by 'Example CA'; trusted: VAULT_CACERT=/ca.pem"


@pytest.mark.parametrize(
    ("code", "name", "evidence"),
    [
        (10, "tls.expired", "valid until 2027-02-19 12:00Z; it is 2026-11-21 12:00Z here"),
        (9, "tls.not-yet-valid", "valid from 2026-11-11 12:00Z; it is 2026-11-21 12:00Z here"),
        (62, "tls.wrong-name", NAMED),
        (64, "tls.wrong-name", NAMED),
        (2, "tls.unknown-authority", ISSUED),
        (18, "tls.unknown-authority", ISSUED),
        (19, "tls.unknown-authority", ISSUED),
        (20, "tls.unknown-authority", ISSUED),
        (21, "tls.unknown-authority", ISSUED),
        (26, "tls.failed", "its words"),
    ],
)
def test_a_certificate_that_is_refused(code: int, name: str, evidence: str) -> None:
    """By OpenSSL's code, with what of the certificate shows it."""
    filled = {"host": VAULT.host, "port": 8200, "expected": "vault.example.com", "first": "a.example.com", "issuer": "Example CA"}
    finding = found(name, VAULT.about, evidence, severity=ERROR, **filled)
    assert handshake(tried("verify", code)) == Verdict(evidence, (finding,), stops=True)


def test_who_is_trusted() -> None:
    """The authorities of the bundle are named, and one of the same name as the issuer is told apart."""
    others = handshake(tried("verify", 20, authorities=("Other CA", "Third CA"))).told
    assert others == f"{ISSUED} (Other CA, Third CA)"
    same = handshake(tried("verify", 20, authorities=("Example CA",))).told
    assert same == f"{ISSUED}, which holds another authority of the same name"


def test_a_certificate_that_can_t_be_read() -> None:
    """Then the library's words have to do."""
    (finding,) = handshake(tried("verify", 10, certificate=None)).findings
    assert (finding.id, finding.evidence) == ("tls.failed", "its words")


def test_a_certificate_without_names() -> None:
    """It is for nobody."""
    bare = Certificate("s", "i", (), NOON, NOON + 90 * DAY_S)
    (finding,) = handshake(tried("verify", 62, certificate=bare)).findings
    assert finding.evidence == "asked for vault.example.com; the certificate is for nobody"
    assert "VAULT_TLS_SERVER_NAME=<name>" in finding.fix


def names(*seen: Times) -> list[tuple[str, str]]:
    """What is found, and about whom."""
    return [(finding.id, finding.about) for finding in times(seen).findings]


@pytest.mark.parametrize(
    ("sts", "vault", "expected"),
    [
        (0, 0, []),
        (29.9, 29.9, []),
        (None, 29.9, []),
        (None, -30, [("clock.drifting", "Vault")]),
        (None, 300, [("clock.unclear", "Vault")]),
        (None, -299, [("clock.drifting", "Vault")]),
        (30, 30, [("clock.drifting", "STS")]),
        (0, 30, [("clock.theirs", "Vault")]),
        (0, 29.9, []),
        (-20, 20, [("clock.theirs", "Vault")]),
        (0, -400, [("clock.theirs", "Vault")]),
        (300, 300, [("clock.ours", "")]),
        (-300, 0, [("clock.ours", "")]),
        (299, 310, [("clock.unclear", "Vault"), ("clock.drifting", "STS")]),
        (40, None, [("clock.drifting", "STS")]),
        (0, None, []),
        (None, None, []),
    ],
)
def test_whose_clock_is_wrong(sts: float | None, vault: float | None, expected: list[tuple[str, str]]) -> None:
    """STS's is right; without it nobody knows whose is wrong."""
    seen = [Times(who, ahead) for who, ahead in (("STS", sts), ("Vault", vault)) if ahead is not None]
    assert names(*seen) == expected


def test_what_is_told_of_clocks() -> None:
    """By how much and in which direction; a second and a half is what a Date header can't tell."""
    verdict = times([Times("STS", 1.4), Times("Vault", -1.5)])
    assert verdict == Verdict("STS agrees, Vault is 2 s behind")
    verdict = times([Times("STS", 0), Times("Vault", 90)])
    told = "STS agrees, Vault is 90 s ahead"
    assert verdict == Verdict(told, (found("clock.theirs", "Vault", told, who="Vault"),))
    told = "STS is 400 s ahead, Vault agrees"
    assert times([Times("STS", 400), Times("Vault", 0)]) == Verdict(told, (found("clock.ours", "", told),))
    told = "STS is 40 s ahead"
    assert times([Times("STS", 40)]) == Verdict(told, (found("clock.drifting", "STS", told, who="STS"),))
    told = "Vault is 40 s ahead"
    assert times([Times("Vault", 40)]) == Verdict(told, (found("clock.drifting", "Vault", told, who="Vault"),))
    told = "Vault is 400 s behind"
    assert times([Times("Vault", -400)]) == Verdict(told, (found("clock.unclear", "Vault", told, who="Vault"),))
