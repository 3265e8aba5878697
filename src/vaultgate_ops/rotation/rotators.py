"""The credential that may change other users: from another secret, from one that RDS keeps, or from Vault.

Rules: it goes only to a host that somebody other than the rotated secret vouches for: the master secret's own host, RDS's
answer about the instance that the master belongs to, or ROTATION_HOSTS. Whoever may write the rotated secret could else send
it wherever they like. For the same reason it goes without TLS only where its own secret says so too. All this is checked before
the host is contacted.
Source: AWS Secrets Manager User Guide, "JSON structure of AWS Secrets Manager secrets" (masterarn, secrets managed by RDS);
the tags are those that AWS's own rotation functions read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.fields import listed, refuse_unlisted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vaultgate_ops.rotation.mysql.secret import DatabaseSecret
    from vaultgate_ops.rotation.service import SecretsManager

VAULT = "vault:"
_INSTANCE_TAG, _CLUSTER_TAG = "aws:rds:primarydbinstancearn", "aws:rds:primarydbclusterarn"


@dataclass(frozen=True)
class Login:
    """A user and its password."""

    username: str
    password: str = field(repr=False)


class Rds(Protocol):
    """The two calls of boto3's RDS client."""

    def describe_db_instances(self, *, DBInstanceIdentifier: str) -> Mapping[str, Any]: ...  # noqa: N803, D102 - boto3's
    def describe_db_clusters(self, *, DBClusterIdentifier: str) -> Mapping[str, Any]: ...  # noqa: N803, D102 - boto3's


class Rotators:
    """Finds rotator credentials.

    Args:
        store: reads master secrets.
        hosts: patterns such as ``*.example.com`` that a credential may be sent to; empty for no such list.
        rds: makes boto3's RDS client.
        vault: reads a path of Vault and gives its data.
    """

    def __init__(
        self,
        store: SecretsManager,
        hosts: Sequence[str],
        rds: Callable[[], Rds],
        vault: Callable[[str], Mapping[str, Any]],
    ) -> None:
        self._store, self._hosts, self._rds, self._vault = store, hosts, rds, vault

    def vouch(self, secret: DatabaseSecret) -> None:
        """Refuse a host outside ROTATION_HOSTS, where that is set.

        Raises:
            RotationError: ``host-refused``.
        """
        refuse_unlisted(secret.host, self._hosts)

    def login(self, secret: DatabaseSecret) -> Login:
        """The rotator's credential for a secret's server.

        Raises:
            RotationError: ``strategy-unfit``, ``rotator-unreadable``, ``host-refused``, ``tls``.
        """
        if secret.masterarn is None:
            raise RotationError(
                "strategy-unfit",
                "The secret names no rotator, and its user can't do this by itself.",
                'Add "masterarn" to it: a secret\'s ARN, or vault:<path>; or choose the strategy single.',
            )
        if secret.masterarn.startswith(VAULT):
            fields = self._from_vault(secret.masterarn.removeprefix(VAULT))
            host = fields.get("host")
        else:
            fields = self._from_store(secret.masterarn)
            host = fields.get("host") or self._host_of_rds(secret.masterarn)
        if host != secret.host and not listed(secret.host, self._hosts):
            raise RotationError(
                "host-refused",
                f"The rotator's credential belongs to {host or 'no host that it names'}, the secret's host is {secret.host}.",
                "Correct one of the two, or list the host in ROTATION_HOSTS.",
            )
        if not secret.tls and fields.get("ssl") is not False:
            raise RotationError(
                "tls",
                "The rotated secret says \"ssl\": false, and its rotator's credential doesn't: it isn't sent without TLS.",
                'Take "ssl": false out of the rotated secret, or put it into the rotator\'s as well.',
            )
        username, password = fields.get("username"), fields.get("password")
        if not isinstance(username, str) or not isinstance(password, str):
            raise RotationError("rotator-unreadable", f"{secret.masterarn} has no username and password.", "Store both as texts.")
        return Login(username, password)

    def _from_store(self, arn: str) -> Mapping[str, Any]:
        try:
            return self._store.current(arn).fields
        except RotationError as error:
            if error.retryable:
                raise
            raise RotationError(
                "rotator-unreadable", f"The rotator's secret {arn} can't be read. {error.message}", "Allow GetSecretValue on it."
            ) from None

    def _from_vault(self, path: str) -> Mapping[str, Any]:
        fields = self._vault(path)
        nested = fields.get("data")
        # KV version 2 puts the secret one level down, beside its metadata.
        return nested if isinstance(nested, dict) and "metadata" in fields else fields

    def _host_of_rds(self, arn: str) -> str | None:
        """The endpoint of the instance or cluster that a secret of RDS's belongs to; None for any other secret."""
        tags = {key.lower(): value for key, value in self._store.describe(arn).tags.items()}
        try:
            if _INSTANCE_TAG in tags:
                found = self._rds().describe_db_instances(DBInstanceIdentifier=tags[_INSTANCE_TAG])["DBInstances"]
                return str(found[0]["Endpoint"]["Address"]) if found else None
            if _CLUSTER_TAG in tags:
                found = self._rds().describe_db_clusters(DBClusterIdentifier=tags[_CLUSTER_TAG])["DBClusters"]
                return str(found[0]["Endpoint"]) if found else None
        except (ClientError, BotoCoreError) as error:
            raise RotationError(
                "rotator-unreadable",
                f"RDS doesn't say which host {arn} belongs to: {type(error).__name__}.",
                "Allow rds:DescribeDBInstances and rds:DescribeDBClusters for the function's role.",
            ) from None
        return None
