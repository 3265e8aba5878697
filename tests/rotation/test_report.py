"""The report: every secret with its policy, its rotations and its readers, in four forms."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from tests.rotation.bed import FUNCTION
from tests.simulators.clock import NOON, MovableClock
from tests.simulators.parameter_store import SimulatedParameterStore
from tests.simulators.secrets_manager import SimulatedSecretsManager
from tests.simulators.secrets_manager_direct import DirectClient

from vaultgate_ops.reporting import Silent
from vaultgate_ops.rotation.overdue import Watched
from vaultgate_ops.rotation.reads import Read, Reader
from vaultgate_ops.rotation.report import DAYS_TAG, PATHS_TAG, Row, Sources, absent, parameters, secrets
from vaultgate_ops.rotation.report_forms import FIELDS, FORMS, as_csv, as_html, as_json, ordered, summary, table
from vaultgate_ops.rotation.service import Api, SecretsManager

if TYPE_CHECKING:
    from collections.abc import Callable

DAY_S = 86400.0
PASSWORD = "planted-Passw0rd"


class Account:
    """Secrets and parameters of somebody's, and time that passes."""

    def __init__(self) -> None:
        self.clock = MovableClock()
        self.service, self.systems = SimulatedSecretsManager(self.clock), SimulatedParameterStore(self.clock)
        self.client = DirectClient(self.service)
        self.ssm = DirectClient(self.systems)  # type: ignore[arg-type] - it serves any service

    def secret(self, name: str, rules: dict[str, Any] | None = None, tags: dict[str, str] | None = None) -> str:
        """Make one, rotated at once if it has rules; its ARN."""
        told = [{"Key": key, "Value": value} for key, value in (tags or {}).items()]
        arn: str = self.client.create_secret(Name=name, SecretString=PASSWORD, Tags=told)["ARN"]
        if rules is not None:
            self.client.rotate_secret(SecretId=name, RotationLambdaARN=FUNCTION, RotationRules=rules)
            rotation = self.service.rotations.pop()
            self.client.put_secret_value(
                SecretId=name,
                ClientRequestToken=rotation.token,
                SecretString=PASSWORD,
                VersionStages=["AWSPENDING", "AWSCURRENT"],
            )
            self.service.end(rotation)
        return arn

    def report(self, **sources: Any) -> dict[str, Row]:
        """The rows by name. No value is read for them, whatever else."""
        asked = len(self.service.calls), len(self.systems.calls)
        known = Sources(now_s=self.clock.wall(), **sources)
        rows = secrets(SecretsManager(self.client, self.clock), "us-east-1", known, Silent())  # type: ignore[arg-type] - close enough
        rows += parameters(Api(self.ssm, self.clock), known)
        rows += absent(rows, known)
        calls = {*self.service.calls[asked[0] :], *self.systems.calls[asked[1] :]}
        assert calls <= {"ListSecrets", "DescribeSecret", "ListSecretVersionIds", "DescribeParameters", "ListTagsForResource"}
        return {row.name: row for row in rows}


@pytest.fixture
def account() -> Account:
    """An empty one."""
    return Account()


def test_a_secret_that_is_rotated_as_it_should(account: Account) -> None:
    """Its policy, its last rotation, the opening of its next window."""
    account.secret("app/db", {"AutomaticallyAfterDays": 45})
    account.clock.advance(10 * DAY_S)
    row = account.report()["app/db"]
    assert (row.state, row.policy, row.overdue_s, row.bad) == ("fine", "every 45 days", 0, False)
    assert (row.value_at, row.rotated_at) == (NOON, NOON)
    assert row.next_at == NOON - DAY_S / 2 + 45 * DAY_S


def test_one_that_is_late(account: Account) -> None:
    """By the age of the value that clients use, from the end of the window that it should have been rotated in."""
    account.secret("app/db", {"ScheduleExpression": "rate(30 days)", "Duration": "2h"})
    account.clock.advance(32 * DAY_S)
    row = account.report()["app/db"]
    assert (row.state, row.policy, row.bad) == ("overdue", "rate(30 days)", True)
    assert row.overdue_s == 2.5 * DAY_S - 2 * 3600
    assert row.next_at == NOON - DAY_S / 2 + 60 * DAY_S


