"""AWS's stores by the parameters of Powertools, which keeps answers in the function's memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities import parameters

from vaultgate_ops.compare.ways import REFERENCE, login
from vaultgate_ops.compare.ways.aws_sdk import QUICK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vaultgate_ops.compare.ways import Login, Read


def make(environ: Mapping[str, str]) -> Read:
    """A reader of COMPARE_SECRET, a secret's or a parameter's name."""
    name, store, keep_s = environ["COMPARE_SECRET"], environ["COMPARE_STORE"], int(environ["COMPARE_KEEP_S"])
    options: dict[str, Any]
    provider: parameters.BaseProvider
    if store == "secretsmanager":
        provider, options = parameters.SecretsProvider(boto_config=QUICK), {"VersionStage": "AWSCURRENT"}
    else:
        provider, options = parameters.SSMProvider(boto_config=QUICK), {"decrypt": True}
        name = REFERENCE + name if store == "ssm-reference" else name

    def read(*, anew: bool) -> Login:
        text: Any = provider.get(name, keep_s, force_fetch=anew, **options)
        return login(text)

    return read
