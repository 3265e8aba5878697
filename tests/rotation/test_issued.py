"""The strategy `vault` on the real Vault and the real database: values issued, kept, crashed over, taken over."""

from __future__ import annotations

import io
import json
import logging
import traceback
from typing import TYPE_CHECKING

import pytest
from aws_lambda_powertools import Logger
from tests.rotation.faults import Faults, Kind
from tests.rotation.issued import KV, STATIC, Issuing, granted

from vaultgate_ops.local import paths
from vaultgate_ops.local.aws import REGION
from vaultgate_ops.local.fetch.emulator import find_emulator
from vaultgate_ops.local.processes import free_port
from vaultgate_ops.local.sandbox import Sandbox
from vaultgate_ops.rotation.application import make_handler
from vaultgate_ops.rotation.driver import Driver
from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.vault_place import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.rotation.bed import Bed
    from tests.rotation.issued import IssuedSecret

pytestmark = pytest.mark.stack

PLACES = (STATIC, KV)
READS = ("describe_secret", "get_secret_value", "get_random_password", "connect", "SELECT", "SHOW")


@pytest.fixture(scope="module")
def issuing(bed: Bed) -> Iterator[Issuing]:
    """A Vault that lets the rotation's role in."""
    with bed.stack.vault.client() as root:
        made = Issuing(bed, root)
        yield made
        made.close()


def calls_of(secret: IssuedSecret) -> list[str]:
    """The calls of an undisturbed rotation."""
    faults = Faults()
    secret.drive(secret.begin(), faults)
    return faults.calls


def failure(secret: IssuedSecret) -> RotationError:
    """What a rotation fails with at its first attempt; AWSCURRENT is what it was."""
    before = secret.current
    with pytest.raises(RotationError) as caught:
        secret.drive(secret.begin(), attempts=1)
    assert secret.current == before
    return caught.value


def test_a_static_role_is_rotated_by_vault(issuing: Issuing, nothing_left: Callable[..., object]) -> None:
    """AWSCURRENT is what Vault has and logs in, the one before doesn't; no token and no lease stays."""
    secret = issuing.secret(STATIC)
    with nothing_left():  # type: ignore[attr-defined] - a context manager
        secret.rotate()
    assert [secret.works(-1), secret.works(-2)] == [True, False]
    left = secret.left()
    assert (left.stages, left.vault) == ({"AWSCURRENT": "N-0", "AWSPENDING": "N-0", "AWSPREVIOUS": "N-1"}, "N-0")
    assert issuing.engine().sweep(secret.name) == "too early"
    assert issuing.engine().drop_previous(secret.name) == "nothing to do"


def test_a_kv_secret_gets_what_was_drawn(issuing: Issuing, nothing_left: Callable[..., object]) -> None:
    """One more version, with the secret's other fields as they were."""
    secret = issuing.secret(KV)
    with nothing_left():  # type: ignore[attr-defined] - a context manager
        secret.rotate()
    assert json.loads(secret.current)["token"] == secret.in_vault()["token"] != json.loads(secret.values[0])["token"]
    assert (secret.versions(), secret.in_vault()["url"]) == (2, "https://shop.example.com/hook")


@pytest.mark.parametrize("path", PLACES)
def test_a_death_at_any_call(issuing: Issuing, path: str) -> None:
    """The next attempt ends the rotation as if nothing had happened; the soak tries every other fault too."""
    secret = issuing.secret(path)
    calls = calls_of(secret)
    secret.rotate()
    clean, written = secret.left(), 0 if secret.static else secret.versions()
    # Dying before a read is dying after what came before it: only what isn't a read of Secrets Manager's is tried.
    places = [at for at, call in enumerate(calls, 1) if not call.startswith(READS)]
    assert len([at for at in places if calls[at - 1].startswith("vault")]) >= 4
    for at in places:
        faults = Faults(at, Kind.DEATH_AFTER)
        took = secret.drive(secret.begin(), faults)
        assert (faults.struck, took) == (True, 2), calls[at - 1]
        assert secret.left() == clean, f"dies after call {at}: {calls[at - 1]}"
        assert not secret.static or secret.works(-1), calls[at - 1]
    if not secret.static:
        assert secret.versions() == written + len(places), "a retry wrote a version more"


