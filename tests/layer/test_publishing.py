"""`vaultgate layer publish` against an AWS that checks signatures and policies, in regions of which some may be down."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import uuid
import zipfile
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from tests.simulators.lambda_regions import AUTHOR, PUBLISHER, READER, lambda_regions

from vaultgate_ops.errors import CheckFailed, Missing, UsageProblem
from vaultgate_ops.layer import archive, manifest
from vaultgate_ops.layer.publishing import Order, check_regions
from vaultgate_ops.layer.publishing import publish as publish_order
from vaultgate_ops.local import paths
from vaultgate_ops.reporting import Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.simulators.lambda_regions import LambdaRegions

    Publish = Callable[..., subprocess.CompletedProcess[str]]

ZIP = paths.build_folder() / "vaultgate-layer.zip"
HERE, THERE, FAR = "eu-central-1", "us-east-1", "ap-southeast-2"


PROGRAM = [Path(sys.executable).with_name("vaultgate"), "layer", "publish"]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LambdaRegions]:
    """AWS Lambda; each test publishes a layer of its own."""
    with lambda_regions(tmp_path_factory.mktemp("aws")) as running:
        yield running


@pytest.fixture
def aws(service: LambdaRegions) -> LambdaRegions:
    """The same, with every region up and no call counted."""
    service.down.clear()
    service.silent.clear()
    service.calls.clear()
    return service


@pytest.fixture
def name() -> str:
    """A layer that nobody has published yet."""
    return f"vaultgate-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def publish(aws: LambdaRegions, name: str) -> Publish:
    """Runs the command line as a user does, with an identity's own credentials."""

    def run(
        *arguments: str, keys: tuple[str, str] = PUBLISHER, answer: str | None = None, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        environment = as_identity(aws, keys) | environ
        command = [*PROGRAM, "--name", name, *arguments]
        with ExitStack() as stack:
            stdin = subprocess.DEVNULL
            if answer is not None:
                person, stdin = pty.openpty()
                stack.callback(os.close, person)
                stack.callback(os.close, stdin)
                os.write(person, answer.encode())
            return subprocess.run(
                command, env=environment, cwd=paths.checkout(), capture_output=True, text=True, check=False, stdin=stdin
            )

    return run


def as_identity(aws: LambdaRegions, keys: tuple[str, str]) -> dict[str, str]:
    """The environment of a command that asks the service in somebody's name."""
    return {
        "PATH": os.environ["PATH"],
        "AWS_ENDPOINT_URL": aws.endpoint,
        "AWS_ACCESS_KEY_ID": keys[0],
        "AWS_SECRET_ACCESS_KEY": keys[1],
    }


def regions(*names: str) -> list[str]:
    """Options."""
    return [word for name in names for word in ("--region", name)]


def arn(region: str, name: str, version: int = 1) -> str:
    """Of a version in the emulated account."""
    return f"arn:aws:lambda:{region}:123456789012:layer:{name}:{version}"


def told(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """What it printed as JSON."""
    document: list[dict[str, Any]] = json.loads(done.stdout)
    return document


@contextmanager
def lambda_of(aws: LambdaRegions, region: str) -> Iterator[Any]:
    """The service, for a look behind the command."""
    keys = {"aws_access_key_id": PUBLISHER[0], "aws_secret_access_key": PUBLISHER[1]}
    with closing(boto3.client("lambda", region_name=region, endpoint_url=aws.endpoint, **keys)) as client:
        yield client


def test_every_region_gets_the_artefact_with_what_its_manifest_says(publish: Publish, aws: LambdaRegions, name: str) -> None:
    """Two regions, a line with its ARN for each; runtimes, architectures and hash are those of the zip."""
    done = publish(*regions(HERE, THERE))
    assert done.returncode == 0, done.stderr
    assert [line.split() for line in done.stdout.splitlines()] == [
        [HERE, "published", arn(HERE, name)],
        [THERE, "published", arn(THERE, name)],
    ]
    with lambda_of(aws, HERE) as client:
        there = client.get_layer_version(LayerName=name, VersionNumber=1)
    said = manifest.read(ZIP)
    assert there["Content"]["CodeSha256"] == archive.code_sha256(ZIP.read_bytes())
    assert there["CompatibleRuntimes"] == list(said.runtimes)
    assert there["CompatibleArchitectures"] == ["arm64", "x86_64"]
    assert said.version in there["Description"]


def test_a_dry_run_names_the_calls_and_makes_none(publish: Publish, aws: LambdaRegions, name: str) -> None:
    """Each call with its parameters, the zip by its hash; nothing is written, and the real run then makes these calls."""
    arguments = [*regions(HERE), "--share", "210987654321", "--share", "o-a1b2c3d4e5", "--json"]
    dry = publish(*arguments, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    (region,) = told(dry)
    assert (region["state"], region["arn"], aws.written()) == ("published", None, [])
    first, *grants = region["calls"]
    assert first["call"] == "PublishLayerVersion"
    assert first["parameters"]["LayerName"] == name
    assert first["parameters"]["CodeSha256"] == archive.code_sha256(ZIP.read_bytes())
    assert [grant["parameters"]["VersionNumber"] for grant in grants] == ["the new one"] * 2
    assert (grants[0]["parameters"]["Principal"], grants[1]["parameters"]["OrganizationId"]) == ("210987654321", "o-a1b2c3d4e5")
    done = publish(*arguments)
    assert done.returncode == 0, done.stderr
    (real,) = told(done)
    assert [call["call"] for call in real["calls"]] == [call["call"] for call in region["calls"]]
    assert aws.written() == [HERE] * 3


def test_a_dry_run_says_it_in_words(publish: Publish) -> None:
    """Without --json each call is a line below its region."""
    done = publish(*regions(HERE), "--dry-run")
    assert done.returncode == 0, done.stderr
    first, call = done.stdout.splitlines()
    assert first.split() == [HERE, "would", "be", "published", "-"]
    assert call.startswith('    PublishLayerVersion {"LayerName": ')


def test_a_region_that_is_down_is_named_and_the_same_command_goes_on(publish: Publish, aws: LambdaRegions, name: str) -> None:
    """The others get theirs, it is asked once, the exit code is 1, and the second run publishes in that one alone."""
    aws.down.add(THERE)
    done = publish(*regions(HERE, THERE, FAR))
    assert done.returncode == 1
    assert [region for region, _, _ in aws.calls].count(THERE) == 1
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [
        [HERE, "published"],
        [THERE, "failed"],
        [FAR, "published"],
    ]
    assert f"1 of 3 regions failed. {THERE}: " in done.stderr
    assert "the region is down" in done.stderr
    assert "give the same command again" in done.stderr
    aws.down.clear()
    aws.calls.clear()
    again = publish(*regions(HERE, THERE, FAR))
    assert again.returncode == 0, again.stderr
    assert [line.split() for line in again.stdout.splitlines()] == [
        [HERE, "already", "there", arn(HERE, name)],
        [THERE, "published", arn(THERE, name)],
        [FAR, "already", "there", arn(FAR, name)],
    ]
    assert aws.written() == [THERE]


def test_who_interrupts_hears_of_what_is_published(
    aws: LambdaRegions, name: str, eventually: Callable[[Callable[[], object]], None]
) -> None:
    """Ctrl-C in the second region: the first one's version stands on stdout."""
    aws.silent.add(THERE)
    command = [*PROGRAM, "--name", name, *regions(HERE, THERE)]
    with subprocess.Popen(
        command, env=as_identity(aws, PUBLISHER), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as running:
        eventually(lambda: any(region == THERE for region, _, _ in aws.calls))
        running.send_signal(signal.SIGINT)
        said, _ = running.communicate()
    assert [line.split() for line in said.splitlines()] == [[HERE, "published", arn(HERE, name)]]
    assert running.returncode == 130


def test_who_shares_with_nobody_needs_no_right_to_policies(publish: Publish, aws: LambdaRegions) -> None:
    """Neither the first run nor the next asks for a version's policy, as docs/layer.md says of the actions that are needed."""
    for _ in range(2):
        assert publish(*regions(HERE)).returncode == 0
    assert aws.calls
    assert not [path for _, _, path in aws.calls if path.endswith("/policy")]


def test_another_artefact_becomes_the_next_version(publish: Publish, aws: LambdaRegions, name: str, tmp_path: Path) -> None:
    """A zip with other bytes is another version; the newest is what counts."""
    assert publish(*regions(HERE)).returncode == 0
    other = tmp_path / "other.zip"
    other.write_bytes(ZIP.read_bytes())
    with zipfile.ZipFile(other, "a") as packed:
        packed.writestr("another", "")
    done = publish(*regions(HERE), "--archive", str(other))
    assert arn(HERE, name, 2) in done.stdout, done.stderr
    back = publish(*regions(HERE))
    assert arn(HERE, name, 3) in back.stdout, back.stderr
    with lambda_of(aws, HERE) as client:
        assert len(client.list_layer_versions(LayerName=name)["LayerVersions"]) == 3


def test_the_same_zip_declared_for_less_is_published_anew(publish: Publish, aws: LambdaRegions, name: str) -> None:
    """Somebody published it by hand for one runtime: that version isn't what was asked for."""
    with lambda_of(aws, HERE) as client:
        client.publish_layer_version(
            LayerName=name,
            Content={"ZipFile": ZIP.read_bytes()},
            CompatibleRuntimes=["python3.11"],
            CompatibleArchitectures=["arm64"],
        )
    done = publish(*regions(HERE))
    assert [line.split() for line in done.stdout.splitlines()] == [[HERE, "published", arn(HERE, name, 2)]]


def test_sharing_is_done_once_also_for_a_version_that_is_there(publish: Publish, aws: LambdaRegions) -> None:
    """A version that was published before gets the permission it lacks, and only that."""
    assert publish(*regions(HERE)).returncode == 0
    for state, expected in (("shared", [HERE]), ("already there", [])):
        aws.calls.clear()
        done = publish(*regions(HERE), "--share", "210987654321", "--json")
        assert done.returncode == 0, done.stderr
        assert (told(done)[0]["state"], aws.written()) == (state, expected)


def test_a_version_that_could_not_be_shared_is_named_and_then_shared_as_it_is(
    publish: Publish, aws: LambdaRegions, name: str
) -> None:
    """Who may publish and not share leaves a version; it is in the outcome as all that was done, and doesn't get a second one."""
    arguments = [*regions(HERE), "--share", "210987654321", "--json"]
    half = publish(*arguments, keys=AUTHOR)
    assert half.returncode == 5
    assert "lambda:AddLayerVersionPermission" in half.stderr
    (region,) = told(half)
    assert (region["state"], region["arn"]) == ("failed", arn(HERE, name))
    assert [call["call"] for call in region["calls"]] == ["PublishLayerVersion"]
    aws.calls.clear()
    (region,) = told(publish(*arguments))
    assert (region["state"], region["arn"], aws.written()) == ("shared", arn(HERE, name), [HERE])


def test_what_is_published_is_what_was_looked_at(aws: LambdaRegions, name: str, tmp_path: Path) -> None:
    """A build that replaces the zip meanwhile changes nothing: manifest, hash and content are of one reading."""
    copy = shutil.copyfile(ZIP, tmp_path / "layer.zip")
    order = Order(name, copy)
    copy.write_bytes(b"another")
    (outcome,) = publish_order(order, [HERE], lambda region: lambda_of(aws, region), Silent())
    assert outcome.state == "published"
    with lambda_of(aws, HERE) as client:
        there = client.get_layer_version(LayerName=name, VersionNumber=1)
    assert there["Content"]["CodeSha256"] == order.sha256 == archive.code_sha256(ZIP.read_bytes())


def test_everybody_is_asked_for_aloud(publish: Publish, aws: LambdaRegions) -> None:
    """Without a terminal and without --yes nothing happens, and the error says what it would mean; a dry run needs no word."""
    dry = publish(*regions(HERE), "--share", "public", "--dry-run")
    assert (dry.returncode, aws.written()) == (0, []), dry.stderr
    aws.calls.clear()
    done = publish(*regions(HERE), "--share", "public")
    assert (done.returncode, aws.calls) == (2, [])
    assert "Every AWS account will be able to use the layer" in done.stderr
    assert "--yes" in done.stderr
    done = publish(*regions(HERE), "--share", "public", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    grant = told(done)[0]["calls"][1]["parameters"]
    assert (grant["Principal"], "OrganizationId" in grant) == ("*", False)


def test_a_person_who_is_asked_can_say_no(publish: Publish, aws: LambdaRegions) -> None:
    """At a terminal: `n` and a mere Enter do nothing, `y` does it."""
    for no in ("n\n", "\n"):
        done = publish(*regions(HERE), "--share", "public", answer=no)
        assert (done.returncode != 0, aws.calls) == (True, []), done.stderr
        assert "Every AWS account" in done.stderr
    done = publish(*regions(HERE), "--share", "public", answer="y\n")
    assert (done.returncode, len(aws.written())) == (0, 2), done.stderr


def test_who_may_only_look_gets_a_dry_run_and_no_more(publish: Publish) -> None:
    """The real run ends with exit code 5, and names the action that the identity lacks."""
    assert publish(*regions(HERE), "--dry-run", keys=READER).returncode == 0
    done = publish(*regions(HERE), "--json", keys=READER)
    assert done.returncode == 5
    assert "lambda:PublishLayerVersion" in done.stderr
    assert "fix: Allow the action; docs/layer.md lists those" in done.stderr
    assert told(done)[0]["calls"] == []


@pytest.mark.parametrize("keys", [(PUBLISHER[0], "wrong"), ("AKIANOBODY", "nobody")])
def test_wrong_keys_are_denied(publish: Publish, keys: tuple[str, str]) -> None:
    """Exit code 5 for a signature that doesn't hold, and for nobody, with where to look."""
    done = publish(*regions(HERE), keys=keys)
    assert done.returncode == 5
    assert "fix: Look at the credentials" in done.stderr


@pytest.mark.parametrize(
    ("environ", "code", "fix"),
    [
        ({"AWS_PROFILE": "nobody"}, 2, "AWS_PROFILE"),
        ({"AWS_ENDPOINT_URL": "nonsense"}, 2, "https://HOST"),
        ({"AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}, 5, "Set a profile or credentials"),
    ],
    ids=["profile", "endpoint", "keys"],
)
def test_a_set_up_that_leads_nowhere_says_what_to_mend(
    publish: Publish, tmp_path: Path, environ: dict[str, str], code: int, fix: str
) -> None:
    """A profile that isn't there, an endpoint that is no address, half a pair of keys: one sentence and its fix."""
    nowhere = {"AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials")}
    done = publish(*regions(HERE), **nowhere, **environ)
    assert done.returncode == code, done.stderr
    assert fix in done.stderr.partition("fix: ")[2]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("region", ["frankfurt", "eu-central", "EU-CENTRAL-1", ""])
def test_what_is_no_region_is_refused(region: str) -> None:
    """Before anything is asked."""
    with pytest.raises(UsageProblem, match="is no region of AWS"):
        check_regions([HERE, region])


def test_a_region_that_is_named_twice_counts_once() -> None:
    """And they keep their order."""
    assert check_regions([THERE, HERE, THERE]) == (THERE, HERE)


@pytest.mark.parametrize("share", ["1234", "o-x", "everybody"])
def test_sharing_with_what_aws_does_not_know_is_refused(share: str) -> None:
    """An account has 12 digits, an organization an id."""
    with pytest.raises(UsageProblem, match="can't be shared with"):
        Order("vaultgate", ZIP, (share,))


def test_only_a_layer_of_vaultgate_is_published(tmp_path: Path) -> None:
    """A zip without a manifest is refused, a missing one is missing, and so is a name that Lambda wouldn't take."""
    (tmp_path / "some.zip").write_text("")
    with pytest.raises(CheckFailed, match="no layer of Vaultgate"):
        Order("vaultgate", tmp_path / "some.zip")
    with pytest.raises(Missing, match="There is no"):
        Order("vaultgate", tmp_path / "none.zip")
    with pytest.raises(UsageProblem, match="no name of a layer"):
        Order("vault gate", ZIP)
