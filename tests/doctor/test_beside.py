"""What stands beside the way to a secret, broken: a layer's files, an extension's port, rotations, the audit mirror."""

from __future__ import annotations

import json
import os
import py_compile
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.audit.writer import entry
from tests.doctor.conftest import ids
from tests.rotation.bed import FUNCTION
from tests.simulators.clock import MovableClock
from tests.simulators.cloudwatch_logs import CloudWatchLogs, serving
from tests.simulators.loopback import always, loopback
from tests.simulators.secrets_manager import SimulatedSecretsManager
from tests.simulators.secrets_manager_http import Served, served

from vaultgate.http1 import answer_bytes
from vaultgate.model import Answer
from vaultgate_ops.doctor.visit import Wish
from vaultgate_ops.local.paths import build_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.doctor.conftest import Diagnose

    from vaultgate.model import Request
    from vaultgate_ops.local.scene import EmbeddedScene

pytestmark = pytest.mark.stack

DAY_S = 86_400.0


# --- the layer ---


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    """A copy of the built layer that may be broken."""
    return Path(shutil.copytree(build_folder() / "layer", tmp_path / "layer", symlinks=True))


def without_launcher(layer: Path) -> None:
    """Another layer's folder."""
    (layer / "extensions" / "vaultgate").unlink()


def without_package(layer: Path) -> None:
    """Half a layer."""
    shutil.rmtree(layer / "python")


def without_modes(layer: Path) -> None:
    """A zip that was packed by hand."""
    (layer / "extensions" / "vaultgate").chmod(0o644)


def with_lost_bytecode(layer: Path) -> None:
    """Files got lost, and the manifest still names them."""
    for file in layer.rglob(f"*.{sys.implementation.cache_tag}.pyc"):
        file.unlink()


def without_bytecode(layer: Path) -> None:
    """Built without this interpreter."""
    with_lost_bytecode(layer)
    (layer / "vaultgate-layer.json").write_text('{"bytecode": {"3.99": "3.99.1"}}')


def without_manifest(layer: Path) -> None:
    """Built by hand."""
    (layer / "vaultgate-layer.json").write_text("{}")


def with_times(layer: Path) -> None:
    """Compiled by anybody else."""
    py_compile.compile(str(layer / "python" / "vaultgate" / "errors.py"), doraise=True)


@pytest.mark.parametrize(
    ("breaks", "found"),
    [
        (without_launcher, "layer.missing"),
        (without_package, "layer.missing"),
        (without_modes, "layer.not-executable"),
        (with_lost_bytecode, "layer.incomplete"),
        (without_bytecode, "layer.no-bytecode"),
        (without_manifest, "layer.no-manifest"),
        (with_times, "layer.checked-bytecode"),
    ],
)
def test_a_broken_layer(diagnosed: Diagnose, layer: Path, breaks: Callable[[Path], None], found: str) -> None:
    """As it would lie in /opt."""
    assert ids(diagnosed("layer", wish=Wish(layer=layer))) == []
    breaks(layer)
    assert ids(diagnosed("layer", wish=Wish(layer=layer))) == [found]


def test_a_layer_for_one_version(diagnosed: Diagnose, layer: Path) -> None:
    """Bytecode in its sources' place: right for its own interpreter, and for no other."""
    tag = f".{sys.implementation.cache_tag}.pyc"
    package = layer / "python" / "vaultgate"
    for file in list(package.rglob(f"*{tag}")):
        file.rename(file.parent.parent / file.name.replace(tag, ".pyc"))
    for source in list(package.rglob("*.py")):
        source.unlink()
    assert ids(diagnosed("layer", wish=Wish(layer=layer))) == []
    for file in [one for one in package.rglob("*.pyc") if one.parent.name != "__pycache__"]:
        file.write_bytes(b"\x00\x00\r\n" + file.read_bytes()[4:])
    assert ids(diagnosed("layer", wish=Wish(layer=layer))) == ["layer.other-python"]


def test_no_python(diagnosed: Diagnose, layer: Path, tmp_path: Path) -> None:
    """A container image without one, or with an old one."""
    assert ids(diagnosed("layer", wish=Wish(layer=layer), PATH=str(tmp_path))) == ["layer.no-python"]
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\necho 3.9.2 cpython-39\n")
    old.chmod(0o755)
    assert ids(diagnosed("layer", wish=Wish(layer=layer), PATH=str(tmp_path))) == ["layer.old-python"]


