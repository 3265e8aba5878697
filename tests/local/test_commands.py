"""`vaultgate up`, `status` and `down` as a user meets them, whose environment is set up for another Vault and another AWS."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import requests

from vaultgate_ops.clock import Clock
from vaultgate_ops.local import folder as folders
from vaultgate_ops.local import markers, paths
from vaultgate_ops.local.fetch.vault import find_vault
from vaultgate_ops.reporting import Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Eventually = Callable[[Callable[[], object]], None]

# One worker: the stack that most of these tests look at is started once, and port 8200 belongs to one test at a time.
pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("port-8200")]

USERS_VAULT = ("127.0.0.1", 8200)
# A test run in the background starts its processes with SIGINT ignored.
PROGRAM = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);from vaultgate_ops.cli.main import main; main()"
)
COMMAND_S = 120
OTHERS = {"AWS_PROFILE": "nonesuch", "AWS_ACCESS_KEY_ID": "AKIATHEUSERSOWN", "VAULT_NAMESPACE": "theirs"}


@dataclass
class Shell:
    """A shell of a user's, with a home, a working folder and a folder for temporary files of its own, and one stack's name."""

    place: Path
    name: str
    vault: str
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the folders."""
        for folder in ("home", "tmp", "work"):
            (self.place / folder).mkdir()

    @property
    def stack(self) -> Path:
        """The stack's folder."""
        return paths.stacks_folder() / self.name

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Start a command."""
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *words, "--name", self.name],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": os.pathsep.join(sys.path),
                "HOME": str(self.place / "home"),
                "TMPDIR": str(self.place / "tmp"),
                "XDG_CACHE_HOME": str(self.place / "cache"),
                "VAULT_BIN": self.vault,
                "VAULT_ADDR": "http://127.0.0.1:8200",
                "VAULT_TOKEN": "the-users-own",
                "VAULT_NAMESPACE": "theirs",
                "VAULT_CACERT": "/nonesuch",
                "AWS_PROFILE": "nonesuch",
                "AWS_ENDPOINT_URL": "http://127.0.0.1:8200",
                "AWS_ACCESS_KEY_ID": "AKIATHEUSERSOWN",
                "HTTP_PROXY": "http://127.0.0.1:8200",
                "HTTPS_PROXY": "http://127.0.0.1:8200",
            },
            cwd=self.place / "work",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def run(self, *words: str) -> tuple[int, str, str]:
        """Status, stdout and stderr of a command."""
        process = self.begin(*words)
        out, err = process.communicate(timeout=COMMAND_S)
        return process.returncode, out, err

    def tidy(self) -> None:
        """Leave nothing, whatever the test did."""
        for process in self.started:
            process.kill()
            process.communicate()
        folders.remove(self.stack, Clock())

    def nothing_is_left(self) -> None:
        """No process, no folder of the stack, no file anywhere but in the cache."""
        assert markers.find(self.stack) == []
        assert [entry.name for entry in paths.stacks_folder().iterdir() if self.name in entry.name] == []
        for folder in ("home", "tmp", "work"):
            assert list((self.place / folder).iterdir()) == []


@pytest.fixture(scope="session")
def vault() -> str:
    """The Vault that the tests run on."""
    return str(find_vault(os.environ, Silent()))


@pytest.fixture
def shell(tmp_path: Path, vault: str) -> Iterator[Shell]:
    """A shell with a stack of its own, which doesn't run yet."""
    made = Shell(tmp_path, f"test-{os.getpid()}", vault)
    yield made
    made.tidy()


@dataclass
class Running:
    """A shell in which ``vaultgate up`` has run, and a socket where the user's own Vault would listen."""

    shell: Shell
    printed: str
    users_vault: socket.socket

    def exported(self) -> dict[str, str]:
        """The variables of a shell that has evaluated what was printed, and was set up for another AWS and another Vault."""
        script, env = 'eval "$(cat)" && env', {"PATH": os.environ["PATH"], **OTHERS}
        done = subprocess.run(["sh", "-c", script], env=env, input=self.printed, text=True, capture_output=True, check=True)
        return dict(line.split("=", 1) for line in done.stdout.splitlines())


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, vault: str) -> Iterator[Running]:
    """A stack that was started by ``vaultgate up`` while somebody listens where the user's own Vault would."""
    shell = Shell(tmp_path_factory.mktemp("running"), f"test-running-{os.getpid()}", vault)
    with contextlib.ExitStack() as held:
        held.callback(shell.tidy)
        users_vault = held.enter_context(socket.socket())
        users_vault.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Where a Vault of the user's really runs, it stands for itself.
        with contextlib.suppress(OSError):
            users_vault.bind(USERS_VAULT)
            users_vault.listen()
        users_vault.setblocking(False)
        status, printed, errors = shell.run("up")
        assert status == 0, errors
        yield Running(shell, printed, users_vault)


