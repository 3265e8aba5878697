"""`vaultgate layer publish`: the layer to any list of regions."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vaultgate_ops.cli import speech
from vaultgate_ops.errors import UsageProblem
from vaultgate_ops.local.paths import build_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from mypy_boto3_lambda import LambdaClient

    from vaultgate_ops.layer.publishing import Clients, Outcome


@click.command("publish")
@click.option("--region", "regions", multiple=True, required=True, help="An AWS region; may be repeated.")
@click.option("--name", default="vaultgate", show_default=True, help="The layer's name.")
@click.option("--archive", type=click.Path(path_type=Path), help="The zip; build/vaultgate-layer.zip by default.")
@click.option(
    "--share",
    multiple=True,
    metavar="ACCOUNT|ORGANIZATION|public",
    help="Who may use it beside this account: 12 digits, an organization's id, or everybody. May be repeated.",
)
@click.option("--yes", is_flag=True, help="Don't ask before everybody may use it.")
@click.option("--dry-run", is_flag=True, help="Look at the regions, and say what would be done.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
@click.option("--endpoint-url", envvar="AWS_ENDPOINT_URL", default="", help="Another Lambda than the regions'.")
def publish_layer(
    *,
    regions: tuple[str, ...],
    name: str,
    archive: Path | None,
    share: tuple[str, ...],
    yes: bool,
    dry_run: bool,
    as_json: bool,
    endpoint_url: str,
) -> None:
    """Publish the layer to regions, one version in each; what is there already is left as it is.

    Credentials are AWS's usual ones. A region that fails is named, and the others go on.
    """
    # What talks to AWS is large; the other verbs do without it.
    from vaultgate_ops.layer.publishing import PUBLIC, Order, check_regions, publish, verdict  # noqa: PLC0415

    chosen = check_regions(regions)
    order = Order(name, archive or build_folder() / "vaultgate-layer.zip", tuple(dict.fromkeys(share)))
    if PUBLIC in share and not dry_run and not yes:
        _ask(name, chosen)
    outcomes: list[Outcome] = []
    try:
        for outcome in publish(order, chosen, _clients(endpoint_url), speech.Spoken(), dry_run=dry_run):
            outcomes.append(outcome)  # noqa: PERF402 - one by one: whoever interrupts hears of those that are done
    finally:
        if as_json:
            speech.line(json.dumps([_document(outcome) for outcome in outcomes], indent=2))
        else:
            _tell(outcomes, dry_run=dry_run)
    error = verdict(outcomes)
    if error:
        raise error


def _ask(name: str, regions: Sequence[str]) -> None:
    """Have it said aloud that this is for everybody.

    Raises:
        UsageProblem: nobody is there to say it.
    """
    question = f"Every AWS account will be able to use the layer {name} of {', '.join(regions)}."
    if not sys.stdin.isatty():
        raise UsageProblem(question, "Give --yes if that is meant.")
    click.confirm(f"{question} Go on?", abort=True, err=True)


def _clients(endpoint_url: str) -> Clients:
    """Each region's Lambda.

    Raises:
        UsageProblem: here, AWS's own configuration can't be used; by what is handed out, the endpoint is no address.
    """
    import boto3  # noqa: PLC0415 - as above
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    try:
        session = boto3.Session()
    except BotoCoreError as error:
        raise UsageProblem(f"{error}.", "Look at AWS_PROFILE and at AWS's configuration.") from None
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=60)

    def client(region: str) -> AbstractContextManager[LambdaClient]:
        try:
            return closing(session.client("lambda", region_name=region, endpoint_url=endpoint_url or None, config=config))
        except ValueError as error:
            raise UsageProblem(f"{error}.", "Give --endpoint-url or AWS_ENDPOINT_URL as https://HOST, or leave it out.") from None

    return client


def _tell(outcomes: Sequence[Outcome], *, dry_run: bool) -> None:
    """A line for each region, and in a dry run the calls."""
    width = max((len(outcome.region) for outcome in outcomes), default=0)
    for outcome in outcomes:
        state = f"would be {outcome.state}" if dry_run and outcome.calls else outcome.state
        speech.line(f"{outcome.region:{width}}  {state:18}  {outcome.arn or '-'}")
        if dry_run:
            for call, parameters in outcome.calls:
                speech.line(f"    {call} {json.dumps(parameters)}")


def _document(outcome: Outcome) -> dict[str, Any]:
    return {
        "region": outcome.region,
        "state": outcome.state,
        "arn": outcome.arn or None,
        "calls": [{"call": call, "parameters": parameters} for call, parameters in outcome.calls],
        "problem": outcome.problem.message if outcome.problem else None,
    }
