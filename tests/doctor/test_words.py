"""The report as people and programs read it, and its documentation."""

from __future__ import annotations

import re

from vaultgate_ops.doctor import words
from vaultgate_ops.doctor.catalogue import CHECKS, KINDS, found
from vaultgate_ops.doctor.model import FINE, FOUND, NOT_ASKED, NOT_REACHED, Outcome, Report
from vaultgate_ops.local.paths import checkout

FAR = found("health.standby", "Vault b:8200", "status 429")
NEAR = found("tcp.refused", "Vault a:8200", "10.0.0.1 (private): refused", host="a", port=8200)
SOON = found("tls.ends-soon", "Vault b:8200", "9 days left", host="b")
REPORT = Report(
    "machine",
    (
        Outcome("settings", "", FINE, "all good"),
        Outcome("tcp", "Vault a:8200", FOUND, "refused", (NEAR,)),
        Outcome("tls", "Vault b:8200", FOUND, "short", (SOON,)),
        Outcome("health", "Vault b:8200", FOUND, "version 1.21.1", (FAR,)),
        Outcome("login", "", NOT_REACHED, "because 'tcp Vault a:8200' failed"),
        Outcome("mirror", "", NOT_ASKED, "because none is here"),
    ),
    1.26,
)


def test_a_report_for_people() -> None:
    """The table, then what is wrong with its fix, errors first, then one line that sums it up."""
    assert list(words.lines(REPORT)) == [
        "fine     settings             all good",
        "error    tcp Vault a:8200     refused",
        "warning  tls Vault b:8200     short",
        "note     health Vault b:8200  version 1.21.1",
        "?        login                because 'tcp Vault a:8200' failed",
        "-        mirror               because none is here",
        "",
        "error tcp.refused (Vault a:8200)",
        "  cause     The machine answers, but nobody listens at this port.",
        "  evidence  10.0.0.1 (private): refused",
        "  fix       Start it, or correct the port 8200; the way there is open.",
        "",
        "warning tls.ends-soon (Vault b:8200)",
        "  cause     The certificate expires soon.",
        "  evidence  9 days left",
        "  fix       Renew the certificate of b before that.",
        "",
        "note health.standby (Vault b:8200)",
        "  cause     The node is a standby: it hands requests on to the one that leads.",
        "  evidence  status 429",
        "  fix       Nothing has to be done; name a load balancer, or the other nodes in VAULTGATE_ADDRESSES.",
        "",
        "1 error, 1 warning, 1 note; 6 checks in 1.3 s",
    ]


def test_exit_codes() -> None:
    """Notes don't count, warnings and errors do, wrong settings have a code of their own."""

    def code(*outcomes: Outcome) -> int:
        return Report("machine", outcomes, 0).exit_code

    wrong = Outcome("settings", "", FOUND, "", (found("settings.invalid", "", "VAULT_ADDR is missing"),))
    records = Outcome("records", "", FOUND, "", (found("records.invalid", "", "RDS_HOST is missing"),))
    standby, soon = REPORT.outcomes[3], REPORT.outcomes[2]
    assert [code(), code(standby), code(soon), code(standby, REPORT.outcomes[1])] == [0, 0, 1, 1]
    assert [code(wrong), code(records, soon)] == [2, 2]


def test_nothing_wrong() -> None:
    """It says so."""
    assert words.summary(Report("function", REPORT.outcomes[:1], 0.24)) == "nothing is wrong; 1 checks in 0.2 s"


def test_the_documentation_is_what_the_code_says() -> None:
    """docs/doctor.md is `make docs`' output."""
    assert (checkout() / "docs" / "doctor.md").read_text(encoding="utf-8") == words.markdown()


def test_every_finding_is_documented() -> None:
    """Each has a row below its check's heading, with all five cells; no name in braces and no bare tag is left."""
    page = words.markdown()
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    assert list(sections) == list(CHECKS)
    for kind in KINDS:
        check = kind.id.partition(".")[0]
        (row,) = [line for line in sections[check].splitlines() if line.startswith(f"| `{kind.id}` |")]
        assert len(re.findall(r"(?<!\\)\|", row)) == 6, row
        assert not re.search(r"\{\w", row), row
    assert len({kind.id for kind in KINDS}) == len(KINDS)


def test_every_finding_says_what_to_do() -> None:
    """Causes and fixes are whole sentences."""
    for kind in KINDS:
        assert kind.cause.endswith("."), kind.id
        assert kind.fix.endswith((".", ").", "{hint}")), kind.id
