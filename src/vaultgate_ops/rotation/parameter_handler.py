"""What Lambda imports to rotate parameters: reads the environment once and puts the function together.

Rules: a wrong setting ends the init with every problem named; nobody is asked for anything until an event comes.
"""

from __future__ import annotations

import os

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config

from vaultgate_ops.clock import Clock
from vaultgate_ops.rotation.parameters import Parameters, make_handler
from vaultgate_ops.rotation.rotation import STRATEGIES, build
from vaultgate_ops.rotation.service import SecretsManager
from vaultgate_ops.rotation.settings import load

_ATTEMPTS = 5

_settings = load(os.environ, STRATEGIES)
_config = Config(retries={"mode": "standard", "total_max_attempts": _ATTEMPTS})
_clock = Clock()
_secrets = SecretsManager(boto3.client("secretsmanager", endpoint_url=_settings.endpoint, config=_config), _clock)

handler = make_handler(
    Parameters(boto3.client("ssm", config=_config), lambda values: build(_settings, _secrets, _clock, values=values), _clock),
    Logger(service="parameter-rotation"),
)
