"""AWS Secrets Manager with state, stricter than any other stand-in: what it lets pass, the service lets pass.

Rules: a version's value never changes once it is there; a staging label sits on one version at a time and moves only as the
API's reference allows; AWSCURRENT can't be taken away; what is read may be up to `lag_s` old, what is written never is;
nothing here knows how rotation ought to go, it only keeps the labels. Where AWS documents a rule but not the error, the
comment says "assumed".
Sources: AWS Secrets Manager API Reference (each operation's page), User Guide, "Rotation by Lambda function".
"""

from __future__ import annotations

import copy
import random  # noqa: TID251 - a seed gives the same lags each time
import re
import secrets
import string
import threading
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vaultgate_ops.rotation.driver import STEPS, Assignment

if TYPE_CHECKING:
    from collections.abc import Callable

    from vaultgate_ops.clock import Clock

ACCOUNT, HOME = "123456789012", "us-east-1"
CURRENT, PREVIOUS, PENDING = "AWSCURRENT", "AWSPREVIOUS", "AWSPENDING"
LONGEST_LAG_S = 5.0
_MOST_VERSIONS = 100
_LARGEST_VALUE = 65_536
_RATE = re.compile(r"rate\((\d+) (hours?|days?)\)")
_TOKEN = re.compile(r".{32,64}")
_TAG = re.compile(r"[\w\s_.:/=+@-]+")
_LONGEST_KEY, _LONGEST_TAG = 128, 256
_SHORTEST_RECOVERY, _LONGEST_RECOVERY = 7, 30


