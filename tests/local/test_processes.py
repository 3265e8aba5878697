from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.simulators.clock import MovableClock

from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import Missing, Unreachable
from vaultgate_ops.local import markers, preflight, processes
from vaultgate_ops.local.identity import Identity

if TYPE_CHECKING:
    from collections.abc import Callable

    Launch = Callable[..., processes.Process]
    Eventually = Callable[[Callable[[], object]], None]

STUBBORN = 'trap "" TERM; echo deaf; while :; do sleep 300 & wait; done'


def parts(folder: Path) -> list[str]:
    """What runs, in the order in which it would be ended."""
    return [found.part for found in markers.find(folder)]


def test_nothing_of_the_users_reaches_a_child(folder: Path) -> None:
    """A child gets a short list of names; the user's own Vault, AWS and proxy settings are not on it."""
    users = dict.fromkeys(
        ("VAULT_ADDR", "VAULT_TOKEN", "VAULT_NAMESPACE", "AWS_PROFILE", "AWS_ENDPOINT_URL", "HTTPS_PROXY", "PYTHONPATH"), "x"
    )
    environment = processes.environment("vault", folder, {**users, "PATH": "/bin", "LANG": "C", "HOME": "/home/u"}, {"A": "b"})
    assert environment == {
        "PATH": "/bin",
        "LANG": "C",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "VG_STACK": str(folder),
        "VG_PART": "vault",
        "A": "b",
    }


def test_found_without_any_bookkeeping(launch: Launch, folder: Path) -> None:
    """Who knows nothing but the folder finds the processes of its stack, and nobody else's."""
    process = launch("vault")
    launch("database")
    assert [(found.part, found.leads) for found in markers.find(folder)] == [("vault", True), ("database", True)]
    assert [found.identity for found in markers.find(folder, "vault")] == [process.identity]
    assert markers.find(folder.with_name("two")) == []
    assert markers.find(folder.parent) == []


def test_found_by_session_without_the_markers(launch: Launch, folder: Path, eventually: Eventually) -> None:
    """A part's child that threw the markers away is found all the same, and ended."""
    launch("sandbox", "env -i sleep 300 & wait")
    eventually(lambda: parts(folder) == ["sandbox", "sandbox"])
    eventually(lambda: any(found_words(found) == b"sleep\x00300\x00" for found in markers.find(folder)))
    (child,) = (found for found in markers.find(folder) if found_words(found) == b"sleep\x00300\x00")
    assert not child.leads
    markers.end(folder, clock=Clock(), grace_s=0.1)
    assert not child.identity.alive()


def found_words(found: markers.Found) -> bytes:
    """Its command line."""
    return Path(f"/proc/{found.identity.pid}/cmdline").read_bytes()


def test_parts_end_before_what_they_use(launch: Launch, folder: Path, eventually: Eventually) -> None:
    """Front and sandbox go first, then AWS, Vault and the database, whatever the order of starting was."""
    for part in ("database", "vault", "sandbox-records", "aws", "front"):
        launch(part)
    eventually(lambda: len(parts(folder)) == 5)
    assert markers.end(folder, clock=Clock()) == ["front", "sandbox-records", "aws", "vault", "database"]
    assert parts(folder) == []


def test_a_part_is_gone_before_the_next_is_asked(launch: Launch, folder: Path, eventually: Eventually) -> None:
    """The database hears of the end only after the last process of Vault is gone."""
    launch(
        "vault", "trap 'echo asked >>order; sleep 0.3; echo gone >>order; exit' TERM; echo ready; while :; do sleep 0.01; done"
    )
    launch("database", "trap 'echo database >>order; exit' TERM; echo ready; while :; do sleep 0.01; done")
    eventually(lambda: all(processes.log_file(folder, part).read_text() for part in ("vault", "database")))
    markers.end(folder, clock=Clock())
    assert (folder / "order").read_text().split() == ["asked", "gone", "database"]


def test_who_ignores_sigterm_is_killed(launch: Launch, folder: Path, eventually: Eventually) -> None:
    """After the grace a part and its children get SIGKILL."""
    process = launch("vault", STUBBORN)
    eventually(lambda: "deaf" in process.log.read_text())
    markers.end(folder, clock=Clock(), grace_s=0.1)
    assert parts(folder) == []
    assert process.wait(5) == -signal.SIGKILL


def test_ending_nothing_is_fine(folder: Path) -> None:
    """A second end finds nothing to do."""
    assert markers.end(folder, clock=Clock()) == []


