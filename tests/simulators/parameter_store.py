"""AWS Systems Manager Parameter Store with state, as strict as its documentation: what it lets pass, the service lets pass.

Rules: the latest version is what everybody reads; a version never changes; what a new version isn't given it doesn't inherit,
for the reference promises that of the tier and the policies only; what is read may be up to `lag_s` old, what is written never
is. Where AWS documents a rule but not the error, the comment says "assumed".
Sources: AWS Systems Manager API Reference (each operation's page; the shapes of its errors), User Guide, "Working with parameter
labels", "Requirements and constraints for parameter names".
"""

from __future__ import annotations

import copy
import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.simulators.secrets_manager import ACCOUNT, HOME, LONGEST_LAG_S, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from vaultgate_ops.clock import Clock

_NAME = re.compile(r"/?[a-zA-Z0-9_.-]+(/[a-zA-Z0-9_.-]+)*")
_LABEL = re.compile(r"[a-zA-Z0-9_.-]{1,100}")
_MOST_LEVELS, _MOST_VERSIONS, _MOST_LABELS, _MOST_NAMES, _PAGE = 15, 100, 10, 10, 50
_LARGEST = {"Standard": 4096, "Advanced": 8192}
_REST_S = 30
_READS = frozenset({"GetParameter", "GetParameters", "GetParameterHistory", "DescribeParameters", "ListTagsForResource"})
_DEFAULT_KEY = "alias/aws/ssm"


@dataclass
class Version:
    """One value; `kept` is what else it was put with."""

    value: str
    at: float
    kept: dict[str, Any]
    labels: list[str] = field(default_factory=list)


@dataclass
class Parameter:
    """One parameter, its versions by number."""

    name: str
    kind: str
    versions: dict[int, Version] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def latest(self) -> int:
        """Its highest number."""
        return max(self.versions)

    def make_room(self) -> None:
        """Forget the oldest version if there are as many as may be."""
        if len(self.versions) >= _MOST_VERSIONS:
            oldest = min(self.versions)
            if self.versions[oldest].labels:
                raise Refusal("ParameterMaxVersionLimitExceeded", f"Version {oldest}, the oldest version, can't be deleted.")
            del self.versions[oldest]


