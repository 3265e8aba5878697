"""A layer in AWS's regions: one version in each, shared with whom it shall be.

Rules:

- What is there is looked at before anything is done, so that the same command can be given again: a region whose newest
  version is this very artefact gets no second one, and a permission that stands there isn't given twice.
- A dry run looks and does nothing else; it names the calls that a real one would make, with their parameters.
- One region's failure is that region's: the others go on, and it is named with what was in the way.
- No call is tried twice here: one that timed out may have published, and whoever calls again finds out.
- The zip is read once: every region gets the bytes whose manifest and hash were looked at.

Source: AWS Lambda API reference, PublishLayerVersion, ListLayerVersions, GetLayerVersion, AddLayerVersionPermission.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)

from vaultgate_ops.errors import CheckFailed, Denied, OpsError, Unreachable, UsageProblem
from vaultgate_ops.layer import archive, manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from mypy_boto3_lambda import LambdaClient

    from vaultgate_ops.layer.manifest import Manifest
    from vaultgate_ops.reporting import Reporter

    Clients = Callable[[str], AbstractContextManager[LambdaClient]]

PUBLIC = "public"
_ACCOUNT, _ORGANIZATION = re.compile(r"\d{12}"), re.compile(r"o-[a-z0-9]{10,32}")
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DENIED = re.compile("AccessDenied|UnrecognizedClient|InvalidClientTokenId|InvalidSignature|SignatureDoesNotMatch|ExpiredToken")
_NO_KEYS = (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, SSOError, TokenRetrievalError)


@dataclass(frozen=True)
class Order:
    """What is to be published, the same in every region.

    Args:
        name: the layer's.
        archive: the zip.
        share: who may use it beside the account itself: account numbers, organizations (``o-...``), or `PUBLIC`.

    Raises:
        UsageProblem: a name or somebody to share with is not of AWS's form.
        Missing: there is no such file, or it can't be read.
        CheckFailed: it is no layer of Vaultgate.
    """

    name: str
    archive: Path
    share: tuple[str, ...] = ()
    content: bytes = field(init=False, repr=False)
    manifest: Manifest = field(init=False)
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        """Check it."""
        if not _NAME.fullmatch(self.name):
            raise UsageProblem(f"{self.name!r} is no name of a layer.", "Letters, digits, hyphens and underscores, 64 at most.")
        for one in self.share:
            if one != PUBLIC and not _ACCOUNT.fullmatch(one) and not _ORGANIZATION.fullmatch(one):
                raise UsageProblem(
                    f"A layer can't be shared with {one!r}.",
                    f"Name an account by its 12 digits, an organization by its id (o-...), or {PUBLIC}.",
                )
        content, said = manifest.load(self.archive)
        object.__setattr__(self, "content", content)
        object.__setattr__(self, "manifest", said)
        object.__setattr__(self, "sha256", archive.code_sha256(content))

    @property
    def described(self) -> dict[str, Any]:
        """The parameters of PublishLayerVersion, but for the content."""
        said = self.manifest
        bytecode = ", ".join(said.bytecode) or "no version"
        return {
            "LayerName": self.name,
            "Description": f"Vaultgate {said.version}: HashiCorp Vault for Lambda. Bytecode of Python {bytecode}",
            "CompatibleRuntimes": list(said.runtimes),
            "CompatibleArchitectures": list(said.architectures),
            "LicenseInfo": "Apache-2.0",
        }


@dataclass
class Outcome:
    """One region's.

    Attributes:
        region: its name.
        calls: what was done, or in a dry run would be: the call and its parameters. The zip stands there by its hash. A call that
            failed is not among them.
        arn: of the version; empty where a dry run would make it, or where it failed before. With a problem: it is there, and
            not shared with everybody that was named.
        problem: what was in the way, if anything.
    """

    region: str
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    arn: str = ""
    problem: OpsError | None = None

    @property
    def state(self) -> str:
        """In a word."""
        if self.problem:
            return "failed"
        if any(call == "PublishLayerVersion" for call, _ in self.calls):
            return "published"
        return "shared" if self.calls else "already there"


def check_regions(regions: Sequence[str]) -> tuple[str, ...]:
    """The regions, each once, in the order given.

    Raises:
        UsageProblem: one is not of AWS's form.
    """
    for region in regions:
        if not _REGION.fullmatch(region):
            raise UsageProblem(f"{region!r} is no region of AWS.", "A region looks like eu-central-1.")
    return tuple(dict.fromkeys(regions))


def publish(
    order: Order, regions: Sequence[str], clients: Clients, reporter: Reporter, *, dry_run: bool = False
) -> Iterator[Outcome]:
    """Publish to each region, one after the other; an outcome comes as soon as its region is done.

    Args:
        order: what.
        regions: where.
        clients: gives a region's Lambda; it tries no call twice.
        reporter: hears which region is under way.
        dry_run: look, and do nothing.
    """
    with reporter.task("Looking at regions" if dry_run else "Publishing", total=len(regions)) as task:
        for region in regions:
            task.describe(region)
            outcome = Outcome(region)
            try:
                with clients(region) as client:
                    _publish(order, client, outcome, dry_run=dry_run)
            except (ClientError, BotoCoreError) as error:
                outcome.problem = _translated(error)
            task.advance()
            yield outcome


def verdict(outcomes: Sequence[Outcome]) -> OpsError | None:
    """None if all went well; else an error that names every region that failed, of the kind that they have in common."""
    problems = {outcome.region: outcome.problem for outcome in outcomes if outcome.problem}
    if not problems:
        return None
    kinds = {type(problem) for problem in problems.values()}
    kind = kinds.pop() if len(kinds) == 1 else CheckFailed
    named = "; ".join(f"{region}: {problem.message}" for region, problem in problems.items())
    hints = " ".join(dict.fromkeys(problem.hint for problem in problems.values() if problem.hint)) or "Mend what is said."
    hint = f"{hints} Then give the same command again: what is there is left as it is."
    return kind(f"{len(problems)} of {len(outcomes)} regions failed. {named}", hint)


def _publish(order: Order, client: LambdaClient, outcome: Outcome, *, dry_run: bool) -> None:
    """Do what one region lacks."""
    there = _newest(order, client)
    shared: frozenset[str] = frozenset()
    version: int | str = "the new one"
    if there is None:
        if not dry_run:
            made = client.publish_layer_version(Content={"ZipFile": order.content}, **order.described)
            outcome.arn, version = made["LayerVersionArn"], made["Version"]
        outcome.calls.append(("PublishLayerVersion", {**order.described, "CodeSha256": order.sha256}))
    else:
        outcome.arn, version = there
        if order.share:
            shared = _shared(order.name, there[1], client)
    for whom in order.share:
        grant = _grant(whom)
        if grant["StatementId"] in shared:
            continue
        if not dry_run:
            client.add_layer_version_permission(LayerName=order.name, VersionNumber=int(version), **grant)
        outcome.calls.append(("AddLayerVersionPermission", {"LayerName": order.name, "VersionNumber": version, **grant}))


def _newest(order: Order, client: LambdaClient) -> tuple[str, int] | None:
    """ARN and number of the newest version, if it is this very artefact, declared for the same."""
    pages = client.get_paginator("list_layer_versions").paginate(LayerName=order.name)
    versions = [version for page in pages for version in page["LayerVersions"]]
    if not versions:
        return None
    newest = max(versions, key=lambda version: version["Version"])
    there = client.get_layer_version(LayerName=order.name, VersionNumber=newest["Version"])
    declared = (set(newest.get("CompatibleRuntimes", ())), set(newest.get("CompatibleArchitectures", ())))
    if there["Content"]["CodeSha256"] != order.sha256 or declared != (
        set(order.manifest.runtimes),
        set(order.manifest.architectures),
    ):
        return None
    return newest["LayerVersionArn"], newest["Version"]


def _grant(whom: str) -> dict[str, Any]:
    """The parameters of a permission to use the layer. It has a name by which it is found again."""
    grant = {"Action": "lambda:GetLayerVersion", "StatementId": f"vaultgate-{whom}", "Principal": "*"}
    if _ACCOUNT.fullmatch(whom):
        grant["Principal"] = whom
    elif whom != PUBLIC:
        grant["OrganizationId"] = whom
    return grant


def _shared(name: str, version: int, client: LambdaClient) -> frozenset[str]:
    """The names of the permissions that a version has."""
    try:
        policy = json.loads(client.get_layer_version_policy(LayerName=name, VersionNumber=version)["Policy"])
    except client.exceptions.ResourceNotFoundException:
        return frozenset()
    return frozenset(statement["Sid"] for statement in policy["Statement"])


def _translated(error: ClientError | BotoCoreError) -> OpsError:
    """By who has to act."""
    if isinstance(error, _NO_KEYS):
        return Denied(
            f"there are no usable AWS credentials: {error}", "Set a profile or credentials as for the AWS command line."
        )
    if not isinstance(error, ClientError):
        return Unreachable(str(error))
    code = str(error.response.get("Error", {}).get("Code", ""))
    if code.startswith("AccessDenied"):
        return Denied(str(error), "Allow the action; docs/layer.md lists those that are needed.")
    if _DENIED.search(code):
        return Denied(str(error), "Look at the credentials, and whether the account has the region switched on.")
    return CheckFailed(str(error))
