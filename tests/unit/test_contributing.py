"""What meets those who contribute: workflows, forms and hooks that run the project's own verbs, with no rights to spare."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from vaultgate_ops.local.paths import checkout

GITHUB = checkout() / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
PINNED = re.compile(r"^ *- uses: [\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
FORMS = [
    ("vendor.github-workflows", WORKFLOWS),
    ("vendor.github-issue-forms", [GITHUB / "ISSUE_TEMPLATE/bug.yml", GITHUB / "ISSUE_TEMPLATE/wish.yml"]),
    ("vendor.github-issue-config", [GITHUB / "ISSUE_TEMPLATE/config.yml"]),
    ("vendor.dependabot", [GITHUB / "dependabot.yml"]),
]
VERBS = set(re.findall(r"^([a-z-]+):.*## ", (checkout() / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
MAY_WRITE = {("release.yml", "build"): {"id-token", "attestations"}, ("release.yml", "draft"): {"contents"}}

by_name = pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)


def parsed(path: Path) -> dict[str, Any]:
    """A YAML file."""
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


def steps(path: Path) -> list[dict[str, Any]]:
    """Every step of a workflow."""
    return [step for job in parsed(path)["jobs"].values() for step in job["steps"]]


def tool(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run one of the virtual environment's programs in the checkout."""
    program = Path(sys.executable).with_name(name)
    return subprocess.run([program, *arguments], cwd=checkout(), capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("schema", "files"), FORMS, ids=[schema for schema, _ in FORMS])
def test_github_would_take_every_file(schema: str, files: list[Path]) -> None:
    """Workflows, issue forms and their configuration are valid by the schemas that GitHub's own editors use."""
    done = tool("check-jsonschema", "--builtin-schema", schema, *files)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_auditor_of_workflows_finds_nothing() -> None:
    """zizmor, offline: no injection, no leaked credentials, no loose pin."""
    done = tool("zizmor", "--offline", "--no-progress", ".github")
    assert done.returncode == 0, done.stdout + done.stderr


@by_name
def test_every_action_is_pinned_by_its_whole_hash(workflow: Path) -> None:
    """And a comment says which version that is, the same in every place."""
    used = [line for line in workflow.read_text(encoding="utf-8").splitlines() if "uses:" in line]
    assert used
    assert not [line for line in used if not PINNED.match(line)]
    everywhere = "".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    pins = set(re.findall(r"uses: ([\w./-]+)@(\w+) # (\S+)", everywhere))
    assert len({name for name, _, _ in pins}) == len(pins)


@by_name
def test_every_job_may_do_what_it_needs_and_no_more(workflow: Path) -> None:
    """No right by default; what a job may write is named here; each has a time limit, and no secret is known to any."""
    document = parsed(workflow)
    assert document["permissions"] == {}
    for name, job in document["jobs"].items():
        writes = {right for right, how in job["permissions"].items() if how == "write"}
        assert writes == MAY_WRITE.get((workflow.name, name), set())
        assert job["timeout-minutes"] <= 60
    assert not re.search(r"secrets\.|pull_request_target|workflow_run", workflow.read_text(encoding="utf-8"))


@by_name
def test_no_checkout_keeps_its_credentials(workflow: Path) -> None:
    """What a step runs could read them."""
    for step in steps(workflow):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@by_name
def test_nothing_from_outside_is_put_into_a_script(workflow: Path) -> None:
    """A branch's name could be a command: scripts see variables, never expressions."""
    assert not [step["run"] for step in steps(workflow) if "${{" in step.get("run", "")]


def test_the_workflows_run_the_verbs_that_everybody_has() -> None:
    """Each `make` names a verb of the Makefile; a change is checked and tested, a release is checked, tested, then built."""
    ran = {
        path.name: re.findall(r"\bmake ([a-z-]+)", "\n".join(step.get("run", "") for step in steps(path))) for path in WORKFLOWS
    }
    assert {verb for verbs in ran.values() for verb in verbs} <= VERBS
    assert set(ran["ci.yml"]) == {"check", "test", "layer", "test-compose"}
    assert ran["release.yml"] == ["check", "test", "layer"]


def test_a_release_is_attested_before_it_leaves_the_job_that_built_it() -> None:
    """Everything in build/release/, after it was built and before it is handed on; the tag is compared with the version first."""
    build = parsed(GITHUB / "workflows/release.yml")["jobs"]["build"]["steps"]
    order = [step.get("uses", step.get("run", "")) for step in build]

    def place(text: str) -> int:
        (found,) = [number for number, step in enumerate(order) if text in step]
        return found

    assert place("__version__") < place("make check") < place("make test") < place("make layer RELEASE=1")
    assert place("make layer RELEASE=1") < place("attest-build-provenance") < place("upload-artifact")
    attested = build[place("attest-build-provenance")]["with"]["subject-path"]
    assert attested == "build/release/*"


