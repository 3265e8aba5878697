"""The two places that a sync writes to, behind one small interface.

Rules: tags are looked at before a value is, so that nobody else's is read; what is made carries its tags from the first moment;
what is written is marked afterwards, and a sync that was broken off in between marks it the next time. Throttling and 5xx are
tried again by boto3, with jittered pauses. What a service says is told without the value that it may quote.
Source: AWS Secrets Manager API Reference; AWS Systems Manager API Reference.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from vaultgate_ops.bootstrap.model import HIDDEN, Hidden
from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.service import Api, Refusal
from vaultgate_ops.sync.model import OWNER, RECOVERY_DAYS, Entry, Found, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from vaultgate_ops.clock import Clock

_MANAGED_TAG = "aws:secretsmanager:owningService"
_TIERS = {Kind.PARAMETER: "Standard", Kind.ADVANCED: "Advanced"}


class Target(Protocol):
    """Where values go. Each method raises a `RotationError` that says why it can't."""

    def look(self, entry: Entry, owner: str) -> Found | None:
        """What is there; its value only where the owner's tag is."""

    def owned(self, owner: str) -> Iterator[str]:
        """The names of all that have an owner's tag and may be written here."""

    def create(self, entry: Entry, value: Hidden, tags: Mapping[str, str]) -> None:
        """Make what isn't there; refused where it is."""

    def write(self, entry: Entry, value: Hidden, tags: Mapping[str, str], *, rekey: bool) -> None:
        """Put a value into what is there, under another key if need be, and mark it."""

    def mark(self, entry: Entry, tags: Mapping[str, str]) -> None:
        """Tag what is there."""

    def bring_back(self, entry: Entry) -> None:
        """Call a deletion off."""

    def remove(self, entry: Entry) -> None:
        """Delete it, recoverably where the service can."""


class Secrets:
    """Secrets Manager of one region.

    Args:
        client: boto3's.
        clock: for waiting.
    """

    def __init__(self, client: Any, clock: Clock) -> None:
        self._api, self._region = Api(client, clock), client.meta.region_name

    def look(self, entry: Entry, owner: str) -> Found | None:
        """See `Target`."""
        try:
            seen = self._call("describe_secret", SecretId=entry.name)
        except Refusal as error:
            if error.code == "secret-missing":
                return None
            raise
        tags = {tag["Key"]: tag["Value"] for tag in seen.get("Tags", [])}
        primary = seen.get("PrimaryRegion", "")
        found = Found(
            tags,
            manager=seen.get("OwningService", "") or tags.get(_MANAGED_TAG, ""),
            primary="" if primary == self._region else primary,
            rotated=bool(seen.get("RotationEnabled")),
            going="DeletedDate" in seen,
        )
        theirs = tags.get(OWNER) != owner or found.manager or found.primary or found.rotated
        return found if theirs or found.going else replace(found, value=self._value(entry))

    def owned(self, owner: str) -> Iterator[str]:
        """See `Target`. The service's filters match beginnings, and the value of any tag; a replica is its primary's."""
        filters = [{"Key": "tag-key", "Values": [OWNER]}, {"Key": "tag-value", "Values": [owner]}]
        for one in _pages(self._call, "list_secrets", "SecretList", Filters=filters):
            if {"Key": OWNER, "Value": owner} in one.get("Tags", []) and one.get("PrimaryRegion", self._region) == self._region:
                yield one["Name"]

    def create(self, entry: Entry, value: Hidden, tags: Mapping[str, str]) -> None:
        """See `Target`."""
        key = {"KmsKeyId": entry.key} if entry.key else {}
        self._call("create_secret", value, Name=entry.name, SecretString=value.reveal(), Tags=_listed(tags), **key)

    def write(self, entry: Entry, value: Hidden, tags: Mapping[str, str], *, rekey: bool) -> None:
        """See `Target`. The key first, so that no value is ever under another one than is wanted."""
        if rekey:
            self._call("update_secret", SecretId=entry.name, KmsKeyId=entry.key)  # empty: the account's own
        self._call("put_secret_value", value, SecretId=entry.name, SecretString=value.reveal())
        self.mark(entry, tags)

    def mark(self, entry: Entry, tags: Mapping[str, str]) -> None:
        """See `Target`."""
        self._call("tag_resource", SecretId=entry.name, Tags=_listed(tags))

    def bring_back(self, entry: Entry) -> None:
        """See `Target`."""
        self._call("restore_secret", SecretId=entry.name)

    def remove(self, entry: Entry) -> None:
        """See `Target`. It can be restored for a month."""
        self._call("delete_secret", SecretId=entry.name, RecoveryWindowInDays=RECOVERY_DAYS)

    def _value(self, entry: Entry) -> Hidden | None:
        try:
            text = self._call("get_secret_value", SecretId=entry.name).get("SecretString")
        except Refusal as error:
            if error.code == "secret-missing":  # made without a value
                return None
            raise
        return None if text is None else Hidden(text)

    def _call(self, operation: str, value: Hidden | None = None, /, **parameters: Any) -> dict[str, Any]:
        return _called(self._api, operation, value, parameters)


