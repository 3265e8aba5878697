"""What is to be written where: the files that the settings ask for.

Rules: pure, and imported only where a file is asked for; every problem at once. A file belongs to the variables that end
alike: `VAULT_SECRET_PATH_X`, `VAULT_SECRET_FILE_X`, `VAULTGATE_FILE_X_FORMAT` and so on; without `_X` it is the one that
has a default place.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet
    from typing import Any

# `VAULTGATE_FILE_MODE` is every file's mode, not that of a format of a file named MODE.
_RESERVED = frozenset({"_FORMAT", "_TEMPLATE", "_MODE"})
PATH, FILE = "VAULT_SECRET_PATH", "VAULT_SECRET_FILE"


class FilePlan:
    """One file.

    Args:
        variable: the name of the variable that asks for it.
        target: of the request for its secret, `/v1/...`.
        file: where it goes, absolute.
        form: as VAULTGATE_FILE_FORMAT names it.
        mode: its permission bits.
        places: of a template, as `values.template` takes it apart; else empty.
    """

    __slots__ = ("file", "form", "mode", "places", "target", "variable")

    def __init__(
        self,
        variable: str,
        target: str,
        file: str,
        *,
        form: str = "json",
        mode: int = 0o600,
        places: tuple[tuple[str, str, str], ...] = (),
    ) -> None:
        self.variable = variable
        self.target = target
        self.file = file
        self.form = form
        self.mode = mode
        self.places = places

    def __repr__(self) -> str:
        """Show what goes where."""
        return f"FilePlan({self.target} as {self.form} to {self.file}, {self.mode:04o})"

    @property
    def targets(self) -> frozenset[str]:
        """Every secret that it needs: its own, and those a template names."""
        return frozenset({self.target, *(target for _, target, _ in self.places if target)})


def plans(named: Mapping[str, AbstractSet[str]], values: Mapping[str, Any]) -> tuple[tuple[FilePlan, ...], list[str]]:
    """The files that were asked for, and what is wrong with them.

    Args:
        named: for each setting that a file may have of its own, the endings under which it was set: empty, or `_X`.
        values: of all settings, by their whole names; None for what was not set, or not understood.

    Returns:
        The plans are worth nothing if there are problems.
    """
    problems = [
        f"{stem}{ending} can't be told from a setting: choose another ending than {ending}"
        for stem in (PATH, FILE)
        for ending in sorted(named[stem] & _RESERVED)
    ]
    problems += [
        f"{PATH}{ending} needs {FILE}{ending}: say where to write it, such as /tmp/vault/app.json"
        for ending in sorted(named[PATH] - named[FILE] - {""})
    ]
    problems += [
        f"{FILE}{ending} needs {PATH}{ending}: say what to write, such as secret/data/app"
        for ending in sorted(named[FILE] - named[PATH])
    ]
    for stem, endings in named.items():
        if stem not in {PATH, FILE}:
            # Without an ending the mode is every file's.
            lonely = endings - named[PATH] - ({""} if stem == "VAULTGATE_FILE_MODE" else set())
            problems.extend(f"{_option(stem, ending)} needs {PATH}{ending}: there is no such file" for ending in sorted(lonely))
    made: list[FilePlan] = []
    for ending in sorted(named[PATH]):
        form = values.get(_option("VAULTGATE_FILE_FORMAT", ending)) or "json"
        name = _option("VAULTGATE_FILE_TEMPLATE", ending)
        templated = ending in named["VAULTGATE_FILE_TEMPLATE"]
        if templated != (form == "template"):
            wants = f"{name}: write it" if not templated else f"{_option('VAULTGATE_FILE_FORMAT', ending)}=template"
            problems.append(f"{_option('VAULTGATE_FILE_FORMAT', ending) if not templated else name} needs {wants}")
        mode = values.get(_option("VAULTGATE_FILE_MODE", ending)) or values["VAULTGATE_FILE_MODE"]
        target, file = values[PATH + ending] or "", values.get(FILE + ending) or ""
        twin = next((plan for plan in made if plan.file == file and file), None)
        if twin is not None:
            problems.append(f"{PATH}{ending} and {twin.variable} are written to one file, {file}: choose another for one of them")
        made.append(FilePlan(PATH + ending, target, file, form=form, mode=mode, places=values.get(name) or ()))
    return tuple(made), problems


def _option(stem: str, ending: str) -> str:
    """The whole name of a file's option: `VAULTGATE_FILE_MODE` and `_X` give `VAULTGATE_FILE_X_MODE`."""
    family, _, option = stem.rpartition("_")
    return f"{family}{ending}_{option}"
