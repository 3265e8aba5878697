"""Whether a request to AWS is signed as AWS wants it: the checks that a service makes before it reads the body.

Source: "Signature Version 4 for API requests" of the AWS Identity and Access Management user guide; the exceptions' names
are those of services that speak JSON 1.1. The signature is computed by botocore from the headers that came.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from typing import TYPE_CHECKING

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

if TYPE_CHECKING:
    from email.message import Message

SKEW_S = 300
_FORM = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<day>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request, "
    r"SignedHeaders=(?P<headers>[^,]+), Signature=(?P<signature>[0-9a-f]{64})"
)


class Refusal(Exception):
    """An exception of an AWS service."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status, self.code, self.message = status, code, message


def judge(
    headers: Message,
    body: bytes,
    now_s: float,
    keys: dict[str, tuple[str, str]] | None,
    *,
    region: str,
    service: str,
    line: tuple[str, str] = ("POST", "/"),
) -> None:
    """Look at a request's signature.

    Args:
        headers: as they came.
        body: the same.
        now_s: the service's wall, seconds since 1970.
        keys: access key to (secret key, session token or ""); None takes any signature in the right form and time.
        region: where the service is.
        service: its name in signatures.
        line: the request's method and target.

    Raises:
        Refusal: as the service words it.
    """
    found = _FORM.fullmatch(headers.get("Authorization", ""))
    if found is None:
        raise Refusal(400, "MissingAuthenticationTokenException", "Missing Authentication Token")
    if found["region"] != region or found["service"] != service:
        raise Refusal(
            400, "InvalidSignatureException", f"Credential should be scoped to a valid region, not '{found['region']}'."
        )
    signed_at = headers.get("X-Amz-Date", "")
    moment = dt.datetime.strptime(signed_at, "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
    age_s = now_s - calendar.timegm(moment.utctimetuple())
    if age_s > SKEW_S:
        raise Refusal(400, "InvalidSignatureException", f"Signature expired: {signed_at} is now earlier than the service's time")
    if age_s < -SKEW_S:
        raise Refusal(400, "InvalidSignatureException", f"Signature not yet current: {signed_at} is still later than that")
    if keys is None:
        return
    secret, token = keys.get(found["key"], ("", ""))
    if not secret or headers.get("X-Amz-Security-Token", "") != token:
        raise Refusal(400, "UnrecognizedClientException", "The security token included in the request is invalid.")
    if _signature(headers, body, found, secret, line) != found["signature"]:
        raise Refusal(400, "InvalidSignatureException", "The request signature we calculated does not match the one provided.")


def _signature(headers: Message, body: bytes, found: re.Match[str], secret: str, line: tuple[str, str]) -> str:
    signed = {name: headers[name] for name in found["headers"].split(";")}
    request = AWSRequest(line[0], f"http://{headers['Host']}{line[1]}", headers=signed, data=body)
    request.context["timestamp"] = headers.get("X-Amz-Date", "")
    signer = SigV4Auth(Credentials(found["key"], secret), found["service"], found["region"])
    return str(signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request))
