"""AWS's two local agents, which keep secrets beside the function and serve them over HTTP on loopback.

Sources: AWS Secrets Manager User Guide, "AWS Secrets Manager Agent" (port 2773, ``/secretsmanager/get``, ``refreshNow``, the
token's file) and "Use Secrets Manager secrets in AWS Lambda functions"; Systems Manager User Guide, "Using Parameter Store
parameters in AWS Lambda functions" (``/systemsmanager/parameters/get``, AWS_SESSION_TOKEN as the token).
"""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from vaultgate_ops.compare.ways import ANSWER_S, login

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vaultgate_ops.compare.ways import Login, Read

TOKEN_HEADER = "X-Aws-Parameters-Secrets-Token"  # noqa: S105 - a header's name


def make(environ: Mapping[str, str]) -> Read:
    """A reader of COMPARE_SECRET, from COMPARE_AGENT (host:port); the agent's token is in the file COMPARE_AGENT_TOKEN."""
    name, agent = quote(environ["COMPARE_SECRET"], safe=""), environ["COMPARE_WAY"] == "agent"

    def read(*, anew: bool) -> Login:
        token = Path(environ["COMPARE_AGENT_TOKEN"]).read_text("ascii") if agent else environ["AWS_SESSION_TOKEN"]
        path = (
            f"/secretsmanager/get?secretId={name}" if agent else f"/systemsmanager/parameters/get?name={name}&withDecryption=true"
        )
        connection = http.client.HTTPConnection(environ["COMPARE_AGENT"], timeout=ANSWER_S)
        try:
            connection.request(
                "GET", path + ("&refreshNow=true" if anew and agent else ""), headers={TOKEN_HEADER: token.strip()}
            )
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != http.client.OK:
            raise OSError(f"the agent answered with status {answer.status}")
        document = json.loads(body)
        return login(document["SecretString"] if agent else document["Parameter"]["Value"])

    return read
