"""A sandbox is what Lambda's is: AWS's emulator, an own /opt and /tmp, a life with a beginning and an end."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.local.sandboxes import make_layer, make_sandbox

from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import Unreachable, UsageProblem
from vaultgate_ops.local import markers
from vaultgate_ops.local.function_endpoint import FunctionEndpoint, FunctionTimedOut, InitFailed

TMP = Path("/tmp")  # noqa: S108 - the folder that is every sandbox's own

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vaultgate_ops.local.sandbox import Sandbox

    Start = Callable[..., Sandbox]


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    """A layer with the trivial extension."""
    return make_layer(tmp_path)


@pytest.fixture
def start(folder: Path, layer: Path) -> Iterator[Start]:
    """Starts sandboxes; whatever still runs at the end is killed."""
    made: list[Sandbox] = []

    def begin(*, name: str = "one", timeout_s: int = 30, **environment: str) -> Sandbox:
        sandbox = make_sandbox(folder, layer, environment, name=name, timeout_s=timeout_s)
        made.append(sandbox)
        sandbox.start()
        return sandbox

    yield begin
    for sandbox in made:
        sandbox.kill()


def test_the_first_invocation_is_cold_and_the_next_is_warm(start: Start) -> None:
    """One runtime process serves both, and only the first one's init is timed."""
    sandbox = start()
    assert sandbox.init_ms is None
    first = sandbox.invoke({"n": 1})
    cold = sandbox.init_ms
    second = sandbox.invoke({"n": 2})
    assert (first["event"], second["event"]) == ({"n": 1}, {"n": 2})
    assert first["pid"] == second["pid"]
    assert cold is not None
    assert cold > 0
    assert sandbox.init_ms == cold
    assert sandbox.log().count("INIT START") == 1


def test_the_extensions_of_the_layer_run_beside_the_function(start: Start) -> None:
    """They hear of every invocation."""
    sandbox = start()
    sandbox.invoke({})
    sandbox.invoke({})
    assert sandbox.log().count("extension heard INVOKE") == 2


def test_opt_is_the_layer_and_cannot_be_written(start: Start) -> None:
    """What ships is what is seen, read-only as in Lambda."""
    sandbox = start()
    assert sandbox.invoke({"do": "list", "path": "/opt"}) == ["extensions"]
    refused = sandbox.invoke({"do": "write", "path": "/opt/extensions/new"})
    assert "Read-only file system" in refused["errorMessage"]


def test_tmp_is_the_sandboxs_own(start: Start, folder: Path, tmp_path: Path) -> None:
    """Two sandboxes with the same path in mind don't meet, and nothing lands in the machine's /tmp."""
    one, two = start(name="one"), start(name="two")
    name = f"vaultgate-{tmp_path.name}"
    one.invoke({"do": "write", "path": str(TMP / name)})
    assert name not in two.invoke({"do": "list", "path": str(TMP)})
    assert not (TMP / name).exists()
    assert (folder / "sandboxes/one/tmp" / name).read_text() == "x"


def test_the_function_sees_lambdas_variables_and_the_given_ones_only(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of whoever starts the stack leaks in, whatever is set there."""
    monkeypatch.setenv("VAULT_TOKEN", "mine")
    monkeypatch.setenv("AWS_PROFILE", "mine")
    seen = start(VAULT_ADDR="https://vault.example", AWS_ACCESS_KEY_ID="AKIA").invoke({})["environ"]
    names = {name for name in seen if not name.startswith(("AWS_LAMBDA_", "VG_"))}
    # LC_ALL and LD_LIBRARY_PATH are the machine's, where it has them; LC_CTYPE is Python's own, PWD the emulator's.
    assert names - {"LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "PWD"} == {
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"),
        *("LAMBDA_TASK_ROOT", "LANG", "PATH", "PYTHONPATH", "TZ", "VAULT_ADDR", "_HANDLER"),
    }
    assert seen["PYTHONPATH"].split(":")[0] == "/opt/python"
    assert seen["VAULT_ADDR"] == "https://vault.example"


def test_the_function_starts_in_its_own_folder(start: Start) -> None:
    """As in /var/task."""
    seen = start().invoke({})
    assert seen["cwd"] == seen["environ"]["LAMBDA_TASK_ROOT"]


def test_overlapping_invocations_queue(start: Start) -> None:
    """The emulator takes one at a time and panics at a second; callers don't notice."""
    sandbox = start()
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda n: sandbox.invoke({"n": n}), range(24)))
    assert [result["event"]["n"] for result in results] == list(range(24))


