"""The files' outlet on a simulated Vault, and as part of a sandbox's life: real files, a movable clock."""

from __future__ import annotations

import json
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.simulators.clock import MovableClock
from tests.simulators.extension import CREDS, KEYS, Beside, Extension, eventually, user
from tests.simulators.lambda_api import LambdaApi, lambda_api
from tests.simulators.loopback import loopback
from tests.simulators.vault import SERVER_ID, SimulatedVault, over_http
from tests.unit.test_lifecycle import NEXT, Process

from vaultgate.clock import Clock
from vaultgate.errors import Denied, NotFound, Unwritable, VaultgateError
from vaultgate.lifecycle import Lifecycle
from vaultgate.model import Answer
from vaultgate.outlets.files import Files
from vaultgate.runtime_api import RuntimeApi
from vaultgate.transport import Connections

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KV = "secret/data/records"
GET_KV, GET_CREDS = ("GET", KV), ("GET", CREDS)


class Written:
    """An extension that writes files into a folder of its own.

    Args:
        folder: which does not exist yet.
        paths: by the files' names, which are the settings' endings too.
        environ: other settings.
    """

    def __init__(self, folder: Path, paths: dict[str, str], **environ: str) -> None:
        self.folder = folder
        for name, path in paths.items():
            environ |= {f"VAULT_SECRET_PATH_{name}": path, f"VAULT_SECRET_FILE_{name}": str(folder / name)}
        self.extension = Extension(**environ)
        self.server, self.clock = self.extension.server, self.extension.clock
        self.server.policies["records"] += (("secret/*", {"read"}),)
        self.files = self.outlet(self.extension.broker)

    def outlet(self, broker: Any) -> Files:
        """The outlet."""
        extension = self.extension
        return Files(extension.config.files, broker, extension.config, extension.clock, extension.log)

    def write(self) -> None:
        """What happens under `ready`."""
        self.files.write(self.clock.steady() + 5)

    def invoke(self) -> None:
        """What happens at an INVOKE: first the token and its leases, then the files, each waited for."""
        broker = self.extension.broker
        for begin in (broker.tick, lambda: self.files.tick(broker.changed())):
            work = begin()
            if work is not None:
                work.join(10)
                assert not work.is_alive()

    def text(self, name: str) -> str:
        """A file's content."""
        return (self.folder / name).read_text()

    def document(self, name: str) -> Any:
        """The same, which is JSON."""
        return json.loads(self.text(name))

    def names(self) -> list[str]:
        """What is in the folder."""
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where files go; it doesn't exist yet."""
    return tmp_path / "vault"


def test_json_of_a_leased_secret(folder: Path) -> None:
    """By default a file is Vault's answer, 0600 in a folder that is 0700, and shares its lease with the proxy."""
    written = Written(folder, {"DB": CREDS})
    written.write()
    document = written.document("DB")
    assert document["data"]["username"] == user(written.extension.ask())
    assert (document["lease_duration"], list(written.server.leases)) == (600, [document["lease_id"]])
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "DB")] == [0o700, 0o600]


def test_formats_and_modes_of_each_file(folder: Path) -> None:
    """Each file has a format and a mode of its own, and one secret is fetched once for all of them."""
    written = Written(
        folder,
        {"A": KV, "B": KV, "C": KV, "D": CREDS},
        VAULTGATE_FILE_MODE="0640",
        VAULTGATE_FILE_A_FORMAT="data",
        VAULTGATE_FILE_A_MODE="0400",
        VAULTGATE_FILE_B_FORMAT="env",
        VAULTGATE_FILE_C_FORMAT="properties",
        VAULTGATE_FILE_D_FORMAT="template",
        VAULTGATE_FILE_D_TEMPLATE=f"{{{{ #username }}}} says {{{{ {KV}#greeting }}}}",
    )
    written.write()
    assert [written.text(name) for name in "ABC"] == ['{"greeting": "hello"}\n', "greeting='hello'\n", "greeting=hello\n"]
    assert written.text("D").startswith("v-aws-records-")
    assert written.text("D").endswith(" says hello")
    assert [stat.S_IMODE((folder / name).stat().st_mode) for name in "ABCD"] == [0o400, 0o640, 0o640, 0o640]
    assert (written.server.count(*GET_KV), written.server.count(*GET_CREDS)) == (1, 1)


def test_fetched_in_parallel(folder: Path) -> None:
    """One slow secret doesn't keep the others from being fetched."""
    written = Written(folder, {"A": CREDS, "B": KV})
    gates = [written.server.hold(*GET_KV), written.server.hold(*GET_CREDS)]
    writing = Beside(written.write)
    for gate in gates:
        assert gate.arrived.wait(10)
    for gate in gates:
        gate.open()
    writing.result()
    assert written.names() == ["A", "B"]