def test_one_without_rotation(account: Account) -> None:
    """It is listed; with days by name, by pattern, by ARN or by its tag it is as late as its value is old."""
    arn = account.secret("app/db")
    account.secret("other", tags={DAYS_TAG: "30"})
    account.secret("wrong", tags={DAYS_TAG: "often"})
    account.clock.advance(40 * DAY_S)
    rows = account.report()
    assert (rows["app/db"].state, rows["app/db"].policy, rows["app/db"].next_at) == ("no rotation", "", None)
    assert (rows["other"].state, rows["other"].policy) == ("overdue", "every 30 days")
    assert (rows["wrong"].state, rows["wrong"].bad) == ("not readable", True)
    assert "is 'often', no number of days" in rows["wrong"].note
    for pattern in ("app/db", "app/*", arn, arn.rpartition("-")[0], "app/[d]b"):
        assert account.report(days=(Watched(pattern, 30), Watched("*", 365)))["app/db"].state == "overdue"
    later = account.report(days=(Watched("app/*", 365), Watched("*", 30)))
    assert (later["app/db"].state, later["app/db"].policy, later["wrong"].state) == ("fine", "every 365 days", "overdue")
    assert later["other"].policy == "every 30 days"


def test_its_own_rules_go_before_given_days(account: Account) -> None:
    """And a rotation that was cancelled leaves none."""
    account.secret("app/db", {"AutomaticallyAfterDays": 45})
    assert account.report(days=(Watched("*", 7),))["app/db"].policy == "every 45 days"
    account.client.cancel_rotate_secret(SecretId="app/db")
    assert account.report(days=(Watched("*", 7),))["app/db"].policy == "every 7 days"
    assert account.report()["app/db"].state == "no rotation"
    account.secret("app/other", {"AutomaticallyAfterDays": 45}, {DAYS_TAG: "often"})
    assert account.report()["app/other"].state == "fine"


def test_given_days_count_from_the_value_in_use(account: Account) -> None:
    """It is due once: after what is late nothing comes by itself, and a rotation before the value doesn't matter."""
    account.secret("app/db", {"AutomaticallyAfterDays": 45})
    account.client.cancel_rotate_secret(SecretId="app/db")
    account.clock.advance(20 * DAY_S)
    account.client.put_secret_value(SecretId="app/db", SecretString=PASSWORD)
    due = NOON - DAY_S / 2 + 50 * DAY_S
    for advanced_s, late_s in ((20 * DAY_S, 0), (40 * DAY_S, 29.5 * DAY_S)):
        account.clock.advance(advanced_s)
        row = account.report(days=(Watched("*", 30),))["app/db"]
        assert (row.rotated_at, row.value_at, row.next_at, row.overdue_s) == (NOON, NOON + 20 * DAY_S, due, late_s)


def test_what_is_named_and_is_not_there(account: Account) -> None:
    """A row each, which somebody has to see to: a name or an ARN, of a secret or of a parameter; a pattern may fit nothing."""
    account.secret("app/db")
    gone = "arn:aws:secretsmanager:us-east-1:123456789012:secret:gone"
    days = tuple(Watched(name, 45) for name in ("app/db", "app/gone", "/app/gone", gone, "other/*", "other/[ab]", "rds!other"))
    rows = account.report(days=days)
    assert rows["app/db"].state == "fine"
    assert {name for name, row in rows.items() if row.bad} == {"app/gone", "/app/gone", gone, "rds!other"}
    assert {row.note for row in rows.values() if row.bad} == {"there is none in this region"}
    assert [name for name, row in rows.items() if row.kind == "parameter"] == ["/app/gone"]


