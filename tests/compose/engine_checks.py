"""docker-compose.yml on a real engine; `make test-compose` runs this, `make test` doesn't collect it (it needs an engine)."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pymysql
import pytest
from botocore.exceptions import ClientError

from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import CheckFailed, Unreachable
from vaultgate_ops.local import paths
from vaultgate_ops.local.aws import Credentials, EmulatedAws
from vaultgate_ops.local.compose import engine as engines
from vaultgate_ops.local.compose import standing, unseal
from vaultgate_ops.local.compose.engine import PROJECT
from vaultgate_ops.local.compose.project import CHOSEN_BY_ENGINE, Project, demo_name, remove
from vaultgate_ops.local.compose.scene import KEYS, ComposeScene
from vaultgate_ops.local.function_endpoint import INVOKE_PATH, FunctionEndpoint
from vaultgate_ops.local.proxy_events import GET_RECORDS
from vaultgate_ops.local.vault_cluster import voting
from vaultgate_ops.reporting import Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from docker.models.containers import Container

SERVICES = ("prepare", "vault", "unseal", "mysql", "aws", "bootstrap", "function", "front")
STAY = ("vault", "unseal", "mysql", "aws", "function", "front")
NODES = ("vault", "vault-b", "vault-c")
STANDBY = 429  # of /v1/sys/health
DEAD_PID = 2**22  # above the largest pid that Linux gives out
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def project() -> Iterator[Project]:
    """The whole file, up and healthy, in a project of its own."""
    one = Project(f"{demo_name()}", {**os.environ, **CHOSEN_BY_ENGINE}, Silent(), Clock())
    one.check()
    one.build()
    try:
        one.up("front")
        yield one
    finally:
        remove(one.engine, one.name, Clock())


@pytest.fixture
def scene(project: Project, tmp_path: Path) -> ComposeScene:
    """What the administrators see."""
    return ComposeScene(project, tmp_path)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Project]:
    """What `vaultgate up --docker` brings up where `.env`, or the environment, asks for three nodes, as docs/local.md has it."""
    name = f"ha-{os.getpid()}"
    asked = {"COMPOSE_PROFILES": "ha", "VAULT_ADDRESSES": "https://vault-b:8200,https://vault-c:8200"}
    environment = {**os.environ, **CHOSEN_BY_ENGINE, **asked}
    done = vaultgate("up", "--docker", "--name", name, environment=environment)
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        yield Project(f"vaultgate-{name}", environment, Silent(), Clock())
    finally:
        vaultgate("down", "--name", name)


def vaultgate(*arguments: str, environment: Mapping[str, str] = os.environ) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does."""
    program = Path(sys.executable).with_name("vaultgate")
    return subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, check=False)


def everything_of(name: str) -> list[str]:
    """What the engine holds of a project."""
    engine, label = engines.connect(os.environ), {"label": f"{PROJECT}={name}"}
    return [
        *(str(one.name) for one in engine.containers.list(all=True, filters=label)),
        *(str(one.name) for one in engine.networks.list(filters=label)),
        *(str(one.name) for one in engine.volumes.list(filters=label)),
    ]


def test_the_demo_tells_the_same_story(capsys: pytest.CaptureFixture[str]) -> None:
    """`vaultgate demo --docker` exits 0, tells every step of the embedded demo, and leaves nothing in the engine."""
    before = {str(one.name) for one in engines.connect(os.environ).volumes.list()}
    done = vaultgate("demo", "--docker")
    with capsys.disabled():
        sys.stdout.write(f"\n{done.stdout}")
    assert done.returncode == 0, done.stdout + done.stderr
    told = [re.split(r"\s{2,}", line)[0] for line in done.stdout.splitlines()]
    assert told == [
        "stack started",
        "Vault configured",
        "layer built",
        "function cold-started",
        "GET /records answered",
        "second call is warm",
        "lease revoked behind its back",
        "sandbox shut down",
        "audit log mirrored",
        "done",
    ]
    assert {str(one.name) for one in engines.connect(os.environ).volumes.list()} == before


