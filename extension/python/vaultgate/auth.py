"""From what the machine can prove about itself to a Vault token.

Rules: one interface, `Login`; an auth method is a subclass that says what goes into the request and what Vault's refusals
mean. Which method it is comes from `VAULTGATE_AUTH_METHOD` alone: `VAULT_AUTH_PROVIDER` names a mount, as in HashiCorp's
extension, and a mount may have any name. Each attempt proves anew, because a signature ages and a file may have been
replaced; a refusal says which of Vault's many settings is the likely cause.
Source: HashiCorp, "AWS auth method (API)", section Login.
"""

from __future__ import annotations

import json
from binascii import b2a_base64
from hashlib import sha256

from vaultgate.errors import LoginRefused, ProtocolViolation, Unreachable
from vaultgate.leases import Lifetime
from vaultgate.secret import Secret
from vaultgate.sigv4 import sign_get_caller_identity
from vaultgate.vault import document_of, meaning, words_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vaultgate.clock import Clock, Instant
    from vaultgate.config import Config
    from vaultgate.credentials import Source
    from vaultgate.model import Answer
    from vaultgate.vault import Vault

# A part of Vault's words, and what to do about it.
Fixes = tuple[tuple[str, str], ...]
_FIXES: Fixes = (
    (
        "error making upstream request",
        "STS refused the signature: VAULT_STS_ENDPOINT_REGION and Vault's sts_region must match",
    ),
    ("x-vault-aws-iam-server-id", "set VAULT_IAM_SERVER_ID to Vault's iam_server_id_header_value"),
    ("does not belong to the role", "add the function's role ARN to bound_iam_principal_arn of the Vault role"),
    ("entry for role", "check VAULT_AUTH_ROLE: Vault has no such role"),
    # Vault's status for this is 500.
    (
        "determine alias name",
        "it is not AWS that is mounted there: check VAULT_AUTH_PROVIDER, or set VAULTGATE_AUTH_METHOD=approle",
    ),
    ("no handler for route", "check VAULT_AUTH_PROVIDER: no auth method is mounted there"),
    ("permission denied", "check VAULT_AUTH_PROVIDER, and that the AWS auth method is enabled"),
)


class Token:
    """A Vault token of ours.

    Args:
        secret: the token.
        accessor: names it in Vault's logs without showing it.
        lifetime: how long it may be used.
        vault: whose it is; it is shown to no other.
        renewable: whether Vault may give it more time.
        batch: batch tokens can be neither renewed nor revoked.
        first_ttl_s: what Vault gave at the login; a renewal is measured by it. By default the lifetime's.
    """

    __slots__ = ("accessor", "batch", "first_ttl_s", "lifetime", "renewable", "secret", "vault")

    def __init__(
        self,
        secret: Secret,
        accessor: str,
        lifetime: Lifetime,
        vault: Vault,
        *,
        renewable: bool = False,
        batch: bool = False,
        first_ttl_s: float | None = None,
    ) -> None:
        self.secret = secret
        self.accessor = accessor
        self.lifetime = lifetime
        self.vault = vault
        self.renewable = renewable
        self.batch = batch
        self.first_ttl_s = lifetime.ttl_s if first_ttl_s is None else first_ttl_s

    def __repr__(self) -> str:
        """Show which one, not what it is."""
        return f"Token(accessor={self.accessor!r}, {self.lifetime!r})"

    @property
    def name(self) -> str:
        """What tells it from our other tokens without showing it; batch tokens have no accessor."""
        return self.accessor or sha256(self.secret.reveal().encode()).hexdigest()[:16]

    def renewed(self, sent: Instant, ttl_s: float) -> Token:
        """The same token with a new life."""
        lifetime = Lifetime(sent, ttl_s, min(self.lifetime.margin_s, ttl_s / 2))
        first_ttl_s = self.first_ttl_s
        return Token(self.secret, self.accessor, lifetime, self.vault, renewable=True, batch=self.batch, first_ttl_s=first_ttl_s)


