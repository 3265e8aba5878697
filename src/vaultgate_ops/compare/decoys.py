"""Decoys beside the secrets of a prepared ground, and identities that try to read them.

Rules: Vault's judgement is that of ``sys/capabilities`` for a real token; the emulated IAM's is that of a real request with
the keys of a role. It doesn't tell resources apart, so a policy that names its secret is judged by IAM's own matching of
resources (IAM User Guide, "IAM JSON policy elements: Resource"), and that is said: computed.
"""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from vaultgate_ops.compare.experiments.blast_radius import Trial
from vaultgate_ops.compare.ground import PATHS
from vaultgate_ops.compare.result import Tag
from vaultgate_ops.errors import CheckFailed
from vaultgate_ops.local.aws import ACCOUNT, REGION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vaultgate_ops.compare.ground import Ground

VAULT = ("secret/data/payments", "secret/data/team/other", "database/creds/payments", "database/static-creds/payments")
"""Paths of others; they need not exist for their policy to be judged."""
AWS = ("payments", "team/other", "prod/database")
_DENIED = frozenset({"403", "AccessDenied", "AccessDeniedException"})  # moto's and AWS's
_USUAL = {"secretsmanager": "secretsmanager:GetSecretValue", "ssm": "ssm:GetParameter"}


class Decoys:
    """The trials of a ground.

    Args:
        ground: a prepared one.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def trials(self) -> list[Trial]:
        """All of them."""
        shipped = "vault-config/policies/records.hcl alone, as vault-config gives it"
        also = "the same and Vault's policy 'default', which tokens get unless their role says no"
        found = [
            Trial(store, policy, title, partial(self._vault, store, policies))
            for store in PATHS
            for policy, title, policies in (("shipped", shipped, ("records",)), ("default", also, ("records", "default")))
        ]
        for store, action in _USUAL.items():
            named = f"{action} on one resource, as docs/rotation.md grants it; by IAM's matching of resources"
            found.append(Trial(store, "shipped", named, partial(self._matched, store), Tag.COMPUTED))
            wide = f"{action} on *, as AWS's own managed policies for reading grant it"
            found.append(Trial(store, "default", wide, partial(self._tried, store)))
        return found

    def _vault(self, store: str, policies: tuple[str, ...]) -> Mapping[str, bool]:
        with self._ground.stack.vault.client() as vault:
            token = vault.auth.token.create(policies=list(policies), no_default_policy="default" not in policies, ttl="5m")[
                "auth"
            ]["client_token"]
            answer: Any = vault.sys.get_capabilities(paths=[PATHS[store], *VAULT], token=token)
            vault.auth.token.revoke(token)
        granted = answer.get("data", answer)
        return {("own" if path == PATHS[store] else path): "read" in granted[path] for path in (PATHS[store], *VAULT)}

    def _matched(self, store: str) -> Mapping[str, bool]:
        own = self._arn(store, self._ground.cloud.name(store))
        # A secret's ARN ends in six characters that nobody chooses.
        pattern = own + ("-??????" if store == "secretsmanager" else "")
        suffix = "-a1B2c3" if store == "secretsmanager" else ""
        return {
            "own": fnmatchcase(own + suffix, pattern),
            **{name: fnmatchcase(self._arn(store, name) + suffix, pattern) for name in AWS},
        }

    def _arn(self, store: str, name: str) -> str:
        kind = "secretsmanager:{}:secret:" if store == "secretsmanager" else "ssm:{}:parameter/"
        return f"arn:aws:{kind.format(f'{REGION}:{ACCOUNT}')}{name}"

    def _tried(self, store: str) -> Mapping[str, bool]:
        if not self._ground.access.gates:
            raise CheckFailed("Not tried in a real account: it would take roles of its own.")
        stack, role = self._ground.stack, f"compare-{store}"
        stack.aws.create_role(role)
        allowed = {"Effect": "Allow", "Action": [_USUAL[store]], "Resource": "*"}
        with stack.aws.client("iam") as iam:
            policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
            iam.put_role_policy(RoleName=role, PolicyName="read", PolicyDocument=policy)
        with stack.aws.client(store) as client:
            for name in AWS:
                if store == "secretsmanager":
                    client.create_secret(Name=name, SecretString="decoy")
                else:
                    client.put_parameter(Name=f"/{name}", Value="decoy", Type="SecureString")
        keys = stack.aws.assume(role, "decoys")
        with stack.aws.client(store, keys) as client:
            read: Callable[[str], object]
            if store == "secretsmanager":
                read = lambda name: client.get_secret_value(SecretId=name)  # noqa: E731 - one of two
            else:
                read = lambda name: client.get_parameter(Name=name, WithDecryption=True)  # noqa: E731 - as above
            names = {name: (name if store == "secretsmanager" else f"/{name}") for name in AWS}
            return {one: _reads(read, name) for one, name in ({"own": self._ground.cloud.name(store)} | names).items()}


def _reads(read: Callable[[str], object], name: str) -> bool:
    try:
        read(name)
    except ClientError as error:
        if error.response["Error"]["Code"] in _DENIED:
            return False
        raise
    return True
