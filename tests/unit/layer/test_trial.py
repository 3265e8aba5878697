"""The trial that every build goes through, with the real extension and with broken ones."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from vaultgate_ops.errors import CheckFailed, Missing
from vaultgate_ops.layer import archive, build
from vaultgate_ops.layer.interpreters import find_interpreters
from vaultgate_ops.layer.trial import live_once
from vaultgate_ops.local import paths
from vaultgate_ops.reporting import Silent

if TYPE_CHECKING:
    from collections.abc import Mapping

EXTENSION = Path(__file__).parents[3] / "extension"
LARGEST_FOR_ONE = 220_000


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A checkout with the real extension."""
    folder = tmp_path / "checkout"
    shutil.copytree(EXTENSION, folder / "extension", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with the real extension, built by the running interpreter alone."""
    folder = tmp_path_factory.mktemp("built")
    shutil.copytree(EXTENSION, folder / "extension", ignore=shutil.ignore_patterns("__pycache__"))
    build(folder, {"PATH": "", "HOME": str(folder)}, Silent())
    return folder


def replaced(folder: Path, module: str, old: str, new: str) -> None:
    """Change a module of a checkout."""
    path = folder / "extension/python/vaultgate" / module
    text = path.read_text()
    assert text.count(old) == 1, f"{module} holds {old!r} {text.count(old)} times"
    path.write_text(text.replace(old, new))


def test_what_is_built_lives_under_every_interpreter_here(tmp_path: Path) -> None:
    """The zip of build/, unpacked: login, a secret through the door, token given back, under 3.11, 3.12 and so on."""
    archive.unpack(paths.build_folder() / "vaultgate-layer.zip", tmp_path / "opt")
    live_once(tmp_path / "opt", find_interpreters(os.environ))


def test_each_layer_for_one_runtime_lives_and_is_small(whole: Path) -> None:
    """Without sources, too; and none is larger than what docs/benchmarks.md allows, within a tenth."""
    for one in find_interpreters(os.environ):
        built = build(whole, os.environ, Silent(), [one.version])
        assert built.manifest.bytecode == {one.version: one.release}
        assert built.size < LARGEST_FOR_ONE


def test_a_layer_for_another_runtime_fails_its_trial(whole: Path, tmp_path: Path) -> None:
    """What the launcher says there is in the error, with the interpreter's release."""
    one, *others = find_interpreters(os.environ)
    assert others
    built = build(whole, os.environ, Silent(), [one.version])
    archive.unpack(built.archive, tmp_path / "opt")
    with pytest.raises(
        CheckFailed, match=rf"trial under Python {others[0].release}: it ended with 3 .*bytecode of another Python"
    ):
        live_once(tmp_path / "opt", others[:1])


def test_in_an_image_of_lambdas_its_own_python_alone_is_tried(tmp_path: Path) -> None:
    """The launchers take it before any other, so a trial under another one would be none: it is refused by name."""
    archive.unpack(paths.build_folder() / "vaultgate-layer.zip", tmp_path / "opt")
    one, *others = find_interpreters(os.environ)
    image = tmp_path / "python3"
    image.symlink_to(one.path)
    with pytest.raises(Missing, match=rf"under Python {', '.join(other.version for other in others)} here: its launchers take"):
        live_once(tmp_path / "opt", [one, *others], image)
    live_once(tmp_path / "opt", [one], image)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (("process.py", "from __future__ import annotations\n", "import nothing_of_this_name\n"), "it ended with 1 in its init"),
        (("wrapper.py", "resolved = resolve(environ, client.read)", "resolved = dict(environ)"), "it served no secret"),
        (("__main__.py", "return run(environ, name, arrival)", "return run(environ, name, arrival) or 7"), "it ended with 7"),
        (("auth.py", 'f"auth/', 'f"nowhere/'), "it did not log in"),
        (("handback.py", "token.vault.revoke_self(token.secret, deadline)", "token.secret"), "it did not give its token back"),
    ],
)
def test_a_layer_that_does_not_run_is_not_built(
    built_once: Path, alone: Mapping[str, str], tmp_path: Path, broken: tuple[str, str, str], said: str
) -> None:
    """It compiles, and yet leaves no artefact: the error says what the trial saw, and what was built before stays."""
    module, old, new = broken
    whole = shutil.copytree(built_once, tmp_path / "checkout")
    before = archive.sha256(whole / "build/vaultgate-layer.zip")
    replaced(whole, module, old, new)
    with pytest.raises(CheckFailed, match=f"does not pass its trial under Python .*: {said}"):
        build(whole, alone, Silent())
    assert archive.sha256(whole / "build/vaultgate-layer.zip") == before
    assert old in (whole / "build/layer/python/vaultgate" / module).read_text()
    assert {path.name for path in (whole / "build").iterdir()} == {".layer-lock", "layer", "vaultgate-layer.zip"}


def test_an_interrupted_trial_ends_what_it_started(built_once: Path, alone: Mapping[str, str], tmp_path: Path) -> None:
    """Ctrl-C while the layer lives its trial: its process is gone, and the build that was there is there."""
    whole, living = shutil.copytree(built_once, tmp_path / "checkout"), tmp_path / "living"
    hanging = f"open({str(living)!r}, 'w').write(str(posix.getpid())) and __import__('signal').pause()"
    replaced(whole, "__main__.py", "return run(environ, name, arrival)", f"return {hanging}")

    def interrupt() -> None:
        pause = threading.Event()
        while not living.exists() or not living.read_text():
            pause.wait(0.01)
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            build(whole, alone, Silent())
    finally:
        signal.signal(signal.SIGINT, before)
    thread.join()
    assert not (Path("/proc") / living.read_text()).exists()
    assert {path.name for path in (whole / "build").iterdir()} == {".layer-lock", "layer", "vaultgate-layer.zip"}