def test_a_reused_pid_is_not_hit(launch: Launch, eventually: Eventually) -> None:
    """A signal for a process that is gone does not reach the one that has its pid now."""
    process = launch("vault", "trap 'echo hit' USR1; trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done")
    eventually(process.log.read_text)
    before = Identity(process.identity.pid, process.identity.started - 1)
    assert not before.alive()
    before.send(signal.SIGUSR1)
    process.identity.send(signal.SIGTERM)
    assert process.wait(5) == 0
    assert process.log.read_text() == "ready\n"


class LateClock(Clock):
    """A clock whose first sleep lets something happen."""

    def __init__(self, happening: Callable[[], object]) -> None:
        self._happening: Callable[[], object] | None = happening

    def sleep(self, seconds: float) -> None:
        """Let it happen, once."""
        happening, self._happening = self._happening, None
        if happening is not None:
            happening()
        super().sleep(seconds)


def test_what_starts_at_the_last_moment_is_ended(launch: Launch, folder: Path) -> None:
    """A process that could not be seen at the first look, as while it execs, is seen at the second."""
    assert markers.end(folder, clock=LateClock(lambda: launch("vault"))) == ["vault"]
    assert parts(folder) == []


def test_a_zombie_is_gone() -> None:
    """A process that ended counts as ended before anybody has taken its exit status."""
    child = subprocess.Popen(["sh", "-c", "exit 0"], stdout=subprocess.PIPE)
    identity = Identity.of(child.pid)
    assert child.stdout is not None
    child.stdout.read()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert Identity.of(child.pid) is None
    assert identity is None or not identity.alive()
    child.communicate()


def test_stacks_without_a_folder_are_known(launch: Launch, folder: Path) -> None:
    """Who deletes a folder by hand doesn't lose the processes."""
    launch("vault")
    assert markers.stacks(folder.parent) == {folder}
    assert markers.stacks(folder) == set()


def test_a_part_that_dies_is_quoted(launch: Launch) -> None:
    """The error holds the status and the last lines of this start's log, and says where the rest is."""
    launch("vault", "echo from an earlier start; exit 1").wait(5)
    process = launch("vault", "echo starting; echo; echo no such option >&2; exit 3")
    with pytest.raises(Unreachable) as caught:
        process.await_ready(lambda: False, Clock())
    assert caught.value.message == "vault ended with status 3; its log ends: starting | no such option"
    assert caught.value.hint == f"Read {process.log}."
    assert process.quote() == "its log ends: starting | no such option"


def test_a_long_log_is_cut(launch: Launch) -> None:
    """Of many and long lines the last few are quoted, and of each as much as can be read."""
    process = launch("vault", 'for n in 1 2 3 4 5 6 7; do printf "%s %0300d\\n" line$n 0; done')
    process.wait(5)
    quoted = process.quote().removeprefix("its log ends: ").split(" | ")
    assert [line.split()[0] for line in quoted] == ["line3", "line4", "line5", "line6", "line7"]
    assert {len(line) for line in quoted} == {200}


def test_complaints_are_quoted_before_chatter(launch: Launch) -> None:
    """Where a log has lines about errors, those are quoted and not the advice after them."""
    process = launch("database", "echo starting; echo '[ERROR] no lock'; for n in 1 2 3 4 5 6; do echo see https://x; done")
    process.wait(5)
    assert process.failure("database ended").message == "database ended; its log ends: [ERROR] no lock"


def test_a_silent_part_is_given_up(launch: Launch) -> None:
    """A part that runs and never answers is an error after the deadline, not a hang."""
    with pytest.raises(Unreachable, match=r"vault did not answer within 60 s; it wrote no log"):
        launch("vault").await_ready(lambda: False, MovableClock())


def test_an_answer_of_somebody_else_is_not_readiness(launch: Launch) -> None:
    """When a part died, whoever answers on its port is another program."""
    process = launch("vault", "exit 1")
    process.wait(5)
    with pytest.raises(Unreachable, match="ended with status 1"):
        process.await_ready(lambda: True, Clock())


def test_a_taken_port_is_tried_again_elsewhere(launch: Launch) -> None:
    """A port that somebody took in between costs another attempt, not the stack."""
    ports: list[int] = []

    def attempt(port: int) -> int:
        ports.append(port)
        script = "echo 'listen tcp 127.0.0.1:1: bind: Address already in use'; exit 1" if len(ports) < 3 else "exec sleep 300"
        launch("vault", script).await_ready(lambda: len(ports) == 3, Clock())
        return port

    assert processes.on_free_port(attempt) == ports[2]
    assert len(set(ports)) == 3


