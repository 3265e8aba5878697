"""Emulated AWS: a moto server that checks signatures and permissions like a stranger.

Rules: the first calls, which nobody could sign, set up one administrator; from then on every call's SigV4 signature is
verified and its IAM policies are enforced; our own clients read nothing from the user's AWS configuration.

Source: https://docs.getmoto.org/en/latest/docs/iam.html (``INITIAL_NO_AUTH_ACTION_COUNT``).
"""

from __future__ import annotations

import configparser
import json
import os
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from vaultgate_ops.errors import CheckFailed
from vaultgate_ops.local import processes
from vaultgate_ops.local.certificates import write_private
from vaultgate_ops.local.part import Part

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


ACCOUNT, REGION = "123456789012", "us-east-1"
ADMINISTRATOR = "administrator"

SET_UP_CALLS = 3
"""Value of moto's INITIAL_NO_AUTH_ACTION_COUNT: the unsigned calls that ``set_up()`` makes."""

_EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
# Without these a botocore session would look into the user's environment and files.
_UNTOUCHED = {
    "profile": (None, None, None, None),
    "region": (None, None, REGION, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


class Credentials(NamedTuple):
    """An AWS identity's keys; ``session_token`` is empty for a user's own, lasting ones."""

    access_key: str
    secret_key: str
    session_token: str = ""

    def __repr__(self) -> str:
        """Name the key, never the secret."""
        return f"Credentials({self.access_key})"


def stored_keys(text: str) -> Credentials:
    """Keys as they stand in the form of ``~/.aws/credentials``."""
    stored = configparser.ConfigParser(interpolation=None)
    stored.read_string(text)
    return Credentials(stored["default"]["aws_access_key_id"], stored["default"]["aws_secret_access_key"])


class EmulatedAws(Part):
    """One moto server of a stack. Its state lives in memory and ends with it.

    Args:
        folder: the stack's folder; the administrator's key goes to its ``aws/``.
        clock: for waiting.
        port: where it listens on 127.0.0.1; 0 until ``create()`` has chosen one.
    """

    name = "aws"

    @property
    def endpoint(self) -> str:
        """Base URL of every service, as in ``AWS_ENDPOINT_URL``."""
        return f"http://127.0.0.1:{self.port}"

    address = endpoint

    @property
    def administrator_file(self) -> Path:
        """File of mode 0600 with the administrator's keys, in the form of ``~/.aws/credentials``."""
        return self._folder / "credentials"

    @property
    def administrator(self) -> Credentials:
        """Who may do everything."""
        return stored_keys(self.administrator_file.read_text(encoding="ascii"))

    def create(self, *roles: str) -> None:
        """Start it on a free port, make the administrator and these roles, and see that it refuses a wrong key.

        Raises:
            Unreachable: it did not come up; the message quotes its log.
            CheckFailed: it takes a call signed with a wrong key.
        """
        self._folder.mkdir(mode=0o700)

        def attempt(port: int) -> None:
            self.port = port
            self._launch(
                [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)],
                extra={"INITIAL_NO_AUTH_ACTION_COUNT": str(SET_UP_CALLS), "PYTHONUNBUFFERED": "1"},
            )

        processes.on_free_port(attempt)
        self.set_up(*roles)

    def set_up(self, *roles: str) -> None:
        """Use a fresh server's unsigned calls: make the administrator, then these roles; see that a wrong key is refused.

        Raises:
            Unreachable: a call failed.
            CheckFailed: it takes a call signed with a wrong key.
        """
        try:
            self._create_administrator()
            self._refuses_a_wrong_key()
            for role in roles:
                self.create_role(role)
        except (ClientError, BotoCoreError) as error:
            raise processes.failure(f"Setting up the emulated AWS failed: {error}", self.log_file) from error

    def healthy(self) -> bool:
        """Whether it answers."""
        # Past every proxy of the environment.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            # Not what it holds, data.json: that takes long once there is much of it, and fails for what has no JSON.
            with opener.open(f"{self.endpoint}/moto-api/config", timeout=5) as answer:
                return bool(answer.status < 300)  # noqa: PLR2004 - HTTP's success
        except OSError:
            return False

    def role_arn(self, name: str) -> str:
        """A role's Amazon Resource Name."""
        return f"arn:aws:iam::{ACCOUNT}:role/{name}"

    def create_role(self, name: str) -> None:
        """Make a role that Lambda and the administrator may assume.

        It may do nothing yet: GetCallerIdentity, with which a function logs in to Vault, needs no permission.
        """
        administrator = f"arn:aws:iam::{ACCOUNT}:user/{ADMINISTRATOR}"
        trusted = {"Service": "lambda.amazonaws.com", "AWS": administrator}
        # One statement: moto fails on a statement that names a service alone.
        trust = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": trusted, "Action": "sts:AssumeRole"}],
        }
        with self.client("iam") as iam:
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))

    def assume(self, role: str, session: str = "records") -> Credentials:
        """Temporary credentials of a role, as Lambda hands them to a function of the name ``session``.

        moto gives them for a role that nobody made as well.
        """
        with self.client("sts") as sts:
            answer = sts.assume_role(RoleArn=self.role_arn(role), RoleSessionName=session)["Credentials"]
        return Credentials(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])

    @contextmanager
    def client(self, service: str, credentials: Credentials | None = None) -> Iterator[Any]:
        """A botocore client that nothing in the environment can redirect.

        Args:
            service: such as ``sts``.
            credentials: whose; the administrator's by default.
        """
        keys = credentials or self.administrator
        session = botocore.session.Session(session_vars=_UNTOUCHED)
        client = session.create_client(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id=keys.access_key,
            aws_secret_access_key=keys.secret_key,
            aws_session_token=keys.session_token or None,
            config=Config(proxies={}, retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=30),
        )
        try:
            yield client
        finally:
            client.close()

    def _create_administrator(self) -> None:
        with self.client("iam", Credentials("set-up", "set-up")) as iam:
            iam.create_user(UserName=ADMINISTRATOR)
            policy = json.dumps(_EVERYTHING)
            iam.put_user_policy(UserName=ADMINISTRATOR, PolicyName="everything", PolicyDocument=policy)
            key = iam.create_access_key(UserName=ADMINISTRATOR)["AccessKey"]
        keys = f"aws_access_key_id = {key['AccessKeyId']}\naws_secret_access_key = {key['SecretAccessKey']}\n"
        write_private(self.administrator_file, f"[default]\n{keys}".encode())

    def _refuses_a_wrong_key(self) -> None:
        forged = self.administrator._replace(secret_key="x" * 40)
        with self.client("sts", forged) as sts:
            try:
                sts.get_caller_identity()
            except ClientError as error:
                if error.response["Error"]["Code"] == "SignatureDoesNotMatch":
                    return
                raise
        raise CheckFailed("The emulated AWS took a call that was signed with a wrong key.", "Check moto's version.")
