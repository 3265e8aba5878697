"""RotationRules: what Secrets Manager takes, what it refuses, and when it will rotate.

Rules: pure; every problem is named at once; times are UTC and aware. A window opens on the hour, ends on its own day and before
the next one opens; two are at least four hours apart. A rate in hours is held to that at whatever hour it comes round to.
Sources: AWS Secrets Manager API Reference, RotationRulesType; User Guide, "Rotation schedules".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import count, islice, pairwise
from math import gcd
from typing import TYPE_CHECKING, Any

from vaultgate_ops.errors import UsageProblem
from vaultgate_ops.rotation import cron

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DAY_H = 24
_CLOSEST_H = 4
_LONGEST_RATE_DAYS, _MOST_DAYS = 999, 1000
_YEAR_DAYS = 366
_KNOWN = frozenset({"AutomaticallyAfterDays", "ScheduleExpression", "Duration"})
# Leap years and weekdays are through with each other after 28 years.
_CYCLE = tuple(date(2000, 1, 1) + timedelta(days=n) for n in range(28 * 365 + 7))


@dataclass(frozen=True)
class Window:
    """When Secrets Manager rotates, some time between the two."""

    opens: datetime
    closes: datetime


@dataclass(frozen=True)
class Rate:
    """Every so many hours, counted from the midnight before the last rotation.

    Attributes:
        hours: 24 times as many for a rate in days.
        in_days: opens at midnight, and by default for the whole day.
    """

    hours: int
    in_days: bool


@dataclass(frozen=True)
class Schedule:
    """Rules that Secrets Manager takes.

    Attributes:
        text: as people write it.
        duration_h: length of a window; None for the default.
    """

    text: str
    period: Rate | cron.Cron
    duration_h: int | None

    def windows(self, rotated: datetime) -> Iterator[Window]:
        """The windows after a rotation, without an end.

        Args:
            rotated: the last rotation, or the secret's creation; aware.
        """
        for opens in self._openings(rotated.astimezone(UTC)):
            yield Window(opens, opens + timedelta(hours=self.duration_h or self._default_h(opens)))

    def next_windows(self, rotated: datetime, now: datetime, number: int) -> list[Window]:
        """Those of `windows` that aren't over.

        Args:
            rotated: as there.
            now: aware.
            number: how many.
        """
        return list(islice((one for one in self.windows(rotated) if one.closes > now), number))

    def due(self, rotated: datetime) -> datetime:
        """When the rotation after this one is late: its window has closed."""
        return next(self.windows(rotated)).closes

    def _openings(self, rotated: datetime) -> Iterator[datetime]:
        midnight = datetime.combine(rotated.date(), time(), UTC)
        if isinstance(self.period, Rate):
            every = (midnight + timedelta(hours=self.period.hours * n) for n in count())
        else:
            period = self.period
            days = (midnight + timedelta(days=n) for n in count())
            every = (day + timedelta(hours=hour) for day in days if period.on(day.date()) for hour in period.hours)
        return (opens for opens in every if opens > rotated)

    def _default_h(self, opens: datetime) -> int:
        in_days = self.period.in_days if isinstance(self.period, Rate) else not self.period.several
        return _DAY_H - opens.hour if in_days else 1


def load(rules: Mapping[str, Any]) -> Schedule:
    """Check a whole RotationRules.

    Args:
        rules: as the API and CloudFormation spell it.

    Raises:
        UsageProblem: with all problems.
    """
    schedule, problems = check(rules)
    if schedule is None:
        raise UsageProblem(f"Secrets Manager won't take this schedule: {'; '.join(problems)}.", "Correct its RotationRules.")
    return schedule


def described(rules: Mapping[str, Any]) -> Mapping[str, Any]:
    """The rules that were set, from what DescribeSecret says of them: beside an expression it tells the days that it comes to."""
    return {name: value for name, value in rules.items() if name != "AutomaticallyAfterDays" or "ScheduleExpression" not in rules}


def check(rules: Mapping[str, Any]) -> tuple[Schedule | None, tuple[str, ...]]:
    """Check a whole RotationRules.

    Args:
        rules: as the API and CloudFormation spell it.

    Returns:
        The schedule, or None and every problem as a clause that names its part.
    """
    days, expression = rules.get("AutomaticallyAfterDays"), rules.get("ScheduleExpression")
    problems = [f"{name} is not a rotation rule" for name in sorted(rules.keys() - _KNOWN)]
    if days is not None and expression is not None:
        problems.append("AutomaticallyAfterDays and ScheduleExpression exclude each other")
    if days is None and expression is None:
        problems.append("one of AutomaticallyAfterDays and ScheduleExpression is needed")
    duration_h = _duration(rules.get("Duration"), problems)
    periods: list[tuple[str, Rate | cron.Cron]] = []
    if days is not None:
        if isinstance(days, int) and not isinstance(days, bool) and 1 <= days <= _MOST_DAYS:
            periods.append((f"every {days} days", Rate(days * _DAY_H, in_days=True)))
        else:
            problems.append(f"AutomaticallyAfterDays: {days!r} is not 1 to {_MOST_DAYS}")
    if expression is not None:
        period = _expression(str(expression), problems)
        if period is not None:
            periods.append((str(expression), period))
    for _, period in periods:
        problems.extend(_misfits(period, duration_h))
    if problems:
        return None, tuple(problems)
    text, period = periods[0]
    return Schedule(text, period, duration_h), ()


def _duration(given: object, problems: list[str]) -> int | None:
    if given is None:
        return None
    found = re.fullmatch("([1-9]|1[0-9]|2[0-4])h", str(given))
    if found is None:
        problems.append(f"Duration: {given!r} is not 1h to 24h")
        return None
    return int(found[1])


def _expression(text: str, problems: list[str]) -> Rate | cron.Cron | None:
    if found := re.fullmatch(r"cron\((.*)\)", text):
        period, wrong = cron.read(found[1])
        problems.extend(wrong)
        return period
    found = re.fullmatch(r"rate\(([0-9]{1,6}) (hours?|days?)\)", text)
    if found is None:
        problems.append(f"ScheduleExpression: {text!r} is neither cron(...) nor rate(<number> hours|days)")
        return None
    number, in_days = int(found[1]), found[2].startswith("day")
    if not 1 <= number <= (_LONGEST_RATE_DAYS if in_days else _LONGEST_RATE_DAYS * _DAY_H):
        problems.append(f"ScheduleExpression: a rate is 1 to {_LONGEST_RATE_DAYS} days")
        return None
    return Rate(number * _DAY_H if in_days else number, in_days)


def _misfits(period: Rate | cron.Cron, duration_h: int | None) -> Iterator[str]:
    """What is wrong with a period, and with a window of this length in it."""
    if isinstance(period, Rate):
        closest_h = period.hours
        # The multiples of the rate come round to every multiple of this, so that is the latest hour a window opens at.
        latest = _DAY_H - gcd(period.hours, _DAY_H)
    else:
        matching = [day for day in _CYCLE if period.on(day)]
        gaps = {(after - before).days for before, after in pairwise(matching)}
        if not gaps:
            yield "ScheduleExpression: there is no such day in any year"
            return
        if max(gaps) > _YEAR_DAYS:
            yield f"ScheduleExpression: up to {max(gaps)} days between two rotations, more than a year"
        overnight_h = min(gaps) * _DAY_H - period.hours[-1] + period.hours[0]
        closest_h = min([overnight_h, *(after - before for before, after in pairwise(period.hours))])
        latest = period.hours[-1]
    if closest_h < _CLOSEST_H:
        yield f"ScheduleExpression: {closest_h} h between two windows, at least {_CLOSEST_H} h are needed"
    if duration_h is None:
        return
    if duration_h > closest_h:
        yield f"Duration: {duration_h}h reaches into the next window, which opens {closest_h} h later"
    elif latest + duration_h > _DAY_H:
        yield f"Duration: {duration_h}h from {latest:02}:00 UTC goes past midnight"
