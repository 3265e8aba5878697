"""The rotation's demo: each strategy rotated under load on an embedded stack, and what its clients noticed.

Rules: the parts are the local stack's own: moto for Secrets Manager, the real database server, the record-count function in
AWS's emulator; the rotator may do what docs/rotation.md says it must, and no more. The API whose key is rotated is a small one
of our own, a process with TLS. moto moves a label in two moments, so
whoever reads in between asks again.
"""

from __future__ import annotations

import json
import secrets
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import boto3
import pymysql
from botocore.config import Config

from vaultgate_ops.errors import CheckFailed
from vaultgate_ops.local.aws import REGION
from vaultgate_ops.local.database import HOST, SCHEMA, TABLE
from vaultgate_ops.local.key_api import description
from vaultgate_ops.local.key_api_part import KeyApiPart
from vaultgate_ops.local.proxy_events import GET_RECORDS
from vaultgate_ops.local.wiring import ROLE
from vaultgate_ops.rotation.api_keys.strategy import DESCRIBED
from vaultgate_ops.rotation.by_hand import ByHand
from vaultgate_ops.rotation.load import TurnedAway
from vaultgate_ops.rotation.mysql.server import tls_context
from vaultgate_ops.rotation.rotation import STRATEGIES, build
from vaultgate_ops.rotation.settings import load
from vaultgate_ops.rotation.trial import WITHOUT_WINDOW, Outcome, Subject, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vaultgate_ops.clock import Clock
    from vaultgate_ops.local.sandbox import Sandbox
    from vaultgate_ops.local.stack import Stack

_READERS = ("secretsmanager:GetSecretValue",)
_OK = 200