@pytest.mark.parametrize("path", PLACES)
def test_a_lost_answer_of_any_change(issuing: Issuing, path: str) -> None:
    """Vault or Secrets Manager has done it and the function doesn't know: it ends as if it knew."""
    secret = issuing.secret(path)
    calls = calls_of(secret)
    secret.rotate()
    clean = secret.left()
    changes = [at for at, call in enumerate(calls, 1) if not call.startswith((*READS, "vault GET"))]
    assert len(changes) == 3, calls
    for at in changes:
        faults = Faults(at, Kind.ANSWER_LOST)
        secret.drive(secret.begin(), faults)
        assert faults.struck
        assert secret.left() == clean, f"answer of call {at} lost: {calls[at - 1]}"


@pytest.mark.parametrize("path", PLACES)
def test_a_step_again_changes_nothing(issuing: Issuing, path: str) -> None:
    """Each step twice, and all of them again once the rotation is finished."""
    secret = issuing.secret(path)
    rotation = secret.begin()
    for step in ("createSecret", "setSecret", "testSecret", "finishSecret"):
        secret.step(rotation, step)
        between = secret.in_vault()
        secret.step(rotation, step)
        assert secret.in_vault() == between
    secret.values.append(secret.current)
    clean = secret.left()
    for step in ("createSecret", "setSecret", "testSecret", "finishSecret"):
        assert secret.step(rotation, step) == "nothing to do"
    assert secret.left() == clean


def test_what_vault_rotated_by_itself_is_taken_over(issuing: Issuing) -> None:
    """By its own schedule or by hand: a rotation brings that password over, and rotates nothing away."""
    secret = issuing.secret(STATIC)
    issuing.root.write_data("database/rotate-role/records-static", data={})
    theirs = secret.in_vault()["password"]
    secret.rotate()
    assert json.loads(secret.current)["password"] == theirs == secret.in_vault()["password"]


def test_a_value_that_vault_has_left_behind(issuing: Issuing) -> None:
    """It can't become valid again: its version is taken back, and the next rotation has what Vault has."""
    secret = issuing.secret(STATIC)
    rotation = secret.begin()
    secret.step(rotation, "createSecret")
    issuing.root.write_data("database/rotate-role/records-static", data={})
    with pytest.raises(RotationError) as caught:
        secret.step(rotation, "setSecret")
    assert (caught.value.code, caught.value.retryable) == ("value-overtaken", True)
    assert "AWSPENDING" not in issuing.bed.amazon.service.stages(secret.name)
    secret.rotate()
    assert secret.works(-1)


@pytest.mark.parametrize(("last", "ends_well"), [("POST", False), ("GET", True)])
def test_two_functions_at_createsecret(issuing: Issuing, last: str, *, ends_well: bool) -> None:
    """Where one has rotated the other takes that over; both rotating within one moment costs the pending version."""
    secret = issuing.secret(STATIC)
    rotation = secret.begin()
    requests = ["GET", "POST"] if last == "POST" else ["GET", "POST", "GET"]

    def other(method: str, _path: str) -> None:
        if requests and requests.pop(0) == method and not requests:
            secret.step(rotation, "createSecret")

    issuing.meanwhile = other
    try:
        secret.step(rotation, "createSecret")
    finally:
        issuing.meanwhile = lambda _method, _path: None
    if ends_well:
        secret.drive(rotation)
    else:
        with pytest.raises(RotationError, match="value-overtaken"):
            secret.step(rotation, "setSecret")
        secret.rotate()
    assert secret.works(-1)
    assert json.loads(secret.current)["password"] == secret.in_vault()["password"]


def test_a_finish_after_vault_rotated_again(issuing: Issuing) -> None:
    """Nothing is promoted that Vault doesn't have at that moment."""
    secret = issuing.secret(STATIC)
    rotation, before = secret.begin(), secret.current
    for step in ("createSecret", "setSecret", "testSecret"):
        secret.step(rotation, step)
    issuing.root.write_data("database/rotate-role/records-static", data={})
    with pytest.raises(RotationError, match="value-overtaken"):
        secret.step(rotation, "finishSecret")
    assert secret.current == before