def test_those_that_are_others_or_gone(account: Account) -> None:
    """Marked for deletion, managed by a service, replicated from elsewhere: each is a row."""
    account.secret("gone", {"AutomaticallyAfterDays": 1})
    account.client.delete_secret(SecretId="gone")
    account.secret("rds!db", {"AutomaticallyAfterDays": 7})
    account.service.manage("rds!db", owner="rds")
    account.secret("copy", {"AutomaticallyAfterDays": 1})
    account.client.replicate_secret_to_regions(SecretId="copy", AddReplicaRegions=[{"Region": "eu-west-1"}])
    account.clock.advance(3 * DAY_S)
    rows = account.report()
    assert (rows["gone"].state, rows["gone"].note) == ("deletion pending", "marked on 2026-11-21")
    assert (rows["rds!db"].state, rows["rds!db"].policy) == ("managed by rds", "every 7 days")
    assert rows["copy"].state == "overdue"
    client = DirectClient(account.service, "eu-west-1")
    known = Sources(now_s=account.clock.wall())
    there = secrets(SecretsManager(client, account.clock), "eu-west-1", known, Silent())  # type: ignore[arg-type] - close enough
    assert {row.name: (row.state, row.next_at) for row in there}["copy"] == ("replica of us-east-1", None)
    account.clock.advance(9 * DAY_S)
    assert account.report()["rds!db"].state == "overdue"


def test_one_that_can_not_be_looked_at(account: Account) -> None:
    """It is a row, and somebody has to see to it; the others have theirs."""
    account.secret("a", {"AutomaticallyAfterDays": 45})
    account.secret("b", {"AutomaticallyAfterDays": 45})
    account.service.deny("ListSecretVersionIds", 1)
    rows = account.report()
    assert (rows["a"].state, rows["a"].bad) == ("not readable", True)
    assert "AccessDeniedException" in rows["a"].note
    assert rows["b"].state == "fine"


def test_an_unfinished_rotation_is_noted(account: Account) -> None:
    """With the version that waits, of a secret and of a parameter; what has waited isn't."""
    account.secret("app/db", {"AutomaticallyAfterDays": 45})
    token = "a" * 32
    account.client.rotate_secret(SecretId="app/db", ClientRequestToken=token)
    assert account.report()["app/db"].note == f"version {token} is pending"
    for name in ("/app/db", "plain"):
        account.ssm.put_parameter(Name=name, Value=PASSWORD, Type="SecureString")
        for number, note in ((1, ""), (2, "version 2 is pending")):
            waiting = f"/vaultgate-pending/{name.removeprefix('/')}/{number}"
            account.ssm.put_parameter(Name=waiting, Value=PASSWORD, Type="SecureString")
            assert account.report()[name].note == note


def test_more_than_a_page(account: Account) -> None:
    """All of them are read, of secrets and of parameters."""
    for n in range(101):
        account.secret(f"app/{n}")
    for n in range(51):
        tag = [{"Key": DAYS_TAG, "Value": "30"}]
        account.ssm.put_parameter(Name=f"/app/{n}", Value=PASSWORD, Type="SecureString", Tags=tag)
    assert len(account.report()) == 152


def test_who_read_it_since_the_value_is_current(account: Account) -> None:
    """In CloudTrail, and in Vault by a path that is given or tagged."""
    arn = account.secret("app/db", {"AutomaticallyAfterDays": 45}, {PATHS_TAG: "secret/data/tagged"})
    reads = (
        Read("role", NOON - 1, "secretsmanager", arn, "123456789012"),
        Read("role", NOON + 5, "secretsmanager", arn, "123456789012"),
        Read("vault: a", NOON + 6, "vault", "secret/data/given"),
        Read("vault: b", NOON + 7, "vault", "secret/data/tagged"),
    )
    for name in ("app/db", arn):
        rows = account.report(reads=reads, vault_paths={name: frozenset({"secret/data/given"})})
        assert rows["app/db"].readers == (
            Reader("vault: b", 1, NOON + 7),
            Reader("vault: a", 1, NOON + 6),
            Reader("role", 1, NOON + 5),
        )


def test_who_read_a_replica(account: Account) -> None:
    """By its name in the replica's region; a secret of that name in yet another region is another one."""
    account.secret("app/db", {"AutomaticallyAfterDays": 45})
    account.client.replicate_secret_to_regions(SecretId="app/db", AddReplicaRegions=[{"Region": "eu-west-1"}])
    reads = [
        Read(region, NOON + 1, "secretsmanager", "app/db", "123456789012", region)
        for region in ("us-east-1", "eu-west-1", "eu-west-2")
    ]
    assert [one.who for one in account.report(reads=reads)["app/db"].readers] == ["eu-west-1", "us-east-1"]


