"""Requests as events, results as answers: compared with what AWS documents.

The two events are the examples of "Create AWS Lambda proxy integrations for HTTP APIs in API Gateway" (Amazon API Gateway
Developer Guide), with our own account, API and request ids in place of theirs, and without the authorizers and client
certificates that this stand-in has not.
"""

from __future__ import annotations

import base64
from typing import Any

import pytest

from vaultgate_ops.local.proxy_events import Call, MalformedAnswer, Payload, Route, answer, event

WALL_S = 1583349317.135
BOTH: tuple[Payload, ...] = ("1.0", "2.0")


def call(**changes: Any) -> Call:
    """The request of AWS's examples."""
    request: dict[str, Any] = {
        "route": Route("POST", "/my/{part}"),
        "parameters": {"part": "path"},
        "path": "/my/path",
        "query": "parameter1=value1&parameter1=value2&parameter2=value",
        "headers": (
            ("Host", "id.execute-api.us-east-1.amazonaws.com"),
            ("User-Agent", "agent"),
            ("Header1", "value1"),
            ("Header2", "value1"),
            ("Header2", "value2"),
            ("Cookie", "cookie1; cookie2"),
            ("Content-Type", "text/plain"),
        ),
        "body": b"Hello from Lambda!",
        "source_ip": "192.0.2.1",
        "protocol": "HTTP/1.1",
        "request_id": "id",
        "wall_s": WALL_S,
    }
    return Call(**{**request, **changes})


def test_payload_1_0_is_the_documented_event() -> None:
    """Field for field, null where there is nothing."""
    assert event(call(), "1.0") == {
        "version": "1.0",
        "resource": "/my/{part}",
        "path": "/my/path",
        "httpMethod": "POST",
        "headers": {
            "Host": "id.execute-api.us-east-1.amazonaws.com",
            "User-Agent": "agent",
            "Header1": "value1",
            "Header2": "value2",
            "Cookie": "cookie1; cookie2",
            "Content-Type": "text/plain",
        },
        "multiValueHeaders": {
            "Host": ["id.execute-api.us-east-1.amazonaws.com"],
            "User-Agent": ["agent"],
            "Header1": ["value1"],
            "Header2": ["value1", "value2"],
            "Cookie": ["cookie1; cookie2"],
            "Content-Type": ["text/plain"],
        },
        "queryStringParameters": {"parameter1": "value2", "parameter2": "value"},
        "multiValueQueryStringParameters": {"parameter1": ["value1", "value2"], "parameter2": ["value"]},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "local",
            "authorizer": {"claims": None, "scopes": None},
            "domainName": "id.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": "id",
            "extendedRequestId": "id",
            "httpMethod": "POST",
            "identity": {
                "accessKey": None,
                "accountId": None,
                "caller": None,
                "cognitoAuthenticationProvider": None,
                "cognitoAuthenticationType": None,
                "cognitoIdentityId": None,
                "cognitoIdentityPoolId": None,
                "principalOrgId": None,
                "sourceIp": "192.0.2.1",
                "user": None,
                "userAgent": "agent",
                "userArn": None,
                "clientCert": None,
            },
            "path": "/my/path",
            "protocol": "HTTP/1.1",
            "requestId": "id",
            "requestTime": "04/Mar/2020:19:15:17 +0000",
            "requestTimeEpoch": 1583349317135,
            "resourceId": None,
            "resourcePath": "/my/{part}",
            "stage": "$default",
        },
        "pathParameters": {"part": "path"},
        "stageVariables": None,
        "body": "Hello from Lambda!",
        "isBase64Encoded": False,
    }


