"""What Lambda imports for the overdue checker: reads the environment once.

Rules: a wrong setting ends the init with every problem named. Nothing of the rotator is imported: what breaks that must not
break what watches it.
"""

from __future__ import annotations

import os

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config

from vaultgate_ops.clock import Clock
from vaultgate_ops.rotation.overdue import make_handler, watched
from vaultgate_ops.rotation.service import Api, SecretsManager

_ATTEMPTS = 5

_secrets, _clock = watched(os.environ), Clock()
_config = Config(retries={"mode": "standard", "total_max_attempts": _ATTEMPTS})
_client = boto3.client("secretsmanager", config=_config)
# Powertools' own variable: the metric's dimension too, so that a checker of another stack can't stand in for a silent one.
logger = Logger(service=os.environ.get("POWERTOOLS_SERVICE_NAME", "rotation-overdue"))
_systems = Api(boto3.client("ssm", config=_config), _clock) if any(one.parameter for one in _secrets) else None

handler = make_handler(SecretsManager(_client, _clock), _secrets, _client.meta.region_name, _clock, logger, systems=_systems)