def test_who_read_the_copy_that_had_waited(account: Account) -> None:
    """It is the value in use until the next rotation ends; what waited for another version is another value."""
    put: Callable[..., Any] = account.ssm.put_parameter
    put(Name="/app/db", Value=PASSWORD, Type="SecureString")
    put(Name="/app/db", Value=PASSWORD, Overwrite=True)
    put(Name="/vaultgate-pending/app/db/2", Value=PASSWORD, Type="SecureString")
    arn, path = "arn:aws:ssm:us-east-1:123456789012:parameter/vaultgate-pending/app/db/2", "/vaultgate-pending"
    reads = [
        Read("by name", NOON, "ssm", "/vaultgate-pending/app/db/2", "123456789012", "us-east-1"),
        Read("by arn", NOON, "ssm", arn, "123456789012", "us-east-1"),
        Read("by path", NOON, "ssm", path, "123456789012", "us-east-1", below="all"),
        Read("one level", NOON, "ssm", path, "123456789012", "us-east-1", below="one"),
        Read("another", NOON, "ssm", "/vaultgate-pending/app/db/3", "123456789012", "us-east-1"),
    ]
    assert {one.who for one in account.report(reads=reads)["/app/db"].readers} == {"by name", "by arn", "by path"}


def test_parameters_that_are_ours(account: Account) -> None:
    """Tagged, named, or rotated by us; what waits and everything else is none of them."""
    put: Callable[..., Any] = account.ssm.put_parameter
    tag = [{"Key": DAYS_TAG, "Value": "30"}]
    put(Name="/app/tagged", Value=PASSWORD, Type="SecureString", Tags=tag)
    put(Name="/app/named", Value=PASSWORD, Type="SecureString")
    put(Name="/app/rotated", Value=PASSWORD, Type="SecureString")
    put(Name="plain", Value=PASSWORD, Type="SecureString")
    put(Name="/vaultgate-pending/app/rotated/2", Value=PASSWORD, Type="SecureString")
    put(Name="/vaultgate-pending/plain/2", Value=PASSWORD, Type="SecureString")
    put(Name="/app/foreign", Value=PASSWORD, Type="SecureString")
    account.clock.advance(DAY_S)
    put(Name="/app/rotated", Value=PASSWORD, Overwrite=True)
    account.clock.advance(40 * DAY_S)
    arn = "arn:aws:ssm:us-east-1:123456789012:parameter/app/rotated"
    rows = account.report(
        days=(Watched("/app/named", 365),), reads=(Read("role", account.clock.wall(), "ssm", arn, "123456789012"),)
    )
    assert set(rows) == {"/app/tagged", "/app/named", "/app/rotated", "plain"}
    assert {row.kind for row in rows.values()} == {"parameter"}
    assert (rows["/app/tagged"].state, rows["/app/tagged"].rotated_at) == ("overdue", None)
    assert (rows["/app/named"].state, rows["/app/named"].policy) == ("fine", "every 365 days")
    assert (rows["/app/rotated"].state, rows["/app/rotated"].rotated_at) == ("no rotation", NOON + DAY_S)
    assert [one.who for one in rows["/app/rotated"].readers] == ["role"]


ROWS = [
    Row("secret", "zeta", "arn:z", "fine", "every 45 days", NOON, NOON, NOON + 45 * DAY_S),
    Row("secret", "=cmd|' /C calc'!A0", "arn:c", "no rotation", note="-1+2", readers=(Reader("@role", 2, NOON + 60),)),
    Row("secret", "<script>alert(1)</script>", "arn:s", "not readable", note="refused & gone"),
    Row("parameter", "late\x1b[31m", "arn:l", "overdue", "rate(30 days)", NOON, None, NOON, 2.5 * DAY_S),
    Row("secret", 'a,b\n"c"', "arn:q", "deletion pending", note="a\x1b[2Jb"),
]


