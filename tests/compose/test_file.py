"""docker-compose.yml without an engine: its schema, images, ports, health checks, and that no secret stands in it."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from vaultgate import config
from vaultgate_ops.local import paths
from vaultgate_ops.local.compose import steps
from vaultgate_ops.local.compose.prepare import FORMAT

# The schema that docker-compose 1.29.2 carries (`make setup` brings it): the strictest to pass; v2 knows more words.
SCHEMA = Path(sys.prefix) / "share" / "compose-1.29" / "compose" / "config" / "compose_spec.json"
STEPS = {"prepare", "bootstrap"}
VARIABLE = re.compile(r"\$\{([A-Z_]+)(:?-)([^}]*)\}")


@pytest.fixture
def text() -> str:
    """The file as it stands."""
    return (paths.checkout() / "docker-compose.yml").read_text(encoding="utf-8")


@pytest.fixture
def services(text: str) -> dict[str, dict[str, Any]]:
    """Its services."""
    parsed: dict[str, dict[str, Any]] = yaml.safe_load(text)["services"]
    return parsed


def test_the_file_is_valid_for_the_older_compose(text: str) -> None:
    """docker-compose 1.29 takes every word of it."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    problems = [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(yaml.safe_load(text))]
    assert problems == []


def test_the_newer_compose_has_nothing_to_warn_of(text: str) -> None:
    """Compose v2 calls `version` obsolete; 1.29 knows no `name`."""
    assert {"version", "name"} & set(yaml.safe_load(text)) == set()


def test_every_image_can_be_replaced(services: dict[str, dict[str, Any]]) -> None:
    """Each image is a variable with a default that names its version."""
    images = {VARIABLE.fullmatch(service["image"]) for service in services.values()}
    assert None not in images
    chosen = {found[1]: found[3] for found in images if found}
    assert set(chosen) == {"TOOLS_IMAGE", "VAULT_IMAGE", "MYSQL_IMAGE", "LAMBDA_IMAGE"}
    assert all(":" in image and not image.endswith(":latest") for name, image in chosen.items() if name != "TOOLS_IMAGE")
    assert VARIABLE.fullmatch(services["prepare"]["build"]["args"]["PYTHON_IMAGE"])


def test_only_the_image_that_is_built_is_never_pulled(services: dict[str, dict[str, Any]]) -> None:
    """One service builds the tools' image; the others that use it don't look for it in a registry."""
    tools = {name: service for name, service in services.items() if "TOOLS_IMAGE" in service["image"]}
    assert [name for name, service in tools.items() if "build" in service] == ["prepare"]
    assert all(service.get("pull_policy") == "never" for name, service in tools.items() if name != "prepare")


def test_every_published_port_is_on_loopback_and_can_be_moved(services: dict[str, dict[str, Any]]) -> None:
    """127.0.0.1, then a variable whose empty value lets the engine choose."""
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert len(ports) == 7
    assert all(re.fullmatch(r"127\.0\.0\.1:\$\{[A-Z_]+_PORT-\d+\}:\d+", port) for port in ports)


def test_every_service_that_stays_has_a_health_check(services: dict[str, dict[str, Any]]) -> None:
    """All but the one-shot steps can be waited for."""
    assert {name for name, service in services.items() if "healthcheck" not in service} == STEPS


def test_nobody_starts_before_what_it_needs(services: dict[str, dict[str, Any]]) -> None:
    """A dependency is waited for until it is healthy or done; Vault alone is unsealed once it merely runs."""
    merely_started = {
        (name, needed)
        for name, service in services.items()
        for needed, how in service.get("depends_on", {}).items()
        if how["condition"] == "service_started"
    }
    assert merely_started == {("unseal", "vault"), ("bootstrap", "unseal")}
    for service in services.values():
        for needed, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[needed]
            if how["condition"] == "service_completed_successfully":
                assert needed in STEPS


def test_no_secret_stands_in_the_file(services: dict[str, dict[str, Any]], text: str) -> None:
    """A password, token or key is a path to a file in a volume, never a value or a variable."""
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|SECRET|KEY", name):
                assert str(value).startswith("/") or name == "RECORDS_SECRET_PATH", name
    assert not [name for name, _, _ in VARIABLE.findall(text) if re.search("PASSWORD|TOKEN|SECRET|KEY", name)]


def test_the_keys_are_seen_by_the_operators_alone(services: dict[str, dict[str, Any]]) -> None:
    """Neither Vault, MySQL, the function nor the front mounts the volume with root token and unseal key."""
    who = {name for name, service in services.items() for volume in service.get("volumes", ()) if volume.startswith("keys:")}
    assert who == {"prepare", "unseal", "bootstrap"}


def test_what_the_function_mounts_is_read_only(services: dict[str, dict[str, Any]]) -> None:
    """The layer on /opt, the function, the CA and the credentials."""
    volumes = services["function"]["volumes"]
    assert "layer:/opt:ro" in volumes
    assert all(volume.endswith(":ro") for volume in volumes)


def test_the_extension_takes_the_functions_variables(services: dict[str, dict[str, Any]]) -> None:
    """With the file's own values the extension's configuration has no problem."""
    environment = {
        name: VARIABLE.sub(lambda found: found[3], str(value)) for name, value in services["function"]["environment"].items()
    }
    settings = config.load(environment)
    assert settings.vault.host == "vault"


def test_every_volume_carries_the_format_that_is_checked(text: str) -> None:
    """The label that tells an older volume is the one that `prepare` writes."""
    labels = [volume["labels"] for volume in yaml.safe_load(text)["volumes"].values()]
    assert labels
    assert all(label == {"io.vaultgate.format": FORMAT} for label in labels)


def test_the_steps_of_the_file_exist(services: dict[str, dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    """Each step that a tools' container runs is known; an unknown one is refused with their names and exit code 2."""
    assert steps.main(["nonsense"]) == 2
    known = capsys.readouterr().err
    tools = [service for service in services.values() if "TOOLS_IMAGE" in service["image"] and "entrypoint" not in service]
    assert tools
    assert all(service["command"][0] in known for service in tools)


def test_the_example_shows_every_variable_with_its_default(text: str) -> None:
    """.env.example has all variables of the file, and their defaults are the file's."""
    used = {name: default for name, _, default in VARIABLE.findall(text)}
    example = (paths.checkout() / ".env.example").read_text(encoding="utf-8")
    shown = dict(re.findall(r"^#([A-Z_]+)=(.*)$", example, re.MULTILINE))
    assert shown == used
    assert not re.search(r"^[^#\n]", example, re.MULTILINE), "copied as it is, it must change nothing"


def test_what_the_image_copies_is_what_the_build_may_see() -> None:
    """Every source of a COPY is let through by .dockerignore, which lets nothing else of the checkout through."""
    dockerfile = (paths.checkout() / "compose/Dockerfile").read_text(encoding="utf-8")
    copied = {word.rstrip("/*") for line in re.findall(r"^COPY (.*) \S+$", dockerfile, re.MULTILINE) for word in line.split()}
    ignore = (paths.checkout() / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignore
    let_through = {line.strip("!/") for line in ignore if line.startswith("!")}
    assert let_through == copied | {"compose"}
