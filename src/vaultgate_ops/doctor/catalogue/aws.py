"""What can be wrong with AWS keys, and with what STS makes of them."""

from __future__ import annotations

from vaultgate_ops.doctor.catalogue.kind import Kind
from vaultgate_ops.doctor.model import ERROR, NOTE

KINDS = (
    Kind(
        "keys.missing",
        ERROR,
        "There are no AWS keys to sign the login with.",
        "what was looked for",
        "{hint}",
    ),
    Kind(
        "keys.assumed-role",
        ERROR,
        "STS doesn't let the function assume the role of VAULT_ASSUMED_ROLE_ARN.",
        "STS's words",
        "{hint}",
    ),
    Kind(
        "sts.signature",
        ERROR,
        "STS refuses the signature: the secret key doesn't belong to the key's id.",
        "STS's code and words",
        "Take the keys anew: aws sts get-caller-identity has to work here (in Lambda never set AWS_SECRET_ACCESS_KEY).",
    ),
    Kind(
        "sts.unknown-key",
        ERROR,
        "STS doesn't know the key, or the session token doesn't belong to it.",
        "STS's code and words",
        "Take all three anew: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN; see: aws configure list.",
    ),
    Kind(
        "sts.expired",
        ERROR,
        "The temporary keys are over.",
        "STS's code and words",
        "Get new ones: aws sso login, or aws sts assume-role ...; in Lambda don't keep keys beyond the environment's.",
    ),
    Kind(
        "sts.clock",
        ERROR,
        "STS refuses the signature for its time: this machine's clock is wrong.",
        "STS's code and words",
        "Set the clock: sudo chronyc makestep.",
    ),
    Kind(
        "sts.region",
        ERROR,
        "The login is signed for another region than the one whose STS is asked.",
        "the region, the endpoint, STS's words",
        "Set VAULT_STS_ENDPOINT_REGION to the endpoint's region, and on Vault's side the same: "
        "vault write auth/{mount}/config/client sts_region=<region> sts_endpoint=https://sts.<region>.amazonaws.com.",
    ),
    Kind(
        "sts.region-disabled",
        ERROR,
        "STS isn't activated for this account in this region.",
        "the region, STS's words",
        "Activate it in IAM's account settings, or use another: VAULT_STS_ENDPOINT_REGION, and Vault's sts_region.",
    ),
    Kind(
        "sts.denied",
        NOTE,
        "The VPC endpoint's policy denies the call, so the signature was not checked; Vault asks STS by itself.",
        "STS's code and words",
        "Let the endpoint's policy allow sts:GetCallerIdentity: aws ec2 describe-vpc-endpoints shows it.",
    ),
    Kind(
        "sts.no-answer",
        NOTE,
        "STS can't be asked from here, so the signature was not checked; Vault asks STS by itself.",
        "the reason",
        "Nothing, if `login` is fine.",
    ),
    Kind("sts.refused", ERROR, "STS refuses the call.", "STS's code and words", "Try: aws sts get-caller-identity."),
)
