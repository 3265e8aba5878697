"""Who read what, from committed files in the shapes of CloudTrail and of Vault's audit.

Shapes: AWS CloudTrail User Guide, "CloudTrail log file examples"; Secrets Manager User Guide, "CloudTrail entries"; Vault, "Audit
devices". `history/` holds nothing that anybody ever did.
"""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaultgate_ops.audit.envelope import messages, plan, reads
from vaultgate_ops.errors import UsageProblem
from vaultgate_ops.rotation.reads import Read, Reader, Subject, alike, concerns, of_trail, of_vault, readers
from vaultgate_ops.rotation.records import audit, trail

HISTORY = Path(__file__).with_name("history")
SECRET = Subject("arn:aws:secretsmanager:us-east-1:123456789012:secret:app/db-AbCdEf", "app/db")
PARAMETER = Subject("arn:aws:ssm:us-east-1:123456789012:parameter/app/db", "/app/db")
IN_VAULT = Subject(SECRET.arn, SECRET.name, frozenset({"secret/data/records"}))
ROLE = "arn:aws:iam::123456789012:role/"


def at(text: str) -> float:
    """Seconds since 1970."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


ROTATED = at("2026-11-15T02:00:00")


def test_who_read_a_secret() -> None:
    """By ARN, by name, by an ARN without its suffix, and in another region; not who was refused, nor who only described it."""
    found = readers(SECRET, tuple(trail(HISTORY / "trail")), ROTATED)
    assert found == (
        Reader(f"{ROLE}batch", 1, at("2026-11-20T11:30:00")),
        Reader("AIDACROSS of account 210987654321", 1, at("2026-11-20T11:00:00")),
        Reader("arn:aws:iam::123456789012:user/alice", 1, at("2026-11-20T10:00:00")),
        Reader(f"{ROLE}records", 2, at("2026-11-20T09:30:00")),
    )


def test_only_reads_since_the_rotation_count() -> None:
    """One at that very second does; one before doesn't."""
    all_of_them = tuple(trail(HISTORY / "trail"))
    assert {one.who: one.times for one in readers(SECRET, all_of_them, 0)}[f"{ROLE}records"] == 3
    last = readers(SECRET, all_of_them, at("2026-11-20T11:30:00"))
    assert [one.who for one in last] == [f"{ROLE}batch"]


def test_who_read_a_parameter() -> None:
    """Among several, by a path at one level or recursively, by a version; putting is no reading."""
    assert readers(PARAMETER, tuple(trail(HISTORY / "trail")), ROTATED) == (
        Reader(f"{ROLE}debug", 1, at("2026-11-20T12:20:00")),
        Reader(f"{ROLE}loader", 2, at("2026-11-20T12:11:00")),
        Reader("ecs-tasks.amazonaws.com", 1, at("2026-11-20T12:00:00")),
    )


def test_who_read_it_in_vault() -> None:
    """Answered reads of the path alone; proofs, exports' dates and lines that are no JSON are no obstacle."""
    assert readers(IN_VAULT, tuple(audit(HISTORY / "audit.log")), ROTATED) == (
        Reader("vault: token-operator", 1, at("2026-11-20T09:00:00")),
        Reader("vault: aws-records", 2, pytest.approx(at("2026-11-20T08:10:00.123456"))),
    )
    assert readers(SECRET, tuple(audit(HISTORY / "audit.log")), 0) == ()


