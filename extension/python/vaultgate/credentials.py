"""The function's own AWS keys, as they are now.

Rules: keys are asked for at every login, never remembered past their end. Lambda gives them by environment variables;
environments that may be restored from a snapshot give a loopback endpoint instead, and keys from before the snapshot
must not be used. Containers, where a client may run without an extension, give an endpoint as well: ECS by a path, EKS with a
file that holds the authorization.
Sources: AWS SDKs and Tools Reference Guide, "Container credential provider" and "Service-specific endpoints"; AWS STS API
Reference, "AssumeRole".
"""

from __future__ import annotations

import json
import re

from vaultgate.errors import NoCredentials, VaultgateError
from vaultgate.leases import Lifetime
from vaultgate.model import AwsKeys, Origin, Request
from vaultgate.secret import Secret
from vaultgate.sigv4 import sign_assume_role, sts_host
from vaultgate.values import is_loopback, origin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    from vaultgate.clock import Clock
    from vaultgate.model import Answer
    from vaultgate.transport import Transport

    class Source(Protocol):
        """Somebody who has AWS keys."""

        def current(self, deadline: float) -> AwsKeys:
            """The keys to sign with now; raises NoCredentials."""


# Link-local addresses that AWS serves container credentials from, ECS and EKS (IPv4 and IPv6).
_METADATA_HOSTS = frozenset({"169.254.170.2", "169.254.170.23", "fd00:ec2::23"})
_ECS = "http://169.254.170.2"


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
        path = self._environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
        url = _ECS + path if path else self._environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
        if url:
            return self._from_endpoint(url, deadline)
        access_key = self._environ.get("AWS_ACCESS_KEY_ID")
        secret_key = self._environ.get("AWS_SECRET_ACCESS_KEY")
        if not access_key or not secret_key:
            hint = "give the function an execution role; outside Lambda export the keys, or set VAULTGATE_AUTH_METHOD=approle"
            raise NoCredentials("AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY is not set", hint)
        token = self._environ.get("AWS_SESSION_TOKEN")
        return AwsKeys(access_key, Secret(secret_key), Secret(token) if token else None)

    def _from_endpoint(self, url: str, deadline: float) -> AwsKeys:
        try:
            server = origin(url.partition("?")[0])
        except ValueError as error:
            raise NoCredentials(f"AWS_CONTAINER_CREDENTIALS_FULL_URI={url!r} {error}") from None
        if server.scheme == "http" and not is_loopback(server.host) and server.host not in _METADATA_HOSTS:
            raise NoCredentials(f"AWS_CONTAINER_CREDENTIALS_FULL_URI={url!r} would fetch keys in clear from elsewhere")
        authorization = self._authorization()
        headers = (("Authorization", authorization),) if authorization else ()
        query = url.partition("?")[2]
        request = Request("GET", ("" if server.prefix else "/") + (f"?{query}" if query else ""), headers)
        try:
            answer = self._transport.exchange(server, request, deadline)
            document = json.loads(answer.body)
            return AwsKeys(document["AccessKeyId"], Secret(document["SecretAccessKey"]), Secret(document["Token"]))
        except (VaultgateError, ValueError, KeyError, TypeError) as error:
            raise NoCredentials(f"the credentials endpoint {server} gave no keys ({type(error).__name__})") from error

    def _authorization(self) -> str | None:
        """What the endpoint wants to see; a file's is rotated, so it is read each time."""
        file = self._environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
        if not file:
            return self._environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")
        try:
            with open(file, encoding="ascii") as opened:  # noqa: PTH123 - pathlib costs a cold start more than all of this
                return opened.read().strip()
        except (OSError, ValueError) as error:
            why = f"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE={file!r} can't be read ({type(error).__name__})"
            raise NoCredentials(why, "mount the file that the service account's identity comes with") from error


# What STS gives without being asked for another duration, and how long before its end new keys are got.
_ASSUMED_S = 3600.0
_ASSUMED_MARGIN_S = 300.0
_OK = 200


class AssumedRole:
    """The keys of another role, which the function's own role may assume.

    Args:
        own: the function's keys.
        role_arn: of the other role.
        session: the function's name; CloudTrail shows it.
        region: whose STS is asked, None for the global one.
        endpoint: where STS is, if not where AWS has it.
    """

    def __init__(
        self,
        own: Source,
        role_arn: str,
        *,
        session: str,
        region: str | None,
        endpoint: Origin | None,
        transport: Transport,
        clock: Clock,
    ) -> None:
        self._own = own
        self._role_arn = role_arn
        self._session = re.sub(r"[^\w+=,.@-]", "-", session, flags=re.ASCII)[:64]
        self._region = region
        self._sts = endpoint or Origin("https", sts_host(region), 443)
        self._transport = transport
        self._clock = clock
        self._kept: tuple[AwsKeys, Lifetime] | None = None

    def current(self, deadline: float) -> AwsKeys:
        """The role's keys; STS is asked when those at hand have less than five minutes left.

        Raises:
            NoCredentials: the function has none itself, or STS refused the role.
            Unreachable, DeadlineExceeded: STS did not answer.
        """
        now = self._clock.now()
        if self._kept is not None and not self._kept[1].over(now):
            return self._kept[0]
        own = self._own.current(deadline)
        signed = sign_assume_role(
            own, self._region, self._sts.authority, role_arn=self._role_arn, session=self._session, wall=now.wall
        )
        headers = tuple(header for header in signed.headers if header[0] != "Host")  # the transport adds it
        answer = self._transport.exchange(self._sts, Request("POST", "/", headers, signed.body), deadline)
        if answer.status != _OK:
            why = _element(answer, "Code") or f"status {answer.status}"
            hint = "let its trust policy name the function's role, and grant the function's role sts:AssumeRole on it"
            raise NoCredentials(f"STS refused VAULT_ASSUMED_ROLE_ARN={self._role_arn!r}: {why}", hint)
        keys = AwsKeys(
            _element(answer, "AccessKeyId"), Secret(_element(answer, "SecretAccessKey")), Secret(_element(answer, "SessionToken"))
        )
        if not keys.access_key or not keys.secret_key:
            raise NoCredentials(f"STS answered for {self._role_arn!r} without keys: is {self._sts} STS?")
        self._kept = keys, Lifetime(now, _ASSUMED_S, _ASSUMED_MARGIN_S)
        return keys


def _element(answer: Answer, name: str) -> str:
    """The text of an element in STS's XML, empty where it isn't there; an XML parser would cost a cold start dearly."""
    match = re.search(f"<{name}>([^<]*)</{name}>", answer.body.decode("utf-8", "replace"))
    return match[1] if match else ""
