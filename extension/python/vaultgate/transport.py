"""Bytes with deadlines: the only module of the layer that opens sockets to somebody.

Rules: every call has a deadline on the steady clock, and no part of it may wait longer; the system's errors become
ours in one table; connections are kept for the next call, but one that may have died while the sandbox was frozen is
not used. `ssl` is imported for the first TLS connection: that is beside the function's init, not before registering.
"""

from __future__ import annotations

import errno
import os
import socket
import threading

from vaultgate.errors import ConfigurationError, DeadlineExceeded, Unreachable, VaultgateError
from vaultgate.http1 import Reader, keeps_alive, request_bytes
from vaultgate.model import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence
    from typing import Any, Protocol

    from vaultgate.clock import Clock, Instant
    from vaultgate.model import Answer, Origin, TlsSettings

    # As getaddrinfo gives them: family, kind, protocol, canonical name, address.
    Place = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]

    class Transport(Protocol):
        """The network, as everything above sees it."""

        def exchange(self, origin: Origin, request: Request, deadline: float) -> Answer:
            """Send a request and give its answer; raises Unreachable or DeadlineExceeded (steady seconds)."""


FOREVER = float("inf")
# Vault closes idle connections after 5 minutes, a frozen sandbox's may be gone at any time; a new one within a VPC is cheap.
_IDLE_S = 30.0
_KEPT = 8
_WORDS = {
    errno.ECONNREFUSED: "nobody listens there",
    errno.ECONNRESET: "the connection was reset",
    errno.EPIPE: "the connection was closed",
    errno.EHOSTUNREACH: "there is no route to it",
    errno.ENETUNREACH: "there is no route to it",
}


def unreachable(origin: Origin, error: OSError) -> VaultgateError:
    """What a system error of a connection means for whoever called."""
    kind = type(error).__name__
    if isinstance(error, TimeoutError):
        return DeadlineExceeded(
            f"{origin} did not answer in time", "check route, security groups and endpoints, or allow more time"
        )
    if isinstance(error, socket.gaierror):
        return Unreachable(f"the name {origin.host!r} can't be resolved", "check the address and the VPC's DNS")
    if kind == "SSLCertVerificationError":
        why = getattr(error, "verify_message", "") or "it can't be verified"
        return Unreachable(f"the certificate of {origin} was refused: {why}", "set VAULT_CACERT, or VAULT_TLS_SERVER_NAME")
    if kind.startswith("SSL"):
        return Unreachable(f"TLS with {origin} failed: {getattr(error, 'reason', None) or kind}", "check that it speaks TLS")
    return Unreachable(f"{origin} can't be reached: {_WORDS.get(error.errno or 0, error.strerror or kind)}", "check the address")


class _Connection:
    """One kept-alive conversation; its methods raise OSError as the system does."""

    def __init__(self, sock: socket.socket, clock: Clock) -> None:
        self._sock = sock
        self._clock = clock
        self._deadline = FOREVER
        self._reader = Reader(self._receive)
        self._last_used: Instant = clock.now()

    def exchange(self, request: Request, deadline: float) -> tuple[Answer, bool]:
        """Send a request and wait for its answer; True if the connection can be used again."""
        self._deadline = deadline
        self._sock.settimeout(_left(self._deadline, self._clock))
        self._sock.sendall(request_bytes(request))
        answer = self._reader.answer(request.method)
        self._last_used = self._clock.now()
        return answer, keeps_alive(answer.headers) and self._reader.idle

    def usable(self) -> bool:
        """Whether it is young on both clocks, and the other side has neither closed it nor spoken out of turn."""
        if self._clock.now().since(self._last_used) > _IDLE_S:
            return False
        self._sock.settimeout(0)
        try:
            self._sock.recv(1)
        except OSError as error:
            # Nothing to read is what a healthy idle connection says; TLS has its own name for it.
            return isinstance(error, BlockingIOError) or type(error).__name__ == "SSLWantReadError"
        return False

    def close(self) -> None:
        self._sock.close()

    def _receive(self, size: int) -> bytes:
        self._sock.settimeout(_left(self._deadline, self._clock))
        return self._sock.recv(size)