class Refusal(Exception):
    """An error of the API's model.

    Args:
        code: its shape's name.
        message: for people.
        status: of HTTP.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status = code, message, status


def _not_found(what: str = "the specified secret.") -> Refusal:
    return Refusal("ResourceNotFoundException", f"Secrets Manager can't find {what}")


def _bad_parameter(message: str) -> Refusal:
    return Refusal("InvalidParameterException", message)


def _bad_request(message: str) -> Refusal:
    return Refusal("InvalidRequestException", message)


@dataclass
class Version:
    """One value and its labels; a rotation's version has no value until the function puts one.

    Attributes:
        value: ``("SecretString" | "SecretBinary", text)``; binary is base64, as it travels.
        stages: labels; a version without any is deprecated.
    """

    created: float
    value: tuple[str, str] | None = None
    stages: list[str] = field(default_factory=list)


@dataclass
class Secret:
    """One secret.

    Attributes:
        replicas: regions that may read it.
        owner: the service that manages it, if one does.
        deleted: when it was marked for deletion.
        key: KMS key that it is encrypted with; empty for the account's own.
        foreign: its function runs under an assumed role, so that writes need the RotationToken.
    """

    name: str
    arn: str
    versions: dict[str, Version] = field(default_factory=dict)
    rotation_enabled: bool = False
    function: str = ""
    rules: dict[str, Any] = field(default_factory=dict)
    rotation_tokens: dict[str, str] = field(default_factory=dict)
    replicas: tuple[str, ...] = ()
    owner: str = ""
    foreign: bool = False
    deleted: float | None = None
    rotated: float | None = None
    tags: dict[str, str] = field(default_factory=dict)
    key: str = ""

    def holder(self, stage: str) -> str | None:
        """The id of the version that has a label."""
        return next((version_id for version_id, version in self.versions.items() if stage in version.stages), None)

    def attach(self, stage: str, version_id: str) -> None:
        """Move a label, and AWSPREVIOUS with AWSCURRENT."""
        former = self.holder(stage)
        if former == version_id:
            return
        if former is not None:
            self.versions[former].stages.remove(stage)
            if stage == CURRENT:
                if PREVIOUS in self.versions[version_id].stages:
                    self.versions[version_id].stages.remove(PREVIOUS)
                self.attach(PREVIOUS, former)
        self.versions[version_id].stages.append(stage)


_WORDS = {
    "ThrottlingException": ("Rate exceeded", 400),
    "AccessDeniedException": ("The caller is not authorized to perform this action", 400),
    "InternalServiceError": ("An error occurred on the server side.", 500),
}
_READS = frozenset({"GetSecretValue", "DescribeSecret", "ListSecretVersionIds"})


def random_lags(seed: int) -> Callable[[], float]:
    """For `SimulatedSecretsManager.lag_s`: each read may be of another age, half of them of now."""
    chance = random.Random(seed)  # noqa: S311 - the same story each time
    return lambda: max(0.0, chance.uniform(-LONGEST_LAG_S, LONGEST_LAG_S))


class SimulatedSecretsManager:
    """The service of one account. Safe for threads.

    Args:
        clock: whose wall dates the versions and tells what a lagging read sees.

    Attributes:
        lag_s: how old the state is that reads see, at most 5 s; or a function that says it for each read, for two reads may reach
            two replicas, and the later one see what is older.
        rotations: begun by RotateSecret and not taken by a driver yet, oldest first.
        calls: operations that arrived, in order.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._secrets: dict[str, Secret] = {}
        self._past: list[tuple[float, dict[str, Secret]]] = [(float("-inf"), {})]
        self._lock = threading.RLock()
        self._texts: list[str] = []
        self._refused: Counter[tuple[str, str]] = Counter()
        self.lag_s: float | Callable[[], float] = 0.0
        self.rotations: list[Assignment] = []
        self.calls: list[str] = []
        self._operations: dict[str, Callable[[dict[str, Any], str], dict[str, Any]]] = {
            "CreateSecret": self._create,
            "GetSecretValue": self._get,
            "DescribeSecret": self._describe,
            "ListSecretVersionIds": self._list_versions,
            "ListSecrets": self._list,
            "PutSecretValue": self._put,
            "UpdateSecretVersionStage": self._move,
            "RotateSecret": self._rotate,
            "CancelRotateSecret": self._cancel,
            "ReplicateSecretToRegions": self._replicate,
            "DeleteSecret": self._delete,
            "RestoreSecret": self._restore,
            "TagResource": self._tag,
            "UpdateSecret": self._update,
            "GetRandomPassword": self._random_password,
        }

    def call(self, operation: str, parameters: dict[str, Any], region: str = HOME) -> dict[str, Any]:
        """Serve one request.

        Raises:
            Refusal: with the API's error.
        """
        with self._lock:
            self.calls.append(operation)
            for (refused, code), times in self._refused.items():
                if refused == operation and times > 0:
                    self._refused[refused, code] -= 1
                    raise Refusal(code, *_WORDS[code])
            serve = self._operations.get(operation)
            if serve is None:
                raise Refusal("UnknownOperationException", "", 404)
            answer = serve(parameters, region)
            if operation in {"CreateSecret", "PutSecretValue"} and (value := _value_of(parameters)) is not None:
                self._texts.append(value[1])
            if operation not in _READS:
                self._remember()
            return answer

    # --- what a test sets ---

    def throttle(self, operation: str, times: int) -> None:
        """Be too busy for the next calls of an operation."""
        self._refused[operation, "ThrottlingException"] += times

    def break_down(self, operation: str, times: int) -> None:
        """Fail inside at the next calls of an operation."""
        self._refused[operation, "InternalServiceError"] += times

    def deny(self, operation: str, times: int) -> None:
        """Forbid the next calls of an operation."""
        self._refused[operation, "AccessDeniedException"] += times

    def manage(self, name: str, *, owner: str = "", foreign: bool = False) -> None:
        """Say who looks after a secret; see `Secret`."""
        with self._lock:
            self._secrets[name].owner, self._secrets[name].foreign = owner, foreign
            self._remember()

    def forget_deprecated(self, name: str) -> None:
        """Delete the versions that have no label, as the service may at any time."""
        with self._lock:
            secret = self._secrets[name]
            secret.versions = {key: version for key, version in secret.versions.items() if version.stages}
            self._remember()

    def end(self, rotation: Assignment) -> None:
        """A driver is through: note the date, or take a test's version away again."""
        with self._lock:
            secret = self._found(rotation.secret_id)
            if rotation.steps == STEPS:
                secret.rotated = self._clock.wall()
            else:
                secret.versions.pop(rotation.token, None)
            self._remember()

    # --- what a test looks at, without any lag ---

    def stages(self, name: str) -> dict[str, str]:
        """Labels and the ids of their versions."""
        with self._lock:
            return {stage: key for key, version in self._secrets[name].versions.items() for stage in version.stages}

    def value(self, name: str, stage: str = CURRENT) -> str:
        """The text with a label."""
        with self._lock:
            secret = self._secrets[name]
            value = secret.versions[secret.holder(stage) or ""].value
            assert value is not None, f"{stage} of {name} has no value"
            return value[1]

    def texts(self) -> list[str]:
        """Every value that anybody ever stored."""
        with self._lock:
            return list(self._texts)

    # --- reads ---

    def _get(self, asked: dict[str, Any], _region: str) -> dict[str, Any]:
        secret = self._readable(asked)
        version_id, stage = asked.get("VersionId"), asked.get("VersionStage")
        what = f"VersionId: {version_id}" if version_id else f"staging label: {stage or CURRENT}"
        version_id = version_id or secret.holder(stage or CURRENT)
        version = secret.versions.get(version_id or "")
        if version is None:
            raise _not_found(f"the specified secret value for {what}")
        if stage and stage not in version.stages:
            raise _bad_request("You provided a VersionStage that is not associated to the provided VersionId.")
        if version.value is None:
            raise _not_found(f"the specified secret value for {what}")
        kind, text = version.value
        return {
            "ARN": secret.arn,
            "Name": secret.name,
            "VersionId": version_id,
            "VersionStages": list(version.stages),
            "CreatedDate": version.created,
            kind: text,
        }

    def _describe(self, asked: dict[str, Any], region: str) -> dict[str, Any]:
        secret = self._visible(asked)
        told = {
            "ARN": secret.arn.replace(f":{HOME}:", f":{region}:"),
            "Name": secret.name,
            "RotationEnabled": secret.rotation_enabled,
            "VersionIdsToStages": {key: list(version.stages) for key, version in secret.versions.items() if version.stages},
            # The service leaves out what isn't set.
            **({"RotationLambdaARN": secret.function} if secret.function else {}),
            **({"RotationRules": secret.rules} if secret.rules else {}),
            **({"OwningService": secret.owner} if secret.owner else {}),
            **({"LastRotatedDate": secret.rotated} if secret.rotated else {}),
            **({"DeletedDate": secret.deleted} if secret.deleted else {}),
            **({"Tags": _tags(secret)} if secret.tags else {}),
            **({"KmsKeyId": secret.key} if secret.key else {}),
        }
        if secret.replicas:
            told["PrimaryRegion"] = HOME
            told["ReplicationStatus"] = [{"Region": one, "Status": "InSync"} for one in secret.replicas]
        return told

    def _list_versions(self, asked: dict[str, Any], _region: str) -> dict[str, Any]:
        secret = self._visible(asked)
        versions = [
            {"VersionId": key, "VersionStages": list(version.stages), "CreatedDate": version.created}
            for key, version in secret.versions.items()
            if version.stages or asked.get("IncludeDeprecated")
        ]
        return {"ARN": secret.arn, "Name": secret.name, "Versions": versions}

    def _list(self, asked: dict[str, Any], region: str) -> dict[str, Any]:
        start, size = int(asked.get("NextToken", 0)), asked.get("MaxResults", _MOST_VERSIONS)
        if not 1 <= size <= _MOST_VERSIONS:
            raise _bad_parameter("MaxResults must be 1 to 100.")
        names = [
            name
            for name, secret in self._secrets.items()
            if (asked.get("IncludePlannedDeletion") or not secret.deleted) and _fits(secret, asked.get("Filters", []))
        ]
        page = [self._describe({"SecretId": name}, region) for name in names[start : start + size]]
        entries = [
            {**{key: one[key] for key in one if key != "VersionIdsToStages"}, "SecretVersionsToStages": one["VersionIdsToStages"]}
            for one in page
        ]
        more = start + len(page)
        return {"SecretList": entries, **({"NextToken": str(more)} if more < len(names) else {})}

    # --- writes ---

    def _create(self, asked: dict[str, Any], region: str) -> dict[str, Any]:
        name = asked["Name"]
        value, token = _value_of(asked), asked.get("ClientRequestToken") or str(uuid.uuid4())
        known = self._secrets.get(name)
        if known is not None and known.deleted:
            raise _bad_request("You can't create this secret because a secret with this name is already scheduled for deletion.")
        if known is not None:
            if token in known.versions and known.versions[token].value == value:
                return {"ARN": known.arn, "Name": name, "VersionId": token}
            raise Refusal("ResourceExistsException", f"The operation failed because the secret {name} already exists.")
        suffix = "".join(secrets.choice(string.ascii_letters) for _ in range(6))
        secret = Secret(name, f"arn:aws:secretsmanager:{region}:{ACCOUNT}:secret:{name}-{suffix}")
        secret.tags, secret.key = _checked_tags(asked.get("Tags", [])), asked.get("KmsKeyId", "")
        self._secrets[name] = secret
        if value is None:
            return {"ARN": secret.arn, "Name": name}
        secret.versions[token] = Version(self._clock.wall(), value, [CURRENT])
        return {"ARN": secret.arn, "Name": name, "VersionId": token}

    def _put(self, asked: dict[str, Any], region: str) -> dict[str, Any]:
        secret = self._writable(asked, region)
        value, token = _value_of(asked), asked.get("ClientRequestToken") or str(uuid.uuid4())
        if value is None:
            raise _bad_request("You must provide either SecretString or SecretBinary.")
        self._check_rotation_token(secret, token, asked.get("RotationToken"))
        known = secret.versions.get(token)
        if known is not None and known.value not in {None, value}:
            raise Refusal(
                "ResourceExistsException",
                f"You can't use ClientRequestToken {token} because that value is already in use for a version of secret"
                f" {secret.arn}.",
            )
        if known is None or known.value is None:
            if known is None and len(secret.versions) >= _MOST_VERSIONS * 3:
                raise Refusal("LimitExceededException", "You have reached the maximum number of versions for this secret.")
            version = secret.versions.setdefault(token, Version(self._clock.wall()))
            version.value = value
            wanted = asked.get("VersionStages") or [CURRENT]
            for stage in [*wanted, *([CURRENT] if secret.holder(CURRENT) is None and CURRENT not in wanted else [])]:
                secret.attach(stage, token)
        return {
            "ARN": secret.arn,
            "Name": secret.name,
            "VersionId": token,
            "VersionStages": list(secret.versions[token].stages),
        }

    def _move(self, asked: dict[str, Any], region: str) -> dict[str, Any]:
        secret = self._writable(asked, region)
        stage, source, target = asked["VersionStage"], asked.get("RemoveFromVersionId"), asked.get("MoveToVersionId")
        holder = secret.holder(stage)
        for version_id in (source, target):
            if version_id is not None and version_id not in secret.versions:
                raise _not_found(f"the specified secret value for VersionId: {version_id}")
        if source is not None and holder != source:
            raise _bad_parameter(f"The staging label {stage} isn't attached to version {source}.")
        if target is None:
            if source is None:
                raise _bad_parameter("You must provide MoveToVersionId or RemoveFromVersionId.")
            if stage == CURRENT:
                raise _bad_parameter(
                    "You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed."
                )
            secret.versions[source].stages.remove(stage)
        else:
            if holder not in {None, target} and source is None:
                raise _bad_parameter(
                    f"The parameter RemoveFromVersionId can't be empty. Staging label {stage} is currently attached to version"
                    f" {holder}, so you must explicitly reference that version in RemoveFromVersionId."
                )
            if stage == CURRENT and secret.versions[target].value is None:  # assumed
                raise _bad_request(f"Version {target} has no value.")
            secret.attach(stage, target)
        return {"ARN": secret.arn, "Name": secret.name}

    def _rotate(self, asked: dict[str, Any], region: str) -> dict[str, Any]:
        secret = self._writable(asked, region)
        rules = _checked_rules(asked.get("RotationRules"))
        function = asked.get("RotationLambdaARN") or secret.function
        if not function:
            raise _bad_request("No Lambda rotation function ARN is associated with this secret.")
        token = asked.get("ClientRequestToken") or str(uuid.uuid4())
        if not _TOKEN.fullmatch(token):
            raise _bad_parameter("ClientRequestToken must be 32-64 characters long.")
        pending, current = secret.holder(PENDING), secret.holder(CURRENT)
        if pending is not None and pending not in {current, token}:
            raise _bad_request("A previous rotation isn't complete. That rotation will be reattempted.")
        secret.function, secret.rules, secret.rotation_enabled = function, rules or secret.rules, True
        answer = {"ARN": secret.arn, "Name": secret.name, "VersionId": token}
        if token in secret.versions:
            return answer  # the same request once more
        at_once = asked.get("RotateImmediately", True)
        secret.versions[token] = Version(self._clock.wall())
        secret.attach(PENDING, token)
        if not at_once:
            # The value that is tested is the current one (assumed: the reference only says that a version comes and goes).
            secret.versions[token].value = secret.versions[current or ""].value
        rotation_token = secret.rotation_tokens[token] = str(uuid.uuid4())
        steps = STEPS if at_once else ("testSecret",)
        self.rotations.append(Assignment(secret.arn, token, rotation_token, steps))
        return answer

    def _cancel(self, asked: dict[str, Any], region: str) -> dict[str, Any]:
        secret = self._writable(asked, region)
        secret.rotation_enabled = False
        pending = secret.holder(PENDING)  # it stays: whoever cancels has to tidy up
        return {"ARN": secret.arn, "Name": secret.name, **({"VersionId": pending} if pending else {})}

    def _replicate(self, asked: dict[str, Any], region: str) -> dict[str, Any]:
        secret = self._writable(asked, region)
        secret.replicas = (*secret.replicas, *(one["Region"] for one in asked["AddReplicaRegions"]))
        return {"ARN": secret.arn, "ReplicationStatus": [{"Region": one, "Status": "InSync"} for one in secret.replicas]}

    def _update(self, asked: dict[str, Any], region: str) -> dict[str, Any]:
        secret = self._writable(asked, region)
        if "KmsKeyId" in asked:
            secret.key = asked["KmsKeyId"]
        if _value_of(asked) is not None:
            return self._put(asked, region)
        return {"ARN": secret.arn, "Name": secret.name}

    def _tag(self, asked: dict[str, Any], region: str) -> dict[str, Any]:
        secret = self._writable(asked, region)
        secret.tags |= _checked_tags(asked["Tags"])
        return {}

    def _restore(self, asked: dict[str, Any], _region: str) -> dict[str, Any]:
        secret = self._found(asked["SecretId"])
        secret.deleted = None
        return {"ARN": secret.arn, "Name": secret.name}

    def _delete(self, asked: dict[str, Any], region: str) -> dict[str, Any]:
        secret = self._writable(asked, region)
        days = asked.get("RecoveryWindowInDays", _LONGEST_RECOVERY)
        if not _SHORTEST_RECOVERY <= days <= _LONGEST_RECOVERY:
            raise _bad_parameter("RecoveryWindowInDays must be between 7 and 30 days (inclusive).")
        secret.deleted = self._clock.wall()
        return {"ARN": secret.arn, "Name": secret.name, "DeletionDate": self._clock.wall() + days * 86_400}

    def _random_password(self, asked: dict[str, Any], _region: str) -> dict[str, Any]:
        kinds = {
            "ExcludeLowercase": string.ascii_lowercase,
            "ExcludeUppercase": string.ascii_uppercase,
            "ExcludeNumbers": string.digits,
            "ExcludePunctuation": string.punctuation,
        }
        left_out = set(asked.get("ExcludeCharacters", ""))
        sets = ["".join(sorted(set(letters) - left_out)) for flag, letters in kinds.items() if not asked.get(flag)]
        sets = [letters for letters in sets if letters] + ([" "] if asked.get("IncludeSpace") else [])
        length = asked.get("PasswordLength", 32)
        needed = len(sets) if asked.get("RequireEachIncludedType", True) else 0
        if not 1 <= length <= 4096 or not sets or length < needed:
            raise _bad_parameter("Password length is too short based on the required types.")
        letters = [secrets.choice(one) for one in sets[:needed]]
        letters += [secrets.choice("".join(sets)) for _ in range(length - needed)]
        secrets.SystemRandom().shuffle(letters)
        return {"RandomPassword": "".join(letters)}

    # --- who may see and change what ---

    def _found(self, secret_id: str, among: dict[str, Secret] | None = None) -> Secret:
        for secret in (self._secrets if among is None else among).values():
            arn = secret.arn.split(":", 4)[4]  # the same in each region
            if secret_id in {secret.name, secret.arn} or (secret_id.startswith("arn:") and secret_id.split(":", 4)[4] == arn):
                return secret
        raise _not_found()

    def _visible(self, asked: dict[str, Any]) -> Secret:
        """The secret as a read sees it: as it was `lag_s` ago."""
        lag_s = self.lag_s() if callable(self.lag_s) else self.lag_s
        if not 0 <= lag_s <= LONGEST_LAG_S:
            raise ValueError(lag_s)
        if lag_s == 0:
            return self._found(asked["SecretId"])
        instant = self._clock.wall() - lag_s
        state = next(state for at, state in reversed(self._past) if at <= instant)
        return self._found(asked["SecretId"], state)

    def _readable(self, asked: dict[str, Any]) -> Secret:
        secret = self._visible(asked)
        if secret.deleted:
            raise _bad_request("You can't perform this operation on the secret because it was marked for deletion.")
        return secret

    def _writable(self, asked: dict[str, Any], region: str) -> Secret:
        secret = self._found(asked["SecretId"])
        if secret.deleted:
            raise _bad_request("You can't perform this operation on the secret because it was marked for deletion.")
        if f":{region}:" not in secret.arn:
            raise _bad_parameter("Operation not permitted on a replica secret. Call must be made in primary secret's region.")
        if secret.owner:
            raise _bad_request(f"You can't modify this secret: it is managed by {secret.owner}.")
        return secret

    def _check_rotation_token(self, secret: Secret, token: str, given: str | None) -> None:
        expected = secret.rotation_tokens.get(token)
        if given is not None and given != expected:
            raise Refusal("AccessDeniedException", "The RotationToken isn't valid for this version.")
        if given is None and expected is not None and secret.foreign:
            raise Refusal("AccessDeniedException", "A RotationToken is required.")

    def _remember(self) -> None:
        now = self._clock.wall()
        # Whatever a read may still see, and the state before that.
        oldest = next((n for n, (at, _) in reversed(list(enumerate(self._past))) if at <= now - LONGEST_LAG_S), 0)
        self._past = [*self._past[oldest:], (now, copy.deepcopy(self._secrets))]


