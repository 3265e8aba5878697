"""Names, ports, certificates and clocks with one fault each: real TLS and real sockets on loopback."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import socket
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest
from tests.doctor.conftest import ids, states
from tests.simulators.certificates import DAY, Authority
from tests.simulators.loopback import always, answering, loopback

from vaultgate.clock import Clock
from vaultgate.http1 import answer_bytes
from vaultgate.model import Answer, Origin, Request, TlsSettings
from vaultgate.transport import Connections
from vaultgate.values import origin
from vaultgate_ops.doctor.facts import Attempt, Dialled, Place
from vaultgate_ops.doctor.probes.network import handshake, is_private

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.doctor.conftest import Diagnose
    from tests.simulators.loopback import Conversation

    from vaultgate_ops.local.stack import Stack

pytestmark = pytest.mark.stack

HOUR_S = 3600.0
_FRAMING = {"connection", "content-length", "date", "host", "transfer-encoding"}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """One of the test's own."""
    return Authority(tmp_path)


def test_a_name_that_nobody_has(diagnosed: Diagnose) -> None:
    """Everything behind it waits for it; the database is looked at all the same."""
    report = diagnosed(VAULT_ADDR="https://vault.invalid:8200")
    assert ids(report) == ["dns.unknown"]
    assert {one.told for one in report.outcomes if one.state == "not reached"} == {
        "because 'dns Vault vault.invalid:8200' failed"
    }
    assert [one.state for one in report.outcomes if one.about.startswith("database ")] == ["fine", "fine"]


