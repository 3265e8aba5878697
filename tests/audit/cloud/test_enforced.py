"""The function that mirrors files from S3, with the role that template.yaml gives it, and with every bit of that taken away.

S3 and CloudWatch Logs are emulated; the role is enforced as `tests.deploy.holder` says.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError
from tests.audit.cloud.conftest import QUICK, entry
from tests.deploy.holder import Amazon, Grant, Holder
from tests.deploy.ways import deployed

from vaultgate_ops.audit.cloudwatch import Service
from vaultgate_ops.audit.destinations import Creation
from vaultgate_ops.audit.objects import Source
from vaultgate_ops.audit.sender import CloudWatchSender, open_sender
from vaultgate_ops.audit.shipping import Outcome, Place, Shipping
from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import OpsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vaultgate_ops.audit.model import Destination
    from vaultgate_ops.local.stack import Stack

# One process reads what botocore knows of the services.
pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("enforced")]

LINES = b"".join(entry(number) + b"\n" for number in range(3))


@pytest.fixture(scope="module")
def amazon(stack: Stack) -> Iterator[Amazon]:
    """The emulated AWS, with clients that are made once."""
    made = Amazon(stack.aws)
    yield made
    made.close()


class Shipped:
    """A bucket with a file, a group, and the function's role."""

    def __init__(self, stack: Stack, amazon: Amazon) -> None:
        self._stack, self._amazon = stack, amazon
        self.group, self._files, self._progress = f"/vault/{uuid.uuid4().hex}", uuid.uuid4().hex, uuid.uuid4().hex
        amazon.client("logs").create_log_group(logGroupName=self.group)
        for bucket in (self._files, self._progress):
            amazon.client("s3").create_bucket(Bucket=bucket)
        real = {"AuditFiles.Arn": f"arn:aws:s3:::{self._files}", "AuditProgress.Arn": f"arn:aws:s3:::{self._progress}"}
        made = deployed("mirror from S3")
        self.holder = Holder(amazon, made, "AuditFunctionRole", {**real, "/vault/audit": self.group}, "AuditFunctionLogGroup")

    def ship(self) -> Outcome:
        """Bring a file, and mirror it as the function does."""
        key = f"node-1/file/{uuid.uuid4().hex}.log"
        tag = self._amazon.client("s3").put_object(Bucket=self._files, Key=key, Body=LINES)["ETag"].strip('"')
        shipping = Shipping(self.holder.client("s3"), Place(self.group, self._progress), self._open, Clock())
        return shipping.ship(Source(self._files, key, tag), 30)

    def _open(self, destination: Destination) -> CloudWatchSender:
        service = Service("us-east-1", self._stack.aws.endpoint)
        creation = Creation(allowed=False)
        return open_sender(service, destination, creation, Clock(), pace=QUICK, session=self.holder.session())

    def messages(self) -> list[str]:
        """What arrived."""
        found = self._amazon.client("logs").get_log_events(logGroupName=self.group, logStreamName="node-1/file")
        return [one["message"] for one in found["events"]]


def test_the_function_works_with_its_role(stack: Stack, amazon: Amazon) -> None:
    """A file arrives line by line, and nothing is refused."""
    shipped = Shipped(stack, amazon)
    assert shipped.ship() is Outcome.DONE
    assert shipped.messages() == LINES.decode().splitlines()
    assert shipped.holder.refused == set()


# Each statement's actions that the function needs, and what it says without them. The stream is made by either statement that
# names it, for the service's guide and its answers call the resource of that differently: both have to go.
_NEEDED = [
    ((("s3:GetObject", 0),), "s3:GetObject"),
    ((("s3:GetObject", 1),), "s3:GetObject"),
    ((("s3:PutObject", 0),), "s3:PutObject"),
    ((("s3:ListBucket", 0),), "AccessDenied"),
    ((("logs:PutLogEvents", 0),), "can't be sent"),
    ((("logs:CreateLogStream", 0), ("logs:CreateLogStream", 1)), "logs:CreateLogStream"),
]


def _picked(holder: Holder, actions: tuple[tuple[str, int], ...]) -> list[Grant]:
    """Grants by their action, the n-th of the role that has it."""
    return [[one for one in holder.grants() if one.action == action][number] for action, number in actions]


@pytest.mark.parametrize(("actions", "said"), _NEEDED)
def test_without_any_bit_of_its_role_it_fails(
    stack: Stack, amazon: Amazon, actions: tuple[tuple[str, int], ...], said: str
) -> None:
    """What is taken away is missed, and nothing is called done."""
    shipped = Shipped(stack, amazon)
    shipped.holder.give(but=_picked(shipped.holder, actions))
    with pytest.raises((OpsError, ClientError), match=said):
        shipped.ship()
    assert shipped.holder.refused <= {actions[0][0]}


def test_without_a_look_at_the_group_it_goes_on(stack: Stack, amazon: Amazon) -> None:
    """DescribeLogGroups tells it only how long events are kept: without it the lines arrive all the same."""
    shipped = Shipped(stack, amazon)
    shipped.holder.give(but=_picked(shipped.holder, (("logs:DescribeLogGroups", 0),)))
    assert shipped.ship() is Outcome.DONE
    assert shipped.holder.refused == {"logs:DescribeLogGroups"}


def test_the_table_is_whole(stack: Stack, amazon: Amazon) -> None:
    """Every action of the role is missed by a test here, or is the queue's, which Lambda reads in the role's name."""
    holder = Shipped(stack, amazon).holder
    tried = {one for actions, _ in _NEEDED for one in _picked(holder, actions)}
    tried |= set(_picked(holder, (("logs:DescribeLogGroups", 0),)))
    assert {one.action for one in set(holder.grants()) - tried} == {
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
    }
