"""What a secret says of an API: pointers, requests with gaps, and every field that can be wrong."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from vaultgate_ops.rotation.api_keys.description import LONGEST_KEY, Api, ApiSecret, is_key
from vaultgate_ops.rotation.api_keys.pointer import Nowhere, Pointer
from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.model import SecretValue

KEY = "sk-planted-key-0123456789"
SECRET: dict[str, Any] = {
    "strategy": "api-key",
    "key": KEY,
    "key_id": "k-1",
    "api": {
        "url": "https://api.example.com/v1",
        "create": {"path": "/keys", "body": {"name": "{label}", "scopes": ["read", "{label}"]}, "key": "/secret", "id": "/id"},
        "verify": {"path": "/me"},
        "list": {"path": "/keys?all=1", "items": "/keys", "id": "/id", "label": "/name"},
        "retire": {"path": "/keys/{id}"},
    },
}
# RFC 6901, section 5: the document and what each pointer evaluates to.
DOCUMENT = {"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, 'k"l': 6, " ": 7, "m~n": 8}
EVALUATED = [
    ("", DOCUMENT),
    ("/foo", ["bar", "baz"]),
    ("/foo/0", "bar"),
    ("/", 0),
    ("/a~1b", 1),
    ("/c%d", 2),
    ("/e^f", 3),
    ("/g|h", 4),
    ("/i\\j", 5),
    ('/k"l', 6),
    ("/ ", 7),
    ("/m~0n", 8),
]


@pytest.mark.parametrize(("text", "found"), EVALUATED)
def test_the_pointers_of_the_rfc(text: str, found: Any) -> None:
    """RFC 6901's own examples."""
    assert Pointer.parse(text).find(DOCUMENT) == found


def test_pointers_beyond_the_rfcs_examples() -> None:
    """An escaped tilde before a 1 is no slash; an array's elements past the ninth have two digits; null is something."""
    assert Pointer.parse("/~01").find({"~1": "tilde", "/": "slash"}) == "tilde"
    assert Pointer.parse("/10").find(list(range(11))) == 10
    assert Pointer.parse("/a/b").find({"a": {"b": None}}) is None
    assert Pointer.parse("/0").find({"0": "a name"}) == "a name"


@pytest.mark.parametrize("text", ["foo", "/a~", "/a~2b", "~", "a/b", "/x\nfoo~"])
def test_what_is_no_pointer(text: str) -> None:
    """No slash at the beginning, or a tilde that means nothing."""
    with pytest.raises(ValueError, match=r"^no JSON pointer$"):
        Pointer.parse(text)


@pytest.mark.parametrize("text", ["/bar", "/foo/2", "/foo/-", "/foo/01", "/foo/-1", "/foo/+1", "/foo/bar", "/foo/0/0", "/foo/١"])  # noqa: RUF001 - a digit, but not the RFC's
def test_where_nothing_is(text: str) -> None:
    """Names that aren't there, elements past the end or written otherwise, steps into a text; the error names the pointer."""
    with pytest.raises(Nowhere, match=f"^{text.replace('+', '.')}$"):
        Pointer.parse(text).find(DOCUMENT)


def parsed(**changes: Any) -> ApiSecret:
    """The secret with fields set, dotted ones inside; None takes one away."""
    fields = deepcopy(SECRET)
    for name, value in changes.items():
        *within, last = name.split("__")
        place = fields
        for step in within:
            place = place[step]
        place.pop(last, None) if value is None else place.update({last: value})
    return ApiSecret.parse(SecretValue(fields))


def test_a_description() -> None:
    """Methods, headers and what may be left out have defaults."""
    secret = parsed()
    api = secret.api
    assert (secret.key, secret.key_id, secret.grace_s) == (KEY, "k-1", None)
    assert (api.url, api.host, api.promote) == ("https://api.example.com/v1", "api.example.com", None)
    templates = (api.create, api.verify, api.list, api.retire)
    assert [one.method for one in templates] == ["POST", "GET", "GET", "DELETE"]
    assert [one.name for one in templates] == ["api.create", "api.verify", "api.list", "api.retire"]
    assert [one.path for one in templates] == ["/keys", "/me", "/keys?all=1", "/keys/{id}"]
    assert [one.body is None for one in templates] == [False, True, True, True]
    assert [one.text for one in (api.created_key, api.created_id)] == ["/secret", "/id"]
    assert [one.text for one in (api.items, api.item_id, api.item_label)] == ["/keys", "/id", "/name"]
    assert api.authorized("abc") == {"Authorization": "Bearer abc"}
    assert parsed(grace_s=60).grace_s == 60
    assert KEY not in repr(secret)