def _checked_tags(tags: list[dict[str, str]]) -> dict[str, str]:
    for tag in tags:
        fits = _TAG.fullmatch(tag["Key"]) and _TAG.fullmatch(tag["Value"] or "x")
        if not fits or tag["Key"].startswith("aws:") or len(tag["Key"]) > _LONGEST_KEY or len(tag["Value"]) > _LONGEST_TAG:
            raise _bad_parameter(f"The tag {tag['Key']!r} isn't valid.")
    return {tag["Key"]: tag["Value"] for tag in tags}


def _tags(secret: Secret) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in secret.tags.items()]


def _fits(secret: Secret, filters: list[dict[str, Any]]) -> bool:
    """Whether a listing's filters let a secret through: they match beginnings."""
    texts = {"tag-key": list(secret.tags), "tag-value": list(secret.tags.values()), "name": [secret.name]}
    return all(any(text.startswith(value) for text in texts[one["Key"]] for value in one["Values"]) for one in filters)


def _value_of(asked: dict[str, Any]) -> tuple[str, str] | None:
    given = [(kind, asked[kind]) for kind in ("SecretString", "SecretBinary") if asked.get(kind)]
    if len(given) > 1:
        raise _bad_parameter("You can't specify both a binary secret value and a string secret value in the same secret.")
    if given and len(given[0][1]) > _LARGEST_VALUE:
        raise _bad_parameter(f"The value is larger than {_LARGEST_VALUE} bytes.")
    return given[0] if given else None


def _checked_rules(rules: dict[str, Any] | None) -> dict[str, Any]:
    rules = rules or {}
    days, expression = rules.get("AutomaticallyAfterDays"), rules.get("ScheduleExpression")
    if days is not None and expression is not None:
        raise _bad_parameter("You can't specify both AutomaticallyAfterDays and ScheduleExpression.")
    if days is not None and not 1 <= days <= 1000:
        raise _bad_parameter("RotationRules.AutomaticallyAfterDays must be within 1-1000.")
    if expression is not None and not expression.startswith("cron("):
        rate = _RATE.fullmatch(expression)
        if rate is None or (rate[2].startswith("hour") and int(rate[1]) < 4):
            raise _bad_parameter("ScheduleExpression must be cron(...) or rate(...) of at least 4 hours.")
    return rules
