"""Our signatures against botocore's, and our STS hosts against botocore's endpoints."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.endpoint_provider import EndpointProvider
from botocore.loaders import create_loader
from hypothesis import example, given
from hypothesis import strategies as st

from vaultgate.clock import basic_iso8601
from vaultgate.model import AwsKeys
from vaultgate.secret import Secret
from vaultgate.sigv4 import BODY, SERVER_ID_HEADER, sign_assume_role, sign_get_caller_identity, sts_host

PARTITIONS = create_loader().load_data("partitions")
ENDPOINTS = EndpointProvider(create_loader().load_service_model("sts", "endpoint-rule-set-1"), PARTITIONS)
REGIONS = sorted(
    {region for partition in PARTITIONS["partitions"] for region in partition["regions"] if not region.endswith("-global")}
)

words = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)
# What a setting lets through: printable ASCII, with spaces wherever somebody put them.
server_ids = st.one_of(st.none(), st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=60))


def by_botocore(keys: AwsKeys, region: str, stamp: str, headers: dict[str, str], url: str, *, body: bytes = BODY) -> str:
    """The Authorization header that AWS's own signer makes."""
    token = keys.session_token.reveal() if keys.session_token else None
    auth = SigV4Auth(Credentials(keys.access_key, keys.secret_key.reveal(), token), "sts", region)
    request = AWSRequest("POST", url, headers=headers, data=body)
    request.context["timestamp"] = stamp
    signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    names = auth.signed_headers(auth.headers_to_sign(request))
    return f"AWS4-HMAC-SHA256 Credential={auth.scope(request)}, SignedHeaders={names}, Signature={signature}"


@given(
    access_key=words,
    secret_key=words,
    token=st.one_of(st.none(), words),
    region=st.one_of(st.none(), st.sampled_from(REGIONS)),
    server_id=server_ids,
    wall=st.floats(0, 7_258_118_399),
)
@example(access_key="AKID", secret_key="secret", token="t", region="eu-west-1", server_id="  a   b\x20", wall=0.0)
@example(access_key="AKID", secret_key="s/+=", token=None, region=None, server_id=None, wall=1_795_305_599.999)
def test_signature_is_botocores(
    *, access_key: str, secret_key: str, token: str | None, region: str | None, server_id: str | None, wall: float
) -> None:
    """Whatever the keys, region, time and server id, AWS's own signer makes the same Authorization header."""
    keys = AwsKeys(access_key, Secret(secret_key), Secret(token) if token else None)
    signed = sign_get_caller_identity(keys, region, server_id, wall)
    headers = dict(signed.headers)
    ours = headers.pop("Authorization")
    assert signed.url == f"https://{sts_host(region)}/"
    assert headers.get("X-Amz-Security-Token") == token
    assert ours == by_botocore(keys, region or "us-east-1", basic_iso8601(wall), headers, signed.url)


@given(
    access_key=words,
    token=st.one_of(st.none(), words),
    region=st.one_of(st.none(), st.sampled_from(REGIONS)),
    role_arn=st.text(min_size=1, max_size=40),
    session=st.text(min_size=1, max_size=40),
    wall=st.floats(0, 7_258_118_399),
)
@example(
    access_key="A", token=None, region=None, role_arn="arn:aws:iam::123456789012:role/a b", session="a-b._~+/=,@\xe4", wall=0.0
)
def test_assuming_a_role_is_signed_as_botocore_does(
    *, access_key: str, token: str | None, region: str | None, role_arn: str, session: str, wall: float
) -> None:
    """The wish to assume a role is the form that AWS's own client sends, to the host that was named, and signed as it would."""
    keys = AwsKeys(access_key, Secret("secret"), Secret(token) if token else None)
    signed = sign_assume_role(keys, region, "127.0.0.1:5000", role_arn=role_arn, session=session, wall=wall)
    form = {"Action": "AssumeRole", "RoleArn": role_arn, "RoleSessionName": session, "Version": "2011-06-15"}
    assert signed.body.decode() == urlencode(form, quote_via=quote, safe="")
    assert signed.url == "https://127.0.0.1:5000/"
    headers = dict(signed.headers)
    ours = headers.pop("Authorization")
    assert headers["Host"] == "127.0.0.1:5000"
    assert ours == by_botocore(keys, region or "us-east-1", basic_iso8601(wall), headers, signed.url, body=signed.body)


@given(server_id=words, wall=st.floats(0, 7_258_118_399))
def test_server_id_is_signed(server_id: str, wall: float) -> None:
    """The server id travels as it was set and stands among the signed headers: without that Vault refuses the login."""
    headers = dict(sign_get_caller_identity(AwsKeys("AKID", Secret("secret"), None), None, server_id, wall).headers)
    assert headers[SERVER_ID_HEADER] == server_id
    assert "x-vault-aws-iam-server-id" in headers["Authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")


@pytest.mark.parametrize("absent", [None, ""])
def test_absent_parts_leave_no_header(absent: str | None) -> None:
    """Without a session token and a server id their headers are absent, not empty."""
    token = None if absent is None else Secret(absent)
    signed = sign_get_caller_identity(AwsKeys("AKID", Secret("secret"), token), None, absent, 0.0)
    assert [name for name, _ in signed.headers] == ["Content-Type", "Host", "X-Amz-Date", "Authorization"]
    assert (signed.url, signed.body) == ("https://sts.amazonaws.com/", b"Action=GetCallerIdentity&Version=2011-06-15")


@pytest.mark.parametrize("region", REGIONS)
def test_sts_host_is_botocores(region: str) -> None:
    """Every region that botocore knows, in every partition, has the STS host that botocore would call."""
    endpoint = ENDPOINTS.resolve_endpoint(Region=region, UseDualStack=False, UseFIPS=False, UseGlobalEndpoint=False)
    assert f"https://{sts_host(region)}" == endpoint.url


def test_every_partition_was_looked_at() -> None:
    """The regions above come from more than the three partitions everybody knows."""
    assert {"us-east-1", "cn-north-1", "us-gov-west-1", "us-iso-east-1", "us-isob-east-1", "eusc-de-east-1"} <= set(REGIONS)


def test_no_region_is_the_global_endpoint() -> None:
    """Without a region the global endpoint is asked, as HashiCorp's extension does."""
    assert sts_host(None) == "sts.amazonaws.com"


def test_secret_key_leaves_no_trace() -> None:
    """Neither the signed request nor its parts hold the secret key."""
    signed = sign_get_caller_identity(AwsKeys("AKID", Secret("PLANTED-KEY"), None), "eu-west-1", "id", 0.0)
    assert "PLANTED-KEY" not in repr(signed) + repr(signed.headers) + signed.url