def test_what_may_be_said_otherwise() -> None:
    """Method, headers, a request that tells which key is the one, a port, an array that is the whole answer."""
    api = parsed(
        api__headers={"X-Api-Key": "{key}", "X-Version": "2 b"},
        api__promote={"method": "PATCH", "path": "/primary/{id}", "body": {"id": "{id}"}},
        api__url="https://api.example.com:8443/",
        api__list__items="",
        api__create__method="PUT",
        api__verify__path="/keys/{id}",
    ).api
    assert api.authorized("abc") == {"X-Api-Key": "abc", "X-Version": "2 b"}
    assert (api.url, api.items.text, api.create.method) == ("https://api.example.com:8443", "", "PUT")
    assert api.promote is not None
    assert (api.promote.name, api.promote.method) == ("api.promote", "PATCH")
    assert parsed(api__promote={"path": "/primary"}).api.promote.method == "POST"  # type: ignore[union-attr] - it is there
    assert api.verify.fill(id="k-1") == ("/keys/k-1", None)


def test_gaps_are_filled() -> None:
    """At every depth of a body; in a path whatever could end a segment or begin a query is escaped."""
    api: Api = parsed(api__create__body={"a": [{"b": "x {label} y"}, 7, None, True]}).api
    assert api.create.fill(label="l-1") == ("/keys", {"a": [{"b": "x l-1 y"}, 7, None, True]})
    assert api.retire.fill(id="../a?b=c#d e") == ("/keys/..%2Fa%3Fb%3Dc%23d%20e", None)
    again: Api = parsed(api__create__path="/keys?name={label}", api__create__body=None).api
    assert again.create.fill(label="l-1") == ("/keys?name=l-1", None)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://[::1]/v1", "http://localhost", "http://LOCALHOST:80"])
def test_without_tls_on_this_machine(url: str) -> None:
    """Only where the secret says so as well."""
    api = parsed(api__url=url, ssl=False).api
    assert (api.url, api.tls, parsed().api.tls) == (url, False, True)
    with pytest.raises(RotationError, match=r"without TLS") as caught:
        parsed(api__url=url)
    assert caught.value.code == "secret-field-wrong"
    assert '"ssl": false' in caught.value.hint


