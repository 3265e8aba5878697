"""The function's own AWS keys, as they are now.

Rules: keys are asked for at every login, never remembered past their end. Lambda gives them by environment variables;
environments that may be restored from a snapshot give a loopback endpoint instead, and keys from before the snapshot
must not be used.
Source: AWS SDKs and Tools Reference Guide, "Container credential provider".
"""

from __future__ import annotations

import json

from vaultgate.errors import NoCredentials, VaultgateError
from vaultgate.model import AwsKeys, Request
from vaultgate.secret import Secret
from vaultgate.values import is_loopback, origin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from vaultgate.transport import Transport

# Link-local addresses that AWS serves container credentials from, ECS and EKS (IPv4 and IPv6).
_METADATA_HOSTS = frozenset({"169.254.170.2", "169.254.170.23", "fd00:ec2::23"})


class Credentials:
    """Where keys come from in this sandbox.

    Args:
        environ: the environment that was read once at the start.
    """

    def __init__(self, environ: Mapping[str, str], transport: Transport) -> None:
        self._environ = environ
        self._transport = transport

    def current(self, deadline: float) -> AwsKeys:
        """The keys to sign with now.

        Raises:
            NoCredentials: there are none, or the endpoint that should give them didn't.
        """
        url = self._environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
        if url:
            return self._from_endpoint(url, deadline)
        access_key = self._environ.get("AWS_ACCESS_KEY_ID")
        secret_key = self._environ.get("AWS_SECRET_ACCESS_KEY")
        if not access_key or not secret_key:
            raise NoCredentials("AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY is not set", "give the function an execution role")
        token = self._environ.get("AWS_SESSION_TOKEN")
        return AwsKeys(access_key, Secret(secret_key), Secret(token) if token else None)

    def _from_endpoint(self, url: str, deadline: float) -> AwsKeys:
        try:
            server = origin(url.partition("?")[0])
        except ValueError as error:
            raise NoCredentials(f"AWS_CONTAINER_CREDENTIALS_FULL_URI={url!r} {error}") from None
        if server.scheme == "http" and not is_loopback(server.host) and server.host not in _METADATA_HOSTS:
            raise NoCredentials(f"AWS_CONTAINER_CREDENTIALS_FULL_URI={url!r} would fetch keys in clear from elsewhere")
        authorization = self._environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")
        headers = (("Authorization", authorization),) if authorization else ()
        query = url.partition("?")[2]
        request = Request("GET", ("" if server.prefix else "/") + (f"?{query}" if query else ""), headers)
        try:
            answer = self._transport.exchange(server, request, deadline)
            document = json.loads(answer.body)
            return AwsKeys(document["AccessKeyId"], Secret(document["SecretAccessKey"]), Secret(document["Token"]))
        except (VaultgateError, ValueError, KeyError, TypeError) as error:
            raise NoCredentials(f"the credentials endpoint {server} gave no keys ({type(error).__name__})") from error
