"""The first milliseconds: what is done before anything is imported, and what is left to the usual way."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
from tests.simulators.lambda_api import LambdaApi, lambda_api

from vaultgate.arrival import arrive

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def api() -> Iterator[LambdaApi]:
    """Lambda's side."""
    with lambda_api() as running:
        yield running


@pytest.fixture
def port() -> int:
    """A loopback port that the kernel just had to spare."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def environment(api: LambdaApi, port: int, **more: str) -> dict[str, str]:
    return {"AWS_LAMBDA_RUNTIME_API": api.origin.authority, "VAULTGATE_LISTEN": f"127.0.0.1:{port}", **more}


def is_free(port: int) -> bool:
    """Whether nobody listens there."""
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False


@pytest.mark.parametrize("more", [{}, {"VAULTGATE_START": " Overlap "}, {"VAULTGATE_START": "early"}, {"VAULT_SECRET_PATH": " "}])
def test_the_port_is_taken_before_lambda_hears_of_us(api: LambdaApi, port: int, more: dict[str, str]) -> None:
    """Whoever connects while Lambda registers us is let in, and the socket that is handed on listens."""
    knocked: list[bool] = []
    api.on_register = lambda: knocked.append(not is_free(port))
    arrival = arrive(environment(api, port, **more), "vaultgate")
    assert arrival is not None
    with socket.socket(fileno=arrival.fileno) as listener, socket.create_connection(("127.0.0.1", port), timeout=5):
        listener.settimeout(5)
        listener.accept()[0].close()
    assert knocked == [True]
    assert api.registered == ("vaultgate", ["INVOKE", "SHUTDOWN"])
    assert arrival.identifier


@pytest.mark.parametrize(
    ("kind", "events"),
    [
        ("provisioned-concurrency", ["INVOKE", "SHUTDOWN"]),
        ("snap-start", ["INVOKE", "SHUTDOWN"]),
        ("lambda-managed-instances", ["SHUTDOWN"]),
        ("something-new", ["INVOKE", "SHUTDOWN"]),
    ],
)
def test_it_registers_for_what_its_kind_of_sandbox_hears_of(api: LambdaApi, port: int, kind: str, events: list[str]) -> None:
    """Managed Instances refuse a registration for INVOKE."""
    arrival = arrive(environment(api, port, AWS_LAMBDA_INITIALIZATION_TYPE=kind), "vaultgate")
    assert arrival is not None
    socket.socket(fileno=arrival.fileno).close()
    assert api.registered == ("vaultgate", events)


@pytest.mark.parametrize(
    "more",
    [
        {"VAULTGATE_START": "ready"},
        {"VAULTGATE_GUARD": " Secret "},
        {"VAULTGATE_START": "reddy"},
        {"VAULT_SECRET_PATH_A": "secret/data/a"},
        {"VAULT_RUN_MODE": "File"},
        {"VAULTGATE_LISTEN": "0.0.0.0:8200"},
        {"VAULTGATE_LISTEN": "127.0.0.1:70000"},
        {"VAULTGATE_LISTEN": "127.0.0.1"},
        {"VAULTGATE_LISTEN": "[::1]:8200"},
        {"AWS_LAMBDA_RUNTIME_API": ""},
        {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:port"},
    ],
)
def test_what_is_not_plain_is_left_to_the_usual_way(api: LambdaApi, port: int, more: dict[str, str]) -> None:
    """Another order, another place, or a setting that may be wrong: nothing is done, nothing stays open."""
    assert arrive(environment(api, port) | more, "vaultgate") is None
    assert api.calls == []
    assert is_free(port)


def test_a_port_that_is_taken_is_not_registered(api: LambdaApi) -> None:
    """Lambda doesn't hear of an extension that nobody can reach."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert arrive(environment(api, taken.getsockname()[1]), "vaultgate") is None
    assert api.calls == []


@pytest.mark.parametrize("status", [400, 403, 500])
def test_a_refusal_lets_the_port_go(api: LambdaApi, port: int, status: int) -> None:
    """The usual way asks again, and says what Lambda answered."""
    api.refuse = status
    assert arrive(environment(api, port), "vaultgate") is None
    assert is_free(port)


def test_a_lambda_that_hangs_up_is_a_refusal(port: int) -> None:
    """An answer without an end, or without an identifier, registers nobody."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = closed.getsockname()[1]
    assert arrive({"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{nobody}", "VAULTGATE_LISTEN": f"127.0.0.1:{port}"}, "vaultgate") is None
    assert is_free(port)
