"""Everything that can go wrong with a rotation: one exception, its codes in one table.

Rules: a code says what happened, stably; the message names the thing, the hint is the fix. Neither holds a secret, and
nothing is raised from an exception whose text might: a server's error may quote the statement it refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vaultgate_ops.errors import OpsError

if TYPE_CHECKING:
    from collections.abc import Mapping

_FAILED, _USAGE, _UNREACHABLE, _DENIED = 1, 2, 4, 5


@dataclass(frozen=True)
class Meaning:
    """What a code stands for.

    Attributes:
        exit_code: of the command line.
        retryable: whether the same step may succeed later without anyone's help.
        acts: who has to do what; a row of docs/errors.md.
    """

    exit_code: int
    retryable: bool
    acts: str


CODES: Mapping[str, Meaning] = {
    "event-malformed": Meaning(_USAGE, False, "whoever invokes the function: it takes Secrets Manager's events and its sweep's"),
    "settings-wrong": Meaning(_USAGE, False, "whoever deploys: all problems with the variables are listed"),
    "secret-not-json": Meaning(_USAGE, False, "whoever wrote the secret: its value is a JSON object"),
    "secret-field-missing": Meaning(_USAGE, False, "whoever wrote the secret: the message names the field"),
    "secret-field-wrong": Meaning(_USAGE, False, "whoever wrote the secret: the message names the field and what fits"),
    "engine-unknown": Meaning(_USAGE, False, "whoever wrote the secret: the valid engines are listed"),
    "strategy-unknown": Meaning(_USAGE, False, "whoever wrote the secret or deploys: the valid strategies are listed"),
    "strategy-unfit": Meaning(
        _USAGE, False, "whoever wrote the secret: this server or this user can't do it, another strategy can"
    ),
    "secret-missing": Meaning(_USAGE, False, "whoever deploys: there is no such secret or version here"),
    "rotation-disabled": Meaning(_FAILED, False, "whoever deploys: enable rotation for the secret, or rotate it with `--here`"),
    "token-not-pending": Meaning(_FAILED, False, "nobody: the step belongs to a rotation that is over"),
    "token-unknown": Meaning(_FAILED, True, "nobody: Secrets Manager doesn't show this version yet, or never had it"),
    "replica-region": Meaning(_USAGE, False, "whoever deploys: rotate in the secret's primary region"),
    "managed-elsewhere": Meaning(_USAGE, False, "nobody: another service of AWS owns and rotates this secret"),
    "value-changed": Meaning(
        _FAILED, False, "whoever wrote AWSPENDING: only password or key may differ; drop the version and rotate again"
    ),
    "parameter-plain": Meaning(_USAGE, False, "whoever stored the parameter: only a SecureString is rotated"),
    "parameter-name": Meaning(
        _USAGE, False, "whoever deploys: a parameter is named as such, without an ARN, a version or a label"
    ),
    "parameter-full": Meaning(_FAILED, False, "whoever labelled the oldest version: no new one can be stored until it is moved"),
    "parameter-stray": Meaning(
        _FAILED, False, "whoever stored the parameter while it was rotated: the message names the value that was overtaken"
    ),
    "rotation-running": Meaning(_FAILED, True, "nobody: another step of this secret's rotation runs at this moment"),
    "rotation-unfinished": Meaning(_FAILED, True, "nobody, or repair: a pending version waits, so nothing is taken back"),
    "host-refused": Meaning(_USAGE, False, "whoever deploys or wrote the secret: nobody else vouches for this host"),
    "host-unknown": Meaning(
        _UNREACHABLE, True, "whoever wrote the secret, or the network's administrator: the name has no address"
    ),
    "unreachable": Meaning(_UNREACHABLE, True, "the network's administrator: no TCP connection from where the function runs"),
    "tls": Meaning(_UNREACHABLE, False, "whoever deploys: the server's certificate isn't trusted, or it speaks no TLS"),
    "too-many-connections": Meaning(_UNREACHABLE, True, "nobody, or the database's administrator: no connection is left"),
    "connection-lost": Meaning(_UNREACHABLE, True, "nobody: the server hung up in the middle"),
    "access-denied": Meaning(_DENIED, False, "whoever changed the password by hand: the message says whose login failed"),
    "account-unusable": Meaning(_DENIED, False, "the database's administrator: the account is locked or its password expired"),
    "user-missing": Meaning(_DENIED, False, "the database's administrator: the user of AWSCURRENT isn't there"),
    "twin-taken": Meaning(_USAGE, False, "whoever wrote the secret: a user of the twin's name is there already; name the twin"),
    "privilege-missing": Meaning(_DENIED, False, "the database's administrator: the hint holds the exact statement"),
    "privileges-differ": Meaning(_FAILED, True, "nobody: the new user isn't equal yet; setSecret makes it so"),
    "grants-unreadable": Meaning(_FAILED, False, "us: please report the kind of grant that the message names"),
    "probe-failed": Meaning(_FAILED, False, "whoever wrote the secret: the probe statement fails for the new credential"),
    "password-policy": Meaning(_FAILED, True, "nobody: the value was taken back, the next rotation draws another"),
    "hashes-refused": Meaning(
        _USAGE, False, "the database's administrator or whoever wrote the secret: the hint has both ways out"
    ),
    "sessions-remain": Meaning(_FAILED, True, "the database's administrator: sessions of the old credential could not be ended"),
    "database-error": Meaning(_FAILED, True, "the database's administrator: the error's number is in the message"),
    "rotator-unreadable": Meaning(_DENIED, False, "whoever deploys: the rotator's credential can't be read"),
    "vault-denied": Meaning(
        _DENIED, False, "Vault's administrator: the login is refused, or the hint has the line of the policy"
    ),
    "vault-unreachable": Meaning(_UNREACHABLE, True, "nobody, or Vault's administrator: no answer, sealed, or too busy"),
    "vault-missing": Meaning(_USAGE, False, "whoever wrote the secret or deleted Vault's: there is nothing at that path"),
    "vault-refused": Meaning(_FAILED, False, "Vault's administrator: its own log says why"),
    "vault-differs": Meaning(_FAILED, True, "nobody: setSecret writes it again; somebody else writes there too"),
    "value-overtaken": Meaning(
        _FAILED, True, "nobody: Vault rotated again; the value was taken back, the next rotation takes over Vault's"
    ),
    "api-refused": Meaning(_FAILED, False, "whoever wrote the secret: the API's status is in the message"),
    "api-throttled": Meaning(_UNREACHABLE, True, "nobody: the API asks for patience"),
    "api-unavailable": Meaning(_UNREACHABLE, True, "nobody, or the API's owner: it failed"),
    "api-answer-wrong": Meaning(_USAGE, False, "whoever wrote the secret: the message names the JSON pointer that doesn't fit"),
    "keys-full": Meaning(_FAILED, True, "whoever owns the API's account: no place for a second key; the live ones are named"),
    "key-refused": Meaning(_DENIED, False, "whoever ended the key or took its rights away: AWSCURRENT's isn't accepted"),
    "key-misnamed": Meaning(
        _USAGE, True, "whoever wrote the secret: its key_id isn't that of its key; nobody, if the API lists new keys late"
    ),
    "key-unseen": Meaning(_FAILED, True, "nobody: the API doesn't accept its new key yet"),
    "key-gone": Meaning(_FAILED, True, "nobody: the value was taken back, the next rotation makes another key"),
    "plugin-failed": Meaning(
        _FAILED, True, "whoever wrote the plug-in: the function and the exception's type are in the message"
    ),
    "aws-denied": Meaning(_DENIED, False, "whoever deploys: the role lacks the action that the message names"),
    "aws-credentials": Meaning(_DENIED, False, "whoever runs the command: it has no AWS credentials that can be used"),
    "aws-throttled": Meaning(_UNREACHABLE, True, "nobody: Secrets Manager asks for patience"),
    "aws-unreachable": Meaning(_UNREACHABLE, True, "the network's administrator: no way to the service from here"),
    "aws-refused": Meaning(_FAILED, False, "whoever deploys: the service's own words are in the message"),
}


class RotationError(OpsError):
    """A step or a sweep that could not be done.

    Args:
        code: a key of `CODES`.
        message: one sentence, naming what was looked at.
        hint: the fix, as an imperative sentence.
    """

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.code = code
        self.exit_code = CODES[code].exit_code

    @property
    def retryable(self) -> bool:
        """Whether the same step may succeed later without anyone's help."""
        return CODES[self.code].retryable

    def __str__(self) -> str:
        """What Lambda reports, and Secrets Manager with it."""
        return f"{self.code}: {self.message}" + (f" {self.hint}" if self.hint else "")
