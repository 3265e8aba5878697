"""How AWS is reached in a comparison: the local stack's emulation behind gates, or a real account.

Rules: a function gets keys that may read what the comparison made; of a real account these are the user's own, temporary
ones as they are found by boto3. The gates stand before the emulation alone: nobody shuts AWS.
"""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from vaultgate_ops.compare.bills import HOURS
from vaultgate_ops.compare.cloud import TAG
from vaultgate_ops.compare.gate import Gate
from vaultgate_ops.errors import Denied, UsageProblem
from vaultgate_ops.local.wiring import ROLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from vaultgate_ops.compare.prices import Prices
    from vaultgate_ops.local.stack import Stack

SERVICES = {"secretsmanager": "SECRETS_MANAGER", "ssm": "SSM", "kms": "KMS"}
"""Names of boto3's to those of its variables AWS_ENDPOINT_URL_..."""
_MADE = {"secret": 8, "parameter": 2, "key": 1}
_CALLS = 30_000
_AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
READING = ("secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret", "ssm:GetParameter", "kms:Decrypt")
"""What a function's role may do with the comparison's resources: AWS's caching library also describes secrets."""


@dataclass(frozen=True)
class Access:
    """A way to AWS.

    Attributes:
        clients: opens a client of a service with the keys of whoever makes the comparison.
        variables: of a function that reads there.
        gates: by service; empty where none can be shut.
        place: `loopback` or `aws`.
    """

    clients: Callable[[str], AbstractContextManager[Any]]
    variables: Mapping[str, str]
    gates: Mapping[str, Gate] = field(default_factory=dict)
    place: str = "loopback"


@contextmanager
def emulated(stack: Stack) -> Iterator[Access]:
    """The stack's own, each service behind a gate; the function's role may read everything in it."""
    with ExitStack() as ending:
        gates = {service: ending.enter_context(Gate("127.0.0.1", stack.aws.port)) for service in SERVICES}
        with stack.aws.client("iam") as iam:
            allowed = {"Effect": "Allow", "Action": list(READING), "Resource": "*"}
            document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
            iam.put_role_policy(RoleName=ROLE, PolicyName="compare", PolicyDocument=document)
        variables = {f"AWS_ENDPOINT_URL_{SERVICES[service]}": f"http://127.0.0.1:{gate.port}" for service, gate in gates.items()}
        yield Access(stack.aws.client, variables, gates)


def account(environ: Mapping[str, str]) -> tuple[str, Access]:
    """The account of the user's environment: its id, and the way there.

    Raises:
        UsageProblem: no credentials, or no region.
        Denied: the credentials are not taken.
    """
    # boto3 itself reads AWS_DEFAULT_REGION alone.
    session = boto3.Session(region_name=environ.get("AWS_REGION") or None)
    keys = session.get_credentials()
    if keys is None:
        raise UsageProblem("There are no AWS credentials here.", "Set AWS_PROFILE, or log in: aws sso login.")
    if not session.region_name:
        raise UsageProblem("There is no AWS region here.", "Set AWS_REGION.")
    frozen = keys.get_frozen_credentials()
    try:
        with closing(session.client("sts")) as sts:
            number = str(sts.get_caller_identity()["Account"])
    except (ClientError, BotoCoreError) as error:
        raise Denied(f"AWS does not take the credentials ({type(error).__name__}).", "Renew them: aws sso login.") from error

    def clients(service: str) -> AbstractContextManager[Any]:
        client: Any = session.client(service)  # type: ignore[call-overload]  # its name is a variable here
        return closing(client)

    # A profile may name endpoints too, which the functions don't see: all of them are resolved here.
    endpoints = {}
    for service in SERVICES:
        with clients(service) as client:
            endpoints[service] = str(client.meta.endpoint_url)
    variables = {
        "AWS_ACCESS_KEY_ID": frozen.access_key or "",
        "AWS_SECRET_ACCESS_KEY": frozen.secret_key or "",
        **({"AWS_SESSION_TOKEN": frozen.token} if frozen.token else {}),
        "AWS_REGION": session.region_name,
        "AWS_DEFAULT_REGION": session.region_name,
        **{f"AWS_ENDPOINT_URL_{SERVICES[service]}": url for service, url in endpoints.items()},
    }
    return number, Access(clients, variables, place=place(endpoints.values()))


def place(endpoints: Iterable[str]) -> str:
    """Where the services are: `aws` if all of them are AWS's own; an emulation, whatever its name, is none of AWS's."""
    return "aws" if all((urlsplit(one).hostname or "").endswith(_AWS_DOMAINS) for one in endpoints) else "loopback"


def estimate(account_id: str, prices: Prices) -> str:
    """What a comparison makes in an account and the most it should cost, in a few sentences.

    Secrets and keys are billed for their part of a month, calls by the piece. A run takes less than an hour; what is free each
    month is left out, the account may have used it.

    Args:
        account_id: of AWS.
        prices: the calculator's.
    """
    made = ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in _MADE.items())
    quantities = {
        "secrets_manager.secret": _MADE["secret"] / HOURS,
        "kms.key": _MADE["key"] / HOURS,
        "secrets_manager.call": _CALLS,
        "kms.call": _CALLS,
    }
    asked = {name: prices.by_id[name] for name in quantities}
    dollars = sum((price.each() or 0.0) * quantities[name] for name, price in asked.items())
    return (
        f"Account {account_id}: {made} are made, tagged {TAG}, and removed at the end; the key waits 7 days, free of charge."
        f" That and at most {_CALLS:,} calls cost about ${dollars:.2f}"
        f" (prices of {min(price.date for price in asked.values())} or later, {prices.region})."
    )