@pytest.mark.parametrize(("how", "others"), [((), 0), (("--ha",), 2)])
def test_up_prints_what_a_shell_needs_and_down_takes_all_away(how: tuple[str, ...], others: int) -> None:
    """`up --docker` prints variables with which curl and a Vault client work; `down` removes stack, volumes and files."""
    name = f"check-{os.getpid()}"
    program = shlex.quote(str(Path(sys.executable).with_name("vaultgate")))
    script = (
        f'set -eu; told="$({program} up --docker {" ".join(how)} --name {name})";'
        ' export VAULT_NAMESPACE=theirs VAULTGATE_ADDRESSES=https://127.0.0.1:1; eval "$told"; test -z "${VAULT_NAMESPACE:-}";'
        ' curl --fail --silent --noproxy "*" "$RECORDS_URL"; echo;'
        ' curl --fail --silent --noproxy "*" --cacert "$VAULT_CACERT" --header "X-Vault-Token: $VAULT_TOKEN"'
        ' "$VAULT_ADDR/v1/auth/token/lookup-self"; echo "[\\"${VAULTGATE_ADDRESSES:-}\\"]"'
    )
    environment = {**os.environ, **CHOSEN_BY_ENGINE}
    try:
        done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        counted, token, (addresses,) = (json.loads(line) for line in done.stdout.splitlines())
        assert counted["count"] == 42
        assert len(re.findall(r"https://127\.0\.0\.1:\d+", addresses)) == others
        assert token["data"]["policies"] == ["root"]
    finally:
        vaultgate("down", "--name", name)
    assert everything_of(f"vaultgate-{name}") == []
    assert not (paths.build_folder() / "compose" / f"vaultgate-{name}").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130)])
def test_an_interrupted_demo_leaves_nothing(number: signal.Signals, code: int) -> None:
    """Ctrl-C, or a request to end, while compose is at work: exit code 130, and the engine holds nothing of it."""
    name = interrupted_demo(number, code)
    assert everything_of(name) == []


def test_what_a_killed_demo_leaves_goes_with_the_next_down() -> None:
    """After SIGKILL containers stay; `vaultgate down` finds and removes them by their owner's death."""
    name = interrupted_demo(signal.SIGKILL, -signal.SIGKILL)
    done = vaultgate("down", "--name", "nobody")
    assert done.returncode == 0, done.stderr
    assert everything_of(name) == []


