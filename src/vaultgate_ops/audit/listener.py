"""Vault's socket and syslog audit devices, written to a file that the mirror follows.

Rules: thin: receive, cut, append to a spool of mode 0600, nothing else. A weaker promise than a file device's, and it is said
so: Vault gets no acknowledgement, so what it sent and we did not write is lost, and Vault does not know. A line is in the
spool before the next one is taken; what a connection leaves unfinished is kept as a line of its own and told.

Source: "Socket audit device" and "Syslog audit device" of Vault's documentation: one JSON entry per line over TCP, UDP or a
unix socket.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from vaultgate_ops.audit.framing import Frames, TooLong, entry_of
from vaultgate_ops.errors import Denied, Missing, UsageProblem

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

_BYTES = 256 * 1024
_LOOK_S = 0.1
# A sender that doesn't cease must not keep us: each look takes up to `_BYTES` of each connection.
_LAST_LOOKS = 64
_LAST_PORT = 65_535
_KINDS = {"tcp": socket.SOCK_STREAM, "unix": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM, "unixgram": socket.SOCK_DGRAM}


class Address(NamedTuple):
    """Where to listen.

    Attributes:
        kind: ``tcp``, ``udp``, ``unix`` or ``unixgram``.
        place: ``HOST:PORT`` or a path.
        syslog: messages carry syslog's header.
    """

    kind: str
    place: str
    syslog: bool = False


def address(text: str) -> Address:
    """An address out of ``[syslog+]KIND://PLACE``.

    Raises:
        UsageProblem: it is none.
    """
    scheme, separator, place = text.partition("://")
    syslog, kind = scheme.startswith("syslog+"), scheme.removeprefix("syslog+")
    local = kind in {"unix", "unixgram"}
    if not separator or kind not in _KINDS or not place or not (local or _is_port(place.rpartition(":")[2])):
        raise UsageProblem(
            f"{text} is nowhere to listen.", "Write tcp://127.0.0.1:9090, unix:///run/audit.sock, syslog+udp://..."
        )
    return Address(kind, place, syslog)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len(str(_LAST_PORT)) and int(text) <= _LAST_PORT


class Listener:
    """Receives from one address into one spool.

    Args:
        where: the address; a port of 0 is the kernel's choice.
        spool: the file; made where it is missing.
        say: told what somebody should know.

    Attributes:
        lines: how many were written.
        fragments: how many of them were left unfinished.

    Raises:
        Denied: the address or the spool can't be had.
    """

    def __init__(self, where: Address, spool: Path, say: Callable[[str], None]) -> None:
        self._where, self._say = where, say
        self.lines = self.fragments = 0
        self._frames: dict[socket.socket, Frames] = {}
        try:
            self._file = os.open(spool, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Denied(f"The spool {spool} can't be written: {error.strerror}.", "Name another one: --spool.") from error
        try:
            self._listening = self._bound()
        except OSError as error:
            os.close(self._file)
            why = error.strerror or error
            raise Denied(f"{where.place} can't be listened on: {why}.", "Name a free address of this machine.") from error
        self._listening.setblocking(False)

    @property
    def port(self) -> int:
        """Of a TCP or UDP address."""
        return int(self._listening.getsockname()[1])

    def run(self, stopping: threading.Event) -> None:
        """Receive until told to stop; what the kernel has taken for us by then is written, as far as `_LAST_LOOKS` reach."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._listening, selectors.EVENT_READ)
            while not stopping.is_set():
                self._look(selector, _LOOK_S)
            for _ in range(_LAST_LOOKS):
                if not self._look(selector, 0):
                    break

    def _look(self, selector: selectors.BaseSelector, patience_s: float) -> bool:
        """Take what is there, or comes within so many seconds; whether anything was."""
        ready = selector.select(patience_s)
        for key, _ in ready:
            self._ready(selector, key.fileobj if isinstance(key.fileobj, socket.socket) else self._listening)
        return bool(ready)

    def close(self) -> None:
        """Hang up everywhere; what was unfinished is written as a fragment."""
        for connection in list(self._frames):
            self._hang_up(connection)
        self._listening.close()
        if self._where.kind.startswith("unix"):
            Path(self._where.place).unlink(missing_ok=True)
        os.close(self._file)

    def _bound(self) -> socket.socket:
        kind, local = _KINDS[self._where.kind], self._where.kind.startswith("unix")
        host, _, port = self._where.place.rpartition(":")
        family = socket.AF_UNIX if local else socket.AF_INET6 if ":" in host else socket.AF_INET
        with contextlib.ExitStack() as undo:
            made = undo.enter_context(socket.socket(family, kind))
            if local:
                _bind_path(made, Path(self._where.place))
            else:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                made.bind((host.strip("[]"), int(port)))
            if kind == socket.SOCK_STREAM:
                made.listen(16)
            undo.pop_all()
        return made

    def _ready(self, selector: selectors.BaseSelector, ready: socket.socket) -> None:
        if ready is not self._listening:
            if not self._received(ready):
                selector.unregister(ready)
                self._hang_up(ready)
            return
        with contextlib.suppress(BlockingIOError):
            if _KINDS[self._where.kind] == socket.SOCK_DGRAM:
                self._write([self._listening.recv(_BYTES).removesuffix(b"\n")])
                return
            connection, _ = self._listening.accept()
            connection.setblocking(False)
            self._frames[connection] = Frames(counted=self._where.syslog)
            selector.register(connection, selectors.EVENT_READ)

    def _received(self, connection: socket.socket) -> bool:
        """Take what there is; whether more may come."""
        try:
            received = connection.recv(_BYTES)
            self._write(self._frames[connection].feed(received))
        except BlockingIOError:
            return True
        except TooLong:
            self._say("A sender began an entry of over 64 MiB; it is hung up on.")
            return False
        except OSError:
            return False
        return bool(received)

    def _hang_up(self, connection: socket.socket) -> None:
        rest = self._frames.pop(connection).unfinished
        connection.close()
        if rest:
            self.fragments += 1
            self._write([rest])
            self._say(f"A connection ended within an entry; its first {len(rest):,} bytes are kept as a line of their own.")

    def _write(self, frames: list[bytes]) -> None:
        lines = [entry_of(frame) if self._where.syslog else frame for frame in frames]
        content = memoryview(b"".join([line + b"\n" for line in lines]))
        try:
            while content:
                content = content[os.write(self._file, content) :]
        except OSError as error:
            raise Missing(
                f"The spool can't be written: {error.strerror}.", "Make room; what Vault sends meanwhile is lost."
            ) from error
        self.lines += len(lines)


def _bind_path(made: socket.socket, path: Path) -> None:
    """Bind to a path, for the own user alone."""
    if path.is_socket():
        # Left behind by one that was killed; anything else is somebody's, and stays.
        path.unlink()
    before = os.umask(0o177)
    try:
        made.bind(str(path))
    finally:
        os.umask(before)
