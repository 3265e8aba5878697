"""The rotation function as it ships: in AWS's emulator, beside the layer, with a rotator that Vault hands out."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from tests.rotation.bed import login_of

from vaultgate_ops.local import paths
from vaultgate_ops.local.database import HOST
from vaultgate_ops.local.fetch.emulator import find_emulator
from vaultgate_ops.local.processes import free_port
from vaultgate_ops.local.sandbox import Sandbox
from vaultgate_ops.rotation.driver import Driver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.rotation.bed import Bed

pytestmark = pytest.mark.stack

PATH = "secret/data/records"  # what the function's policy lets it read


@pytest.fixture
def rotator_in_vault(bed: Bed) -> Iterator[str]:
    """A user that may create users, in Vault's KV; gives its password."""
    password = f"rotates-{uuid.uuid4()}"
    bed.execute("CREATE OR REPLACE USER vault_rotator@'%%' IDENTIFIED BY %s REQUIRE SSL", password)
    for grant in ("CREATE USER ON *.*", "SELECT ON mysql.*"):
        bed.execute(f"GRANT {grant} TO vault_rotator@'%'")
    fields = {"username": "vault_rotator", "password": password, "host": HOST}
    with bed.stack.vault.client() as client:
        engine = client.secrets.kv.v2
        before = engine.read_secret_version("records", mount_point="secret", raise_on_deleted_version=True)["data"]["data"]
        engine.create_or_update_secret("records", fields, mount_point="secret")
        yield password
        engine.create_or_update_secret("records", before, mount_point="secret")
    bed.execute("DROP USER vault_rotator@'%'")


def test_the_function_rotates_with_a_rotator_from_vault(bed: Bed, rotator_in_vault: str) -> None:
    """Two rotations by events as Secrets Manager sends them; no password is in the function's log."""
    user = bed.user("dual", masterarn=f"vault:{PATH}")
    environment = {
        **bed.stack.function_environment(free_port()),
        "SECRETS_MANAGER_ENDPOINT": bed.amazon.endpoint,
        "ROTATION_CA_BUNDLE": str(bed.stack.database.ca_file),
        "ROTATION_SWEEP": user.secret,
    }
    layer = paths.build_folder() / "layer"
    handler = "vaultgate_ops.rotation.handler.handler"
    with Sandbox(find_emulator(), layer, environment, handler, bed.stack.folder, name="rotation") as sandbox:

        def call(event: object) -> None:
            answer = sandbox.invoke(event)
            assert "errorMessage" not in answer, answer

        for _ in range(2):
            rotation = user.begin()
            Driver(call, bed.clock, attempts=1, snake=True).drive(rotation)
            bed.amazon.service.end(rotation)
            user.values.append(bed.amazon.service.value(user.secret))
        assert sandbox.invoke({"source": "aws.events", "detail-type": "Scheduled Event"}) == {user.secret: "too early"}
        refused = sandbox.invoke({"SecretId": user.secret, "ClientRequestToken": "stray", "Step": "dance"})
        assert refused["errorMessage"].startswith("event-malformed: The event's Step is 'dance'.")
    assert [user.works(place) for place in (-1, -2, -3)] == [True, True, False]
    log = sandbox.log()
    assert '"message":"step"' in log
    known = [rotator_in_vault, *(login_of(text)[1] for text in user.values)]
    assert not [password for password in known if password in log]
