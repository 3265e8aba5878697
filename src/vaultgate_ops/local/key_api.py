"""A small API with keys of its own, as a service's that a function calls: two of them live at a time, told once when made.

Rules: what it promises is what such services promise and no more: a key is told in the answer that made it and never again;
a label is kept as it was given and need not be unique; a new key may be refused until it has spread, and a list may lag. Any
live key may make and end keys, its own among them.

| request | answers |
|---|---|
| POST /v1/keys `{"name": ...}` | 201 `{"id", "name", "secret"}`; 409 when two are live |
| GET /v1/keys | 200 `{"keys": [{"id", "name"}]}` |
| DELETE /v1/keys/ID | 204, or 404 |
| PUT /v1/primary `{"id": ...}` | 200 |
| GET /v1/orders | 200: what the key is for |

The header ``Authorization: Bearer SECRET`` is wanted by all of them; 401 without, or with a key that isn't live.
"""

from __future__ import annotations

import argparse
import json
import re
import secrets
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from vaultgate_ops.clock import Clock
from vaultgate_ops.local.certificates import write_private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

HOST = "127.0.0.1"
FIRST_KEY = "first-key"
_ONE = re.compile(r"/v1/keys/([^/]+)")


@dataclass
class Key:
    """A live key.

    Attributes:
        made_at: on the clock's steady hand.
    """

    key_id: str
    name: str
    secret: str = field(repr=False)
    made_at: float


class KeyApi:
    """An account's keys. Safe for threads.

    Args:
        clock: tells how old a key is.
        limit: how many keys may be live.

    Attributes:
        spreads_s: how long a new key is refused.
        lag_s: how long a new key is missing from the list.
        live: the keys, the oldest first; the first is there already, since somebody made it by hand.
        primary: id of the key that was named as such last.
    """

    def __init__(self, clock: Clock, limit: int = 2) -> None:
        self._clock, self._limit = clock, limit
        self._lock = threading.Lock()
        self.spreads_s = self.lag_s = 0.0
        self.live: list[Key] = []
        self.primary = ""
        self.add("made by hand", made_at=float("-inf"))

    def add(self, name: str, made_at: float | None = None) -> Key:
        """Make a key, whatever the limit."""
        made_at = self._clock.steady() if made_at is None else made_at
        key = Key(f"k-{secrets.token_hex(4)}", name, f"sk_{secrets.token_urlsafe(24)}", made_at)
        self.live.append(key)
        return key

    def answer(self, method: str, path: str, secret: str, body: Any) -> tuple[int, Any]:
        """What a request is answered: a status, and JSON or None.

        Args:
            method: in capitals.
            path: without a query.
            secret: of the key that it is made with.
            body: its JSON; None for none.
        """
        with self._lock:
            now = self._clock.steady()
            if not any(secrets.compare_digest(key.secret, secret) for key in self._older_than(self.spreads_s, now)):
                return 401, {"error": "no such key"}
            one = _ONE.fullmatch(path)
            if one and method == "DELETE":
                return self._end(one[1])
            known: dict[tuple[str, str], Callable[[], tuple[int, Any]]] = {
                ("POST", "/v1/keys"): lambda: self._make(body),
                ("GET", "/v1/keys"): lambda: self._list(now),
                ("PUT", "/v1/primary"): lambda: self._prefer(body),
                ("GET", "/v1/orders"): lambda: (200, {"orders": 42}),
            }
            found = known.get((method, path))
            return found() if found else (404, {"error": "nothing is here"})

    def _older_than(self, seconds: float, now: float) -> list[Key]:
        return [key for key in self.live if now - key.made_at >= seconds]

    def _make(self, body: Any) -> tuple[int, Any]:
        if not isinstance(body, dict) or not isinstance(body.get("name"), str):
            return 400, {"error": "a key needs a name"}
        if len(self.live) >= self._limit:
            return 409, {"error": f"{self._limit} keys are live"}
        made = self.add(body["name"])
        return 201, {"id": made.key_id, "name": made.name, "secret": made.secret}

    def _list(self, now: float) -> tuple[int, Any]:
        return 200, {"keys": [{"id": key.key_id, "name": key.name} for key in self._older_than(self.lag_s, now)]}

    def _end(self, key_id: str) -> tuple[int, Any]:
        left = [key for key in self.live if key.key_id != key_id]
        found, self.live = len(left) < len(self.live), left
        return (204, None) if found else (404, {"error": "no such key"})

    def _prefer(self, body: Any) -> tuple[int, Any]:
        wanted = body.get("id") if isinstance(body, dict) else None
        if not any(key.key_id == wanted for key in self.live):
            return 404, {"error": "no such key"}
        self.primary = str(wanted)
        return 200, {"primary": self.primary}


class Application:
    """The API as a WSGI application.

    Args:
        api: behind it.
    """

    def __init__(self, api: KeyApi) -> None:
        self._api = api

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        secret = request.headers.get("Authorization", "").removeprefix("Bearer ")
        given = request.get_data()
        try:
            body = json.loads(given) if given else None
        except ValueError:
            return Response("no JSON", 400)(environ, start_response)
        status, document = self._api.answer(request.method, request.path, secret, body)
        text = "" if document is None else json.dumps(document)
        return Response(text, status, content_type="application/json")(environ, start_response)


class Handler(WSGIRequestHandler):
    """Says nothing: a log of requests isn't what anybody looks for here."""

    disable_nagle_algorithm = True  # else each answer waits 40 ms for the client's system to acknowledge its head

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """See above."""


def description(url: str) -> dict[str, Any]:
    """How a secret of the strategy `api-key` describes this API; see docs/rotation.md."""
    return {
        "url": f"{url}/v1",
        "headers": {"Authorization": "Bearer {key}"},
        "create": {"path": "/keys", "body": {"name": "{label}"}, "key": "/secret", "id": "/id"},
        "verify": {"path": "/orders"},
        "list": {"path": "/keys", "items": "/keys", "id": "/id", "label": "/name"},
        "promote": {"method": "PUT", "path": "/primary", "body": {"id": "{id}"}},
        "retire": {"path": "/keys/{id}"},
    }


def main() -> None:
    """Serve until the process is ended; the first key goes to a file that only its owner can read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="has the certificate and its key, gets the first key")
    given = parser.parse_args()
    api = KeyApi(Clock())
    first = {"key": api.live[0].secret, "key_id": api.live[0].key_id}
    write_private(given.folder / FIRST_KEY, json.dumps(first).encode())
    pair = (str(given.folder / "key-api.pem"), str(given.folder / "key-api.key"))
    server = make_server(HOST, given.port, Application(api), threaded=True, request_handler=Handler, ssl_context=pair)
    server.serve_forever()


if __name__ == "__main__":
    main()
