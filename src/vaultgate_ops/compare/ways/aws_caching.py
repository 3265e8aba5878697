"""Secrets Manager by AWS's caching library for Python, which keeps secrets in the function's memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
from aws_secretsmanager_caching import SecretCache, SecretCacheConfig

from vaultgate_ops.compare.ways import login
from vaultgate_ops.compare.ways.aws_sdk import QUICK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vaultgate_ops.compare.ways import Login, Read


def make(environ: Mapping[str, str]) -> Read:
    """A reader of COMPARE_SECRET, a secret's name."""
    name = environ["COMPARE_SECRET"]
    config = SecretCacheConfig(secret_refresh_interval=int(environ["COMPARE_KEEP_S"]))
    cache = SecretCache(config=config, client=boto3.client("secretsmanager", config=QUICK))

    def read(*, anew: bool) -> Login:
        if anew:
            cache.refresh_secret_now(name)
        return login(cache.get_secret_string(name))

    return read
