"""HashiCorp's Vault as it runs in production: server mode, storage on disk, TLS, sealed until it is unsealed.

Rules: it keeps its port for life, since clients hold its address; the unseal key and the root token exist only in files
of mode 0600; nobody else's ``VAULT_*`` variable reaches it or our client.

Source: https://developer.hashicorp.com/vault/docs/configuration and /api-docs/system/health (status 200 active,
501 not initialized, 503 sealed).
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import hvac
import requests

from vaultgate_ops.local import processes
from vaultgate_ops.local.certificates import write_private
from vaultgate_ops.local.part import Part

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vaultgate_ops.clock import Clock
    from vaultgate_ops.local.certificates import Authority

_ANSWER_S = 5
_ACTIVE, _UNINITIALIZED, _SEALED = 200, 501, 503


class VaultServer(Part):
    """One Vault server of a stack.

    Args:
        binary: the vault program.
        folder: the stack's folder; everything of Vault's goes to its ``vault/``.
        ca_file: certificate of the authority that its clients trust.
        clock: for waiting.
        port: where it listens on 127.0.0.1; 0 until ``create()`` has chosen one.

    Attributes:
        audit_file: where the file audit device may write.
    """

    name = "vault"

    def __init__(self, binary: Path, folder: Path, ca_file: Path, clock: Clock, port: int = 0) -> None:
        super().__init__(folder, clock, port)
        self._binary = binary
        self._keys = self._folder
        self.ca_file = ca_file
        self.audit_file = self._folder / "audit.log"

    @property
    def address(self) -> str:
        """Base URL, as in ``VAULT_ADDR``."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def root_token_file(self) -> Path:
        """File of mode 0600 with the root token and nothing else."""
        return self._keys / "root-token"

    @property
    def root_token(self) -> str:
        """The token that may do everything."""
        return self.root_token_file.read_text(encoding="ascii")

    def create(self, ca: Authority) -> None:
        """Make its folder, start it on a free port, initialize and unseal it.

        Raises:
            Unreachable: it did not come up; the message quotes its log.
        """
        self.set_up(ca)
        self.found()

    def set_up(self, ca: Authority) -> None:
        """Make its folder, and start it on a free port, with nothing in it yet.

        Raises:
            Unreachable: it did not come up; the message quotes its log.
        """
        self._folder.mkdir(mode=0o700)
        issued = ca.issue(self.name, ["127.0.0.1", "localhost"])

        def attempt(port: int) -> None:
            self.port = port
            listener = {
                "address": f"127.0.0.1:{port}",
                "tls_cert_file": str(issued.certificate),
                "tls_key_file": str(issued.key),
            }
            configuration = {
                "api_addr": self.address,
                # Locking memory needs a privilege that a laptop's user lacks.
                "disable_mlock": True,
                **self._kept_and_heard(listener),
            }
            write_private(self._folder / "server.json", json.dumps(configuration, indent=2).encode())
            self._serve()

        processes.on_free_port(attempt)

    def found(self) -> None:
        """Initialize and unseal a server that was set up.

        Raises:
            Unreachable: it refused, or died of it; the message quotes its log.
        """
        with self._explained("vault can't be initialized"), self.client("") as client:
            secrets = client.sys.initialize(secret_shares=1, secret_threshold=1)
        write_private(self._keys / "unseal-key", secrets["keys_base64"][0].encode())
        write_private(self.root_token_file, secrets["root_token"].encode())
        self._unseal()

    def start(self) -> None:
        """Start it again where it was, with the same storage and port, and unseal it.

        Raises:
            Unreachable: it did not come up, or somebody took its port meanwhile.
        """
        self._serve()
        self._unseal()

    def restart(self) -> None:
        """Stop, start and unseal: same storage, same port, every connection cut."""
        self.stop()
        self.start()

    def healthy(self) -> bool:
        """Whether it is unsealed and answers."""
        return self._health() == _ACTIVE

    @contextmanager
    def client(self, token: str | None = None, *, timeout_s: float = 30) -> Iterator[hvac.Client]:
        """An hvac client that nothing in the environment can redirect.

        Args:
            token: whose; the root token by default, none at all when empty.
            timeout_s: of one request.
        """
        with requests.Session() as session:
            session.trust_env = False
            session.verify = str(self.ca_file)
            yield hvac.Client(
                url=self.address,
                token=self.root_token if token is None else token,
                # Not None: hvac would look into VAULT_CLIENT_CERT.
                cert=(),
                session=session,
                timeout=timeout_s,
            )

    def _kept_and_heard(self, listener: dict[str, str]) -> dict[str, Any]:
        """What of the server's configuration says where it keeps things, and where others reach it."""
        return {
            "storage": {"file": {"path": str(self._folder / "storage")}},
            "listener": {"tcp": listener},
            # One node forwards to nobody; left on, it takes the next port as well and half a second to stop.
            "disable_clustering": True,
        }

    def _serve(self) -> None:
        config = f"-config={self._folder / 'server.json'}"
        self._launch([self._binary, "server", config], ready=lambda: self._health() != 0)

    def _unseal(self) -> None:
        key = (self._keys / "unseal-key").read_text(encoding="ascii")
        with self._explained("vault can't be unsealed"), self.client("") as client:
            client.sys.submit_unseal_key(key)
        self._await(self.healthy)

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except (hvac.exceptions.VaultError, requests.RequestException) as error:
            raise processes.failure(f"{what} ({type(error).__name__})", self.log_file) from error

    def _health(self) -> int:
        """Status of /v1/sys/health; 0 when nobody answers, or somebody whom our authority does not know."""
        try:
            with self.client("", timeout_s=_ANSWER_S) as client:
                answer: Any = client.sys.read_health_status(method="GET")
        except (requests.RequestException, hvac.exceptions.VaultError):
            return 0
        return _ACTIVE if isinstance(answer, dict) else int(answer.status_code)
