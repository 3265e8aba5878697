"""Who read a secret, from what AWS and Vault write down of it.

Rules: pure; a read counts if it was answered, and it counts for whoever stands behind the session: the role, not the session's
name. A name belongs to one account, and to one region and those of its replicas; an ARN is the same in each of them but for
that. Both logs deliver at least once, and another account's caller is told the same event: each counts once. What isn't
understood isn't guessed: a record without what is needed is no read. Values are in neither log.
Sources: AWS CloudTrail User Guide, "CloudTrail record contents" and "CloudTrail userIdentity element"; Secrets Manager User
Guide, "CloudTrail entries" (GetSecretValue stands for BatchGetSecretValue too); Vault documentation, "Audit devices".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_SUFFIX = re.compile("-[A-Za-z0-9]{6}")
_SECRETS, _SYSTEMS = "secretsmanager.amazonaws.com", "ssm.amazonaws.com"
# Each reading operation of Parameter Store, and where its record names what was read.
_PARAMETERS = {"GetParameter": "name", "GetParameters": "names", "GetParameterHistory": "name", "GetParametersByPath": "path"}
_ARN_PARTS = 6


@dataclass(frozen=True)
class Subject:
    """What may have been read.

    Attributes:
        arn: of a secret or a parameter.
        name: of it.
        vault_paths: where the same value can be read in Vault.
        replicas: regions where the secret can be read too.
        copies: names of other parameters that hold the same value.
    """

    arn: str
    name: str
    vault_paths: frozenset[str] = frozenset()
    replicas: frozenset[str] = frozenset()
    copies: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Read:
    """One answered read.

    Attributes:
        who: ARN of a role or a user, a service of AWS, an account, or Vault's name of somebody.
        at: seconds since 1970.
        service: ``secretsmanager``, ``ssm`` or ``vault``.
        what: as it was named: ARN, a part of one, name, path.
        account, region: of the call; empty for Vault.
        below: everything below a path was read: ``""`` for no, ``one`` level or ``all``.
        event: what tells it from any other event; the same where it is told again.
    """

    who: str
    at: float
    service: str
    what: str
    account: str = ""
    region: str = ""
    below: str = ""
    event: str = ""


@dataclass(frozen=True)
class Reader:
    """Somebody who read something.

    Attributes:
        times: how often.
        last_at: seconds since 1970.
    """

    who: str
    times: int
    last_at: float


def of_trail(record: Mapping[str, Any]) -> Iterator[Read]:
    """The reads in one record of CloudTrail; none for anything else, and for what was refused.

    Args:
        record: one of a file's ``Records``.
    """
    source, name = record.get("eventSource"), record.get("eventName")
    asked, at = record.get("requestParameters"), _moment(record.get("eventTime"))
    if record.get("errorCode") or not isinstance(asked, dict) or at is None:
        return
    if source == _SECRETS and name == "GetSecretValue":
        service, field = "secretsmanager", "secretId"
    elif source == _SYSTEMS and name in _PARAMETERS:
        service, field = "ssm", _PARAMETERS[name]
    else:
        return
    named = asked.get(field)
    below = ("all" if asked.get("recursive") else "one") if field == "path" else ""
    who, account = _who(record.get("userIdentity")), str(record.get("recipientAccountId", ""))
    for what in named if isinstance(named, list) else [named]:
        if isinstance(what, str) and what:
            region, event = str(record.get("awsRegion", "")), str(record.get("eventID", ""))
            yield Read(who, at, service, what, account, region, below, event)


def of_vault(entry: Mapping[str, Any]) -> Iterator[Read]:
    """The read in one entry of a Vault audit device; none for anything else, and for what was refused.

    Args:
        entry: a line's JSON.
    """
    request, who = entry.get("request"), entry.get("auth")
    at = _moment(entry.get("time"))
    if entry.get("type") != "response" or entry.get("error") or at is None or not isinstance(request, dict):
        return
    path = request.get("path")
    if request.get("operation") != "read" or not isinstance(path, str):
        return
    space = request.get("namespace")
    prefix = space.get("path", "") if isinstance(space, dict) else ""
    name = who.get("display_name") if isinstance(who, dict) else ""
    # Each of several devices writes the request down.
    yield Read(f"vault: {name or 'unknown'}", at, "vault", f"{prefix}{path}", event=str(request.get("id", "")))


def alike(reads: Iterable[Read]) -> list[list[Read]]:
    """Reads that name something in the same way, together: of each list the first one tells whether all concern a subject."""
    found: dict[tuple[str, ...], list[Read]] = {}
    for read in reads:
        found.setdefault((read.service, read.account, read.region, read.below, read.what), []).append(read)
    return list(found.values())


def readers(subject: Subject, reads: Iterable[Read], since_s: float) -> tuple[Reader, ...]:
    """Who read a subject, who did so last first.

    Args:
        subject: what.
        reads: of anything.
        since_s: seconds since 1970; earlier ones don't count.
    """
    found: dict[str, list[float]] = {}
    told: set[str] = set()
    for read in reads:
        if read.at >= since_s and read.event not in told and concerns(read, subject):
            told |= {read.event} if read.event else set()
            found.setdefault(read.who, []).append(read.at)
    rows = [Reader(who, len(times), max(times)) for who, times in found.items()]
    return tuple(sorted(rows, key=lambda one: (-one.last_at, one.who)))


def concerns(read: Read, subject: Subject) -> bool:
    """Whether a read is one of this subject."""
    if read.service == "vault":
        return read.what in subject.vault_paths
    _, _, kind, region, account, _ = subject.arn.split(":", _ARN_PARTS - 1)
    if (read.service, read.account) != (kind, account):
        return False
    if read.what.startswith("arn:"):
        return same(read.what, subject)
    if read.region != region and read.region not in subject.replicas:
        return False
    names = {subject.name, *subject.copies}
    if read.below:
        folder = read.what.rstrip("/") + "/"
        inside = [name.removeprefix(folder) for name in names if name.startswith(folder)]
        return any(read.below == "all" or "/" not in name for name in inside)
    return (_unversioned(read.what) if read.service == "ssm" else read.what) in names


def same(arn: str, subject: Subject) -> bool:
    """Whether an ARN names a subject, as whole as it must be.

    Args:
        arn: in any region where a secret may have replicas, with or without the letters that the service puts at its end.
        subject: what.
    """
    _, _, service, region, account, rest = subject.arn.split(":", _ARN_PARTS - 1)
    parts = arn.split(":", _ARN_PARTS - 1)
    if len(parts) != _ARN_PARTS or (parts[2], parts[4]) != (service, account):
        return False
    if service == "ssm":
        rests = {rest, *(f"parameter/{copy.removeprefix('/')}" for copy in subject.copies)}
        return parts[3] == region and _unversioned(parts[5]) in rests
    # Without the six letters that the service adds, an ARN is taken too.
    return parts[5] == rest or (rest.startswith(parts[5]) and _SUFFIX.fullmatch(rest.removeprefix(parts[5])) is not None)


def _unversioned(name: str) -> str:
    """A parameter's name without a version or a label behind it."""
    return name.partition(":")[0]


def _who(identity: Any) -> str:
    if not isinstance(identity, dict):
        return "unknown"
    context = identity.get("sessionContext")
    issuer = context.get("sessionIssuer") if isinstance(context, dict) else None
    behind = issuer.get("arn") if isinstance(issuer, dict) else None
    for one in (behind, identity.get("arn"), identity.get("invokedBy")):
        if isinstance(one, str) and one:
            return one
    # Of another account's caller no more is told: an id, with a session's name behind it, and the account.
    principal, account = identity.get("principalId"), identity.get("accountId")
    named = principal.partition(":")[0] if isinstance(principal, str) else ""
    owner = f"account {account}" if isinstance(account, str) and account else ""
    return " of ".join(part for part in (named, owner) if part) or "unknown"


def _moment(text: Any) -> float | None:
    """A date of either log, which both are in UTC, in seconds since 1970; None if it isn't one."""
    # Vault's has nine digits after the second, Python takes six.
    shorter = re.sub(r"(\.\d{6})\d+", r"\1", text) if isinstance(text, str) else ""
    try:
        moment = datetime.fromisoformat(shorter)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