def test_somebody_else_writes_the_kv_secret_at_the_same_time(issuing: Issuing) -> None:
    """Check-and-set: their field and our value are both there in the end."""
    secret, theirs = issuing.secret(KV), iter(["https://shop.example.com/moved"])

    def write(method: str, path: str) -> None:
        if (method, path) == ("POST", KV):
            for url in theirs:
                secret.put_in_vault(url=url)

    issuing.meanwhile = write
    try:
        secret.rotate()
    finally:
        issuing.meanwhile = lambda _method, _path: None
    assert secret.in_vault() == {"url": "https://shop.example.com/moved", "token": json.loads(secret.current)["token"]}
    assert secret.versions() == 3


def test_a_kv_secret_that_keeps_changing(issuing: Issuing) -> None:
    """The step gives up after some attempts, and another one may succeed; nothing of theirs was overwritten."""
    secret = issuing.secret(KV)
    issuing.meanwhile = lambda method, path: secret.put_in_vault(url="again") if (method, path) == ("POST", KV) else None
    try:
        error = failure(secret)
    finally:
        issuing.meanwhile = lambda _method, _path: None
    assert (error.code, error.retryable) == ("rotation-running", True)


def test_another_value_comes_after_the_one_that_was_waited_for(issuing: Issuing) -> None:
    """It may be a later rotation's: nobody has waited because of it, so it stays, and another attempt looks again."""
    secret, theirs = issuing.secret(KV), iter(["of a later rotation"])
    rotation = secret.begin()
    secret.step(rotation, "createSecret")
    secret.put_in_vault(token="found before")

    def write(method: str, path: str) -> None:
        if (method, path) == ("POST", KV):
            for token in theirs:
                secret.put_in_vault(token=token)

    issuing.meanwhile = write
    try:
        with pytest.raises(RotationError) as caught:
            secret.step(rotation, "setSecret")
        assert (caught.value.code, caught.value.retryable) == ("rotation-running", True)
        assert secret.in_vault()["token"] == "of a later rotation"
    finally:
        issuing.meanwhile = lambda _method, _path: None
    secret.drive(rotation)
    assert secret.in_vault()["token"] == json.loads(secret.current)["token"]


@pytest.mark.parametrize("fate", ["deleted", "destroyed", "nothing"])
def test_a_kv_secret_that_is_gone(issuing: Issuing, fate: str) -> None:
    """What somebody deleted in Vault is not brought back by a rotation; the message says which it is."""
    secret = issuing.secret(KV)
    engine = issuing.root.secrets.kv.v2
    if fate == "deleted":
        engine.delete_latest_version_of_secret("shop/webhook", mount_point="secret")
    elif fate == "destroyed":
        engine.destroy_secret_versions("shop/webhook", versions=[1], mount_point="secret")
    else:
        engine.delete_metadata_and_all_versions("shop/webhook", mount_point="secret")
    error = failure(secret)
    assert error.code == "vault-missing"
    assert fate in error.message


def test_an_unknown_static_role(issuing: Issuing) -> None:
    """Vault's own words say so; no policy is to blame, so the test grants it."""
    issuing.allow({**granted(), "database/static-creds/nobody": {"read"}})
    try:
        error = failure(issuing.secret(STATIC, vault_path="database/static-creds/nobody"))
    finally:
        issuing.allow(granted())
    assert error.code == "vault-refused"
    assert "unknown role" in error.message


def test_a_mount_of_kv_version_1(issuing: Issuing) -> None:
    """It has no versions, so no check-and-set: refused as what it is."""
    issuing.root.sys.enable_secrets_engine("kv", path="old", options={"version": "1"})
    issuing.root.write_data("old/data/app", data={"token": "x"})
    issuing.allow({**granted(), "old/data/app": {"read", "update"}})
    try:
        error = failure(issuing.secret(KV, vault_path="old/data/app"))
    finally:
        issuing.allow(granted())
        issuing.root.sys.disable_secrets_engine("old")
    assert (error.code, "KV version 2" in error.message) == ("secret-field-wrong", True)