def test_files_may_be_gzipped(tmp_path: Path) -> None:
    """As CloudTrail's and rotated ones of Vault's are; a single file does as well as a folder."""
    for path in (HISTORY / "trail").rglob("*_f?.json"):
        (tmp_path / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    (tmp_path / "audit.gz").write_bytes(gzip.compress((HISTORY / "audit.log").read_bytes()))
    zipped, plain = sorted(trail(tmp_path), key=repr), sorted(trail(HISTORY / "trail"), key=repr)
    assert zipped == plain
    assert len(list(trail(next(tmp_path.glob("*f2.json.gz"))))) == 8
    assert list(audit(tmp_path / "audit.gz")) == list(audit(HISTORY / "audit.log"))


def test_a_mirrored_line_in_parts_is_one_read(tmp_path: Path) -> None:
    """Lines too long for an event come in envelopes."""
    entry = {
        "type": "response",
        "time": "2026-11-20T08:00:00Z",
        "auth": {"display_name": "aws-records", "note": "x" * 1_200_000},
        "request": {"operation": "read", "path": "secret/data/records"},
    }
    line = json.dumps(entry).encode()
    parts = list(messages(plan(reads(line), len(line), "here"), reads(line)))
    assert len(parts) > 1
    (tmp_path / "audit.log").write_bytes(b"\n".join(parts))
    assert [one.who for one in audit(tmp_path / "audit.log")] == ["vault: aws-records"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("cut.json.gz", gzip.compress(b'{"Records": []}' * 99, mtime=0)[:-20], "EOFError"),
        ("broken.json.gz", b"\x1f\x8bnothing of the kind", "BadGzipFile"),
        ("no.json", b"no JSON", "JSONDecodeError"),
        ("other.json", b'{"events": []}', "no Records"),
        ("deep.json", b"[" * 200_000, "RecursionError"),
    ],
)
def test_a_file_that_can_not_be_read_is_named(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    """A report that leaves a file out in silence proves nothing."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageProblem) as caught:
        list(trail(tmp_path))
    assert name in caught.value.message
    assert says in caught.value.message


def test_a_folder_without_any_file_is_an_error(tmp_path: Path) -> None:
    """It is the wrong folder; so is an audit file that is cut."""
    with pytest.raises(UsageProblem, match="no file of CloudTrail"):
        list(trail(tmp_path))
    (tmp_path / "audit.gz").write_bytes(gzip.compress(b"{}\n" * 999, mtime=0)[:-9])
    with pytest.raises(UsageProblem, match=r"audit\.gz"):
        list(audit(tmp_path / "audit.gz"))


def test_an_audit_file_of_something_else_is_an_error(tmp_path: Path) -> None:
    """It proves nothing; one that is empty, or has the mirror's proofs alone, is none."""
    path = tmp_path / "audit.log"
    for text in ("no audit\n", '{"Records": []}\n', "[]\n"):
        path.write_text(text)
        with pytest.raises(UsageProblem, match="no line of Vault's audit"):
            list(audit(path))
    for text in ("\n", '2026-11-20T08:00:00Z {"vaultgate_proof": {"start": 0}}\n'):
        path.write_text(text)
        assert list(audit(path)) == []


def test_what_is_told_again_counts_once() -> None:
    """A file that is read twice, a line that was mirrored twice; reads without an id are all counted."""
    twice = [read for _ in range(2) for read in trail(HISTORY / "trail")]
    assert readers(SECRET, twice, ROTATED) == readers(SECRET, tuple(trail(HISTORY / "trail")), ROTATED)
    (one,) = readers(IN_VAULT, [read for _ in range(3) for read in of_vault(entry())], 0)
    assert one.times == 1
    (several,) = readers(SECRET, [read for _ in range(3) for read in of_trail(record(eventID=""))], 0)
    assert several.times == 3
    both = [*of_trail(record(eventID="a")), *of_trail(record(eventID="b"))]
    assert readers(SECRET, both, 0)[0].times == 2


def record(**changes: Any) -> dict[str, Any]:
    """A record of a read of the secret."""
    whole = {
        "eventSource": "secretsmanager.amazonaws.com",
        "eventName": "GetSecretValue",
        "eventTime": "2026-11-20T08:00:00Z",
        "awsRegion": "us-east-1",
        "recipientAccountId": "123456789012",
        "userIdentity": {"arn": "somebody"},
        "requestParameters": {"secretId": "app/db"},
        "eventID": "an event",
    }
    return whole | changes


@pytest.mark.parametrize(
    "changes",
    [
        {"eventSource": "kms.amazonaws.com"},
        {"eventSource": "ssm.amazonaws.com"},
        {"eventName": "GetRandomPassword"},
        {"eventTime": "yesterday"},
        {"eventTime": None},
        {"requestParameters": None},
        {"requestParameters": {}},
        {"requestParameters": {"secretId": ""}},
        {"requestParameters": {"secretId": 7}},
        {"errorCode": "ThrottlingException"},
    ],
)
def test_what_is_no_read(changes: dict[str, Any]) -> None:
    """Other services and calls, refused ones, and records that lack what is needed."""
    assert len(list(of_trail(record()))) == 1
    assert list(of_trail(record(**changes))) == []


@pytest.mark.parametrize(
    ("identity", "who"),
    [
        ({"sessionContext": {"sessionIssuer": {"arn": "role"}}, "arn": "session"}, "role"),
        ({"sessionContext": {"sessionIssuer": {}}, "arn": "session"}, "session"),
        ({"sessionContext": None, "invokedBy": "a service", "principalId": "an id"}, "a service"),
        ({"principalId": "an id", "accountId": "1"}, "an id of account 1"),
        ({"principalId": "AROA1:a session", "accountId": "1"}, "AROA1 of account 1"),
        ({"principalId": "an id"}, "an id"),
        ({"arn": "", "accountId": "1"}, "account 1"),
        ({}, "unknown"),
        (None, "unknown"),
    ],
)
def test_who_is_behind_a_session(identity: Any, who: str) -> None:
    """The role, else the next best thing that the record has."""
    (read,) = of_trail(record(userIdentity=identity))
    assert read == Read(who, at("2026-11-20T08:00:00"), "secretsmanager", "app/db", "123456789012", "us-east-1", "", "an event")


def test_a_date_without_a_zone_is_utc() -> None:
    """Both logs are; one with another zone is taken at its word."""
    (plain,) = of_trail(record(eventTime="2026-11-20T08:00:00"))
    (zoned,) = of_trail(record(eventTime="2026-11-20T09:00:00+01:00"))
    assert plain.at == zoned.at == at("2026-11-20T08:00:00")


def named(what: str, service: str = "secretsmanager", **changes: str) -> Read:
    """A read of something in the secret's account and region."""
    return Read(
        "x",
        0,
        service,
        what,
        changes.get("account", "123456789012"),
        changes.get("region", "us-east-1"),
        changes.get("below", ""),
    )


@pytest.mark.parametrize(
    ("read", "subject", "yes"),
    [
        (named(SECRET.arn), SECRET, True),
        (named(SECRET.arn, account="210987654321"), SECRET, False),
        (named(SECRET.arn, region="eu-west-1"), SECRET, True),
        (named(SECRET.arn.replace("us-east-1", "eu-west-1"), region="eu-west-1"), SECRET, True),
        (named(SECRET.arn.replace("123456789012", "210987654321")), SECRET, False),
        (named(SECRET.arn.removesuffix("-AbCdEf")), SECRET, True),
        (named(SECRET.arn.removesuffix("/db-AbCdEf")), SECRET, False),
        (named(SECRET.arn.removesuffix("Ef")), SECRET, False),
        (named(SECRET.arn + "-AbCdEf"), SECRET, False),
        (named("arn:aws:secretsmanager"), SECRET, False),
        (named(SECRET.arn, service="ssm"), SECRET, False),
        (named("app/db"), SECRET, True),
        (named("app/db", region="eu-west-1"), SECRET, False),
        (named("app/db", account="210987654321"), SECRET, False),
        (named("app/db-AbCdEf"), SECRET, False),
        (named("app/db:1"), SECRET, False),
        (named("/app/db", "ssm"), PARAMETER, True),
        (named("/app/db:AWSCURRENT", "ssm"), PARAMETER, True),
        (named("/app/dbx", "ssm"), PARAMETER, False),
        (named("/app/db"), PARAMETER, False),
        (named(PARAMETER.arn, "ssm"), PARAMETER, True),
        (named(f"{PARAMETER.arn}:3", "ssm"), PARAMETER, True),
        (named(PARAMETER.arn.replace("us-east-1", "eu-west-1"), "ssm"), PARAMETER, False),
        (named(PARAMETER.arn.replace(":ssm:", ":secretsmanager:"), "ssm"), PARAMETER, False),
        (named("/app", "ssm", below="one"), PARAMETER, True),
        (named("/app/", "ssm", below="all"), PARAMETER, True),
        (named("/", "ssm", below="one"), PARAMETER, False),
        (named("/", "ssm", below="all"), PARAMETER, True),
        (named("/ap", "ssm", below="all"), PARAMETER, False),
        (named("/app/db", "ssm", below="all"), PARAMETER, False),
        (named("/app", "ssm", below="all", region="eu-west-1"), PARAMETER, False),
        (named("secret/data/records", "vault"), IN_VAULT, True),
        (named("secret/data", "vault"), IN_VAULT, False),
        (named("secret/data/records"), IN_VAULT, False),
    ],
)
def test_what_a_read_was_of(read: Read, subject: Subject, yes: bool) -> None:  # noqa: FBT001 - the table's last column
    """An ARN or a part of one, a name in its own account and region, a path above it."""
    assert concerns(read, subject) is yes


def test_reads_that_are_alike_concern_the_same() -> None:
    """Each is in one list, and whatever decides whether a read concerns a subject is the same for a whole list."""
    several = [
        named(what, service, account=account, region=region, below=below)
        for what in ("/app", "/app/db", "app/db", SECRET.arn, PARAMETER.arn)
        for service in ("ssm", "secretsmanager")
        for account in ("123456789012", "210987654321")
        for region in ("us-east-1", "eu-west-1")
        for below in ("", "one", "all")
    ]
    lists = alike(several * 2)
    assert sorted(map(repr, several * 2)) == sorted(repr(read) for one in lists for read in one)
    assert len(lists) == len(several)
    assert all(len({concerns(read, subject) for read in one}) == 1 for one in lists for subject in (SECRET, PARAMETER))


def entry(**changes: Any) -> dict[str, Any]:
    """A response's entry of Vault's audit."""
    whole: dict[str, Any] = {
        "type": "response",
        "time": "2026-11-20T08:00:00.123456789Z",
        "auth": {"display_name": "aws-records"},
        "request": {"operation": "read", "path": "secret/data/records", "id": "a request"},
    }
    return whole | changes


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "request"},
        {"error": "permission denied"},
        {"time": 7},
        {"request": None},
        {"request": {"operation": "list", "path": "secret/metadata"}},
        {"request": {"operation": "read"}},
    ],
)
def test_what_is_no_read_of_vaults(changes: dict[str, Any]) -> None:
    """Requests, which may not have been answered; refusals; what isn't whole."""
    (read,) = of_vault(entry())
    when = pytest.approx(at("2026-11-20T08:00:00.123456"))
    assert read == Read("vault: aws-records", when, "vault", "secret/data/records", event="a request")
    assert list(of_vault(entry(**changes))) == []


def test_a_namespace_stands_before_the_path() -> None:
    """As whoever configures Vault writes it; an entry without a name or a login is somebody unknown's."""
    (read,) = of_vault(entry(request={"operation": "read", "path": "kv/data/a", "namespace": {"id": "x", "path": "team/"}}))
    assert read.what == "team/kv/data/a"
    (unnamed,) = of_vault(entry(auth={}))
    (anonymous,) = of_vault(entry(auth=None))
    assert unnamed.who == anonymous.who == "vault: unknown"


@settings(max_examples=40, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_no_record_breaks_the_reader(anything: Any) -> None:
    """Whatever stands in a field."""
    for field in record():
        list(of_trail(record(**{field: anything})))
    list(of_trail(record(eventSource="ssm.amazonaws.com", eventName="GetParameters", requestParameters={"names": anything})))
    for field in entry():
        list(of_vault(entry(**{field: anything})))
    list(of_vault(entry(request={"operation": "read", "path": anything, "namespace": anything})))
