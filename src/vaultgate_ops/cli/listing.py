"""How a group lists its verbs: each with its whole first sentence, wrapped. click alone cuts it at the end of a line."""

from __future__ import annotations

import inspect

import click


class Listing(click.Group):
    """A group whose help tells what each verb does."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs' section.

        Args:
            ctx: of this group.
            formatter: to write to.
        """
        verbs = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, _first(verb.help or "")) for name, verb in verbs if verb is not None and not verb.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _first(text: str) -> str:
    return " ".join(inspect.cleandoc(text).partition("\n\n")[0].split())