def test_payload_2_0_is_the_documented_event() -> None:
    """Repeated values joined by commas, names of headers in small letters, cookies apart."""
    assert event(call(), "2.0") == {
        "version": "2.0",
        "routeKey": "POST /my/{part}",
        "rawPath": "/my/path",
        "rawQueryString": "parameter1=value1&parameter1=value2&parameter2=value",
        "cookies": ["cookie1", "cookie2"],
        "headers": {
            "host": "id.execute-api.us-east-1.amazonaws.com",
            "user-agent": "agent",
            "header1": "value1",
            "header2": "value1,value2",
            "content-type": "text/plain",
        },
        "queryStringParameters": {"parameter1": "value1,value2", "parameter2": "value"},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "local",
            "domainName": "id.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": "id",
            "http": {
                "method": "POST",
                "path": "/my/path",
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "agent",
            },
            "requestId": "id",
            "routeKey": "POST /my/{part}",
            "stage": "$default",
            "time": "04/Mar/2020:19:15:17 +0000",
            "timeEpoch": 1583349317135,
        },
        "body": "Hello from Lambda!",
        "pathParameters": {"part": "path"},
        "isBase64Encoded": False,
    }


def test_what_is_absent_is_null_in_1_0_and_left_out_in_2_0() -> None:
    """No query, no body, no cookies, no parameters."""
    bare = call(route=Route("GET", "/"), parameters={}, path="/", query="", headers=(), body=b"")
    first, second = event(bare, "1.0"), event(bare, "2.0")
    names = ("queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "stageVariables", "body")
    assert [first[name] for name in names] == [None] * 5
    assert not {"queryStringParameters", "pathParameters", "stageVariables", "body", "cookies"} & second.keys()
    assert second["isBase64Encoded"] is False


@pytest.mark.parametrize("payload", BOTH)
@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ((("Content-Type", "application/octet-stream"),), b"\x00\xff"),
        ((), b"no type"),
        ((("Content-Type", "text/plain"),), b"\xff not UTF-8"),
        ((("Content-Type", "application/json"), ("Content-Encoding", "gzip")), b"would be text"),
    ],
)
def test_a_body_that_is_no_text_is_base64(payload: Payload, headers: tuple[tuple[str, str], ...], body: bytes) -> None:
    """Bytes survive the way through JSON."""
    made = event(call(headers=headers, body=body), payload)
    assert made["isBase64Encoded"] is True
    assert base64.b64decode(made["body"]) == body


@pytest.mark.parametrize("payload", BOTH)
@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=utf-8", "text/html", "APPLICATION/XML", "application/problem+json"]
)
def test_text_stays_text(payload: Payload, kind: str) -> None:
    """Whatever says that it is text and is UTF-8."""
    made = event(call(headers=(("content-type", kind),), body="é".encode()), payload)
    assert (made["body"], made["isBase64Encoded"]) == ("é", False)


@pytest.mark.parametrize("payload", BOTH)
def test_query_values_are_decoded(payload: Payload) -> None:
    """Percent, plus and values that are empty."""
    assert event(call(query="a=%C3%A9+b&c="), payload)["queryStringParameters"] == {"a": "é b", "c": ""}


@pytest.mark.parametrize("payload", BOTH)
def test_the_domain_has_no_port(payload: Payload) -> None:
    """A Host header may have one."""
    assert event(call(headers=(("host", "127.0.0.1:8080"),)), payload)["requestContext"]["domainName"] == "127.0.0.1"


def test_a_route_matches_whole_segments() -> None:
    """Its parameters are segments, and dots are dots."""
    route = Route.parse("GET /a.b/{one}/c/{two}")
    assert route.match("/a.b/1/c/x y") == {"one": "1", "two": "x y"}
    assert [route.match(path) for path in ("/aXb/1/c/2", "/a.b/1/2/c/2", "/a.b//c/2", "/a.b/1/c/2/")] == [None] * 4


@pytest.mark.parametrize("text", ["", "GET", "GET records", "get /records", "/records"])
def test_what_is_no_route_is_refused(text: str) -> None:
    """With an example of one."""
    with pytest.raises(ValueError, match="GET /records"):
        Route.parse(text)