def test_what_needs_somebody_comes_first() -> None:
    """Then what has no rotation, then what is fine; the sum of each says so at the top."""
    assert [row.state for row in ordered(ROWS)] == ["overdue", "not readable", "no rotation", "deletion pending", "fine"]
    assert summary(ROWS) == "1 overdue, 1 not readable, 1 no rotation, 1 deletion pending, 1 fine"
    assert summary([]) == "nothing to report on"
    assert {form(ROWS, NOON).count("arn:z") for name, form in FORMS.items() if name != "table"} == {1}


def test_a_table_for_people() -> None:
    """No character of a name steers the terminal."""
    lines = table(ROWS, NOON).splitlines()
    assert lines[0].endswith("at 2026-11-21 12:00Z")
    assert lines[2].split() == [
        "late?[31m",
        "overdue",
        "rate(30",
        "days)",
        "2026-11-21",
        "2026-11-21",
        "late",
        "by",
        "2.5",
        "days",
    ]
    assert "    read by @role, 2 times, last 2026-11-21 12:01Z" in lines
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", "\n".join(lines))


def test_csv_holds_no_formula() -> None:
    """What a spreadsheet would compute is a text, whatever its column; what is quoted comes back whole."""
    header, *rows = csv.reader(io.StringIO(as_csv(ROWS, NOON)))
    assert tuple(header) == FIELDS
    cells = {row[-1]: dict(zip(header, row, strict=True)) for row in rows}
    assert cells["arn:c"]["name"] == "'=cmd|' /C calc'!A0"
    assert cells["arn:c"]["note"] == "'-1+2"
    assert cells["arn:c"]["read by"] == "'@role (2, last 2026-11-21 12:01Z)"
    assert cells["arn:q"]["name"] == 'a,b\n"c"'
    assert cells["arn:l"]["overdue days"] == "2.5"
    assert [cells["arn:z"][field] for field in ("value since", "last rotation", "next rotation", "overdue days")] == [
        "2026-11-21",
        "2026-11-21",
        "2027-01-05",
        "",
    ]
    for sign in "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20":
        ((_, cell, *_),) = list(
            csv.reader(io.StringIO(as_csv([Row("secret", f"{sign}1", "a", "fine")], NOON), newline=""), strict=True)
        )[1:]
        assert cell == f"'{sign}1"


def test_json_for_programs() -> None:
    """Dates with their zone, or null; numbers as numbers."""
    told = json.loads(as_json(ROWS, NOON))
    assert told["at"] == "2026-11-21T12:00:00Z"
    assert told["rows"][0] == {
        "kind": "parameter",
        "name": "late\x1b[31m",
        "arn": "arn:l",
        "state": "overdue",
        "policy": "rate(30 days)",
        "value_since": "2026-11-21T12:00:00Z",
        "last_rotation": None,
        "next_rotation": "2026-11-21T12:00:00Z",
        "overdue_s": 216000,
        "note": None,
        "readers": [],
    }
    assert told["rows"][2]["readers"] == [{"who": "@role", "times": 2, "last": "2026-11-21T12:01:00Z"}]


class Page(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())


def test_a_page_of_one_file() -> None:
    """It loads and runs nothing, and shows each name as it is."""
    text = as_html(ROWS, NOON)
    page = Page(text)
    assert not {tag for tag, _ in page.tags} & {"script", "img", "link", "iframe", "object", "form"}
    assert not [value for _, attributes in page.tags for name, value in attributes.items() if name in {"src", "href", "onclick"}]
    policy = next(attributes for tag, attributes in page.tags if attributes.get("http-equiv") == "Content-Security-Policy")
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"
    assert {"<script>alert(1)</script>", "refused & gone", "@role, 2 times, last 2026-11-21 12:01Z"} <= set(page.texts)
    assert [attributes.get("class") for tag, attributes in page.tags if tag == "tr"] == [None, "bad", "bad", None, None, None]
    assert len([tag for tag, _ in page.tags if tag == "td"]) == len(ROWS) * len(FIELDS)