class Parameters:
    """Parameter Store of one region: SecureStrings only.

    Args:
        client: boto3's.
        clock: for waiting.
    """

    def __init__(self, client: Any, clock: Clock) -> None:
        self._api = Api(client, clock)

    def look(self, entry: Entry, owner: str) -> Found | None:
        """See `Target`."""
        try:
            listed = self._call("list_tags_for_resource", ResourceType="Parameter", ResourceId=entry.name)["TagList"]
        except Refusal as error:
            if error.shape == "InvalidResourceId":
                return None
            raise
        tags = {tag["Key"]: tag["Value"] for tag in listed}
        if tags.get(OWNER) != owner:
            return Found(tags)
        seen = self._call("get_parameter", Name=entry.name, WithDecryption=True)["Parameter"]
        return Found(tags, Hidden(seen["Value"]), open=seen["Type"] != "SecureString")

    def owned(self, owner: str) -> Iterator[str]:
        """See `Target`."""
        filters = [{"Key": f"tag:{OWNER}", "Option": "Equals", "Values": [owner]}]
        for one in _pages(self._call, "describe_parameters", "Parameters", ParameterFilters=filters):
            yield one["Name"]

    def create(self, entry: Entry, value: Hidden, tags: Mapping[str, str]) -> None:
        """See `Target`."""
        try:
            self._put(entry, value, Tags=_listed(tags))
        except Refusal as error:
            # boto3 asks again where an answer was lost; unlike Secrets Manager this service doesn't know the request again.
            made = self.look(entry, tags[OWNER]) if error.shape == "ParameterAlreadyExists" else None
            if made is None or (made.tags, made.value) != (tags, value):
                raise

    def write(self, entry: Entry, value: Hidden, tags: Mapping[str, str], *, rekey: bool) -> None:  # noqa: ARG002 - each version has its key
        """See `Target`."""
        self._put(entry, value, Overwrite=True)
        self.mark(entry, tags)

    def mark(self, entry: Entry, tags: Mapping[str, str]) -> None:
        """See `Target`."""
        self._call("add_tags_to_resource", ResourceType="Parameter", ResourceId=entry.name, Tags=_listed(tags))

    def bring_back(self, entry: Entry) -> None:
        """See `Target`: nothing here waits for its deletion."""

    def remove(self, entry: Entry) -> None:
        """See `Target`. Parameter Store has no way back."""
        self._call("delete_parameter", Name=entry.name)

    def _put(self, entry: Entry, value: Hidden, **more: Any) -> None:
        key = {"KeyId": entry.key} if entry.key else {}
        about = {"Name": entry.name, "Type": "SecureString", "Tier": _TIERS[entry.kind], **key}
        self._call("put_parameter", value, Value=value.reveal(), **about, **more)

    def _call(self, operation: str, value: Hidden | None = None, /, **parameters: Any) -> dict[str, Any]:
        return _called(self._api, operation, value, parameters)


def _called(api: Api, operation: str, value: Hidden | None, parameters: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return api.call(operation, **parameters)
    except RotationError as error:
        failure = error
    # Raised out here: the cause knows the request, and with it what was sent.
    words = failure.message
    if value is not None:
        text = str(value.reveal())
        for quoted in (text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
            words = words.replace(quoted, HIDDEN)
    hint = (
        f"Allow {operation} on it for whoever runs this, and the use of its key."
        if failure.code == "aws-denied"
        else failure.hint
    )
    if isinstance(failure, Refusal):
        raise Refusal(failure.code, failure.shape, words, hint)
    raise RotationError(failure.code, words, hint)


def _pages(call: Callable[..., dict[str, Any]], operation: str, entries: str, **asked: Any) -> Iterator[dict[str, Any]]:
    more: dict[str, Any] = {}
    while True:
        answer = call(operation, **asked, **more)
        yield from answer[entries]
        if not answer.get("NextToken"):
            return
        more = {"NextToken": answer["NextToken"]}


def _listed(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": name, "Value": text} for name, text in tags.items()]
