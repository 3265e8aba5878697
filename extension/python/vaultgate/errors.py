"""Every exception of the layer, sorted by who must act.

Rules: a message names what was looked at and never holds a secret; the hint is the fix, as an imperative sentence; `code`
is stable and stands in docs/errors.md; `retryable` says whether the same call may succeed later without anyone's help;
`status` is the HTTP status the proxy answers with, and `retry_after_s` what it says with a 503.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class VaultgateError(Exception):
    """The base of all of them."""

    code = "internal"
    retryable = False
    retry_after_s = 1.0
    status = 500

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Message and hint, as one line."""
        return f"{self.message} ({self.hint})" if self.hint else self.message


# --- whoever deploys the function ---


class ConfigurationError(VaultgateError):
    """Settings are wrong; `problems` lists all of them at once."""

    code = "configuration"

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class Refused(VaultgateError):
    """The guard of the loopback door said no."""

    code = "refused"
    status = 403


class MalformedRequest(VaultgateError):
    """What arrived is not HTTP/1.1 as the proxy accepts it, or more than it accepts."""

    code = "malformed-request"

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Unwritable(VaultgateError):
    """A file can't be written where the settings want it."""

    code = "unwritable"


class NoCredentials(VaultgateError):
    """There is nothing to log in with: no AWS credentials, or no id of an AppRole that can be read."""

    code = "no-credentials"
    status = 503


# --- whoever looks after Vault ---


class LoginRefused(VaultgateError):
    """Vault answered the login, and said no."""

    code = "login-refused"
    status = 403


class Denied(VaultgateError):
    """Vault's policies deny the path to our token."""

    code = "denied"
    status = 403


class NotFound(VaultgateError):
    """Vault knows nothing at this path."""

    code = "not-found"
    status = 404


class VaultRejected(VaultgateError):
    """Vault refused the request for another reason; its own words are in the message."""

    code = "vault-rejected"
    status = 502


# --- nobody: wait ---


class Unreachable(VaultgateError):
    """Nobody answered, or the answer broke off.

    Attributes:
        sent: whether the request may have been carried out.
        asked: whether anybody was asked at all; a request that we held up ourselves says nothing about Vault.
    """

    code = "unreachable"
    retryable = True
    status = 503
    sent = asked = True


class DeadlineExceeded(Unreachable):
    """Time ran out before an answer came."""

    code = "deadline"


class CircuitOpen(Unreachable):
    """Vault failed several calls in a row, and nobody asked it again.

    Args:
        retry_after_s: seconds until somebody does.
    """

    code = "circuit-open"
    sent = False

    def __init__(self, message: str, hint: str = "", *, retry_after_s: float = 1.0) -> None:
        super().__init__(message, hint)
        self.retry_after_s = retry_after_s


class NotRestored(VaultgateError):
    """The sandbox is still being prepared for its snapshot, which must hold no secret."""

    code = "not-restored"
    status = 503


class Closing(VaultgateError):
    """The sandbox is going away."""

    code = "closing"
    retryable = True
    status = 503


# --- us, or a peer that doesn't speak the protocol ---


class ProtocolViolation(VaultgateError):
    """An answer that is not what its protocol promises."""

    code = "protocol"
    status = 502