class SimulatedParameterStore:
    """The service of one account and region. Safe for threads.

    Args:
        clock: whose wall dates the versions and tells what a lagging read sees.

    Attributes:
        lag_s: how old the state is that reads see, at most 5 s; or a function that says it for each read.
        calls: operations that arrived, in order.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._parameters: dict[str, Parameter] = {}
        self._deleted: dict[str, float] = {}
        self._past: list[tuple[float, dict[str, Parameter]]] = [(float("-inf"), {})]
        self._lock = threading.RLock()
        self.lag_s: float | Callable[[], float] = 0.0
        self.calls: list[str] = []
        self._operations: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "PutParameter": self._put,
            "GetParameter": self._get,
            "GetParameters": self._get_several,
            "GetParameterHistory": self._history,
            "DescribeParameters": self._describe,
            "DeleteParameter": self._delete,
            "DeleteParameters": self._delete_several,
            "LabelParameterVersion": self._label,
            "ListTagsForResource": self._tags,
            "AddTagsToResource": self._tag,
        }

    def call(self, operation: str, parameters: dict[str, Any], region: str = HOME) -> dict[str, Any]:
        """Serve one request.

        Raises:
            Refusal: with the API's error.
        """
        with self._lock:
            self.calls.append(operation)
            serve = self._operations.get(operation)
            if serve is None or region != HOME:
                raise Refusal("UnknownOperationException", "", 404)
            answer = serve(parameters)
            if operation not in _READS:
                self._remember()
            return answer

    # --- what a test looks at, without any lag ---

    def value(self, name: str) -> str:
        """What everybody reads."""
        with self._lock:
            return self._parameters[name].versions[self._parameters[name].latest].value

    def names(self) -> list[str]:
        """Of all parameters."""
        with self._lock:
            return sorted(self._parameters)

    # --- reads ---

    def _get(self, asked: dict[str, Any]) -> dict[str, Any]:
        name, _, selector = asked["Name"].partition(":")
        return {"Parameter": self._shown(name, selector, decrypted=asked.get("WithDecryption", False))}

    def _get_several(self, asked: dict[str, Any]) -> dict[str, Any]:
        names = asked["Names"]
        if not 1 <= len(names) <= _MOST_NAMES or len(set(names)) != len(names):
            raise _invalid(f"Value '{names}' at 'names' failed to satisfy constraint: 1 to 10, none of them twice")
        found, invalid = [], []
        for name in names:
            try:
                found.append(self._get({**asked, "Name": name})["Parameter"])
            except Refusal:
                invalid.append(name)
        return {"Parameters": found, "InvalidParameters": invalid}

    def _history(self, asked: dict[str, Any]) -> dict[str, Any]:
        parameter = self._visible(asked["Name"])
        start, decrypted = int(asked.get("NextToken", 0)), asked.get("WithDecryption", False)
        numbers = sorted(parameter.versions)
        page = numbers[start : start + asked.get("MaxResults", _PAGE)]
        shown = [
            {
                **_told(parameter, number, decrypted=decrypted),
                **parameter.versions[number].kept,
                "Labels": list(parameter.versions[number].labels),
            }
            for number in page
        ]
        more = start + len(page)
        return {"Parameters": shown, **({"NextToken": str(more)} if more < len(numbers) else {})}

    def _describe(self, asked: dict[str, Any]) -> dict[str, Any]:
        state, filters = self._state(), asked.get("ParameterFilters", [])
        for wrong in (value for one in filters if one["Key"] == "Name" for value in one["Values"] if not _NAME.fullmatch(value)):
            raise _invalid(f"Parameter name {wrong!r} is not valid.")  # assumed
        names = [name for name in sorted(state) if all(_fits(state[name], one) for one in filters)]
        start, size = int(asked.get("NextToken", 0)), asked.get("MaxResults", _PAGE)
        shown = []
        for name in names[start : start + size]:
            told = _told(state[name], state[name].latest, decrypted=False)
            shown.append({key: told[key] for key in ("Name", "Type", "Version", "LastModifiedDate", "ARN")})
        more = start + len(shown)
        return {"Parameters": shown, **({"NextToken": str(more)} if more < len(names) else {})}

    def _tags(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {"TagList": [{"Key": key, "Value": value} for key, value in self._tagged(asked, self._state()).tags.items()]}

    # --- writes ---

    def _put(self, asked: dict[str, Any]) -> dict[str, Any]:
        name, value = asked["Name"], asked["Value"]
        _check_name(name)
        known = self._parameters.get(name)
        if known is not None and not asked.get("Overwrite"):
            raise Refusal(
                "ParameterAlreadyExists", "The parameter already exists. To overwrite this value, set the overwrite option."
            )
        tier = asked.get("Tier") or (known.versions[known.latest].kept["Tier"] if known else "Standard")
        _check_value(value, tier)
        if asked.get("AllowedPattern") and not re.search(asked["AllowedPattern"], value):
            raise Refusal("ParameterPatternMismatchException", "Parameter value can't be validated against allowedPattern.")
        kept = {key: asked[key] for key in ("Description", "AllowedPattern", "DataType") if asked.get(key)}
        if known is None:
            known = self._created(asked)
        elif asked.get("Tags"):
            raise _invalid("Invalid request: tags and overwrite can't be used together.")
        elif asked.get("Type", known.kind) != known.kind:
            raise Refusal("HierarchyTypeMismatchException", "Parameter Store doesn't support changing a parameter type.")
        if known.kind == "SecureString":
            kept["KeyId"] = asked.get("KeyId") or _DEFAULT_KEY
        number = max(known.versions, default=0) + 1
        known.make_room()
        known.versions[number] = Version(value, self._clock.wall(), {**kept, "Tier": tier})
        return {"Version": number, "Tier": tier}

    def _created(self, asked: dict[str, Any]) -> Parameter:
        name = asked["Name"]
        if "Type" not in asked:
            raise _invalid("A parameter type is required when you create a parameter.")
        if self._clock.wall() - self._deleted.get(name, float("-inf")) < _REST_S:
            raise Refusal("TooManyUpdates", f"{name} was deleted less than {_REST_S} s ago.")  # assumed
        tags = {tag["Key"]: tag["Value"] for tag in asked.get("Tags", [])}
        made = self._parameters[name] = Parameter(name, asked["Type"], tags=tags)
        return made

    def _delete(self, asked: dict[str, Any]) -> dict[str, Any]:
        self._found(asked["Name"], self._parameters)
        del self._parameters[asked["Name"]]
        self._deleted[asked["Name"]] = self._clock.wall()
        return {}

    def _delete_several(self, asked: dict[str, Any]) -> dict[str, Any]:
        if not 1 <= len(asked["Names"]) <= _MOST_NAMES:
            raise _invalid("Member must have length between 1 and 10")
        there = [name for name in asked["Names"] if name in self._parameters]
        for name in there:
            self._delete({"Name": name})
        return {"DeletedParameters": there, "InvalidParameters": [name for name in asked["Names"] if name not in there]}

    def _tag(self, asked: dict[str, Any]) -> dict[str, Any]:
        self._tagged(asked, self._parameters).tags.update({tag["Key"]: tag["Value"] for tag in asked["Tags"]})
        return {}

    def _tagged(self, asked: dict[str, Any], among: dict[str, Parameter]) -> Parameter:
        if asked["ResourceId"] not in among:
            raise Refusal(
                "InvalidResourceId", "The resource ID is not valid. Verify that you entered the correct ID and try again."
            )
        return among[asked["ResourceId"]]

    def _label(self, asked: dict[str, Any]) -> dict[str, Any]:
        parameter = self._found(asked["Name"], self._parameters)
        number = asked.get("ParameterVersion") or parameter.latest
        if number not in parameter.versions:
            raise Refusal("ParameterVersionNotFound", f"Systems Manager could not find version {number} of {parameter.name}.")
        valid = [one for one in asked["Labels"] if _LABEL.fullmatch(one) and not re.match(r"(?i)aws|ssm|\d", one)]
        labels = parameter.versions[number].labels
        if len(set(labels) | set(valid)) > _MOST_LABELS:
            raise Refusal("ParameterVersionLabelLimitExceeded", "A parameter version can have a maximum of ten labels.")
        for version in parameter.versions.values():
            version.labels = [one for one in version.labels if one not in valid]
        parameter.versions[number].labels += valid
        return {"InvalidLabels": [one for one in asked["Labels"] if one not in valid], "ParameterVersion": number}

    # --- what is seen ---

    def _shown(self, name: str, selector: str, *, decrypted: bool) -> dict[str, Any]:
        parameter = self._visible(name)
        if not selector:
            return _told(parameter, parameter.latest, decrypted=decrypted)
        if selector.isdigit():
            number: int | None = int(selector) if int(selector) in parameter.versions else None
        else:
            number = next((one for one, version in parameter.versions.items() if selector in version.labels), None)
        if number is None:
            raise Refusal("ParameterVersionNotFound", f"Systems Manager could not find version {selector} of {name}.")
        return _told(parameter, number, decrypted=decrypted)

    def _visible(self, name: str) -> Parameter:
        return self._found(name, self._state())

    def _state(self) -> dict[str, Parameter]:
        lag_s = self.lag_s() if callable(self.lag_s) else self.lag_s
        if not 0 <= lag_s <= LONGEST_LAG_S:
            raise ValueError(lag_s)
        if lag_s == 0:
            return self._parameters
        instant = self._clock.wall() - lag_s
        return next(state for at, state in reversed(self._past) if at <= instant)

    def _found(self, name: str, among: dict[str, Parameter]) -> Parameter:
        if name not in among:
            raise Refusal("ParameterNotFound", f"Parameter {name} not found.")
        return among[name]

    def _remember(self) -> None:
        now = self._clock.wall()
        oldest = next((n for n, (at, _) in reversed(list(enumerate(self._past))) if at <= now - LONGEST_LAG_S), 0)
        self._past = [*self._past[oldest:], (now, copy.deepcopy(self._parameters))]


def _fits(parameter: Parameter, asked: dict[str, Any]) -> bool:
    key, values = asked["Key"], asked.get("Values", [])
    if key == "Name" and asked.get("Option") == "Equals":
        return parameter.name in values
    if key == "Path" and asked.get("Option") == "Recursive":
        return any(parameter.name.startswith(f"{value.rstrip('/')}/") for value in values)
    if key.startswith("tag:"):
        found = parameter.tags.get(key.removeprefix("tag:"))
        return found is not None and (not values or found in values)
    raise Refusal("InvalidFilterKey", "The specified key isn't valid.")


def _told(parameter: Parameter, number: int, *, decrypted: bool) -> dict[str, Any]:
    version = parameter.versions[number]
    plain = decrypted or parameter.kind != "SecureString"
    return {
        "Name": parameter.name,
        "Type": parameter.kind,
        "Value": version.value if plain else f"enciphered with {version.kept['KeyId']}",
        "Version": number,
        "LastModifiedDate": version.at,
        "ARN": f"arn:aws:ssm:{HOME}:{ACCOUNT}:parameter/{parameter.name.removeprefix('/')}",
    }


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or re.match(r"(?i)/?(aws|ssm)", name):
        raise _invalid(f"Parameter name {name!r} is not valid.")
    if name.count("/") > _MOST_LEVELS:
        raise Refusal("HierarchyLevelLimitExceededException", "A hierarchy can have a maximum of 15 levels.")


def _check_value(value: str, tier: str) -> None:
    if len(value.encode()) > _LARGEST[tier]:
        raise _invalid(f"{tier} tier parameters support a maximum parameter value of {_LARGEST[tier]} characters.")
    if re.search(r"\{\{.*\}\}", value):
        raise _invalid("Parameter value: can't nest or reference other parameters.")


def _invalid(message: str) -> Refusal:
    return Refusal("ValidationException", message)
