"""The bills that `cost` adds up: what may be changed, what is assumed, and the parts of each scenario.

Rules: data only. A quantity is a coefficient times variables; whatever needs more than that is another part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

HOURS: Final = 730
"""Hours of a month, as AWS's own examples count."""

LEFT_OUT: Final = (
    "the work of running Vault, until you set what it costs you",
    "traffic, also through endpoints; capacity units of the load balancer, snapshots, and rotation functions",
    "free tiers of Lambda, which the functions' own work uses up",
    "discounts, taxes, reserved capacity",
)


@dataclass(frozen=True)
class Variable:
    """What a reader may change.

    Args:
        id: its name in parts.
        title: for people.
        unit: after the number.
        stops: the values a slider stops at, ascending.
        default: one of them.
        note: where the default comes from.
    """

    id: str
    title: str
    unit: str
    stops: tuple[float, ...]
    default: float
    note: str = ""


@dataclass(frozen=True)
class Above:
    """A part counts only where ``coefficient x variables`` is above a limit."""

    coefficient: float
    factors: tuple[str, ...]
    limit: float


@dataclass(frozen=True)
class Part:
    """One line of a bill.

    Args:
        title: for people.
        price: name of the price.
        coefficient: of the product of the variables.
        factors: names of variables; their product times the coefficient is the quantity.
        free: of the quantity, before the price's own free amount.
        above: the condition it counts under; None for always.
    """

    title: str
    price: str
    coefficient: float
    factors: tuple[str, ...]
    free: float = 0
    above: Above | None = None


@dataclass(frozen=True)
class Scenario:
    """One way of keeping secrets, with its bill."""

    id: str
    store: str
    title: str
    parts: tuple[Part, ...]


_MANY: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10000.0, 20000.0)

VARIABLES: Final = (
    Variable("secrets", "Secrets in each environment", "", _MANY, 50),
    Variable("environments", "Environments", "", (1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0), 3),
    Variable(
        "invocations_m",
        "Invocations a month in each environment",
        "million",
        (0.1, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0),
        10,
    ),
    Variable(
        "calls_per_million",
        "Calls to the store for a million invocations",
        "",
        (1e2, 3e2, 1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6),
        1e4,
        "a million: nothing is kept. The table of reads has what each way of reading needs",
    ),
    Variable(
        "store_ms",
        "Time that one call to the store takes",
        "ms",
        (0.0, 1.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0),
        10,
        "assumed: nobody publishes it, and loopback's is not AWS's. Measure yours with --target aws",
    ),
    Variable("in_vpc", "Functions are in a VPC without a NAT gateway", "yes/no", (0.0, 1.0), 1),
    Variable(
        "upkeep_usd",
        "What running Vault costs you in work",
        "USD a month",
        (0.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0),
        0,
        "yours to say",
    ),
)

_MEMORY_GB: Final = 0.5
_ZONES: Final = 2
_SERVERS: Final = 3
_DISK_GB: Final = 100
_RETENTION_MONTHS: Final = 3
_COLD_PER_MILLION: Final = 1000
_BUSY: Final = 10
_STANDARD_PARAMETERS: Final = 10_000
_STANDARD_RATE: Final = 40

AUDIT_BYTES: Final = 2782
"""Two lines, request and response, of 1,391 bytes: the mean of lines that a real Vault wrote (docs/audit-evidence.md, "Cost")."""

_STORED: Final = ("secrets", "environments")
_CALLS: Final = ("environments", "invocations_m", "calls_per_million")
_PEAK: Final = Above(_BUSY / (HOURS * 3600), _CALLS, _STANDARD_RATE)

_WAITING: Final = Part("Lambda waits for the store", "lambda.gb_second", _MEMORY_GB / 1000, (*_CALLS, "store_ms"))
_IN_TWO_ZONES: Final = _ZONES * HOURS
_ENDPOINT: Final = Part("Interface endpoint of the store, two zones", "endpoint.hour", _IN_TWO_ZONES, ("environments", "in_vpc"))
_TO_VAULT: Final = Part(
    "Interface endpoint of Vault for each other environment, two zones",
    "endpoint.hour",
    _IN_TWO_ZONES,
    ("environments", "in_vpc"),
    free=_IN_TWO_ZONES,
)
_UNSEAL: Final = Part("KMS key that unseals", "kms.key", 1, ())
_AUDIT: Final = (
    Part("Audit mirrored to CloudWatch Logs", "logs.ingested_gb", AUDIT_BYTES / 1e9, _CALLS),
    Part(f"The mirror kept for {_RETENTION_MONTHS} months", "logs.stored_gb", _RETENTION_MONTHS * AUDIT_BYTES / 1e9, _CALLS),
)
_UPKEEP: Final = Part("Work, as you set it", "", 1, ("upkeep_usd",))