def test_a_port_where_nobody_listens(diagnosed: Diagnose) -> None:
    """Vault's and the database's are told apart; STS's is worth a note."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = str(closed.getsockname()[1])
        report = diagnosed(VAULT_ADDR=f"https://127.0.0.1:{port}", RDS_PORT=port, AWS_ENDPOINT_URL_STS=f"http://127.0.0.1:{port}")
    about = {(one.id, one.severity, one.about.partition(" ")[0]) for one in report.findings}
    assert about == {
        ("tcp.refused", "error", "Vault"),
        ("tcp.refused", "error", "database"),
        ("tcp.refused", "note", "STS"),
    }


@pytest.mark.parametrize(
    ("address", "private"),
    [("10.1.2.3", True), ("127.0.0.1", True), ("100.64.0.9", True), ("fd00::1", True), ("52.94.1.2", False), ("2600::1", False)],
)
def test_which_addresses_are_private(address: str, private: bool) -> None:  # noqa: FBT001 - a table
    """Those that a VPC may have, its second ranges included."""
    assert is_private(address) == private


@pytest.mark.parametrize(
    ("found", "ends", "begins", "host"),
    [
        ("tls.expired", -DAY, -10 * DAY, "127.0.0.1"),
        ("tls.not-yet-valid", 9 * DAY, DAY, "127.0.0.1"),
        ("tls.wrong-name", DAY, -DAY / 4, "vault.example.com"),
        ("tls.ends-soon", DAY, -10 * DAY, "127.0.0.1"),
    ],
)
def test_a_certificate(  # noqa: PLR0917 - a table and two fixtures
    diagnosed: Diagnose, authority: Authority, found: str, ends: dt.timedelta, begins: dt.timedelta, host: str
) -> None:
    """Dates and names are read off the certificate, also off one that was refused."""
    with loopback(always(), authority.server(host, ends, begins)) as server:
        report = diagnosed("tls", VAULT_ADDR=repr(server.origin), VAULT_CACERT=str(authority.certificate_file))
    (finding,) = report.findings
    assert finding.id == found
    shown = {"tls.expired": ends, "tls.not-yet-valid": begins, "tls.ends-soon": ends}
    if found in shown:
        assert f"{dt.datetime.now(dt.UTC) + shown[found]:%Y-%m-%d}" in finding.evidence
    else:
        assert finding.evidence == "asked for 127.0.0.1; the certificate is for vault.example.com"
        assert "VAULT_TLS_SERVER_NAME=vault.example.com" in finding.fix


def test_a_certificate_s_other_name(diagnosed: Diagnose, authority: Authority) -> None:
    """What the fix says mends it."""
    with loopback(always(), authority.server("vault.example.com", 300 * DAY)) as server:
        changes = {"VAULT_ADDR": repr(server.origin), "VAULT_CACERT": str(authority.certificate_file)}
        report = diagnosed("tls", **changes, VAULT_TLS_SERVER_NAME="vault.example.com")
    assert ids(report) == []


def test_an_authority_that_is_not_trusted(diagnosed: Diagnose, authority: Authority, stack: Stack, tmp_path: Path) -> None:
    """Who issued it and who is trusted; one of the same name with another key is told apart."""
    report = diagnosed("tls", VAULT_CACERT=str(authority.certificate_file))
    assert ids(report) == ["tls.unknown-authority"]
    expected = f"issued by 'Vaultgate local stack'; trusted: VAULT_CACERT={authority.certificate_file} (authority)"
    assert report.findings[0].evidence == expected
    (tmp_path / "more").mkdir()
    shutil.copy(stack.vault.ca_file, tmp_path / "more" / "any.name")
    assert ids(diagnosed("tls", VAULT_CACERT=None, VAULT_CAPATH=str(tmp_path / "more"))) == []
    (tmp_path / "again").mkdir()
    same = Authority(tmp_path / "again", "Vaultgate local stack")
    (finding,) = diagnosed("tls", VAULT_CACERT=str(same.certificate_file)).findings
    assert finding.evidence.endswith("which holds another authority of the same name")


def test_a_server_that_wants_a_certificate_of_ours(diagnosed: Diagnose, authority: Authority) -> None:
    """With TLS 1.3 it says so only after the handshake."""
    with loopback(always(), authority.server("127.0.0.1", 300 * DAY, asks_for=authority)) as server:
        report = diagnosed("tls", VAULT_ADDR=repr(server.origin), VAULT_CACERT=str(authority.certificate_file))
    assert ids(report) == ["tls.client-certificate"]


def test_tls_is_spoken_with_an_address_that_answers(authority: Authority) -> None:
    """Not with the name, whose first address may be dead; the certificate is still held to the name."""
    clock = Clock()
    with loopback(always(), authority.server("vault.invalid", 300 * DAY)) as server:
        place = Place("Vault", "vault.invalid", server.origin.port, https=True)
        attempts = (Attempt("192.0.2.1", private=False, outcome="timeout"), Attempt("127.0.0.1", private=True, outcome="open"))
        tls = TlsSettings(str(authority.certificate_file))
        seen = handshake(Dialled(place, attempts, in_function=True), tls, clock, clock.steady() + 10)
    assert (seen.outcome, seen.expected) == ("ok", "vault.invalid")


def test_a_port_without_tls(diagnosed: Diagnose) -> None:
    """Plain HTTP answers in a way of its own, and somebody who hangs up in another."""
    with loopback(answering()) as server:
        report = diagnosed("tls", VAULT_ADDR=f"https://127.0.0.1:{server.origin.port}")
    assert ids(report) == ["tls.failed"]

    def plain(connection: socket.socket, _next: Callable[[], Request | None]) -> None:
        connection.recv(1)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with loopback(plain) as server:
        report = diagnosed("tls", VAULT_ADDR=f"https://127.0.0.1:{server.origin.port}")
    assert ids(report) == ["tls.not-tls"]


def test_a_file_of_certificates_that_is_none(diagnosed: Diagnose, tmp_path: Path) -> None:
    """The variable and the file are named."""
    (tmp_path / "ca.pem").write_text("not PEM")
    report = diagnosed("tls", VAULT_CACERT=str(tmp_path / "ca.pem"))
    assert ids(report) == ["tls.files"]
    assert "VAULT_CACERT" in report.findings[0].evidence


def relaying(server: Origin, tls: TlsSettings | None, ahead_s: float) -> Conversation:
    """A server whose answers are another's, with a Date that is ahead."""
    clock = Clock()

    def converse(connection: socket.socket, next_request: Callable[[], Request | None]) -> None:
        behind = Connections(clock, tls)
        while (request := next_request()) is not None:
            plain = tuple(header for header in request.headers if header[0].lower() not in _FRAMING)
            asked = Request(request.method, request.target, plain, request.body)
            answer = behind.exchange(server, asked, clock.steady() + 10)
            headers = [header for header in answer.headers if header[0].lower() not in _FRAMING]
            headers.append(("Date", formatdate(clock.wall() + ahead_s, usegmt=True)))
            whole = Answer(answer.status, tuple(headers), answer.body)
            connection.sendall(answer_bytes(whole, to_head=request.method == "HEAD"))
        behind.close()

    return converse


