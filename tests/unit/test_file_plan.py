"""Which files the settings ask for, and what is said of settings that don't fit together."""

from __future__ import annotations

import pytest

from vaultgate.config import load
from vaultgate.errors import ConfigurationError

NEEDED = {"VAULT_ADDR": "https://vault.example.com:8200", "VAULT_AUTH_ROLE": "records"}
APP = {"VAULT_SECRET_PATH_APP": "secret/data/app", "VAULT_SECRET_FILE_APP": "/srv/app"}


def plans(**environ: str) -> list[str]:
    """What is written where."""
    return [repr(plan) for plan in load(NEEDED | environ).files]


def problems(**environ: str) -> tuple[str, ...]:
    """What is wrong."""
    with pytest.raises(ConfigurationError) as caught:
        load(NEEDED | environ)
    return caught.value.problems


def test_the_file_without_a_name_has_a_place() -> None:
    """A bare VAULT_SECRET_PATH is written where HashiCorp's extension writes it."""
    assert plans(VAULT_SECRET_PATH="secret/data/app") == ["FilePlan(/v1/secret/data/app as json to /tmp/vault/secret.json, 0600)"]
    assert plans(VAULT_SECRET_PATH="a/b", VAULT_SECRET_FILE="/srv/b") == ["FilePlan(/v1/a/b as json to /srv/b, 0600)"]


def test_files_with_names() -> None:
    """Each ending is one file with options of its own; the mode without an ending is every file's."""
    found = plans(
        **APP,
        VAULT_SECRET_PATH="a/b",
        VAULTGATE_FILE_MODE="640",
        VAULT_SECRET_PATH_DB_MODE="/v1/c/d?ttl=5m",
        VAULT_SECRET_FILE_DB_MODE="/srv/d",
        VAULTGATE_FILE_DB_MODE_FORMAT="ENV",
        VAULTGATE_FILE_DB_MODE_MODE="0400",
    )
    assert found == [
        "FilePlan(/v1/a/b as json to /tmp/vault/secret.json, 0640)",
        "FilePlan(/v1/secret/data/app as json to /srv/app, 0640)",
        "FilePlan(/v1/c/d?ttl=5m as env to /srv/d, 0400)",
    ]


def test_templates_keep_their_blanks() -> None:
    """A template is taken as it stands, and names every secret it needs."""
    [plan] = load(
        NEEDED | APP | {"VAULTGATE_FILE_APP_FORMAT": "template", "VAULTGATE_FILE_APP_TEMPLATE": " {{#a}}-{{ /v1/x/y z#b }}\n"}
    ).files
    assert plan.places == ((" ", "", "a"), ("-", "/v1/x/y%20z", "b"), ("\n", "", ""))
    assert plan.targets == {"/v1/secret/data/app", "/v1/x/y%20z"}


@pytest.mark.parametrize(
    ("path", "target"),
    [("secret/data/my app", "/v1/secret/data/my%20app"), ("kv/ä%41?#", None), ("kv/ä%41", "/v1/kv/%C3%A4%2541")],
)
def test_paths_are_escaped_as_vaults_clients_do(path: str, target: str | None) -> None:
    """What a URL can't hold is escaped, a per cent sign too: a path is not a URL."""
    if target is None:
        assert problems(VAULT_SECRET_PATH=path) == (
            f"VAULT_SECRET_PATH={path!r} has a query that is not plain, such as ?version=2",
        )
    else:
        assert load(NEEDED | {"VAULT_SECRET_PATH": path}).files[0].target == target


@pytest.mark.parametrize(
    ("mode", "files"), [("default", 1), ("Default", 1), ("FILE", 1), ("file", 1), ("proxy", 0), ("Proxy", 0)]
)
def test_run_modes(mode: str, files: int) -> None:
    """The mode's words may be in any case; `proxy` writes no file, and then has no reason to be `ready` first."""
    config = load(NEEDED | APP | {"VAULT_RUN_MODE": mode})
    assert (len(config.files), config.run_mode) == (files, mode.lower())
    assert config.start == ("ready" if files else "overlap")


