"""`make mutants`: would the tests notice? Mutates one module at a time and runs its fast tests against each mutant.

Rules: modules.toml says which tests belong to which module. mutmut works in a project of its own, made here from copies:
it wants the sources below `src/`, the layer's are elsewhere, and nothing may appear in the checkout but below build/. Each
run starts anew, because what mutmut remembers of a mutant outlives a change of the tests. A mutant that makes the tests
time out was noticed; one that no test reaches was not.

Only what stands in a function's body is mutated (mutmut 3), and what an import has already called keeps its first result:
a function that is called while its module is loaded needs a test that calls it again.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from vaultgate_ops.cli import speech
from vaultgate_ops.errors import CheckFailed, Missing, OpsError, UsageProblem
from vaultgate_ops.local import paths

TABLE = Path(__file__).with_name("modules.toml")
_INTERRUPTED = 130
_SOURCES = ("extension/python/vaultgate", "src/vaultgate_ops")
_HEADINGS = ("module", "mutants", "killed", "timeouts", "survived", "equivalent", "score")
_NOTICED = ("killed", "timeout")
# mutmut 3.7 asks for an attribute that pytest 9.2 no longer has.
_CONFTEST = """import pytest

pytest.Item._nodeid = property(lambda item: item.nodeid)
"""


class Module(NamedTuple):
    """A row of modules.toml."""

    name: str
    tests: list[str]
    equivalent: list[dict[str, str]]

    @property
    def file(self) -> str:
        """Its source below the project's folder."""
        return f"src/{self.name.replace('.', '/')}.py"


class Survivor(NamedTuple):
    """A mutant that no test noticed: mutmut's name for it, the line as mutated, and the whole difference."""

    name: str
    mutated: str
    diff: str


class Score(NamedTuple):
    """What became of a module's mutants."""

    name: str
    statuses: dict[str, str]
    survivors: list[Survivor]
    equivalent: list[Survivor]

    def count(self, status: str) -> int:
        """How many mutants ended so."""
        return list(self.statuses.values()).count(status)

    @property
    def percent(self) -> float:
        """Noticed mutants among those that can be noticed."""
        noticed = sum(self.count(status) for status in _NOTICED)
        return 100 * noticed / (noticed + len(self.survivors))

    def row(self) -> tuple[str, ...]:
        """Its line of the table."""
        numbers = (len(self.statuses), self.count("killed"), self.count("timeout"), len(self.survivors), len(self.equivalent))
        return (self.name, *(str(number) for number in numbers), f"{self.percent:.1f} %")

    def document(self) -> dict[str, Any]:
        """The same for build/mutants/."""
        return {
            "module": self.name,
            "mutants": len(self.statuses),
            "killed": self.count("killed"),
            "timeouts": self.count("timeout"),
            "score_percent": round(self.percent, 1),
            "survivors": [survivor._asdict() for survivor in self.survivors],
            "equivalent": [survivor._asdict() for survivor in self.equivalent],
        }


def modules(table: Path, wanted: list[str]) -> tuple[list[Module], float]:
    """The rows that are wanted, all of them if none is named, and the score each has to reach, in percent.

    Raises:
        UsageProblem: for a name that isn't in the table.
    """
    rows = tomllib.loads(table.read_text(encoding="utf-8"))
    floor = rows.pop("floor_percent")
    known = {name: Module(name, row["tests"], row.get("equivalent", [])) for name, row in rows.items()}
    chosen = []
    for word in wanted:
        found = [module for name, module in known.items() if f".{name}".endswith(f".{word}")]
        if len(found) != 1:
            raise UsageProblem(f"{word!r} names {len(found)} modules of {table.name}", f"Name some of: {', '.join(known)}.")
        chosen += found
    return chosen or list(known.values()), floor


