"""Between a function and its store: each way of reading one, with the imports that this way costs and no others.

Rules: a module has ``make(environ)``, which gives a `Read`; it is imported in the function alone, for its imports are part
of that contender's cold start. Time-outs are the same for all who have any to set: a connection within a second, an
answer within two, two attempts. What a store holds is a JSON object with username and password, as rotation functions
keep it. Variables: COMPARE_SECRET is its name there, COMPARE_KEEP_S how long answers are kept by those who keep them.
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    Login = tuple[str, str]


class Read(Protocol):
    """Reads username and password from a store."""

    def __call__(self, *, anew: bool) -> Login:
        """The login.

        Args:
            anew: past everything that is kept, where the way lets one.
        """


_MODULES = {
    "layer": "vault_layer",
    "proxy": "vault_hvac",
    "hvac": "vault_hvac",
    "boto3": "aws_sdk",
    "powertools": "aws_powertools",
    "caching": "aws_caching",
    "agent": "aws_local",
    "extension": "aws_local",
    "plain": "environment",
    "kms": "environment",
}
CONNECT_S, ANSWER_S, ATTEMPTS = 1, 2, 2
REFERENCE = "/aws/reference/secretsmanager/"
"""Before a secret's name, it is a name of Parameter Store's (Systems Manager User Guide, "Referencing AWS Secrets Manager
secrets from Parameter Store parameters")."""


def make(environ: Mapping[str, str]) -> Read:
    """The way that COMPARE_WAY names."""
    module: Any = import_module(f"{__name__}.{_MODULES[environ['COMPARE_WAY']]}")
    read: Read = module.make(environ)
    return read


def login(document: str | Mapping[str, Any] | None) -> Login:
    """Username and password out of what a store gave: JSON or an object; KV version 2 has it one level down."""
    found: Any = json.loads(document) if isinstance(document, str) else document
    inner = found.get("data")
    found = inner if isinstance(inner, dict) else found
    return found["username"], found["password"]
