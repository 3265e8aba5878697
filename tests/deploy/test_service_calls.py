"""What AWS's services do in the name of template.yaml's roles: each such call works with the role, and not without its action.

What the functions' own code calls is tested with them: tests/rotation/test_enforced.py, tests/audit/cloud/test_enforced.py. Here
it is Lambda that writes a log, reads a queue or gives an event up, EventBridge that calls, and Secrets Manager that uses a key.
The record-count function calls nothing of AWS's at all.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from tests.deploy.holder import Amazon, Holder
from tests.deploy.ways import ROTATOR, WAYS
from tests.deploy.ways import template as whole_template
from tests.simulators.cloudformation import ACCOUNT, Deployed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vaultgate_ops.local.stack import Stack

# One process reads what botocore knows of the services.
pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("enforced")]

# Without a VPC: its statement has a condition on whose doing a call is, which moto doesn't know. test_sam.py looks at its text.
_OUTSIDE = {"SubnetIds": "", "SecurityGroupIds": "", "EndpointVpcId": "", "CreateDatabase": "no"}
STACK = Deployed(whole_template(), **(WAYS["everything"] | _OUTSIDE | {"RotatorArn": ROTATOR}))
# By the functions' own code.
_CODE = ("secretsmanager:", "ssm:", "rds:", "s3:", "logs:DescribeLogGroups")
# IAM's name of an action where moto asks for another one: nothing can be shown of it.
_OTHERWISE = {"lambda:InvokeFunction": "lambda:Invoke"}


class Probes:
    """The calls, on things of their own.

    Args:
        amazon: makes them.
    """

    def __init__(self, amazon: Amazon) -> None:
        name = uuid.uuid4().hex
        self.group, self.queue = f"/probes/{name}", amazon.client("sqs").create_queue(QueueName=name)["QueueUrl"]
        amazon.client("logs").create_log_group(logGroupName=self.group)
        amazon.client("logs").create_log_stream(logGroupName=self.group, logStreamName="one")
        self.key: str = amazon.client("kms").create_key()["KeyMetadata"]["KeyId"]
        self.sealed = amazon.client("kms").encrypt(KeyId=self.key, Plaintext=b"x")["CiphertextBlob"]
        arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"
        groups = [one for one, made in STACK.resources.items() if made["Type"] == "AWS::Logs::LogGroup"]
        queues = [one for one, made in STACK.resources.items() if made["Type"] == "AWS::SQS::Queue"]
        self.real = {f"log-group:{one}:": f"log-group:{self.group}:" for one in (*groups, "/vault/audit")}
        self.real |= {f"{one}.Arn": arn for one in queues}

    def calls(self, holder: Holder) -> dict[str, Callable[[], Any]]:
        """By their actions."""
        event = {"timestamp": 1, "message": "x"}
        entry = {"Source": "x", "DetailType": "x", "Detail": "{}"}
        queue, stream = {"QueueUrl": self.queue}, {"logGroupName": self.group, "logStreamName": uuid.uuid4().hex}
        logs, sqs, kms = (holder.client(service) for service in ("logs", "sqs", "kms"))
        return {
            "logs:CreateLogStream": lambda: logs.create_log_stream(**stream),
            "logs:PutLogEvents": lambda: logs.put_log_events(**(stream | {"logStreamName": "one"}), logEvents=[event]),
            "sqs:SendMessage": lambda: sqs.send_message(**queue, MessageBody="x"),
            "sqs:ReceiveMessage": lambda: sqs.receive_message(**queue),
            "sqs:DeleteMessage": lambda: sqs.delete_message(**queue, ReceiptHandle="x"),
            "sqs:GetQueueAttributes": lambda: sqs.get_queue_attributes(**queue, AttributeNames=["All"]),
            "kms:Encrypt": lambda: kms.encrypt(KeyId=self.key, Plaintext=b"x"),
            "kms:Decrypt": lambda: kms.decrypt(KeyId=self.key, CiphertextBlob=self.sealed),
            "kms:GenerateDataKey": lambda: kms.generate_data_key(KeyId=self.key, KeySpec="AES_256"),
            "events:PutEvents": lambda: holder.client("events").put_events(Entries=[entry]),
            "lambda:InvokeFunction": lambda: holder.client("lambda").invoke(FunctionName="nowhere"),
        }


@pytest.fixture(scope="module")
def amazon(stack: Stack) -> Iterator[Amazon]:
    """The emulated AWS, with clients that are made once."""
    made = Amazon(stack.aws)
    yield made
    made.close()


@pytest.fixture(scope="module")
def probes(amazon: Amazon) -> Probes:
    """The calls' things."""
    return Probes(amazon)


def _denied(holder: Holder, call: Callable[[], Any]) -> set[str]:
    holder.refused.clear()
    try:
        call()
    except ClientError:
        # There is no such function, or message: only a denial counts, which the holder notes.
        return set(holder.refused)
    return set()


@pytest.mark.parametrize("role", STACK.of("AWS::IAM::Role"))
def test_each_call_needs_its_action(amazon: Amazon, probes: Probes, role: str) -> None:
    """With the role nothing is denied; without an action, in all of its statements, its call is, by name."""
    holder = Holder(amazon, STACK, role, probes.real)
    calls = probes.calls(holder)
    actions = {one.action for one in holder.grants() if not one.action.startswith(_CODE)}
    for action in actions & _OTHERWISE.keys():
        assert _denied(holder, calls[action]) == {_OTHERWISE[action]}, "moto knows it by now"
    actions -= _OTHERWISE.keys()
    assert actions
    for action in sorted(actions):
        holder.give()
        assert _denied(holder, calls[action]) == set(), action
        holder.give(but=[one for one in holder.grants() if one.action == action])
        assert _denied(holder, calls[action]) == {action}, action


def test_the_record_count_function_may_do_nothing_else(amazon: Amazon, probes: Probes) -> None:
    """With its role, every other call of the list is denied: it proves who it is, and that needs no permission."""
    holder = Holder(amazon, STACK, "RecordsRole", probes.real)
    for action, call in probes.calls(holder).items():
        mine = action.startswith("logs:")
        assert _denied(holder, call) == (set() if mine else {_OTHERWISE.get(action, action)}), action
    assert holder.client("sts").get_caller_identity()["Arn"].endswith("/held")


def test_a_log_group_of_somebody_else_is_not_written(amazon: Amazon, probes: Probes) -> None:
    """Each function's role names its own group."""
    other = {name: called.replace("/probes/", "/others/") for name, called in probes.real.items()}
    for role in ("RecordsRole", "RotationRole", "OverdueRole", "ParameterRotationRole"):
        holder = Holder(amazon, STACK, role, other)
        assert _denied(holder, probes.calls(holder)["logs:PutLogEvents"]) == {"logs:PutLogEvents"}
