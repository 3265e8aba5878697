"""What a report may repeat of what others said.

Rules: pure; a secret that the doctor met is never shown, whoever quotes it. STS answers a wrong signature with the request that
it would have signed, the session token among its headers, and Vault quotes STS.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vaultgate.secret import Secret
    from vaultgate_ops.doctor.model import Outcome

_ECHO = re.compile(r"\s*The Canonical String for this request should have been.*", re.DOTALL)
_SECRET = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "RDS_PASSWORD", "VAULT_TOKEN", "VAULTGATE_APPROLE_SECRET_ID")
_SHORTEST = 8
"""Characters: what is shorter would be found in words that have nothing to do with it."""


def discreet(outcomes: Iterable[Outcome], environ: Mapping[str, str], met: Iterable[Secret] = ()) -> tuple[Outcome, ...]:
    """The same without secrets.

    Args:
        outcomes: as they were judged.
        environ: variables, some of which are secrets.
        met: secrets that were received.
    """
    secrets = {environ.get(name, "") for name in _SECRET} | {secret.reveal() for secret in met}
    # Longest first: one may be a part of another.
    hidden = sorted((text for text in secrets if len(text) >= _SHORTEST), key=len, reverse=True)

    def clean(text: str) -> str:
        text = _ECHO.sub("", text)
        for secret in hidden:
            text = text.replace(secret, "<secret>")
        return text

    return tuple(
        replace(
            one,
            told=clean(one.told),
            findings=tuple(
                replace(finding, evidence=clean(finding.evidence), fix=clean(finding.fix)) for finding in one.findings
            ),
        )
        for one in outcomes
    )
