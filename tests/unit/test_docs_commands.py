"""The commands on the pages: each of ours exists as it is written and is run by a test; each of others says what it needs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from vaultgate_ops.cli.main import cli
from vaultgate_ops.local.paths import checkout

PAGES = sorted([*checkout().glob("*.md"), *(checkout() / "docs").glob("*.md")])
SHELLS = {"", "sh", "bash", "console"}
OTHERS = {"aws", "sam", "docker", "vault", "gh", "sha256sum", "openssl", "curl", "pip", "python", "git"}
NEEDS = re.compile(r"# needs (AWS|GitHub|Vault)\b")
_FENCE = re.compile(r"^```(\w*)")
_ASSIGNMENTS = re.compile(r"^(?:[A-Z_]+=\S+ )+")
# Where somebody else's program stands in a block without saying what it needs: what runs it, or why nothing does.
KNOWN = {
    "curl": "tests/lambda/test_clients.py and tests/local/test_tutorial.py run curl against door and front",
    "python": "tests/local/test_client_alone.py, tests/local/test_tutorial.py",
    "vault": "tests/contract and tests/local/test_production.py do through the API what the server's own command would",
    "sam": "tests/lambda/test_sam.py builds and validates; deploying needs an account, docs/deploy.md says so at its top",
    "sha256sum": "tests/unit/layer checks the sums that a release is made with",
    "docker": "make test-compose",
}


class Command(NamedTuple):
    """One command on a page."""

    page: str
    words: tuple[str, ...]
    block: str

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.words)}"


def commands() -> list[Command]:
    """What stands in blocks of code on the pages: continued lines joined, comments and prompts taken off."""
    return [
        Command(str(page.relative_to(checkout())), words, block)
        for page in PAGES
        if page.name not in {"CHANGELOG.md", "cli.md"}
        for block in blocks(page.read_text(encoding="utf-8"))
        for line in block.replace("\\\n", " ").splitlines()
        if (words := split(line))
    ]


def blocks(text: str) -> list[str]:
    """Fenced blocks of a shell's language or none, and indented ones."""
    found: list[list[str]] = []
    fence: str | None = None
    before = ""
    for line in text.splitlines():
        opened = _FENCE.match(line.strip())
        if opened:
            fence = None if fence is not None else opened[1]
            if fence is not None:
                found.append([])
        elif fence is not None:
            if fence in SHELLS:
                found[-1].append(line.strip())
        elif line.startswith("    ") and not line.lstrip().startswith(("-", "*")):
            if not before.startswith("    "):
                found.append([])
            found[-1].append(line.strip())
        before = line
    return ["\n".join(lines) for lines in found if lines]


def split(line: str) -> tuple[str, ...]:
    """A command's words, or nothing for a line that is none of ours nor of a known program's."""
    line = line.removeprefix("$ ").strip()
    if line.startswith("eval "):
        line = line.removeprefix("eval ").strip('"').removeprefix("$(").removesuffix(")")
    line = _ASSIGNMENTS.sub("", line)
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return ()
    for stop in ("|", "&&", ">", ";", "<"):
        words = words[: words.index(stop)] if stop in words else words
    if not words:
        return ()
    program = Path(words[0]).name
    columns = re.search(r"\S  +\S", line.partition("#")[0].rstrip())  # a demo's output
    if program == "vaultgate" or (program in {"make", *OTHERS} and not columns):
        return (program, *words[1:])
    return ()


@cache
def sources() -> list[str]:
    """The tests' texts."""
    return [path.read_text(encoding="utf-8") for path in (checkout() / "tests").rglob("*.py") if path != Path(__file__)]


OURS = [command for command in commands() if command.words[0] == "vaultgate"]
MADE = [command for command in commands() if command.words[0] == "make"]
THEIRS = [command for command in commands() if command.words[0] in OTHERS]


def test_the_pages_have_commands() -> None:
    """Whoever changes how pages are read sees that nothing is read any more."""
    assert len(OURS) > 30
    assert len(MADE) > 8
    assert len(THEIRS) > 10


@pytest.mark.parametrize("command", OURS, ids=str)
def test_a_command_of_ours_is_one_and_is_run(command: Command) -> None:
    """Verb and options exist, and some test gives that verb to the program."""
    found: click.Command = cli
    context, words, path = click.Context(cli, info_name="vaultgate"), list(command.words[1:]), []
    while isinstance(found, click.Group) and words and not words[0].startswith("-"):
        inner = found.get_command(context, words[0])
        assert inner is not None, f"no verb {words[0]}"
        found, context = inner, click.Context(inner, info_name=words[0], parent=context)
        path.append(words.pop(0))
    words = [word for word in words if word != "..."]
    if words[-1:] == ["--set"]:
        words.pop()
    found.make_parser(context).parse_args(args=words)
    ran = any(all(f'"{word}"' in text for word in path) for text in sources())
    assert ran, f"no test runs {' '.join(path)}"


@pytest.mark.parametrize("command", MADE, ids=str)
def test_a_verb_of_make_is_one(command: Command) -> None:
    """And so are its variables."""
    makefile = (checkout() / "Makefile").read_text(encoding="utf-8")
    for word in command.words[1:]:
        name, assigned, _ = word.partition("=")
        assert (
            f"$({name})" in makefile or f"$(if $({name})" in makefile or re.search(rf"\b{name}\b", makefile)
            if assigned
            else (re.search(rf"^{re.escape(word)}:", makefile, re.MULTILINE))
        ), word


@pytest.mark.parametrize("command", THEIRS, ids=str)
def test_a_command_of_others_says_what_it_needs(command: Command) -> None:
    """By a comment in its block, or because something here runs it."""
    assert NEEDS.search(command.block) or command.words[0] in KNOWN, command.block


def test_the_functions_variables_are_taken_as_they_are(tmp_path: Path) -> None:
    """As docs/local.md takes them out of a container: with blanks, quotes and what a shell would expand, and in no argument."""
    (row,) = [line for line in (checkout() / "docs/local.md").read_text().splitlines() if line.startswith("| which settings")]
    got, shown = [words.replace("\\|", "|") for words in re.findall(r"`([^`]*)`", row)[1:]]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    odd = "/srv/my ca's $(touch it) $HOME.pem"
    there = {"PATH": path, "VAULT_ADDR": "https://vault.example.com:8200", "VAULT_AUTH_ROLE": "records", "VAULT_CACERT": odd}
    subprocess.run(["sh", "-c", got.removeprefix("docker compose exec -T function ")], env=there, cwd=tmp_path, check=True)
    done = subprocess.run(["sh", "-c", shown], env={"PATH": path}, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert re.search(rf"^VAULT_CACERT +{re.escape(odd)} +environment$", done.stdout, re.MULTILINE), done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"function.env"}
