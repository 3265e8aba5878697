"""The ways that no real part here can show: AWS's local agents by their documented HTTP, and what a store's text may be."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from aws_lambda_powertools.utilities.parameters import constants
from aws_secretsmanager_caching import SecretCacheConfig

from vaultgate_ops.compare import ways
from vaultgate_ops.compare.contenders import CATALOGUE, entry
from vaultgate_ops.compare.run import Options, unable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOGIN = {"username": "app", "password": "made-up"}


class Agent(ThreadingHTTPServer):
    """Both of AWS's agents: each path answers as its documentation has it, if the token is right."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.token = "right"


class Handler(BaseHTTPRequestHandler):
    server: Agent

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        allowed = self.path == "/ping" or self.headers["X-Aws-Parameters-Secrets-Token"] == self.server.token
        if self.path.startswith("/secretsmanager"):
            said = {"Name": "a/b", "SecretString": json.dumps(LOGIN)}
        else:
            said = {"Parameter": {"Name": "/a/b", "Value": json.dumps(LOGIN)}}
        body = json.dumps(said).encode() if allowed else b"{}"
        self.send_response(200 if allowed else 403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def agent() -> Iterator[Agent]:
    with Agent() as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield serving
        serving.shutdown()


def test_the_agent_is_asked_as_its_guide_says(agent: Agent, tmp_path: Path) -> None:
    """The token from its file, the secret's name in the query, refreshNow to ask past its cache."""
    token = tmp_path / "token"
    token.write_text("right\n", encoding="ascii")
    address = f"127.0.0.1:{agent.server_port}"
    read = ways.make(
        {"COMPARE_WAY": "agent", "COMPARE_SECRET": "a/b", "COMPARE_AGENT": address, "COMPARE_AGENT_TOKEN": str(token)}
    )
    assert read(anew=False) == read(anew=True) == ("app", "made-up")
    assert agent.asked == ["/secretsmanager/get?secretId=a%2Fb", "/secretsmanager/get?secretId=a%2Fb&refreshNow=true"]
    agent.token = "another"
    with pytest.raises(OSError, match="status 403"):
        read(anew=False)


def test_the_extension_is_asked_as_its_guide_says(agent: Agent) -> None:
    """The function's session token as its token, and decryption asked for."""
    address = f"127.0.0.1:{agent.server_port}"
    read = ways.make(
        {"COMPARE_WAY": "extension", "COMPARE_SECRET": "/a/b", "COMPARE_AGENT": address, "AWS_SESSION_TOKEN": "right"}
    )
    assert read(anew=False) == ("app", "made-up")
    assert agent.asked == ["/systemsmanager/parameters/get?name=%2Fa%2Fb&withDecryption=true"]


def test_an_agent_that_runs_is_a_contender(agent: Agent, tmp_path: Path) -> None:
    """It is asked for a ping, and takes part."""
    assert unable(entry("secretsmanager.agent"), Options(tmp_path, agent=f"127.0.0.1:{agent.server_port}")) is None
    assert agent.asked == ["/ping"]


@pytest.mark.parametrize("stored", [LOGIN, json.dumps(LOGIN), {"data": LOGIN, "metadata": {"version": 1}}])
def test_a_login_is_found_in_what_stores_give(stored: object) -> None:
    """An object, its JSON, or the object one level down as KV version 2 has it."""
    assert ways.login(stored) == ("app", "made-up")


def test_a_variable_is_read_once_for_all() -> None:
    """There is nothing newer."""
    read = ways.make({"COMPARE_WAY": "plain", "RDS_USERNAME": "app", "RDS_PASSWORD": "made-up"})
    assert read(anew=True) == ("app", "made-up")


def test_the_defaults_are_those_of_the_installed_libraries() -> None:
    """What is published of them is what they have."""
    known = {one.id: one.default_s for one in CATALOGUE}
    assert known["ssm.powertools"] == known["secretsmanager.powertools"] == float(constants.DEFAULT_MAX_AGE_SECS)
    assert known["secretsmanager.caching"] == SecretCacheConfig().secret_refresh_interval
