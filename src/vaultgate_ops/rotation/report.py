"""Evidence of rotation: every secret with its policy, its last and next rotation, and who read it since.

Rules: no value is read, and nothing is left out: what can't be looked at is a row that says so. How late something is, is
`overdue`'s judgement, by the age of the value that clients use; when it is due next, `schedule`'s. A policy is the secret's own
rotation rules, or the days that whoever asks gives it, or its tag `DAYS_TAG`, in this order. What is named and isn't there, and
a tag that isn't understood, are rows that say so, too.
Source: AWS Secrets Manager API Reference, ListSecrets; AWS Systems Manager API Reference, DescribeParameters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

from vaultgate_ops.errors import OpsError, UsageProblem
from vaultgate_ops.rotation import parameter_survey
from vaultgate_ops.rotation.model import PENDING
from vaultgate_ops.rotation.overdue import overdue_s
from vaultgate_ops.rotation.parameter_store import PENDING_ROOT, pending_name
from vaultgate_ops.rotation.reads import Reader, Subject, alike, concerns, readers, same
from vaultgate_ops.rotation.schedule import described, load
from vaultgate_ops.rotation.survey import Survey, Version, survey

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from vaultgate_ops.reporting import Reporter
    from vaultgate_ops.rotation.overdue import Watched
    from vaultgate_ops.rotation.reads import Read
    from vaultgate_ops.rotation.service import Api, SecretsManager

DAYS_TAG = "vaultgate:rotation-days"
PATHS_TAG = "vaultgate:source"
FINE, OVERDUE, NONE, DELETED, UNREADABLE = "fine", "overdue", "no rotation", "deletion pending", "not readable"
_MOST_VALUES, _ARN_COLONS = 50, 5
_PARAMETER = re.compile(r"/?[\w.-]+(/[\w.-]+)*", re.ASCII)
_PATTERN = re.compile(r"[*?[]")


@dataclass(frozen=True)
class Row:
    """One secret or parameter.

    Attributes:
        kind: ``secret`` or ``parameter``.
        state: one of those above, ``managed by ...`` or ``replica of ...``.
        policy: such as ``every 45 days`` or a cron expression; empty for none.
        value_at: when the value that clients use was stored, in seconds since 1970; None if that isn't known.
        rotated_at: when its last rotation ended; None for never.
        next_at: when the window of its next rotation opens, or, for given days, when it was or will be due; None for never.
        overdue_s: by how much it is late.
        note: what else there is to say, such as why it isn't readable.
        readers: since `value_at`.
    """

    kind: str
    name: str
    arn: str
    state: str
    policy: str = ""
    value_at: float | None = None
    rotated_at: float | None = None
    next_at: float | None = None
    overdue_s: float = 0
    note: str = ""
    readers: tuple[Reader, ...] = ()

    @property
    def bad(self) -> bool:
        """Whether somebody has to do something about it, so that rotation is what its policy says."""
        return self.state in {OVERDUE, UNREADABLE}


@dataclass(frozen=True)
class Sources:
    """What a report is made of.

    Attributes:
        days: how old a value may get, by name or ARN, which may be patterns; the first that fits counts.
        reads: that were written down, of anything.
        vault_paths: where the same value is in Vault, by name or ARN.
        now_s: seconds since 1970.
    """

    days: Sequence[Watched] = ()
    reads: Sequence[Read] = ()
    vault_paths: Mapping[str, frozenset[str]] = field(default_factory=dict)
    now_s: float = 0

    @cached_property
    def alike(self) -> list[list[Read]]:
        """The reads, so that many secrets and many more reads need not meet each other one by one."""
        return alike(self.reads)


def secrets(store: SecretsManager, region: str, sources: Sources, reporter: Reporter) -> list[Row]:
    """A row for each secret of a region.

    Raises:
        RotationError: they can't be listed.
    """
    listed = list(pages(store, "list_secrets", "SecretList", IncludePlannedDeletion=True))
    rows = []
    with reporter.task("Looking at secrets", total=len(listed)) as task:
        for entry in listed:
            rows.append(_secret(store, region, entry, sources))
            task.advance()
    return rows


def parameters(systems: Api, sources: Sources) -> list[Row]:
    """A row for each parameter that we rotate, or ought to: one with the tag, one that `Sources.days` names, one that we rotated.

    Raises:
        RotationError: they can't be listed.
    """
    found = {one["Name"]: one for one in _described(systems, {"Key": f"tag:{DAYS_TAG}"})}
    waiting = {one["Name"]: one for one in _described(systems, {"Key": "Path", "Option": "Recursive", "Values": [PENDING_ROOT]})}
    rotated = {name.removeprefix(PENDING_ROOT).rpartition("/")[0] for name in waiting}
    # A name without a slash waits in the same place as one with it.
    names = sorted({*rotated, *(name[1:] for name in rotated), *(one.secret_id for one in sources.days)})
    named = [name for name in names if _PARAMETER.fullmatch(name) and name not in found]
    for start in range(0, len(named), _MOST_VALUES):
        part = {"Key": "Name", "Option": "Equals", "Values": named[start : start + _MOST_VALUES]}
        found |= {one["Name"]: one for one in _described(systems, part)}
    return [_parameter(systems, one, waiting, sources) for _, one in sorted(found.items())]


def absent(rows: Sequence[Row], sources: Sources) -> list[Row]:
    """A row for each name that `Sources.days` has and that is none of the rows'."""
    named = [one for one in sources.days if not _PATTERN.search(one.secret_id)]
    missing = [one for one in named if not any(_fits(one.secret_id, row.name, row.arn) for row in rows)]
    kinds = {False: "secret", True: "parameter"}
    return [Row(kinds[one.parameter], one.secret_id, "", UNREADABLE, note="there is none in this region") for one in missing]


