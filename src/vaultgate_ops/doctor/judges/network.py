"""Names, connections, certificates and clocks: what was seen, and what it means.

Rules: pure. What the function doesn't need is at most worth a note. Source of the codes: OpenSSL, verify(1), `X509_V_ERR_...`;
of the five minutes: AWS, "Signature Version 4", a request's time.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from vaultgate_ops.doctor.catalogue import found
from vaultgate_ops.doctor.model import ERROR, NOTE, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vaultgate_ops.doctor.facts import Attempt, Certificate, Dialled, Handshake, Lookup, Place, Times
    from vaultgate_ops.doctor.model import Finding

DAY_S = 86_400.0
SOON_S, SOON_SHARE = 30 * DAY_S, 1 / 3
"""A certificate ends soon when less than both is left: of time, and of its life; one of a day doesn't end from its first hour."""
AWS_REFUSES_S, DRIFT_S = 300.0, 30.0
_EXPIRED, _NOT_YET, _WRONG_NAME, _WRONG_ADDRESS = 10, 9, 62, 64
_UNKNOWN_AUTHORITY = frozenset({2, 18, 19, 20, 21})
_HANDSHAKES = {
    "not-tls": "tls.not-tls",
    "timeout": "tls.silent",
    "client-certificate": "tls.client-certificate",
    "files": "tls.files",
}
_ENDPOINTS = {"STS": "sts", "Secrets Manager": "secretsmanager", "CloudWatch Logs": "logs"}


def lookup(seen: Lookup) -> Verdict:
    """A name that was looked up."""
    place = seen.place
    if not seen.failure:
        return Verdict(", ".join(seen.addresses))
    severity = ERROR if place.needed else NOTE
    evidence = f"{place.host}: {'no address' if seen.failure == 'unknown' else f'no answer in {seen.took_s:.1f} s'}"
    name = "dns.timeout" if seen.failure == "timeout" else "dns.unknown"
    return _stopped(place, name, evidence, severity, host=place.host)


def dial(seen: Dialled) -> Verdict:
    """Connections to all addresses of a place."""
    place = seen.place
    told = "; ".join(_told(attempt) for attempt in seen.attempts)
    outcomes = {attempt.outcome for attempt in seen.attempts}
    if "open" in outcomes:
        if "timeout" not in outcomes:
            return Verdict(told)
        return Verdict(told, (found("tcp.one-address", place.about, told),))
    severity = ERROR if place.needed else NOTE
    filled = {"host": place.host, "port": place.port}
    if "timeout" in outcomes:
        late = [attempt for attempt in seen.attempts if attempt.outcome == "timeout"]
        name, way = _lost(seen, late)
        return _stopped(place, name, told, severity, **filled, way=way)
    if "refused" in outcomes:
        return _stopped(place, "tcp.refused", told, severity, **filled)
    if outcomes == {"no-route"}:
        return _stopped(place, "tcp.no-route", told, severity, **filled)
    return _stopped(place, "tcp.failed", told, severity, **filled)


def _lost(seen: Dialled, late: Sequence[Attempt]) -> tuple[str, str]:
    """Why packets get lost, by where we are and what kind of address was dialled; and what opens a way out."""
    private = all(attempt.private for attempt in late)
    if not seen.in_function:
        return "tcp.filtered", ""
    if private:
        return ("tcp.endpoint-closed" if seen.place.aws else "tcp.filtered"), ""
    service = _ENDPOINTS.get(seen.place.name)
    if service:
        return "tcp.no-way-out", f"Run: aws ec2 create-vpc-endpoint --service-name com.amazonaws.<region>.{service} ...;"
    return "tcp.no-way-out", f"Reach {seen.place.name} by a private address (peering, PrivateLink),"


def _told(attempt: Attempt) -> str:
    kind = "private" if attempt.private else "public"
    after = f" after {attempt.took_s:.1f} s" if attempt.outcome == "timeout" else ""
    return f"{attempt.address} ({kind}): {attempt.outcome}{after}"


def _stopped(place: Place, name: str, evidence: str, severity: str, **filled: object) -> Verdict:
    """A verdict behind which nothing can be looked at."""
    return Verdict(evidence, (found(name, place.about, evidence, severity=severity, **filled),), stops=True)


