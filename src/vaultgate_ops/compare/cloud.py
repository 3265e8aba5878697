"""What the comparison makes in an AWS account, be it emulated or real: made, tagged, used, removed.

Rules: every resource bears `TAG` with the run's name from the call that makes it, and only what bears it is ever
changed or removed. What is going to be made is noted in a file before, so that whatever interrupts, even SIGKILL, a later
`remove` finds it. Removing asks each resource for its tag first, goes on after a failure, and tells what is left. Values are
never noted.
"""

from __future__ import annotations

import base64
import json
import threading
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import BotoCoreError, ClientError

from vaultgate_ops.errors import CheckFailed, Denied
from vaultgate_ops.interruptions import uninterrupted
from vaultgate_ops.local.certificates import write_private

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    Clients = Callable[[str], AbstractContextManager[Any]]

TAG = "vaultgate:compare"
_GONE = frozenset({"ResourceNotFoundException", "ParameterNotFound", "NotFoundException", "InvalidResourceId"})
_UNKNOWN = "of the run"
_KEY_DAYS = 7  # the least that KMS takes


class Cloud:
    """The comparison's resources of one account and region.

    Args:
        clients: opens a client of a service with an administrator's keys.
        run: the run's name, of letters, digits and hyphens; part of each resource's name.
        ledger: file that says what was made.
        where: the account and the region, for the ledger.
    """

    def __init__(self, clients: Clients, run: str, ledger: Path, where: str = "") -> None:
        self._clients, self._run, self._ledger, self._where = clients, run, ledger, where
        self._key = ""
        # Leaks are made side by side.
        self._lock = threading.Lock()

    @classmethod
    def left_behind(cls, clients: Clients, ledger: Path, where: str = "") -> Cloud | None:
        """What an earlier run noted and did not remove; None where there is nothing.

        Raises:
            CheckFailed: it lies in another account or region, where these clients would find nothing and forget it.
        """
        if not ledger.exists():
            return None
        noted = json.loads(ledger.read_text(encoding="ascii"))
        if noted["where"] != where:
            raise CheckFailed(
                f"An interrupted comparison has left resources in {noted['where']}, and these credentials are for {where}.",
                f"Run it once more with credentials and region of {noted['where']}, or with another --output.",
            )
        return cls(clients, str(noted["run"]), ledger, where)

    def name(self, store: str) -> str:
        """What a store's resource is called."""
        return f"vaultgate-compare-{self._run}-{store}"

    def secret(self, store: str, text: str) -> str:
        """Make a secret of Secrets Manager; its ARN.

        Raises:
            Denied: AWS says no.
        """
        name = self.name(store)
        self._made("secret", name)
        with self._told(f"secret {name}"), self._clients("secretsmanager") as client:
            return str(client.create_secret(Name=name, SecretString=text, Tags=self._tags())["ARN"])

    def change_secret(self, store: str, text: str) -> None:
        """Give the secret a new value."""
        with self._clients("secretsmanager") as client:
            client.put_secret_value(SecretId=self.name(store), SecretString=text)

    def parameter(self, store: str, text: str) -> None:
        """Make a SecureString under the key ``alias/aws/ssm``.

        Raises:
            Denied: AWS says no.
        """
        name = self.name(store)
        self._made("parameter", name)
        with self._told(f"parameter {name}"), self._clients("ssm") as client:
            client.put_parameter(Name=name, Value=text, Type="SecureString", Tags=self._tags())

    def change_parameter(self, store: str, text: str) -> None:
        """Give the parameter a new value."""
        with self._clients("ssm") as client:
            client.put_parameter(Name=self.name(store), Value=text, Type="SecureString", Overwrite=True)

    def seal(self, text: str) -> str:
        """Encrypt with a key of KMS, which is made the first time; the ciphertext in base64.

        Raises:
            Denied: AWS says no.
        """
        with self._told("a key"), self._clients("kms") as client:
            if not self._key:
                # KMS chooses its id, so what is noted before is that there may be a key with our tag.
                self._made("key", _UNKNOWN)
                with uninterrupted():
                    tag = {"TagKey": TAG, "TagValue": self._run}
                    self._key = client.create_key(Description=self.name("env"), Tags=[tag])["KeyMetadata"]["KeyId"]
                    self._made("key", self._key)
            sealed = client.encrypt(KeyId=self._key, Plaintext=text.encode())["CiphertextBlob"]
        return base64.b64encode(sealed).decode("ascii")

    def remove(self) -> list[str]:
        """Remove all that the ledger names and bears the tag; gives the names of what was removed.

        Raises:
            CheckFailed: something is left; its name is in the message.
        """
        removed, left = [], []
        with uninterrupted():
            for kind, name in self._noted():
                try:
                    if self._removed(kind, name):
                        removed.append(name)
                except (ClientError, BotoCoreError) as error:
                    left.append(f"{kind} {name} ({type(error).__name__})")
            if left:
                raise CheckFailed(
                    f"Not removed from the account: {', '.join(left)}.", f"Remove what bears the tag {TAG}={self._run} by hand."
                )
            self._ledger.unlink(missing_ok=True)
        return removed

    def _unnoted_keys(self) -> list[str]:
        """The ids of our keys, if we died before one was noted: every key of the account is asked for its tag."""
        found: list[str] = []
        if any(kind == "key" and name != _UNKNOWN for kind, name in self._noted()):
            return found
        with self._clients("kms") as client:
            for page in client.get_paginator("list_keys").paginate():
                for key in page["Keys"]:
                    try:
                        tags = client.list_resource_tags(KeyId=key["KeyId"])["Tags"]
                    except ClientError as error:
                        if error.response["Error"]["Code"] != "AccessDeniedException":
                            raise
                        # Others' keys, whose policy says no: none that we made.
                        continue
                    if {"TagKey": TAG, "TagValue": self._run} in tags:
                        found.append(key["KeyId"])
        return found

    def _removed(self, kind: str, name: str) -> bool:
        if (kind, name) == ("key", _UNKNOWN):
            return sum(self._remove_key(key) for key in self._unnoted_keys()) > 0
        if kind == "secret":
            return self._remove_secret(name)
        if kind == "parameter":
            return self._remove_parameter(name)
        return self._remove_key(name)

    def _remove_secret(self, name: str) -> bool:
        with self._clients("secretsmanager") as client:
            try:
                seen = client.describe_secret(SecretId=name)
            except ClientError as error:
                return _gone(error)
            if not self._ours(seen.get("Tags", [])):
                return False
            client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
        return True

    def _remove_parameter(self, name: str) -> bool:
        with self._clients("ssm") as client:
            try:
                tags = client.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]
            except ClientError as error:
                return _gone(error)
            if not self._ours(tags):
                return False
            client.delete_parameter(Name=name)
        return True

    def _remove_key(self, name: str) -> bool:
        with self._clients("kms") as client:
            try:
                tags = client.list_resource_tags(KeyId=name)["Tags"]
                state = client.describe_key(KeyId=name)["KeyMetadata"]["KeyState"]
            except ClientError as error:
                return _gone(error)
            if {"TagKey": TAG, "TagValue": self._run} not in tags or state == "PendingDeletion":
                return False
            client.schedule_key_deletion(KeyId=name, PendingWindowInDays=_KEY_DAYS)
        return True

    def _tags(self) -> list[dict[str, str]]:
        return [{"Key": TAG, "Value": self._run}]

    def _ours(self, tags: list[dict[str, str]]) -> bool:
        return {"Key": TAG, "Value": self._run} in tags

    def _made(self, kind: str, name: str) -> None:
        with self._lock:
            made = [*self._noted(), (kind, name)]
            write_private(self._ledger, json.dumps({"run": self._run, "where": self._where, "made": made}).encode())

    def _noted(self) -> list[tuple[str, str]]:
        if not self._ledger.exists():
            return []
        return [(kind, name) for kind, name in json.loads(self._ledger.read_text(encoding="ascii"))["made"]]

    def _told(self, what: str) -> _Told:
        return _Told(what)


class _Told:
    """AWS's refusals in our words."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> Literal[False]:
        if isinstance(error, ClientError):
            code = error.response["Error"]["Code"]
            raise Denied(
                f"AWS doesn't let {self._what} be made ({code}).", "Use credentials that may make and tag it."
            ) from error
        return False


def _gone(error: ClientError) -> bool:
    """False where there is nothing to remove.

    Raises:
        ClientError: it says something else.
    """
    if error.response["Error"]["Code"] in _GONE:
        return False
    raise error
