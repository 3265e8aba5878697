"""The one table of what the doctor looks at and what it can find, a module for each subject; docs/doctor.md is made from it.

Rules: an id never changes its meaning; every cause is one sentence, every fix says a command where there is one. What stands in
braces is filled in with what was seen, and shown as `<name>` in the documentation.
"""

from __future__ import annotations

from vaultgate_ops.doctor.catalogue import aws, beside, database, function, network, vault
from vaultgate_ops.doctor.model import Finding

CHECKS = {
    "settings": "the extension's settings, as it would read them",
    "records": "the record-count function's settings",
    "layer": "the layer's files, the interpreter that its launcher finds, bytecode for it",
    "extension": "the extension that runs here: is it there, has it logged in, does it talk to Vault",
    "dns": "names of Vault, STS, the database; inside a function also of Secrets Manager and CloudWatch Logs",
    "tcp": "connections to all of them, by each of their addresses",
    "tls": "certificates: chain, name, dates",
    "clock": "this machine's clock beside Vault's and STS's",
    "health": "is Vault initialized, unsealed, in charge",
    "keys": "AWS keys to sign the login with",
    "sts": "a signed GetCallerIdentity, really sent",
    "login": "a login to Vault, as the extension does it",
    "identity": "who we are in Vault's eyes",
    "policy": "each path that the settings name, and what the extension needs for itself",
    "credential": "the database's credential, fetched and given back",
    "database": "a login to the database with it, and one row of the table",
    "rotation": "secrets of Secrets Manager: permissions, what is pending, what is overdue",
    "mirror": "the audit mirror's lag",
    "doctor": "the doctor itself",
}
"""Each check, and what it looks at."""

KINDS = (*function.KINDS, *network.KINDS, *vault.KINDS, *aws.KINDS, *database.KINDS, *beside.KINDS)
_BY_ID = {kind.id: kind for kind in KINDS}


def found(name: str, about: str, evidence: str, *, severity: str = "", **filled: object) -> Finding:
    """A finding of the table.

    Args:
        name: its id.
        about: which of several things it is about.
        evidence: what was seen.
        severity: another than the table's.
        filled: what stands in braces in cause and fix.
    """
    kind = _BY_ID[name]
    return Finding(name, about, severity or kind.severity, kind.cause.format(**filled), evidence, kind.fix.format(**filled))
