"""From a role_id and a secret_id to a Vault token: AppRole, for laptops and hosts without an IAM role.

Rules: a secret_id is read from a file that nobody else can read, and read again at each login, so that whoever replaces it
needs no restart; once read, both stay in memory, so that the files may be taken away, as for Vault Agent; a wrapping token is
used once, and only if it was made where the settings say: one that comes from elsewhere was put in its place by somebody.
Sources: HashiCorp, "AppRole auth method (API)", section Login; "Vault Agent: AppRole method"; "Response wrapping", section
Response wrapping token validation.
"""

from __future__ import annotations

import os
import stat

from vaultgate.auth import Login
from vaultgate.errors import LoginRefused, NoCredentials, Unreachable
from vaultgate.secret import Secret
from vaultgate.vault import document_of, meaning, words_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vaultgate.auth import Fixes
    from vaultgate.clock import Clock
    from vaultgate.config import Config
    from vaultgate.vault import Vault

_LONGEST = 4096
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_ANEW = "the role_id is not one of this mount, or the secret_id is wrong, used up or over: make a new one"
_FIXES: Fixes = (
    ("role or secret id", _ANEW),
    ("invalid secret", _ANEW),
    ("missing secret_id", "the role asks for a secret_id: set VAULTGATE_APPROLE_SECRET_ID_FILE"),
    ("required authentication values", "check VAULTGATE_AUTH_METHOD: it is not AppRole that is mounted there"),
    ("no handler for route", "check VAULT_AUTH_PROVIDER: no auth method is mounted there"),
    ("permission denied", "check VAULT_AUTH_PROVIDER, and that the AppRole auth method is enabled"),
)


class AppRoleLogin(Login):
    """Logs in by Vault's AppRole method; what it needs, and where that is, stands in `config.approle`."""

    fixes = _FIXES

    def __init__(self, vault: Vault, config: Config, clock: Clock) -> None:
        super().__init__(vault, config, clock)
        self._read: dict[str, Secret] = {}  # by file, as it was last seen
        self._unwrapped: tuple[Secret, Secret] | None = None  # the last wrapping token, and what was in it

    def proof(self, deadline: float) -> dict[str, object]:
        """The two ids."""
        given = self._config.approle
        role_id = given.role_id or self._content(given.role_id_file or "", private=False).reveal()
        secret_id = given.secret_id
        if given.secret_id_file:
            secret_id = self._content(given.secret_id_file, private=True)
        if secret_id is None:
            return {"role_id": role_id}
        if given.wrapping_path:
            secret_id = self._unwrap(secret_id, given.wrapping_path, deadline)
        return {"role_id": role_id, "secret_id": secret_id.reveal()}

    def _content(self, path: str, *, private: bool) -> Secret:
        """What a file holds, or held when it was last there."""
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                mode = os.fstat(handle).st_mode
                if private and (not stat.S_ISREG(mode) or mode & _OTHERS):
                    others = f"{path} may be read by others than its owner (mode {stat.S_IMODE(mode):04o})"
                    raise NoCredentials(others, f"chmod 600 {path}")
                text = os.read(handle, _LONGEST).decode("utf-8", "replace").strip()
            finally:
                os.close(handle)
        except OSError as error:
            if path in self._read:
                return self._read[path]
            raise NoCredentials(f"{path} can't be read: {error.strerror}", "check VAULTGATE_APPROLE_*_FILE") from error
        if not text:
            raise NoCredentials(f"{path} is empty", "write the id into it, and nothing else")
        self._read[path] = Secret(text)
        return self._read[path]

    def _unwrap(self, wrapping: Secret, made_at: str, deadline: float) -> Secret:
        """The secret_id that a wrapping token stands for; what was unwrapped before is not asked for again."""
        if self._unwrapped is not None and self._unwrapped[0].reveal() == wrapping.reveal():
            return self._unwrapped[1]
        found = self._wrapping("lookup", {"token": wrapping.reveal()}, None, deadline)
        if found.get("creation_path") != made_at:
            words = f"the wrapped secret_id was made at {found.get('creation_path')!r}, not at {made_at!r}"
            raise LoginRefused(words, "find out who put it there; make another and wrap that")
        secret_id = self._wrapping("unwrap", {}, wrapping, deadline).get("secret_id")
        if not isinstance(secret_id, str):
            raise LoginRefused(f"what was wrapped at {made_at!r} holds no secret_id", "wrap the answer of .../secret-id as it is")
        self._unwrapped = wrapping, Secret(secret_id)
        return self._unwrapped[1]

    def _wrapping(self, verb: str, body: dict[str, object], token: Secret | None, deadline: float) -> dict[str, object]:
        path = f"sys/wrapping/{verb}"
        # To unwrap twice would be to find nothing there, and to suspect somebody.
        answer = self.vault.call("POST", path, body, token, deadline, again=verb == "lookup")
        if not answer.ok:
            error = meaning(answer, path)
            if isinstance(error, Unreachable):
                raise error
            words = f"the wrapping token of the secret_id is not valid: {words_of(answer) or answer.status}"
            raise LoginRefused(
                words, "it is over or was used; if not by you, by somebody who has the secret_id now: make another"
            )
        data = document_of(answer, path).get("data")
        return data if isinstance(data, dict) else {}
