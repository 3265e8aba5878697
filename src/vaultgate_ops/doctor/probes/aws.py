"""Keys, and a signed GetCallerIdentity that is really sent.

Rules: signed by the extension's own code, and sent as Vault sends it: to the endpoint, under the Host header that was signed.
The header that binds a login to a Vault is left out, so what travels here logs in nowhere.
"""

from __future__ import annotations

import http.client
import re
from typing import TYPE_CHECKING

from vaultgate.credentials import AssumedRole, Credentials
from vaultgate.errors import VaultgateError
from vaultgate.model import Origin
from vaultgate.sigv4 import sign_get_caller_identity, sts_host
from vaultgate_ops.doctor.facts import CallerIdentity, Keys
from vaultgate_ops.doctor.probes.vault import times

if TYPE_CHECKING:
    from vaultgate.credentials import Source
    from vaultgate_ops.doctor.visit import Visit

STEP_S = 5.0
_LONGEST = 65536


def source(visit: Visit) -> Source:
    """Where the extension would take its keys from."""
    own = Credentials(visit.environ, visit.aws)
    config = visit.config
    if config.assumed_role_arn is None:
        return own
    return AssumedRole(
        own,
        config.assumed_role_arn,
        session="vaultgate-doctor",
        region=config.sts_region,
        endpoint=config.sts_endpoint,
        transport=visit.aws,
        clock=visit.clock,
    )


def keys(visit: Visit, keys_of: Source, deadline: float) -> Keys:
    """Ask for keys, and keep their id."""
    assumed = visit.config.assumed_role_arn or ""
    try:
        found = keys_of.current(min(deadline, visit.clock.steady() + STEP_S))
    except VaultgateError as error:
        return Keys("", error.message, error.hint or "see the message", assumed)
    visit.conceal(found.secret_key, found.session_token)
    return Keys(found.access_key, assumed=assumed)


def endpoint(visit: Visit) -> Origin:
    """Where STS is, by the settings."""
    return visit.config.sts_endpoint or Origin("https", sts_host(visit.config.sts_region), 443)


def caller_identity(visit: Visit, keys_of: Source, deadline: float) -> CallerIdentity:
    """Sign who we are, and ask STS."""
    server, region = endpoint(visit), visit.config.sts_region
    deadline = min(deadline, visit.clock.steady() + STEP_S)
    shown, needed = region or "us-east-1", visit.config.assumed_role_arn is not None
    try:
        signed = sign_get_caller_identity(keys_of.current(deadline), region, None, visit.clock.wall())
    except VaultgateError as error:
        return CallerIdentity(repr(server), shown, 0, words=error.message, needed=needed)
    kind = http.client.HTTPSConnection if server.scheme == "https" else http.client.HTTPConnection
    connection = kind(server.host, server.port, timeout=max(0.1, deadline - visit.clock.steady()))
    sent = visit.clock.wall()
    try:
        connection.putrequest("POST", f"{server.prefix}/", skip_host=True, skip_accept_encoding=True)
        for name, value in (*signed.headers, ("Content-Length", str(len(signed.body)))):
            connection.putheader(name, value)
        connection.endheaders(signed.body)
        answer = connection.getresponse()
        body = answer.read(_LONGEST).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        words = getattr(error, "verify_message", "") or getattr(error, "strerror", None) or type(error).__name__
        return CallerIdentity(repr(server), shown, 0, words=str(words), needed=needed)
    finally:
        connection.close()
    clock = times("STS", answer.getheader("Date"), sent, visit.clock.wall())
    code, words, arn = (_element(body, name) for name in ("Code", "Message", "Arn"))
    return CallerIdentity(repr(server), shown, answer.status, code, words, arn, needed, clock)


def _element(body: str, name: str) -> str:
    """The text of an element of STS's XML; empty where it isn't there."""
    match = re.search(f"<{name}>([^<]*)</{name}>", body)
    return match[1] if match else ""