@pytest.mark.parametrize(
    ("vault_s", "sts_s", "found"),
    [
        (0, 0, []),
        (HOUR_S, 0, ["clock.theirs"]),
        (-HOUR_S, -HOUR_S, ["clock.ours"]),
        (60, 60, ["clock.drifting"]),
        (HOUR_S, None, ["clock.unclear"]),
    ],
)
def test_clocks(  # noqa: PLR0917 - a table and three fixtures
    diagnosed: Diagnose, authority: Authority, stack: Stack, vault_s: float, sts_s: float | None, found: list[str]
) -> None:
    """Vault's Date and STS's, each moved in front of the real one, tell whose clock is wrong."""
    to_vault = relaying(origin(stack.vault.address), TlsSettings(str(stack.vault.ca_file)), vault_s)
    identity = b"<Arn>arn:aws:sts::123456789012:assumed-role/vaultgate-records/records</Arn>"
    date = formatdate(Clock().wall() + (sts_s or 0), usegmt=True)
    said = answer_bytes(Answer(200, (("Date", date),) if sts_s is not None else (), identity))
    with loopback(to_vault, authority.server("127.0.0.1", 300 * DAY)) as vault, loopback(always(said)) as sts:
        report = diagnosed(
            "clock",
            VAULT_ADDR=repr(vault.origin),
            VAULT_CACERT=str(authority.certificate_file),
            AWS_ENDPOINT_URL_STS=repr(sts.origin),
        )
    assert ids(report) == found


HEALTH = {"initialized": True, "sealed": False, "version": "1.21.1", "cluster_name": "c"}


@pytest.mark.parametrize(
    ("status", "changed", "found", "login"),
    [
        (472, {}, ["health.secondary"], "not reached"),
        (429, {"standby": True}, ["health.standby"], "found"),
        (200, {"version": "1.9.0"}, ["health.old"], "found"),
        (200, {"initialized": None}, [], "found"),
    ],
)
def test_states_of_vault(  # noqa: PLR0917 - a table and two fixtures
    diagnosed: Diagnose, authority: Authority, status: int, changed: dict[str, object], found: list[str], login: str
) -> None:
    """As /sys/health documents them; a standby is logged in to, a secondary isn't."""
    said = answer_bytes(Answer(status, (), json.dumps(HEALTH | changed).encode()))
    with loopback(always(said), authority.server("127.0.0.1", 300 * DAY)) as vault:
        report = diagnosed("login", VAULT_ADDR=repr(vault.origin), VAULT_CACERT=str(authority.certificate_file))
    assert [name for name in ids(report) if name.startswith("health.")] == found
    assert states(report)["login"] == login


def test_several_addresses(diagnosed: Diagnose, authority: Authority, stack: Stack, tmp_path: Path) -> None:
    """Each is looked at, once; the one that leads is logged in to, and a dead one is told though the login works."""
    said = answer_bytes(Answer(429, (), json.dumps(HEALTH | {"standby": True}).encode()))
    both = tmp_path / "both.pem"
    both.write_bytes(authority.certificate_file.read_bytes() + stack.vault.ca_file.read_bytes())
    with socket.socket() as closed, loopback(always(said), authority.server("127.0.0.1", 300 * DAY)) as standby:
        closed.bind(("127.0.0.1", 0))
        dead = f"https://127.0.0.1:{closed.getsockname()[1]}"
        report = diagnosed(
            VAULT_ADDR=repr(standby.origin),
            VAULTGATE_ADDRESSES=f"{dead},{stack.vault.address},{standby.origin!r}",
            VAULT_CACERT=str(both),
        )
        assert {request.method for request in standby.requests} == {"HEAD", "GET"}
    assert ids(report) == ["tcp.refused", "health.standby"]
    assert (len([one for one in report.outcomes if one.check == "health"]), states(report)["database"]) == (3, "fine")


