"""Files on real parts: the built layer in AWS's emulator, HashiCorp's Vault, and a function that knows nothing of either."""

from __future__ import annotations

import itertools
import json
import re
import stat
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from vaultgate_ops.local import paths
from vaultgate_ops.local.fetch.emulator import find_emulator
from vaultgate_ops.local.function_endpoint import InitFailed
from vaultgate_ops.local.processes import free_port
from vaultgate_ops.local.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from vaultgate_ops.local.scene import EmbeddedScene
    from vaultgate_ops.local.stack import Stack

    Start = Callable[..., Sandbox]
    Eventually = Callable[[Callable[[], object]], None]

pytestmark = pytest.mark.stack

# Reads its files when it is imported, as functions do, and again at each call.
FUNCTION = """\
import glob, os

def read():
    return {os.path.basename(path): [oct(os.stat(path).st_mode & 0o777), open(path).read()] for path in glob.glob("/tmp/vault/*")}

at_init = read()

def handler(event, context):
    return {"init": at_init, "now": read(), "folder": oct(os.stat("/tmp/vault").st_mode & 0o777)}
"""
KV = "secret/data/records"
FOLDER = "/tmp/vault"  # noqa: S108 - the sandbox's own
NUMBERS = itertools.count()


@pytest.fixture
def name() -> str:
    """Of the test's sandbox; another one for each, so that none finds what another left in /tmp."""
    return f"files-{next(NUMBERS)}"


@pytest.fixture
def scratch(stack: Stack, name: str) -> Path:
    """The sandbox's /tmp, from outside."""
    return stack.folder / "sandboxes" / name / "tmp"


@pytest.fixture
def reading(stack: Stack, name: str, tmp_path: Path) -> Iterator[Start]:
    """Starts a sandbox of a function that shows what it reads; if it still runs at the end it is killed."""
    (tmp_path / "app.py").write_text(FUNCTION)
    started: list[Sandbox] = []

    def start(**environment: str) -> Sandbox:
        sandbox = Sandbox(
            find_emulator(),
            paths.build_folder() / "layer",
            {**stack.function_environment(free_port()), **environment},
            "app.handler",
            stack.folder,
            code=tmp_path,
            name=name,
        )
        started.append(sandbox)
        sandbox.start()
        return sandbox

    yield start
    for sandbox in started:
        sandbox.kill()


def said(sandbox: Sandbox, event: str) -> list[dict[str, Any]]:
    """The extension's log lines with this event."""
    lines = [json.loads(line) for line in re.findall(r'^\{"ts": .*\}$', sandbox.log(), re.MULTILINE)]
    return [line for line in lines if line["event"] == event]


def test_a_function_finds_its_files_at_init(
    reading: Start, scratch: Path, backstage: EmbeddedScene, nothing_left: Callable[[], AbstractContextManager[None]]
) -> None:
    """The function's import reads a user that lives, in HashiCorp's place and shape; at the end file and user are gone."""
    with nothing_left():
        sandbox = reading(VAULT_SECRET_PATH="database/creds/records", VAULT_RUN_MODE="FILE")
        shown = sandbox.invoke({})
        assert (shown["folder"], shown["init"]) == ("0o700", shown["now"])
        [(file, (mode, text))] = shown["init"].items()
        assert (file, mode) == ("secret.json", "0o600")
        document = json.loads(text)
        assert document["data"]["username"] in backstage.database_users()
        assert document["lease_id"] in backstage.leases()
        assert document.keys() >= {"request_id", "lease_id", "lease_duration", "renewable", "data", "warnings"}
        assert not {"auth", "wrap_info"} & document.keys()
        assert document["data"]["password"] not in sandbox.log()
        sandbox.shutdown()
        assert not (scratch / "vault").exists()


def test_formats_as_their_readers_see_them(reading: Start, scratch: Path, store: Callable[..., object]) -> None:
    """A shell finds in the variable what was written in Vault, and a template holds fields of two engines."""
    nasty = 'it\'s $HOME `id` \\ "x"\nline 2'
    store(GREETING=nasty)
    sandbox = reading(
        VAULT_SECRET_PATH_ENV=KV,
        VAULT_SECRET_FILE_ENV=f"{FOLDER}/app.env",
        VAULTGATE_FILE_ENV_FORMAT="env",
        VAULT_SECRET_PATH_DATA=KV,
        VAULT_SECRET_FILE_DATA=f"{FOLDER}/app.json",
        VAULTGATE_FILE_DATA_FORMAT="data",
        VAULTGATE_FILE_DATA_MODE="0640",
        VAULT_SECRET_PATH_TEXT="database/static-creds/records-static",
        VAULT_SECRET_FILE_TEXT=f"{FOLDER}/app.txt",
        VAULTGATE_FILE_TEXT_FORMAT="template",
        VAULTGATE_FILE_TEXT_TEMPLATE=f"{{{{ #username }}}}: {{{{ {KV}#GREETING }}}}",
    )
    shown = sandbox.invoke({})["init"]
    assert shown["app.json"] == ["0o640", json.dumps({"GREETING": nasty}) + "\n"]
    assert shown["app.txt"] == ["0o600", f"records_static: {nasty}"]
    file = scratch / "vault/app.env"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    script = '. "$1"; printf "%s" "$GREETING"'
    assert subprocess.run(["sh", "-euc", script, "sh", str(file)], capture_output=True, check=True).stdout.decode() == nasty


def test_a_changed_secret_reaches_the_file(reading: Start, store: Callable[..., object], eventually: Eventually) -> None:
    """An invocation after the TTL finds what somebody has written in Vault meanwhile, and the import's value was the old one."""
    sandbox = reading(VAULT_SECRET_PATH=KV, VAULTGATE_FILE_FORMAT="data", VAULTGATE_CACHE="secret/*=1s")
    old = sandbox.invoke({})["now"]["secret.json"][1]
    store(greeting="another")
    eventually(lambda: json.loads(sandbox.invoke({})["now"]["secret.json"][1]) == {"greeting": "another"})
    assert sandbox.invoke({})["init"]["secret.json"][1] == old


@pytest.mark.parametrize(
    ("path", "likely"), [("secret/records", "secret/data/records"), ("secret/data/absent", None), ("absent/data/x", None)]
)
def test_a_wrong_path_fails_the_init(reading: Start, scratch: Path, path: str, likely: str | None) -> None:
    """A path that Vault has nothing at, or denies, ends the init with its name, and with the right one where that can be told."""
    sandbox = reading(VAULT_SECRET_PATH=path)
    with pytest.raises(InitFailed, match=r"Extension\.InitError"):
        sandbox.invoke({})
    [line] = said(sandbox, "denied")
    assert path in line["message"]
    if likely is not None:
        assert "KV mount of version 2" in line["message"]
        assert line["hint"] == f"the path is likely {likely}"
    assert not (scratch / "vault").exists()
