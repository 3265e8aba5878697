"""Keys and their signature, as STS sees them.

Rules: pure. Source of the codes: AWS STS API Reference, "Common Errors"; AWS, "Troubleshoot Signature Version 4 signing"; the
words of a wrong region and of a wrong time share their code with those of a wrong key.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vaultgate_ops.doctor.catalogue import found
from vaultgate_ops.doctor.model import ERROR, Verdict

if TYPE_CHECKING:
    from vaultgate_ops.doctor.facts import CallerIdentity, Keys

_OK = 200
_BY_CODE = {
    "InvalidClientTokenId": "sts.unknown-key",
    "UnrecognizedClientException": "sts.unknown-key",
    "ExpiredToken": "sts.expired",
    "ExpiredTokenException": "sts.expired",
    "RequestExpired": "sts.clock",
    "RegionDisabledException": "sts.region-disabled",
    "AccessDenied": "sts.denied",
    "AccessDeniedException": "sts.denied",
}
_SIGNATURE = frozenset({"SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature"})
_ASSUMED = re.compile(r"arn:(aws[a-z-]*):sts::([0-9]{12}):assumed-role/([^/]+)/.*")


def keys(seen: Keys) -> Verdict:
    """Whether there are keys."""
    if seen.access_key:
        return Verdict(seen.access_key)
    name = "keys.assumed-role" if seen.assumed else "keys.missing"
    return Verdict(seen.words, (found(name, seen.assumed, seen.words, hint=f"{seen.hint[:1].upper()}{seen.hint[1:]}."),))


def identity(seen: CallerIdentity, mount: str) -> Verdict:
    """What STS said to a signed GetCallerIdentity.

    Args:
        seen: the call.
        mount: of the auth method, for the fix.
    """
    about = f"{seen.endpoint} {seen.region}"
    if seen.status == _OK and seen.arn:
        return Verdict(seen.arn)
    if not seen.status:
        return Verdict(
            seen.words, (found("sts.no-answer", about, seen.words, severity=ERROR if seen.needed else ""),), stops=True
        )
    said = f"{seen.code or seen.status}: {seen.words}" if seen.words else seen.code or f"status {seen.status}"
    name = _cause(seen)
    severity = ERROR if name == "sts.denied" and seen.needed else ""
    return Verdict(said, (found(name, about, said, severity=severity, mount=mount),))


def _cause(seen: CallerIdentity) -> str:
    if seen.code in _SIGNATURE:
        words = seen.words.lower()
        if "scoped to" in words:
            return "sts.region"
        return "sts.clock" if "expired" in words or "not yet current" in words else "sts.signature"
    return _BY_CODE.get(seen.code, "sts.refused")


def role_arn(caller: str) -> str:
    """The ARN that a Vault role is bound to, from what STS calls a caller; others than roles stay as they are."""
    found_parts = _ASSUMED.fullmatch(caller)
    return f"arn:{found_parts[1]}:iam::{found_parts[2]}:role/{found_parts[3]}" if found_parts else caller


def account(arn: str) -> str:
    """The account in an ARN; empty where there is none."""
    parts = arn.split(":")
    return parts[4] if len(parts) > 5 else ""  # noqa: PLR2004 - arn:partition:service:region:account:resource
