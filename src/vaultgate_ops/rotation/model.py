"""The words of a rotation: steps, stages, values.

Rules: everything here is immutable; a value never prints; a secret's text is parsed in one place, with one clear error that
names the field. Source of the event and of the stages: AWS Secrets Manager User Guide, "Rotation by Lambda function".
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from vaultgate_ops.rotation.errors import RotationError

if TYPE_CHECKING:
    from collections.abc import Mapping

CURRENT, PENDING, PREVIOUS = "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"


class Step(Enum):
    """What Secrets Manager asks for, in this order."""

    CREATE = "createSecret"
    SET = "setSecret"
    TEST = "testSecret"
    FINISH = "finishSecret"


# ``createSecret`` in the events of old, ``create_secret`` in newer documentation.
_SPELLINGS = {step.value.lower(): step for step in Step}


@dataclass(frozen=True)
class Request:
    """One event of Secrets Manager.

    Attributes:
        token: the ClientRequestToken; the new version's id.
        rotation_token: has to be passed on with the new value; empty where the event has none.
    """

    secret_id: str
    token: str
    step: Step
    rotation_token: str = ""

    @classmethod
    def parse(cls, event: Mapping[str, Any]) -> Request:
        """Read an event, with the old or the new spelling of the step.

        Raises:
            RotationError: ``event-malformed``.
        """
        texts = {name: event.get(name, "") for name in ("SecretId", "ClientRequestToken", "Step", "RotationToken")}
        for name, text in texts.items():
            if not isinstance(text, str) or (not text and name != "RotationToken"):
                raise RotationError("event-malformed", f"The event's {name} is missing or no text.")
        step = _SPELLINGS.get(texts["Step"].replace("_", "").lower())
        if step is None:
            valid = ", ".join(one.value for one in Step)
            raise RotationError("event-malformed", f"The event's Step is {texts['Step']!r}.", f"It must be one of: {valid}.")
        return cls(texts["SecretId"], texts["ClientRequestToken"], step, texts["RotationToken"])


@dataclass(frozen=True)
class Stages:
    """Which version has which label.

    Attributes:
        labels: version id to its labels; versions without any are not listed.
    """

    labels: Mapping[str, frozenset[str]]

    def holder(self, label: str) -> str | None:
        """The version that has a label."""
        return next((version for version, labels in self.labels.items() if label in labels), None)


@dataclass(frozen=True)
class Description:
    """What DescribeSecret says, as far as it matters here.

    Attributes:
        arn: also where it was asked for by name.
        region: of the question; primary_region: of the secret, None unless it is replicated.
        owner: the service of AWS that manages it; empty for the user's own.
        changed_at: the latest of all dates that it gives, in seconds since 1970; 0 where there is none.
        tags: of the secret, AWS's own included.
    """

    arn: str
    stages: Stages
    rotation_enabled: bool = True
    region: str = ""
    primary_region: str | None = None
    owner: str = ""
    changed_at: float = 0
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SecretValue:
    """A secret's JSON object; it keeps its values out of its text.

    Attributes:
        version: its id.
        created_at: when it was stored, in seconds since 1970.
    """

    fields: Mapping[str, Any] = field(repr=False)
    version: str = ""
    created_at: float = 0

    @classmethod
    def parse(cls, text: str, label: str, version: str = "", created_at: float = 0) -> SecretValue:
        """Read a stored text.

        Args:
            text: JSON.
            label: of the version, for the error.
            version: its id.
            created_at: its date.

        Raises:
            RotationError: ``secret-not-json``.
        """
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError):  # its text quotes what it could not read
            fields = None
        if not isinstance(fields, dict):
            raise RotationError(
                "secret-not-json",
                f"The secret's {label} is not a JSON object.",
                'Store an object such as {"engine": "mysql", "host": "...", "username": "...", "password": "..."}.',
            )
        return cls(fields, version, created_at)

    def text(self) -> str:
        """The JSON to store."""
        return json.dumps(dict(self.fields), ensure_ascii=False)


@dataclass(frozen=True)
class Change:
    """The values of one rotation.

    Attributes:
        secret_id: ARN.
        current: what clients use.
        pending: what they will use; None while there is none.
        previous: what they used before; None if there was none, or if it can't be read as a value.
    """

    secret_id: str
    current: SecretValue
    pending: SecretValue | None = None
    previous: SecretValue | None = None
