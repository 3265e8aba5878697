"""Whoever holds a role of template.yaml in the emulated AWS, whole or with something taken away.

Rules: the role's actions are enforced by moto, which signs and checks every call. Moto knows no resource of a call, so those are
held to the template's text at the door of the client, before the call is made. Whatever is refused, here or there, is noted by
its action.
"""

from __future__ import annotations

import json
import os
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.loaders import Loader
from tests.simulators.iam import allows

from vaultgate_ops.local.aws import ACCOUNT, REGION, Credentials

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from tests.simulators.cloudformation import Deployed

    from vaultgate_ops.local.aws import EmulatedAws

_FORBIDDEN = 403
_UNTOUCHED = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


class Grant(NamedTuple):
    """One action of one statement of a role.

    Attributes:
        place: number of the statement among all of the role.
        action: of it.
    """

    place: int
    action: str


def statements_of(stack: Deployed, role: str) -> list[dict[str, Any]]:
    """All statements of a role: its own, and those of policies of the stack."""
    properties = stack.of("AWS::IAM::Role")[role]
    managed = stack.of("AWS::IAM::ManagedPolicy")
    documents = [one["PolicyDocument"] for one in properties["Policies"]]
    documents += [managed[name]["PolicyDocument"] for name in properties.get("ManagedPolicyArns", [])]
    return [statement for document in documents for statement in document["Statement"]]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