def test_what_is_not_vault(diagnosed: Diagnose, authority: Authority) -> None:
    """A web server, and one that hangs up on questions."""
    changes = {"VAULT_CACERT": str(authority.certificate_file)}
    with loopback(always(), authority.server("127.0.0.1", 300 * DAY)) as server:
        assert ids(diagnosed("health", VAULT_ADDR=repr(server.origin), **changes)) == ["health.not-vault"]
    with loopback(answering(), authority.server("127.0.0.1", 300 * DAY)) as server:
        assert ids(diagnosed("health", VAULT_ADDR=repr(server.origin), **changes)) == ["health.no-answer"]


def refusal(code: str, words: str) -> bytes:
    """An error as STS words it."""
    return answer_bytes(Answer(403, (), f"<Error><Code>{code}</Code><Message>{words}</Message></Error>".encode()))


@pytest.mark.parametrize(
    ("code", "words", "found"),
    [
        ("ExpiredToken", "The security token included in the request is expired", "sts.expired"),
        ("SignatureDoesNotMatch", "Signature expired: 20260101T000000Z is now earlier than 20260101T010000Z", "sts.clock"),
        ("SignatureDoesNotMatch", "Credential should be scoped to a valid region.", "sts.region"),
        ("RegionDisabledException", "STS is not activated in this region for account:123456789012", "sts.region-disabled"),
        ("AccessDenied", "no VPC endpoint policy allows the sts:GetCallerIdentity action", "sts.denied"),
        ("Throttling", "Rate exceeded", "sts.refused"),
    ],
)
def test_refusals_of_sts(diagnosed: Diagnose, code: str, words: str, found: str) -> None:
    """In AWS's words, which moto doesn't have; each is told apart."""
    with loopback(always(refusal(code, words))) as sts:
        report = diagnosed("sts", AWS_ENDPOINT_URL_STS=repr(sts.origin))
        (request,) = [one for one in sts.requests if one.method == "POST"]
    assert ids(report) == [found]
    assert words in report.findings[0].evidence
    assert report.exit_code == (0 if found == "sts.denied" else 1)
    assert request.header("Host") == "sts.us-east-1.amazonaws.com"
    assert request.header("X-Vault-AWS-IAM-Server-ID") is None


def test_an_sts_that_hangs_up(diagnosed: Diagnose) -> None:
    """Worth a note; the login works."""
    with loopback(answering()) as sts:
        report = diagnosed("login", AWS_ENDPOINT_URL_STS=repr(sts.origin))
    assert [(one.id, one.severity) for one in report.findings] == [("sts.no-answer", "note")]
    assert (states(report)["login"], report.exit_code) == ("fine", 0)


def test_what_sts_echoes(diagnosed: Diagnose) -> None:
    """A wrong signature is answered with the whole signed request, the session token in it: no report repeats that."""
    token = "IQoJb3JpZ2luX2VjEXAMPLE"
    words = f"No match.\n\nThe Canonical String for this request should have been\n'POST\nx-amz-security-token:{token}'"
    body = f"<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>{words}</Message></Error></ErrorResponse>"
    with loopback(always(answer_bytes(Answer(403, (), body.encode())))) as sts:
        report = diagnosed("sts", AWS_ENDPOINT_URL_STS=repr(sts.origin), AWS_SESSION_TOKEN=token)
    (finding,) = report.findings
    assert (finding.id, finding.evidence) == ("sts.signature", "SignatureDoesNotMatch: No match.")
