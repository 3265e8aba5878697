"""Names, connections, certificates: asked as the extension asks.

Rules: no call waits longer than `STEP_S` or its deadline; every address of a name is dialled, because the extension may meet
each; TLS trusts what the extension would trust. A certificate that is refused is read all the same: the library reads it to us
once it is told to trust exactly what the server has shown, whatever its dates.
"""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from vaultgate.errors import ConfigurationError
from vaultgate.transport import tls_context
from vaultgate_ops.doctor.facts import Attempt, Certificate, Dialled, Handshake, Lookup

if TYPE_CHECKING:
    from collections.abc import Callable

    from vaultgate.clock import Clock
    from vaultgate.model import TlsSettings
    from vaultgate_ops.doctor.facts import Place

STEP_S = 4.0
_MOST_ADDRESSES = 8
# X509_V_FLAG_PARTIAL_CHAIN and X509_V_FLAG_NO_CHECK_TIME (openssl/x509_vfy.h); Python has no name for the second.
_AS_SHOWN = ssl.VerifyFlags(0x80000 | 0x200000)
_PLAIN = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"})
_OUTCOMES: tuple[tuple[type[OSError], str], ...] = ((ConnectionRefusedError, "refused"), (TimeoutError, "timeout"))
_NO_ROUTE = frozenset({101, 113})  # ENETUNREACH, EHOSTUNREACH


def lookup(place: Place, clock: Clock, deadline: float) -> Lookup:
    """Look a name up. The system's resolver heeds no deadline but its own, so it is left to itself when ours comes."""
    began, found, failed = clock.steady(), list[str](), list[OSError]()

    def ask() -> None:
        try:
            found.extend(
                dict.fromkeys(str(one[4][0]) for one in socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM))
            )
        except OSError as error:
            failed.append(error)
        except UnicodeError:
            failed.append(socket.gaierror("not a name"))

    thread = threading.Thread(target=ask, name="resolver", daemon=True)
    thread.start()
    thread.join(_left(clock, deadline))
    took_s = clock.steady() - began
    if found:
        return Lookup(place, tuple(found[:_MOST_ADDRESSES]), "", took_s)
    return Lookup(place, (), "unknown" if failed else "timeout", took_s)


def dial(seen: Lookup, clock: Clock, deadline: float, *, in_function: bool) -> Dialled:
    """Dial all addresses at once."""
    attempts: dict[str, Attempt] = {}
    began = clock.steady()

    def one(address: str) -> None:
        outcome = "open"
        try:
            socket.create_connection((address, seen.place.port), timeout=_left(clock, deadline)).close()
        except OSError as error:
            outcome = _outcome(error)
        attempts[address] = Attempt(address, is_private(address), outcome, clock.steady() - began)

    threads = [threading.Thread(target=one, args=(address,), name="dial", daemon=True) for address in seen.addresses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_left(clock, deadline) + 0.1)
    took_s = clock.steady() - began
    late = {address: Attempt(address, is_private(address), "timeout", took_s) for address in seen.addresses}
    return Dialled(seen.place, tuple((late | attempts).values()), in_function)


def _outcome(error: OSError) -> str:
    for kind, name in _OUTCOMES:
        if isinstance(error, kind):
            return name
    return "no-route" if error.errno in _NO_ROUTE else error.strerror or type(error).__name__


def is_private(address: str) -> bool:
    """Whether an address is one that a VPC may have, rather than one of the Internet's."""
    # Also 100.64.0.0/10, which VPCs have as second ranges and Python doesn't call private.
    return not ip_address(address.partition("%")[0]).is_global


