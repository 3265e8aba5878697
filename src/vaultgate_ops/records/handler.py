"""What Lambda imports: reads the environment once and puts the function together.

Rules: a wrong setting ends the init with every problem named, before the first request; Vault and the database are not
asked for anything until a request comes.
"""

from __future__ import annotations

import os

from aws_lambda_powertools import Logger, Metrics

from vaultgate_ops.records.application import make_handler
from vaultgate_ops.records.settings import load
from vaultgate_ops.records.sources import SOURCES

_SERVICE, _NAMESPACE = "records", "Vaultgate"

_settings = load(os.environ, SOURCES)

handler = make_handler(
    SOURCES[_settings.source](_settings),
    _settings.table,
    Logger(service=_SERVICE),
    Metrics(namespace=_NAMESPACE, service=_SERVICE),
)
