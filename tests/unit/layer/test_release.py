"""What a release holds, and the bill of materials of a layer."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from tests.unit.layer.checkout import build, untried

from vaultgate_ops.errors import CheckFailed, Missing, UsageProblem
from vaultgate_ops.layer import VERSIONS, manifest
from vaultgate_ops.layer.interpreters import find_interpreters
from vaultgate_ops.layer.releasing import release
from vaultgate_ops.layer.sbom import bill, moment
from vaultgate_ops.local import paths
from vaultgate_ops.reporting import Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vaultgate_ops.clock import Clock
    from vaultgate_ops.errors import OpsError
    from vaultgate_ops.layer import Interpreter

RUNNING, RELEASE = "{}.{}".format(*sys.version_info), "{}.{}.{}".format(*sys.version_info)
MADE = datetime(2026, 11, 21, tzinfo=UTC)
ZIP = paths.build_folder() / "vaultgate-layer.zip"
NAMES = ["vaultgate-layer-1.2.3", "vaultgate-layer-1.2.3-arm64", "vaultgate-layer-1.2.3-x86_64"]


def lists(archive: Path) -> dict[str, Any]:
    """The bill of a zip."""
    document: dict[str, Any] = json.loads(bill(archive, MADE))
    return document


def test_the_bill_is_valid_cyclonedx() -> None:
    """Version 1.6, by its own schema, which knows no word that isn't in it; a bill with a wrong word fails."""
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    text = bill(ZIP, MADE)
    assert validator.validate_str(text) is None
    assert validator.validate_str(text.replace('"bom-ref"', '"bom-reference"')) is not None


def test_the_bill_has_every_file_with_its_hash() -> None:
    """Whoever unpacks the layer can check each file, and that there is no other."""
    listed = {one["name"]: one["hashes"] for one in lists(ZIP)["components"] if one["type"] == "file"}
    with zipfile.ZipFile(ZIP) as packed:
        expected = {name: hashlib.sha256(packed.read(name)).hexdigest() for name in packed.namelist()}
    assert listed == {name: [{"alg": "SHA-256", "content": digest}] for name, digest in expected.items()}


def test_the_bill_says_what_the_layer_is_and_needs() -> None:
    """Its own hash and version, whose bytecode is in it, and that it depends on nothing but Lambda's runtimes."""
    document, said = lists(ZIP), manifest.read(ZIP)
    subject = document["metadata"]["component"]
    assert (subject["name"], subject["version"]) == ("vaultgate-layer", said.version)
    assert subject["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(ZIP.read_bytes()).hexdigest()}]
    told = {one["name"]: one["value"] for one in subject["properties"]}
    assert told["vaultgate:architectures"] == "arm64 x86_64"
    assert {name: value for name, value in told.items() if "bytecode" in name} == {
        f"vaultgate:bytecode:{version}": f"CPython {found}" for version, found in said.bytecode.items()
    }
    (needed,) = [one["dependsOn"] for one in document["dependencies"] if one["ref"] == subject["bom-ref"]]
    assert needed == [f"runtime:{runtime}" for runtime in said.runtimes]
    assert {one["type"] for one in document["components"]} == {"file", "platform"}


def test_the_same_zip_and_moment_give_the_same_bill(checkout: Path, alone: dict[str, str]) -> None:
    """Its serial number is the content's; another artefact, or another moment, gives another bill."""
    built = build(checkout, alone)
    assert bill(built.archive, MADE) == bill(built.archive, MADE)
    assert lists(built.archive)["serialNumber"] != lists(ZIP)["serialNumber"]
    assert lists(built.archive)["metadata"]["timestamp"].startswith("2026-11-21T00:00:00")


class At:
    """A clock that stands."""

    def wall(self) -> float:
        return 1_000_000_000.0


@pytest.mark.parametrize(("environ", "year"), [({"SOURCE_DATE_EPOCH": "1700000000"}, 2023), ({}, 2001)])
def test_the_moment_is_that_of_the_sources_where_it_is_set(environ: dict[str, str], year: int, clock_at: Clock) -> None:
    """SOURCE_DATE_EPOCH counts before the clock."""
    assert moment(environ, clock_at).year == year


@pytest.mark.parametrize("said", ["yesterday", "1" * 30, "-1" + "0" * 20])
def test_what_is_no_moment_is_refused(said: str, clock_at: Clock) -> None:
    """A build that set it wrongly hears so."""
    with pytest.raises(UsageProblem, match=r"SOURCE_DATE_EPOCH is .*, which is no moment"):
        moment({"SOURCE_DATE_EPOCH": said}, clock_at)


@pytest.fixture
def clock_at() -> At:
    """September 2001."""
    return At()


def test_a_release_holds_each_artefact_with_its_bill_and_the_hashes_of_all(checkout: Path, alone: dict[str, str]) -> None:
    """For both architectures and for each; `sha256sum --check` agrees; made for the one Python that this test asks for."""
    made = release(checkout, alone, Silent(), MADE, versions=[RUNNING], trial=untried)
    assert made.folder == checkout / "build/release"
    files = {f"{name}{ending}" for name in NAMES for ending in (".zip", ".cdx.json")}
    assert {path.name for path in made.folder.iterdir()} == files | {"SHA256SUMS"}
    assert made.files.keys() == files
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=made.folder, capture_output=True, check=False
    )
    assert checked.returncode == 0
    declared = [manifest.read(made.folder / f"{name}.zip").architectures for name in NAMES]
    assert declared == [("arm64", "x86_64"), ("arm64",), ("x86_64",)]
    for name in NAMES:
        hashes = json.loads((made.folder / f"{name}.cdx.json").read_text())["metadata"]["component"]["hashes"]
        assert hashes == [{"alg": "SHA-256", "content": made.files[f"{name}.zip"]}]