@pytest.mark.parametrize(("do", "error"), [("raise", "ValueError"), ("exit", "Runtime.ExitError")])
def test_a_functions_failure_is_a_result_and_the_next_call_works(start: Start, do: str, error: str) -> None:
    """As Lambda's Invoke tells it; a runtime that died is started again."""
    sandbox = start()
    assert sandbox.invoke({"do": do})["errorType"] == error
    assert sandbox.invoke({"n": 2})["event"] == {"n": 2}


def test_a_function_that_runs_out_of_time_is_told_apart(start: Start) -> None:
    """Its sandbox is reset, and the next call starts anew."""
    sandbox = start(timeout_s=1)
    with pytest.raises(FunctionTimedOut, match=r"timed out after 1\.00 seconds"):
        sandbox.invoke({"do": "hang"})
    assert sandbox.invoke({"n": 2})["event"] == {"n": 2}
    assert sandbox.log().count("INIT START") == 2


def test_shutdown_reaches_the_extension_and_waits_for_it(start: Start, folder: Path) -> None:
    """It finishes by itself, and no process is left."""
    sandbox = start()
    sandbox.invoke({})
    ending = sandbox.shutdown()
    assert ending.overdue == ()
    assert "extension heard SHUTDOWN" in sandbox.log()
    assert markers.find(folder) == []


def test_an_extension_that_outlives_its_two_seconds_is_named(start: Start, folder: Path) -> None:
    """It is killed, as Lambda would."""
    sandbox = start(HANG="1")
    sandbox.invoke({})
    ending = sandbox.shutdown()
    assert ending.overdue == ("trivial",)
    assert 1.5 < ending.took_s < 5
    assert markers.find(folder) == []


def test_a_killed_sandbox_is_gone_at_once_and_its_extension_hears_nothing(start: Start, folder: Path) -> None:
    """As when a host is lost."""
    sandbox = start()
    sandbox.invoke({})
    sandbox.kill()
    assert markers.find(folder) == []
    assert "Received signal" not in sandbox.log()
    assert "heard SHUTDOWN" not in sandbox.log()


def test_ending_is_fine_before_the_start_and_twice(folder: Path, layer: Path) -> None:
    """Tidying up need not know how far things came."""
    sandbox = make_sandbox(folder, layer)
    assert sandbox.shutdown().overdue == ()
    sandbox.kill()
    with sandbox:
        sandbox.invoke({})
    assert sandbox.shutdown().overdue == ()


def give_up(sandbox: Sandbox) -> None:
    """Begin, and fail."""
    sandbox.invoke({})
    raise RuntimeError("given up")


def test_a_block_that_fails_kills_its_sandbox(folder: Path, layer: Path) -> None:
    """No 2 s of grace for what is given up anyway, and nothing left."""
    sandbox = make_sandbox(folder, layer)
    with pytest.raises(RuntimeError, match="given up"), sandbox:
        give_up(sandbox)
    assert "heard SHUTDOWN" not in sandbox.log()
    assert markers.find(folder) == []


def test_invoking_what_does_not_run_says_so(folder: Path, layer: Path) -> None:
    """Not started yet, or ended."""
    sandbox = make_sandbox(folder, layer)
    with pytest.raises(Unreachable, match="not running"):
        sandbox.invoke({})
    with sandbox:
        pass
    with pytest.raises(Unreachable, match="not running"):
        sandbox.invoke({})


