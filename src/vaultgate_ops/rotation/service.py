"""The door to Secrets Manager, and what it shares with that to Parameter Store.

Rules: every call goes through `Api.call`, which is where faults are put in tests; values are read by version id,
never by label, so that a reader that lags can't mix two versions up; what the service says is translated here, once.
Reads may be up to 5 s old: whoever expects something that isn't there yet asks again for `CONSISTENCY_S`.
Source: AWS Secrets Manager API Reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)

from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.model import CURRENT, PENDING, Description, SecretValue, Stages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from mypy_boto3_secretsmanager import SecretsManagerClient

    from vaultgate_ops.clock import Clock

CONSISTENCY_S = 6.0
_POLL_S = 0.25
_NO_KEYS = (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, SSOError, TokenRetrievalError)
_DATES = ("CreatedDate", "LastRotatedDate", "LastChangedDate")


class Refusal(RotationError):
    """The service said no.

    Attributes:
        shape: the error's name in the API's model.
    """

    def __init__(self, code: str, shape: str, message: str, hint: str) -> None:
        super().__init__(code, message, hint)
        self.shape = shape


_MEANINGS = {
    "ResourceNotFoundException": "secret-missing",
    "AccessDeniedException": "aws-denied",
    "DecryptionFailure": "aws-denied",
    "EncryptionFailure": "aws-denied",
    "ThrottlingException": "aws-throttled",
    "InternalServiceError": "aws-throttled",
    "ParameterNotFound": "secret-missing",
    "ParameterVersionNotFound": "secret-missing",
    "InvalidKeyId": "aws-denied",
    "TooManyUpdates": "aws-throttled",
    "InternalServerError": "aws-throttled",
}


class Api:
    """One service in one region.

    Args:
        client: boto3's.
        clock: for waiting until something becomes visible.
    """

    def __init__(self, client: Any, clock: Clock) -> None:
        self._client, self._clock = client, clock

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Make one API call.

        Args:
            operation: boto3's name of it, such as ``describe_secret``.
            parameters: of the call.

        Raises:
            RotationError: the service refused or did not answer.
        """
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(**parameters)
        except ClientError as error:
            named = "" if "VersionId" in parameters else parameters.get("SecretId") or parameters.get("Name") or ""
            raise refusal(error, operation, f"{named!r} in {self._client.meta.region_name}" if named else "") from None
        except _NO_KEYS as error:
            raise RotationError(
                "aws-credentials",
                f"{operation} can't be signed, there are no usable AWS credentials: {type(error).__name__}.",
                "Set a profile or credentials as for the AWS command line, or give this machine a role.",
            ) from None
        except BotoCoreError as error:
            raise RotationError(
                "aws-unreachable",
                f"{operation} got no answer from {self._client.meta.endpoint_url}: {type(error).__name__}.",
                "Open a way to it from here: in a VPC the function's subnets need one to the service's endpoint.",
            ) from None
        return answer

    def eventually(self, holds: Callable[[], bool]) -> bool:
        """Ask until something is visible, as long as reads may lag."""
        deadline = self._clock.steady() + CONSISTENCY_S
        while not holds():
            if self._clock.steady() >= deadline:
                return False
            self._clock.sleep(_POLL_S)
        return True


