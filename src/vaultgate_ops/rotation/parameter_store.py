"""The door to Parameter Store, which knows versions and no stages: it tells from a version's number which stage it would have.

| stage | version |
|---|---|
| AWSCURRENT | the latest one, N: what GetParameter gives everybody who names no version |
| AWSPENDING | N + 1, which isn't there yet: its value waits in a parameter of its own, ``/vaultgate-pending<name>/<N + 1>`` |
| AWSPREVIOUS | the youngest one before N that has another value |

Rules: whatever is put into the parameter is current at once, so nothing is put there but a value that has just logged in; and
what would keep it from being put there is found before the server hears of it, since with `single` it is the only one then. The
pending parameter's name holds the number of the version that it will be: who creates it first wins, and who believes in an
older N finds the name taken. It stays until the next rotation ends, as AWSPENDING stays on AWSCURRENT; so no name is taken again
soon after its end, which the service doesn't allow. Labels are left to their users, and can't begin with AWS anyway. All that
PutParameter would else set back, the key first of all, is passed on from the latest version.
Source: AWS Systems Manager API Reference, PutParameter, GetParameters, LabelParameterVersion, DeleteParameter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.model import CURRENT, PENDING, PREVIOUS, Description, SecretValue, Stages
from vaultgate_ops.rotation.service import Api, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vaultgate_ops.clock import Clock

PENDING_ROOT = "/vaultgate-pending"
_SECURE = "SecureString"
# GetParameters and DeleteParameters take ten names; so far back are values looked for that wait though they shouldn't.
_MOST_NAMES = 10
_MOST_VERSIONS = 100
_NAME = re.compile(r"[\w./-]+", re.ASCII)
_KEPT = ("Description", "KeyId", "AllowedPattern", "Tier", "DataType")


def pending_name(name: str, version: int | str) -> str:
    """The parameter in which a version's value waits."""
    return f"{PENDING_ROOT}/{name.removeprefix('/')}/{version}"


@dataclass(frozen=True)
class Stored:
    """A value as it is stored.

    Attributes:
        at: seconds since 1970.
    """

    text: str = field(repr=False)
    version: int
    at: float


