"""Decoys beside the secrets of a prepared ground, and identities that try to read them.

Rules: Vault's judgement is that of ``sys/capabilities`` for a real token; the emulated IAM's is that of a real request with
the keys of a role. It doesn't tell resources apart, so a policy that names its secret is judged by IAM's own matching of
resources (IAM User Guide, "IAM JSON policy elements: Resource"), and that is said: computed.
"""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from vaultgate_ops.compare.experiments.blast_radius import Trial
from vaultgate_ops.compare.ground import PATHS
from vaultgate_ops.compare.result import Tag
from vaultgate_ops.compare.ways import REFERENCE
from vaultgate_ops.errors import CheckFailed
from vaultgate_ops.local.aws import ACCOUNT, REGION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vaultgate_ops.compare.ground import Ground

VAULT = ("secret/data/payments", "secret/data/team/other", "database/creds/payments", "database/static-creds/payments")
"""Paths of others; they need not exist for their policy to be judged."""
AWS = ("payments", "team/other", "prod/database")
_DENIED = frozenset({"403", "AccessDenied", "AccessDeniedException"})  # moto's and AWS's


class Usual(NamedTuple):
    """How a store of AWS's is usually opened to a function.

    Attributes:
        service: that answers.
        actions: that a read needs.
        managed: AWS's own policies that allow these on every resource.
    """

    service: str
    actions: tuple[str, ...]
    managed: tuple[str, ...]


USUAL = {
    "secretsmanager": Usual("secretsmanager", ("secretsmanager:GetSecretValue",), ("SecretsManagerReadWrite",)),
    "ssm": Usual("ssm", ("ssm:GetParameter",), ("AmazonSSMReadOnlyAccess",)),
    "ssm-reference": Usual(
        "ssm",
        ("ssm:GetParameter", "secretsmanager:GetSecretValue"),
        ("AmazonSSMReadOnlyAccess", "SecretsManagerReadWrite"),
    ),
}
"""By store."""


class Decoys:
    """The trials of a ground.

    Args:
        ground: a prepared one.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._laid: set[str] = set()

    def trials(self) -> list[Trial]:
        """All of them."""
        shipped = "vault-config/policies/records.hcl alone, as vault-config gives it: one policy for all three engines"
        also = "the same and Vault's policy 'default', which tokens get unless their role says no"
        found = [
            Trial(store, policy, title, partial(self._vault, store, policies), sources=_beside(store))
            for store in PATHS
            for policy, title, policies in (("shipped", shipped, ("records",)), ("default", also, ("records", "default")))
        ]
        for store, usual in USUAL.items():
            actions = " and ".join(usual.actions)
            named = f"{actions} on one resource, as docs/rotation.md says; by IAM's matching of resources"
            found.append(Trial(store, "shipped", named, partial(self._matched, store), Tag.COMPUTED))
            wide = f"{actions} on *, as in AWS's own {' and '.join(usual.managed)}"
            found.append(Trial(store, "default", wide, partial(self._tried, store)))
        return found

    def _vault(self, store: str, policies: tuple[str, ...]) -> Mapping[str, bool]:
        paths = [PATHS[store], *_beside(store), *VAULT]
        with self._ground.stack.vault.client() as vault:
            token = vault.auth.token.create(policies=list(policies), no_default_policy="default" not in policies, ttl="5m")[
                "auth"
            ]["client_token"]
            answer: Any = vault.sys.get_capabilities(paths=paths, token=token)
            vault.auth.token.revoke(token)
        granted = answer.get("data", answer)
        return {("own" if path == PATHS[store] else path): "read" in granted[path] for path in paths}

    def _matched(self, store: str) -> Mapping[str, bool]:
        own = self._ground.cloud.name(store)
        granted = _arns(store, own, "??????")
        return {
            ("own" if name == own else name): all(map(fnmatchcase, _arns(store, name, "a1B2c3"), granted)) for name in (own, *AWS)
        }

    def _tried(self, store: str) -> Mapping[str, bool]:
        if not self._ground.access.gates:
            raise CheckFailed("Not tried in a real account: it would take roles of its own.")
        stack, role, (service, actions, _) = self._ground.stack, f"compare-{store}", USUAL[store]
        self._lay("ssm" if store == "ssm" else "secretsmanager")
        stack.aws.create_role(role)
        allowed = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        with stack.aws.client("iam") as iam:
            policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
            iam.put_role_policy(RoleName=role, PolicyName="read", PolicyDocument=policy)
        before = {"secretsmanager": "", "ssm": "/", "ssm-reference": REFERENCE}[store]
        own = (REFERENCE if store == "ssm-reference" else "") + self._ground.cloud.name(store)
        with stack.aws.client(service, stack.aws.assume(role, "decoys")) as client:
            read: Callable[[str], object]
            if service == "secretsmanager":
                read = lambda name: client.get_secret_value(SecretId=name)  # noqa: E731 - one of two
            else:
                read = lambda name: client.get_parameter(Name=name, WithDecryption=True)  # noqa: E731 - as above
            return {"own": _reads(read, own), **{name: _reads(read, before + name) for name in AWS}}

    def _lay(self, service: str) -> None:
        """Put the decoys into a store, once."""
        if service in self._laid:
            return
        self._laid.add(service)
        with self._ground.stack.aws.client(service) as client:
            for name in AWS:
                if service == "secretsmanager":
                    client.create_secret(Name=name, SecretString="decoy")
                else:
                    client.put_parameter(Name=f"/{name}", Value="decoy", Type="SecureString")


def _beside(store: str) -> tuple[str, ...]:
    """The sources that the function could read instead."""
    return tuple(path for path in PATHS.values() if path != PATHS[store])


def _arns(store: str, name: str, chosen: str) -> list[str]:
    """Of all that a read of a name needs; ``chosen`` are the six characters at a secret's end that nobody chooses."""
    secret = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-{chosen}"
    parameter = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{REFERENCE.strip('/') + '/' if store == 'ssm-reference' else ''}{name}"
    return {"secretsmanager": [secret], "ssm": [parameter], "ssm-reference": [parameter, secret]}[store]


def _reads(read: Callable[[str], object], name: str) -> bool:
    try:
        read(name)
    except ClientError as error:
        if error.response["Error"]["Code"] in _DENIED:
            return False
        raise
    return True