def test_start_can_be_chosen() -> None:
    """`ready` is only the default where files are written."""
    assert load(NEEDED | APP | {"VAULTGATE_START": "overlap"}).start == "overlap"
    assert load(NEEDED).start == "overlap"


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({"VAULT_SECRET_PATH_A": "a/b"}, "VAULT_SECRET_PATH_A needs VAULT_SECRET_FILE_A: say where"),
        ({"VAULT_SECRET_PATH_A": "a/b", "VAULT_SECRET_FILE_A": " "}, "VAULT_SECRET_PATH_A needs VAULT_SECRET_FILE_A: say where"),
        ({"VAULT_SECRET_FILE_A": "/srv/a"}, "VAULT_SECRET_FILE_A needs VAULT_SECRET_PATH_A: say what"),
        ({"VAULT_SECRET_FILE": "/srv/a"}, "VAULT_SECRET_FILE needs VAULT_SECRET_PATH: say what"),
        ({"VAULTGATE_FILE_A_MODE": "0600"}, "VAULTGATE_FILE_A_MODE needs VAULT_SECRET_PATH_A: there is no such file"),
        ({"VAULTGATE_FILE_FORMAT": "env"}, "VAULTGATE_FILE_FORMAT needs VAULT_SECRET_PATH: there is no such file"),
        (
            APP | {"VAULTGATE_FILE_APP_FORMAT": "template"},
            "VAULTGATE_FILE_APP_FORMAT needs VAULTGATE_FILE_APP_TEMPLATE: write it",
        ),
        (APP | {"VAULTGATE_FILE_APP_TEMPLATE": "{{#a}}"}, "VAULTGATE_FILE_APP_TEMPLATE needs VAULTGATE_FILE_APP_FORMAT=template"),
        (
            APP | {"VAULT_SECRET_PATH": "a/b", "VAULT_SECRET_FILE": "/srv/app"},
            "VAULT_SECRET_PATH_APP and VAULT_SECRET_PATH are written to one file, /srv/app",
        ),
        ({"VAULT_RUN_MODE": "file"}, "VAULT_RUN_MODE=file has nothing to serve"),
        (APP | {"VAULTGATE_FILE_APP_OWNER": "x"}, "VAULTGATE_FILE_APP_OWNER is not a setting"),
        (APP | {"VAULTGATE_FILE__MODE": "0600"}, "VAULTGATE_FILE__MODE is not a setting: did you mean VAULTGATE_FILE_MODE?"),
    ],
)
def test_what_does_not_fit_together(environ: dict[str, str], problem: str) -> None:
    """A file without its path, a path without its file, an option without either: one problem that says what to set."""
    [found] = problems(**environ)
    assert found.startswith(problem)


@pytest.mark.parametrize("ending", ["_FORMAT", "_TEMPLATE", "_MODE"])
def test_endings_that_are_options(ending: str) -> None:
    """A file can't have a name that makes its options look like another's."""
    found = problems(**{f"VAULT_SECRET_PATH{ending}": "a/b", f"VAULT_SECRET_FILE{ending}": "/srv/a"})
    assert [ending in problem and "choose another ending" in problem for problem in found] == [True, True]


def test_all_problems_at_once() -> None:
    """What is wrong with several files, and with other settings, is told in one go."""
    found = problems(VAULT_SECRET_PATH_A="a//b", VAULT_SECRET_FILE_B="b/", VAULTGATE_FILE_C_MODE="x", VAULTGATE_GARD="open")
    for words in (
        "VAULT_SECRET_PATH_A='a//b' is not",
        "VAULT_SECRET_PATH_A needs",
        "VAULT_SECRET_FILE_B='b/' is not",
        "VAULT_SECRET_FILE_B needs",
        "VAULTGATE_FILE_C_MODE='x' is not",
        "VAULTGATE_FILE_C_MODE needs",
        "VAULTGATE_GARD is not a setting",
    ):
        assert any(problem.startswith(words) for problem in found), words