def test_the_policy_is_enough_and_each_word_of_it_needed(issuing: Issuing, eventually: Callable[..., None]) -> None:
    """With the policy as it ships both kinds rotate and rehearse; without any one capability of it something fails."""
    secrets = [issuing.secret(path) for path in PLACES]
    words = [(path, word) for path, given in granted().items() for word in given]
    assert len(words) == 6

    def trouble() -> set[str]:
        """What fails, of rehearsals, rotations and the token's end."""
        found = set()
        accessors = set(issuing.root.list("auth/token/accessors")["data"]["keys"])
        for secret in secrets:
            for attempt in (secret.rehearse, secret.rotate):
                try:
                    attempt()
                except RotationError as error:
                    found.add(f"{attempt.__name__}: {error.code}")
                    secret.withdraw()
        after = set(issuing.root.list("auth/token/accessors")["data"]["keys"])
        for accessor in after - accessors:
            found.add("a token stayed")
            issuing.root.auth.token.revoke_accessor(accessor)
        return found

    try:
        assert trouble() == set()
        for path, word in words:
            issuing.allow({**granted(), path: granted()[path] - {word}})
            expected = {
                "auth/token/revoke-self": {"a token stayed"},
                "sys/capabilities-self": {"rehearse: vault-denied"},
            }.get(path, {"rehearse: vault-denied", "rotate: vault-denied"})
            assert trouble() == expected, f"without {word} on {path}"
    finally:
        issuing.allow(granted())


def test_a_vault_that_does_not_answer(issuing: Issuing) -> None:
    """Named, worth another try, AWSCURRENT untouched."""
    secret = issuing.secret(STATIC)
    rotation, before = secret.begin(), secret.current
    nobody = {**issuing.environ, "VAULT_ADDR": f"https://127.0.0.1:{free_port()}", "VAULT_MAX_RETRIES": "0"}
    with pytest.raises(RotationError) as caught:
        secret.step(rotation, "createSecret", nobody)
    assert (caught.value.code, caught.value.retryable, secret.current) == ("vault-unreachable", True, before)
    with pytest.raises(RotationError, match="settings-wrong"):
        secret.step(rotation, "createSecret", {"VAULT_ADDR": "nonsense"})
    with pytest.raises(RotationError, match="vault-denied"):
        secret.step(rotation, "createSecret", {**issuing.environ, "VAULT_AUTH_ROLE": "nobody"})
    secret.drive(rotation)


def test_neither_lines_nor_exceptions_have_a_value(issuing: Issuing) -> None:
    """Whatever request fails: no value of Vault's or of Secrets Manager's is in a line, a text or a traceback."""
    said = io.StringIO()
    logger = Logger(service="silence-vault", stream=said, level=logging.DEBUG)
    known: set[str] = set()
    for path in PLACES:
        secret = issuing.secret(path)
        calls = calls_of(secret)
        rotation = secret.begin()
        for at in [at for at, call in enumerate(calls, 1) if call.startswith("vault")]:
            handler = make_handler(issuing.engine(Faults(at, Kind.ANSWER_LOST)), (), logger)
            try:
                Driver(lambda event, handler=handler: handler(event, None), issuing.bed.clock, attempts=1).drive(rotation)
            except RotationError as error:
                said.write("".join(traceback.format_exception(error)) + repr(error.args) + repr(vars(error)))
        field = "password" if secret.static else "token"
        stored = [json.loads(text) for text in issuing.bed.amazon.service.texts() if path in text]
        known |= {value[field] for value in stored if field in value}  # other tests store worse than that
        known.add(secret.in_vault()[field])
    searched = said.getvalue()
    assert "Traceback" in searched
    assert '"level":"INFO"' in searched
    assert len(known) >= 5
    assert not [value for value in known if value in searched]


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"vault_path": "database/static-creds/app"}, Place("database", static=True, name="app", field="password")),
        ({"vault_path": "team/db/static-creds/a/b"}, Place("team/db", static=True, name="a/b", field="password")),
        ({"vault_path": "secret/data/app"}, Place("secret", static=False, name="app", field="password")),
        (
            {"vault_path": "team/kv/data/x/data/y", "vault_field": "token"},
            Place("team/kv", static=False, name="x/data/y", field="token"),
        ),
        (
            {"vault_path": "a/data/kv/data/app", "vault_mount": "a/data/kv/"},
            Place("a/data/kv", static=False, name="app", field="password"),
        ),
        ({"vault_path": "data/data/app"}, Place("data", static=False, name="app", field="password")),
        ({}, "secret-field-missing"),
        ({"vault_path": ""}, "secret-field-missing"),
        ({"vault_path": 7}, "secret-field-wrong"),
        ({"vault_path": "database/creds/app"}, "secret-field-wrong"),
        ({"vault_path": "secret/app"}, "secret-field-wrong"),
        ({"vault_path": "secret/data"}, "secret-field-wrong"),
        ({"vault_path": "secret/data/"}, "secret-field-wrong"),
        ({"vault_path": "/secret/data/app"}, "secret-field-wrong"),
        ({"vault_path": "secret/data//app"}, "secret-field-wrong"),
        ({"vault_path": "secret/data/../app"}, "secret-field-wrong"),
        ({"vault_path": "secret/data/app", "vault_mount": "other"}, "secret-field-wrong"),
        ({"vault_path": "secret/data/app", "vault_mount": 7}, "secret-field-wrong"),
        ({"vault_path": "secret/data/app", "vault_field": ["a"]}, "secret-field-wrong"),
    ],
)
def test_where_a_secret_says_its_value_is(fields: dict[str, object], place: Place | str) -> None:
    """A mount of any depth, a role or a path of any depth; anything else is named as wrong before Vault is asked."""
    try:
        found: Place | str = Place.parse(fields)
    except RotationError as error:
        found = error.code
    assert found == place