def test_a_sandbox_started_again_tells_of_its_new_life_only(folder: Path, layer: Path) -> None:
    """The file goes on, its reader begins anew."""
    sandbox = make_sandbox(folder, layer)
    for _ in range(2):
        with sandbox:
            sandbox.invoke({})
    assert sandbox.log().count("INIT START") == 1


def test_an_emulator_that_died_is_reported_with_its_last_lines(start: Start, folder: Path) -> None:
    """Whoever reads the error sees what was going on."""
    sandbox = start()
    sandbox.invoke({})
    markers.end(folder, clock=Clock())
    with pytest.raises(Unreachable, match=r"does not answer.*its log ends: .*Received signal"):
        sandbox.invoke({})


def test_an_extension_that_fails_is_quoted(folder: Path, tmp_path: Path) -> None:
    """The emulator tells its caller nothing; Lambda's code and the extension's own words are in the log."""
    layer = make_layer(tmp_path / "failing", "#!/bin/sh\necho VAULT_ADDR is missing\nexit 5\n")
    said = r"\(Extension\.Crash\); it said: VAULT_ADDR is missing$"
    with make_sandbox(folder, layer) as sandbox, pytest.raises(InitFailed, match=said):
        sandbox.invoke({})


def test_a_function_that_cannot_be_imported_is_a_result(folder: Path, layer: Path) -> None:
    """As Lambda's Invoke tells it."""
    with make_sandbox(folder, layer, {"FAIL_IMPORT": "1"}) as sandbox:
        result = sandbox.invoke({})
    assert (result["errorType"], result["errorMessage"]) == ("ValueError", "no import today")


def test_the_log_is_for_its_owner_only(start: Start, folder: Path) -> None:
    """Functions write into it what they like."""
    start().invoke({})
    log = folder / "logs/sandbox-one.log"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_an_emulator_that_ends_at_once_is_quoted_and_nothing_is_left(folder: Path, layer: Path, tmp_path: Path) -> None:
    """The error names what happened, by its last lines."""
    broken = tmp_path / "rie"
    broken.write_text("#!/bin/sh\necho no such machine\nexit 9\n")
    broken.chmod(0o755)
    sandbox = make_sandbox(folder, layer, emulator=broken)
    with pytest.raises(Unreachable, match=r"status 9.*no such machine"):
        sandbox.start()
    assert markers.find(folder) == []


class ImpatientClock(Clock):
    """Reads 0 once, then a minute and a half later."""

    def __init__(self) -> None:
        self._read = False

    def steady(self) -> float:
        """Jump after the first reading."""
        before, self._read = self._read, True
        return 90.0 if before else 0.0


def test_an_emulator_that_never_listens_is_ended(folder: Path, layer: Path, tmp_path: Path) -> None:
    """Patience ends after a minute, and nothing is left."""
    idle = tmp_path / "rie"
    idle.write_text("#!/bin/sh\nexec sleep 300\n")
    idle.chmod(0o755)
    with pytest.raises(Unreachable, match="did not answer within 60 s"):
        make_sandbox(folder, layer, emulator=idle, clock=ImpatientClock()).start()
    assert markers.find(folder) == []


@pytest.mark.parametrize("url", ["", "127.0.0.1:80", "ftp://127.0.0.1:80/", "http://127.0.0.1"])
def test_an_address_that_is_none_is_a_usage_problem(url: str) -> None:
    """With an example of one."""
    with pytest.raises(UsageProblem) as caught:
        FunctionEndpoint(url)
    assert "/2015-03-31/functions/function/invocations" in caught.value.hint


def test_an_answer_without_a_result_is_no_result(start: Start) -> None:
    """Another server on the emulator's port, or another path, doesn't pass for the function."""
    url = start().url.replace("function/invocations", "other/invocations")
    with pytest.raises(Unreachable, match="status 404"):
        FunctionEndpoint(url).invoke({})
