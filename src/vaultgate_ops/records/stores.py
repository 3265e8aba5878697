"""Where a database user and its password may lie, and how to read them there.

Rules: a store is asked once for each new connection at most, and what AWS's stores answered is kept for `KEEP_S`; ``anew``
asks past everything that keeps answers. What a store holds is checked here: the error names the store and the field, never
a value.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple, Protocol

from vaultgate import client
from vaultgate.errors import ConfigurationError, Denied, NotFound, ProtocolViolation, Unreachable
from vaultgate.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from botocore.config import Config

    from vaultgate_ops.records.settings import Settings

KEEP_S = 300
_ABSENT = frozenset({"ResourceNotFoundException", "ParameterNotFound", "ParameterVersionNotFound"})
_REFUSED = frozenset({"AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException", "DecryptionFailure"})


class Login(NamedTuple):
    """What a connection is made with."""

    username: str
    password: Secret


class Store(Protocol):
    """Somewhere a login lies."""

    def read(self, *, anew: bool) -> Login:
        """The login that is valid now.

        Args:
            anew: ask the store itself, whatever has been kept.

        Raises:
            VaultgateError: it can't be had.
        """


class VaultStatic:
    """A static role of Vault's database engine: a user that exists, whose password Vault changes."""

    def __init__(self, settings: Settings) -> None:
        self._path = settings.secret_path

    def read(self, *, anew: bool) -> Login:
        """See `Store`."""
        return _login(client.read(self._path, anew=anew).data, self._path)


class VaultKv(VaultStatic):
    """A secret of Vault's KV engine with the fields username and password; version 2, where the path holds /data/."""

    def read(self, *, anew: bool) -> Login:
        """See `Store`."""
        data = client.read(self._path, anew=anew).data
        inner = data.get("data")
        return _login(inner if isinstance(inner, dict) else data, self._path)


class SecretsManager:
    """A secret of AWS Secrets Manager: the JSON object that its rotation functions keep, or a password alone."""

    def __init__(self, settings: Settings) -> None:
        from aws_lambda_powertools.utilities import parameters  # noqa: PLC0415 - boto3, for those who need it

        self._provider, self._failure = parameters.SecretsProvider(boto_config=_quick()), parameters.GetParameterError
        self._settings = settings

    def read(self, *, anew: bool) -> Login:
        """See `Store`."""
        try:
            # By its label: nothing else may decide what the default is.
            text = self._provider.get(self._settings.secret_name, KEEP_S, force_fetch=anew, VersionStage="AWSCURRENT")
        except self._failure as error:
            raise _meaning(error, self._settings.secret_name) from None
        return _parsed(text, self._settings)


class ParameterStore:
    """A SecureString of AWS's Parameter Store."""

    prefix = ""

    def __init__(self, settings: Settings) -> None:
        from aws_lambda_powertools.utilities import parameters  # noqa: PLC0415 - boto3, for those who need it

        self._provider, self._failure = parameters.SSMProvider(boto_config=_quick()), parameters.GetParameterError
        self._settings = settings

    def read(self, *, anew: bool) -> Login:
        """See `Store`."""
        name = self.prefix + self._settings.secret_name
        try:
            text = self._provider.get(name, KEEP_S, decrypt=True, force_fetch=anew)
        except self._failure as error:
            raise _meaning(error, name) from None
        return _parsed(text, self._settings)


class SecretReference(ParameterStore):
    """A secret of Secrets Manager by way of Parameter Store: always its AWSCURRENT."""

    prefix = "/aws/reference/secretsmanager/"


class Environment:
    """RDS_USERNAME and RDS_PASSWORD: fixed for the life of the sandbox, so it can't follow a rotation."""

    def __init__(self, settings: Settings) -> None:
        self._login = Login(settings.username, settings.password or Secret(""))

    def read(self, *, anew: bool) -> Login:  # noqa: ARG002 - there is nothing newer
        """See `Store`."""
        return self._login


STORES: Mapping[str, Callable[[Settings], Store]] = {
    "vault-static": VaultStatic,
    "vault-kv": VaultKv,
    "secretsmanager": SecretsManager,
    "ssm": ParameterStore,
    "ssm-reference": SecretReference,
    "env": Environment,
}


def _quick() -> Config:
    from botocore.config import Config  # noqa: PLC0415 - as above

    # Twice this and two attempts at the database stay below the 29 s that API Gateway waits.
    return Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2, "mode": "standard"})


def _parsed(text: object, settings: Settings) -> Login:
    """A store's text: a JSON object with a password in it, or the password."""
    if not isinstance(text, str):
        raise ProtocolViolation(f"{settings.secret_name!r} holds no text", "store a string, not a binary")
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        document = {"password": text}
    if "username" not in document:
        if not settings.username:
            raise ConfigurationError([f"RDS_USERNAME is missing; {settings.secret_name!r} holds a password and no username"])
        document["username"] = settings.username
    return _login(document, settings.secret_name)


def _login(document: Mapping[str, object], where: str) -> Login:
    for field in ("username", "password"):
        if not isinstance(document.get(field), str) or not document[field]:
            raise ProtocolViolation(f"{where!r} holds no {field}", "store a JSON object with username and password")
    return Login(str(document["username"]), Secret(str(document["password"])))


def _meaning(error: Exception, name: str) -> Exception:
    """Our error for what Powertools wrapped; AWS's own words stay out of the answer."""
    cause = error.__context__
    response = getattr(cause, "response", {})
    code = response.get("Error", {}).get("Code", "") if isinstance(response, dict) else ""
    if code in _ABSENT:
        return NotFound(f"AWS knows nothing at {name!r}", "set SECRET_NAME to the name of what is there, in this region")
    if code in _REFUSED:
        return Denied(f"AWS denies reading {name!r} ({code})", "grant the function's role the permission to read and decrypt it")
    return Unreachable(f"{name!r} can't be read at the moment ({code or type(cause).__name__})", "wait, or look at AWS's status")
