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
    from collections.abc import Mapping

    from vaultgate.clock import Clock
    from vaultgate.config import Config
    from vaultgate.credentials import Source
    from vaultgate.log import Log


def broker_of(settings: Config, environ: Mapping[str, str], clock: Clock, log: Log) -> Broker:
    """A broker that has not logged in yet.

    Args:
        settings: checked.
        environ: gives the AWS keys.
        clock: for everything that is put together.
        log: for the broker's events.
    """
    vault = Vault(Connections(clock, settings.tls), settings.vault, settings.namespace, settings.max_retries, clock)
    # AWS is trusted by the system's certificates, whatever Vault is trusted by.
    aws = Connections(clock)
    keys: Source = Credentials(environ, aws)
    if settings.assumed_role_arn is not None:
        session = environ.get("AWS_LAMBDA_FUNCTION_NAME") or "vaultgate"
        region, endpoint = settings.sts_region, settings.sts_endpoint
        keys = AssumedRole(
            keys,
            settings.assumed_role_arn,
            session=session,
            region=region,
            endpoint=endpoint,
            transport=aws,
            clock=clock,
        )
    return Broker(vault, AwsLogin(vault, keys, settings, clock), settings, clock, log)
