"""The loopback door: HTTP in, the guard's verdict, the broker's answer out.

Rules: judge the head before anything else happens; one thread per connection, and no more connections than
`CONNECTIONS`; whoever is slow is cut off, by the piece and by the whole request, so that nobody keeps a place with a byte
now and then; an error of ours is Vault-shaped JSON, so that every Vault client shows it. Before a snapshot the door is
shut: nothing is asked of Vault, nothing handed out, nothing random drawn.
"""

from __future__ import annotations

import errno
import json
import socket
import threading
from array import array

from vaultgate import guard
from vaultgate.arrival import BACKLOG
from vaultgate.clock import Clock
from vaultgate.errors import MalformedRequest, NotRestored, Refused, VaultgateError
from vaultgate.http1 import Reader, answer_bytes, keeps_alive
from vaultgate.model import Answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from vaultgate.guard import Rules
    from vaultgate.log import Log
    from vaultgate.model import Request
    from vaultgate.secret import Secret

    class Behind(Protocol):
        """Who answers behind the door: `broker.Broker`, or a double of it."""

        def answer(self, request: Request, deadline: float) -> Answer:
            """Answer what the guard let pass."""

        def deadline(self) -> float:
            """Steady seconds by which a call that starts now must be over."""

        def health(self) -> dict[str, object]:
            """How things stand, without a secret."""

        def token(self, deadline: float) -> object:
            """Log in, if that has not happened."""


HEALTH_PATH = "/v1/sys/vaultgate/health"
RESTORE_PATH = "/v1/sys/vaultgate/restore"
_OK = 200
CONNECTIONS = 64
# Between requests a client may rest; once it has begun to speak, each piece must come soon, and all of it before long.
_REST_S = 300.0
_PIECE_S = 10.0
_REQUEST_S = 30.0
# The first read after a restore may be here before the extension has heard of the invocation that it belongs to.
_STIR_S = 1.0
# How long, and how much, is listened to after a refusal.
_PARTING_S = 1.0
_PARTING_PIECES = 16
_PARTING_BYTES = 64 * 1024
_UNAVAILABLE = 503
# What accept says of a listener that was closed or shut down; whatever else it says passes.
_ENDED = frozenset({errno.EBADF, errno.EINVAL})
_PAUSE_S = 0.5


def bind(address: tuple[str, int]) -> socket.socket:
    """Take the loopback port; requests that come before `Proxy.start` wait in its backlog.

    Raises:
        OSError: the port is taken.
    """
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


class Sleep:
    """The time before a snapshot, in which the door is shut; it is over at the first call that proves a restore.

    Args:
        asleep: whether a snapshot is about to be taken at all.
        waking: called once, before the door opens.
    """

    def __init__(self, asleep: bool, waking: Callable[[], None], log: Log) -> None:  # noqa: FBT001 - the point of it
        self._over = threading.Event()
        if not asleep:
            self._over.set()
        self._waking = waking
        self._log = log
        self._lock = threading.Lock()

    def over(self, patience_s: float) -> bool:
        """Whether the door is open, or opens within so many seconds."""
        return self._over.wait(patience_s)

    def end(self) -> None:
        """Open the door; fine at any time."""
        with self._lock:
            if not self._over.is_set():
                self._waking()
                self._over.set()
                self._log.info("restored", "the sandbox was restored from its snapshot")


