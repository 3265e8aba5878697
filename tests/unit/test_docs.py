"""The pages: what they point at is there, and every error has its row."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from vaultgate import errors
from vaultgate_ops.cli import reference
from vaultgate_ops.cli.main import cli
from vaultgate_ops.local.paths import checkout

if TYPE_CHECKING:
    from pathlib import Path

PAGES = sorted(
    path.relative_to(checkout())
    for folder in (".", "docs", "docs/decisions", "certificates")
    for path in (checkout() / folder).glob("*.md")
)
ANCHOR = re.compile(r"^#+ (.*)$", re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = ANCHOR.findall(page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_leads_somewhere(page: Path) -> None:
    """A relative link names a file that exists, and a heading that is in it."""
    text = (checkout() / page).read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (checkout() / page.parent / name).resolve() if name else checkout() / page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_error_has_its_row() -> None:
    """docs/errors.md lists each code that an exception of the layer carries."""
    page = (checkout() / "docs" / "errors.md").read_text(encoding="utf-8")
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.VaultgateError)]
    assert len(kinds) > 10
    missing = [kind.__name__ for kind in kinds if f"| `{kind.code}` | `{kind.__name__}` |" not in page]
    assert not missing


def test_every_module_of_the_layer_has_its_place() -> None:
    """docs/architecture.md names each in its table, and pyproject.toml holds the imports of each to a contract."""
    package = checkout() / "extension" / "python" / "vaultgate"
    modules = {file.relative_to(package).with_suffix("") for file in package.rglob("*.py") if file.name != "__init__.py"}
    page = (checkout() / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.partition("| 0 words")[2].partition("\n## ")[0].partition("\n\n")[0]
    assert {str(module) for module in modules} == set(re.findall(r"`([a-z_0-9/]+)`", table))
    contracts = (checkout() / "pyproject.toml").read_text(encoding="utf-8")
    assert not [module for module in modules if not re.search(rf"vaultgate\.{module.parts[0]}\b", contracts)]


def test_every_attack_names_tests_that_exist() -> None:
    """Each row of the threat model's attacks ends in at least one test, and each of those is there."""
    page = (checkout() / "docs" / "threat-model.md").read_text(encoding="utf-8")
    attacks = page.partition("## Attacks")[2].partition("\n## ")[0]
    rows = [line for line in attacks.splitlines() if line.startswith("| ") and not line.startswith("| attack")]
    assert len(rows) > 30
    for row in rows:
        named = re.findall(r"`([\w/]+\.py)::(\w+)`", row.rsplit(" | ", 1)[1])
        assert named, row
        for file, test in named:
            assert f"def {test}(" in (checkout() / "tests" / file).read_text(encoding="utf-8"), (file, test)


def test_the_command_line_is_the_commands_own() -> None:
    """docs/cli.md is what `make docs` makes of the commands now."""
    assert (checkout() / "docs" / "cli.md").read_text(encoding="utf-8") == reference.markdown()


@pytest.mark.parametrize("group", [[], ["layer"], ["mirror"], ["rotate"], ["rotate", "parameter"]], ids=str)
def test_a_list_of_verbs_tells_what_each_does(group: list[str]) -> None:
    """Whole sentences, whatever the terminal's width: none ends in dots."""
    listed = CliRunner().invoke(cli, [*group, "--help"], terminal_width=60).output.partition("Commands:\n")[2]
    assert listed
    assert "..." not in listed
