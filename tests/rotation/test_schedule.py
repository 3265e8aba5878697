"""RotationRules: what passes, what each wrong thing is called, when the windows are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaultgate_ops.errors import UsageProblem
from vaultgate_ops.rotation.schedule import check, described, load

if TYPE_CHECKING:
    from vaultgate_ops.rotation.schedule import Window

# A Saturday.
ROTATED = datetime(2026, 11, 21, 4, 30, tzinfo=UTC)


def cron(fields: str, duration: str | None = None) -> dict[str, Any]:
    """Rules with a cron expression."""
    return rules(f"cron({fields})", duration)


def rules(expression: str, duration: str | None = None) -> dict[str, Any]:
    """Rules with an expression."""
    return {"ScheduleExpression": expression, **({"Duration": duration} if duration else {})}


def told(windows: list[Window]) -> list[str]:
    """Windows as short as they can be said."""
    return [f"{one.opens:%y-%m-%d %H}+{(one.closes - one.opens).total_seconds() / 3600:.0f}" for one in windows]


@pytest.mark.parametrize(
    ("given_rules", "expected"),
    [
        # The guide's examples.
        (cron("0 10 * * ? *"), "26-11-21 10+14, 26-11-22 10+14, 26-11-23 10+14"),
        (cron("0 18 ? * SAT *"), "26-11-21 18+6, 26-11-28 18+6, 26-12-05 18+6"),
        (cron("0 8 1 * ? *"), "26-12-01 08+16, 27-01-01 08+16, 27-02-01 08+16"),
        (cron("0 1 ? 1/3 SUN#1 *"), "27-01-03 01+23, 27-04-04 01+23, 27-07-04 01+23"),
        (cron("0 17 L * ? *"), "26-11-30 17+7, 26-12-31 17+7, 27-01-31 17+7"),
        (cron("0 8 ? * MON-FRI *"), "26-11-23 08+16, 26-11-24 08+16, 26-11-25 08+16"),
        (cron("0 16 1,15 * ? *"), "26-12-01 16+8, 26-12-15 16+8, 27-01-01 16+8"),
        (cron("0 0 ? * SUN#1 *"), "26-12-06 00+24, 27-01-03 00+24, 27-02-07 00+24"),
        (cron("0 /8 * * ? *"), "26-11-21 08+1, 26-11-21 16+1, 26-11-22 00+1"),
        (cron("0 4/12 * * ? *"), "26-11-21 16+1, 26-11-22 04+1, 26-11-22 16+1"),
        (cron("0 2/10 * * ? *"), "26-11-21 12+1, 26-11-21 22+1, 26-11-22 02+1"),
        # The seed's.
        (cron("0 2 ? * MON-FRI *", "2h"), "26-11-23 02+2, 26-11-24 02+2, 26-11-25 02+2"),
        (cron("0 1 ? * MON *", "1h"), "26-11-23 01+1, 26-11-30 01+1, 26-12-07 01+1"),
        # Numbers for names, lists of ranges, increments, the last of a kind.
        (cron("0 6 ? * 2,4-5 *", "3h"), "26-11-23 06+3, 26-11-25 06+3, 26-11-26 06+3"),
        (cron("0 6 ? FEB,12 MON/3 *", "3h"), "26-12-03 06+3, 26-12-07 06+3, 26-12-10 06+3"),
        (cron("0 6 1/10 * ? *", "3h"), "26-11-21 06+3, 26-12-01 06+3, 26-12-11 06+3"),
        (cron("0 6 ? * SUNL *", "3h"), "26-11-29 06+3, 26-12-27 06+3, 27-01-31 06+3"),
        (cron("0 6 ? * L *", "3h"), "26-11-21 06+3, 26-11-28 06+3, 26-12-05 06+3"),
        (cron("0 6 ? * FRI#5 *", "3h"), "27-01-29 06+3, 27-04-30 06+3, 27-07-30 06+3"),
        (cron("0 23 31 * ? *", "1h"), "26-12-31 23+1, 27-01-31 23+1, 27-03-31 23+1"),
        # Rates count from the midnight before the last rotation.
        (rules("rate(10 days)"), "26-12-01 00+24, 26-12-11 00+24, 26-12-21 00+24"),
        (rules("rate(1 day)", "5h"), "26-11-22 00+5, 26-11-23 00+5, 26-11-24 00+5"),
        (rules("rate(4 hours)"), "26-11-21 08+1, 26-11-21 12+1, 26-11-21 16+1"),
        (rules("rate(12 hours)", "12h"), "26-11-21 12+12, 26-11-22 00+12, 26-11-22 12+12"),
        (rules("rate(5 hours)"), "26-11-21 05+1, 26-11-21 10+1, 26-11-21 15+1"),
        ({"AutomaticallyAfterDays": 45}, "27-01-05 00+24, 27-02-19 00+24, 27-04-05 00+24"),
        ({"AutomaticallyAfterDays": 30, "Duration": "2h"}, "26-12-21 00+2, 27-01-20 00+2, 27-02-19 00+2"),
    ],
    ids=str,
)
def test_windows(given_rules: dict[str, Any], expected: str) -> None:
    """The next three after a rotation on a Saturday at 04:30."""
    schedule = load(given_rules)
    assert ", ".join(told(list(islice(schedule.windows(ROTATED), 3)))) == expected


@pytest.mark.parametrize(
    ("given_rules", "problems"),
    [
        # The seed's sample.
        (
            {"AutomaticallyAfterDays": 45, "Duration": "2h", "ScheduleExpression": "cron(0 2 ? * MON-FRI *)"},
            ["AutomaticallyAfterDays and ScheduleExpression exclude each other"],
        ),
        ({}, ["one of AutomaticallyAfterDays and ScheduleExpression is needed"]),
        ({"AutomaticallyAfterDays": 0}, ["AutomaticallyAfterDays: 0 is not 1 to 1000"]),
        ({"AutomaticallyAfterDays": 1001}, ["AutomaticallyAfterDays: 1001 is not 1 to 1000"]),
        ({"AutomaticallyAfterDays": True}, ["AutomaticallyAfterDays: True is not 1 to 1000"]),
        ({"AutomaticallyAfterDays": 3, "Window": "2h"}, ["Window is not a rotation rule"]),
        ({"AutomaticallyAfterDays": 3, "Duration": "25h"}, ["Duration: '25h' is not 1h to 24h"]),
        ({"AutomaticallyAfterDays": 3, "Duration": "90m"}, ["Duration: '90m' is not 1h to 24h"]),
        (rules("every day"), ["ScheduleExpression: 'every day' is neither cron(...) nor rate(<number> hours|days)"]),
        (
            rules("rate(90 minutes)"),
            ["ScheduleExpression: 'rate(90 minutes)' is neither cron(...) nor rate(<number> hours|days)"],
        ),
        (rules("rate(0 days)"), ["ScheduleExpression: a rate is 1 to 999 days"]),
        (rules("rate(1000 days)"), ["ScheduleExpression: a rate is 1 to 999 days"]),
        (rules("rate(3 hours)"), ["ScheduleExpression: 3 h between two windows, at least 4 h are needed"]),
        (rules("rate(6 hours)", "7h"), ["Duration: 7h reaches into the next window, which opens 6 h later"]),
        (rules("rate(5 hours)", "2h"), ["Duration: 2h from 23:00 UTC goes past midnight"]),
        (cron("0 2 * * MON-FRI"), ["cron() has 6 fields (minutes hours day-of-month month day-of-week year), not 5"]),
        (cron("30 2 ? * MON *"), ["minutes: '30' must be 0, windows open on the hour"]),
        (cron("0 24 ? * MON *"), ["hours: '24' is not 0 to 23"]),
        (cron("0 * ? * MON *"), ["hours: '*' must be one hour, or an increment such as 8/12"]),
        (cron("0 2,14 ? * MON *"), ["hours: '2,14' must be one hour, or an increment such as 8/12"]),
        (cron("0 2/0 ? * MON *"), ["hours: '2/0' has no increment above 0 after its slash"]),
        (cron("0 2 32 * ? *"), ["day-of-month: '32' is not 1 to 31"]),
        (cron("0 2 15W * ? *"), ["day-of-month: '15W': W is EventBridge's, Secrets Manager has no nearest weekday"]),
        (cron("0 2 L-3 * ? *"), ["day-of-month: 'L-3': L, the last day, stands alone"]),
        (cron("0 2 9-3 * ? *"), ["day-of-month: the range '9-3' ends before it begins"]),
        (cron("0 2 ? 13 MON *"), ["month: '13' is not 1 to 12 or JAN to DEC"]),
        (cron("0 2 ? jan MON *"), ["month: 'jan' is not 1 to 12 or JAN to DEC"]),
        (cron("0 2 ? * 0 *"), ["day-of-week: '0' is not 1 to 7 or SUN to SAT"]),
        (cron("0 2 ? * FRI-MON *"), ["day-of-week: the range 'FRI-MON' ends before it begins"]),
        (cron("0 2 ? * MON#6 *"), ["day-of-week: 'MON#6': # stands alone, between a day and a number from 1 to 5"]),
        (cron("0 2 ? * MON#1,FRI#2 *"), ["day-of-week: 'MON#1,FRI#2': # stands alone, between a day and a number from 1 to 5"]),
        (cron("0 2 ? * MON, *"), ["day-of-week: '' is not 1 to 7 or SUN to SAT"]),
        (cron("0 2 * * MON *"), ["day-of-month '*' and day-of-week 'MON': exactly one of the two must be ?"]),
        (cron("0 2 ? * ? *"), ["day-of-month '?' and day-of-week '?': exactly one of the two must be ?"]),
        (cron("0 2 ? * MON 2027"), ["year: '2027' must be *"]),
        (cron("0 2 31 FEB,APR ? *"), ["ScheduleExpression: there is no such day in any year"]),
        (cron("0 2 29 FEB ? *"), ["ScheduleExpression: up to 1461 days between two rotations, more than a year"]),
        (cron("0 1/11 * * ? *"), ["ScheduleExpression: 2 h between two windows, at least 4 h are needed"]),
        (cron("0 /3 ? * MON *"), ["ScheduleExpression: 3 h between two windows, at least 4 h are needed"]),
        (cron("0 23 ? * MON *", "2h"), ["Duration: 2h from 23:00 UTC goes past midnight"]),
        (cron("0 4/12 * * ? *", "9h"), ["Duration: 9h from 16:00 UTC goes past midnight"]),
        (cron("0 /6 * * ? *", "7h"), ["Duration: 7h reaches into the next window, which opens 6 h later"]),
        # All at once.
        (
            {"AutomaticallyAfterDays": -1, **cron("5 25 ? * XYZ 1999", "0h")},
            [
                "AutomaticallyAfterDays and ScheduleExpression exclude each other",
                "Duration: '0h' is not 1h to 24h",
                "AutomaticallyAfterDays: -1 is not 1 to 1000",
                "minutes: '5' must be 0, windows open on the hour",
                "hours: '25' is not 0 to 23",
                "day-of-week: 'XYZ' is not 1 to 7 or SUN to SAT",
                "year: '1999' must be *",
            ],
        ),
    ],
    ids=str,
)
def test_problems(given_rules: dict[str, Any], problems: list[str]) -> None:
    """Each has one clause that names its part, all are told together, and loading such rules is a usage problem."""
    assert check(given_rules) == (None, tuple(problems))
    with pytest.raises(UsageProblem) as caught:
        load(given_rules)
    assert all(problem in caught.value.message for problem in problems)


def test_two_windows_a_day_on_days_apart() -> None:
    """An increment that would come too near to itself over midnight passes where no two days in a row match."""
    assert check(cron("0 1/11 ? * MON *"))[1] == ()


def test_what_describe_secret_says() -> None:
    """Beside an expression it tells the days that it comes to; that is no second rule."""
    assert check(described({"AutomaticallyAfterDays": 7, **cron("0 1 ? * MON *")}))[1] == ()
    assert described({"AutomaticallyAfterDays": 7}) == {"AutomaticallyAfterDays": 7}


def test_due() -> None:
    """A rotation is late when the first window after the one before has closed."""
    assert load(cron("0 2 ? * MON-FRI *", "2h")).due(ROTATED) == datetime(2026, 11, 23, 4, tzinfo=UTC)
    assert load({"AutomaticallyAfterDays": 45}).due(ROTATED) == datetime(2027, 1, 6, tzinfo=UTC)


def test_windows_that_are_over_are_not_shown() -> None:
    """One that is open at this moment is."""
    schedule = load(cron("0 2 ? * MON-FRI *", "2h"))
    assert told(schedule.next_windows(ROTATED, datetime(2026, 11, 24, 3, 59, tzinfo=UTC), 1)) == ["26-11-24 02+2"]
    assert told(schedule.next_windows(ROTATED, datetime(2026, 11, 24, 4, 0, tzinfo=UTC), 1)) == ["26-11-25 02+2"]


def _listed(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(values, min_size=1, max_size=3).map(",".join)


hours = st.one_of(
    st.integers(0, 23).map(str), st.builds("{}/{}".format, st.one_of(st.just(""), st.integers(0, 23)), st.integers(1, 24))
)
months = st.one_of(st.just("*"), _listed(st.sampled_from(["JAN", "2", "MAR-JUN", "7/2", "*/5", "DEC"])))
of_month = st.one_of(st.sampled_from(["*", "L"]), _listed(st.sampled_from(["1", "15", "31", "3-9", "2/7", "*/10"])))
of_week = st.one_of(
    st.sampled_from(["*", "L", "MONL", "1L", "FRI#2", "7#4"]), _listed(st.sampled_from(["SUN", "3", "MON-FRI", "2/2"]))
)
days = st.one_of(st.tuples(of_month, st.just("?")), st.tuples(st.just("?"), of_week))
crons = st.builds(lambda hour, month, day: f"cron(0 {hour} {day[0]} {month} {day[1]} *)", hours, months, days)
rates = st.builds("rate({} {})".format, st.integers(1, 999), st.sampled_from(["hour", "hours", "day", "days"]))
durations = st.one_of(st.none(), st.integers(1, 24).map("{}h".format))
moments = st.datetimes(datetime(2020, 1, 1), datetime(2039, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the zone is given beside


@given(st.one_of(crons, rates), durations, moments)
def test_whatever_passes_keeps_the_services_rules(expression: str, duration: str | None, rotated: datetime) -> None:
    """On the hour, after the rotation, inside a UTC day, over before the next opens, four hours and at most a rate apart."""
    schedule, problems = check(rules(expression, duration))
    assert (schedule is None) == bool(problems)
    if schedule is None:
        return
    windows = list(islice(schedule.windows(rotated), 12))
    assert windows[0].opens > rotated
    for one in windows:
        assert (one.opens.minute, one.opens.second, one.opens.tzinfo) == (0, 0, UTC)
        assert one.opens < one.closes
        assert (one.closes - timedelta(seconds=1)).date() == one.opens.date()
    for before, after in pairwise(windows):
        assert timedelta(hours=4) <= after.opens - before.opens <= timedelta(days=999)
        assert before.closes <= after.opens


@given(st.text(alphabet="0123456789*?/,-#LWADEFJMNORSTUY() cronate", max_size=40))
def test_no_text_is_too_odd(text: str) -> None:
    """Anything is either a schedule or a list of problems."""
    schedule, problems = check({"ScheduleExpression": text})
    assert (schedule is None) == bool(problems)
