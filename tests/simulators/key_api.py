"""The small API with keys, served inside a test, with answers that go wrong where a test wants them to.

Rules: it is the API of the demo (`vaultgate_ops.local.key_api`), behind a door that loses, delays and refuses: real HTTP, TLS
with a certificate of the test's authority, a port of the kernel's. A fault is for the next request of a kind and is used up by
it. A lost answer's work is done.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.simulators.certificates import DAY
from tests.simulators.losing_answers import LosesAnswers, Lost, running
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from vaultgate_ops.local.key_api import HOST, Application, Handler, KeyApi, description

if TYPE_CHECKING:
    import datetime as dt
    import ssl
    from collections.abc import Iterable, Iterator

    from tests.simulators.certificates import Authority
    from werkzeug.serving import BaseWSGIServer

LOST, TIMEOUT, GONE = "lost", "time-out", "gone"


class Door:
    """A WSGI application before an API.

    Attributes:
        faults: by request such as ``POST /v1/keys``, what the next ones come to: a status with a body, `LOST`, `TIMEOUT`, or
            `GONE`: the work is done, and 404 says that it was done before.
        requests: that came, in order, without what they carried.
        texts: what requests carried in places that logs keep: paths with their queries.
        over: set at the end, so that whoever waits goes on.
    """

    def __init__(self, api: KeyApi) -> None:
        self._application = Application(api)
        self.faults: defaultdict[str, list[Any]] = defaultdict(list)
        self.requests: list[str] = []
        self.texts: list[str] = []
        self.over = threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        name = f"{request.method} {'/v1/keys/ID' if request.path.startswith('/v1/keys/') else request.path}"
        self.requests.append(name)
        self.texts.append(environ.get("RAW_URI", request.full_path))
        fault = self.faults[name].pop(0) if self.faults[name] else None
        if isinstance(fault, tuple):
            status, body, *headers = fault
            return Response(body, status, headers=dict(*headers))(environ, start_response)
        if fault == TIMEOUT:
            self.over.wait(30)
            raise Lost
        answer = self._application(environ, start_response if fault is None else lambda *_: None)
        if fault == LOST:
            raise Lost
        if fault == GONE:
            return Response("", 404)(environ, start_response)
        return answer


class _Handler(LosesAnswers, Handler):
    """The demo's, and an answer may get lost."""


class ServedKeys:
    """An API on a port of 127.0.0.1.

    Attributes:
        api: behind the door.
        door: where answers go wrong.
        url: of the API.
        ca_file: vouches for it.
    """

    def __init__(self, api: KeyApi, door: Door, url: str, ca_file: str) -> None:
        self.api, self.door, self.url, self.ca_file = api, door, url, ca_file

    def describe(self) -> dict[str, Any]:
        """How a secret describes it."""
        return description(self.url)


def _behind_tls(server: BaseWSGIServer, context: ssl.SSLContext) -> None:
    """Let each connection's own thread shake hands: a client that doesn't like us is let go of there, and is no news."""
    accept = server.get_request

    def accepted() -> Any:
        plain, address = accept()
        return context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False), address

    server.get_request = accepted
    server.handle_error = lambda *_: None


@contextmanager
def served_keys(
    api: KeyApi, authority: Authority, *, tls: bool = True, certificate_of: str = HOST, ends: dt.timedelta = DAY
) -> Iterator[ServedKeys]:
    """Serve until the block is left.

    Args:
        api: to serve.
        authority: issues the certificate.
        tls: else plain HTTP.
        certificate_of: the host that the certificate names.
        ends: how long after now it does.
    """
    door = Door(api)
    server = make_server(HOST, 0, door, threaded=True, request_handler=_Handler)
    if tls:
        _behind_tls(server, authority.server(certificate_of, ends))
    url = f"{'https' if tls else 'http'}://{HOST}:{server.server_port}"
    with running(server):
        try:
            yield ServedKeys(api, door, url, str(authority.certificate_file))
        finally:
            door.over.set()
