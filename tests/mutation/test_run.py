"""`make mutants` itself, on a checkout small enough to know what it has to say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.mutation.run import TABLE, modules, run

from vaultgate_ops.errors import CheckFailed, UsageProblem
from vaultgate_ops.local.paths import checkout

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = """
def over(age: int) -> bool:
    return abs(age) >= 18

def unseen() -> bool:
    return not over(1)
"""
REASONS = """
equivalent = [
    { mutated = "return abs(age) > 18", reason = "nobody is exactly eighteen" },
    { mutated = "return abs(age) >= 19", reason = "nor will anybody be" },
]
"""
TESTS = """
from vaultgate.toy import over

def test_over() -> None:
    assert over(20)
    assert not over(17)
    assert over(18) {}
"""


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A checkout with one module, and tests that miss a border and a function."""
    for folder in ("extension/python/vaultgate", "src/vaultgate_ops", "tests"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "extension/python/vaultgate/__init__.py").touch()
    (tmp_path / "extension/python/vaultgate/toy.py").write_text(SOURCE)
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\nminversion = "9"\n')
    (tmp_path / "tests/test_toy.py").write_text(TESTS.format("or True"))
    (tmp_path / "modules.toml").write_text('floor_percent = 90\n["vaultgate.toy"]\ntests = ["tests/test_toy.py"]\n')
    return tmp_path


def read(toy: Path) -> dict[str, object]:
    """What was left in the build folder."""
    return dict(json.loads((toy / "build/vaultgate.toy.json").read_text()))


def test_what_nobody_noticed_is_counted_and_shown(toy: Path) -> None:
    """A border that no test looks at and a function that none reaches are survivors; the module is below the floor."""
    with pytest.raises(CheckFailed, match=r"below 90 %: vaultgate\.toy$"):
        run(toy / "modules.toml", toy, ["toy"], toy / "build", 1)
    result = read(toy)
    assert (result["mutants"], result["killed"], result["score_percent"]) == (6, 1, 16.7)
    assert [one["mutated"] for one in result["survivors"]] == [  # type: ignore[attr-defined]
        "return abs(age) > 18",
        "return abs(age) >= 19",
        "return over(1)",
        "return not over(None)",
        "return not over(2)",
    ]


def test_an_equivalent_mutant_is_taken_out_of_the_count(toy: Path) -> None:
    """A survivor with a reason in the table doesn't count; the module may be whole without it."""
    (toy / "extension/python/vaultgate/toy.py").write_text(SOURCE.partition("def unseen")[0])
    with (toy / "modules.toml").open("a") as table:
        table.write(REASONS)
    run(toy / "modules.toml", toy, [], toy / "build", 1)
    assert (read(toy)["score_percent"], len(read(toy)["equivalent"])) == (100.0, 2)  # type: ignore[arg-type]


def test_a_reason_without_its_mutant_is_refused(toy: Path) -> None:
    """A list of reasons that nothing needs any more has to be made shorter."""
    (toy / "tests/test_toy.py").write_text(TESTS.format(""))
    with (toy / "modules.toml").open("a") as table:
        table.write(REASONS)
    with pytest.raises(CheckFailed, match=r"no surviving mutant has the line 'return abs"):
        run(toy / "modules.toml", toy, [], toy / "build", 1)


def test_tests_that_fail_without_a_mutant_are_no_measure(toy: Path) -> None:
    """Where the tests fail anyway, no score is given."""
    (toy / "tests/test_toy.py").write_text(TESTS.format("and False"))
    with pytest.raises(CheckFailed, match=r"did not get through vaultgate\.toy"):
        run(toy / "modules.toml", toy, [], toy / "build", 1)


def test_the_table_names_what_is_there() -> None:
    """Every module and test of modules.toml exists, and an unknown name is refused with the known ones."""
    known, floor = modules(TABLE, [])
    assert floor == 90
    for module in known:
        sources = [checkout() / folder / module.file.removeprefix("src/") for folder in ("extension/python", "src")]
        assert any(source.is_file() for source in sources), module.name
        assert all((checkout() / test).exists() for test in module.tests), module.name
    with pytest.raises(UsageProblem, match="'nothing' names 0 modules"):
        modules(TABLE, ["nothing"])
