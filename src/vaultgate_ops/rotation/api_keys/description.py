"""What a secret says of an API: where it is, and which request creates, verifies, lists, promotes and retires a key.

Rules: pure. Everything is checked before anybody is contacted, and the first wrong field ends it with its name, such as
``api.create.key``, never with its value. The key is sent to one host and in headers alone, never in a URL, where logs would
keep it; without TLS only on this very machine. The texts in braces are the only ones that are filled in: ``{key}`` in headers,
``{label}`` in the request that creates, ``{id}`` in those about one key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from vaultgate_ops.rotation.api_keys.pointer import Pointer
from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.fields import boolean, checked_host, grace, missing, text, wrong

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vaultgate_ops.rotation.model import SecretValue

KEY, KEY_ID = "key", "key_id"
LONGEST_KEY = 4096
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_BEARER = {"Authorization": "Bearer {key}"}
_PLACE = re.compile(r"\{([A-Za-z_]+)\}")
# Visible ASCII: what a header's value and a URL's path may have without ever being taken for something else.
_VISIBLE = re.compile(r"[!-~]+")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[ -~]+")
# They say where a request ends and whom it is for.
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "content-type", "accept-encoding"})


@dataclass(frozen=True)
class Template:
    """A request with gaps.

    Attributes:
        name: of the field, for errors, such as ``api.create``.
        path: below the API's URL, with its query.
        body: JSON; None for a request without one.
    """

    name: str
    method: str
    path: str
    body: Any = None

    def fill(self, **words: str) -> tuple[str, Any]:
        """Path and body with the gaps filled; in the path whatever could mean something there is escaped."""
        escaped = {name: quote(word, safe="") for name, word in words.items()}
        return _filled(self.path, escaped), _filled(self.body, words)


@dataclass(frozen=True)
class Api:
    """An API for keys.

    Attributes:
        url: base, without a slash at its end.
        host: of the URL.
        headers: of each request, with ``{key}`` in one of them.
        created_key, created_id: where `create`'s answer has them.
        items: where `list`'s answer has its array; item_id, item_label: where each item has those.
        promote: None where the API needs no telling.
    """

    url: str
    host: str
    headers: Mapping[str, str]
    create: Template
    created_key: Pointer
    created_id: Pointer
    verify: Template
    list: Template
    items: Pointer
    item_id: Pointer
    item_label: Pointer
    retire: Template
    promote: Template | None = None

    @property
    def tls(self) -> bool:
        """Whether its certificate is checked."""
        return urlsplit(self.url).scheme == "https"

    def authorized(self, key: str) -> Mapping[str, str]:
        """The headers of a request that is made with a key."""
        headers: Mapping[str, str] = _filled(self.headers, {KEY: key})
        return headers


@dataclass(frozen=True)
class ApiSecret:
    """A key and its API.

    Attributes:
        key_id: what the API calls the key.
        grace_s: seconds that an older key may live on; None until the next rotation.
    """

    key: str = field(repr=False)
    key_id: str
    api: Api
    grace_s: float | None = None

    @classmethod
    def parse(cls, value: SecretValue) -> ApiSecret:
        """Check a value.

        Raises:
            RotationError: ``secret-field-missing``, ``secret-field-wrong``, ``host-refused``.
        """
        fields = value.fields
        key = text(fields, KEY)
        if not is_key(key):
            raise wrong(KEY, f"visible ASCII, at most {LONGEST_KEY} characters")
        key_id = text(fields, KEY_ID)
        tls = boolean(fields, "ssl", default=True)
        return cls(key, key_id, _api(_part(fields, "api"), tls=tls), grace(fields))


def is_key(given: Any) -> bool:
    """Whether something can be a key: it has to fit into a header."""
    return isinstance(given, str) and len(given) <= LONGEST_KEY and _VISIBLE.fullmatch(given) is not None


def _api(given: Mapping[str, Any], *, tls: bool) -> Api:
    url, host = _url(text(given, "url", "api."), tls=tls)
    create, listing = _part(given, "create", "api."), _part(given, "list", "api.")
    made = _template(create, "api.create", "POST", frozenset({"label"}))
    retire = _template(_part(given, "retire", "api."), "api.retire", "DELETE", frozenset({"id"}))
    for template, word in ((made, "label"), (retire, "id")):
        if not _holds(template.path, word) and not _holds(template.body, word):
            raise wrong(template.name, f"a request with {{{word}}} in its path or body")
    promoted = None
    if given.get("promote") is not None:
        promoted = _template(_part(given, "promote", "api."), "api.promote", "POST", frozenset({"id"}))
    return Api(
        url=url,
        host=host,
        headers=_headers(given.get("headers", _BEARER)),
        create=made,
        created_key=_pointer(create, "key", "api.create."),
        created_id=_pointer(create, "id", "api.create."),
        verify=_template(_part(given, "verify", "api."), "api.verify", "GET", frozenset({"id"})),
        list=_template(listing, "api.list", "GET", frozenset()),
        items=_pointer(listing, "items", "api.list."),
        item_id=_pointer(listing, "id", "api.list."),
        item_label=_pointer(listing, "label", "api.list."),
        retire=retire,
        promote=promoted,
    )


def _url(given: str, *, tls: bool) -> tuple[str, str]:
    fits = "such as https://api.example.com/v1, without user, query and fragment"
    try:
        parts = urlsplit(given)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise wrong("api.url", fits) from None
    extras = parts.username is not None or parts.query or parts.fragment or "?" in given or "#" in given
    if parts.scheme not in {"https", "http"} or extras or not host or port == 0 or not _VISIBLE.fullmatch(given):
        raise wrong("api.url", fits)
    checked_host(host)
    if parts.scheme == "http" and (tls or not _loopback(host)):
        raise RotationError(
            "secret-field-wrong",
            "The secret's api.url is one without TLS.",
            'Write https://; http:// is for this machine\'s own addresses, beside "ssl": false.',
        )
    return given.rstrip("/"), host


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _headers(given: Any) -> Mapping[str, str]:
    name, fits = "api.headers", 'an object of headers, with {key} in one of them: {"Authorization": "Bearer {key}"}'
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise wrong(name, fits)
    for header, value in given.items():
        if not _HEADER.fullmatch(header) or header.lower() in _OURS or not _HEADER_VALUE.fullmatch(value):
            raise wrong(name, fits)
        _known(value, name, frozenset({KEY}))
    if not any(_holds(value, KEY) for value in given.values()):
        raise wrong(name, fits)
    return dict(given)


def _template(given: Mapping[str, Any], name: str, method: str, words: frozenset[str]) -> Template:
    chosen = given.get("method", method)
    if chosen not in _METHODS:
        raise wrong(f"{name}.method", f"one of: {', '.join(_METHODS)}")
    path = text(given, "path", f"{name}.")
    if not path.startswith("/") or not _VISIBLE.fullmatch(path) or "#" in path:
        raise wrong(f"{name}.path", "a path below api.url, such as /keys")
    _known(path, f"{name}.path", words)
    _known(given.get("body"), f"{name}.body", words)
    return Template(name, chosen, path, given.get("body"))


def _known(given: Any, name: str, words: frozenset[str]) -> None:
    """Refuse gaps that nothing would fill."""
    for found in _gaps(given):
        if found not in words:
            known = ", ".join(f"{{{word}}}" for word in sorted(words)) or "none"
            raise RotationError("secret-field-wrong", f"The secret's {name} has a gap that nothing fills.", f"Known: {known}.")


def _gaps(given: Any) -> list[str]:
    """The words in braces, of every text in a JSON value."""
    if isinstance(given, str):
        return _PLACE.findall(given)
    if isinstance(given, list):
        return [word for one in given for word in _gaps(one)]
    return [word for one in given.values() for word in _gaps(one)] if isinstance(given, dict) else []


def _holds(given: Any, word: str) -> bool:
    return word in _gaps(given)


def _filled(given: Any, words: Mapping[str, str]) -> Any:
    if isinstance(given, str):
        return _PLACE.sub(lambda found: words[found[1]], given)
    if isinstance(given, list):
        return [_filled(one, words) for one in given]
    return {name: _filled(one, words) for name, one in given.items()} if isinstance(given, dict) else given


def _pointer(given: Mapping[str, Any], name: str, within: str) -> Pointer:
    if given.get(name) is None:
        raise missing(within + name)
    # An empty one is the whole answer.
    try:
        return Pointer.parse(given[name])
    except (ValueError, TypeError):
        raise wrong(within + name, "a JSON pointer (RFC 6901), such as /data/key") from None


def _part(given: Mapping[str, Any], name: str, within: str = "") -> Mapping[str, Any]:
    part = given.get(name)
    if part is None:
        raise missing(within + name)
    if not isinstance(part, dict):
        raise wrong(within + name, "an object")
    return part