HTTPS, POINTER = "https://api", "JSON pointer (RFC 6901)"
WRONG: list[tuple[str, Any, str, str, str]] = [
    ("key", None, "secret-field-missing", "key", "key"),
    ("key", "", "secret-field-missing", "key", "key"),
    ("key", 7, "secret-field-wrong", "key", "a text"),
    ("key", ["a"], "secret-field-wrong", "key", "a text"),
    ("key", "two words", "secret-field-wrong", "key", f"visible ASCII, at most {LONGEST_KEY} characters"),
    ("key", "line\r\nX-Injected: 1", "secret-field-wrong", "key", "visible ASCII"),
    ("key", "clé", "secret-field-wrong", "key", "visible ASCII"),
    ("key", "k" * (LONGEST_KEY + 1), "secret-field-wrong", "key", "visible ASCII"),
    ("key_id", None, "secret-field-missing", "key_id", "key_id"),
    ("key_id", 7, "secret-field-wrong", "key_id", "a text"),
    ("ssl", "maybe", "secret-field-wrong", "ssl", "true or false"),
    ("grace_s", "soon", "secret-field-wrong", "grace_s", "seconds"),
    ("api", None, "secret-field-missing", "api", "api"),
    ("api", "https://api.example.com", "secret-field-wrong", "api", "an object"),
    ("api__url", None, "secret-field-missing", "api.url", "api.url"),
    ("api__url", "http://api.example.com", "secret-field-wrong", "api.url", "https://"),
    ("api__url", "ftp://api.example.com", "secret-field-wrong", "api.url", HTTPS),
    ("api__url", "//api.example.com", "secret-field-wrong", "api.url", HTTPS),
    ("api__url", "api.example.com", "secret-field-wrong", "api.url", HTTPS),
    ("api__url", "https://", "secret-field-wrong", "api.url", HTTPS),
    ("api__url", "https://user@api.example.com", "secret-field-wrong", "api.url", "without user"),
    ("api__url", "https://api.example.com/?a=b", "secret-field-wrong", "api.url", HTTPS),
    ("api__url", "https://api.example.com/?", "secret-field-wrong", "api.url", HTTPS),
    ("api__url", "https://api.example.com/#", "secret-field-wrong", "api.url", HTTPS),
    ("api__url", "https://api.example.com/#a", "secret-field-wrong", "api.url", HTTPS),
    ("api__url", "https://api.example.com:0", "secret-field-wrong", "api.url", HTTPS),
    ("api__url", "https://api.example.com:99999", "secret-field-wrong", "api.url", HTTPS),
    ("api__url", "https://[::1", "secret-field-wrong", "api.url", HTTPS),
    ("api__url", "https://api.example.com/a b", "secret-field-wrong", "api.url", HTTPS),
    ("api__url", "https://169.254.169.254/latest", "host-refused", "169.254.169.254", "own"),
    ("api__url", "https://2852039166/", "host-refused", "host", "name or an address"),
    ("api__headers", "Authorization", "secret-field-wrong", "api.headers", "with {key}"),
    ("api__headers", {"X-Api-Key": 7}, "secret-field-wrong", "api.headers", "with {key}"),
    ("api__headers", {"X-Api-Key": "none"}, "secret-field-wrong", "api.headers", "with {key}"),
    ("api__headers", {"X Api": "{key}"}, "secret-field-wrong", "api.headers", "with {key}"),
    ("api__headers", {"X-Api": "{key}\r\nX: 1"}, "secret-field-wrong", "api.headers", "with {key}"),
    ("api__headers", {"HOST": "{key}"}, "secret-field-wrong", "api.headers", "with {key}"),
    ("api__headers", {"A": "{key}", "Content-Length": "0"}, "secret-field-wrong", "api.headers", "with {key}"),
    ("api__headers", {"A": "{key} {id}"}, "secret-field-wrong", "api.headers", "Known: {key}."),
    ("api__create", None, "secret-field-missing", "api.create", "api.create"),
    ("api__create", [], "secret-field-wrong", "api.create", "an object"),
    ("api__create__path", None, "secret-field-missing", "api.create.path", "api.create.path"),
    ("api__create__path", "keys", "secret-field-wrong", "api.create.path", "/keys"),
    ("api__create__path", "/ke ys", "secret-field-wrong", "api.create.path", "/keys"),
    ("api__create__path", "/keys#a", "secret-field-wrong", "api.create.path", "/keys"),
    ("api__create__path", "/keys?k={key}", "secret-field-wrong", "api.create.path", "Known: {label}."),
    ("api__create__body", {"a": [{"b": "{token}"}]}, "secret-field-wrong", "api.create.body", "Known: {label}."),
    ("api__create__body", {"name": "fixed"}, "secret-field-wrong", "api.create", "{label} in its path or body"),
    ("api__create__body", None, "secret-field-wrong", "api.create", "{label} in its path or body"),
    ("api__create__method", "TRACE", "secret-field-wrong", "api.create.method", "GET, POST, PUT, PATCH, DELETE"),
    ("api__create__method", ["POST"], "secret-field-wrong", "api.create.method", "GET, POST"),
    ("api__create__key", None, "secret-field-missing", "api.create.key", "api.create.key"),
    ("api__create__key", "secret", "secret-field-wrong", "api.create.key", POINTER),
    ("api__create__key", 7, "secret-field-wrong", "api.create.key", POINTER),
    ("api__create__id", None, "secret-field-missing", "api.create.id", "api.create.id"),
    ("api__create__id", "/~", "secret-field-wrong", "api.create.id", POINTER),
    ("api__verify", None, "secret-field-missing", "api.verify", "api.verify"),
    ("api__verify__path", None, "secret-field-missing", "api.verify.path", "api.verify.path"),
    ("api__verify__path", "/me?k={key}", "secret-field-wrong", "api.verify.path", "Known: {id}."),
    ("api__list", None, "secret-field-missing", "api.list", "api.list"),
    ("api__list__path", "/{id}", "secret-field-wrong", "api.list.path", "Known: none."),
    ("api__list__items", None, "secret-field-missing", "api.list.items", "api.list.items"),
    ("api__list__id", "id", "secret-field-wrong", "api.list.id", POINTER),
    ("api__list__label", None, "secret-field-missing", "api.list.label", "api.list.label"),
    ("api__promote", {"path": "/p/{label}"}, "secret-field-wrong", "api.promote.path", "Known: {id}."),
    ("api__promote", "yes", "secret-field-wrong", "api.promote", "an object"),
    ("api__retire", None, "secret-field-missing", "api.retire", "api.retire"),
    ("api__retire__path", "/keys", "secret-field-wrong", "api.retire", "{id} in its path or body"),
]


@pytest.mark.parametrize(("field", "value", "code", "named", "fits"), WRONG)
def test_a_field_that_is_wrong(field: str, value: Any, code: str, named: str, fits: str) -> None:
    """One error, with the field's whole name and what would fit, and without the key."""
    with pytest.raises(RotationError) as caught:
        parsed(**{field: value})
    error = caught.value
    assert error.code == code
    assert f" {named}" in error.message
    assert fits in str(error)
    assert KEY not in str(error)


@pytest.mark.parametrize(
    ("given", "fits"), [("k", True), ("k" * LONGEST_KEY, True), ("~!", True), ("", False), (7, False), ("a b", False)]
)
def test_what_can_be_a_key(given: object, *, fits: bool) -> None:
    """Visible ASCII, because it has to fit into a header."""
    assert is_key(given) is fits