class SecretsManager(Api):
    """The secrets of one region.

    Args:
        client: boto3's.
        clock: for waiting until something becomes visible.
    """

    def __init__(self, client: SecretsManagerClient, clock: Clock) -> None:
        super().__init__(client, clock)

    def describe(self, secret_id: str) -> Description:
        """The secret's stages, and whose it is."""
        answer = self.call("describe_secret", SecretId=secret_id)
        dates: list[datetime] = [answer[name] for name in _DATES if name in answer]
        return Description(
            arn=answer["ARN"],
            stages=Stages({key: frozenset(labels) for key, labels in answer.get("VersionIdsToStages", {}).items()}),
            rotation_enabled=bool(answer.get("RotationEnabled")),
            region=self._client.meta.region_name,
            primary_region=answer.get("PrimaryRegion"),
            owner=answer.get("OwningService", ""),
            changed_at=max((date.timestamp() for date in dates), default=0),
            tags={tag["Key"]: tag["Value"] for tag in answer.get("Tags", [])},
        )

    def value(self, secret_id: str, version: str, label: str) -> SecretValue:
        """A version's value.

        Args:
            secret_id: ARN or name.
            version: its id.
            label: for errors.

        Raises:
            RotationError: ``secret-missing``, ``secret-not-json``.
        """
        answer = self.call("get_secret_value", SecretId=secret_id, VersionId=version)
        return SecretValue.parse(answer.get("SecretString", ""), label, answer["VersionId"], answer["CreatedDate"].timestamp())

    def current(self, secret_id: str) -> SecretValue:
        """AWSCURRENT, for a secret of which nothing else is known."""
        answer = self.call("get_secret_value", SecretId=secret_id)
        return SecretValue.parse(answer.get("SecretString", ""), CURRENT, answer["VersionId"], answer["CreatedDate"].timestamp())

    def put(self, secret_id: str, token: str, value: SecretValue, rotation_token: str) -> bool:
        """Store the pending value under its token; gives whether it was ours that was stored.

        Args:
            secret_id: ARN or name.
            token: the version's id. Whatever it holds already stays: a version never changes.
            value: to store.
            rotation_token: of the event; empty for none.
        """
        passed_on = {"RotationToken": rotation_token} if rotation_token else {}
        parameters = {
            "SecretId": secret_id,
            "ClientRequestToken": token,
            "SecretString": value.text(),
            "VersionStages": [PENDING],
        }
        try:
            self.call("put_secret_value", **parameters, **passed_on)
        except Refusal as error:
            if error.shape != "ResourceExistsException":
                raise
            return False
        return True

    def promote(self, secret_id: str, token: str, former: str | None) -> None:
        """Give the token's version AWSCURRENT; fine if it has it already.

        Args:
            secret_id: ARN or name.
            token: the version to promote.
            former: the version that has AWSCURRENT.
        """
        removed = {"RemoveFromVersionId": former} if former else {}
        try:
            self.call("update_secret_version_stage", SecretId=secret_id, VersionStage=CURRENT, MoveToVersionId=token, **removed)
        except RotationError:
            # Perhaps an earlier attempt's answer was lost: then it has the label, as soon as we can see it.
            if not self.eventually(lambda: self.describe(secret_id).stages.holder(CURRENT) == token):
                raise

    def withdraw(self, secret_id: str, token: str) -> None:
        """Take AWSPENDING off a version that the service will never accept, so that the next rotation draws another."""
        self.call("update_secret_version_stage", SecretId=secret_id, VersionStage=PENDING, RemoveFromVersionId=token)

    def random_password(self, options: Mapping[str, Any]) -> str:
        """A new password.

        Args:
            options: parameters of GetRandomPassword.
        """
        password: str = self.call("get_random_password", **options)["RandomPassword"]
        return password


def refusal(error: ClientError, operation: str, where: str = "") -> Refusal:
    """What an API's refusal means.

    Args:
        error: boto3's.
        operation: boto3's name of the call.
        where: what it was about, and in which region; the service doesn't say what it didn't find.
    """
    shape = error.response.get("Error", {}).get("Code", "")
    words = error.response.get("Error", {}).get("Message", "")
    code = _MEANINGS.get(shape, "aws-refused")
    hint = ""
    if code == "aws-denied":
        hint = f"Allow {operation} for the function's role, and decryption with the secret's key."
    elif code == "secret-missing" and where:
        hint = f"There is no {where}: correct its name, or the region or account."
    return Refusal(code, shape, f"{operation}: {shape}: {words}", hint)
