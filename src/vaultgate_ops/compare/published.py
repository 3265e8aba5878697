"""What only others can know, each with the page that says so and the day on which it was read.

Rules: a figure from here is tagged `published`, or `computed` where something is computed from it; nothing from here is ever
shown as measured. Prices are elsewhere: they can be edited.
"""

from __future__ import annotations

from typing import NamedTuple

from vaultgate_ops.compare.result import Source

_READ = "2026-11-21"
_AWS = "https://docs.aws.amazon.com"

SECRETS_QUOTAS = Source(f"{_AWS}/secretsmanager/latest/userguide/reference_limits.html", "AWS Secrets Manager quotas", _READ)
SSM_QUOTAS = Source(f"{_AWS}/general/latest/gr/ssm.html", "AWS Systems Manager endpoints and quotas", _READ)
KMS_QUOTAS = Source(f"{_AWS}/kms/latest/developerguide/requests-per-second.html", "AWS KMS request quotas", _READ)
LAMBDA_SCALING = Source(f"{_AWS}/lambda/latest/dg/scaling-behavior.html", "Lambda scaling behavior", _READ)
TRAIL_DELAY = Source(
    f"{_AWS}/awscloudtrail/latest/userguide/get-and-view-cloudtrail-log-files.html",
    "Getting and viewing your CloudTrail log files",
    _READ,
)
SECRETS_TRAIL = Source(
    f"{_AWS}/secretsmanager/latest/userguide/retrieve-ct-entries.html", "AWS CloudTrail entries for Secrets Manager", _READ
)
SSM_TRAIL = Source(
    f"{_AWS}/systems-manager/latest/userguide/monitoring-cloudtrail-logs.html",
    "Logging AWS Systems Manager API calls with AWS CloudTrail",
    _READ,
)
KMS_TRAIL = Source(
    f"{_AWS}/kms/latest/developerguide/logging-using-cloudtrail.html", "Logging AWS KMS API calls with AWS CloudTrail", _READ
)
LAMBDA_VARIABLES = Source(
    f"{_AWS}/lambda/latest/dg/configuration-envvars.html", "Working with Lambda environment variables", _READ
)
SSM_KEY = Source(
    f"{_AWS}/systems-manager/latest/userguide/ps-restrict-decryption.html",
    "Restricting decryption of SecureString parameter values",
    _READ,
)

POWERTOOLS = Source(
    "https://docs.powertools.aws.dev/lambda/python/latest/utilities/parameters/", "Parameters - Powertools for AWS Lambda", _READ
)
CACHING = Source(
    "https://github.com/aws/aws-secretsmanager-caching-python", "AWS Secrets Manager Python caching client, its README", _READ
)
EXTENSION = Source(f"{_AWS}/lambda/latest/dg/with-secrets-manager.html", "Use Secrets Manager secrets in Lambda functions", _READ)
AGENT = Source(f"{_AWS}/secretsmanager/latest/userguide/secrets-manager-agent.html", "AWS Secrets Manager Agent", _READ)
DEFAULT_LIFETIMES = {"powertools": POWERTOOLS, "caching": CACHING, "extension": EXTENSION, "agent": AGENT}
"""By way: who says how long it keeps an answer by its own default; `contenders.Entry.default_s` has the seconds."""

COLD_STARTS_PER_S = 1000.0
"""A burst's first second. Lambda allows one function 1,000 new sandboxes every 10 seconds, which it refills continuously and
lets nobody save up: up to 1,000 begin at once, later ones at 100 a second. `LAMBDA_SCALING`."""


class Quota(NamedTuple):
    """The most calls a second that an account may make in us-east-1, the region of our prices, by default.

    Attributes:
        store: whose calls these are.
        per_second: the most.
        call: which.
        source: says so.
        note: what else limits.
        paid: the most with what an administrator may switch on against payment; 0 where there is no such thing.
        switch: what that is called.
    """

    store: str
    per_second: float
    call: str
    source: Source
    note: str = ""
    paid: float = 0
    switch: str = ""


QUOTAS = (
    Quota("secretsmanager", 10_000, "GetSecretValue", SECRETS_QUOTAS),
    Quota(
        "ssm",
        40,
        "GetParameter",
        SSM_QUOTAS,
        "GetParameters and GetParametersByPath share it; each read of a SecureString also counts for KMS.",
        10_000,
        "higher throughput",
    ),
    Quota("ssm-reference", 40, "GetParameter", SSM_QUOTAS, "Each also counts for Secrets Manager.", 10_000, "higher throughput"),
    Quota(
        "env",
        100_000,
        "Decrypt",
        KMS_QUOTAS,
        "Of symmetric keys; us-west-2 and eu-west-1 have as many, six regions 20,000, others 10,000."
        " Only the encrypted variable needs it.",
    ),
)


class Fact(NamedTuple):
    """What an audit trail of AWS records of a read.

    Attributes:
        store: id.
        name: who, what, when, from_where, searchable or traceable.
        value: for people.
        source: says so.
    """

    store: str
    name: str
    value: str
    source: Source


def _trail(store: str, call: str, target: str, source: Source) -> tuple[Fact, ...]:
    return (
        Fact(store, "who", "userIdentity: the role's ARN with its session's name, which is the function's", source),
        Fact(store, "what", f"eventName {call}, {target}", source),
        Fact(store, "when", "eventTime, to the second", source),
        Fact(store, "from_where", "sourceIPAddress and userAgent", source),
        Fact(store, "searchable", "about 5 minutes on average, not guaranteed", TRAIL_DELAY),
    )


AUDIT = (
    *_trail("secretsmanager", "GetSecretValue", "requestParameters.secretId", SECRETS_TRAIL),
    *_trail("ssm", "GetParameter, and KMS's Decrypt", "requestParameters.name", SSM_TRAIL),
    *_trail("ssm-reference", "GetParameter, and Secrets Manager's GetSecretValue", "requestParameters.name", SSM_TRAIL),
    Fact("env", "who", "nobody: reading a variable is no call; of an encrypted one, KMS's Decrypt at a cold start", KMS_TRAIL),
    Fact("env", "what", "nothing; of an encrypted one, the key", KMS_TRAIL),
    Fact("env", "when", "not recorded; of an encrypted one, at cold starts", KMS_TRAIL),
    Fact("env", "from_where", "not recorded; of an encrypted one, sourceIPAddress", KMS_TRAIL),
)