class Connections:
    """The real network: HTTP/1.1 over TCP or TLS, connections kept per origin. Safe for threads.

    Args:
        tls: how https origins are checked.
        resolve: gives a name's addresses, like `socket.getaddrinfo`.
    """

    def __init__(
        self, clock: Clock, tls: TlsSettings | None = None, *, resolve: Callable[..., Sequence[Place]] = socket.getaddrinfo
    ) -> None:
        self._clock = clock
        self._tls = tls
        self._resolve = resolve
        self._context: ssl.SSLContext | None = None
        self._idle: dict[Origin, list[_Connection]] = {}
        self._lock = threading.Lock()
        self._process = os.getpid()

    def exchange(self, origin: Origin, request: Request, deadline: float) -> Answer:
        """Send a request and give its answer, whatever its status.

        Args:
            origin: who is asked.
            request: without Host; its target without the origin's prefix.
            deadline: steady seconds.

        Raises:
            Unreachable: nobody there, or gone in the middle. A request that may have been carried out is not repeated here.
            DeadlineExceeded: no answer in time.
            ConfigurationError: a certificate file can't be used.
        """
        headers = (("Host", origin.authority), *request.headers)
        whole = Request(request.method, origin.prefix + request.target, headers, request.body)
        if os.getpid() != self._process:
            self._part_from_parent()
        connection = self._kept(origin)
        try:
            if connection is None:
                connection = self._open(origin, deadline)
            answer, again = connection.exchange(whole, deadline)
        except OSError as error:
            failure = unreachable(origin, error)
            if connection is not None:
                connection.close()
            elif isinstance(failure, Unreachable):
                failure.sent = False
            raise failure from error
        except VaultgateError:
            if connection is not None:
                connection.close()
            raise
        if again:
            self._keep(origin, connection)
        else:
            connection.close()
        return answer

    def close(self) -> None:
        """Hang up everywhere; after a fork, on our side only."""
        if os.getpid() != self._process:
            self._part_from_parent()
            return
        with self._lock:
            idle, self._idle = self._idle, {}
        for connections in idle.values():
            for connection in connections:
                connection.close()

    def _part_from_parent(self) -> None:
        """After a fork: leave the parent its conversations; two processes in one would read each other's secrets."""
        idle, self._idle = self._idle, {}
        self._lock = threading.Lock()  # whoever held the old one is not here
        self._process = os.getpid()
        for connections in idle.values():
            for connection in connections:
                connection.close()  # our descriptor only

    def _kept(self, origin: Origin) -> _Connection | None:
        while True:
            with self._lock:
                idle = self._idle.get(origin)
                connection = idle.pop() if idle else None
            if connection is None or connection.usable():
                return connection
            connection.close()

    def _keep(self, origin: Origin, connection: _Connection) -> None:
        with self._lock:
            idle = self._idle.setdefault(origin, [])
            if len(idle) < _KEPT:
                idle.append(connection)
                return
        connection.close()

    def _open(self, origin: Origin, deadline: float) -> _Connection:
        # Names go as bytes: for a str, getaddrinfo and ssl import the IDNA codec and Unicode's tables, and ours are ASCII.
        host = origin.host.encode("ascii")
        sock = self._dial(self._places(origin, host, deadline), deadline)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if origin.scheme == "https":
                sock.settimeout(_left(deadline, self._clock))
                name = self._tls.server_name if self._tls else None
                sock = self._trust().wrap_socket(sock, server_hostname=name.encode("ascii") if name else host)
        except BaseException:
            sock.close()
            raise
        return _Connection(sock, self._clock)

    def _places(self, origin: Origin, host: bytes, deadline: float) -> Sequence[Place]:
        """Where a name leads. The system's resolver heeds no deadline but its own, so it is left to itself when ours comes."""
        found: list[Sequence[Place] | OSError] = []

        def look_up() -> None:
            try:
                found.append(self._resolve(host, origin.port, type=socket.SOCK_STREAM))
            except OSError as error:
                found.append(error)

        if b":" in host or host.replace(b".", b"").isdigit():
            look_up()  # an address is its own answer
        else:
            thread = threading.Thread(target=look_up, name="resolver", daemon=True)
            thread.start()
            thread.join(_left(deadline, self._clock))
        if not found:
            late = DeadlineExceeded(f"the name {origin.host!r} was not resolved in time", "check the VPC's DNS")
            late.sent = False
            raise late
        if isinstance(found[0], OSError):
            raise found[0]
        return found[0]

    def _dial(self, places: Sequence[Place], deadline: float) -> socket.socket:
        """A connection to the first of a name's addresses that answers; each gets its share of the time that is left."""
        failed: OSError = socket.gaierror("the name has no address")
        for number, (family, kind, protocol, _, address) in enumerate(places):
            left = _left(deadline, self._clock)
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(None if left is None else left / (len(places) - number))
                sock.connect(address)
            except OSError as error:
                sock.close()
                failed = error
            else:
                return sock
        raise failed

    def _trust(self) -> ssl.SSLContext:
        """The TLS context, made once."""
        if self._context is None:
            self._context = tls_context(self._tls)
        return self._context