def test_nothing_is_asked_while_all_is_good(folder: Path) -> None:
    """An invocation costs Vault nothing, and a file is not written again, while its lease lives."""
    written = Written(folder, {"DB": CREDS, "KV": KV})
    written.write()
    before, seen = (folder / "DB").stat().st_ino, list(written.server.seen)
    for _ in range(3):
        written.clock.advance(60)
        written.invoke()
    assert (folder / "DB").stat().st_ino == before
    assert written.server.seen == seen


def test_lease_is_renewed_under_a_file(folder: Path) -> None:
    """A lease that a file stands on is kept alive at invocations, and the file stays as it is, for hours."""
    written = Written(folder, {"DB": CREDS})
    written.write()
    before = written.text("DB")
    for _ in range(12):
        written.clock.advance(450)
        written.invoke()
        assert written.document("DB")["lease_id"] in written.server.leases
    assert written.text("DB") == before
    assert written.server.count(*GET_CREDS) == 1


def test_new_credential_before_the_old_lease_ends(folder: Path) -> None:
    """Near its max TTL a lease's successor is fetched and written while the old user still lives."""
    written = Written(folder, {"DB": CREDS})
    written.server.lease_max_s = 600
    written.write()
    old = written.document("DB")["lease_id"]
    written.clock.advance(450)
    written.invoke()
    new = written.document("DB")["lease_id"]
    assert new != old
    assert {old, new} <= written.server.leases.keys()


def test_freeze_past_the_lease(folder: Path) -> None:
    """After a freeze that outlived the lease, the first invocation writes a new credential."""
    written = Written(folder, {"DB": CREDS})
    written.write()
    written.clock.freeze(1800)
    written.invoke()
    assert written.document("DB")["lease_id"] in written.server.leases


def test_dead_token_takes_its_files_along(folder: Path) -> None:
    """Once the token is proven dead, a file with a lease of its gets a new one, though its time was not up."""
    written = Written(folder, {"DB": CREDS})
    written.write()
    written.server.revoke_tokens()
    written.extension.ask(KV)
    written.invoke()
    assert written.document("DB")["lease_id"] in written.server.leases


def test_lease_that_cant_be_replaced(folder: Path) -> None:
    """A credential whose lease is over doesn't stay in a file; a secret without a lease does, and both come back with Vault."""
    written = Written(folder, {"DB": CREDS, "KV": KV}, VAULTGATE_CACHE="secret/*=5m")
    written.write()
    written.server.state = "sealed"
    written.clock.freeze(1800)
    written.invoke()
    assert written.names() == ["KV"]
    assert {"file-removed", "file-failed"} <= set(written.extension.events)
    written.server.state = "active"
    written.clock.advance(6)
    written.invoke()
    assert written.document("DB")["lease_id"] in written.server.leases


def test_a_lost_vault_is_not_asked_at_every_invocation(folder: Path) -> None:
    """After a failure invocations go by for some seconds before the next try."""
    written = Written(folder, {"KV": KV}, VAULTGATE_CACHE="secret/*=5m")
    written.write()
    written.clock.advance(301)
    written.server.state = "sealed"
    written.invoke()
    asked = written.server.count(*GET_KV)
    written.invoke()
    assert written.server.count(*GET_KV) == asked
    assert written.document("KV")["data"]["data"] == {"greeting": "hello"}


def test_a_slow_vault_is_not_waited_for_long(folder: Path) -> None:
    """A refresh ends after some seconds, though the invocation has more: its Next waits, and the file is still good."""
    written = Written(folder, {"KV": KV}, VAULTGATE_CACHE="secret/*=5m")
    written.write()
    written.clock.advance(301)
    written.server.delay_s = 7
    written.invoke()
    assert [line["code"] for line in written.extension.logged if line["event"] == "file-failed"] == ["deadline"]
    assert written.names() == ["KV"]


def test_secret_without_a_lease_lives_for_its_ttl(folder: Path) -> None:
    """What has no lease is fetched anew at the first invocation after its TTL, and written if it has changed."""
    written = Written(folder, {"KV": KV}, VAULTGATE_CACHE="secret/*=5m", VAULTGATE_FILE_KV_FORMAT="data")
    written.write()
    before = (folder / "KV").stat().st_ino
    written.clock.advance(301)
    written.invoke()
    assert (written.server.count(*GET_KV), (folder / "KV").stat().st_ino) == (2, before)
    written.server.kv["records"] = {"greeting": "changed"}
    written.clock.advance(200)
    written.invoke()
    assert written.document("KV") == {"greeting": "hello"}
    written.clock.advance(101)
    written.invoke()
    assert written.document("KV") == {"greeting": "changed"}


