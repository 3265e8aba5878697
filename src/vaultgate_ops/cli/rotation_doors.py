"""What the verbs of `vaultgate rotate` have in common: clients of the account that the environment names."""

from __future__ import annotations

import os
from typing import Any

import boto3
import click
from botocore.config import Config
from botocore.exceptions import BotoCoreError, NoRegionError, ProfileNotFound

from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import UsageProblem
from vaultgate_ops.rotation.by_hand import ByHand
from vaultgate_ops.rotation.parameters import Parameters
from vaultgate_ops.rotation.rotation import STRATEGIES, build
from vaultgate_ops.rotation.service import SecretsManager
from vaultgate_ops.rotation.settings import load

REGION = click.option("--region", help="Where the secret is; else AWS_REGION or the profile's.")
_MOST_CONNECTIONS = 50


def named(_context: click.Context, _parameter: click.Parameter, given: str | tuple[str, ...]) -> str | tuple[str, ...]:
    """Refuse an empty name, such as an unset shell variable leaves: boto3 would, and in its own words.

    Raises:
        UsageProblem: it is.
    """
    if "" in ([given] if isinstance(given, str) else given):
        raise UsageProblem("The secret's name is empty.", "Name it, or give its ARN; a shell variable may be unset.")
    return given


SECRET = click.argument("secret", callback=named)


def client(service: str, region: str | None, endpoint: str | None = None) -> Any:
    """A client of boto3's.

    Args:
        service: boto3's name of it.
        region: None for the environment's.
        endpoint: None for the service's own.

    Raises:
        UsageProblem: no region, no credentials' profile, or an endpoint that is no address.
    """
    try:
        # A session of its own reads the environment now; boto3's default one keeps what it read first.
        session = boto3.Session()
        # AWS_REGION is Lambda's and the other SDKs' name for it; boto3 alone doesn't know it. An empty one is none.
        chosen = region or os.environ.get("AWS_REGION") or session.region_name
        if not chosen:
            raise NoRegionError
        return session.client(
            service,  # type: ignore[call-overload] # any service
            region_name=chosen,
            endpoint_url=endpoint,
            config=Config(retries={"mode": "standard", "max_attempts": 5}, max_pool_connections=_MOST_CONNECTIONS),
        )
    except ProfileNotFound as error:
        raise UsageProblem(f"No client for {service}: {error}", "Correct AWS_PROFILE, or unset it.") from None
    except (BotoCoreError, ValueError) as error:  # an endpoint that is no address is a ValueError
        raise UsageProblem(
            f"No client for {service}: {error}", "Set AWS_REGION, or give --region; unset AWS_ENDPOINT_URL if it is wrong."
        ) from None


def secrets_client(region: str | None) -> Any:
    """A client of Secrets Manager, at SECRETS_MANAGER_ENDPOINT where that is set."""
    return client("secretsmanager", region, load(os.environ, STRATEGIES).endpoint)


def hand(region: str | None) -> ByHand:
    """Rotations of secrets, on request."""
    settings, clock = load(os.environ, STRATEGIES), Clock()
    return ByHand(secrets_client(region), lambda store: build(settings, store, clock), clock)


def parameters(region: str | None) -> Parameters:
    """Rotations of parameters, on request."""
    settings, clock = load(os.environ, STRATEGIES), Clock()
    drawing = SecretsManager(secrets_client(region), clock)
    return Parameters(client("ssm", region), lambda values: build(settings, drawing, clock, values=values), clock)