def tls_context(tls: TlsSettings | None) -> ssl.SSLContext:
    """How https origins are checked; None is by the system's certificates.

    Raises:
        ConfigurationError: a certificate file can't be used.
    """
    import ssl  # noqa: PLC0415 - see the module's rules

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if tls is None:
        context.load_default_certs()
        return context
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif tls.ca_file or tls.ca_folder:
        for variable, file in _trusted(tls):
            try:
                context.load_verify_locations(file)
            except OSError as error:
                raise ConfigurationError([f"{variable}: {file!r} is not a readable PEM bundle"]) from error
    else:
        context.load_default_certs()
    if tls.client_certificate:
        try:
            context.load_cert_chain(tls.client_certificate, tls.client_key)
        except OSError as error:
            raise ConfigurationError(["VAULT_CLIENT_CERT and VAULT_CLIENT_KEY are not a certificate and its key"]) from error
    return context


def _trusted(tls: TlsSettings) -> list[tuple[str, str]]:
    """The files with certificates to trust, each after its variable; a bundle wins over a folder, as for Vault's own clients.

    The folder's files count whatever they are called: OpenSSL's own way with a folder wants them renamed to hashes.
    """
    if tls.ca_file:
        return [("VAULT_CACERT", tls.ca_file)]
    folder = tls.ca_folder or ""
    found = [f"{where}/{name}" for where, _, names in os.walk(folder) for name in names] if folder else []
    return [("VAULT_CAPATH", file) for file in sorted(found)]


def require_readable(tls: TlsSettings) -> None:
    """Look whether the certificate files can be read, before anything depends on it; `ssl` is not needed for that.

    Raises:
        ConfigurationError: all that can't.
    """
    ours = (("VAULT_CLIENT_CERT", tls.client_certificate), ("VAULT_CLIENT_KEY", tls.client_key))
    named = (*_trusted(tls), *ours)
    problems = []
    for variable, path in named:
        if path is None:
            continue
        try:
            with open(path, "rb") as file:  # noqa: PTH123 - pathlib costs a cold start more than all of this
                whole = b"-----BEGIN " in file.read()
        except OSError as error:
            problems.append(f"{variable}={path!r} can't be read: {error.strerror}")
        else:
            if not whole:
                problems.append(f"{variable}={path!r} is not a PEM file")
    if tls.ca_folder is not None and not os.path.isdir(tls.ca_folder):  # noqa: PTH112 - as above
        problems.append(f"VAULT_CAPATH={tls.ca_folder!r} is not a folder")
    if problems:
        raise ConfigurationError(problems)


def _left(deadline: float, clock: Clock) -> float | None:
    """Seconds a call may still take; None for no limit.

    Raises:
        TimeoutError: there is no time left.
    """
    if deadline == FOREVER:
        return None
    left = deadline - clock.steady()
    if left <= 0:
        raise TimeoutError
    return left
