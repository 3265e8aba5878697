"""API Gateway's Lambda proxy integration: a request becomes an event, the function's result becomes an answer.

Rules: nothing here does I/O. The formats are those of AWS's "Amazon API Gateway Developer Guide": "Create AWS Lambda proxy
integrations for HTTP APIs in API Gateway" for payload format versions 1.0 and 2.0, and "Lambda proxy integrations in API
Gateway" for what REST APIs share with 1.0. A result that is none of theirs is malformed, never guessed at.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Payload = Literal["1.0", "2.0"]
Headers = tuple[tuple[str, str], ...]

ACCOUNT, API, STAGE = "123456789012", "local", "$default"
_TEXT = re.compile(r"text/.*|application/(json|javascript|xml|.*\+json|.*\+xml)", re.IGNORECASE)
_JSON = ("Content-Type", "application/json")
_PLAIN = ("Content-Type", "text/plain; charset=utf-8")
_LEAST_STATUS, _MOST_STATUS = 100, 599
GET_RECORDS: dict[str, Any] = {
    "version": "2.0",
    "routeKey": "GET /records",
    "rawPath": "/records",
    "rawQueryString": "",
    "headers": {"accept": "application/json"},
    "requestContext": {"http": {"method": "GET", "path": "/records"}, "stage": STAGE, "requestId": "local"},
    "isBase64Encoded": False,
}
"""The event for the record-count function's one request, format 2.0, for whoever asks it without a front."""


class MalformedAnswer(Exception):
    """The function failed, or returned what API Gateway can't make an answer of."""


@dataclass(frozen=True)
class Route:
    """One method of one resource.

    Attributes:
        method: in capitals.
        template: path, with ``{name}`` for one segment that may be anything.
    """

    method: str
    template: str

    @classmethod
    def parse(cls, text: str) -> Route:
        """Read ``GET /records``.

        Raises:
            ValueError: it is not of this form.
        """
        method, _, template = text.partition(" ")
        if not re.fullmatch(r"[A-Z]+", method) or not template.startswith("/"):
            raise ValueError(f"{text!r} is not a route such as 'GET /records'")
        return cls(method, template)

    def match(self, path: str) -> dict[str, str] | None:
        """The path's parameters by name, or None if it is another resource's."""
        found = self._pattern.fullmatch(path)
        return None if found is None else found.groupdict()

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        parts = re.split(r"\{(\w+)\}", self.template)
        return re.compile("".join(f"(?P<{p}>[^/]+)" if i % 2 else re.escape(p) for i, p in enumerate(parts)))


@dataclass(frozen=True)
class Call:
    """A request that has found its route.

    Attributes:
        route: whose template names the resource.
        parameters: of the path.
        path: decoded, without the query.
        query: as it was sent.
        headers: in order, repeated ones apart, names as they were sent.
        body: as it was sent.
        source_ip: of whoever asks.
        protocol: such as ``HTTP/1.1``.
        request_id: names the call in logs.
        wall_s: when it came, seconds since 1970.
    """

    route: Route
    parameters: Mapping[str, str]
    path: str
    query: str
    headers: Headers
    body: bytes
    source_ip: str
    protocol: str
    request_id: str
    wall_s: float

    def values(self, name: str) -> list[str]:
        """Every value of a header, by name in any case."""
        return [value for key, value in self.headers if key.lower() == name]

    def value(self, name: str) -> str:
        """The first value of a header; empty for none."""
        return next(iter(self.values(name)), "")


@dataclass(frozen=True)
class Answer:
    """What the client gets."""

    status: int
    headers: Headers = ()
    body: bytes = b""


def refusal(status: int, message: str, *headers: tuple[str, str]) -> Answer:
    """API Gateway's own answer when it does not come to the function, or the function to nothing."""
    return Answer(status, (_JSON, *headers), json.dumps({"message": message}).encode())


def event(call: Call, payload: Payload) -> dict[str, Any]:
    """The event that the function is invoked with."""
    return _event_1(call) if payload == "1.0" else _event_2(call)


def answer(result: Any, payload: Payload) -> Answer:
    """The answer that a function's result stands for.

    Args:
        result: what the function returned.
        payload: the format that its event had.

    Raises:
        MalformedAnswer: the function failed, or it is no proxy response.
    """
    if isinstance(result, dict) and "statusCode" not in result and {"errorMessage", "errorType"} & result.keys():
        raise MalformedAnswer(f"the function failed: {result.get('errorType')}: {result.get('errorMessage')}")
    if payload == "2.0" and not (isinstance(result, dict) and "statusCode" in result):
        text = result if isinstance(result, str) else json.dumps(result)
        return Answer(200, (_JSON,), text.encode())
    if not isinstance(result, dict):
        raise MalformedAnswer(f"a {type(result).__name__} is no proxy response")
    headers = _merged(result) if payload == "1.0" else _with_cookies(result)
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(_JSON if payload == "1.0" else _PLAIN)
    return Answer(_status(result.get("statusCode")), tuple(headers), _body(result))


