"""AWS's stores by boto3, asked each time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from vaultgate_ops.compare.ways import ANSWER_S, ATTEMPTS, CONNECT_S, login

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vaultgate_ops.compare.ways import Login, Read

QUICK = Config(connect_timeout=CONNECT_S, read_timeout=ANSWER_S, retries={"total_max_attempts": ATTEMPTS, "mode": "standard"})


def make(environ: Mapping[str, str]) -> Read:
    """A reader of COMPARE_SECRET, a secret's or a parameter's name."""
    name = environ["COMPARE_SECRET"]
    if environ["COMPARE_STORE"] == "secretsmanager":
        secrets = boto3.client("secretsmanager", config=QUICK)

        def read_secret(*, anew: bool) -> Login:  # noqa: ARG001 - it always is
            return login(secrets.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")["SecretString"])

        return read_secret
    ssm = boto3.client("ssm", config=QUICK)

    def read_parameter(*, anew: bool) -> Login:  # noqa: ARG001 - it always is
        return login(ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])

    return read_parameter