def test_a_pending_value_that_somebody_else_wrote(issuing: Issuing) -> None:
    """Only what is issued may differ: a value can't send the rotation to another path or host."""
    secret = issuing.secret(STATIC)
    rotation = secret.begin()
    theirs = {**json.loads(secret.current), "host": "evil.example.com", "vault_path": KV}
    text = {"SecretString": json.dumps(theirs), "VersionStages": ["AWSPENDING"]}
    issuing.bed.client.put_secret_value(SecretId=secret.name, ClientRequestToken=rotation.token, **text)
    asked: list[str] = []
    issuing.meanwhile = lambda _method, path: asked.append(path)
    try:
        with pytest.raises(RotationError, match=r"value-changed: AWSPENDING differs from AWSCURRENT in: host, vault_path\."):
            secret.step(rotation, "setSecret")
    finally:
        issuing.meanwhile = lambda _method, _path: None
    assert asked == []
    secret.withdraw()


def test_a_plan_asks_nobody(issuing: Issuing) -> None:
    """It says where in Vault, and what becomes of the older value."""
    asked: list[str] = []
    issuing.meanwhile = lambda _method, path: asked.append(path)
    try:
        told = [issuing.engine().preview(issuing.secret(path).name) for path in PLACES]
    finally:
        issuing.meanwhile = lambda _method, _path: None
    assert [dict(strategy.outline(change)) for strategy, change in told] == [
        {"vault": f"{STATIC}: draws it and sets it in its database", "older value": "ends at once, when the rotation begins"},
        {"vault": f"{KV}: keeps it too, as 'token'", "older value": "stays readable in Vault as an older version"},
    ]
    assert asked == []


def test_the_function_as_lambda_runs_it(issuing: Issuing) -> None:
    """In AWS's emulator, beside the layer: two rotations by events, with its own login; no value is in its log."""
    secret, bed = issuing.secret(STATIC), issuing.bed
    environment = {
        **issuing.environ,
        "AWS_DEFAULT_REGION": REGION,
        "VAULTGATE_LISTEN": f"127.0.0.1:{free_port()}",
        "SECRETS_MANAGER_ENDPOINT": bed.amazon.endpoint,
        "ROTATION_CA_BUNDLE": str(bed.stack.database.ca_file),
    }
    layer, handler = paths.build_folder() / "layer", "vaultgate_ops.rotation.handler.handler"
    with Sandbox(find_emulator(), layer, environment, handler, bed.stack.folder, name="issued") as sandbox:

        def call(event: object) -> None:
            answer = sandbox.invoke(event)
            assert "errorMessage" not in answer, answer

        for _ in range(2):
            rotation = secret.begin()
            Driver(call, bed.clock, attempts=1).drive(rotation)
            bed.amazon.service.end(rotation)
            secret.values.append(secret.current)
    assert [secret.works(place) for place in (-1, -2, -3)] == [True, False, False]
    log = sandbox.log()
    assert '"message":"step"' in log
    assert not [text for text in secret.values if json.loads(text)["password"] in log]
