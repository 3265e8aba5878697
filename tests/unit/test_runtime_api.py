"""The Extensions API's four calls, against a fake of it over real HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.simulators.lambda_api import LambdaApi, lambda_api

from vaultgate.clock import Clock
from vaultgate.errors import ProtocolViolation, Unreachable
from vaultgate.model import Origin
from vaultgate.runtime_api import RuntimeApi
from vaultgate.transport import Connections

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[LambdaApi]:
    """Lambda's side."""
    with lambda_api() as running:
        yield running


@pytest.fixture
def api(server: LambdaApi) -> Iterator[RuntimeApi]:
    """The extension's side."""
    clock = Clock()
    connections = Connections(clock)
    yield RuntimeApi(server.origin, "vaultgate", connections, clock)
    connections.close()


def test_register(server: LambdaApi, api: RuntimeApi) -> None:
    """The extension registers under its file's name for the events it wants."""
    api.register(("INVOKE", "SHUTDOWN"))
    assert server.registered == ("vaultgate", ["INVOKE", "SHUTDOWN"])


def test_events(server: LambdaApi, api: RuntimeApi) -> None:
    """Next gives events in order: an invocation with its deadline, the end with its reason."""
    api.register(("INVOKE", "SHUTDOWN"))
    server.invoke(1_795_262_400_123)
    server.shut_down("TIMEOUT")
    first, second = api.next_event(), api.next_event()
    assert (first.kind, first.deadline_ms, first.reason, first.request_id) == ("INVOKE", 1_795_262_400_123, "", "request-1")
    assert (second.kind, second.deadline_ms, second.reason, second.request_id) == ("SHUTDOWN", 0, "TIMEOUT", "")


@pytest.mark.parametrize("status", [400, 403, 500])
def test_refused_registration(server: LambdaApi, api: RuntimeApi, status: int) -> None:
    """A refused registration is told with its status."""
    server.refuse = status
    with pytest.raises(ProtocolViolation, match=f"status {status}"):
        api.register(("INVOKE",))


def test_next_without_registering(api: RuntimeApi) -> None:
    """Next is refused to whoever has not registered."""
    with pytest.raises(ProtocolViolation, match="status 403"):
        api.next_event()


def test_errors(server: LambdaApi, api: RuntimeApi) -> None:
    """An error reaches Lambda with its type and its text, in the form that Lambda shows."""
    api.register(("INVOKE",))
    api.init_error("configuration", "VAULT_ADDR is missing")
    api.exit_error("protocol", "went wrong")
    assert [(call, kind, document["errorMessage"], document["errorType"]) for call, kind, document in server.errors] == [
        ("init/error", "Vaultgate.configuration", "VAULT_ADDR is missing", "Vaultgate.configuration"),
        ("exit/error", "Vaultgate.protocol", "went wrong", "Vaultgate.protocol"),
    ]


def test_no_lambda_here() -> None:
    """Where nobody listens the error is the network's."""
    clock = Clock()
    with lambda_api() as gone:
        port = gone.origin.port
    with pytest.raises(Unreachable):
        RuntimeApi(Origin("http", "127.0.0.1", port), "vaultgate", Connections(clock), clock).register(("INVOKE",))
