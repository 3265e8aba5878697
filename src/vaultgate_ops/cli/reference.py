"""The page docs/cli.md: every command with its arguments and options, as ``--help`` has them.

Rules: made from the commands themselves, so that it can't say anything else; in the order of ``--help``, the same on every
machine and at every width of a terminal. ``make docs`` writes it.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import click

from vaultgate_ops.cli import speech
from vaultgate_ops.cli.main import cli

if TYPE_CHECKING:
    from collections.abc import Iterator

_INTRODUCTION = """\
# The command line

Made by `make docs` from the commands themselves; `vaultgate COMMAND --help` says the same.
"""


def markdown() -> str:
    """The whole page."""
    return "\n".join([_INTRODUCTION, *_page(cli, ("vaultgate",), None)]).rstrip("\n") + "\n"


def _page(command: click.Command, path: tuple[str, ...], parent: click.Context | None) -> Iterator[str]:
    context = click.Context(command, info_name=path[-1], parent=parent)
    if parent is not None:
        yield f"{'#' * min(len(path), 4)} {' '.join(path)}\n"
    yield f"    {' '.join([*path, *command.collect_usage_pieces(context)])}\n"
    yield from _paragraphs(command.help or "")
    options = [one for one in command.get_params(context) if isinstance(one, click.Option) and not one.hidden]
    rows = [record for one in options if one.name != "help" and (record := one.get_help_record(context))]
    if rows:
        yield "| option | what it does |\n|---|---|"
        yield from (f"| `{_cell(names)}` | {_cell(meaning)} |" for names, meaning in rows)
        yield ""
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            verb = command.get_command(context, name)
            if verb is not None and not verb.hidden:
                yield from _page(verb, (*path, name), context)


def _paragraphs(text: str) -> Iterator[str]:
    """Help as Markdown: what click is told not to wrap is code."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b"):
            yield "".join(f"    {line}\n" for line in paragraph.splitlines()[1:])
        else:
            yield f"{_outside_code(' '.join(paragraph.split()))}\n"


def _outside_code(text: str) -> str:
    return text.replace("<", "&lt;").replace("*", "\\*")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    speech.line(markdown().removesuffix("\n"))
