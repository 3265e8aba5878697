"""What stands between settings and a working broker, put together.

Rules: the one place where the parts of the way to Vault are chosen, for the extension's process and for a function's without
an extension alike; imported once Lambda has heard of us, because it brings what a login needs.
"""

from __future__ import annotations

from vaultgate.auth import AwsLogin
from vaultgate.broker import Broker
from vaultgate.credentials import AssumedRole, Credentials
from vaultgate.transport import Connections
from vaultgate.vault import Vault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vaultgate.auth import Login
    from vaultgate.clock import Clock
    from vaultgate.config import Config
    from vaultgate.credentials import Source
    from vaultgate.log import Log
    from vaultgate.transport import Transport


def broker_of(
    settings: Config,
    environ: Mapping[str, str],
    clock: Clock,
    log: Log,
    *,
    invalidated: Callable[[], None] = lambda: None,
    networks: tuple[Connections, Connections] | None = None,
) -> Broker:
    """A broker that has not logged in yet.

    Args:
        settings: checked.
        environ: gives the AWS keys.
        clock: for everything that is put together.
        log: for the broker's events.
        invalidated: called when copies of what was handed out may no longer be true.
        networks: to Vault and to AWS, for whoever wants to close them; by default new ones.
    """
    # AWS is trusted by the system's certificates, whatever Vault is trusted by.
    to_vault, aws = networks or (Connections(clock, settings.tls), Connections(clock))
    network = _network(settings, to_vault, clock)
    own = tuple(origin for origin, server_id in settings.addresses if server_id in {None, settings.iam_server_id})
    retries = settings.max_retries
    vault = Vault(network, settings.vault, settings.namespace, retries, clock, others=own, log=log)
    login = _login(vault, settings, environ, aws, clock)
    if len(own) < len(settings.addresses):
        from vaultgate.clusters import Clusters, by_server_id  # noqa: PLC0415 - few have Vaults in several clusters

        logins = [login]
        for server_id, (first, *others) in by_server_id(settings).items():
            other = Vault(network, first, settings.namespace, retries, clock, others=tuple(others), log=log)
            logins.append(AwsLogin(other, _keys(settings, environ, aws, clock), settings, clock, server_id=server_id))
        login = Clusters(logins, settings, clock)
    return Broker(vault, login, settings, clock, log, invalidated=invalidated)


def _network(settings: Config, network: Connections, clock: Clock) -> Transport:
    """The way to Vault, at the pace that the settings allow."""
    if settings.rate_limit is None:
        return network
    from vaultgate.pace import Paced  # noqa: PLC0415 - few set a limit, and a cold start shouldn't pay

    return Paced(network, *settings.rate_limit, clock)


def _login(vault: Vault, settings: Config, environ: Mapping[str, str], aws: Connections, clock: Clock) -> Login:
    """The way to log in that the settings ask for."""
    if settings.auth_method == "approle":
        from vaultgate.approle import AppRoleLogin  # noqa: PLC0415 - a function logs in with its role, and pays nothing for this

        return AppRoleLogin(vault, settings, clock)
    return AwsLogin(vault, _keys(settings, environ, aws, clock), settings, clock)


def _keys(settings: Config, environ: Mapping[str, str], aws: Connections, clock: Clock) -> Source:
    """The AWS keys to log in with."""
    own = Credentials(environ, aws)
    if settings.assumed_role_arn is None:
        return own
    return AssumedRole(
        own,
        settings.assumed_role_arn,
        session=environ.get("AWS_LAMBDA_FUNCTION_NAME") or "vaultgate",
        region=settings.sts_region,
        endpoint=settings.sts_endpoint,
        transport=aws,
        clock=clock,
    )