def handshake(seen: Dialled, tls: TlsSettings | None, clock: Clock, deadline: float) -> Handshake:
    """Speak TLS with a place, as the extension does.

    Args:
        seen: with whom, and which of its addresses answers: one that doesn't would use up the time.
        tls: how it is checked; None for the system's certificates and the place's own name.
        clock: ours.
        deadline: steady seconds.
    """
    place, address = seen.place, next(one.address for one in seen.attempts if one.outcome == "open")
    door = address, place.port
    expected = (tls.server_name if tls else None) or place.host
    trust = _trust(tls)
    authorities: tuple[str, ...] = ()

    def told(outcome: str, words: str, code: int = 0, certificate: Certificate | None = None) -> Handshake:
        return Handshake(place, expected, trust, authorities, outcome, code, words, certificate, clock.wall())

    try:
        context = tls_context(tls)
    except ConfigurationError as error:
        return told("files", error.message)
    if tls is not None and (tls.ca_file or tls.ca_folder):
        authorities = tuple(_common_name(one.get("subject", ())) for one in context.get_ca_certs())
    shown: list[Certificate | None] = []

    def speak(connection: ssl.SSLSocket) -> None:
        shown.append(_certificate(connection))
        # With TLS 1.3 a server that wants a certificate of ours says so after the handshake, and hangs up: what it said can still
        # be read when nothing can be sent any more.
        with suppress(OSError):
            connection.sendall(b"HEAD /v1/sys/health HTTP/1.1\r\nHost: doctor\r\nConnection: close\r\n\r\n")
        with suppress(TimeoutError):
            connection.recv(1)

    try:
        _converse(door, context, expected, _left(clock, deadline), speak)
    except ssl.SSLCertVerificationError as error:
        return told("verify", error.verify_message, error.verify_code, _as_shown(door, expected, clock, deadline))
    except OSError as error:
        # Whoever hangs up on what was said inside TLS has spoken TLS.
        if isinstance(error, ssl.SSLError) or not shown:
            return told(*_broken(error))
    return told("ok", "", 0, shown[0])


def _broken(error: OSError) -> tuple[str, str]:
    """An outcome and its words for a handshake that came to nothing."""
    if isinstance(error, TimeoutError):
        return "timeout", f"no answer in {STEP_S:.0f} s"
    if isinstance(error, ssl.SSLError):
        reason = error.reason or str(error)
        if "CERTIFICATE_REQUIRED" in reason:
            return "client-certificate", reason
        return ("not-tls" if reason in _PLAIN else "failed"), reason
    return "failed", error.strerror or type(error).__name__


def _converse(
    door: tuple[str, int], context: ssl.SSLContext, expected: str, timeout_s: float, speak: Callable[[ssl.SSLSocket], None]
) -> None:
    with (
        socket.create_connection(door, timeout=timeout_s) as plain,
        context.wrap_socket(plain, server_hostname=expected) as connection,
    ):
        speak(connection)


def _as_shown(door: tuple[str, int], expected: str, clock: Clock, deadline: float) -> Certificate | None:
    """Read a certificate that was refused: get it unchecked, then trust it and nothing else."""
    raw, read = list[bytes | None](), list[Certificate | None]()
    unchecked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unchecked.check_hostname = False
    unchecked.verify_mode = ssl.CERT_NONE
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_flags = _AS_SHOWN
    with suppress(OSError):
        _converse(door, unchecked, expected, _left(clock, deadline), lambda it: raw.append(it.getpeercert(binary_form=True)))
        trusting.load_verify_locations(cadata=raw[0] or b"")
        _converse(door, trusting, expected, _left(clock, deadline), lambda it: read.append(_certificate(it)))
    return read[0] if read else None


def _certificate(connection: ssl.SSLSocket) -> Certificate | None:
    """What the other side has shown; None where nobody checked it, for then the library doesn't read it."""
    peer = connection.getpeercert()
    if not peer:
        return None
    names = tuple(str(pair[1]) for pair in peer.get("subjectAltName", ()))
    begins, ends = (ssl.cert_time_to_seconds(str(peer[moment])) for moment in ("notBefore", "notAfter"))
    return Certificate(_common_name(peer.get("subject", ())), _common_name(peer.get("issuer", ())), names, begins, ends)


def _common_name(name: Any) -> str:
    """The most telling part of a distinguished name, as the library takes it apart: groups of pairs."""
    parts: dict[str, str] = {pair[0]: pair[1] for group in name for pair in group}
    return parts.get("commonName") or parts.get("organizationName") or ", ".join(parts.values()) or "nameless"


def _trust(tls: TlsSettings | None) -> str:
    if tls is not None and not tls.verify:
        return "anybody (VAULT_SKIP_VERIFY)"
    if tls is not None and tls.ca_file:
        return f"VAULT_CACERT={tls.ca_file}"
    if tls is not None and tls.ca_folder:
        return f"VAULT_CAPATH={tls.ca_folder}"
    return "the system's certificates"


def _left(clock: Clock, deadline: float) -> float:
    return max(0.05, min(STEP_S, deadline - clock.steady()))
