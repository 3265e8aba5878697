"""The door to CloudWatch Logs: one signed POST, one answer.

Rules: credentials are botocore's, asked for at each call, so that temporary ones are renewed in time; connections are
urllib3's, kept alive, with AWS's own settings for proxies and CAs; the client of botocore that knows the whole API is made
for a moment only, where the endpoint has to be found and where something has to be created. Nothing is tried twice here.
The time in signatures is the machine's, moved by what the service once said of it.

Sources: AWS JSON 1.1; "Signature Version 4 for API requests" of the IAM user guide.
"""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, CredentialRetrievalError, HTTPClientError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

from vaultgate_ops.audit.answers import Answer
from vaultgate_ops.errors import Denied, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.credentials import Credentials

    from vaultgate_ops.clock import Clock

_CONTENT_TYPE = "application/x-amz-json-1.1"
_TARGET = "Logs_20140328"
_TIMESTAMP = "%Y%m%dT%H%M%SZ"


class NoAnswer(Exception):
    """No answer came: not reached, hung up, or too late. What was sent may have landed all the same."""


class Service(NamedTuple):
    """Where CloudWatch Logs is.

    Attributes:
        region: such as ``eu-central-1``; empty for what AWS's environment and files say.
        endpoint: another URL than the region's; empty for what they say.
        connect_s, read_s: how long a connection and an answer may take.
        connections: how many calls may be under way at once.
    """

    region: str = ""
    endpoint: str = ""
    connect_s: float = 5.0
    read_s: float = 30.0
    connections: int = 3


class CloudWatchLogs:
    """The service, as this machine reaches it.

    Args:
        service: where it is.
        clock: for signatures.
        session: botocore's, that knows credentials; a new one by default.

    Raises:
        UsageProblem: no region, or one that is not AWS's form.
        Denied: no credentials.
    """

    def __init__(self, service: Service, clock: Clock, session: botocore.session.Session | None = None) -> None:
        self._service, self._clock = service, clock
        self._session = session or botocore.session.Session()
        self.region = service.region or str(self._session.get_config_variable("region") or "")
        if not self.region:
            raise UsageProblem("No AWS region is set.", "Set AWS_REGION, or name it with --region.")
        self._credentials = self._first_credentials()
        with self.client() as client:
            self.endpoint = str(client.meta.endpoint_url).rstrip("/")
        verify = self._session.get_config_variable("ca_bundle")
        self._http = URLLib3Session(
            verify=verify or True,
            proxies=get_environ_proxies(self.endpoint),
            timeout=(service.connect_s, service.read_s),  # type: ignore[arg-type] # the stubs know one number only
            max_pool_connections=service.connections + 1,
        )
        self._ahead_s = 0.0

    def now_ms(self) -> int:
        """The service's time as well as it is known, ms since 1970."""
        return int((self._clock.wall() + self._ahead_s) * 1000)

    def set_time(self, server_time_ms: int) -> None:
        """Go by the service's clock from now on."""
        self._ahead_s = server_time_ms / 1000 - self._clock.wall()

    def renew_credentials(self) -> None:
        """Look for credentials again, wherever botocore finds them; what was there stays where nothing is found."""
        with suppress(BotoCoreError):
            found = self._session.get_component("credential_provider").load_credentials()
            self._credentials = found or self._credentials

    def _first_credentials(self) -> Credentials:
        try:
            found = self._session.get_credentials()
        except BotoCoreError as error:
            raise Denied(f"AWS credentials can't be had: {error}", "Check AWS_PROFILE and the role of this machine.") from error
        if found is None:
            raise Denied("There are no AWS credentials.", "Give this machine a role, or set AWS_PROFILE.")
        return found

    def call(self, action: str, body: bytes) -> Answer:
        """Make one call.

        Args:
            action: such as ``PutLogEvents``.
            body: its JSON.

        Raises:
            NoAnswer: none came, or none that could be read to its end.
        """
        headers = {"Content-Type": _CONTENT_TYPE, "X-Amz-Target": f"{_TARGET}.{action}"}
        request = AWSRequest("POST", f"{self.endpoint}/", headers=headers, data=body)
        try:
            # Renewing temporary credentials is a call too, and may fail like one.
            frozen = self._credentials.get_frozen_credentials()
            _Signer(frozen, "logs", self.region, self.now_ms()).add_auth(request)
            answer = self._http.send(request.prepare())
            content = answer.content
        except (HTTPClientError, BotoCoreError, OSError) as error:
            raise NoAnswer(f"{type(error).__name__}: {error}") from error
        return Answer(answer.status_code, content, _date_ms(answer.headers.get("Date")))

    @contextmanager
    def client(self) -> Iterator[Any]:
        """A botocore client of the whole API, for what is rare.

        Raises:
            UsageProblem: the region is none.
        """
        with self.other_client("logs", self._service.endpoint) as client:
            yield client

    @contextmanager
    def other_client(self, name: str, endpoint: str = "") -> Iterator[Any]:
        """A botocore client of another service in the same region.

        Raises:
            UsageProblem: the region is none, or the endpoint is no URL.
        """
        config = Config(retries={"mode": "standard", "total_max_attempts": 4}, connect_timeout=5, read_timeout=30)
        try:
            # Those that were found last: the session itself stays with the first.
            keys = self._credentials.get_frozen_credentials()
            client = self._session.create_client(
                name,
                self.region,
                endpoint_url=endpoint or None,
                config=config,
                aws_access_key_id=keys.access_key,
                aws_secret_access_key=keys.secret_key,
                aws_session_token=keys.token,
            )
        except CredentialRetrievalError as error:
            raise Denied(f"AWS credentials can't be had: {error}", "Check AWS_PROFILE and the role of this machine.") from error
        except BotoCoreError as error:
            raise UsageProblem(f"{self.region!r} is no AWS region: {error}", "Name one with --region or AWS_REGION.") from error
        except ValueError as error:
            which = endpoint or "in AWS's settings"
            raise UsageProblem(f"The endpoint {which} is no URL.", "Write it whole: https://HOST.") from error
        try:
            yield client
        finally:
            client.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()


class _Signer(SigV4Auth):
    """Signs with a time that is given."""

    def __init__(self, credentials: Any, service: str, region: str, now_ms: int) -> None:
        super().__init__(credentials, service, region)
        self._now = dt.datetime.fromtimestamp(now_ms / 1000, dt.UTC)

    def _modify_request_before_signing(self, request: AWSRequest) -> None:
        # The base class has just written its own clock's time here, and reads it from here ever after.
        request.context["timestamp"] = self._now.strftime(_TIMESTAMP)
        super()._modify_request_before_signing(request)  # type: ignore[misc] # not in the stubs


def _date_ms(header: str | None) -> int | None:
    try:
        return int(parsedate_to_datetime(header or "").timestamp() * 1000)
    except ValueError:
        return None
