"""Who has to be reached, by the settings alone.

Rules: pure. What only a VPC endpoint or a NAT gateway leads to is looked at inside a function also where the function does
without it: which of AWS's names time out tells which of the two is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vaultgate.model import Origin
from vaultgate.sigv4 import sts_host
from vaultgate.values import origin
from vaultgate_ops.doctor.facts import Place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vaultgate.config import Config
    from vaultgate_ops.records.settings import Settings

VAULT, STS, DATABASE = "Vault", "STS", "database"
_SERVICES = (
    ("Secrets Manager", "secretsmanager", frozenset({"secretsmanager", "ssm-reference"})),
    ("Parameter Store", "ssm", frozenset({"ssm", "ssm-reference"})),
    ("CloudWatch Logs", "logs", frozenset[str]()),
)
_ALWAYS_IN_A_FUNCTION = frozenset({"Secrets Manager", "CloudWatch Logs"})


def vaults(config: Config) -> list[tuple[Place, Origin, str | None]]:
    """Every address of Vault, with its server id where it has one of its own."""
    listed: dict[Origin, str | None] = {}
    for one, server_id in [(config.vault, None), *config.addresses]:
        listed.setdefault(one, server_id)  # a node may be named twice
    return [(_place(VAULT, one), one, server_id) for one, server_id in listed.items()]


def others(config: Config, records: Settings | None, environ: Mapping[str, str], *, in_function: bool) -> list[Place]:
    """Everybody else."""
    found = []
    if config.auth_method == "aws":
        server = config.sts_endpoint or Origin("https", sts_host(config.sts_region), 443)
        found.append(_place(STS, server, needed=config.assumed_role_arn is not None, aws=True))
    if records is not None:
        found.append(Place(DATABASE, records.host, records.port, https=False))
    source = records.source if records is not None else ""
    for name, service, needed_by in _SERVICES:
        needed = source in needed_by
        server_of = _service(service, environ)
        if server_of is not None and (needed or (in_function and name in _ALWAYS_IN_A_FUNCTION)):
            found.append(_place(name, server_of, needed=needed, aws=True))
    return found


def _place(name: str, server: Origin, *, needed: bool = True, aws: bool = False) -> Place:
    return Place(name, server.host, server.port, server.scheme == "https", needed, aws)


def _service(service: str, environ: Mapping[str, str]) -> Origin | None:
    """A service's endpoint, as AWS's SDKs find it; None without a region.

    Source: AWS SDKs and Tools Reference Guide, "Service-specific endpoints".
    """
    named = environ.get(f"AWS_ENDPOINT_URL_{service.upper().replace('SECRETSMANAGER', 'SECRETS_MANAGER')}")
    text = named or environ.get("AWS_ENDPOINT_URL")
    try:
        if text:
            return origin(text)
    except ValueError:
        return None
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    return Origin("https", sts_host(region).replace("sts.", f"{service}.", 1), 443) if region else None