class Proxy:
    """Serves the broker's answers on a bound socket.

    Args:
        mode: the guard's, `header`, `secret`, `warn` or `open`.
        sleep: over once no snapshot is to be taken any more.
        secret: gives what a request has to show in mode `secret` now.
        allow: where the extension's token may go; see `guard.check_path`.
        deny: where it may not.
        request_s: how long a request may take to come in, from its first byte on.
        rest_s: how long a client may rest before a request.
        connections: how many at once; half of them may stay open between requests.
    """

    def __init__(
        self,
        listener: socket.socket,
        broker: Behind,
        mode: str,
        log: Log,
        sleep: Sleep | None = None,
        *,
        secret: Callable[[], Secret | None] = lambda: None,
        allow: Rules = (),
        deny: Rules = (),
        request_s: float = _REQUEST_S,
        rest_s: float = _REST_S,
        connections: int = CONNECTIONS,
    ) -> None:
        self._listener = listener
        self._broker = broker
        self._mode = mode
        self._log = log
        self._sleep = sleep
        self._secret = secret
        self._allow = allow
        self._deny = deny
        self._clock = Clock()
        self._request_s = request_s
        self._rest = array("l", (int(rest_s), int(rest_s % 1 * 1_000_000)))  # <sys/time.h>: struct timeval
        self._places = threading.BoundedSemaphore(connections)
        self._seats = threading.BoundedSemaphore(connections // 2)
        self._closed = threading.Event()

    def start(self) -> None:
        """Begin to accept."""
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def close(self) -> None:
        """Stop accepting; connections under way are served to their next pause."""
        self._closed.set()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            self._places.acquire()
            connection = None
            try:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), name="request", daemon=True).start()
            except (OSError, RuntimeError) as error:
                self._places.release()
                if isinstance(error, OSError) and error.errno in _ENDED:
                    return
                if connection is not None:
                    connection.close()
                # Descriptors, memory or threads have run out: somebody gives some back, and the door must outlive that.
                self._log.error("not-accepted", f"a connection could not be served: {error}")
                self._closed.wait(_PAUSE_S)

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._converse(connection)
        except (OSError, VaultgateError):
            pass  # whoever called has left, or was too slow: there is nobody to tell
        finally:
            connection.close()
            self._places.release()

    def _converse(self, connection: socket.socket) -> None:
        deadline: float | None = None  # steady seconds; None while the client rests
        # The system's own time-out: Python's, for resting and sending, made six system calls of the two that a request takes.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, self._rest)

        def receive(size: int) -> bytes:
            nonlocal deadline
            if deadline is None:
                received = connection.recv(size)
                deadline = self._clock.steady() + self._request_s
                return received
            left = deadline - self._clock.steady()
            try:
                if left <= 0:
                    raise TimeoutError  # noqa: TRY301 - the same to whoever is slow
                connection.settimeout(min(_PIECE_S, left))
                return connection.recv(size)
            except TimeoutError:
                raise MalformedRequest("the request came too slowly", 408) from None
            finally:
                connection.settimeout(None)

        reader = Reader(receive)
        stays = False
        try:
            while True:
                deadline = None if reader.idle else self._clock.steady() + self._request_s
                try:
                    request = reader.request()
                except MalformedRequest as error:
                    _send(connection, answer_bytes(_told(error), close=True))
                    _part(connection)
                    return
                if request is None:
                    return
                answer = self._answer(request)
                stays = stays or self._seats.acquire(blocking=False)
                close = not (stays and keeps_alive(request.headers))
                _send(connection, answer_bytes(answer, to_head=request.method == "HEAD", close=close))
                if close:
                    return
        finally:
            if stays:
                self._seats.release()

    def _answer(self, request: Request) -> Answer:
        path = request.path
        try:
            warning = guard.check_door(request, self._mode, self._secret())
            if warning:
                self._log.warn("guard", warning, method=request.method, path=path)
            if path == HEALTH_PATH and request.method == "GET":
                return self._health()
            if path == RESTORE_PATH and request.method == "POST":
                return self._restore()
            self._check_awake()
            if guard.uses_our_token(request):
                guard.check_path(request, self._allow, self._deny)
            answer = self._broker.answer(request, self._broker.deadline())
        except Refused as error:
            self._log.warn("refused", error.message, method=request.method, path=path)
            return _told(error)
        except VaultgateError as error:
            return _told(error)
        except Exception as error:  # noqa: BLE001 - a request must not end the extension, whatever we did wrong
            self._log.error("internal", "a request failed by our own fault", kind=type(error).__name__, path=path)
            return _told(VaultgateError("the extension failed; its log has an entry"))
        cache = answer.header("X-Vaultgate-Cache")
        self._log.debug("request", "answered", method=request.method, path=path, status=answer.status, cache=cache)
        return answer

    def _check_awake(self) -> None:
        if self._sleep is not None and not self._sleep.over(_STIR_S):
            raise NotRestored(
                "the sandbox is being prepared for its snapshot, which must hold no secret",
                "call vaultgate.client.restore() where the module is loaded, and read secrets in the handler",
            )

    def _health(self) -> Answer:
        return Answer(_OK, (("Content-Type", "application/json"),), json.dumps(self._broker.health()).encode())

    def _restore(self) -> Answer:
        """Open the door and log in, while the function's restore hook waits; a Vault that is away must not fail the restore."""
        if self._sleep is not None:
            self._sleep.end()
        try:
            self._broker.token(self._broker.deadline())
        except VaultgateError as error:
            self._log.warn("restored-without-login", error.message, code=error.code)
        return self._health()


def _send(connection: socket.socket, message: bytes) -> None:
    """Send all of it; what the other side has no room for now is waited for, and not for long.

    An answer fits as a rule: asking the system first whether there is room would be a call more.
    """
    try:
        sent = connection.send(message, socket.MSG_DONTWAIT)
    except BlockingIOError:
        sent = 0
    if sent < len(message):
        connection.settimeout(_PIECE_S)
        connection.sendall(memoryview(message)[sent:])
        connection.settimeout(None)


def _part(connection: socket.socket) -> None:
    """Hang up so that what was said arrives: closing on bytes that nobody read resets the connection, and takes it back."""
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(_PARTING_S)
    for _ in range(_PARTING_PIECES):
        if not connection.recv(_PARTING_BYTES):
            return


def _told(error: VaultgateError) -> Answer:
    """An error of ours as Vault would write it."""
    words = [f"vaultgate: {error.message}"] + ([f"fix: {error.hint}"] if error.hint else [])
    headers = [("Content-Type", "application/json"), ("X-Vaultgate-Error", error.code)]
    if error.status == _UNAVAILABLE:
        headers.append(("Retry-After", str(max(1, -int(-error.retry_after_s // 1)))))
    return Answer(error.status, tuple(headers), json.dumps({"errors": words}).encode())
