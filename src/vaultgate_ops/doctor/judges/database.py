"""The database's credential, and a session with it.

Rules: pure. Source of the numbers: MySQL, "Server Error Message Reference"; MariaDB, "MariaDB Error Codes"; of Vault's words:
its MySQL plugin, which quotes the server's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vaultgate_ops.doctor.catalogue import found
from vaultgate_ops.doctor.judges.network import DAY_S, SOON_S
from vaultgate_ops.doctor.model import Verdict

if TYPE_CHECKING:
    from vaultgate_ops.doctor.facts import DatabaseSession, Fetched

_NUMBER = re.compile(r"error (\d{4})")
_ACCESS_DENIED = frozenset({1045, 1698})
_CONNECTIONS = frozenset({1040, 1203, 1226})
_GRANTS = frozenset({1044, 1142, 1143, 1227, 1410})
_MEANINGS = (
    (_ACCESS_DENIED, "database.wrong-password"),
    (_CONNECTIONS, "database.too-many-connections"),
    (_GRANTS, "database.no-grant"),
    (frozenset({1049}), "database.unknown-schema"),
    (frozenset({1051, 1146}), "database.unknown-table"),
    (frozenset({1820, 1862, 3118, 4151}), "database.account"),
    (frozenset({1129, 1130}), "database.host-blocked"),
    (frozenset({2003, 2006, 2013, 2055, 1053, 1927}), "database.unreachable"),
    (frozenset({3159, 2026}), "database.tls"),
)
_REACH = ("connection refused", "i/o timeout", "no such host", "no route to host", "network is unreachable", "connection reset")
_CODES = {"denied": "credential.denied", "missing": "credential.missing", "shape": "credential.shape"}


def credential(seen: Fetched) -> Verdict:
    """A credential that was asked for."""
    if seen.code == "ok":
        life = f", for {seen.lease_s:.0f} s" if seen.lease_s else ""
        return Verdict(f"{seen.source}: user {seen.user}{life}")
    name = _CODES.get(seen.code) or (_engine(seen.words) if seen.code == "engine" else "credential.failed")
    evidence = f"{seen.where}: {seen.words}" if seen.words else seen.where
    return Verdict(evidence, (found(name, seen.where, evidence, where=seen.where),))


def _engine(words: str) -> str:
    """What Vault's own trouble with the database is."""
    said = words.lower()
    numbers = {int(number) for number in _NUMBER.findall(said)}
    for known, name in (
        (_ACCESS_DENIED, "credential.vault-login"),
        (_CONNECTIONS, "credential.vault-connections"),
        (_GRANTS, "credential.vault-grants"),
    ):
        if numbers & known:
            return name
    if "x509" in said or "tls:" in said:
        return "credential.vault-tls"
    return "credential.vault-reach" if any(part in said for part in _REACH) else "credential.failed"


def session(seen: DatabaseSession) -> Verdict:
    """A session with the database, by the first error's number."""
    about = f"{seen.place.host}:{seen.place.port}"
    filled = {"user": seen.user, "database": seen.database, "table": seen.table}
    if seen.tls:
        name = "database.no-tls" if "doesn't support" in seen.tls else "database.tls"
        return Verdict(seen.tls, (found(name, about, seen.tls),))
    if seen.number or seen.words:
        name = next((name for numbers, name in _MEANINGS if seen.number in numbers), "database.failed")
        evidence = f"{seen.user!r} at {about}, {seen.stage}: error {seen.number}{f', {seen.words}' if seen.words else ''}"
        return Verdict(evidence, (found(name, about, evidence, **filled),))
    told = f"{seen.user} reads {seen.database}.{seen.table}"
    left_s = seen.certificate_ends - seen.now
    if seen.certificate_ends and left_s < SOON_S:
        return Verdict(told, (found("database.certificate-ends-soon", about, f"{left_s / DAY_S:.1f} days left"),))
    return Verdict(told)
