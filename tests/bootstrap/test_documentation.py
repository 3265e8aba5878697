"""docs/bootstrap.md says what the files say."""

from __future__ import annotations

import re

import yaml

from vaultgate_ops.local.paths import checkout

PAGE = (checkout() / "docs" / "bootstrap.md").read_text(encoding="utf-8")
CONFIG = checkout() / "vault-config"


def test_the_table_of_variables_is_the_files() -> None:
    """Every variable of vault.yaml stands in the table with its default, in its order, and no other."""
    table = re.findall(
        r"^\| `([A-Z_]+)` \| (?:-|`([^`]*)`) \|", PAGE.partition("## Variables")[2].partition("\n## ")[0], re.MULTILINE
    )
    declared = yaml.safe_load((CONFIG / "vault.yaml").read_text(encoding="utf-8"))["variables"]

    assert [(name, default.lower()) for name, default in table] == [
        (name, str(spec.get("default", "")).lower()) for name, spec in declared.items()
    ]


def test_the_policy_on_the_page_is_the_one_that_ships() -> None:
    """Who copies the policy from the page gets what was tested."""
    (shown,) = re.findall(r"```hcl\n(.*?)```", PAGE, re.DOTALL)

    assert shown == (CONFIG / "policies" / "bootstrapper.hcl").read_text(encoding="utf-8")
