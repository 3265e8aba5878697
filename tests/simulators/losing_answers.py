"""A WSGI server whose application may lose an answer: the work is done, and the client sees a connection that ends."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from werkzeug.serving import WSGIRequestHandler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from werkzeug.serving import BaseWSGIServer


class Lost(ConnectionError):
    """Ends the conversation in place of an answer."""


class LosesAnswers(WSGIRequestHandler):
    """Lets an application raise `Lost`."""

    def run_wsgi(self) -> None:
        """Answer, or don't."""
        try:
            super().run_wsgi()
        except Lost:
            self.close_connection = True

    def connection_dropped(self, error: BaseException, environ: dict[str, Any] | None = None) -> None:  # noqa: ARG002 - its shape
        """A `Lost` comes by here, as do clients that went away: nothing is left to say to either."""
        self.close_connection = True


@contextmanager
def running(server: BaseWSGIServer) -> Iterator[None]:
    """Serve until the block is left."""
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