SOURCES = '"""About."""\n\n__version__ = "1.2.3"\n'


@pytest.mark.parametrize(
    ("tag", "sources", "changelog", "code"),
    [
        pytest.param("v1.2.3", SOURCES, "## Unreleased\n\n## 1.2.3 - 2026-12-01\n", 0, id="same"),
        pytest.param("v1.2.4", SOURCES, "## Unreleased\n\n## 1.2.4 - 2026-12-01\n", 1, id="another version"),
        pytest.param("v1.2.3", SOURCES.replace("1.2", "1-2"), "## 1.2.3 - 2026-12-01\n", 1, id="a dot is a dot"),
        pytest.param(
            "v1.2.3", '# __version__ = "1.2.3" was bad\n__version__ = "1.2.4"\n', "## 1.2.3 - 2026-12-01\n", 1, id="a comment"
        ),
        pytest.param("v1.2.3", SOURCES.replace("__v", "former__v"), "## 1.2.3 - 2026-12-01\n", 1, id="another name"),
        pytest.param("v1.2.3", SOURCES, "## Unreleased\n", 1, id="not in the changelog"),
        pytest.param("v1.2.3", SOURCES, "## 1.2.30 - 2026-12-01\n", 1, id="a longer one in the changelog"),
        pytest.param("v1.2.3", SOURCES, "## 1x2x3 - 2026-12-01\n", 1, id="a dot is a dot in the changelog"),
        pytest.param("v1.2.3", SOURCES, "## 1.2.3\n", 1, id="no day"),
        pytest.param("v1.2.3", SOURCES, "### 1.2.3 - 2026-12-01\n", 1, id="no section"),
    ],
)
def test_a_tag_that_is_not_the_version_is_no_release(tmp_path: Path, tag: str, sources: str, changelog: str, code: int) -> None:
    """The step that compares them, run as a runner would: the sources' version and the changelog must both have the tag's."""
    (step,) = [step for step in steps(GITHUB / "workflows/release.yml") if "__version__" in step.get("run", "")]
    assert "shell" not in step
    package = tmp_path / "extension/python/vaultgate"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(sources)
    (tmp_path / "CHANGELOG.md").write_text(changelog)
    done = subprocess.run(
        ["bash", "-e", "-c", step["run"]],  # a runner's default shell
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "GITHUB_REF_NAME": tag},
        capture_output=True,
        check=False,
    )
    assert done.returncode == code


def test_the_page_about_releases_has_the_same_commands() -> None:
    """Each verb of the workflow's build stands in docs/releasing.md, as the workflow gives it."""
    page = (checkout() / "docs/releasing.md").read_text(encoding="utf-8")
    told = [step["run"] for step in steps(GITHUB / "workflows/release.yml") if "make " in step.get("run", "")]
    assert len(told) == 3
    assert not [command for command in told if command not in page]


def test_the_hooks_are_the_projects_own_tools() -> None:
    """Nothing is fetched, and what a hook runs is in the virtual environment or in the Makefile."""
    document = parsed(checkout() / ".pre-commit-config.yaml")
    assert [one["repo"] for one in document["repos"]] == ["local"]
    for hook in document["repos"][0]["hooks"]:
        assert hook["language"] == "system"
        program, *rest = hook["entry"].split()
        assert (program == "make" and set(rest) <= VERBS) or (checkout() / program).is_file()


def test_every_hook_is_put_where_it_runs() -> None:
    """`pre-commit install` alone installs the kind of hook that each one is for; none runs at two moments."""
    document = parsed(checkout() / ".pre-commit-config.yaml")
    stages = [hook.get("stages", document["default_stages"]) for hook in document["repos"][0]["hooks"]]
    assert {stage for at in stages for stage in at} == set(document["default_install_hook_types"])
    assert all(len(at) == 1 for at in stages)


def test_the_changelog_begins_with_what_is_not_released() -> None:
    """Its first section is `Unreleased`, and every other one a version with its day."""
    text = (checkout() / "CHANGELOG.md").read_text(encoding="utf-8")
    first, *others = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert first == "Unreleased"
    assert all(re.fullmatch(r"\d+\.\d+\.\d+ - \d{4}-\d{2}-\d{2}", one) for one in others)
    assert set(re.findall(r"^### (.*)$", text, re.MULTILINE)) <= {
        "Added",
        "Changed",
        "Deprecated",
        "Removed",
        "Fixed",
        "Security",
    }
