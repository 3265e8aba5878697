"""The doctor's patients: the shared stack with one thing changed."""

from __future__ import annotations

import contextlib
import functools
import json
import socket
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from vaultgate.clock import Clock
from vaultgate_ops.doctor import words
from vaultgate_ops.doctor.doctor import diagnose
from vaultgate_ops.local.paths import checkout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vaultgate_ops.doctor.model import Report
    from vaultgate_ops.doctor.visit import Wish
    from vaultgate_ops.local.stack import Stack

    Diagnose = Callable[..., Report]

_SECRET = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "RDS_PASSWORD")


@functools.cache
def schema() -> dict[str, Any]:
    """What a report in JSON has to be."""
    document: dict[str, Any] = json.loads((checkout() / "docs" / "doctor.schema.json").read_text(encoding="utf-8"))
    return document


@pytest.fixture
def diagnosed(stack: Stack) -> Diagnose:
    """Examines the stack's function with some variables changed; None takes one away. No report ever shows a secret."""

    def run(
        *only: str, wish: Wish | None = None, clock: Clock | None = None, longest_s: float = 24, **changes: str | None
    ) -> Report:
        wanted = {**stack.function_environment(1), "AWS_ENDPOINT_URL": stack.aws.endpoint, **changes}
        environ = {name: value for name, value in wanted.items() if value is not None}
        report = diagnose(environ, clock or Clock(), wish=wish, only=only, longest_s=longest_s)
        jsonschema.validate(report.document(), schema())
        shown = json.dumps(report.document()) + "\n".join(words.lines(report))
        secrets = [environ[name] for name in _SECRET if environ.get(name)] + [stack.vault.root_token]
        assert not [secret for secret in secrets if secret in shown]
        assert "hvs." not in shown
        return report

    return run


def ids(report: Report) -> list[str]:
    """What was found."""
    return [finding.id for finding in report.findings]


def states(report: Report) -> dict[str, str]:
    """How each check went; of several of one name the worst."""
    order = ("found", "not reached", "fine", "not asked")
    found: dict[str, str] = {}
    for outcome in report.outcomes:
        found[outcome.check] = min(found.get(outcome.check, outcome.state), outcome.state, key=order.index)
    return found


@contextlib.contextmanager
def black_hole(host: str = "127.0.0.1") -> Iterator[int]:
    """A port whose queue of connections is full, so that the kernel drops every further one: what a firewall looks like."""
    with contextlib.ExitStack() as held:
        listener = held.enter_context(socket.socket())
        listener.bind((host, 0))
        listener.listen(0)
        for _ in range(4):
            filler = held.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
