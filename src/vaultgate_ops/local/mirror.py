"""The audit mirror of a stack: from Vault's file device to the emulated CloudWatch Logs, with a role that may do only that.

Rules: its keys are in a file of mode 0600; the role may make groups and streams and write to them, and nothing else, as the
policy in docs/audit.md says.
"""

from __future__ import annotations

import configparser
import io
import json
import sys
from typing import TYPE_CHECKING, Any

from vaultgate_ops.audit.checkpoint import in_use
from vaultgate_ops.audit.daemon import Device, checkpoint_file
from vaultgate_ops.audit.model import Destination
from vaultgate_ops.local.aws import REGION
from vaultgate_ops.local.certificates import write_private
from vaultgate_ops.local.part import Part

if TYPE_CHECKING:
    from pathlib import Path

    from vaultgate_ops.clock import Clock
    from vaultgate_ops.local.aws import EmulatedAws

GROUP, NODE = "/vault/audit", "local"
DESTINATION = Destination(GROUP, f"{NODE}/audit")
ROLE = "vaultgate-mirror"
POLICY: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogGroups"],
            # moto doesn't tell log groups apart here; docs/audit.md has the policy that names ours.
            "Resource": "*",
        }
    ],
}


class AuditMirror(Part):
    """The mirror of one stack's Vault.

    Args:
        stack: the stack's folder.
        clock: for waiting.
        path: Vault's audit file, which may not be there yet.
    """

    name = "mirror"

    def __init__(self, stack: Path, clock: Clock, path: Path) -> None:
        super().__init__(stack, clock)
        self._device = Device(path, DESTINATION)

    @property
    def address(self) -> str:
        """Where it writes, for people."""
        return f"{DESTINATION.group}:{DESTINATION.stream}"

    @property
    def checkpoints(self) -> Path:
        """Folder of its checkpoint."""
        return self._folder / "checkpoints"

    def create(self, aws: EmulatedAws) -> None:
        """Make its role, and start it.

        Raises:
            Unreachable: it did not come up; the message quotes its log.
        """
        self._folder.mkdir(mode=0o700)
        give_role(aws, self._folder / "credentials")
        argv: list[str | Path] = [sys.executable, "-m", "vaultgate_ops", "mirror", "--file", self._device.path, "--group", GROUP]
        argv += ["--node", NODE, "--checkpoints", self.checkpoints, "--endpoint-url", aws.endpoint, "--region", REGION]
        self._launch(argv, extra={"AWS_SHARED_CREDENTIALS_FILE": str(self._folder / "credentials")})

    def healthy(self) -> bool:
        """Whether it works with its checkpoint."""
        return in_use(checkpoint_file(self._device, self.checkpoints))


def give_role(aws: EmulatedAws, file: Path) -> None:
    """Make the mirror's role, and put temporary keys of it into a file in the form of ``~/.aws/credentials``."""
    aws.create_role(ROLE)
    with aws.client("iam") as iam:
        iam.put_role_policy(RoleName=ROLE, PolicyName="mirror", PolicyDocument=json.dumps(POLICY))
    keys = aws.assume(ROLE, "mirror")
    stored = configparser.ConfigParser(interpolation=None)
    stored["default"] = {
        "aws_access_key_id": keys.access_key,
        "aws_secret_access_key": keys.secret_key,
        "aws_session_token": keys.session_token,
    }
    text = io.StringIO()
    stored.write(text)
    write_private(file, text.getvalue().encode())