class RotationDemo:
    """Rotations on a stack that runs.

    Args:
        stack: bootstrapped or not; Vault isn't asked.
        clock: for pauses.
    """

    def __init__(self, stack: Stack, clock: Clock) -> None:
        self._stack, self._clock = stack, clock
        self._ca_file = str(stack.database.ca_file)
        self._tls = tls_context(self._ca_file)
        self._master = ""

    def prepare(self) -> None:
        """Make the rotator and its secret, and let the function read secrets."""
        with self._stack.aws.client("iam") as iam:
            allowed = {"Effect": "Allow", "Action": list(_READERS), "Resource": "*"}
            document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
            iam.put_role_policy(RoleName=ROLE, PolicyName="read-secrets", PolicyDocument=document)
        password = secrets.token_urlsafe()
        with self._stack.database.connect() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE USER rotator@'%%' IDENTIFIED BY %s REQUIRE SSL", (password,))
            cursor.execute("GRANT CREATE USER ON *.* TO rotator@'%'")
            cursor.execute("GRANT SELECT ON mysql.* TO rotator@'%'")
            cursor.execute(f"GRANT SELECT ON {SCHEMA}.{TABLE} TO rotator@'%' WITH GRANT OPTION")
        value = {"engine": "mariadb", "host": HOST, "port": self._stack.database.port, "username": "rotator"}
        self._master = str(
            self._client().create_secret(Name="rotator", SecretString=json.dumps({**value, "password": password}))["ARN"]
        )

    def strategy(self, name: str, rotations: int, longest_gap_s: float) -> Outcome:
        """Rotate a new user by a strategy, under load.

        Args:
            name: of the strategy.
            rotations: how often.
            longest_gap_s: between two of them.

        Raises:
            RotationError: a rotation failed.
        """
        user, client = f"app_{name}", self._client()
        self._create(user, name, client)
        hand, reader = self._hand(client, self._ca_file), self._client()
        with self._function(user) as function:
            subject = Subject(
                lambda: _login_of(_current(reader, user)), self._login, lambda: hand.rotate_here(user), lambda: _answer(function)
            )
            return run(subject, rotations, longest_gap_s, self._clock)

    def key(self, rotations: int, longest_gap_s: float) -> Outcome:
        """Rotate an API's key under load: a call with AWSCURRENT's key, again and again.

        Args:
            rotations: how often.
            longest_gap_s: between two of them.

        Raises:
            RotationError: a rotation failed.
        """
        api, client, name = KeyApiPart(self._stack.folder, self._clock), self._client(), "orders-api"
        try:
            api.create()
            value = {"strategy": DESCRIBED, **api.first, "api": description(api.url)}
            client.create_secret(Name=name, SecretString=json.dumps(value))
            hand, reader = self._hand(client, str(api.ca_file)), self._client()

            def call(key: str) -> None:
                status = api.get(key)
                if status != _OK:
                    raise TurnedAway(status)

            subject = Subject(lambda: str(_current(reader, name)["key"]), call, lambda: hand.rotate_here(name))
            return run(subject, rotations, longest_gap_s, self._clock)
        finally:
            api.stop()

    def _hand(self, client: Any, ca_file: str) -> ByHand:
        settings = load({"ROTATION_CA_BUNDLE": ca_file}, STRATEGIES)
        return ByHand(client, lambda store: build(settings, store, self._clock), self._clock)

    def _create(self, user: str, strategy: str, client: Any) -> None:
        password = secrets.token_urlsafe()
        with self._stack.database.connect() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE USER %s@'%%' IDENTIFIED BY %s REQUIRE SSL", (user, password))
            cursor.execute(f"GRANT SELECT ON {SCHEMA}.{TABLE} TO %s@'%%'", (user,))
        value = {
            "engine": "mariadb",
            "host": HOST,
            "port": self._stack.database.port,
            "username": user,
            "password": password,
            "dbname": SCHEMA,
            "strategy": strategy,
            **({} if strategy == "single" else {"masterarn": self._master}),
        }
        client.create_secret(Name=user, SecretString=json.dumps(value))

    def _client(self) -> Any:
        keys = self._stack.aws.administrator
        return boto3.client(
            "secretsmanager",
            region_name=REGION,
            endpoint_url=self._stack.aws.endpoint,
            aws_access_key_id=keys.access_key,
            aws_secret_access_key=keys.secret_key,
            config=Config(proxies={}, retries={"total_max_attempts": 3, "mode": "standard"}),
        )

    def _login(self, value: tuple[str, str]) -> None:
        user, password = value
        port = self._stack.database.port
        pymysql.connect(host=HOST, port=port, user=user, password=password, ssl=self._tls, connect_timeout=10).close()

    @contextmanager
    def _function(self, secret: str) -> Iterator[Sandbox]:
        variables = {"CREDENTIAL_SOURCE": "secretsmanager", "SECRET_NAME": secret, "AWS_ENDPOINT_URL": self._stack.aws.endpoint}
        with ExitStack() as ending, self._stack.sandbox(variables) as sandbox:
            ending.callback(sandbox.kill)
            yield sandbox


def judge(outcomes: dict[str, Outcome]) -> None:
    """Check what the strategies promise.

    Raises:
        CheckFailed: somebody was turned away who must not be, or the load saw no window where there is one.
    """
    for name, outcome in outcomes.items():
        promised = name in WITHOUT_WINDOW or name == DESCRIBED
        if promised and outcome.turned_away:
            raise CheckFailed(f"{name}: clients were turned away {outcome.turned_away} times: {outcome}.")
        if not promised and not outcome.figures.failed:
            raise CheckFailed(f"{name} has a window, and the load saw none: it proves nothing of the others.")


def _current(client: Any, secret: str) -> dict[str, Any]:
    while True:
        try:
            value: dict[str, Any] = json.loads(
                client.get_secret_value(SecretId=secret, VersionStage="AWSCURRENT")["SecretString"]
            )
        except client.exceptions.ResourceNotFoundException:
            continue
        return value


def _login_of(value: dict[str, Any]) -> tuple[str, str]:
    return value["username"], value["password"]


def _answer(function: Sandbox) -> str:
    answer = function.invoke(GET_RECORDS)
    status = answer.get("statusCode")
    return str(status) if status == _OK else f"{status}: {json.dumps(answer)}"