class Login:
    """A way to log in. Subclasses say what proves who we are.

    Args:
        vault: to which Vault.
        config: the mount, the role for messages, the token's margin.
    """

    fixes: Fixes = ()

    def __init__(self, vault: Vault, config: Config, clock: Clock) -> None:
        self.vault = vault
        self._config = config
        self._clock = clock

    def proof(self, deadline: float) -> dict[str, object]:
        """The request's body, made now.

        Raises:
            NoCredentials: there is nothing to prove it with.
            VaultgateError: somebody who was asked for it didn't answer.
        """
        raise NotImplementedError

    def login(self, deadline: float) -> Token:
        """Get a token.

        Raises:
            LoginRefused: Vault said no; the hint names the likely setting.
            NoCredentials, Unreachable, DeadlineExceeded: nobody said anything.
        """
        sent, answer = self._attempt(deadline)
        if not answer.ok and self._clock.now().jumped_since(sent):
            # The sandbox slept, or somebody set the clock, between the proof and its judge: the refusal says nothing about us.
            sent, answer = self._attempt(deadline)
        if not answer.ok:
            raise self._refusal(answer)
        auth = document_of(answer, self._path).get("auth")
        if not isinstance(auth, dict) or not isinstance(auth.get("client_token"), str):
            raise ProtocolViolation(f"the answer to {self._path!r} holds no token: is this address Vault's?")
        ttl_s = float(auth.get("lease_duration") or 0) or float("inf")
        lifetime = Lifetime(sent, ttl_s, min(self._config.token_margin_s, ttl_s / 2))
        return Token(
            Secret(auth["client_token"]),
            str(auth.get("accessor") or ""),
            lifetime,
            self.vault,
            renewable=auth.get("renewable") is True,
            batch=auth.get("token_type") == "batch",
        )

    @property
    def logins(self) -> tuple[Login, ...]:
        """To each Vault that there is, the one to go back to first."""
        return (self,)

    def elsewhere(self, token: Token) -> bool:
        """Whether a login could give a token of another Vault than this one's."""
        return any(one.vault is not token.vault for one in self.logins)

    @property
    def _path(self) -> str:
        return f"auth/{self._config.auth_mount}/login"

    def _attempt(self, deadline: float) -> tuple[Instant, Answer]:
        sent = self._clock.now()
        body = self.proof(deadline)
        # A second login does no harm: a token that nobody received holds no lease and ends by itself.
        return sent, self.vault.call("POST", self._path, body, None, deadline)

    def _refusal(self, answer: Answer) -> Exception:
        error = meaning(answer, self._path)
        who = self._config.auth_role or self._config.auth_method
        said = words_of(answer) or f"status {answer.status}"
        fix = next((fix for part, fix in self.fixes if part in said.lower()), "")
        if isinstance(error, Unreachable) and not fix:
            return error
        fix = fix or "look at Vault's audit log for the request"
        return LoginRefused(f"Vault refused the login as {who!r}: {said}", fix)


class AwsLogin(Login):
    """Logs in by Vault's AWS auth method, type IAM.

    Args:
        credentials: the function's own keys.
        config: mount, role, server id and region.
        server_id: of this Vault, where that isn't the one in the settings.
    """

    fixes = _FIXES

    def __init__(self, vault: Vault, credentials: Source, config: Config, clock: Clock, *, server_id: str | None = None) -> None:
        super().__init__(vault, config, clock)
        self._credentials = credentials
        self._server_id = server_id or config.iam_server_id

    def proof(self, deadline: float) -> dict[str, object]:
        """A signed GetCallerIdentity that Vault may send to STS."""
        keys = self._credentials.current(deadline)
        signed = sign_get_caller_identity(keys, self._config.sts_region, self._server_id, self._clock.wall())
        headers = {name: [value] for name, value in signed.headers}
        return {
            "role": self._config.auth_role,
            "iam_http_request_method": "POST",
            "iam_request_url": _base64(signed.url.encode()),
            "iam_request_body": _base64(signed.body),
            "iam_request_headers": _base64(json.dumps(headers).encode()),
        }


def _base64(plain: bytes) -> str:
    return b2a_base64(plain, newline=False).decode()
