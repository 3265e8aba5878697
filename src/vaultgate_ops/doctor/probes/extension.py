"""A running extension, asked for its health through its own door."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vaultgate import door_secret
from vaultgate.errors import Refused, VaultgateError
from vaultgate.model import Origin, Request
from vaultgate.vault import words_of
from vaultgate_ops.doctor.facts import ExtensionSeen
from vaultgate_ops.doctor.probes.vault import document

if TYPE_CHECKING:
    from vaultgate_ops.doctor.visit import Visit

STEP_S = 3.0
_FORBIDDEN = 403


def extension(visit: Visit, deadline: float) -> ExtensionSeen:
    """Ask the extension that should listen here."""
    host, port = visit.config.listen
    listen = f"{host}:{port}"
    headers = [("X-Vault-Request", "true")]
    if visit.config.guard == "secret":
        try:
            headers.append(door_secret.told(visit.config.listen))
        except Refused as error:
            return ExtensionSeen(listen, _FORBIDDEN, {}, error.message)
    request = Request("GET", "/v1/sys/vaultgate/health", tuple(headers))
    try:
        answer = visit.aws.exchange(Origin("http", host, port), request, min(deadline, visit.clock.steady() + STEP_S))
    except VaultgateError as error:
        return ExtensionSeen(listen, 0, {}, error.message)
    return ExtensionSeen(listen, answer.status, document(answer), words_of(answer))
