"""Images that stand in for the real ones where no registry can be reached.

Rules: made from what this machine has (Debian's packages, the Vault binary of the embedded stack, AWS's emulator from its
wheel), under names of their own, so that nobody takes them for the real ones. What is slow is kept in the cache folder;
everything that needs the network happens here, before the engine starts.

Run as root: ``python tests/compose/stand_ins.py material`` gathers, and ``... images`` builds from it.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import docker

from vaultgate_ops.errors import Missing
from vaultgate_ops.local import paths
from vaultgate_ops.local.fetch.emulator import find_emulator
from vaultgate_ops.local.fetch.vault import find_vault
from vaultgate_ops.reporting import Silent

HERE = Path(__file__).with_name("standins")
NAMES = ("vault", "mysql", "lambda", "python")
ROOT = "vaultgate-standin/root:1"
PACKAGES = "ca-certificates,python3,python3-pip,mariadb-server"
RUNTIME = ("awslambdaric", "simplejson", "snapshot-restore-py")


def image(name: str) -> str:
    """A stand-in's name."""
    return f"vaultgate-standin/{name}:1"


def environment() -> dict[str, str]:
    """The variables of docker-compose.yml that choose the stand-ins."""
    return {
        **{f"{name.upper()}_IMAGE": image(name) for name in NAMES},
        "TOOLS_IMAGE": "vaultgate-standin/tools",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": "requirements",
    }


def gather() -> None:
    """Fetch what the images are made of, unless it is there: a Debian root, wheels, the runtime client."""
    _root()
    find_vault(os.environ, Silent())
    wheels, runtime, marker = paths.build_folder() / "wheels", _folder() / "runtime", _folder() / "packages"
    locks = [paths.checkout() / "requirements" / name for name in ("compose.txt", "records.txt")]
    wanted = "\n".join([_python(), str(wheels), _pinned(RUNTIME), *(lock.read_text(encoding="utf-8") for lock in locks)])
    if wheels.is_dir() and runtime.is_dir() and marker.is_file() and marker.read_text(encoding="utf-8") == wanted:
        return
    marker.unlink(missing_ok=True)
    for folder in (wheels, runtime):
        shutil.rmtree(folder, ignore_errors=True)
    wheels.mkdir(parents=True)
    for lock in locks:
        _pip("download", "--requirement", str(lock), "--dest", str(wheels))
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as lock_file:
        lock_file.write(_pinned(RUNTIME))
        lock_file.flush()
        _pip("install", "--requirement", lock_file.name, "--target", str(runtime))
    # Last: it says that the others are whole.
    marker.write_text(wanted, encoding="utf-8")


def build(engine: docker.DockerClient) -> None:
    """Make the images; the engine's cache makes a second time quick."""
    if not engine.images.list(ROOT):
        repository, _, tag = ROOT.partition(":")
        engine.api.import_image_from_file(str(_root()), repository=repository, tag=tag)
    material: dict[str, dict[str, Path]] = {
        "vault": {"vault": find_vault(os.environ, Silent())},
        "lambda": {"aws-lambda-rie": find_emulator(), "runtime": _folder() / "runtime"},
    }
    for name in NAMES:
        with tempfile.TemporaryDirectory(dir=_folder()) as context:
            shutil.copytree(HERE / name, context, dirs_exist_ok=True)
            for target, source in material.get(name, {}).items():
                _place(source, Path(context, target))
            # Under a user's own .docker/config.json a build could look for credentials; the API asks for none.
            engine.images.build(path=context, tag=image(name), buildargs={"ROOT": ROOT}, rm=True)


def _folder() -> Path:
    folder = paths.cache_folder() / "standins"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _root() -> Path:
    """A tar of this release of Debian with Python and MariaDB in it."""
    release = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    archive = _folder() / f"{release}-{platform.machine()}.tar"
    if archive.exists():
        return archive
    if shutil.which("debootstrap") is None:
        raise Missing("debootstrap is not installed.", "apt-get install debootstrap")
    with tempfile.TemporaryDirectory(dir=_folder()) as place:
        tree = Path(place, "root")
        log = _folder() / "debootstrap.log"
        with log.open("wb") as output:
            made = subprocess.run(
                ["nice", "debootstrap", "--variant=minbase", f"--include={PACKAGES}", release, str(tree)],
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if made.returncode:
            raise Missing(f"debootstrap failed; its log is {log}.", "Check that this machine reaches a Debian mirror.")
        partial = archive.with_suffix(".partial")
        leave_out = ("./dev/*", "./proc/*", "./sys/*", "./var/cache/apt/*", "./var/lib/apt/lists/*", "./usr/share/doc/*")
        subprocess.run(
            ["tar", "-C", str(tree), *(f"--exclude={pattern}" for pattern in leave_out), "-cf", str(partial), "."], check=True
        )
        partial.replace(archive)
    return archive


def _python() -> str:
    """Python's version in the Debian root, such as 3.11."""
    listing = subprocess.run(["tar", "-tf", str(_root())], capture_output=True, text=True, check=True).stdout
    return re.findall(r"^\./usr/bin/python(3\.\d+)$", listing, re.MULTILINE)[0]


def _pip(verb: str, *options: str) -> None:
    command = [sys.executable, "-m", "pip", verb, "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    subprocess.run([*command, "--only-binary=:all:", f"--python-version={_python()}", *options], check=True)


def _pinned(names: tuple[str, ...]) -> str:
    """The lines of requirements/dev.txt that pin these packages."""
    lock = (paths.checkout() / "requirements/dev.txt").read_text(encoding="utf-8")
    entries = re.split(r"\n(?=[A-Za-z0-9])", lock)
    return "\n".join(entry for entry in entries if entry.partition("==")[0] in names)


def _place(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, copy_function=os.link)
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
    if not os.access(target, os.X_OK):
        target.chmod(0o755)


if __name__ == "__main__":
    if sys.argv[1:] == ["material"]:
        gather()
    else:
        build(docker.from_env(timeout=600))
