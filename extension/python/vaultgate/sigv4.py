"""A signed GetCallerIdentity, made without sending it: Vault sends it, and learns from STS who signed.

Rules: pure; the time is an argument; the secret key leaves its `Secret` only to become a MAC key.
Sources: AWS, "Create a signed AWS API request" (Signature Version 4); HashiCorp, "AWS auth method", section IAM.
Vault takes only a POST whose body is `BODY`, and wants its server id among the signed headers.
"""

from __future__ import annotations

import hashlib
import hmac

from vaultgate.clock import basic_iso8601

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vaultgate.model import AwsKeys, Headers

SERVER_ID_HEADER = "X-Vault-AWS-IAM-Server-ID"
BODY = b"Action=GetCallerIdentity&Version=2011-06-15"
_CONTENT_TYPE = "application/x-www-form-urlencoded; charset=utf-8"
_GLOBAL_REGION = "us-east-1"
# botocore's endpoints.json, "partitions": the DNS suffix by the region's first words.
_SUFFIXES = (
    ("cn-", "amazonaws.com.cn"),
    ("us-isof-", "csp.hci.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("us-iso-", "c2s.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
    ("eusc-", "amazonaws.eu"),
)


class SignedRequest:
    """What Vault's login wants to know about a request to STS.

    Args:
        url: where it would be sent.
        headers: all of them, signature included.
        body: its body.
    """

    __slots__ = ("body", "headers", "url")

    def __init__(self, url: str, headers: Headers, body: bytes) -> None:
        self.url = url
        self.headers = headers
        self.body = body


def sts_host(region: str | None) -> str:
    """The STS endpoint of a region, or the global one for None."""
    if region is None:
        return "sts.amazonaws.com"
    for prefix, suffix in _SUFFIXES:
        if region.startswith(prefix):
            return f"sts.{region}.{suffix}"
    return f"sts.{region}.amazonaws.com"


def sign_get_caller_identity(keys: AwsKeys, region: str | None, server_id: str | None, wall: float) -> SignedRequest:
    """Sign who we are.

    Args:
        keys: the function's own.
        region: whose STS shall answer; None is the global endpoint, which is signed for us-east-1.
        server_id: binds the signature to one Vault; None leaves the header out.
        wall: now, seconds since 1970. STS accepts a signature for 15 minutes (5 before it in some regions).
    """
    extra = ((SERVER_ID_HEADER, server_id),) if server_id else ()
    return _sign(keys, region, sts_host(region), BODY, extra, wall=wall)


def sign_assume_role(keys: AwsKeys, region: str | None, host: str, *, role_arn: str, session: str, wall: float) -> SignedRequest:
    """Sign the wish to become another role, for an hour.

    Args:
        keys: of whoever may assume it.
        region: whose STS shall answer, as above.
        host: its Host header; with a port where STS is somewhere else than usual.
        role_arn: of the role.
        session: shows in CloudTrail as whoever acts under the role.
        wall: now.
    """
    fields = {"Action": "AssumeRole", "RoleArn": role_arn, "RoleSessionName": session, "Version": "2011-06-15"}
    body = "&".join(f"{name}={_escaped(value)}" for name, value in fields.items())
    return _sign(keys, region, host, body.encode(), (), wall=wall)


def _sign(keys: AwsKeys, region: str | None, host: str, body: bytes, extra: Headers, *, wall: float) -> SignedRequest:
    stamp = basic_iso8601(wall)
    headers = [("Content-Type", _CONTENT_TYPE), ("Host", host), ("X-Amz-Date", stamp)]
    if keys.session_token:
        headers.append(("X-Amz-Security-Token", keys.session_token.reveal()))
    headers.extend(extra)
    authorization = _authorization(keys, region or _GLOBAL_REGION, stamp, headers, body)
    return SignedRequest(f"https://{host}/", (*headers, ("Authorization", authorization)), body)


def _escaped(text: str) -> str:
    """A form value: everything but RFC 3986's unreserved characters is escaped."""
    return "".join(
        character if character.isascii() and (character.isalnum() or character in "-._~") else _escapes(character)
        for character in text
    )


def _escapes(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode())


def _authorization(keys: AwsKeys, region: str, stamp: str, headers: list[tuple[str, str]], body: bytes) -> str:
    """The Authorization header, by the four tasks of AWS's description."""
    # Runs of spaces inside a value count as one, and none count at its ends.
    canonical = sorted((name.lower(), " ".join(value.split())) for name, value in headers)
    signed = ";".join(name for name, _ in canonical)
    lines = "".join(f"{name}:{value}\n" for name, value in canonical)
    request = f"POST\n/\n\n{lines}\n{signed}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{stamp[:8]}/{region}/sts/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{keys.secret_key.reveal()}".encode()
    for part in (stamp[:8], region, "sts", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    return f"AWS4-HMAC-SHA256 Credential={keys.access_key}/{scope}, SignedHeaders={signed}, Signature={signature}"