def get(url: str, **options: object) -> requests.Response:
    """GET past every proxy."""
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, timeout=60, **options)  # type: ignore[arg-type]


def test_up_prints_what_a_shell_needs(running: Running) -> None:
    """Evaluated, its output gives the URL, Vault's address, CA and token; the token itself isn't printed, others are unset."""
    variables = running.exported()
    assert get(variables["RECORDS_URL"]).json()["count"] == 42
    headers = {"X-Vault-Token": variables["VAULT_TOKEN"]}
    looked_up = get(variables["VAULT_ADDR"] + "/v1/auth/token/lookup-self", headers=headers, verify=variables["VAULT_CACERT"])
    assert looked_up.json()["data"]["policies"] == ["root"]
    assert variables["VAULT_TOKEN"] not in running.printed
    assert not OTHERS.keys() & variables.keys()
    assert {
        "RDS_HOST",
        "RECORDS_TABLE",
        "RDS_PORT",
        "RDS_CA_BUNDLE",
        "ROTATION_CA_BUNDLE",
        "AWS_ENDPOINT_URL",
        "AWS_SHARED_CREDENTIALS_FILE",
    } < variables.keys()


def test_up_twice_says_that_it_runs(running: Running) -> None:
    """The second time it starts nothing, says so, prints the same and is content."""
    before = markers.find(running.shell.stack)
    status, printed, told = running.shell.run("up")
    assert (status, printed) == (0, running.printed)
    assert "The local stack runs already." in told
    assert markers.find(running.shell.stack) == before


def test_up_with_three_nodes_where_one_runs(running: Running) -> None:
    """A stack with one node of Vault is not passed off as one with three: exit code 2, and what to do."""
    status, printed, told = running.shell.run("up", "--ha")
    assert (status, printed) == (2, "")
    assert "The stack that runs has one node of Vault." in told


def test_status_shows_every_part(running: Running) -> None:
    """Part, process, address and health of all six, exit code 0."""
    status, printed, _ = running.shell.run("status")
    assert status == 0
    rows = [line.split() for line in printed.splitlines()[1:]]
    assert [row[0] for row in rows] == ["vault", "database", "aws", "mirror", "sandbox-records", "front"]
    pids = {found.part: str(found.identity.pid) for found in markers.find(running.shell.stack) if found.leads}
    assert all(row[1] == pids[row[0]] and row[3] == "healthy" for row in rows)


def test_the_users_own_vault_is_left_alone(running: Running) -> None:
    """Whoever listens on 8200, and stands in VAULT_ADDR and in the proxies' variables, was never spoken to."""
    assert get(running.exported()["RECORDS_URL"]).status_code == 200
    with pytest.raises(OSError, match=r"temporarily unavailable|Invalid argument"):
        running.users_vault.accept()


def test_ordinary_commands_leave_no_file_elsewhere(running: Running) -> None:
    """Neither home nor working folder nor the folder of temporary files has anything in it."""
    for folder in ("home", "tmp", "work"):
        assert list((running.shell.place / folder).iterdir()) == []


def test_a_part_that_died_is_shown_and_cleared_away(shell: Shell, eventually: Eventually) -> None:
    """Status names it and fails, up refuses with the fix, down leaves nothing, a second down says that nothing is there."""
    assert shell.run("up")[0] == 0
    (vault,) = markers.find(shell.stack, "vault")
    vault.identity.send(signal.SIGKILL)
    eventually(lambda: not vault.identity.alive())
    status, printed, told = shell.run("status")
    assert (status, "Not everything is healthy." in told) == (1, True)
    assert re.search(r"vault +- +https://127\.0\.0\.1:\d+ +not running", printed)
    status, _, told = shell.run("up")
    assert (status, told.count("\n")) == (2, 2)
    assert "left from an earlier run" in told
    assert "fix: Run vaultgate down" in told
    status, printed, _ = shell.run("down")
    assert (status, "ended front, sandbox-records, mirror, aws, database" in printed) == (0, True)
    shell.nothing_is_left()
    assert shell.run("down") == (0, "", f"There is no local stack named {shell.name}.\n")
    status, _, told = shell.run("status")
    assert (status, f"No local stack named {shell.name} runs." in told, f"vaultgate up --name {shell.name}" in told) == (
        1,
        True,
        True,
    )


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGINT, "folder"),
        (signal.SIGINT, "database"),
        (signal.SIGTERM, "vault"),
        (signal.SIGINT, "sandbox-records"),
    ],
)
def test_an_interruption_leaves_nothing(shell: Shell, eventually: Eventually, number: signal.Signals, moment: str) -> None:
    """Interrupted while its folder, its servers or its function have just appeared, up clears all of it away and exits 130."""
    process = shell.begin("up")
    eventually(lambda: shell.stack.exists() and (moment == "folder" or markers.find(shell.stack, moment)))
    process.send_signal(number)
    _, told = process.communicate(timeout=COMMAND_S)
    assert (process.returncode, told.splitlines()[-1]) == (130, "interrupted")
    shell.nothing_is_left()


