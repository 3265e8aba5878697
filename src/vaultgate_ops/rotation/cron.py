"""cron() expressions as Secrets Manager reads them: six fields, UTC, to the hour.

Rules: pure; every problem of an expression is named at once, each with its field. Only what the guide documents passes: an
expression that another service of AWS takes (minutes, W, a year, lists of hours) would fail at deployment, not here.
Source: AWS Secrets Manager User Guide, "Rotation schedules", section "Cron expressions".
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

_T = TypeVar("_T")
_FIELDS = 6
_WEEK = 7
_MOST_IN_A_MONTH = 5


class Days(Protocol):
    """Which days of a month."""

    def include(self, day: date) -> bool:
        """Whether this one is among them."""


@dataclass(frozen=True)
class Numbered:
    """Days of the month by number."""

    numbers: frozenset[int]

    def include(self, day: date) -> bool:
        """Whether the day has one of the numbers."""
        return day.day in self.numbers


@dataclass(frozen=True)
class LastDay:
    """The last day of the month."""

    def include(self, day: date) -> bool:
        """Whether the month ends with it."""
        return day.day == monthrange(day.year, day.month)[1]


@dataclass(frozen=True)
class Weekdays:
    """Days of the week; 1 is Sunday."""

    numbers: frozenset[int]

    def include(self, day: date) -> bool:
        """Whether the day is one of them."""
        return _weekday(day) in self.numbers


@dataclass(frozen=True)
class LastOf:
    """The month's last Sunday, Monday and so on; 1 is Sunday."""

    weekday: int

    def include(self, day: date) -> bool:
        """Whether the day is that one."""
        return _weekday(day) == self.weekday and day.day + _WEEK > monthrange(day.year, day.month)[1]


@dataclass(frozen=True)
class NthOf:
    """The month's first, second ... Sunday, Monday and so on; 1 is Sunday."""

    weekday: int
    nth: int

    def include(self, day: date) -> bool:
        """Whether the day is that one."""
        return _weekday(day) == self.weekday and (day.day - 1) // _WEEK + 1 == self.nth


def _weekday(day: date) -> int:
    return day.isoweekday() % _WEEK + 1


@dataclass(frozen=True)
class Cron:
    """An expression that was read.

    Attributes:
        hours: when windows open on a day that matches, ascending.
        several: the hours were given as an increment, so that it is "a schedule in hours" in the guide's words.
    """

    hours: tuple[int, ...]
    several: bool
    months: frozenset[int]
    days: Days

    def on(self, day: date) -> bool:
        """Whether windows open on that day."""
        return day.month in self.months and self.days.include(day)


class _Wrong(ValueError):
    """What is wrong with one field."""


@dataclass(frozen=True)
class _Field:
    """A field whose values are numbers, perhaps with names."""

    name: str
    first: int
    last: int
    names: tuple[str, ...] = ()

    def values(self, text: str) -> frozenset[int]:
        """The numbers that a list of values, ranges and increments stands for."""
        return frozenset[int]().union(*(self._part(part) for part in text.split(",")))

    def number(self, text: str) -> int:
        """One value."""
        if text in self.names:
            return self.first + self.names.index(text)
        if not re.fullmatch("[0-9]{1,2}", text) or not self.first <= int(text) <= self.last:
            names = f" or {self.names[0]} to {self.names[-1]}" if self.names else ""
            raise _Wrong(f"{text!r} is not {self.first} to {self.last}{names}")
        return int(text)

    def _part(self, text: str) -> range:
        if text == "*":
            return range(self.first, self.last + 1)
        start, slash, step = text.partition("/")
        if slash:
            if not re.fullmatch("[0-9]{1,2}", step) or int(step) == 0:
                raise _Wrong(f"{text!r} has no increment above 0 after its slash")
            return range(self.first if start in {"", "*"} else self.number(start), self.last + 1, int(step))
        low, dash, high = text.partition("-")
        if not dash:
            return range(self.number(text), self.number(text) + 1)
        if self.number(low) > self.number(high):
            raise _Wrong(f"the range {text!r} ends before it begins")
        return range(self.number(low), self.number(high) + 1)


_HOURS = _Field("hours", 0, 23)
_DAYS = _Field("day-of-month", 1, 31)
_MONTHS = _Field("month", 1, 12, ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"))
_WEEKDAYS = _Field("day-of-week", 1, 7, ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"))


def read(inner: str) -> tuple[Cron | None, tuple[str, ...]]:
    """Read what stands between the parentheses.

    Args:
        inner: such as ``0 2 ? * MON-FRI *``.

    Returns:
        What it means, or None; and every problem, each naming its field.
    """
    fields = inner.split()
    if len(fields) != _FIELDS:
        return None, (f"cron() has {_FIELDS} fields (minutes hours day-of-month month day-of-week year), not {len(fields)}",)
    minutes, hours, day, month, weekday, year = fields
    problems: list[str] = []
    if minutes != "0":
        problems.append(f"minutes: {minutes!r} must be 0, windows open on the hour")
    opening = _try(_hours, hours, _HOURS.name, problems)
    months = _try(_MONTHS.values, month, _MONTHS.name, problems)
    days = _either_day(day, weekday, problems)
    if year != "*":
        problems.append(f"year: {year!r} must be *")
    if problems or opening is None or months is None or days is None:
        return None, tuple(problems)
    return Cron(opening, "/" in hours, months, days), ()


def _try(parse: Callable[[str], _T], text: str, name: str, problems: list[str]) -> _T | None:
    try:
        return parse(text)
    except _Wrong as wrong:
        problems.append(f"{name}: {wrong}")
        return None


def _hours(text: str) -> tuple[int, ...]:
    if text == "*" or "," in text or "-" in text:
        raise _Wrong(f"{text!r} must be one hour, or an increment such as 8/12")
    return tuple(sorted(_HOURS.values(text)))


def _either_day(day: str, weekday: str, problems: list[str]) -> Days | None:
    """The one of the two fields that isn't ``?``."""
    if (day == "?") == (weekday == "?"):
        problems.append(f"day-of-month {day!r} and day-of-week {weekday!r}: exactly one of the two must be ?")
        return None
    if weekday == "?":
        return _try(_of_month, day, _DAYS.name, problems)
    return _try(_of_week, weekday, _WEEKDAYS.name, problems)


def _of_month(text: str) -> Days:
    if text == "L":
        return LastDay()
    if "W" in text:
        raise _Wrong(f"{text!r}: W is EventBridge's, Secrets Manager has no nearest weekday")
    if "L" in text:
        raise _Wrong(f"{text!r}: L, the last day, stands alone")
    return Numbered(_DAYS.values(text))


def _of_week(text: str) -> Days:
    named, mark, nth = text.partition("#")
    if mark:
        if not re.fullmatch(f"[1-{_MOST_IN_A_MONTH}]", nth):
            raise _Wrong(f"{text!r}: # stands alone, between a day and a number from 1 to {_MOST_IN_A_MONTH}")
        return NthOf(_WEEKDAYS.number(named), int(nth))
    if text == "L":
        return Weekdays(frozenset({_WEEK}))
    if text.endswith("L"):
        return LastOf(_WEEKDAYS.number(text[:-1]))
    return Weekdays(_WEEKDAYS.values(text))
