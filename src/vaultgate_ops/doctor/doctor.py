"""From an environment to a report: settings first, then everything that they lead to.

Rules: never longer than `LONGEST_S`, whoever doesn't answer; what the doctor got is given back in any case; nothing is asked
of anybody while the settings are wrong, but for what needs none of them. What is shown is freed of every secret that was met.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vaultgate import config as extension
from vaultgate.errors import ConfigurationError
from vaultgate.values import is_loopback
from vaultgate_ops.doctor.catalogue import CHECKS, found
from vaultgate_ops.doctor.discretion import discreet
from vaultgate_ops.doctor.examination import examine
from vaultgate_ops.doctor.model import FINE, FOUND, NOT_ASKED, NOT_REACHED, Outcome, Report
from vaultgate_ops.doctor.steps import BESIDE, beside_the_way, steps
from vaultgate_ops.doctor.visit import Visit, Wish
from vaultgate_ops.records import settings as records_settings
from vaultgate_ops.records.sources import SOURCES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from vaultgate.clock import Clock
    from vaultgate.config import Config
    from vaultgate_ops.doctor.examination import Step
    from vaultgate_ops.records.settings import Settings

LONGEST_S = 24.0
"""Of looking; giving back takes three more at most."""
_MARK = "AWS_LAMBDA_RUNTIME_API"
_RECORDS = ("RECORDS_TABLE", "RDS_HOST")


def diagnose(
    environ: Mapping[str, str],
    clock: Clock,
    *,
    wish: Wish | None = None,
    only: Collection[str] = (),
    longest_s: float = LONGEST_S,
) -> Report:
    """Look at everything, or at some of it.

    Args:
        environ: the function's variables.
        clock: ours.
        wish: what to look at beside them.
        only: names of checks; what they build on is looked at, too, and told where it failed. Empty for all.
        longest_s: seconds for looking.
    """
    began = clock.steady()
    in_function = _MARK in environ
    place = "function" if in_function else "machine"
    wish = wish or Wish()
    if only and BESIDE.issuperset(only):
        beside, missing = beside_the_way(environ, clock, wish, in_function=in_function)
        outcomes = examine(_wanted(beside, only), clock, began + longest_s)
        return Report(place, discreet(_shown([*outcomes, *missing], only), environ), clock.steady() - began)
    settled, config = _settings(environ)
    counted, records = _records(environ)
    first = [settled, counted]
    if config is None:
        rest = [check for check in CHECKS if check not in {"settings", "records", "doctor"}]
        first += [Outcome(check, "", NOT_REACHED, "because 'settings' failed") for check in rest]
        return Report(place, discreet(_shown(first, only), environ), clock.steady() - began)
    visit = Visit(environ, config, records, wish, clock, in_function)
    try:
        planned, absent = steps(visit)
        outcomes = examine(_wanted(planned, only), clock, began + longest_s)
    finally:
        left = visit.close()
    if left:
        name = "doctor.leases-left" if visit.batch else "doctor.token-left"
        filled = {"mount": config.auth_mount, "role": config.auth_role or "<role>"}
        outcomes.append(Outcome("doctor", "", FOUND, left, (found(name, "", left, **filled),)))
    shown = discreet(_shown([*first, *outcomes, *absent], only), environ, visit.secrets)
    return Report(place, shown, clock.steady() - began)


def _settings(environ: Mapping[str, str]) -> tuple[Outcome, Config | None]:
    """The extension's settings, and what is unwise among them."""
    try:
        config = extension.load(environ, lambda file: Path(file).read_text(encoding="utf-8"))
    except ConfigurationError as error:
        wrong = tuple(found("settings.invalid", "", problem) for problem in error.problems)
        return Outcome("settings", "", FOUND, f"{len(wrong)} problem{'s' if len(wrong) > 1 else ''}", wrong), None
    findings = []
    if not config.tls.verify:
        findings.append(found("settings.skip-verify", "", "VAULT_SKIP_VERIFY is true"))
    if config.vault.scheme == "http" and not is_loopback(config.vault.host):
        findings.append(found("settings.in-clear", "", f"VAULT_ADDR={config.vault!r}"))
    if config.auth_method == "aws" and not config.iam_server_id:
        findings.append(found("settings.no-server-id", "", "VAULT_IAM_SERVER_ID is not set", mount=config.auth_mount))
    told = f"{config.vault!r}, role {config.auth_role or '-'} at auth/{config.auth_mount}"
    return Outcome("settings", "", FOUND if findings else FINE, told, tuple(findings)), config


def _records(environ: Mapping[str, str]) -> tuple[Outcome, Settings | None]:
    """The record-count function's settings, if there are any."""
    if not any(environ.get(name) for name in _RECORDS):
        return Outcome("records", "", NOT_ASKED, "because RECORDS_TABLE and RDS_HOST are not set"), None
    try:
        records = records_settings.load(environ, SOURCES)
    except ConfigurationError as error:
        wrong = tuple(found("records.invalid", "", problem) for problem in error.problems)
        return Outcome("records", "", FOUND, f"{len(wrong)} problem{'s' if len(wrong) > 1 else ''}", wrong), None
    where = records.secret_path or records.secret_name or "the environment"
    return Outcome(
        "records", "", FINE, f"{records.database}.{records.table}, credential from {records.source} ({where})"
    ), records


def _wanted(planned: Sequence[Step], only: Collection[str]) -> list[Step]:
    """The steps of these checks, and those that they build on."""
    if not only:
        return list(planned)
    keys = {step.key for step in planned if step.check in only}
    for step in reversed(planned):
        if step.key in keys:
            keys.update(step.before)
    return [step for step in planned if step.key in keys]


def _shown(outcomes: Sequence[Outcome], only: Collection[str]) -> tuple[Outcome, ...]:
    """In the order of the catalogue; of what wasn't asked for, only what was found."""
    order = list(CHECKS)
    kept = [one for one in outcomes if not only or one.check in only or one.findings]
    return tuple(sorted(kept, key=lambda one: order.index(one.check)))
