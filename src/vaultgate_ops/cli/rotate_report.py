"""`vaultgate rotate report`: every secret with its policy, its last and next rotation, and who read it since."""

from __future__ import annotations

import os
from itertools import chain
from pathlib import Path

import click

from vaultgate_ops.cli import speech
from vaultgate_ops.cli.rotation_doors import REGION, client, secrets_client
from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import CheckFailed, UsageProblem
from vaultgate_ops.rotation import records
from vaultgate_ops.rotation.overdue import VARIABLE, Watched, watched
from vaultgate_ops.rotation.report import Sources, absent, parameters, secrets
from vaultgate_ops.rotation.report_forms import FORMS
from vaultgate_ops.rotation.service import Api, SecretsManager

_DAYS = "--days"
_PATH = click.Path(path_type=Path, exists=True)


@click.command()
@REGION
@click.option("--format", "form", type=click.Choice(list(FORMS)), default="table", show_default=True)
@click.option(
    "--cloudtrail", "trails", type=_PATH, multiple=True, help="A file of CloudTrail's, or a folder of them; repeatable."
)
@click.option("--audit", "audits", type=_PATH, multiple=True, help="Lines of Vault's audit, as mirrored; repeatable.")
@click.option(_DAYS, multiple=True, metavar="NAME=DAYS", help="How old a value may get that has no rules, such as 'app/*=45'.")
@click.option("--vault-path", "paths", multiple=True, metavar="NAME=PATH", help="Where the same value is in Vault; repeatable.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write it there.")
def report(
    *,
    region: str | None,
    form: str,
    trails: tuple[Path, ...],
    audits: tuple[Path, ...],
    days: tuple[str, ...],
    paths: tuple[str, ...],
    output: Path | None,
) -> None:
    """List every secret with its policy, its last and next rotation, and who read it since. Reads no value.

    Exits 1 if one is overdue, or can't be looked at. Parameters are listed that Vaultgate has rotated, that have the tag
    vaultgate:rotation-days, or that --days names.
    """
    clock = Clock()
    sources = Sources(
        days=_days(days),
        reads=tuple(chain(*(records.trail(one) for one in trails), *(records.audit(one) for one in audits))),
        vault_paths=_paths(paths),
        now_s=clock.wall(),
    )
    manager = secrets_client(region)
    found = secrets(SecretsManager(manager, clock), manager.meta.region_name, sources, speech.Spoken())
    found += parameters(Api(client("ssm", region), clock), sources)
    found += absent(found, sources)
    text = FORMS[form](found, sources.now_s)
    if output:
        _write(output, text + "\n")
    else:
        speech.document(text + "\n")
    bad = sum(row.bad for row in found)
    if bad:
        raise CheckFailed(
            f"{bad} of {len(found)} are overdue or could not be looked at.",
            "Rotate them: vaultgate rotate now. What stops a rotation is in its function's log.",
        )


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageProblem(
            f"{path} can't be written: {error.strerror}.", "Name a file in a folder that you may write to."
        ) from None


def _days(given: tuple[str, ...]) -> tuple[Watched, ...]:
    if given:
        return watched({_DAYS: ",".join(given)}, _DAYS)
    return watched(os.environ) if os.environ.get(VARIABLE) else ()


def _paths(given: tuple[str, ...]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for one in given:
        name, equals, path = one.rpartition("=")
        if not equals or not name or not path:
            raise UsageProblem(f"{one!r} is not NAME=PATH.", "Give both, such as app/db=secret/data/db.")
        found[name] = found.get(name, frozenset()) | {path}
    return found