def test_without_a_ttl_it_is_written_once(folder: Path) -> None:
    """Where no setting says how long a secret without a lease is good, the file stays as it was written."""
    written = Written(folder, {"KV": KV})
    written.write()
    written.clock.advance(10**6)
    written.invoke()
    assert written.server.count(*GET_KV) == 1


def test_static_role_is_read_again_after_its_rotation(folder: Path) -> None:
    """A static role's password has no lease, but Vault says when it will be another one, however long readers may keep it."""
    path = "database/static-creds/records-static"
    written = Written(folder, {"DB": path}, VAULTGATE_CACHE="database/static-creds/*=1h")
    written.write()
    written.clock.advance(299)
    written.invoke()
    assert written.server.count("GET", path) == 1
    written.clock.advance(2)
    written.invoke()
    assert written.server.count("GET", path) == 2


def said(**document: Any) -> Answer:
    """An answer of an engine that the simulator doesn't have."""
    return Answer(200, (), json.dumps({"lease_id": "", "lease_duration": 0} | document).encode())


def test_interval_that_vault_proposes(folder: Path) -> None:
    """KV of version 1 gives no lease but a duration: the secret is read again after it."""
    written = Written(folder, {"KV": "kv/app"}, VAULTGATE_FILE_KV_FORMAT="data")
    written.extension.broker.token(written.clock.steady() + 5)
    written.server.next(said(lease_duration=120, data={"a": "old"}), said(lease_duration=120, data={"a": "new"}))
    written.write()
    written.clock.advance(119)
    written.invoke()
    assert written.document("KV") == {"a": "old"}
    written.clock.advance(2)
    written.invoke()
    assert written.document("KV") == {"a": "new"}


@pytest.mark.parametrize("data", [None, [], "text"])
def test_answer_without_a_secret(folder: Path, data: object) -> None:
    """An answer that holds no fields is an error with the path, not a file with null."""
    written = Written(folder, {"A": "sys/thing"})
    written.extension.broker.token(written.clock.steady() + 5)
    written.server.next(said(data=data))
    with pytest.raises(NotFound, match="'sys/thing' holds no secret"):
        written.write()
    assert not folder.exists()


def test_template_waits_for_all_its_secrets(folder: Path) -> None:
    """A file made of two secrets comes once both are there, not with half of them."""
    text = "{{ #greeting }} {{ secret/data/late#name }}"
    written = Written(folder, {"T": KV}, VAULTGATE_FILE_T_FORMAT="template", VAULTGATE_FILE_T_TEMPLATE=text)
    written.invoke()
    assert not folder.exists()
    written.server.kv["late"] = {"name": "world"}
    written.clock.advance(6)
    written.invoke()
    assert written.text("T") == "hello world"


def test_write_through_the_proxy_reaches_the_file(folder: Path) -> None:
    """Who writes a secret through the proxy finds it in the file after the next invocation."""
    written = Written(folder, {"KV": KV}, VAULTGATE_CACHE="secret/*=5m", VAULTGATE_FILE_KV_FORMAT="data")
    written.server.policies["records"] += (("secret/*", {"update"}),)
    written.write()
    assert written.extension.ask(KV, method="POST", document={"data": {"greeting": "written"}}).ok
    written.invoke()
    assert written.document("KV") == {"greeting": "written"}


def test_a_cache_without_room_costs_no_lease_per_invocation(folder: Path) -> None:
    """Where the proxy keeps nothing, a file still stands on one lease until that nears its end."""
    written = Written(folder, {"DB": CREDS}, VAULTGATE_CACHE_BYTES="0")
    written.write()
    for _ in range(5):
        written.clock.advance(60)
        written.invoke()
    assert len(written.server.leases) == 1
    written.clock.advance(150)
    written.invoke()
    assert len(written.server.leases) == 2


def test_wrong_path_of_kv(folder: Path) -> None:
    """A path without `data/` is an error that names it, the mount's version and the right path; there is no file."""
    written = Written(folder, {"KV": "secret/records"})
    with pytest.raises(NotFound) as caught:
        written.write()
    assert "'secret/records'" in caught.value.message
    assert "'secret/' is a KV mount of version 2" in caught.value.message
    assert caught.value.hint == "the path is likely secret/data/records"
    assert not folder.exists()


