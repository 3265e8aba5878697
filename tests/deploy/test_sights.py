"""What an operator looks at: dashboard, alarms and saved queries show what the code writes, and nothing else."""

from __future__ import annotations

import ast
import io
import json
import re
from contextlib import suppress
from inspect import getsource
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools import Logger, Metrics
from hvac.exceptions import VaultError
from pymysql.err import ProgrammingError
from tests.deploy.ways import WAYS, deployed
from tests.simulators.secrets_manager import SimulatedSecretsManager
from tests.simulators.secrets_manager_direct import DirectClient
from tests.unit.records.doubles import ScriptedSource

from vaultgate import metrics as layer_metrics
from vaultgate.errors import Unreachable
from vaultgate_ops.audit import proofs
from vaultgate_ops.audit.envelope import messages, plan, reads
from vaultgate_ops.clock import Clock
from vaultgate_ops.local.paths import checkout
from vaultgate_ops.local.proxy_events import GET_RECORDS
from vaultgate_ops.records.application import make_handler as records_handler
from vaultgate_ops.rotation import overdue
from vaultgate_ops.rotation.application import make_handler as rotation_handler
from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.service import SecretsManager

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vaultgate_ops.local.stack import Stack
    from vaultgate_ops.rotation.model import Request

# Names and dimensions as the services document them.
_AWS = {
    "AWS/ApiGateway": ({"Count", "4xx", "5xx", "Latency", "IntegrationLatency"}, ("ApiId",)),
    "AWS/Lambda": ({"Invocations", "Errors", "Throttles", "Duration"}, ("FunctionName",)),
    "AWS/SQS": ({"ApproximateNumberOfMessagesVisible"}, ("QueueName",)),
}
_RECORDS = set(re.findall(r'add_metric\("(\w+)"', getsource(records_handler)))


def _service(way: str, function: str) -> str:
    """What Powertools, and our functions, call a function's service."""
    made = deployed(way).resources.get(function, {"Properties": {"Environment": {"Variables": {}}}})
    name: str = made["Properties"]["Environment"]["Variables"].get("POWERTOOLS_SERVICE_NAME", "")
    # Two stacks of one account share the namespace: neither may keep the other's alarm quiet, nor set it off.
    assert name.startswith("stack-") == (function in deployed(way).resources)
    return name


def _known(way: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], set[str]]:
    """Namespace and dimensions to the metrics that the code writes there."""
    function = (("FunctionName", "RecordsFunction"),)
    filters = deployed(way).of("AWS::Logs::MetricFilter").values()
    counted = {one["MetricTransformations"][0]["MetricName"] for one in filters}
    return {
        ("Vaultgate", (("service", _service(way, "RecordsFunction")),)): _RECORDS,
        ("Vaultgate", (("service", _service(way, "OverdueFunction")),)): {overdue.METRIC},
        ("Vaultgate", function): set(layer_metrics.UNITS),
        # Of two audit logs in one account, too.
        ("Vaultgate/Mirror", (("LogGroup", "AuditLogGroup"),)): set(re.findall(r'\{"Name": "(\w+)", "Unit"', getsource(proofs))),
        ("Vaultgate/Audit/stack", ()): counted,
    }


def unknown(way: str, namespace: str, name: str, dimensions: dict[str, str]) -> bool:
    """Whether nobody writes such a metric."""
    if namespace in _AWS:
        names, keys = _AWS[namespace]
        made = deployed(way).resources
        return name not in names or tuple(dimensions) != keys or any(one.split(".")[0] not in made for one in dimensions.values())
    return name not in _known(way).get((namespace, tuple(dimensions.items())), set())


