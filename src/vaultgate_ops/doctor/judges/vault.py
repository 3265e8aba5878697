"""Vault's state, the login, and what the token may do.

Rules: pure. Vault has no codes for its refusals, so its words are looked at; they are those of the AWS auth method's and the
AppRole method's sources, 1.21. Source of the statuses: HashiCorp, "/sys/health".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vaultgate_ops.doctor.catalogue import found
from vaultgate_ops.doctor.judges.aws import account, role_arn
from vaultgate_ops.doctor.model import Verdict

if TYPE_CHECKING:
    from vaultgate_ops.doctor.facts import Grants, Health, Login, Wanted
    from vaultgate_ops.doctor.model import Finding

TESTED = (1, 21)
_UNINITIALIZED, _SEALED, _DR_SECONDARY, _STANDBY = 501, 503, 472, frozenset({429, 473})
_OK, _REDIRECT, _SERVER = 200, 307, 500
_BUILT_IN = frozenset({"default"})
# Words of a refusal, in lower case, and what they mean; the first that is found counts.
_REFUSALS = (
    ("x-vault-aws-iam-server-id", "login.server-id"),
    ("does not belong to the role", "login.bound-elsewhere"),
    ("unique id", "login.unique-id"),
    ("error making upstream request", "login.sts"),
    ("entry for role", "login.no-role"),
    ("no handler for route", "login.no-mount"),
    ("determine alias name", "login.other-method"),
    ("supply required authentication values", "login.other-method"),
    ("role or secret id", "login.ids"),
    ("invalid secret", "login.ids"),
    ("missing secret_id", "login.ids"),
    ("wrapping token", "login.ids"),
    ("rate limit quota", "login.rate-limited"),
    ("permission denied", "login.no-mount"),
)


def health(seen: Health) -> Verdict:
    """What sys/health says, by its status."""
    about, document = seen.place.about, seen.document
    if not seen.status:
        return Verdict(seen.words, (found("health.no-answer", about, seen.words),))
    if "initialized" not in document or "sealed" not in document:
        told = f"status {seen.status}"
        return Verdict(told, (found("health.not-vault", about, told),))
    version = str(document.get("version", "?"))
    told = f"version {version}, status {seen.status}, cluster {document.get('cluster_name', 'unknown')}"
    for status, name in (
        (_UNINITIALIZED, "health.uninitialized"),
        (_SEALED, "health.sealed"),
        (_DR_SECONDARY, "health.secondary"),
    ):
        if seen.status == status:
            return Verdict(told, (found(name, about, told),))
    findings: list[Finding] = []
    if seen.status in _STANDBY:
        findings.append(found("health.standby", about, told))
    if _older(version):
        findings.append(found("health.old", about, told, tested=".".join(map(str, TESTED))))
    return Verdict(told, tuple(findings))


def _older(version: str) -> bool:
    parts = version.split(".")
    if len(parts) < 2 or not (parts[0].isdigit() and parts[1].isdigit()):  # noqa: PLR2004 - major and minor
        return False
    return (int(parts[0]), int(parts[1])) < TESTED


def login(seen: Login) -> Verdict:
    """A login, by Vault's words."""
    about = f"auth/{seen.mount}/login"
    if seen.status == _OK:
        return Verdict(f"{seen.display_name or seen.method}, policies {', '.join(seen.policies) or 'none'}")
    name = _refusal(seen)
    ours = role_arn(seen.arn)
    evidence = "; ".join(part for part in (seen.words or f"status {seen.status}", *_beside(name, seen, ours)) if part)
    filled = {
        "mount": seen.mount,
        "method": seen.method,
        "role": seen.role,
        "region": seen.region or "us-east-1",
        "arn": ours or "<the function's role ARN>",
        "server_id": seen.seen.server_id or "<Vault's iam_server_id_header_value>",
    }
    return Verdict(evidence, (found(name, about, evidence, **filled),))


def _refusal(seen: Login) -> str:
    words = seen.words.lower()
    if not seen.status:
        return "login.unavailable"
    if seen.status == _REDIRECT:
        return "login.redirected"
    for part, name in _REFUSALS:
        if part in words:
            return name
    return "login.unavailable" if seen.status >= _SERVER else "login.refused"


def _beside(name: str, seen: Login, ours: str) -> list[str]:
    """What else bears on a refusal."""
    other = seen.seen
    if name == "login.server-id":
        return [f"ours is {seen.server_id or 'not set'}", f"Vault's is {other.server_id}" if other.server_id else ""]
    if name in {"login.bound-elsewhere", "login.unique-id"}:
        bound = f"the role {seen.role!r} is bound to {', '.join(other.bound)}" if other.bound else ""
        return [f"we are {ours}" if ours else "", bound]
    if name == "login.sts":
        said = f"STS itself takes us for {ours}" if ours else ""
        if seen.refused:
            said = f"STS refuses it to us as well ({seen.refused}): mend what `sts` found"
        theirs = f"Vault asks {other.sts_endpoint or 'the global endpoint'}, region {other.sts_region or 'not set'}"
        return [f"signed for {seen.region or 'the global endpoint'}", said, theirs if other.exists is not None else ""]
    return []


def identity(seen: Login) -> Verdict:
    """Who Vault takes us for."""
    told = f"{seen.display_name or 'nameless'}, entity {seen.entity_id or 'none'}, policies {', '.join(seen.policies) or 'none'}"
    filled = {"mount": seen.mount, "role": seen.role}
    findings: list[Finding] = []
    ours = account(seen.arn)
    if ours and seen.account and ours != seen.account:
        evidence = f"STS says {ours}, Vault says {seen.account}"
        findings.append(found("identity.other-account", "", evidence, **filled))
    if "root" in seen.policies:
        findings.append(found("identity.root", "", told, **filled))
    elif not set(seen.policies) - _BUILT_IN:
        findings.append(found("identity.no-policy", "", told, **filled))
    return Verdict(told, tuple(findings))


def grants(seen: Grants) -> Verdict:
    """What the token may do, path by path."""
    own = [name for name in seen.policies if name not in _BUILT_IN]
    policy = own[0] if own else "<name>"
    if seen.held is None:
        return Verdict(seen.words, (found("policy.unseen", "", seen.words, policy=policy),))
    held, findings = seen.held, []
    for wanted in seen.wanted:
        has = held.get(wanted.path, ())
        if wanted.capability not in has and "root" not in has:
            findings.append(_lacking(seen, wanted, has, policy))
    told = f"{len(seen.wanted) - len(findings)} of {len(seen.wanted)} granted"
    return Verdict(told, tuple(findings))


def _lacking(seen: Grants, wanted: Wanted, has: tuple[str, ...], policy: str) -> Finding:
    mount = seen.mounts.get(wanted.path)
    policies = f"policies {', '.join(seen.policies) or 'none'}"
    evidence = f"{wanted.capability} on {wanted.path}, for {wanted.reason}; it has {', '.join(has) or 'nothing'}; {policies}"
    if wanted.vital and mount is not None and mount.kind == "kv" and mount.version == "2":
        below = wanted.path.removeprefix(mount.path)
        if not below.startswith("data/"):
            evidence = f"{wanted.path}, and {mount.path} is a KV engine of version 2; {policies}"
            return found("policy.kv-data", wanted.path, evidence, better=f"{mount.path}data/{below}")
    name = "policy.denied" if wanted.vital else "policy.own-token"
    return found(name, wanted.path, evidence, policy=policy, path=wanted.path, capability=wanted.capability)
