"""A report as people read it, and docs/doctor.md.

Rules: the table first, then what is wrong, errors before warnings, each with its fix; nothing is cut off; plain text.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from vaultgate_ops.doctor.catalogue import CHECKS, KINDS
from vaultgate_ops.doctor.model import ERROR, FINE, FOUND, NOT_ASKED, NOTE, WARNING

if TYPE_CHECKING:
    from vaultgate_ops.doctor.model import Outcome, Report

_INTRODUCTION = """\
# The doctor

`vaultgate doctor` looks at everything between a function and its secrets, and says for each thing that is wrong its cause,
what shows it, and the fix. This page is made from the code (`make docs`), and a test compares them.

```sh
(set -a; . ./function.env; vaultgate doctor)          # on a laptop or in CI, with the function's variables
vaultgate doctor --only login --only policy           # these, and what they build on
vaultgate doctor --format json                        # for programs: doctor.schema.json
vaultgate doctor --secret app/db --secret app/report  # also the rotation of these secrets
vaultgate doctor --checkpoints /var/lib/vaultgate     # also the audit mirror of this machine
vaultgate doctor --layer build/layer                  # also a layer's files
vaultgate doctor --administrator                      # a refused login: read the Vault role, too
aws lambda invoke --function-name <records> --cli-binary-format raw-in-base64-out \\
  --payload '{"vaultgate": "doctor"}' report.json     # inside the deployed function
```

Only somebody who may invoke the function directly (`lambda:InvokeFunction`) can ask for it there: the event has to be exactly
this object. What comes by API Gateway's proxy integration, as in the template, by a function URL, a load balancer or an event
source always has more in it, whatever its caller writes into body, query and headers. Not so where you have built it otherwise:
an integration of API Gateway that hands on the body as it is, a WebSocket's, or a rule or a workflow whose input somebody else
may write, hands this event on, too. The report names hosts, ARNs, users, roles and policies; secrets are in none. The function's
role needs nothing more for it.

The JSON form is described in [doctor.schema.json](doctor.schema.json).

Exit codes: 0 nothing is wrong (notes don't count), 1 something is, 2 the settings are wrong, or the command line is.

It logs in as the extension does, fetches the database's credential and reads one row of the table. At the end it revokes its
token, and Vault drops the user that was made for it; also when it is interrupted, or ended by SIGTERM. No secret is shown. What
builds on something that failed isn't looked at; its line says what it waits for. The rest goes on side by side, and is over in
less than 30 seconds, whoever doesn't answer; inside a function four seconds before its time is over.

What production notices of it: one login and about ten requests, in Vault's audit log and against its quotas; with a dynamic
role one user more in the database for a moment, and with any one session more; a refused login in the database's log, and
towards a lockout, where the credential is wrong; a connection to each address of each server that says nothing, which MySQL
counts towards `max_connect_errors` until a login from the same address succeeds; a call of the function, and a sandbox for as
long as it looks. A `secret_id` with `secret_id_num_uses` loses one of its uses. One that comes wrapped is left to the extension:
then nothing behind the login is looked at. Don't run it every minute.

`--administrator` takes the token of an administrator of Vault from VAULT_TOKEN, the file in VAULT_TOKEN_FILE, or
`~/.vault-token`; it is used to read one role and the method's settings when the login was refused. `--secret` makes the calls of
a rotation function that change nothing (DescribeSecret, ListSecretVersionIds, GetSecretValue, GetRandomPassword), with the AWS
keys of whoever runs the doctor; that PutSecretValue and UpdateSecretVersionStage are allowed, only a rotation shows.
OVERDUE_SECRETS and ROTATION_SWEEP name secrets as well.

| check | looks at |
|---|---|
"""
_SEVERITIES = f"""
`{ERROR}`: something doesn't work. `{WARNING}`: it won't for long, or not well. `{NOTE}`: worth knowing. What the function doesn't
need is at most a note: inside a VPC without a way to STS logins work, because it is Vault that asks STS.
"""
_MARKS = {FINE: "fine", FOUND: "", NOT_ASKED: "-", "not reached": "?"}


def lines(report: Report) -> Iterator[str]:
    """A report, line by line."""
    width = max((len(f"{one.check} {one.about}") for one in report.outcomes), default=0)
    for outcome in report.outcomes:
        yield f"{_mark(outcome):<8} {f'{outcome.check} {outcome.about}':<{width}}  {outcome.told}".rstrip()
    for finding in report.findings:
        yield ""
        yield f"{finding.severity} {finding.id}{f' ({finding.about})' if finding.about else ''}"
        yield f"  cause     {finding.cause}"
        yield f"  evidence  {finding.evidence}"
        yield f"  fix       {finding.fix}"
    yield ""
    yield summary(report)


def _mark(outcome: Outcome) -> str:
    if outcome.state != FOUND:
        return _MARKS[outcome.state]
    worst = {finding.severity for finding in outcome.findings}
    return next(severity for severity in (ERROR, WARNING, NOTE) if severity in worst)


def summary(report: Report) -> str:
    """The last line."""
    counts = [(sum(1 for one in report.findings if one.severity == severity), severity) for severity in (ERROR, WARNING, NOTE)]
    told = ", ".join(f"{count} {severity}{'s' if count > 1 else ''}" for count, severity in counts if count) or "nothing is wrong"
    return f"{told}; {len(report.outcomes)} checks in {report.took_s:.1f} s"


class _Named(Mapping[str, str]):
    """Shows what a finding fills in by its name."""

    def __getitem__(self, name: str) -> str:
        return f"<{name}>"

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def markdown() -> str:
    """docs/doctor.md, whole."""
    form = string.Formatter()

    def cell(text: str) -> str:
        # `!r` would quote the angle brackets.
        return form.vformat(text.replace("!r}", "}"), (), _Named()).replace("|", "\\|").replace("<", "&lt;")

    page = [_INTRODUCTION + "\n".join(f"| [`{name}`](#{name}) | {about} |" for name, about in CHECKS.items()), _SEVERITIES]
    for name, about in CHECKS.items():
        page += [f"## {name}", "", f"{about[:1].upper()}{about[1:]}.", ""]
        page += ["| id | severity | cause | evidence | fix |", "|---|---|---|---|---|"]
        for kind in KINDS:
            if kind.id.startswith(f"{name}."):
                cells = (cell(kind.cause), kind.evidence, cell(kind.fix))
                page.append(f"| `{kind.id}` | {kind.severity} | {' | '.join(cells)} |")
        page.append("")
    return "\n".join(page)
