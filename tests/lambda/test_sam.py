"""template.yaml: valid, least privilege, and what `sam build` makes of it runs by itself under the emulator."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from vaultgate_ops.local import paths, processes
from vaultgate_ops.local.fetch.emulator import find_emulator
from vaultgate_ops.local.proxy_events import GET_RECORDS
from vaultgate_ops.local.sandbox import Sandbox
from vaultgate_ops.local.stack import HANDLER

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from vaultgate_ops.local.scene import EmbeddedScene
    from vaultgate_ops.local.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("sam")]

FUNCTION = ["aws_lambda_powertools", "jmespath", "pymysql", "typing_extensions.py", "vaultgate_ops"]
LARGEST_ZIP = 1_800_000
ROTATION = "vaultgate_ops.rotation"
FILE = {"Records": [{"s3": {"bucket": {"name": "nowhere"}, "object": {"key": "node-1/file/audit.log", "eTag": "x"}}}]}


class Intrinsics(yaml.SafeLoader):
    """YAML with CloudFormation's short forms: ``!Ref x`` becomes ``{"Ref": "x"}``, ``!If [...]`` ``{"Fn::If": [...]}``."""


def _intrinsic(loader: Intrinsics, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    else:
        value = loader.construct_sequence(node, deep=True)
    return {suffix if suffix == "Ref" else f"Fn::{suffix}": value}


Intrinsics.add_multi_constructor("!", _intrinsic)


def sam(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `sam` as a user does, but for its telemetry."""
    environment = {**os.environ, "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "us-east-1"}
    program = Path(sys.executable).with_name("sam")
    return subprocess.run(
        [program, *arguments], cwd=paths.checkout(), env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `sam build` leaves, in a place of its own."""
    folder = tmp_path_factory.mktemp("sam") / "build"
    done = sam("build", "--build-dir", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    """The template, its intrinsic functions in their long form."""
    return yaml.load((paths.checkout() / "template.yaml").read_text(encoding="utf-8"), Intrinsics)  # noqa: S506 - a SafeLoader


def packed(folder: Path, archive: Path) -> Path:
    """Zip a folder, as Lambda gets it."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                zipped.write(file, file.relative_to(folder))
    return archive


def unpacked(archive: Path, folder: Path) -> Path:
    """Unzip as Lambda does: with the modes that the archive names."""
    with zipfile.ZipFile(archive) as zipped:
        for entry in zipped.infolist():
            Path(zipped.extract(entry, folder)).chmod(entry.external_attr >> 16 & 0o777)
    return folder


def test_the_template_is_valid() -> None:
    """`sam validate --lint` has nothing to say."""
    done = sam("validate", "--lint")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is a valid SAM Template" in done.stdout


def test_building_leaves_nothing_beside_build(built: Path) -> None:
    """`sam build` makes no .aws-sam/ in the checkout."""
    assert (built / "template.yaml").is_file()
    assert not (paths.checkout() / ".aws-sam").exists()


def test_the_function_holds_what_it_imports_and_nothing_else(built: Path, tmp_path: Path) -> None:
    """Of our own code only the record-count function is in it, and the whole stays small."""
    folder = built / "RecordsFunction"
    listed = sorted(path.name for path in folder.iterdir() if not path.name.endswith(".dist-info"))
    assert listed == FUNCTION
    ours = {path.relative_to(folder / "vaultgate_ops").parts[0] for path in (folder / "vaultgate_ops").rglob("*.py")}
    assert ours == {"__init__.py", "doctor", "records"}
    assert not [*folder.rglob("__pycache__")]
    assert packed(folder, tmp_path / "function.zip").stat().st_size < LARGEST_ZIP


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("RotationFunction", "handler"),
        ("ParameterRotationFunction", "parameter_handler"),
        ("OverdueFunction", "overdue_handler"),
    ],
)
def test_the_other_functions_import_what_was_built(built: Path, name: str, module: str) -> None:
    """The built folder alone, beside the runtime's boto3, holds all that the handler needs."""
    folder = built / name
    assert {path.name for path in (folder / "vaultgate_ops").iterdir()} == {"__init__.py", "clock.py", "errors.py", "rotation"}
    code = f"import sys; sys.path.insert(0, {str(folder)!r}); import {ROTATION}.{module} as one, jmespath as two; print(one, two)"
    environment = {"AWS_DEFAULT_REGION": "us-east-1", "OVERDUE_SECRETS": "one=45"}
    done = subprocess.run([sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(str(folder)) == 2


def test_the_audit_function_is_whole(built: Path, tmp_path: Path) -> None:
    """What Lambda imports finds all it needs in the artefact and in the runtime's botocore; nothing else of ours is in it."""
    folder = built / "AuditFunction"
    ours = {path.relative_to(folder / "vaultgate_ops").parts[0] for path in (folder / "vaultgate_ops").rglob("*.py")}
    assert ours == {"__init__.py", "audit", "clock.py", "errors.py"}
    python = bare_python(tmp_path / "python")
    (theirs,) = (tmp_path / "python").glob("lib/python3*/site-packages")
    (mine,) = Path(sys.prefix).glob("lib/python3*/site-packages")
    for name in ("botocore", "dateutil", "six.py", "urllib3"):
        (theirs / name).symlink_to(mine / name)
    setting = {"AUDIT_LOG_GROUP": "/vault/audit", "AWS_DEFAULT_REGION": "us-east-1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [python, "-c", "from vaultgate_ops.audit.handler import handler; print(handler({'Records': []}, None))"]
    done = subprocess.run(command, cwd=folder, env=setting, capture_output=True, text=True, check=False)
    assert done.stdout == "{}\n", done.stderr


def test_the_layer_is_the_one_that_make_layer_builds(built: Path) -> None:
    """SAM's own builds of the layer have the files of build/layer/, but for bytecode and for the word whose it is."""

    def sources(folder: Path) -> dict[str, bytes]:
        files = (file for file in folder.rglob("*") if file.is_file() and file.suffix != ".pyc")
        return {str(file.relative_to(folder)): file.read_bytes() for file in files}

    ours = sources(paths.build_folder() / "layer")
    said = json.loads(ours.pop("vaultgate-layer.json"))
    for name in ("VaultgateLayer", "OtherVaultgateLayer"):
        theirs = sources(built / name)
        told = json.loads(theirs.pop("vaultgate-layer.json"))
        assert theirs == ours
        tags = {file.name.split(".")[-2] for file in (built / name).rglob("*.pyc")}
        assert {f"cpython-{version.replace('.', '')}" for version in told["bytecode"]} == tags
        assert told | {"bytecode": said["bytecode"]} == said


def test_certificates_are_packed_and_keys_refused(tmp_path: Path) -> None:
    """The certificates' layer takes PEM files; a private key among them fails the build."""
    makefile = paths.checkout() / "certificates/Makefile"
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    (source / "README.md").write_text("about")
    (source / "vault.pem").write_text("-----BEGIN CERTIFICATE-----")

    def build() -> int:
        command = ["make", "--makefile", str(makefile), "build-CertificatesLayer", f"ARTIFACTS_DIR={target}"]
        return subprocess.run(command, cwd=source, capture_output=True, check=False).returncode

    assert build() == 0
    assert sorted(path.name for path in (target / "certificates").iterdir()) == ["README.md", "vault.pem"]
    (source / "key.pem").write_text("-----BEGIN PRIVATE KEY-----")
    assert build() != 0


def test_the_unzipped_artefact_runs_under_the_emulator(
    built: Path,
    stack: Stack,
    backstage: EmbeddedScene,
    nothing_left: Callable[[], AbstractContextManager[None]],
    tmp_path: Path,
) -> None:
    """Function and layer, zipped and unzipped, count rows with an interpreter that knows the runtime client alone.

    The doctor, which is asked by an event of its own, finds nothing wrong with them.
    """
    code = unpacked(packed(built / "RecordsFunction", tmp_path / "function.zip"), tmp_path / "task")
    layer = unpacked(packed(built / "VaultgateLayer", tmp_path / "layer.zip"), tmp_path / "layer")
    sandbox = Sandbox(
        find_emulator(),
        layer,
        stack.function_environment(processes.free_port()) | {"AWS_ENDPOINT_URL": stack.aws.endpoint},
        HANDLER,
        stack.folder,
        python=bare_python(tmp_path / "python"),
        code=code,
        name="sam",
        visible=(tmp_path,),
    )
    with nothing_left(), sandbox:
        answer = sandbox.invoke(GET_RECORDS)
        assert answer.get("statusCode") == 200, answer
        body = json.loads(answer["body"])
        assert (body["count"], body["credential"]["source"]) == (backstage.rows(), "vault")
        report = sandbox.invoke({"vaultgate": "doctor"})
        assert (report.get("exit_code"), report.get("findings")) == (0, []), report


# Each other function: an event that takes it to AWS and back, its variables, and how its answer begins.
OTHERS = [
    ("RotationFunction", {"sweep": ["nowhere"]}, {}, '{"errorMessage": "secret-missing: '),
    ("ParameterRotationFunction", {"sweep": ["/nowhere"]}, {}, '{"errorMessage": "secret-missing: '),
    ("OverdueFunction", {}, {"OVERDUE_SECRETS": "nowhere=45"}, '{"errorMessage": "secret-missing: '),
    ("AuditFunction", FILE, {"AUDIT_LOG_GROUP": "/vault/nowhere"}, '{"errorMessage": "An error occurred (NoSuchBucket)'),
]


@pytest.mark.parametrize("other", OTHERS, ids=[name for name, *_ in OTHERS])
def test_every_other_artefact_runs_under_the_emulator(
    built: Path, template: dict[str, Any], stack: Stack, tmp_path: Path, other: tuple[str, Any, dict[str, str], str]
) -> None:
    """Zipped and unzipped, beside the runtime's boto3 alone, each asks emulated AWS and says what was missing there."""
    name, event, variables, answer = other
    code = unpacked(packed(built / name, tmp_path / "function.zip"), tmp_path / "task")
    layer = unpacked(packed(built / "CertificatesLayer", tmp_path / "layer.zip"), tmp_path / "layer")
    python = bare_python(tmp_path / "python")
    (theirs,) = (tmp_path / "python").glob("lib/python3*/site-packages")
    (mine,) = Path(sys.prefix).glob("lib/python3*/site-packages")
    for part in ("boto3", "botocore", "s3transfer", "dateutil", "six.py", "urllib3"):
        (theirs / part).symlink_to(mine / part)
    keys = stack.aws.administrator
    environment = {
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": stack.aws.endpoint,
        **variables,
    }
    handler = template["Resources"][name]["Properties"]["Handler"]
    sandbox = Sandbox(
        find_emulator(), layer, environment, handler, stack.folder, python=python, code=code, name=name, visible=(tmp_path,)
    )
    with sandbox:
        assert json.dumps(sandbox.invoke(event)).startswith(answer)


def bare_python(folder: Path) -> Path:
    """An interpreter with Lambda's runtime client and nothing else of this project's requirements."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (ours,) = Path(sys.prefix).glob("lib/python3*/site-packages")
    (theirs,) = folder.glob("lib/python3*/site-packages")
    for name in ("awslambdaric", "simplejson", "snapshot_restore_py"):
        (theirs / name).symlink_to(ours / name)
    (native,) = ours.glob("runtime_client*.so")
    (theirs / native.name).symlink_to(native)
    return folder / "bin/python"


def test_the_function_gets_every_variable_that_it_needs_and_no_secret(template: dict[str, Any]) -> None:
    """The template gives addresses, names and paths; the region of the signature is the stack's own."""
    variables = template["Resources"]["RecordsFunction"]["Properties"]["Environment"]["Variables"]
    assert variables["VAULT_STS_ENDPOINT_REGION"] == {"Ref": "AWS::Region"}
    assert {"VAULT_ADDR", "VAULT_AUTH_ROLE", "VAULT_IAM_SERVER_ID", "RDS_HOST", "RDS_CA_BUNDLE", "RECORDS_TABLE"} <= set(
        variables
    )
    assert not [
        name
        for name in (*variables, *template["Parameters"])
        if re.search("password|token|secret(?!path|s?_path)", name, re.IGNORECASE)
    ]


def test_the_role_may_write_its_own_log_and_nothing_else_outside_a_vpc(template: dict[str, Any]) -> None:
    """Without a VPC the role has one policy, with two actions, on the function's own log group."""
    always = [policy for policy in template["Resources"]["RecordsRole"]["Properties"]["Policies"] if "PolicyName" in policy]
    assert len(always) == 1
    (statement,) = always[0]["PolicyDocument"]["Statement"]
    assert statement["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
    assert "${RecordsLogGroup}" in json.dumps(statement["Resource"])
    assert "ManagedPolicyArns" not in template["Resources"]["RecordsRole"]["Properties"]


def test_inside_a_vpc_the_functions_own_code_gets_none_of_the_services_permissions(template: dict[str, Any]) -> None:
    """What Lambda needs for its network interfaces is denied to calls that the function itself makes."""
    _, policy, _ = next(
        policy["Fn::If"] for policy in template["Resources"]["RecordsRole"]["Properties"]["Policies"] if "Fn::If" in policy
    )
    allow, deny = policy["PolicyDocument"]["Statement"]
    assert (allow["Effect"], deny["Effect"], deny["Action"]) == ("Allow", "Deny", "ec2:*")
    assert "lambda:SourceFunctionArn" in deny["Condition"]["ArnLike"]


def test_every_log_group_forgets(template: dict[str, Any]) -> None:
    """Each log group has a retention that the deployer chooses; the audit log's is a longer one."""
    groups = {name: one["Properties"] for name, one in template["Resources"].items() if one["Type"] == "AWS::Logs::LogGroup"}
    assert {"RecordsLogGroup", "ApiLogGroup", "RotationLogGroup", "OverdueLogGroup"} <= groups.keys()
    for name, group in groups.items():
        assert group["RetentionInDays"] == {"Ref": "AuditRetentionDays" if name == "AuditLogGroup" else "LogRetentionDays"}


def test_nobody_calls_the_api_unsigned(template: dict[str, Any]) -> None:
    """Every route asks for AWS credentials unless it says otherwise, and none does."""
    assert template["Resources"]["RecordsApi"]["Properties"]["Auth"] == {
        "EnableIamAuthorizer": True,
        "DefaultAuthorizer": "AWS_IAM",
    }
    ((path, route),) = template["Resources"]["RecordsApi"]["Properties"]["DefinitionBody"]["paths"].items()
    assert (path, [*route], "security" in route["get"]) == ("/records", ["get"], False)


def test_the_functions_requirements_are_those_of_the_project() -> None:
    """requirements/records.txt and compose.txt pin the versions that everything is tested with."""
    pin = re.compile(r"^([A-Za-z0-9._-]+(?:\[[^]]*\])?)==([^ ;\\]+)", re.MULTILINE)

    def pins(name: str) -> set[tuple[str, str]]:
        return set(pin.findall((paths.checkout() / "requirements" / name).read_text(encoding="utf-8")))

    assert pins("records.txt")
    assert pins("records.txt") <= pins("dev.txt")
    foreign = {("colorama", "0.4.6"), ("pywin32", "312")}
    assert {name for name, _ in pins("compose.txt") - pins("dev.txt") - foreign} <= {"networkx"}
