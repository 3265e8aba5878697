"""Vault by hvac: through the extension's proxy, or with a login of its own, kept as long as the sandbox lives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import hvac

from vaultgate_ops.compare.ways import ANSWER_S, login

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from vaultgate_ops.compare.ways import Login, Read


def log_in(client: hvac.Client, environ: Mapping[str, str]) -> dict[str, Any]:
    """Log in with the function's role; Vault's ``auth``. The client has its token from then on."""
    answer: dict[str, Any] = client.auth.aws.iam_login(
        environ["AWS_ACCESS_KEY_ID"],
        environ["AWS_SECRET_ACCESS_KEY"],
        environ["AWS_SESSION_TOKEN"],
        header_value=environ["VAULT_IAM_SERVER_ID"],
        role=environ["VAULT_AUTH_ROLE"],
        region=environ["VAULT_STS_ENDPOINT_REGION"],
    )
    auth: dict[str, Any] = answer["auth"]
    return auth


def make(environ: Mapping[str, str]) -> Read:
    """A reader of COMPARE_SECRET, a path."""
    path, through_proxy = f"/v1/{environ['COMPARE_SECRET']}", environ["COMPARE_WAY"] == "proxy"
    if through_proxy:
        # The extension puts its own token in the place of this one, and knows the deadline better.
        client = hvac.Client(url=f"http://{environ['VAULTGATE_LISTEN']}", token="vaultgate", cert=(), timeout=30)  # noqa: S106 - a word
    else:
        # An empty token: without one hvac would take what lies in somebody's ~/.vault-token.
        client = hvac.Client(url=environ["VAULT_ADDR"], token="", verify=environ["VAULT_CACERT"], cert=(), timeout=ANSWER_S)

    def read(*, anew: bool) -> Login:
        if not client.token:
            log_in(client, environ)
        headers = {"X-Vault-Cache-Control": "recache"} if anew and through_proxy else None
        return login(client.adapter.get(path, headers=headers)["data"])

    return read
