"""What one examination holds while it goes on: settings, connections, and what has to be given back.

Rules: the token of the doctor's own login is revoked at the end, whatever happened, and its leases with it; the leases of a batch
token, which can't be revoked, are revoked one by one. A token that comes after the end is revoked at once.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vaultgate.errors import VaultgateError
from vaultgate.model import Request
from vaultgate.transport import Connections
from vaultgate.vault import words_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from vaultgate.clock import Clock
    from vaultgate.config import Config
    from vaultgate.model import Answer, Origin
    from vaultgate.secret import Secret
    from vaultgate_ops.records.settings import Settings

CLOSING_S = 3.0


@dataclass(frozen=True)
class Wish:
    """What the doctor is asked to look at beside the settings.

    Attributes:
        secrets: of Secrets Manager, whose rotation is looked at.
        checkpoints: folder of the audit mirror's checkpoints; None for none.
        layer: folder that holds a layer; None for none.
        administrator: a token of Vault's that may look at the other side of a login; None for none.
    """

    secrets: tuple[str, ...] = ()
    checkpoints: Path | None = None
    layer: Path | None = None
    administrator: Secret | None = None


@dataclass
class Visit:
    """One examination.

    Args:
        environ: the function's variables.
        config: the extension's settings in it.
        records: the record-count function's; None where it has none.
        wish: what else to look at.
        clock: ours.
        in_function: it runs inside a Lambda function.
    """

    environ: Mapping[str, str]
    config: Config
    records: Settings | None
    wish: Wish
    clock: Clock
    in_function: bool
    vault: Connections = field(init=False)
    aws: Connections = field(init=False)

    def __post_init__(self) -> None:
        """Open nothing yet; connections are made when they are needed."""
        self.vault, self.aws = Connections(self.clock, self.config.tls), Connections(self.clock)
        self._lock = threading.Lock()
        self._held: tuple[Origin, Secret, bool] | None = None
        self._leases: list[str] = []
        self._login: tuple[str, Secret] | None = None
        self._over = self.batch = False
        self._met: list[Secret] = []

    def ask(
        self,
        server: Origin,
        call: tuple[str, str],
        token: Secret | None,
        deadline: float,
        document: dict[str, Any] | None = None,
    ) -> Answer:
        """One call to Vault.

        Args:
            server: which node.
            call: method of HTTP, and path below /v1/.
            token: whose; None for nobody's.
            deadline: steady seconds.
            document: to send; None for nothing.

        Raises:
            VaultgateError: no answer.
        """
        (method, path), headers = call, [("X-Vault-Request", "true")]
        if token:
            headers.append(("X-Vault-Token", token.reveal()))
        if self.config.namespace and not path.startswith("sys/health"):
            headers.append(("X-Vault-Namespace", self.config.namespace))
        body = json.dumps(document).encode() if document is not None else b""
        return self.vault.exchange(server, Request(method, f"/v1/{path}", tuple(headers), body), deadline)

    def ask_as_us(self, call: tuple[str, str], deadline: float, document: dict[str, Any] | None = None) -> Answer:
        """One call with the doctor's own token.

        Raises:
            VaultgateError: no answer, or there was no login.
        """
        with self._lock:
            held = self._held
        if held is None:
            raise VaultgateError("there is no token")
        return self.ask(held[0], call, held[1], deadline, document)

    def hold(self, server: Origin, token: Secret, *, batch: bool) -> None:
        """Keep a token until the end."""
        self.conceal(token)
        with self._lock:
            self.batch = batch
            if not self._over:
                self._held = server, token, batch
                return
        self._give_back(server, token, [], batch=batch)

    def hold_lease(self, lease_id: str) -> None:
        """Remember a lease that hangs on the token."""
        with self._lock:
            self._leases.append(lease_id)

    def hold_login(self, user: str, password: Secret) -> None:
        """Keep the database's credential for the check that follows."""
        self.conceal(password)
        with self._lock:
            self._login = user, password

    def conceal(self, *secrets: Secret | None) -> None:
        """Remember what a report must never show."""
        with self._lock:
            self._met += [secret for secret in secrets if secret]

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """All that were met."""
        with self._lock:
            return tuple(self._met)

    @property
    def login(self) -> tuple[str, Secret] | None:
        """The database's credential, if it was fetched."""
        with self._lock:
            return self._login

    def close(self) -> str:
        """Give everything back; why that didn't work, empty if it did."""
        with self._lock:
            self._over, held, self._held = True, self._held, None
            leases, self._leases, self._login = self._leases, [], None
        try:
            return self._give_back(held[0], held[1], leases, batch=held[2]) if held else ""
        finally:
            self.vault.close()
            self.aws.close()

    def _give_back(self, server: Origin, token: Secret, leases: list[str], *, batch: bool) -> str:
        deadline = self.clock.steady() + CLOSING_S
        calls = [("sys/leases/revoke", {"lease_id": lease}) for lease in leases] if batch else [("auth/token/revoke-self", {})]
        for path, document in calls:
            try:
                answer = self.ask(server, ("POST", path), token, deadline, document)
            except VaultgateError as error:
                return error.message
            if not answer.ok:
                return f"{path}: {words_of(answer) or answer.status}"
        return ""