def pages(store: Api, operation: str, entries: str, **parameters: Any) -> Iterator[dict[str, Any]]:
    """Everything that a listing has, page by page.

    Args:
        store: the service's door.
        operation: boto3's name of it.
        entries: the answer's field that has them.
        parameters: of the call.
    """
    more: dict[str, Any] = {}
    while True:
        answer = store.call(operation, **parameters, **more)
        yield from answer[entries]
        if not answer.get("NextToken"):
            return
        more = {"NextToken": answer["NextToken"]}


def _secret(store: SecretsManager, region: str, entry: Mapping[str, Any], sources: Sources) -> Row:
    name, arn = entry["Name"], entry["ARN"]
    if entry.get("DeletedDate"):
        gone = datetime.fromtimestamp(entry["DeletedDate"].timestamp(), UTC)
        return Row("secret", name, arn, DELETED, note=f"marked on {gone:%Y-%m-%d}")
    tags = {tag["Key"]: tag["Value"] for tag in entry.get("Tags", [])}
    try:
        looked = survey(store, arn, region)
        subject = Subject(arn, name, _paths(name, arn, tags, sources), replicas=looked.replicas)
        return _row("secret", looked, subject, tags, sources)
    except OpsError as error:
        return Row("secret", name, arn, UNREADABLE, note=error.message)


def _parameter(systems: Api, entry: Mapping[str, Any], waiting: Mapping[str, Mapping[str, Any]], sources: Sources) -> Row:
    looked = parameter_survey.described(entry)
    pending = waiting.get(pending_name(looked.name, entry["Version"] + 1))
    if pending:
        begun = Version(str(entry["Version"] + 1), (PENDING,), pending["LastModifiedDate"].timestamp())
        looked = replace(looked, versions=(*looked.versions, begun))
    name, arn = looked.name, looked.arn
    try:
        listed = systems.call("list_tags_for_resource", ResourceType="Parameter", ResourceId=name)["TagList"]
        tags = {tag["Key"]: tag["Value"] for tag in listed}
        copies = frozenset({pending_name(name, entry["Version"])})
        return _row("parameter", looked, Subject(arn, name, _paths(name, arn, tags, sources), copies=copies), tags, sources)
    except OpsError as error:
        return Row("parameter", name, arn, UNREADABLE, note=error.message)


def _row(kind: str, looked: Survey, subject: Subject, tags: Mapping[str, str], sources: Sources) -> Row:
    rules, days, replica = described(looked.rules) if looked.enabled else {}, None, bool(looked.primary_region)
    if not rules and not replica:
        days = _days(subject, tags, sources)
    given = {"AutomaticallyAfterDays": days} if days is not None else {}
    schedule = load(rules or given) if (rules or given) and not replica else None
    late_s = overdue_s(looked, days or 0, sources.now_s) if schedule else 0.0
    value_at = looked.current.created_at if looked.current else None
    rotated_at = looked.rotated_at or None
    next_at = None
    if schedule is not None and rules:
        since = datetime.fromtimestamp(rotated_at or value_at or sources.now_s, UTC)
        next_at = schedule.next_windows(since, datetime.fromtimestamp(sources.now_s, UTC), 1)[0].opens.timestamp()
    elif schedule is not None:
        # Nobody rotates it again and again by given days: they count from the value in use.
        next_at = next(schedule.windows(datetime.fromtimestamp(value_at or sources.now_s, UTC))).opens.timestamp()
    if late_s:
        state = OVERDUE
    elif looked.owner:
        state = f"managed by {looked.owner}"
    elif replica:
        state = f"replica of {looked.primary_region}"
    else:
        state = FINE if schedule else NONE
    return Row(
        kind=kind,
        name=looked.name,
        arn=looked.arn,
        state=state,
        policy=schedule.text if schedule else "",
        value_at=value_at,
        rotated_at=rotated_at,
        next_at=next_at,
        overdue_s=late_s,
        note=f"version {looked.pending.version_id} is pending" if looked.pending else "",
        readers=readers(subject, chain.from_iterable(of for of in sources.alike if concerns(of[0], subject)), value_at or 0),
    )


def _days(subject: Subject, tags: Mapping[str, str], sources: Sources) -> int | None:
    for one in sources.days:
        if _fits(one.secret_id, subject.name, subject.arn):
            return one.days
    tagged = tags.get(DAYS_TAG)
    if tagged is None:
        return None
    if not (tagged.isascii() and tagged.isdigit()):
        raise UsageProblem(f"its tag {DAYS_TAG} is {tagged!r}, no number of days")
    return int(tagged)


def _fits(named: str, name: str, arn: str) -> bool:
    """Whether a name, a pattern or an ARN, whole or without its suffix, is of something."""
    return named == arn or fnmatchcase(name, named) or (arn.count(":") >= _ARN_COLONS and same(named, Subject(arn, name)))


def _paths(name: str, arn: str, tags: Mapping[str, str], sources: Sources) -> frozenset[str]:
    given = dict(sources.vault_paths)
    tagged = {tags[PATHS_TAG]} if PATHS_TAG in tags else set()
    return frozenset({*given.get(name, ()), *given.get(arn, ()), *tagged})


def _described(systems: Api, wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(pages(systems, "describe_parameters", "Parameters", ParameterFilters=[dict(wanted)]))