@pytest.mark.parametrize("payload", BOTH)
def test_a_result_becomes_status_headers_and_body(payload: Payload) -> None:
    """As the function said."""
    given = answer({"statusCode": 201, "headers": {"Content-Type": "text/csv", "X-Count": 3, "X-On": True}, "body": "é"}, payload)
    assert (given.status, given.body) == (201, "é".encode())
    assert given.headers == (("Content-Type", "text/csv"), ("X-Count", "3"), ("X-On", "true"))


@pytest.mark.parametrize("payload", BOTH)
def test_a_base64_result_becomes_bytes(payload: Payload) -> None:
    """And no body is an empty one."""
    assert answer({"statusCode": 200, "body": "AP8=", "isBase64Encoded": True}, payload).body == b"\x00\xff"
    assert answer({"statusCode": 204}, payload).body == b""


def test_a_result_without_content_type_gets_the_formats_own() -> None:
    """JSON in 1.0, as REST APIs have it; plain text in 2.0."""
    assert answer({"statusCode": 200}, "1.0").headers == (("Content-Type", "application/json"),)
    assert answer({"statusCode": 200}, "2.0").headers == (("Content-Type", "text/plain; charset=utf-8"),)


def test_1_0_merges_headers_and_their_many_values() -> None:
    """A name in both has the many values only, in any case of letters."""
    given = answer(
        {"statusCode": 200, "headers": {"A": "1", "set-cookie": "x"}, "multiValueHeaders": {"Set-Cookie": ["y", "z"]}}, "1.0"
    )
    assert given.headers == (("A", "1"), ("Set-Cookie", "y"), ("Set-Cookie", "z"), ("Content-Type", "application/json"))


def test_2_0_makes_every_cookie_a_header() -> None:
    """Two cookies never share a line."""
    given = answer({"statusCode": 200, "cookies": ["a=1; Secure", "b=2"]}, "2.0")
    assert [value for name, value in given.headers if name == "Set-Cookie"] == ["a=1; Secure", "b=2"]


@pytest.mark.parametrize(
    ("result", "body"), [({"a": 1}, b'{"a": 1}'), ("plain", b"plain"), ([1], b"[1]"), (None, b"null"), (7, b"7")]
)
def test_2_0_takes_a_result_without_status_for_a_body(result: Any, body: bytes) -> None:
    """It is 200 and JSON then."""
    given = answer(result, "2.0")
    assert (given.status, given.headers, given.body) == (200, (("Content-Type", "application/json"),), body)


def test_the_functions_content_length_is_not_believed() -> None:
    """The server counts."""
    assert answer({"statusCode": 200, "headers": {"content-length": "7", "A": "b"}}, "1.0").headers[0] == ("A", "b")


@pytest.mark.parametrize("payload", BOTH)
@pytest.mark.parametrize(
    "result",
    [
        {"errorMessage": "boom", "errorType": "ValueError", "stackTrace": []},
        {"errorType": "Runtime.ExitError"},
        {"statusCode": "OK"},
        {"statusCode": 99},
        {"statusCode": 600},
        {"statusCode": 200.5},
        {"statusCode": True},
        {"statusCode": None},
        {"statusCode": 200, "body": {"a": 1}},
        {"statusCode": 200, "body": "AP8=!", "isBase64Encoded": True},
        {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "headers": {"a": ["b"]}},
        {"statusCode": 200, "headers": {"a": "b\r\nc: d"}},
    ],
)
def test_a_failure_and_a_malformed_result_are_no_answer(payload: Payload, result: Any) -> None:
    """Nothing is guessed."""
    with pytest.raises(MalformedAnswer):
        answer(result, payload)


@pytest.mark.parametrize("result", [{"a": 1}, "text", None, [1], {"statusCode": 200, "multiValueHeaders": {"a": "b"}}])
def test_1_0_wants_a_proxy_response(result: Any) -> None:
    """Only 2.0 makes something of anything."""
    with pytest.raises(MalformedAnswer):
        answer(result, "1.0")


def test_2_0_wants_a_list_of_cookies() -> None:
    """A string's letters are no cookies."""
    with pytest.raises(MalformedAnswer):
        answer({"statusCode": 200, "cookies": "a=1"}, "2.0")
