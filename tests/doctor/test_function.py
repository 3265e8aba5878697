"""The doctor inside the function, under AWS's emulator."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from tests.doctor.conftest import black_hole, schema

from vaultgate_ops.doctor import function
from vaultgate_ops.local.proxy_events import GET_RECORDS, Call, Route, event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from vaultgate_ops.local.sandbox import Sandbox
    from vaultgate_ops.local.stack import Stack

pytestmark = pytest.mark.stack

DOCTOR = {"vaultgate": "doctor"}


@pytest.fixture
def sandboxes(stack: Stack) -> Iterator[Callable[..., Sandbox]]:
    """Starts the function with some variables changed; whatever still runs at the end is killed."""
    started: list[Sandbox] = []

    def start(**environment: str | None) -> Sandbox:
        sandbox = stack.sandbox({"AWS_ENDPOINT_URL": stack.aws.endpoint, **environment})
        started.append(sandbox)
        sandbox.start()
        return sandbox

    yield start
    for sandbox in started:
        sandbox.kill()


def examined(sandbox: Sandbox) -> dict[str, Any]:
    """The report of a function that was asked for it."""
    report = sandbox.invoke(DOCTOR)
    assert "errorMessage" not in report, report
    jsonschema.validate(report, schema())
    return dict(report)


def test_a_healthy_function(sandboxes: Callable[..., Sandbox], nothing_left: Callable[[], AbstractContextManager[None]]) -> None:
    """Layer, extension and all that is behind them are fine; a count before and after it works, and nothing is left behind."""
    with nothing_left():
        sandbox = sandboxes()
        assert sandbox.invoke(GET_RECORDS)["statusCode"] == 200
        report = examined(sandbox)
        assert report["findings"] == []
        assert (report["place"], report["exit_code"]) == ("function", 0)
        looked = {one["check"]: one["state"] for one in report["checks"]}
        assert {check for check, state in looked.items() if state == "not asked"} == {"rotation", "mirror"}
        assert (looked["layer"], looked["extension"]) == ("fine", "fine")
        assert any("Secrets Manager" in one["about"] for one in report["checks"])
        assert sandbox.invoke(GET_RECORDS)["statusCode"] == 200
        sandbox.shutdown()


@pytest.mark.parametrize("payload", ["1.0", "2.0"])
def test_nobody_asks_for_it_through_api_gateway(sandboxes: Callable[..., Sandbox], payload: str) -> None:
    """Whatever a caller writes into body, query, headers and path: the answer is an answer for API Gateway."""
    words = json.dumps(DOCTOR).encode()
    headers = (("Host", "x"), ("Content-Type", "application/json"), ("vaultgate", "doctor"))
    call = Call(
        Route("GET", "/{vaultgate}"),
        {"vaultgate": "doctor"},
        "/doctor",
        "vaultgate=doctor",
        headers,
        words,
        "192.0.2.1",
        "HTTP/1.1",
        "id",
        0.0,
    )
    sandbox = sandboxes()
    answer = sandbox.invoke(event(call, payload))  # type: ignore[arg-type] - one of the two
    assert (answer["statusCode"], "checks" in answer, "checks" in answer["body"]) == (404, False, False)
    for other in ({**DOCTOR, "more": 1}, {"vaultgate": "Doctor"}, [DOCTOR], {"body": json.dumps(DOCTOR)}):
        assert "checks" not in str(sandbox.invoke(other))


def test_a_vault_that_does_not_answer(sandboxes: Callable[..., Sandbox]) -> None:
    """The report comes though neither extension nor doctor can log in; the extension's own state is told beside it."""
    report = examined(sandboxes(VAULT_ADDR="https://127.0.0.1:1"))
    assert sorted(finding["id"] for finding in report["findings"]) == ["extension.logged-out", "tcp.refused"]
    assert report["exit_code"] == 1


def test_it_ends_before_the_invocation_does() -> None:
    """Four seconds are kept for giving back what it got and for the answer, but a second is always looked."""
    with black_hole() as port:
        settings = {
            "VAULT_ADDR": f"https://127.0.0.1:{port}",
            "VAULT_AUTH_ROLE": "app",
            "VAULT_IAM_SERVER_ID": "vault",
            "VAULTGATE_AUTH_METHOD": "approle",
            "VAULTGATE_APPROLE_ROLE_ID": "app",
            "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1",
            "VAULTGATE_LISTEN": "127.0.0.1:1",  # not where somebody's own Vault may be
        }
        for left_ms in (3000, 5500):
            report = function.answer(settings, left_ms)
            (finding,) = [one for one in report["findings"] if one["id"] == "tcp.filtered"]
            assert re.fullmatch(r"127.0.0.1 \(private\): timeout after [01]\.\d s", finding["evidence"])