def test_down_clears_away_after_a_killed_up(shell: Shell, eventually: Eventually) -> None:
    """SIGKILL in the middle leaves processes behind; down finds them all and leaves nothing."""
    process = shell.begin("up")
    eventually(lambda: markers.find(shell.stack, "database") and markers.find(shell.stack, "vault"))
    process.kill()
    process.communicate()
    assert {found.part for found in markers.find(shell.stack)} >= {"database", "vault"}
    status, printed, _ = shell.run("down")
    assert (status, str(shell.stack) in printed) == (0, True)
    shell.nothing_is_left()


def test_a_part_that_does_not_come_up_takes_the_others_with_it(shell: Shell, tmp_path: Path) -> None:
    """The error quotes the part's last words and names its log, exit code 4, and nothing is left."""
    broken = tmp_path / "vault"
    broken.write_text('#!/bin/sh\n[ "$1" = version ] && echo "Vault v1.21.1" && exit\necho "Error: no storage today"; exit 1\n')
    broken.chmod(0o700)
    shell.vault = str(broken)
    status, printed, told = shell.run("up")
    assert (status, printed) == (4, "")
    assert "error: vault ended with status 1; its log ends: Error: no storage today" in told
    assert "Traceback" not in told
    shell.nothing_is_left()


def test_a_part_that_hangs_does_not_hold_up_an_interruption(shell: Shell, tmp_path: Path, eventually: Eventually) -> None:
    """While one part never answers, Ctrl-C ends it and all the others at once."""
    hanging = tmp_path / "vault"
    hanging.write_text('#!/bin/sh\n[ "$1" = version ] && echo "Vault v1.21.1" && exit\nexec sleep 300\n')
    hanging.chmod(0o700)
    shell.vault = str(hanging)
    process = shell.begin("up")
    eventually(lambda: markers.find(shell.stack, "vault"))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    shell.nothing_is_left()


def test_two_ups_do_not_start_the_same_stack(shell: Shell, eventually: Eventually) -> None:
    """While one command starts it, another says who does, and leaves it alone."""
    first = shell.begin("up")
    eventually(shell.stack.exists)
    first.send_signal(signal.SIGSTOP)
    status, _, told = shell.run("up")
    assert (status, f"Process {first.pid} is starting this stack right now." in told) == (1, True)
    assert shell.stack.exists()
    first.send_signal(signal.SIGCONT)


def test_a_name_is_no_path(shell: Shell) -> None:
    """A name that could lead elsewhere is a usage problem."""
    shell.name = "../elsewhere"
    status, _, told = shell.run("down")
    shell.name = f"test-{os.getpid()}"
    assert (status, "small letters" in told) == (2, True)


def test_fetching_alone_starts_no_containers(shell: Shell) -> None:
    """Whoever asks for both is told that they don't go together, before an engine is looked for."""
    status, printed, told = shell.run("up", "--docker", "--only-fetch")
    assert (status, printed, "Give one of --docker and --only-fetch." in told) == (2, "", True)


def test_three_nodes_of_vault(shell: Shell) -> None:
    """`up --ha` names all three to the extension, `status` shows each, and `down` leaves nothing of any."""
    status, printed, errors = shell.run("up", "--ha")
    assert status == 0, errors
    exported = dict(re.findall(r"^export ([A-Z_]+)=(\S+)$", printed, re.MULTILINE))
    addresses = [exported["VAULT_ADDR"], *exported["VAULTGATE_ADDRESSES"].split(",")]
    assert len(set(addresses)) == 3
    states = [get(address + "/v1/sys/health", verify=exported["VAULT_CACERT"]).status_code for address in addresses]
    assert sorted(states) == [200, 429, 429]
    assert get(exported["RECORDS_URL"]).json()["count"] == 42
    status, shown, _ = shell.run("status")
    assert status == 0
    rows = {row[0]: row for row in map(str.split, shown.splitlines()[1:])}
    assert [rows[name][2:] for name in ("vault-a", "vault-b", "vault-c")] == [[address, "healthy"] for address in addresses]
    status, ended, _ = shell.run("down")
    assert status == 0
    assert "vault-a, vault-b, vault-c" in ended
    shell.nothing_is_left()
