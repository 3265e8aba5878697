"""The words of an examination: findings, verdicts, outcomes, the report.

Rules: everything is immutable; nothing here ever holds a secret; a report's JSON form is docs/doctor.schema.json.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

ERROR, WARNING, NOTE = "error", "warning", "note"
FINE, FOUND, NOT_REACHED, NOT_ASKED = "fine", "found", "not reached", "not asked"
FORMAT = 1
"""Of the JSON form; another number means that readers have to change."""
_CONFIGURATION = frozenset({"settings.invalid", "records.invalid"})


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, or worth knowing.

    Attributes:
        id: stable, `check.what`.
        about: which of several things it is about, such as a host and its port; empty where there is only one.
        severity: `error`, something doesn't work; `warning`, it won't for long, or not well; `note`, worth knowing.
        cause: what is wrong, in one sentence.
        evidence: what was seen.
        fix: what to do, as a command wherever there is one.
    """

    id: str
    about: str
    severity: str
    cause: str
    evidence: str
    fix: str

    @property
    def check(self) -> str:
        """The check that found it."""
        return self.id.partition(".")[0]


@dataclass(frozen=True)
class Verdict:
    """What a judge says.

    Attributes:
        told: what was seen, in a few words; also where all is well.
        findings: nothing, if all is well.
        stops: what builds on it makes no sense, though nothing that was found is an error.
    """

    told: str
    findings: tuple[Finding, ...] = ()
    stops: bool = False

    @property
    def passed(self) -> bool:
        """Whether what builds on it makes sense."""
        return not self.stops and all(finding.severity != ERROR for finding in self.findings)


@dataclass(frozen=True)
class Outcome:
    """How one check went.

    Attributes:
        check: its name.
        about: which of several things it looked at.
        state: `fine`, `found`, `not reached` (a check before it failed, or time ran out) or `not asked` (it doesn't apply).
        told: what was seen, or why not.
        findings: what it found.
    """

    check: str
    about: str
    state: str
    told: str
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Report:
    """A whole examination.

    Attributes:
        place: `function` or `machine`: where the doctor ran.
        outcomes: in the order in which one reads them.
        took_s: seconds.
    """

    place: str
    outcomes: tuple[Outcome, ...]
    took_s: float

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All of them, errors first."""
        order = (ERROR, WARNING, NOTE)
        found = [finding for outcome in self.outcomes for finding in outcome.findings]
        return tuple(sorted(found, key=lambda finding: order.index(finding.severity)))

    @property
    def exit_code(self) -> int:
        """0 without errors and warnings, 2 where settings are wrong, else 1."""
        grave = [finding for finding in self.findings if finding.severity != NOTE]
        if any(finding.id in _CONFIGURATION for finding in grave):
            return 2
        return 1 if grave else 0

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {
            "format": FORMAT,
            "place": self.place,
            "exit_code": self.exit_code,
            "took_s": round(self.took_s, 3),
            "checks": [{"check": one.check, "about": one.about, "state": one.state, "told": one.told} for one in self.outcomes],
            "findings": [{"check": finding.check, **asdict(finding)} for finding in self.findings],
        }