def _event_1(call: Call) -> dict[str, Any]:
    """Payload format version 1.0: the last value of what was repeated, and all of them beside it; null for what is absent."""
    query = parse_qsl(call.query, keep_blank_values=True)
    return {
        "version": "1.0",
        "resource": call.route.template,
        "path": call.path,
        "httpMethod": call.route.method,
        "headers": dict(call.headers),
        "multiValueHeaders": _grouped(call.headers),
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": _grouped(query) or None,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": API,
            "authorizer": {"claims": None, "scopes": None},
            "domainName": _domain(call),
            "domainPrefix": _domain(call).partition(".")[0],
            "extendedRequestId": call.request_id,
            "httpMethod": call.route.method,
            "identity": {
                "accessKey": None,
                "accountId": None,
                "caller": None,
                "cognitoAuthenticationProvider": None,
                "cognitoAuthenticationType": None,
                "cognitoIdentityId": None,
                "cognitoIdentityPoolId": None,
                "principalOrgId": None,
                "sourceIp": call.source_ip,
                "user": None,
                "userAgent": call.value("user-agent"),
                "userArn": None,
                "clientCert": None,
            },
            "path": call.path,
            "protocol": call.protocol,
            "requestId": call.request_id,
            "requestTime": _time(call),
            "requestTimeEpoch": round(call.wall_s * 1000),
            "resourceId": None,
            "resourcePath": call.route.template,
            "stage": STAGE,
        },
        "pathParameters": dict(call.parameters) or None,
        "stageVariables": None,
        **_event_body(call),
    }


def _event_2(call: Call) -> dict[str, Any]:
    """Payload format version 2.0: repeated values joined by commas, cookies apart; what is absent is left out."""
    route_key = f"{call.route.method} {call.route.template}"
    plain = [(name.lower(), value) for name, value in call.headers if name.lower() != "cookie"]
    body = _event_body(call)
    optional = {
        "cookies": [cookie.strip() for value in call.values("cookie") for cookie in value.split(";") if cookie.strip()],
        "queryStringParameters": _joined(parse_qsl(call.query, keep_blank_values=True)),
        "pathParameters": dict(call.parameters),
        "body": body.pop("body"),
    }
    return {
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": call.path,
        "rawQueryString": call.query,
        "headers": _joined(plain),
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": API,
            "domainName": _domain(call),
            "domainPrefix": _domain(call).partition(".")[0],
            "http": {
                "method": call.route.method,
                "path": call.path,
                "protocol": call.protocol,
                "sourceIp": call.source_ip,
                "userAgent": call.value("user-agent"),
            },
            "requestId": call.request_id,
            "routeKey": route_key,
            "stage": STAGE,
            "time": _time(call),
            "timeEpoch": round(call.wall_s * 1000),
        },
        **body,
        **{name: value for name, value in optional.items() if value},
    }


def _event_body(call: Call) -> dict[str, Any]:
    """Body and isBase64Encoded: text as it is where the client says that it is text and it decodes, else base64."""
    if not call.body:
        return {"body": None, "isBase64Encoded": False}
    if _TEXT.fullmatch(call.value("content-type").partition(";")[0].strip()) and not call.value("content-encoding"):
        try:
            return {"body": call.body.decode(), "isBase64Encoded": False}
        except UnicodeDecodeError:
            pass
    return {"body": base64.b64encode(call.body).decode("ascii"), "isBase64Encoded": True}


def _grouped(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped


def _joined(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    return {name: ",".join(values) for name, values in _grouped(pairs).items()}


def _domain(call: Call) -> str:
    return call.value("host").rpartition(":")[0] or call.value("host")


def _time(call: Call) -> str:
    return datetime.fromtimestamp(call.wall_s, UTC).strftime("%d/%b/%Y:%H:%M:%S %z")


def _status(status: Any) -> int:
    if isinstance(status, str) and status.isascii() and status.isdigit():
        status = int(status)
    if not isinstance(status, int) or not _LEAST_STATUS <= status <= _MOST_STATUS:
        raise MalformedAnswer(f"{status!r} is no statusCode")
    return status


def _body(result: Mapping[str, Any]) -> bytes:
    text = result.get("body")
    if text is None:
        return b""
    if not isinstance(text, str):
        raise MalformedAnswer(f"a body must be a string, not a {type(text).__name__}")
    if not result.get("isBase64Encoded"):
        return text.encode()
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedAnswer(f"the body is not base64: {error}") from error


def _merged(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """1.0: headers and multiValueHeaders in one list; a name that is in both has the values of the second only."""
    several = [(name, value) for name, values in _mapping(result, "multiValueHeaders") for value in _list(name, values)]
    names = {name.lower() for name, _ in several}
    single = [(name, value) for name, value in _mapping(result, "headers") if name.lower() not in names]
    return [_header(name, value) for name, value in (*single, *several)]


def _with_cookies(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """2.0: every cookie is a Set-Cookie of its own."""
    headers = [_header(name, value) for name, value in _mapping(result, "headers")]
    return headers + [_header("Set-Cookie", cookie) for cookie in _list("cookies", result.get("cookies") or [])]


def _mapping(result: Mapping[str, Any], name: str) -> list[tuple[str, Any]]:
    value = result.get(name) or {}
    if not isinstance(value, dict):
        raise MalformedAnswer(f"{name} must be an object, not a {type(value).__name__}")
    return [(key, one) for key, one in value.items() if key.lower() != "content-length"]


def _list(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise MalformedAnswer(f"{name} must be a list, not a {type(value).__name__}")
    return value


def _header(name: str, value: Any) -> tuple[str, str]:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if not isinstance(value, str | int | float) or re.search(r"[\r\n\0]", name + text):
        raise MalformedAnswer(f"{name!r} has no header's value")
    return name, text