def interrupted_demo(number: signal.Signals, code: int) -> str:
    """Start a demo, send it a signal once its first volumes are there, wait for its end; its project's name."""
    program = Path(sys.executable).with_name("vaultgate")
    clock, engine = Clock(), engines.connect(os.environ)
    # A job in the background of a script ignores SIGINT, and so do its children, unless somebody says otherwise.
    command = ["env", "--default-signal=INT", program, "demo", "--docker"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as demo:
        prefix = f"vaultgate-demo-{demo.pid}-"
        deadline = clock.steady() + PATIENCE_S
        names: set[str] = set()
        while not names:
            assert clock.steady() < deadline
            clock.sleep(0.05)
            labels = [volume.attrs.get("Labels") or {} for volume in engine.volumes.list()]
            names = {label[PROJECT] for label in labels if label.get(PROJECT, "").startswith(prefix)}
        demo.send_signal(number)
        assert demo.wait(PATIENCE_S) == code
    return names.pop()


def test_an_image_that_cannot_be_pulled_stops_it_before_anything_starts(project: Project) -> None:
    """A made-up image is named in one sentence; no container, network or volume has been made by then."""
    name = "vaultgate-test-unpullable"
    environment = {**os.environ, **CHOSEN_BY_ENGINE, "VAULT_IMAGE": "registry.invalid/vault:0"}
    with pytest.raises(Unreachable, match=r"^The image registry\.invalid/vault:0 can't be pulled: "):
        Project(name, environment, Silent(), Clock()).check()
    assert everything_of(name) == []
    assert project.container("front").status == "running"


def test_every_service_that_stays_is_healthy_and_every_step_ended_well(project: Project) -> None:
    """Once `front` is healthy, all others are, and the one-shot services ended with 0."""
    for service in SERVICES:
        state = project.container(service).attrs["State"]
        if service in STAY:
            assert state["Status"] == "running", service
        else:
            assert (state["Status"], state["ExitCode"]) == ("exited", 0), service
    healthy = [service for service in STAY if project.container(service).attrs["State"]["Health"]["Status"] == "unhealthy"]
    assert not healthy


def test_every_port_is_on_loopback(project: Project) -> None:
    """What is published is published on 127.0.0.1 alone."""
    bound = {
        binding["HostIp"]
        for service in STAY
        for bindings in project.container(service).ports.values()
        for binding in bindings or ()
    }
    assert bound == {"127.0.0.1"}


def test_no_secret_can_be_read_from_outside_the_volumes(project: Project) -> None:
    """What was drawn stands in no container's settings, process list or log."""
    secrets = [
        project.read("unseal", f"{KEYS}/{name}").decode()
        for name in ("root-token", "unseal-key", "mysql-root-password", "vault-admin-password")
    ]
    for service in SERVICES:
        container = project.container(service)
        seen = json.dumps(container.attrs) + container.logs().decode(errors="replace")
        if container.status == "running":
            seen += json.dumps(container.top())
        assert not [secret for secret in secrets if secret in seen], service


def test_the_emulated_aws_refuses_a_wrong_key(project: Project, tmp_path: Path) -> None:
    """A call that is signed with a made-up key gets SignatureDoesNotMatch or an unknown-token error, not an answer."""
    port = int(project.address("aws", 5000).rpartition(":")[2])
    aws = EmulatedAws(tmp_path, Clock(), port)
    with aws.client("sts", Credentials("AKIAIOSFODNN7EXAMPLE", "x" * 40)) as sts, pytest.raises(ClientError) as refused:
        sts.get_caller_identity()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_mysql_takes_nobody_without_tls(project: Project) -> None:
    """A connection in clear is refused, even to whoever has the password."""
    host, _, port = project.address("mysql", 3306).partition(":")
    password = project.read("unseal", f"{KEYS}/mysql-root-password").decode()
    with pytest.raises(pymysql.OperationalError):
        pymysql.connect(host=host, port=int(port), user="root", password=password, ssl_disabled=True, connect_timeout=5)


def test_the_layer_and_the_function_are_read_only(project: Project) -> None:
    """Neither /opt nor /var/task can be written to from the function's container."""
    for folder in ("/opt", "/var/task"):
        assert project.container("function").exec_run(["touch", f"{folder}/x"]).exit_code != 0


def test_vault_writes_its_audit_file_to_its_volume(project: Project, scene: ComposeScene) -> None:
    """The function's reads are in the audit file, by accessor, with no user name in clear."""
    status, body = scene.get("/records")
    assert status == 200
    audit = project.read("vault", "/srv/vault/audit/audit.log").decode()
    assert '"path":"database/creds/records"' in audit
    assert body["credential"]["user"] not in audit


def test_a_restarted_vault_is_unsealed_and_the_function_goes_on(project: Project, scene: ComposeScene) -> None:
    """After a restart of Vault's container the function answers again without anybody's help."""
    project.container("vault").restart()
    clock = Clock()
    deadline = clock.steady() + PATIENCE_S
    answer: tuple[int, dict[str, Any]] = (0, {})
    while answer[0] != 200:
        assert clock.steady() < deadline, answer
        clock.sleep(0.5)
        answer = scene.get("/records")
    assert answer[1]["count"] == scene.rows()


def test_bringing_it_up_again_changes_nothing(project: Project, scene: ComposeScene) -> None:
    """A second `up` keeps the containers, the keys and the data, and bootstrap finds no change."""
    # Sources may have changed since the first `up`, and another test may have built the image anew.
    project.up("front")
    before = {service: project.container(service).id for service in STAY}
    token = project.read("unseal", f"{KEYS}/root-token")
    project.up("front")
    assert {service: project.container(service).id for service in STAY} == before
    assert project.read("unseal", f"{KEYS}/root-token") == token
    assert scene.pending_changes() == 0


def test_a_function_whose_credentials_ended_is_started_again(project: Project, scene: ComposeScene) -> None:
    """The emulated AWS forgets every key when it restarts; after the next `up` the function runs with the new ones."""
    project.container("aws").restart()
    project.up("front")
    valid = project.read("function", "/run/credentials/function.sh").decode()
    key = re.findall(r"AWS_ACCESS_KEY_ID=(\S+)", valid)[0]
    held = project.container("function").exec_run(["sh", "-c", "tr '\\0' '\\n' </proc/1/environ"]).output.decode()
    assert f"AWS_ACCESS_KEY_ID={key}" in held.splitlines()
    assert scene.get("/records")[0] == 200


def test_a_volume_of_another_version_is_refused_before_anything_starts(project: Project) -> None:
    """With a volume of an older format under the project's name, `check` says so in one sentence and starts nothing."""
    name = "vaultgate-test-old"
    project.engine.volumes.create(f"{name}_keys", labels={PROJECT: name, "io.vaultgate.format": "0"})
    try:
        old = Project(name, {**os.environ, **CHOSEN_BY_ENGINE}, Silent(), Clock())
        with pytest.raises(CheckFailed, match="is of format 0"):
            old.check()
        assert everything_of(name) == [f"{name}_keys"]
    finally:
        remove(project.engine, name, Clock())
    assert everything_of(name) == []


def test_down_removes_a_demo_whose_owner_is_dead_and_no_other(project: Project) -> None:
    """`vaultgate down` takes away what a killed demo left, and leaves a living one's project alone."""
    name = f"vaultgate-demo-{DEAD_PID}-1"
    project.engine.volumes.create(f"{name}_keys", labels={PROJECT: name, "io.vaultgate.format": "1"})
    done = vaultgate("down", "--name", "nobody")
    assert done.returncode == 0, done.stderr
    assert everything_of(name) == []
    assert project.container("front").status == "running"


def test_stopping_the_function_gives_everything_back(project: Project, scene: ComposeScene) -> None:
    """`docker stop` of the function reaches the extension as SHUTDOWN: no lease and no database user is left."""
    assert scene.get("/records")[0] == 200
    scene.stop_function()
    clock = Clock()
    deadline = clock.steady() + PATIENCE_S
    while scene.leases() or scene.database_users():
        assert clock.steady() < deadline, scene.leases()
        clock.sleep(0.2)
    project.container("function").start()
    project.up("front")


def test_removing_a_project_leaves_nothing(project: Project) -> None:
    """A second project can come up beside the first, and after `remove` no container, network or volume of it is there."""
    name = "vaultgate-test-second"
    second = Project(name, {**os.environ, **CHOSEN_BY_ENGINE}, Silent(), Clock())
    try:
        second.up("prepare")
        assert everything_of(name)
    finally:
        remove(second.engine, name, Clock())
    assert everything_of(name) == []
    assert project.container("front").status == "running"


def documented(page: str) -> list[str]:
    """The Dockerfiles that a page of docs/ shows."""
    text = (paths.checkout() / "docs" / page).read_text(encoding="utf-8")
    return re.findall(r"```dockerfile\n(.*?)```", text, re.DOTALL)


@contextmanager
def function_of(project: Project, dockerfile: str, folder: Path) -> Iterator[Container]:
    """The record-count function in an image that these lines build, beside the project's own; /opt is the image's."""
    engine, own = project.engine, project.container("function")
    shutil.copytree(paths.build_folder() / "layer", folder / "build/layer")
    shutil.copyfile(paths.build_folder() / "vaultgate-layer.zip", folder / "vaultgate-layer.zip")
    (folder / "Dockerfile").write_text(dockerfile, encoding="utf-8")
    image, _ = engine.images.build(path=str(folder), buildargs={"IMAGE": own.attrs["Config"]["Image"]}, rm=True, forcerm=True)
    mounted = {
        one["Name"]: {"bind": one["Destination"], "mode": "ro"} for one in own.attrs["Mounts"] if one["Destination"] != "/opt"
    }
    container = engine.containers.run(
        image.id,
        own.attrs["Config"]["Cmd"],
        entrypoint=own.attrs["Config"]["Entrypoint"],
        environment=own.attrs["Config"]["Env"],
        volumes=mounted,
        network=next(iter(own.attrs["NetworkSettings"]["Networks"])),
        ports={"8080/tcp": ("127.0.0.1", None)},
        labels={PROJECT: project.name},
        detach=True,
    )
    try:
        yield container
    finally:
        container.remove(force=True, v=True)
        engine.images.remove(image.id, force=True)


@pytest.mark.parametrize("number", [0, 1], ids=["from the folder", "from the zip"])
def test_a_container_image_with_the_layers_files_counts_records(
    project: Project, scene: ComposeScene, tmp_path: Path, number: int
) -> None:
    """Each Dockerfile of docs/layer.md, built as it stands, makes an image in which the extension serves the function."""
    dockerfiles = documented("layer.md")
    assert len(dockerfiles) == 2
    clock = Clock()
    deadline = clock.steady() + PATIENCE_S
    with function_of(project, dockerfiles[number], tmp_path) as container:
        while "8080/tcp" not in container.ports or not listens(int(container.ports["8080/tcp"][0]["HostPort"])):
            assert clock.steady() < deadline, container.logs().decode()
            clock.sleep(0.1)
            container.reload()
        url = f"http://127.0.0.1:{container.ports['8080/tcp'][0]['HostPort']}{INVOKE_PATH}"
        answer = FunctionEndpoint(url).invoke(GET_RECORDS)
        assert answer.get("statusCode") == 200, container.logs().decode()
        body = json.loads(answer["body"])
        assert (body["count"], body["credential"]["source"]) == (scene.rows(), "vault")
        assert (
            container.exec_run(["cat", "/opt/vaultgate-layer.json"]).output
            == (paths.build_folder() / "layer/vaultgate-layer.json").read_bytes()
        )


def listens(port: int) -> bool:
    """Whether somebody takes connections there, and hangs up on nobody."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 2) as connection:
        connection.settimeout(0.2)
        try:
            return connection.recv(1) != b""
        except TimeoutError:
            return True
    return False


def leader(cluster: Project, ca_file: Path) -> str | None:
    """The node that leads, as the nodes themselves say over TLS; the others that answer must stand by, unsealed."""
    said = {node: unseal.health(f"https://{cluster.address(node, 8200)}", ca_file) for node in NODES if runs(cluster, node)}
    leading = [node for node, status in said.items() if status == unseal.ACTIVE]
    others = {status for status in said.values() if status != unseal.ACTIVE}
    return leading[0] if len(leading) == 1 and others == {STANDBY} else None


def kill(cluster: Project, node: str) -> None:
    """End a node's container as a power cut would."""
    container = cluster.container(node)
    container.kill()
    container.wait()


def revive(cluster: Project, node: str, ca_file: Path) -> None:
    """Start a node again; the operator unseals it, and one of all three leads."""
    cluster.container(node).start()
    wait_for(lambda: standing.state(cluster.container(node)) == standing.HEALTHY and leader(cluster, ca_file) is not None)


def runs(cluster: Project, node: str) -> bool:
    """Whether a node's container runs."""
    return bool(cluster.container(node).status == "running")


def voters(cluster: Project, node: str, ca_file: Path) -> set[str]:
    """Who may vote, as one of the nodes knows it."""
    token = cluster.read("unseal", f"{KEYS}/root-token").decode()
    with unseal.client(f"https://{cluster.address(node, 8200)}", ca_file, token) as client:
        return voting(client)


def test_three_nodes_are_one_cluster_once_it_is_up(cluster: Project, tmp_path: Path) -> None:
    """As soon as `up` returns, one node leads over TLS, two stand by, and all three have a vote."""
    ca_file = ComposeScene(cluster, tmp_path).ca_file()
    leading = leader(cluster, ca_file)
    assert leading is not None
    assert voters(cluster, leading, ca_file) == {*NODES}


def test_the_function_outlives_the_leader(cluster: Project, tmp_path: Path) -> None:
    """With its lease revoked and the leader's container killed, GET /records answers at once, as a user of another node."""
    scene = ComposeScene(cluster, tmp_path)
    first = leader(cluster, scene.ca_file())
    assert first is not None
    assert scene.get("/records")[0] == 200
    before = scene.database_users()
    for lease in scene.leases():
        scene.revoke(lease)
    kill(cluster, first)
    try:
        status, body = scene.get("/records")
        assert (status, body.get("count")) == (200, scene.rows())
        assert body["credential"]["user"] not in before
        assert leader(cluster, scene.ca_file()) in {*NODES} - {first}
    finally:
        revive(cluster, first, scene.ca_file())
    assert scene.get("/records")[0] == 200


def test_a_function_starts_while_the_first_address_is_dead(cluster: Project, tmp_path: Path) -> None:
    """A cold start logs in through VAULTGATE_ADDRESSES where VAULT_ADDR's container is killed."""
    scene = ComposeScene(cluster, tmp_path)
    scene.stop_function()
    kill(cluster, NODES[0])
    try:
        cluster.container("function").start()
        wait_for(lambda: standing.state(cluster.container("function")) == standing.HEALTHY)
        assert scene.get("/records")[0] == 200
    finally:
        revive(cluster, NODES[0], scene.ca_file())


def test_status_shows_each_container_and_which_is_dead(cluster: Project, tmp_path: Path) -> None:
    """`vaultgate status` has a line for each service, all healthy or done and exit code 0; 1 once a node is killed."""
    name, ca_file = cluster.name.removeprefix("vaultgate-"), ComposeScene(cluster, tmp_path).ca_file()
    done = vaultgate("status", "--name", name)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert (done.returncode, lines[0]) == (0, [cluster.name, "(docker):"]), done.stdout + done.stderr
    shown = {line[0]: line[3] for line in lines[1:]}
    assert shown == dict.fromkeys(sorted({*SERVICES, *NODES, "mirror"}), "healthy") | {"prepare": "done", "bootstrap": "done"}
    addresses = {line[0]: line[2] for line in lines[1:]}
    assert [addresses[node] for node in NODES] == [cluster.address(node, 8200) for node in NODES]
    kill(cluster, NODES[2])
    try:
        done = vaultgate("status", "--name", name)
        assert done.returncode == 1
        assert re.search(rf"{NODES[2]} +- +- +failed", done.stdout)
    finally:
        revive(cluster, NODES[2], ca_file)


def wait_for(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    clock = Clock()
    deadline = clock.steady() + PATIENCE_S
    while not holds():
        assert clock.steady() < deadline
        clock.sleep(0.2)