ASSUMPTIONS: Final = (
    f"{HOURS} hours a month; functions of {_MEMORY_GB} GB; the busiest second has {_BUSY} times the mean's calls",
    "all in one account and region; an environment whose functions are in a VPC has one of its own, with its own endpoints",
    f"Vault: {_SERVERS} servers with {_DISK_GB} GB each and one load balancer, in the first environment's VPC, serve all",
    "the other environments reach Vault as they would reach a store of AWS's, by an interface endpoint",
    "Vault asks STS, is unsealed by one KMS key, and mirrors its audit, all through endpoints in three zones",
    f"the whole audit is mirrored, {AUDIT_BYTES:,} bytes a call, and kept for {_RETENTION_MONTHS} months",
    "keys that AWS manages encrypt secrets and parameters: they cost nothing to keep, and Secrets Manager's nothing to use",
    f"an encrypted environment variable costs one Decrypt at each cold start, {_COLD_PER_MILLION:,} for a million invocations",
)

SCENARIOS: Final = (
    Scenario(
        "vault-ec2",
        "vault",
        "Vault on three EC2 servers",
        (
            Part("Servers", "ec2.server_hour", _SERVERS * HOURS, ()),
            Part("Disks", "ec2.disk_gb", _SERVERS * _DISK_GB, ()),
            Part("Load balancer", "elb.hour", HOURS, ()),
            Part("Endpoints of STS, KMS and CloudWatch Logs, three zones", "endpoint.hour", 3 * 3 * HOURS, ()),
            _TO_VAULT,
            _UNSEAL,
            *_AUDIT,
            _WAITING,
            _UPKEEP,
        ),
    ),
    Scenario(
        "vault-hcp",
        "vault",
        "HCP Vault Dedicated",
        (Part("Cluster", "hcp.cluster_hour", HOURS, ()), *_AUDIT, _WAITING, _UPKEEP),
    ),
    Scenario(
        "secretsmanager",
        "secretsmanager",
        "Secrets Manager",
        (
            Part("Secrets", "secrets_manager.secret", 1, _STORED),
            Part("Calls", "secrets_manager.call", 1, _CALLS),
            _ENDPOINT,
            _WAITING,
        ),
    ),
    Scenario(
        "ssm-standard",
        "ssm",
        "Parameter Store, standard",
        (
            Part("Standard parameters", "ssm.standard_parameter", 1, _STORED),
            Part("Parameters beyond 10,000, which must be advanced", "ssm.advanced_parameter", 1, _STORED, _STANDARD_PARAMETERS),
            Part("Calls, once 40 a second don't do", "ssm.call", 1, _CALLS, above=_PEAK),
            Part("Decryptions", "kms.call", 1, _CALLS),
            _ENDPOINT,
            _WAITING,
        ),
    ),
    Scenario(
        "ssm-advanced",
        "ssm",
        "Parameter Store, advanced",
        (
            Part("Advanced parameters", "ssm.advanced_parameter", 1, _STORED),
            Part("Calls", "ssm.call", 1, _CALLS),
            Part("Decryptions", "kms.call", 1, _CALLS),
            _ENDPOINT,
            _WAITING,
        ),
    ),
    Scenario("env-plain", "env", "Environment variables in clear", ()),
    Scenario(
        "env-kms",
        "env",
        "Environment variables that the function decrypts by your own KMS key",
        (
            Part("One key for each environment", "kms.key", 1, ("environments",)),
            Part("Decryptions at cold starts", "kms.call", _COLD_PER_MILLION, ("environments", "invocations_m")),
            Part("Interface endpoint of KMS, two zones", "endpoint.hour", _IN_TWO_ZONES, ("environments", "in_vpc")),
        ),
    ),
)

USAGES: Final[tuple[tuple[str, str, dict[str, float]], ...]] = (
    ("small", "10 secrets, 1 environment, a million invocations", {"secrets": 10, "environments": 1, "invocations_m": 1}),
    ("middle", "50 secrets in each of 3 environments, 10 million invocations in each", {}),
    (
        "large",
        "500 secrets in each of 10 environments, 300 million invocations in each",
        {"secrets": 500, "environments": 10, "invocations_m": 300},
    ),
    ("unkept", "the middle one, with nothing kept: every invocation calls the store", {"calls_per_million": 1e6}),
)
"""Uses that the page shows before anybody has moved a slider; variables that are not named have their default."""
