"""Vault's operator in the stack in containers: initializes it once, and unseals it whenever it is sealed.

Rules: the key and the root token are written before they are used, in a volume that Vault itself doesn't see. Good for
development only: whoever can unseal unattended can be made to.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import hvac
import requests

from vaultgate_ops.local.certificates import write_private
from vaultgate_ops.local.compose.prepare import ROOT_TOKEN, UNSEAL_KEY
from vaultgate_ops.local.vault_cluster import voting

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from vaultgate_ops.clock import Clock

ACTIVE, UNINITIALIZED, SEALED = 200, 501, 503
"""Statuses of /v1/sys/health: https://developer.hashicorp.com/vault/api-docs/system/health."""

_POLL_S = 0.5


@contextmanager
def client(address: str, ca_file: Path, token: str = "") -> Iterator[hvac.Client]:
    """An hvac client that nothing in the environment can redirect."""
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(ca_file)
        # cert: not None, or hvac would look into VAULT_CLIENT_CERT.
        yield hvac.Client(url=address, token=token, cert=(), session=session)


def health(address: str, ca_file: Path) -> int:
    """Status of Vault's health; 0 when nobody answers, or somebody whom the authority does not know."""
    try:
        with client(address, ca_file) as vault:
            answer: Any = vault.sys.read_health_status(method="GET")
    except (requests.RequestException, hvac.exceptions.VaultError):
        return 0
    return ACTIVE if isinstance(answer, dict) else int(answer.status_code)


def attend(address: str, ca_file: Path, keys: Path, *, joins: bool = False) -> None:
    """Do what Vault needs right now: nothing, initialize, unseal.

    Args:
        address: of the server.
        ca_file: whom to trust.
        keys: folder of the unseal key and the root token.
        joins: it is not initialized, but joins another one, whose key is its own.
    """
    status = health(address, ca_file)
    if joins and (status == UNINITIALIZED or not (keys / UNSEAL_KEY).exists()):
        return
    with client(address, ca_file) as vault:
        if status == UNINITIALIZED:
            drawn = vault.sys.initialize(secret_shares=1, secret_threshold=1)
            write_private(keys / UNSEAL_KEY, drawn["keys_base64"][0].encode())
            write_private(keys / ROOT_TOKEN, drawn["root_token"].encode())
        if status in (UNINITIALIZED, SEALED):
            vault.sys.submit_unseal_key((keys / UNSEAL_KEY).read_text(encoding="ascii"))


def whole(addresses: Sequence[str], ca_file: Path, keys: Path) -> bool:
    """Whether one node leads and, where there are several, each has its vote: before that, none may die."""
    leading = [address for address in addresses if health(address, ca_file) == ACTIVE]
    if len(addresses) == 1 or not leading:
        return bool(leading)
    try:
        with client(leading[0], ca_file, (keys / ROOT_TOKEN).read_text(encoding="ascii")) as vault:
            return len(voting(vault)) == len(addresses)
    except (requests.RequestException, hvac.exceptions.VaultError):
        return False


def attend_for_ever(addresses: Sequence[str], ca_file: Path, keys: Path, clock: Clock) -> None:
    """Keep the nodes of Vault unsealed until this process is ended; all but the first join it."""
    first, *others = addresses
    while True:
        attend(first, ca_file, keys)
        for other in others:
            attend(other, ca_file, keys, joins=True)
        clock.sleep(_POLL_S)
