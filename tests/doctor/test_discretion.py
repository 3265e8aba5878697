"""What a report may not repeat."""

from __future__ import annotations

from vaultgate.secret import Secret
from vaultgate_ops.doctor.catalogue import found
from vaultgate_ops.doctor.discretion import discreet
from vaultgate_ops.doctor.model import FOUND, Outcome

REFUSED = "The request signature we calculated does not match the signature you provided."
# As AWS's services answer a wrong signature: with the request that they would have signed.
ECHO = (
    f"{REFUSED}\n\nThe Canonical String for this request should have been\n'POST\n/\n\nhost:sts.us-east-1.amazonaws.com\n"
    "x-amz-security-token:IQoJb3JpZ2luX2VjEXAMPLE\n\nhost;x-amz-security-token\nabc'"
)


def shown(words: str, environ: dict[str, str], *met: Secret) -> str:
    """An outcome with these words, as it is shown; they are the same in both places."""
    outcome = Outcome("sts", "", FOUND, words, (found("sts.signature", "", words),))
    (clean,) = discreet([outcome], environ, met)
    assert clean.findings[0].evidence == clean.told
    return clean.told


def test_the_echo_of_a_signed_request_is_cut_off() -> None:
    """Whoever's keys they are, and also where Vault quotes STS in one line."""
    assert shown(f"SignatureDoesNotMatch: {ECHO}", {}) == f"SignatureDoesNotMatch: {REFUSED}"
    quoted = f"error making upstream request: received error code 403 from STS: <Message>{' '.join(ECHO.split())}</Message>"
    assert shown(quoted, {}).endswith(f"<Message>{REFUSED}")


def test_no_secret_that_was_met_is_shown() -> None:
    """Neither a variable's nor one that was received; a secret that is a part of another leaves nothing of it."""
    environ = {"AWS_SESSION_TOKEN": "IQoJb3Jp-long", "AWS_SECRET_ACCESS_KEY": "IQoJb3Jp", "AWS_REGION": "us-east-1"}
    words = "token IQoJb3Jp-long, key IQoJb3Jp, password Aa1-made-up, in us-east-1"
    assert shown(words, environ, Secret("Aa1-made-up")) == "token <secret>, key <secret>, password <secret>, in us-east-1"


def test_a_short_secret_leaves_other_words_alone() -> None:
    """One of three letters would be found in half of them."""
    assert shown("the table", {"RDS_PASSWORD": "the"}) == "the table"