def test_ports_that_are_always_taken_end_in_an_error(launch: Launch) -> None:
    """Attempts are limited, and the error says why."""

    def attempt(_port: int) -> None:
        launch("vault", "echo address already in use; exit 1").await_ready(lambda: False, Clock())

    with pytest.raises(processes.PortTaken, match="port was taken"):
        processes.on_free_port(attempt)


def test_a_full_disk_is_named(launch: Launch, folder: Path) -> None:
    """A part that ended for want of space says so, with the fix."""
    process = launch("database", "echo 'write: No space left on device'; exit 1")
    with pytest.raises(Missing) as caught:
        process.await_ready(lambda: False, Clock())
    assert caught.value.message == f"database ended with status 1: the disk that holds {folder / 'logs'} is full."
    assert caught.value.hint == "Free some space there."


SMALL_DISK = """
import pathlib, sys
from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import OpsError
from vaultgate_ops.local import folder, processes

try:
    with folder.claimed(pathlib.Path(sys.argv[1]), "one", Clock()) as stack:
        process = processes.start("database", ["sh", "-c", "cat /dev/zero 2>/dev/null >all; exit 1"], stack)
        process.wait(20)
        if sys.argv[2] == "part":
            raise process.failure("database ended")
        (stack / "ours").write_bytes(bytes(10**6))
except OpsError as error:
    print(error.message, error.hint, sep="|", end="")
"""


@pytest.mark.parametrize(
    ("who", "told"),
    [("part", "database ended: the disk that holds {}/one/logs is full."), ("we", "The disk that holds {} is full.")],
)
def test_a_disk_that_is_really_full_is_named(tmp_path: Path, who: str, told: str) -> None:
    """When nothing is free, a part's wordless end and our own failed write are both one sentence with the fix."""
    prefix = preflight.mount_namespace(os.environ)
    script = 'mount -t tmpfs -o size=1m none "$1" && exec "$2" -c "$3" "$1" "$4"'
    answer = subprocess.run(
        [*prefix, "sh", "-c", script, "sh", tmp_path, sys.executable, SMALL_DISK, who],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout == told.format(tmp_path) + "|Free some space there."


def test_a_program_that_cannot_run_is_missing(folder: Path) -> None:
    """No program, or one without its mode bit, is one sentence."""
    with pytest.raises(Missing, match="can't be executed: No such file"):
        processes.start("vault", [folder / "nonesuch"], folder)
    (folder / "plain").touch(0o600)
    with pytest.raises(Missing, match="can't be executed: Permission denied"):
        processes.start("vault", [folder / "plain"], folder)


def test_what_a_child_writes_is_for_its_owner(launch: Launch, folder: Path) -> None:
    """Logs and whatever a part creates have no bits for others, whatever our umask is."""
    before = os.umask(0)
    try:
        launch("vault", "echo hello; touch made").wait(5)
    finally:
        os.umask(before)
    assert processes.log_file(folder, "vault").stat().st_mode & 0o777 == 0o600
    assert (folder / "made").stat().st_mode & 0o077 == 0


def test_ctrl_c_does_not_reach_a_part(launch: Launch) -> None:
    """A part has a session, and so a process group, of its own."""
    process = launch("vault")
    assert os.getsid(process.identity.pid) == process.identity.pid != os.getsid(0)


def test_a_free_port_can_be_listened_on() -> None:
    """The kernel's choice is on 127.0.0.1."""
    with socket.create_server(("127.0.0.1", processes.free_port())) as server:
        host, port = server.getsockname()
    assert (host, port > 1023) == ("127.0.0.1", True)


def test_the_process_that_asks_is_never_found(folder: Path) -> None:
    """Whoever carries the markers itself does not end itself."""
    code = "import pathlib, sys; from vaultgate_ops.local import markers; sys.exit(len(markers.find(pathlib.Path(sys.argv[1]))))"
    environment = {**os.environ, "VG_STACK": str(folder), "VG_PART": "x", "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code, folder], env=environment, check=False).returncode == 0


def test_a_free_port_is_kept_for_its_server() -> None:
    """Nobody is given it in between, by bind or for a connection; who listens there as servers do gets it."""
    port = processes.free_port()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))
    with socket.create_server(("127.0.0.1", port)) as server:
        assert server.getsockname()[1] == port
