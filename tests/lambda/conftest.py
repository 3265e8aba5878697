"""Sandboxes of the record-count function on the shared stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.simulators.readers import HANDLER, Reader, layer_with_a_movable_clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from vaultgate_ops.local.sandbox import Sandbox
    from vaultgate_ops.local.stack import Stack


@pytest.fixture
def sandboxes(stack: Stack) -> Iterator[Callable[..., Sandbox]]:
    """Starts sandboxes with variables of the test's choice; whatever still runs at the end is killed."""
    started: list[Sandbox] = []

    def start(**environment: str | None) -> Sandbox:
        sandbox = stack.sandbox(environment)
        started.append(sandbox)
        sandbox.start()
        return sandbox

    yield start
    for sandbox in started:
        sandbox.kill()


@pytest.fixture
def store(stack: Stack) -> Iterator[Callable[..., object]]:
    """Writes fields to the demo's secret, secret/data/records, which other tests read as well: at the end it is what it was."""
    with stack.vault.client() as vault:
        engine = vault.secrets.kv.v2
        before = engine.read_secret_version("records", raise_on_deleted_version=True)["data"]["data"]
        yield lambda **fields: engine.create_or_update_secret("records", fields)
        engine.create_or_update_secret("records", before)


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built layer with a clock that can be moved."""
    return layer_with_a_movable_clock(tmp_path_factory.mktemp("moved"))


@pytest.fixture
def readers(stack: Stack, layer: Path, tmp_path: Path) -> Iterator[Callable[..., Reader]]:
    """Starts sandboxes whose clock can be moved; whatever still runs at the end is killed."""
    started: list[Reader] = []

    def start(handler: str = HANDLER, **environment: str) -> Reader:
        reader = Reader(stack, layer, tmp_path, environment, handler)
        started.append(reader)
        reader.sandbox.start()
        return reader

    yield start
    for reader in started:
        reader.sandbox.kill()


@pytest.fixture
def roles(stack: Stack) -> Iterator[Callable[..., str]]:
    """Makes roles of the AWS auth method like that of the records function, but for the given terms; gives their names."""
    made: list[str] = []
    with stack.vault.client() as client:
        usual = client.read("auth/aws/role/records")["data"]
        kept = ("auth_type", "bound_iam_principal_arn", "resolve_aws_unique_ids", "token_policies", "token_no_default_policy")

        def make(name: str, **terms: object) -> str:
            client.write_data(f"auth/aws/role/{name}", data={one: usual[one] for one in kept} | terms)
            made.append(name)
            return name

        yield make
        for name in made:
            client.delete(f"auth/aws/role/{name}")