def prepare(module: Module, sources: Path, folder: Path) -> None:
    """Make the project that mutmut works in.

    Args:
        module: what to mutate.
        sources: the checkout.
        folder: made anew.
    """
    shutil.rmtree(folder, ignore_errors=True)
    leave = shutil.ignore_patterns("__pycache__")
    for source in _SOURCES:
        shutil.copytree(sources / source, folder / "src" / Path(source).name, ignore=leave)
    shutil.copytree(sources / "tests", folder / "tests", ignore=leave)
    for test in module.tests:
        if not (folder / test).exists():
            raise UsageProblem(f"{module.name} names the tests {test}, which don't exist", f"Correct {TABLE.name}.")
    mutmut = {
        "source_paths": ["src"],
        "only_mutate": [module.file],
        "also_copy": ["conftest.py"],
        "pytest_add_cli_args_test_selection": module.tests,
        "use_git_change_detection": False,
        "track_dependencies": False,
    }
    pytest = tomllib.loads((sources / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"] | {
        "pythonpath": ["src", "."],
        "addopts": ["--strict-markers", "--import-mode=importlib", "-n0", "-p", "no:cacheprovider"],
    }
    tables = {"tool.mutmut": mutmut, "tool.pytest.ini_options": pytest}
    # What JSON writes for texts, numbers, booleans and lists of them is TOML too.
    text = "".join(
        f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in rows.items()) for name, rows in tables.items()
    )
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    (folder / "conftest.py").write_text(_CONFTEST, encoding="utf-8")


def mutate(module: Module, folder: Path, processes: int) -> Score:
    """Run mutmut in a prepared project.

    Raises:
        CheckFailed: the tests fail, or reach nothing, without any mutant.
    """
    log = folder / "mutmut.log"
    with log.open("wb") as output:
        command = [_mutmut(), "run", "--max-children", str(processes)]
        done = subprocess.run(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, check=False)
    statuses = dict(
        line.strip().rsplit(": ", 1) for line in _said(folder, "results", "--all", "true").splitlines() if "__mutmut_" in line
    )
    if done.returncode or not statuses or "not checked" in statuses.values():
        raise CheckFailed(f"mutmut did not get through {module.name}", f"Read {log}.")
    survivors = [_survivor(folder, name) for name, status in statuses.items() if status not in _NOTICED]
    equivalent = []
    for row in module.equivalent:
        same = [survivor for survivor in survivors if survivor.mutated == row["mutated"]]
        if not same:
            raise CheckFailed(
                f"{module.name}: no surviving mutant has the line {row['mutated']!r}", f"Take it out of {TABLE.name}."
            )
        equivalent.append(same[0])
        survivors.remove(same[0])
    return Score(module.name, statuses, survivors, equivalent)


def _survivor(folder: Path, name: str) -> Survivor:
    diff = _said(folder, "show", name).strip()
    added = [line[1:].strip() for line in diff.splitlines() if line.startswith("+") and not line.startswith("+++")]
    return Survivor(name, " ".join(added), diff)


def _mutmut() -> str:
    return str(Path(sys.executable).with_name("mutmut"))


def _said(folder: Path, *arguments: str) -> str:
    return subprocess.run([_mutmut(), *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


def run(table: Path, sources: Path, wanted: list[str], build: Path, processes: int) -> list[Score]:
    """Mutate the wanted modules, one after the other; a JSON file for each is left in `build`.

    Raises:
        CheckFailed: a module is below the floor; it names the modules.
    """
    if not Path(_mutmut()).exists():
        raise Missing("mutmut is not installed beside this interpreter.", "Run make setup.")
    chosen, floor = modules(table, wanted)
    scores = []
    with speech.Spoken().task("Mutating", total=len(chosen)) as task:
        for module in chosen:
            task.describe(module.name)
            folder = build / module.name
            prepare(module, sources, folder)
            score = mutate(module, folder, processes)
            document = json.dumps(score.document(), indent=2, ensure_ascii=False)
            (build / f"{module.name}.json").write_text(document + "\n", encoding="utf-8")
            scores.append(score)
            task.advance()
    for row in [_HEADINGS, *(score.row() for score in scores)]:
        speech.line(f"{row[0]:<36}" + "".join(f"{cell:>12}" for cell in row[1:]))
    below = [score.name for score in scores if score.percent < floor]
    if below:
        raise CheckFailed(f"below {floor:g} %: {', '.join(below)}", f"Read the survivors in {build}.")
    return scores


def main(arguments: list[str]) -> int:
    """Run and speak; the exit code."""
    parser = argparse.ArgumentParser(prog="make mutants", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("modules", nargs="*", help="names in modules.toml, or their last parts; all of them by default")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args(arguments)
    try:
        run(TABLE, paths.checkout(), chosen.modules, paths.build_folder() / "mutants", chosen.processes)
    except OpsError as error:
        speech.failure(error)
        return error.exit_code
    except KeyboardInterrupt:
        return _INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