def test_a_release_can_be_made_again(checkout: Path, alone: dict[str, str]) -> None:
    """The same moment gives the same hashes, and what somebody put beside them is gone."""
    first = release(checkout, alone, Silent(), MADE, versions=[RUNNING], trial=untried)
    (first.folder / "notes.txt").touch()
    again = release(checkout, alone, Silent(), MADE, versions=[RUNNING], trial=untried)
    assert again.files == first.files
    assert not (again.folder / "notes.txt").exists()


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from tests.unit.layer.checkout import untried
from vaultgate_ops.layer.releasing import release
from vaultgate_ops.reporting import Silent

def hear(event, given):
    if event == "open" and str(given[0]).endswith(".cdx.json"):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hear)
checkout, home, version = sys.argv[1:]
made = datetime(2026, 11, 21, tzinfo=UTC)
release(Path(checkout), {"PATH": "", "HOME": home}, Silent(), made, versions=[version], trial=untried)
"""


def test_what_a_killed_release_left_is_swept_away(checkout: Path, alone: dict[str, str]) -> None:
    """SIGKILL while the bills are written leaves no release, and what it leaves goes with the next build."""
    command = [sys.executable, "-c", KILLED, str(checkout), alone["HOME"], RUNNING]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    left = {path.name for path in (checkout / "build").iterdir()}
    build(checkout, alone)
    now = {path.name for path in (checkout / "build").iterdir()}
    assert left - now
    assert {name for name in now if name.startswith(".")} == {".layer-lock"}
    assert "release" not in left


def replace(zipped: Path) -> None:
    """As a build of other sources would."""
    with zipfile.ZipFile(zipped, "a") as packed:
        packed.writestr("another", "")


@pytest.mark.parametrize(
    ("meanwhile", "kind", "said"),
    [(replace, CheckFailed, r"Another build replaced .*vaultgate-layer\.zip"), (Path.unlink, Missing, "No such file")],
    ids=["replaced", "gone"],
)
def test_a_release_holds_what_was_tried_and_nothing_else(
    checkout: Path, alone: dict[str, str], meanwhile: Callable[[Path], None], kind: type[OpsError], said: str
) -> None:
    """Another build at the same time that replaces a zip, or somebody who tidies up, ends it: there is no release."""

    def beside(opt: Path, _interpreters: Sequence[Interpreter]) -> None:
        if '["arm64"]' in (opt / manifest.NAME).read_text():
            meanwhile(checkout / "build/vaultgate-layer.zip")

    with pytest.raises(kind, match=said):
        release(checkout, alone, Silent(), MADE, versions=[RUNNING], trial=beside)
    assert not [path for path in (checkout / "build").iterdir() if "release" in path.name]


def test_a_release_without_one_of_the_runtimes_is_refused() -> None:
    """`vaultgate layer build --release`, on this machine: exit code 3, the missing versions by name, and no release."""
    here = {one.version for one in find_interpreters(os.environ)}
    missing = [version for version in VERSIONS if version not in here]
    program = Path(sys.executable).with_name("vaultgate")
    made = paths.build_folder() / "release"
    before = made.exists()
    done = subprocess.run([program, "layer", "build", "--release"], capture_output=True, text=True, check=False)
    if missing:
        assert done.returncode == 3
        assert f"not here: {', '.join(missing)}." in done.stderr
        assert made.exists() == before
    else:
        assert done.returncode == 0, done.stderr
        assert (made / "SHA256SUMS").is_file()


def test_a_release_names_every_version_that_lacks(checkout: Path, alone: dict[str, str]) -> None:
    """With one Python of four, the other three are in the error, and nothing was built."""
    others = [version for version in VERSIONS if version != RUNNING]
    with pytest.raises(Missing, match=f"not here: {', '.join(others)}"):
        release(checkout, alone, Silent(), MADE, trial=untried)
    assert not (checkout / "build").exists()


def test_the_command_line_prints_a_layers_bill() -> None:
    """`vaultgate layer sbom`, of what was built; the moment is SOURCE_DATE_EPOCH's."""
    program = Path(sys.executable).with_name("vaultgate")
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(int(MADE.timestamp()))}
    done = subprocess.run([program, "layer", "sbom"], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, json.loads(done.stdout)) == (0, lists(ZIP)), done.stderr


def test_a_release_takes_no_choice() -> None:
    """--release with --arch or --python is a usage error: it makes all that there is."""
    program = Path(sys.executable).with_name("vaultgate")
    command = [program, "layer", "build", "--release", "--arch", "arm64"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "leave --python and --arch out" in done.stderr