def test_wrong_path_that_is_denied(folder: Path) -> None:
    """The same where the policy denies what isn't there, as a good policy does."""
    written = Written(folder, {"KV": "secret/records"})
    written.server.policies["records"] = written.server.policies["records"][:-1]
    with pytest.raises(Denied) as caught:
        written.write()
    assert caught.value.hint == "the path is likely secret/data/records"


def test_missing_field(folder: Path) -> None:
    """A field that isn't there is an error that names it and the path; there is no file."""
    text = "password={{ #pasword }}"
    written = Written(folder, {"KV": KV}, VAULTGATE_FILE_KV_FORMAT="template", VAULTGATE_FILE_KV_TEMPLATE=text)
    with pytest.raises(NotFound, match="'secret/data/records' has no field 'pasword'"):
        written.write()
    assert not folder.exists()


def test_all_failures_at_once(folder: Path) -> None:
    """What is wrong with several files is told in one error, and what is right is written all the same."""
    written = Written(folder, {"A": "secret/one", "B": "secret/data/two", "DB": CREDS})
    with pytest.raises(VaultgateError) as caught:
        written.write()
    assert ["'secret/one'" in str(caught.value), "'secret/data/two'" in str(caught.value)] == [True, True]
    assert caught.value.code == "not-found"
    assert written.names() == ["DB"]


def test_one_bad_file_spoils_no_other(folder: Path) -> None:
    """A format that can't say a secret fails that file alone, also where another one holds the same secret."""
    written = Written(folder, {"A": KV, "B": KV}, VAULTGATE_FILE_A_FORMAT="env")
    written.server.kv["records"] = {"not-a-name": "planted-kv-value"}
    written.invoke()
    assert written.names() == ["B"]
    assert "planted-kv-value" not in json.dumps(written.extension.logged)


def test_file_that_could_not_be_written_is_tried_again(tmp_path: Path) -> None:
    """Once what stood in its way is gone, a file comes with a later invocation."""
    (tmp_path / "vault").write_text("in the way")
    written = Written(tmp_path / "vault", {"DB": CREDS})
    written.invoke()
    assert "file-failed" in written.extension.events
    (tmp_path / "vault").unlink()
    written.clock.advance(6)
    written.invoke()
    assert written.document("DB")["lease_id"] in written.server.leases
    assert len(written.server.leases) == 1


def test_folder_that_cant_be_made(tmp_path: Path) -> None:
    """A file in a folder's place is told with the path."""
    (tmp_path / "vault").write_text("in the way")
    written = Written(tmp_path / "vault", {"KV": KV})
    with pytest.raises(Unwritable, match=f"^{tmp_path}/vault/KV can't be written: "):
        written.write()


def test_remove(folder: Path) -> None:
    """At the end nothing is left, the folder included, and nothing is written any more."""
    written = Written(folder, {"DB": CREDS, "KV": KV})
    written.write()
    written.files.remove()
    assert not folder.exists()
    written.clock.freeze(1800)
    written.invoke()
    assert not folder.exists()


def test_end_while_a_secret_is_fetched(folder: Path) -> None:
    """A secret that arrives after the end is not written."""
    written = Written(folder, {"KV": KV})
    gate = written.server.hold(*GET_KV)
    writing = Beside(written.invoke)
    assert gate.arrived.wait(10)
    written.files.remove()
    gate.open()
    writing.result()
    assert not folder.exists()


# --- as part of a sandbox's life ---


@pytest.fixture
def api() -> Iterator[LambdaApi]:
    """Lambda's side."""
    with lambda_api() as running:
        yield running


@contextmanager
def living(api: LambdaApi, written: Written) -> Iterator[Beside]:
    """A lifecycle with files that runs while the block runs."""
    clock = Clock()
    connections = Connections(clock)
    extension = written.extension
    runtime = RuntimeApi(api.origin, "vaultgate", connections, clock)
    start = extension.config.start
    life = Lifecycle(runtime, start, lambda: extension.broker, extension.clock, extension.log, files=written.outlet)
    running = Beside(life.run)
    try:
        yield running
    finally:
        api.shut_down()
        running.ended()
        connections.close()
    running.result()


def test_ready_is_the_default_and_writes_before_registering(api: LambdaApi, folder: Path) -> None:
    """The function's init finds the files: Lambda hears of the extension only once they are there."""
    written = Written(folder, {"KV": KV})
    there: list[bool] = []
    api.on_register = lambda: there.append((folder / "KV").exists())
    with living(api, written):
        api.until("register", NEXT)
    assert there == [True]
    assert not folder.exists()
    assert written.extension.events[-2:] == ["shutdown", "token-revoked"]


