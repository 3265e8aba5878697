"""What Lambda imports: reads the environment once and puts the rotation function together.

Rules: a wrong setting ends the init with every problem named; nobody is asked for anything until an event comes.
"""

from __future__ import annotations

import os

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config

from vaultgate_ops.clock import Clock
from vaultgate_ops.rotation.application import make_handler
from vaultgate_ops.rotation.rotation import STRATEGIES, build
from vaultgate_ops.rotation.service import SecretsManager
from vaultgate_ops.rotation.settings import load

_ATTEMPTS = 5

_settings = load(os.environ, STRATEGIES)
_client = boto3.client(
    "secretsmanager",
    endpoint_url=_settings.endpoint,
    config=Config(retries={"mode": "standard", "total_max_attempts": _ATTEMPTS}),
)
_clock = Clock()

handler = make_handler(build(_settings, SecretsManager(_client, _clock), _clock), _settings.sweep, Logger(service="rotation"))