def shown(way: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """The metrics of the dashboard."""
    for one in deployed(way).of("AWS::CloudWatch::Dashboard").values():
        for widget in json.loads(one["DashboardBody"])["widgets"]:
            assert (widget["type"], widget["properties"]["region"]) == ("metric", "us-east-1")
            assert widget["properties"]["title"]
            for namespace, name, *rest in widget["properties"]["metrics"]:
                *pairs, options = rest
                assert options.keys() == {"stat"}
                yield namespace, name, dict(zip(pairs[::2], pairs[1::2], strict=True))


@pytest.mark.parametrize("way", WAYS)
def test_the_dashboard_shows_what_there_is(way: str) -> None:
    """Its body is JSON, and each metric in it is one that the code or a service writes about a resource that is there."""
    seen = list(shown(way))
    assert bool(seen) == ("layer" not in way)
    assert [one for one in seen if unknown(way, *one)] == []


def test_the_dashboard_leaves_nothing_out() -> None:
    """Every metric of ours has its place, but for the mirror's bytes."""
    seen = {(namespace, name) for namespace, name, _ in shown("everything")}
    known = {(space, name) for (space, _), names in _known("everything").items() for name in names}
    assert known - seen == {("Vaultgate/Mirror", "Bytes")}


@pytest.mark.parametrize("way", WAYS)
def test_alarms_look_at_what_there_is(way: str) -> None:
    """Each waits for a metric that somebody writes, and tells somebody where there is a topic."""
    for name, one in deployed(way).of("AWS::CloudWatch::Alarm").items():
        dimensions = {pair["Name"]: pair["Value"] for pair in one.get("Dimensions", [])}
        assert not unknown(way, one["Namespace"], one["MetricName"], dimensions), name
        assert one["AlarmDescription"]
        assert bool(one.get("AlarmActions")) == (way == "everything" or "RotationTopic" in deployed(way).resources)


_OVER = {"records/": "records", "rotation/Steps": "rotation", "rotation/Overdue": "overdue", "vault/": "vault"}
_STRINGS = re.compile(r'"[^"]*"|/(?:\\.|[^/\\])+/(?=[\s)]|$)')
_ALIAS = re.compile(r"\bas (\w+)")
_WORD = re.compile(r"@?[A-Za-z_][\w.@]*")
_WORDS = {
    "filter",
    "fields",
    "stats",
    "sort",
    "by",
    "as",
    "asc",
    "desc",
    "in",
    "not",
    "and",
    "or",
    "like",
    "ispresent",
    "count",
    "latest",
    "avg",
    "max",
    "sum",
    "strlen",
    "limit",
}
_ALWAYS = {"@timestamp", "@message", "@logStream"}


def _fields(query: str) -> set[str]:
    plain = _STRINGS.sub("", query)
    own = set(_ALIAS.findall(plain))
    return set(_WORD.findall(plain)) - _WORDS - _ALWAYS - own


def _keys(line: Any, prefix: str = "") -> set[str]:
    if isinstance(line, list):
        return {key for number, one in enumerate(line) for key in _keys(one, f"{prefix}{number}.")}
    if not isinstance(line, dict):
        return {prefix[:-1]}
    return {key for name, one in line.items() for key in _keys(one, f"{prefix}{name}.") | {f"{prefix}{name}"}}


class _Steps:
    """In an engine's place."""

    def step(self, request: Request) -> str:
        return self.sweep(request.secret_id)

    def sweep(self, secret_id: str) -> str:
        if secret_id == "bad":
            raise RotationError("unreachable", "No connection.", "Open the port.")
        return "done"


def _of_records(log: io.StringIO) -> None:
    """The function's lines, and the extension's of the same group by its own log."""
    context = SimpleNamespace(
        function_name="records", memory_limit_in_mb=128, invoked_function_arn="arn:aws:lambda:x", aws_request_id="request"
    )
    outcomes = (7, Unreachable("no", "hint"), ProgrammingError(1146, "no"))
    source = ScriptedSource(*outcomes)
    logger = Logger(service=f"records-{id(log)}", stream=log)
    handler = records_handler(source, "orders", logger, Metrics(namespace="x", service="records"))
    for _ in outcomes:
        handler(GET_RECORDS, context)  # type: ignore[arg-type] - as much of a context as is looked at


def _of_rotation(log: io.StringIO) -> None:
    handler = rotation_handler(_Steps(), (), Logger(service=f"rotation-{id(log)}", stream=log))  # type: ignore[arg-type] - as above
    for secret_id in ("good", "bad"):
        with suppress(RotationError):
            handler({"SecretId": secret_id, "ClientRequestToken": "token", "Step": "createSecret"}, None)
    with suppress(RotationError):
        handler({"sweep": ["good", "bad"]}, None)


def _of_overdue(log: io.StringIO) -> None:
    client: Any = DirectClient(SimulatedSecretsManager(Clock()))  # type: ignore[arg-type] - has all that is asked of it
    arn = client.create_secret(Name="one", SecretString="{}")["ARN"]
    watched = (overdue.Watched(arn, 45), overdue.Watched("nowhere", 45))
    logger = Logger(service=f"overdue-{id(log)}", stream=log)
    handler = overdue.make_handler(SecretsManager(client, Clock()), watched, "us-east-1", Clock(), logger)
    with pytest.raises(RotationError):
        handler({}, None)


def _of_the_extension() -> tuple[set[str], set[str]]:
    """The events of its log, and the fields of their lines, by its source."""
    events, fields = set[str](), {"ts", "level", "event", "message", "hint", "problems"}
    for file in (checkout() / "extension/python/vaultgate").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if "log" in ast.unparse(node.func.value) and node.args and isinstance(node.args[0], ast.Constant):
                events.add(str(node.args[0].value))
                fields |= {one.arg for one in node.keywords if one.arg}
    return events, fields


def _lines_of(part: str, stack: Stack) -> list[dict[str, Any]]:
    """What stands in the log groups that a part's queries look at."""
    log = io.StringIO()
    if part == "vault":
        with stack.vault.client("nobody's token") as stranger, suppress(VaultError):
            stranger.read("secret/data/records")
        with stack.vault.client() as client:
            client.read("secret/data/records")
        torn = b"half a line"
        enveloped = messages(plan(reads(torn), len(torn), "place", torn=True), reads(torn))
        return [json.loads(line) for line in (*stack.vault.audit_file.read_bytes().splitlines(), *enveloped)]
    {"records": _of_records, "rotation": _of_rotation, "overdue": _of_overdue}[part](log)
    formats = [one["AccessLogSettings"]["Format"] for one in deployed("records").of("AWS::ApiGatewayV2::Stage").values()]
    return [json.loads(line) for line in (*log.getvalue().splitlines(), *(formats if part == "records" else ()))]


@pytest.mark.stack
def test_queries_ask_for_what_is_written(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """Each field and each message of a saved query stands in a line that the code, or a real Vault, writes to that group."""
    events, fields = _of_the_extension()
    written = {part: _lines_of(part, stack) for part in _OVER.values()}
    capsys.readouterr()
    queries = deployed("everything").of("AWS::Logs::QueryDefinition").values()
    assert len(queries) > 12
    for one in queries:
        name = one["Name"].removeprefix("stack/")
        (part,) = (part for prefix, part in _OVER.items() if name.startswith(prefix))
        known = {key for line in written[part] for key in _keys(line)} | (fields if part == "records" else set[str]())
        assert _fields(one["QueryString"]) - known == set(), name
        texts = {text for line in written[part] for text in map(str, line.values())} | (
            events if part == "records" else set[str]()
        )
        for listed in re.findall(r"(?:message|event) (?:in \[([^]]*)\]|= (\"[^\"]*\"))", one["QueryString"]):
            asked = set(re.findall(r'"([^"]*)"', "".join(listed)))
            assert asked, name
            assert asked - texts == set(), name