class Amazon:
    """The emulated AWS as its administrator sees it; what its clients have read of their models is read once.

    Args:
        aws: the emulated AWS.

    Attributes:
        mark: tells its roles from those of others.
    """

    def __init__(self, aws: EmulatedAws) -> None:
        self._aws, self._loader, self.mark = aws, Loader(), uuid.uuid4().hex[:8]
        self._clients: dict[str, Any] = {}
        self._roles = set[str]()
        self._session = self.session(aws.administrator)

    def session(self, keys: Credentials) -> botocore.session.Session:
        """A session with somebody's keys, and nothing of this machine's settings."""
        made = botocore.session.Session(session_vars=_UNTOUCHED)
        made.register_component("data_loader", self._loader)
        made.set_credentials(keys.access_key, keys.secret_key, keys.session_token)
        return made

    def reach(self, session: botocore.session.Session, service: str) -> Any:
        """A client of a session."""
        config = Config(proxies={}, retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
        return session.create_client(service, region_name=REGION, endpoint_url=self._aws.endpoint, config=config)

    def client(self, service: str) -> Any:
        """The administrator's."""
        if service not in self._clients:
            self._clients[service] = self.reach(self._session, service)
        return self._clients[service]

    def assume(self, name: str, document: dict[str, Any]) -> botocore.session.Session:
        """A session of a role that has one policy; the role is made where it isn't there."""
        if name not in self._roles:
            self._aws.create_role(name)
            self._roles.add(name)
        self.allow(name, document)
        arn = self._aws.role_arn(name)
        keys = self.client("sts").assume_role(RoleArn=arn, RoleSessionName="held")["Credentials"]
        return self.session(Credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"]))

    def allow(self, name: str, document: dict[str, Any]) -> None:
        """Write a role's one policy."""
        self.client("iam").put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=json.dumps(document))

    def close(self) -> None:
        """Close what is open."""
        for client in self._clients.values():
            client.close()


class Holder:
    """A role of a stack.

    Args:
        amazon: the emulated AWS.
        stack: that has the role.
        role: its logical name.
        real: what the template's names are called in the emulated AWS.
        apart: statements about this are not given: what Lambda itself does in the role's name would hide what the code does.

    Attributes:
        refused: the actions that were refused, since the last time that it was cleared.
    """

    def __init__(self, amazon: Amazon, stack: Deployed, role: str, real: Mapping[str, str], apart: str = "") -> None:
        text = json.dumps(statements_of(stack, role))
        for name, called in sorted(real.items(), key=lambda one: -len(one[0])):
            text = text.replace(name, called)
        everything: list[dict[str, Any]] = json.loads(text)
        self._all = [one for one in everything if not apart or apart not in str(one["Resource"])]
        self._left = self._all
        self._amazon, self._name = amazon, f"{role}-{amazon.mark}"
        self.refused = set[str]()
        self._session = amazon.assume(self._name, self._opened())
        self._session.register("provide-client-params", self._hold)
        self._session.register("after-call", self._note)

    def grants(self) -> Iterator[Grant]:
        """Everything that the role allows."""
        for place, statement in enumerate(self._all):
            if statement["Effect"] == "Allow":
                yield from (Grant(place, action) for action in _list(statement["Action"]))

    def give(self, *, but: Collection[Grant] = ()) -> None:
        """Give the role what the template says, but for some of it."""
        self._left = [
            {**one, "Action": [action for action in _list(one["Action"]) if Grant(place, action) not in but]}
            for place, one in enumerate(self._all)
        ]
        self._amazon.allow(self._name, self._opened())
        self.refused.clear()

    def _opened(self) -> dict[str, Any]:
        opened = [{"Effect": one["Effect"], "Action": one["Action"], "Resource": "*"} for one in self._left if one["Action"]]
        # A policy has to say something.
        return {"Version": "2012-10-17", "Statement": opened or [{"Effect": "Deny", "Action": "sts:TagSession", "Resource": "*"}]}

    def session(self) -> botocore.session.Session:
        """A session with the role's credentials; every call of its clients is watched."""
        return self._session

    def client(self, service: str) -> Any:
        """A client with the role's credentials."""
        return self._amazon.reach(self._session, service)

    def _hold(self, params: dict[str, Any], model: Any, **_rest: Any) -> None:
        action = f"{model.service_model.signing_name}:{model.name}"
        resources = _resources(model.service_model.service_name, params)
        if not all(self._may(action, resource) for resource in resources):
            self.refused.add(action)
            said = {"Error": {"Code": "AccessDeniedException", "Message": f"not authorized to perform: {action}"}}
            raise ClientError({**said, "ResponseMetadata": {"HTTPStatusCode": _FORBIDDEN}}, model.name)

    def _may(self, action: str, resource: str) -> bool:
        return allows((one for one in self._left if "Condition" not in one), action, resource)

    def _note(self, http_response: Any, parsed: dict[str, Any], model: Any, context: Any, **_rest: Any) -> None:
        if http_response.status_code == _FORBIDDEN:
            self.refused.add(f"{model.service_model.signing_name}:{model.name}")
        # Of what isn't there S3 says so only to those who may look; moto says it to all.
        if parsed.get("Error", {}).get("Code") == "NoSuchKey":
            bucket = context["input_params"]["Bucket"]
            if not self._may("s3:ListBucket", f"arn:aws:s3:::{bucket}"):
                self.refused.add("s3:ListBucket")
                parsed["Error"]["Code"] = "AccessDenied"


def _resources(service: str, params: Mapping[str, Any]) -> list[str]:
    """What a call is about, as IAM names it; nothing where the action alone is looked at."""
    found: list[str] = []
    if service == "secretsmanager":
        found = [str(params.get("SecretId", "*"))]
    elif service == "ssm":
        names = params.get("Names") or [params["Name"]] if params.keys() & {"Name", "Names"} else []
        found = [f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{name.partition(':')[0]}" for name in names] or ["*"]
    elif service == "s3":
        found = [f"arn:aws:s3:::{params['Bucket']}" + (f"/{params['Key']}" if "Key" in params else "")]
    elif service == "logs":
        # A listing is of none: "log-group::log-stream:" is what its refusals name, whatever prefix was asked for.
        group = params.get("logGroupName", "")
        stream = f"log-stream:{params.get('logStreamName', '')}"
        found = [f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:{stream}"]
    elif service == "rds":
        found = [str(params.get("DBInstanceIdentifier") or params.get("DBClusterIdentifier"))]
    elif service == "sqs":
        found = [f"arn:aws:sqs:{REGION}:{ACCOUNT}:{params['QueueUrl'].rpartition('/')[2]}"]
    return found
