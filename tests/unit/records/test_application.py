"""The function as API Gateway sees it, in both formats."""

from __future__ import annotations

import io
import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools import Logger, Metrics
from pymysql.err import OperationalError, ProgrammingError
from tests.unit.records.doubles import PASSWORD, ScriptedSource

from vaultgate.errors import Denied, Unreachable
from vaultgate_ops.local.proxy_events import Answer, Call, Payload, Route, answer, event
from vaultgate_ops.records.application import make_handler

if TYPE_CHECKING:
    from collections.abc import Callable

    Ask = Callable[..., "Seen"]


@dataclass
class Context:
    """What Lambda tells of an invocation."""

    function_name: str = "records"
    memory_limit_in_mb: int = 128
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:records"
    aws_request_id: str = "request"


@dataclass(frozen=True)
class Seen:
    """What came of one request.

    Attributes:
        answer: what the client gets.
        document: its body.
        log: the function's log lines.
        metrics: names and values in the EMF lines.
        everything: all that was written, as text.
    """

    answer: Answer
    document: dict[str, Any]
    log: list[dict[str, Any]]
    metrics: dict[str, float]
    everything: str

    def header(self, name: str) -> str | None:
        """One header's value."""
        return dict(self.answer.headers).get(name)


@pytest.fixture(params=["1.0", "2.0"])
def ask(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Asks the function once, in one format after the other."""
    payload: Payload = request.param

    def once(source: ScriptedSource, *, path: str = "/records", table: str = "orders") -> Seen:
        stream = io.StringIO()
        logger = Logger(service=f"records-{uuid.uuid4()}", stream=stream)
        handler = make_handler(source, table, logger, Metrics(namespace="Vaultgate", service="records"))
        call = Call(Route("GET", path), {}, path, "", (("Host", "x"),), b"", "192.0.2.1", "HTTP/1.1", "the-id", 0.0)
        given = answer(handler(event(call, payload), Context()), payload)  # type: ignore[arg-type]
        printed = capsys.readouterr().out
        emf = [json.loads(line) for line in printed.splitlines()]
        metrics = {
            metric["Name"]: sum(line[metric["Name"]])
            for line in emf
            for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]
            if metric["Name"] != "ColdStart"
        }
        log = [json.loads(line) for line in stream.getvalue().splitlines()]
        return Seen(given, json.loads(given.body), log, metrics, given.body.decode() + stream.getvalue() + printed)

    return once


def test_the_answer_names_table_count_and_credential(ask: Ask) -> None:
    """In the documented shape, and for no cache."""
    seen = ask(ScriptedSource(42))
    assert seen.answer.status == 200
    assert seen.document == {
        "table": "orders",
        "count": 42,
        "credential": {"source": "double", "user": "v-user-1", "expires_in_s": 600},
    }
    assert (seen.header("Content-Type"), seen.header("Cache-Control")) == ("application/json", "no-store")
    assert seen.metrics == {"Requests": 1, "Counted": 1}


def test_the_log_tells_one_line_that_can_be_found_by_the_requests_id(ask: Ask) -> None:
    """What was counted, with whose user."""
    (line,) = ask(ScriptedSource(42)).log
    expected = {"message": "counted", "correlation_id": "the-id", "table": "orders", "rows": 42, "user": "v-user-1"}
    assert line.items() >= expected.items()


def test_a_second_attempt_is_counted_apart(ask: Ask) -> None:
    """An operator sees how often credentials die."""
    seen = ask(ScriptedSource(OperationalError(1142, ""), 42))
    assert seen.document["credential"]["user"] == "v-user-2"
    assert seen.metrics == {"Requests": 1, "Counted": 1, "Repeated": 1}


def test_a_database_that_is_down_is_503_with_a_reason_and_a_time(ask: Ask) -> None:
    """A client knows that waiting helps."""
    seen = ask(ScriptedSource([OperationalError(2003, "Can't connect to MySQL server on 'db.internal'")]))
    assert seen.answer.status == 503
    assert seen.document == {"message": "The database does not answer at the moment.", "reason": "database-unreachable"}
    assert seen.header("Retry-After") == "5"
    assert seen.metrics == {"Requests": 1, "Failed": 1}


def test_vault_out_of_reach_is_503_with_the_errors_code_and_hint(ask: Ask) -> None:
    """The hint says what to look at."""
    seen = ask(ScriptedSource([Unreachable("Vault does not answer", "Check the security group.")]))
    assert (seen.answer.status, seen.header("Retry-After")) == (503, "5")
    assert seen.document == {
        "message": "No database credential can be had.",
        "reason": "unreachable",
        "hint": "Check the security group.",
    }


def test_vaults_denial_is_500_waiting_does_not_help(ask: Ask) -> None:
    """Somebody must mend a policy."""
    seen = ask(ScriptedSource([Denied("the policy denies database/creds/records", "Extend the policy.")]))
    assert (seen.answer.status, seen.header("Retry-After")) == (500, None)
    assert seen.document["reason"] == "denied"


def test_an_unknown_table_is_500_without_a_word_of_the_inside(ask: Ask) -> None:
    """Neither SQL nor names in the answer, the error's number and nothing more in the log."""
    seen = ask(ScriptedSource(ProgrammingError(1146, "Table 'shop.inner' doesn't exist in SELECT")), table="inner")
    assert seen.answer.status == 500
    assert seen.document == {"message": "The records can't be counted.", "reason": "unknown-table"}
    (line,) = seen.log
    assert (line["error_number"], line["level"]) == (1146, "ERROR")
    assert "shop.inner" not in seen.everything
    assert "SELECT" not in seen.everything


def test_a_missing_grant_is_500_with_a_reason(ask: Ask) -> None:
    """Twice refused with a lease that lives: the creation statement is wrong."""
    denied = OperationalError(1142, "SELECT command denied to user 'v-x'@'%' for table 'orders'")
    seen = ask(ScriptedSource(denied, denied))
    assert (seen.answer.status, seen.document["reason"]) == (500, "no-grant")
    assert "command denied" not in seen.everything


def test_no_password_is_written_anywhere(ask: Ask) -> None:
    """Not when it works, not when the database quotes it."""
    for outcome in (42, ProgrammingError(1064, f"near '{PASSWORD}'")):
        assert PASSWORD not in ask(ScriptedSource(outcome)).everything


def test_another_path_is_404(ask: Ask) -> None:
    """The function has one route; the request counts."""
    seen = ask(ScriptedSource(), path="/other")
    assert (seen.answer.status, seen.metrics) == (404, {"Requests": 1})


def test_a_bug_is_not_dressed_up(ask: Ask) -> None:
    """What nobody foresaw fails the invocation, so that Lambda counts it as an error."""
    with pytest.raises(ZeroDivisionError):
        ask(ScriptedSource(ZeroDivisionError()))