def handshake(seen: Handshake) -> Verdict:
    """A certificate, and what the library said of it."""
    place, shown = seen.place, seen.certificate
    severity = ERROR if place.needed else NOTE
    filled = {"host": place.host, "port": place.port, "expected": seen.expected}
    if seen.outcome == "ok":
        return _good(seen)
    if seen.outcome != "verify":
        return _stopped(place, _HANDSHAKES.get(seen.outcome, "tls.failed"), seen.words, severity, **filled)
    if shown is None:
        return _stopped(place, "tls.failed", seen.words, severity, **filled)
    name, evidence = _refused(seen, shown)
    first = shown.names[0] if shown.names else "<name>"
    return _stopped(place, name, evidence, severity, **filled, first=first, issuer=shown.issuer)


def _refused(seen: Handshake, shown: Certificate) -> tuple[str, str]:
    """Why a certificate was refused, and what shows it."""
    if seen.code == _EXPIRED:
        return "tls.expired", f"valid until {_day(shown.ends)}; it is {_day(seen.now)} here"
    if seen.code == _NOT_YET:
        return "tls.not-yet-valid", f"valid from {_day(shown.begins)}; it is {_day(seen.now)} here"
    if seen.code in {_WRONG_NAME, _WRONG_ADDRESS}:
        return "tls.wrong-name", f"asked for {seen.expected}; the certificate is for {', '.join(shown.names) or 'nobody'}"
    if seen.code in _UNKNOWN_AUTHORITY:
        return "tls.unknown-authority", f"issued by {shown.issuer!r}; trusted: {seen.trust}{_authorities(seen, shown)}"
    return "tls.failed", seen.words


def _authorities(seen: Handshake, shown: Certificate) -> str:
    if shown.issuer in seen.authorities:
        return ", which holds another authority of the same name"
    return f" ({', '.join(seen.authorities)})" if seen.authorities else ""


def _good(seen: Handshake) -> Verdict:
    shown = seen.certificate
    if shown is None:
        return Verdict("nobody checks it: VAULT_SKIP_VERIFY")
    told = f"{shown.subject}, by {shown.issuer}, until {_day(shown.ends)}"
    if not ends_soon(shown.begins, shown.ends, seen.now):
        return Verdict(told)
    left = f"{(shown.ends - seen.now) / DAY_S:.1f} days left, until {_day(shown.ends)}"
    severity = "" if seen.place.needed else NOTE
    return Verdict(told, (found("tls.ends-soon", seen.place.about, left, severity=severity, host=seen.place.host),))


def ends_soon(begins: float, ends: float, now: float) -> bool:
    """Whether somebody should renew a certificate by now; seconds since 1970."""
    left = ends - now
    return left < SOON_S and left < SOON_SHARE * (ends - begins)


def times(seen: Sequence[Times]) -> Verdict:
    """Others' clocks beside ours; STS's is taken for right, and the majority otherwise."""
    told = ", ".join(f"{one.who} {_ahead(one.ahead_s)}" for one in seen)
    reference = next((one for one in seen if one.who == "STS"), None)
    if reference is not None and abs(reference.ahead_s) >= AWS_REFUSES_S:
        return Verdict(told, (found("clock.ours", "", told),))
    others = [one for one in seen if one.who != "STS"]
    findings: list[Finding] = []
    for one in others:
        if reference is not None and abs(one.ahead_s - reference.ahead_s) >= DRIFT_S:
            findings.append(found("clock.theirs", one.who, told, who=one.who))
        elif abs(one.ahead_s) >= AWS_REFUSES_S:
            findings.append(found("clock.unclear", one.who, told, who=one.who))
        elif reference is None and abs(one.ahead_s) >= DRIFT_S:
            findings.append(found("clock.drifting", one.who, told, who=one.who))
    if reference is not None and abs(reference.ahead_s) >= DRIFT_S:
        findings.append(found("clock.drifting", "STS", told, who="STS"))
    return Verdict(told, tuple(findings))


def _ahead(seconds: float) -> str:
    if abs(seconds) < 1.5:  # noqa: PLR2004 - a Date header counts whole seconds
        return "agrees"
    return f"is {abs(seconds):.0f} s {'ahead' if seconds > 0 else 'behind'}"


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%MZ")
