"""A door before a store that can be shut: who knocks then is refused, who is inside is thrown out.

Rules: open, it passes bytes on as they come; shut, nobody listens on its port, as when a server is down, and every
connection through it is cut. It counts the calls of AWS's JSON protocol that pass, by their X-Amz-Target; what passes
under TLS it can't see. Nothing that passes is logged.

Source of the header: Smithy, "AWS JSON 1.1 protocol".
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections import Counter
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

_TARGET = re.compile(rb"\r\nx-amz-target: *([A-Za-z0-9_.]{1,200})\r\n", re.IGNORECASE)
_LONGEST = 240  # of a match
_CHUNK = 65536


class Gate:
    """One door. Safe for threads.

    Args:
        host, port: of the store behind it.

    Attributes:
        port: where it listens on 127.0.0.1, open or shut.
        calls: that have passed, by target.
    """

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self._lock = threading.Lock()
        self._inside: set[socket.socket] = set()
        self.calls: Counter[str] = Counter()
        self._listener = self._listen(0)
        self.port: int = self._listener.getsockname()[1]
        self._accept(self._listener)

    def __enter__(self) -> Self:
        """It is open already."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Shut it."""
        self.shut()

    @property
    def total(self) -> int:
        """Calls that have passed."""
        return sum(self.calls.values())

    def shut(self) -> None:
        """Refuse who comes, cut off who is there."""
        # A listener that another thread accepts on lets go of its port only once that call has ended.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            inside, self._inside = self._inside, set()
        for one in inside:
            _end(one)

    def open(self) -> None:
        """Let them in again, on the same port."""
        self._listener = self._listen(self.port)
        self._accept(self._listener)

    @staticmethod
    def _listen(port: int) -> socket.socket:
        return socket.create_server(("127.0.0.1", port), backlog=128)

    def _accept(self, listener: socket.socket) -> None:
        def run() -> None:
            while True:
                try:
                    came, _ = listener.accept()
                except OSError:
                    return
                try:
                    onward = socket.create_connection(self._upstream, timeout=5)
                except OSError:
                    came.close()
                    continue
                onward.settimeout(None)
                for one in (came, onward):
                    # Two small segments would wait for each other's acknowledgement.
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    self._inside |= {came, onward}
                threading.Thread(target=self._pass, args=(came, onward, True), daemon=True).start()
                threading.Thread(target=self._pass, args=(onward, came, False), daemon=True).start()

        threading.Thread(target=run, daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, count: bool) -> None:  # noqa: FBT001 - ours alone
        seen = b""
        with contextlib.suppress(OSError):
            while chunk := source.recv(_CHUNK):
                if count:
                    seen = self._counted(seen + chunk)
                sink.sendall(chunk)
        for one in (source, sink):
            _end(one)
        with self._lock:
            self._inside -= {source, sink}

    def _counted(self, text: bytes) -> bytes:
        """Count what is complete; gives what a header may have begun in."""
        end = 0
        for found in _TARGET.finditer(text):
            with self._lock:
                self.calls[found[1].decode("ascii")] += 1
            end = found.end() - 2
        return text[max(end, len(text) - _LONGEST) :]


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