# --- the extension ---


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (Answer(200, (), b'{"logged_in": true, "circuit": "closed"}'), []),
        (Answer(200, (), b'{"logged_in": false, "circuit": "open"}'), ["extension.circuit", "extension.logged-out"]),
        (Answer(403, (), b'{"errors": ["vaultgate: it lacks a header"]}'), ["extension.door"]),
        (Answer(200, (), b"hello"), ["extension.stranger"]),
    ],
)
def test_whoever_listens_in_the_function(diagnosed: Diagnose, said: Answer, found: list[str]) -> None:
    """The extension in two states, its guard, and somebody else."""
    with loopback(always(answer_bytes(said))) as server:
        listen = f"127.0.0.1:{server.origin.port}"
        report = diagnosed("extension", VAULTGATE_LISTEN=listen, AWS_LAMBDA_RUNTIME_API="127.0.0.1:1")
        assert [request.header("X-Vault-Request") for request in server.requests] == ["true"]
    assert ids(report) == found


def test_nobody_listens_in_the_function(diagnosed: Diagnose) -> None:
    """The layer isn't attached, or its extension has died; where the guard wants a secret, its file is missing."""
    inside = {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1"}
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{closed.getsockname()[1]}"
        assert ids(diagnosed("extension", VAULTGATE_LISTEN=listen, **inside)) == ["extension.silent"]
        assert ids(diagnosed("extension", VAULTGATE_LISTEN=listen, VAULTGATE_GUARD="secret", **inside)) == ["extension.door"]
    (told,) = [one.told for one in diagnosed("extension", VAULTGATE_LISTEN=listen).outcomes]
    assert told == "because no extension runs outside a function"


def test_an_extension_that_logs_in_beside_the_doctor(diagnosed: Diagnose, backstage: EmbeddedScene) -> None:
    """After a long sleep it has no token when the invocation begins: it is asked once our own login is over."""
    before = backstage.tokens()

    def converse(connection: socket.socket, following: Callable[[], Request | None]) -> None:
        following()
        said = {"logged_in": bool(backstage.tokens() - before), "circuit": "closed"}
        connection.sendall(answer_bytes(Answer(200, (), json.dumps(said).encode())))

    with loopback(converse) as server:
        listen = f"127.0.0.1:{server.origin.port}"
        assert ids(diagnosed("extension", VAULTGATE_LISTEN=listen, AWS_LAMBDA_RUNTIME_API="127.0.0.1:1")) == []


# --- rotation ---


@pytest.fixture
def amazon() -> Iterator[tuple[Served, MovableClock]]:
    """A simulated Secrets Manager whose clock, and the doctor's, is at noon."""
    clock = MovableClock()
    with served(SimulatedSecretsManager(clock)) as found:
        yield found, clock


def secret(amazon: Served, name: str, **rules: Any) -> None:
    """A secret, rotated by these rules."""
    client = amazon.client()
    client.create_secret(Name=name, SecretString="{}")
    if rules:
        client.rotate_secret(SecretId=name, RotationLambdaARN=FUNCTION, RotationRules=rules, RotateImmediately=False)
        # The service tests the function with a version that it takes away again.
        waiting = amazon.service.rotations
        amazon.service.end(waiting.pop())


def rotated(diagnosed: Diagnose, amazon: tuple[Served, MovableClock], name: str) -> list[str]:
    """What is found of a secret's rotation."""
    service, clock = amazon
    report = diagnosed("rotation", wish=Wish(secrets=(name,)), clock=clock, AWS_ENDPOINT_URL_SECRETS_MANAGER=service.endpoint)
    return ids(report)


def test_rotations(diagnosed: Diagnose, amazon: tuple[Served, MovableClock]) -> None:
    """In order, late, not enabled, without a value, not there."""
    service, clock = amazon
    secret(service, "app/rotated", AutomaticallyAfterDays=10)
    secret(service, "app/left-alone")
    assert rotated(diagnosed, amazon, "app/rotated") == []
    assert rotated(diagnosed, amazon, "app/left-alone") == ["rotation.disabled"]
    assert rotated(diagnosed, amazon, "app/nobody") == ["rotation.missing"]
    service.client().create_secret(Name="app/empty")
    assert rotated(diagnosed, amazon, "app/empty") == ["rotation.no-current", "rotation.disabled"]
    clock.advance(12 * DAY_S)
    assert rotated(diagnosed, amazon, "app/rotated") == ["rotation.overdue"]


def test_a_rotation_that_got_stuck(diagnosed: Diagnose, amazon: tuple[Served, MovableClock]) -> None:
    """A pending version is under way at first; after half an hour it blocks the next rotation, and the fix is a command."""
    service, clock = amazon
    secret(service, "app/db", AutomaticallyAfterDays=10)
    service.client().put_secret_value(
        SecretId="app/db", SecretString='{"password": "Aa1-pending"}', ClientRequestToken="v" * 32, VersionStages=["AWSPENDING"]
    )
    assert rotated(diagnosed, amazon, "app/db") == ["rotation.under-way"]
    clock.advance(1800)
    report = diagnosed("rotation", wish=Wish(secrets=("app/db",)), clock=clock, AWS_ENDPOINT_URL_SECRETS_MANAGER=service.endpoint)
    assert ids(report) == ["rotation.stuck"]
    assert report.findings[0].fix == "Run: vaultgate rotate repair app/db."
    assert "Aa1-pending" not in json.dumps(report.document())


def test_permissions_of_a_rotation(diagnosed: Diagnose, amazon: tuple[Served, MovableClock]) -> None:
    """Each refused action is named, and a service that can't be reached is no refusal."""
    service, _ = amazon
    secret(service, "app/db", AutomaticallyAfterDays=10)
    for operation in ("GetSecretValue", "GetRandomPassword"):
        service.service.deny(operation, 1)
        assert rotated(diagnosed, amazon, "app/db") == ["rotation.denied"]
    service.service.deny("DescribeSecret", 1)
    assert rotated(diagnosed, amazon, "app/db") == ["rotation.denied"]
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        away = f"http://127.0.0.1:{closed.getsockname()[1]}"
        report = diagnosed("rotation", wish=Wish(secrets=("app/db",)), AWS_ENDPOINT_URL_SECRETS_MANAGER=away)
    assert ids(report) == ["rotation.failed"]


def test_a_secret_that_is_to_be_deleted(diagnosed: Diagnose, amazon: tuple[Served, MovableClock]) -> None:
    """The service answers, so no endpoint is missing: its words say what to mend."""
    service, clock = amazon
    secret(service, "app/db")
    service.client().delete_secret(SecretId="app/db", RecoveryWindowInDays=7)
    wish = Wish(secrets=("app/db",))
    report = diagnosed("rotation", wish=wish, clock=clock, AWS_ENDPOINT_URL_SECRETS_MANAGER=service.endpoint)
    assert ids(report) == ["rotation.refused"]
    assert "restore-secret --secret-id app/db" in report.findings[0].fix


def test_permissions_by_iam(diagnosed: Diagnose) -> None:
    """The function's role may call nothing of it, says moto, which enforces IAM's policies."""
    report = diagnosed("rotation", wish=Wish(secrets=("app/db",)))
    assert ids(report) == ["rotation.denied"], report.findings
    for action in ("DescribeSecret", "ListSecretVersionIds", "GetSecretValue", "GetRandomPassword"):
        assert f"secretsmanager:{action}" in report.findings[0].fix


# --- the mirror ---


def test_a_mirror(diagnosed: Diagnose, tmp_path: Path) -> None:
    """None runs; one whose checkpoint is damaged; none was ever here."""
    log, checkpoints = tmp_path / "audit.log", tmp_path / "checkpoints"
    log.write_bytes(entry(1) + b"\n")
    words = ["--file", str(log), "--group", "/vault/audit", "--node", "n1", "--checkpoints", str(checkpoints), "--once"]
    keys = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}
    with serving(CloudWatchLogs()) as endpoint:
        command = [str(Path(sys.executable).with_name("vaultgate")), "mirror", *words, "--endpoint-url", endpoint]
        done = subprocess.run(command, env=keys | {"PATH": os.environ["PATH"]}, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = diagnosed("mirror", wish=Wish(checkpoints=checkpoints))
    assert ids(report) == ["mirror.stopped"]
    assert report.findings[0].evidence.startswith("not running, 0 lines, 0 bytes")
    log.unlink()
    assert ids(diagnosed("mirror", wish=Wish(checkpoints=checkpoints))) == ["mirror.problem", "mirror.stopped"]
    for file in checkpoints.iterdir():
        file.write_bytes(b"damaged")
    assert ids(diagnosed("mirror", wish=Wish(checkpoints=checkpoints))) == ["mirror.unreadable"]
    assert [one.state for one in diagnosed("mirror", wish=Wish(checkpoints=log.parent / "nobody")).outcomes] == ["not asked"]