class ParameterStore(Api):
    """The SecureStrings of one region, seen by one rotation.

    Args:
        client: boto3's.
        clock: for waiting until something becomes visible.
        token: the version that the rotation is to make; it is pending as soon as it is the next one. Empty to look only.
    """

    def __init__(self, client: Any, clock: Clock, token: str = "") -> None:
        super().__init__(client, clock)
        self._token = token

    def describe(self, secret_id: str) -> Description:
        """The stages that its versions would have.

        Raises:
            RotationError: ``parameter-name``, ``secret-missing``, ``parameter-plain``, ``parameter-stray``.
        """
        if _NAME.fullmatch(secret_id) is None:
            # By a version or a label an older value would be taken for the one that everybody uses.
            raise RotationError(
                "parameter-name", f"{secret_id!r} is no parameter's name.", "Give it without an ARN, a version or a label."
            )
        latest = self._get(secret_id)
        # No version has another one's number: whoever looks for the first holder of AWSCURRENT finds the latest.
        labels = {str(latest.version): {CURRENT}}
        for number, waiting in sorted(self._waiting(secret_id, latest.version).items()):
            if number > latest.version and waiting.at >= latest.at:
                labels[str(number)] = {PENDING}
            elif number <= latest.version and waiting.text == latest.text:
                labels.setdefault(str(number), set()).add(CURRENT)
            elif number > latest.version or not self._was(secret_id, number, waiting.text):
                raise _stray(secret_id, number)
        if self._token == str(latest.version + 1):
            labels.setdefault(self._token, set()).add(PENDING)
        previous = self._before(secret_id, latest)
        if previous is not None:
            labels[str(previous)] = {PREVIOUS}
        stages = Stages({version: frozenset(names) for version, names in labels.items()})
        return Description(arn=secret_id, stages=stages, region=self._client.meta.region_name, changed_at=latest.at)

    def value(self, secret_id: str, version: str, label: str) -> SecretValue:
        """A version's value, or that which waits to become it.

        Raises:
            RotationError: ``secret-missing``, ``secret-not-json``.
        """
        found = self._get(pending_name(secret_id, version) if label == PENDING else f"{secret_id}:{version}")
        return SecretValue.parse(found.text, label, version, found.at)

    def put(self, secret_id: str, token: str, value: SecretValue, rotation_token: str) -> bool:  # noqa: ARG002 - the protocol's
        """Let a value wait; gives whether it was ours that was stored."""
        versions = self._versions(secret_id)
        oldest, latest = versions[0], versions[-1]
        if len(versions) >= _MOST_VERSIONS and oldest.get("Labels"):
            labels = ", ".join(oldest["Labels"])
            raise RotationError(
                "parameter-full",
                f"Version {oldest['Version']} of {secret_id}, the oldest of {_MOST_VERSIONS}, has the label {labels}.",
                "Move it to a younger version: until then Parameter Store takes no new one.",
            )
        alike = {name: latest[name] for name in ("KeyId", "Tier", "AllowedPattern") if latest.get(name)}
        name = pending_name(secret_id, token)
        try:
            self.call(
                "put_parameter",
                Name=name,
                Value=value.text(),
                Type=_SECURE,
                Description=f"Waits to become version {token} of {secret_id}, then until the next one has",
                **alike,
            )
        except Refusal as error:
            if error.shape != "ParameterAlreadyExists":
                raise
            return False
        return True

    def promote(self, secret_id: str, token: str, former: str | None) -> None:  # noqa: ARG002 - the latest one is the former
        """Put the value that waits into the parameter, which makes it current; fine if it is so already."""
        number, text = int(token), self._get(pending_name(secret_id, token)).text
        latest = self._versions(secret_id)[-1]
        if latest["Version"] >= number:
            if not self._are(secret_id, range(number, latest["Version"] + 1), text):
                raise _stray(secret_id, number)
            return
        # What waited for earlier versions goes before the one call that counts, so that nothing is left to do after it.
        older = [pending_name(secret_id, before) for before in range(max(1, number - _MOST_NAMES), number)]
        if older:
            self.call("delete_parameters", Names=older)
        kept = {key: latest[key] for key in _KEPT if latest.get(key)}
        try:
            made = self.call("put_parameter", Name=secret_id, Value=text, Type=_SECURE, Overwrite=True, **kept)["Version"]
        except RotationError:
            # Perhaps only the answer was lost: then it is the latest, as soon as we can see it.
            if not self.eventually(lambda: self._get(secret_id).text == text):
                raise
            made = self._get(secret_id).version
        # The service knows no condition to put on a version's number.
        if not self._are(secret_id, range(number, made), text):
            raise RotationError(
                "parameter-stray",
                f"Somebody stored version {number} of {secret_id} while version {made} was stored, the rotation's.",
                "What logs in now is the rotation's; if the other one has to, store that again.",
            )

    def withdraw(self, secret_id: str, token: str) -> None:
        """Delete a value that waits, so that the next rotation draws another."""
        self.call("delete_parameter", Name=pending_name(secret_id, token))

    def _get(self, name: str) -> Stored:
        found = self.call("get_parameter", Name=name, WithDecryption=True)["Parameter"]
        if found["Type"] != _SECURE:
            raise RotationError(
                "parameter-plain",
                f"{name} is a {found['Type']}: whoever may list it can read it.",
                "Store it as a SecureString, under a new name or after deleting it.",
            )
        return _stored(found)

    def _waiting(self, name: str, latest: int) -> Mapping[int, Stored]:
        """What waits, or did lately, by the version's number."""
        names = {pending_name(name, n): n for n in range(latest + 1, max(0, latest + 1 - _MOST_NAMES), -1)}
        found = self.call("get_parameters", Names=list(names), WithDecryption=True)["Parameters"]
        return {names[one["Name"]]: _stored(one) for one in found}

    def _was(self, name: str, version: int, text: str) -> bool:
        """Whether a value became the version that it waited for."""
        try:
            return self._get(f"{name}:{version}").text == text
        except RotationError as error:
            if error.code != "secret-missing":
                raise
            return False

    def _before(self, name: str, latest: Stored) -> int | None:
        # An answer that was lost may have made two versions of one value, but hardly three.
        for version in (latest.version - 1, latest.version - 2):
            if version > 0 and not self._was(name, version, latest.text):
                return version
        return None

    def _are(self, name: str, versions: range, text: str) -> bool:
        """Whether all of them have this value, as soon as they can be seen."""
        return self.eventually(lambda: all(self._was(name, version, text) for version in versions))

    def _versions(self, name: str) -> list[dict[str, Any]]:
        """All that there are, the latest one at the end, without their values."""
        found: list[dict[str, Any]] = []
        more: dict[str, Any] = {}
        while True:
            answer = self.call("get_parameter_history", Name=name, **more)
            found += answer["Parameters"]
            if not answer.get("NextToken"):
                return sorted(found, key=lambda one: one["Version"])
            more = {"NextToken": answer["NextToken"]}


def _stored(found: Mapping[str, Any]) -> Stored:
    return Stored(found["Value"], found["Version"], found["LastModifiedDate"].timestamp())


def _stray(name: str, version: int) -> RotationError:
    waiting = pending_name(name, version)
    return RotationError(
        "parameter-stray",
        f"A value waits in {waiting} that never became version {version} of {name}: somebody stored another one meanwhile.",
        f"If the server takes the latest version of {name}, delete {waiting}; else store there what the server takes first.",
    )