def test_ready_fails_with_a_file(api: LambdaApi, folder: Path) -> None:
    """A secret that can't be had fails the init; token and files that were there already are taken back."""
    written = Written(folder, {"DB": CREDS, "KV": "secret/records"})
    with pytest.raises(NotFound), living(api, written) as life:
        life.result()
    assert api.calls == []
    assert not folder.exists()
    assert list(written.server.tokens) == [written.server.root_token]


def test_overlap_writes_beside_the_init(api: LambdaApi, folder: Path) -> None:
    """Under `overlap` files are written after registering and before Next, and what fails is logged, not the init's end."""
    written = Written(folder, {"DB": CREDS, "KV": "secret/records"}, VAULTGATE_START="overlap")
    gate = written.server.hold(*GET_CREDS)
    with living(api, written):
        assert gate.arrived.wait(10)
        assert api.calls == ["register"]
        gate.open()
        api.until("register", NEXT)
        assert written.names() == ["DB"]
        assert "file-failed" in written.extension.events


def test_early_doesnt_wait_for_files(api: LambdaApi, folder: Path) -> None:
    """Under `early` Next comes while files are still being written."""
    written = Written(folder, {"DB": CREDS}, VAULTGATE_START="early")
    gate = written.server.hold(*GET_CREDS)
    with living(api, written):
        assert gate.arrived.wait(10)
        api.until("register", NEXT)
        gate.open()
        eventually((folder / "DB").exists)


def test_invoke_refreshes_before_next(api: LambdaApi, folder: Path) -> None:
    """When a freeze outlived a file's lease, the invocation's Next comes after the new file."""
    written = Written(folder, {"DB": CREDS})
    with living(api, written):
        api.until("register", NEXT)
        written.clock.freeze(700)
        api.invoke()
        api.until("register", NEXT, NEXT)
        assert written.document("DB")["lease_id"] in written.server.leases


def test_what_the_broker_learns_reaches_the_files(api: LambdaApi, folder: Path) -> None:
    """A token that a proxied read proves dead takes its lease along: the next invocation's Next comes after a new file."""
    written = Written(folder, {"DB": CREDS})
    with living(api, written):
        api.until("register", NEXT)
        written.server.revoke_tokens()
        assert written.extension.ask(KV).ok
        api.invoke()
        api.until("register", NEXT, NEXT)
        assert written.document("DB")["lease_id"] in written.server.leases


def environment(api: LambdaApi, vault: str, **environ: str) -> dict[str, str]:
    """A process's."""
    usual = {"AWS_LAMBDA_RUNTIME_API": api.origin.authority, "VAULT_ADDR": vault, "VAULT_AUTH_ROLE": "records"}
    return KEYS | usual | {"VAULT_IAM_SERVER_ID": SERVER_ID} | environ


def test_file_mode_takes_no_port(api: LambdaApi, folder: Path) -> None:
    """`VAULT_RUN_MODE=File` needs no port: it lives beside somebody who has it, writes its file and removes it."""
    vault = SimulatedVault(MovableClock())
    with loopback(over_http(vault)) as server:
        taken = str(server.origin).removeprefix("http://")
        settings = {"VAULT_RUN_MODE": "File", "VAULT_SECRET_PATH": KV, "VAULT_SECRET_FILE": str(folder / "a")}
        process = Process(**environment(api, str(server.origin), VAULTGATE_LISTEN=taken, **settings))
        api.until("register", NEXT)
        assert json.loads((folder / "a").read_text())["data"]["data"] == {"greeting": "hello"}
        api.shut_down()
        code, lines, err = process.end()
    assert (code, err) == (0, "")
    assert [line["event"] for line in lines] == ["login", "file-written", "shutdown", "token-revoked"]
    assert not folder.exists()


def test_wrong_path_is_the_inits_error(api: LambdaApi, folder: Path) -> None:
    """What is wrong with a path reaches Lambda's error with the right one."""
    vault = SimulatedVault(MovableClock())
    with loopback(over_http(vault)) as server:
        settings = {"VAULT_RUN_MODE": "file", "VAULT_SECRET_PATH": "secret/records", "VAULT_SECRET_FILE": str(folder / "a")}
        code, _, err = Process(**environment(api, str(server.origin), **settings)).end()
    assert (code, err) == (1, "")
    [(call, kind, document)] = api.errors
    assert (call, kind) == ("init/error", "Vaultgate.denied")
    assert "the path is likely secret/data/records" in document["errorMessage"]
    assert list(vault.tokens) == [vault.root_token]
