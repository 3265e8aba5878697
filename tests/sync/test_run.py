"""A sync from the real Vault: made, updated, drifted, deleted, foreign, throttled; and that no value is ever told."""

from __future__ import annotations

import json
import traceback
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import hvac
import pytest
from tests.bootstrap.answering import answering
from tests.simulators.secrets_manager_direct import DirectClient
from tests.simulators.secrets_manager_http import served
from tests.sync.conftest import KEY, PARAMETER, PATH, SECRET, WHOLE, policy

from vaultgate_ops.bootstrap.model import Hidden
from vaultgate_ops.errors import Denied, Unreachable
from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.sync import lines, summary, unlisted
from vaultgate_ops.sync.model import Action, Entry, Fate, Kind, Wanted, tags_of
from vaultgate_ops.sync.targets import Secrets
from vaultgate_ops.sync.vault import Origin, value_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sync.conftest import Bridge

    from vaultgate_ops.local.stack import Stack

pytestmark = pytest.mark.stack


def actions(bridge: Bridge, *entries: Entry, **flags: bool) -> list[Action]:
    """What was done to each."""
    return [outcome.decision.action for outcome in bridge.sync(*entries, **flags)]


def test_both_kinds_are_made_and_then_left_alone(bridge: Bridge) -> None:
    """A field as its text, a whole secret as JSON in one order; both say where they came from; a second run finds nothing."""
    assert bridge.told() == [
        "+ secretsmanager shop/payment-key  from secret/data/shop/payment:key, version 1",
        "+ ssm /shop/payment/key  from secret/data/shop/payment, version 1",
    ]
    assert bridge.amazon.value(SECRET) == "first value"
    assert bridge.store.value(PARAMETER) == '{"key": "first value", "user": "shop"}'
    assert bridge.tags() == {
        "vaultgate:owner": "shop",
        "vaultgate:source": "secret/data/shop/payment",
        "vaultgate:field": "key",
        "vaultgate:version": "1",
        "vaultgate:key": "alias/shop",
    }
    assert bridge.secrets.describe_secret(SecretId=SECRET)["KmsKeyId"] == "alias/shop"
    kept = bridge.parameters.get_parameter_history(Name=PARAMETER)["Parameters"][0]
    assert (kept["Type"], kept["Tier"], kept["KeyId"]) == ("SecureString", "Standard", "alias/aws/ssm")
    before = bridge.everything()
    again = bridge.sync()
    assert ([one.decision.action for one in again], bridge.everything()) == ([Action.NOTHING] * 2, before)
    assert summary(again) == "0 changes, 2 as they should be"


def test_a_new_version_in_vault(bridge: Bridge) -> None:
    """Both follow, with the version in their tags; the line has both versions."""
    bridge.sync()
    bridge.put(key="second value", user="shop")
    assert bridge.told() == [
        "~ secretsmanager shop/payment-key  from secret/data/shop/payment:key, version 1 -> 2",
        "~ ssm /shop/payment/key  from secret/data/shop/payment, version 1 -> 2",
    ]
    assert (bridge.amazon.value(SECRET), bridge.tags()["vaultgate:version"]) == ("second value", "2")
    assert json.loads(bridge.store.value(PARAMETER))["key"] == "second value"
    assert actions(bridge) == [Action.NOTHING] * 2


def test_a_new_version_with_the_same_field(bridge: Bridge) -> None:
    """No new version of the secret is made where only another field changed; its tags say the new version."""
    bridge.sync(KEY)
    bridge.put(key="first value", user="another")
    stages = bridge.amazon.stages(SECRET)
    assert actions(bridge, KEY) == [Action.MARK]
    assert (bridge.tags()["vaultgate:version"], bridge.amazon.stages(SECRET)) == ("2", stages)


def test_a_plan_changes_nothing(bridge: Bridge) -> None:
    """Before the first run, before an update, before a removal: what would be done, and nothing done."""
    before = bridge.everything()
    assert actions(bridge, plan=True) == [Action.CREATE] * 2
    assert bridge.everything() == before
    bridge.sync()
    bridge.put(key="second value", user="shop")
    before = bridge.everything()
    assert actions(bridge, plan=True) == [Action.WRITE] * 2
    bridge.root.secrets.kv.v2.delete_latest_version_of_secret(PATH, mount_point="secret")
    assert actions(bridge, plan=True, prune=True) == [Action.REMOVE] * 2
    assert bridge.everything() == before


def test_drift_is_shown_and_put_back(bridge: Bridge) -> None:
    """Whoever changed a target behind our back: told as drift, without either value, and Vault's is put back."""
    bridge.sync()
    bridge.secrets.put_secret_value(SecretId=SECRET, SecretString="their value")
    bridge.parameters.put_parameter(Name=PARAMETER, Value="their value", Type="SecureString", Overwrite=True)
    told = bridge.told()
    assert [line for line in told if "drift" in line] == ["    drift: somebody else changed it; Vault's value is put back"] * 2
    assert "their value" not in "".join(told)
    assert (bridge.amazon.value(SECRET), json.loads(bridge.store.value(PARAMETER))["user"]) == ("first value", "shop")


def test_drift_beside_a_new_version(bridge: Bridge) -> None:
    """Told by what Vault's older version was; where that was destroyed, it can't be told, which is said."""
    bridge.sync()
    bridge.secrets.put_secret_value(SecretId=SECRET, SecretString="their value")
    bridge.put(key="second value", user="shop")
    told = bridge.told(plan=True)
    assert ["drift" in line for line in told] == [False, True, False]
    bridge.root.secrets.kv.v2.destroy_secret_versions(PATH, versions=[1], mount_point="secret")
    assert sum("can't be told" in line for line in bridge.told(plan=True)) == 2
    bridge.sync()
    assert bridge.amazon.value(SECRET) == "second value"


@pytest.mark.parametrize("fate", ["deleted", "destroyed"])
def test_a_secret_that_was_deleted_in_vault(bridge: Bridge, fate: str) -> None:
    """Reported and left; with --prune removed, recoverably where there is a way; brought back when it lives again."""
    bridge.sync()
    engine = bridge.root.secrets.kv.v2
    if fate == "deleted":
        engine.delete_latest_version_of_secret(PATH, mount_point="secret")
    else:
        engine.destroy_secret_versions(PATH, versions=[1], mount_point="secret")
    before = bridge.everything()
    assert bridge.told() == [
        f"! secretsmanager shop/payment-key  source-deleted: secret/data/shop/payment is {fate} in Vault",
        "    Remove it with --prune (recoverable for 30 days).",
        f"! ssm /shop/payment/key  source-deleted: secret/data/shop/payment is {fate} in Vault",
        "    Remove it with --prune (at once).",
    ]
    assert bridge.everything() == before
    assert bridge.told(prune=True) == [
        f"- secretsmanager shop/payment-key  secret/data/shop/payment is {fate} in Vault (recoverable for a month)",
        f"- ssm /shop/payment/key  secret/data/shop/payment is {fate} in Vault (at once)",
    ]
    assert "DeletedDate" in bridge.secrets.describe_secret(SecretId=SECRET)
    assert bridge.store.names() == []
    assert actions(bridge, KEY, prune=True) == [Action.NOTHING]
    if fate == "deleted":
        engine.undelete_secret_versions(PATH, versions=[1], mount_point="secret")
    else:
        bridge.put(key="first value", user="shop")
    bridge.clock.advance(60)
    assert actions(bridge) == [Action.BRING_BACK, Action.CREATE]
    assert bridge.amazon.value(SECRET) == "first value"
    assert actions(bridge) == [Action.NOTHING] * 2


def test_a_vault_that_knows_nothing_removes_nothing(bridge: Bridge, stack: Stack) -> None:
    """--prune where the metadata is gone, the path is another, the token is too weak or the engine isn't mounted: all stays."""
    bridge.sync()
    before = bridge.everything()
    bridge.root.secrets.kv.v2.delete_metadata_and_all_versions(PATH, mount_point="secret")
    assert bridge.told(prune=True) == [
        "! secretsmanager shop/payment-key  source-missing: Vault has no trace of secret/data/shop/payment",
        "    Correct the path, or delete the target by hand.",
        "! ssm /shop/payment/key  source-missing: Vault has no trace of secret/data/shop/payment",
        "    Correct the path, or delete the target by hand.",
    ]
    bridge.put("shop/other", key="x")
    bridge.root.secrets.kv.v2.delete_latest_version_of_secret("shop/other", mount_point="secret")
    with stack.vault.client() as root:
        for path, origin, code in (
            ("shop/typo", Origin(root), "source-missing"),
            ("shop/other", Origin(root), "source-deleted"),
            ("shop/other", bridge.origin, "vault-denied"),
        ):
            bridge.origin = origin
            moved = [replace(one, path=path) for one in (KEY, WHOLE)]
            assert [one.decision.code for one in bridge.sync(*moved, prune=True)] == [code] * 2
        bridge.origin = Origin(root)
        unmounted = [replace(one, mount="unmounted") for one in (KEY, WHOLE)]
        assert all(one.failed for one in bridge.sync(*unmounted, prune=True))
        root.secrets.kv.v2.delete_metadata_and_all_versions("shop/other", mount_point="secret")
    assert bridge.everything() == before


def test_an_engine_that_is_unmounted_during_a_run(bridge: Bridge, stack: Stack) -> None:
    """Its 404 looks like that of a path where nothing is, and removes nothing."""
    with stack.vault.client() as root:
        root.sys.enable_secrets_engine("kv", path="brief", options={"version": "2"})
        here = [replace(one, mount="brief") for one in (KEY, WHOLE)]
        bridge.origin = Origin(root)
        try:
            bridge.origin.read(here[0])
        finally:
            root.sys.disable_secrets_engine("brief")
        assert bridge.origin.read(here[0]).fate is Fate.ABSENT
    for one in here:
        bridge.target(one).create(one, Hidden("first value"), tags_of(one, "shop", 1))
    before = bridge.everything()
    assert actions(bridge, *here, prune=True) == [Action.LEAVE] * 2
    assert bridge.everything() == before


def test_a_secret_that_is_rotated_by_now_is_not_removed(bridge: Bridge) -> None:
    """Whoever moved a secret from Vault to a rotation function deletes it in Vault: --prune leaves the rotated one alone."""
    bridge.sync(KEY)
    bridge.secrets.rotate_secret(SecretId=SECRET, RotationLambdaARN="arn:aws:lambda:us-east-1:123456789012:function:f")
    bridge.root.secrets.kv.v2.delete_latest_version_of_secret(PATH, mount_point="secret")
    assert [one.decision.code for one in bridge.sync(KEY, prune=True)] == ["target-rotated"]
    assert "DeletedDate" not in bridge.secrets.describe_secret(SecretId=SECRET)


def test_a_version_that_goes_back_is_told(bridge: Bridge) -> None:
    """Vault is the truth, but who makes a secret anew, restores Vault or names another one hears of it."""
    bridge.put(key="second value", user="shop")
    bridge.sync(KEY)
    bridge.root.secrets.kv.v2.delete_metadata_and_all_versions(PATH, mount_point="secret")
    bridge.put(key="made anew")
    assert bridge.told(KEY, plan=True) == [
        "~ secretsmanager shop/payment-key  from secret/data/shop/payment:key, version 2 -> 1",
        "    Vault's version went back: made anew, restored, or another Vault",
        "    whether somebody else changed it can't be told: Vault has nothing there to compare it with",
    ]


def test_foreign_targets_are_never_touched(bridge: Bridge) -> None:
    """Without our tag, with another owner's, managed by a service, rotated, an open parameter: named, and the others go on."""
    names = ["none", "theirs", "managed", "rotated"]
    for name in names:
        tags = [] if name == "none" else [{"Key": "vaultgate:owner", "Value": "billing" if name == "theirs" else "shop"}]
        bridge.secrets.create_secret(Name=name, SecretString="their value", Tags=tags)
    bridge.amazon.manage("managed", owner="rds")
    bridge.secrets.rotate_secret(SecretId="rotated", RotationLambdaARN="arn:aws:lambda:us-east-1:123456789012:function:f")
    bridge.parameters.put_parameter(Name="/none", Value="their value", Type="SecureString")
    tag = [{"Key": "vaultgate:owner", "Value": "shop"}]
    bridge.parameters.put_parameter(Name="/open", Value="their value", Type="String", Tags=tag)
    entries = [replace(KEY, name=name) for name in names] + [replace(WHOLE, name=name) for name in ("/none", "/open")]
    before = bridge.everything()
    for prune in (False, True):
        outcomes = bridge.sync(*entries, plan=True, prune=prune)
        assert [one.decision.code for one in outcomes] == [
            "foreign-secret",
            "foreign-secret",
            "managed-elsewhere",
            "target-rotated",
            "foreign-secret",
            "parameter-open",
        ]
    outcomes = bridge.sync(*entries, KEY)
    assert [one.failed for one in outcomes] == [True] * 6 + [False]
    assert summary(outcomes) == "1 change (1 to create), 0 as they should be, 6 left alone"
    assert bridge.amazon.value(SECRET) == "first value"
    bridge.secrets.delete_secret(SecretId=SECRET)
    after = bridge.everything()
    assert isinstance(after, tuple)
    assert isinstance(before, tuple)
    assert {name: after[0][name] for name in names} == before[0]
    assert after[1] == before[1]
    assert "GetSecretValue" not in bridge.amazon.calls, "a foreign value was read"


def test_what_was_taken_out_of_the_file(bridge: Bridge) -> None:
    """Named if it has the very owner's tag, in either service, however many; nothing else is, and nothing is changed."""
    bridge.sync()
    many = [replace(KEY, name=f"shop/{n:03}") for n in range(101)]
    for one in many:
        bridge.secrets.create_secret(Name=one.name, SecretString="x", Tags=[{"Key": "vaultgate:owner", "Value": "shop"}])
    bridge.sync(replace(WHOLE, name="/shop/old"))
    bridge.sync(replace(KEY, name="longer"), replace(WHOLE, name="/longer"), owner="shopping")
    bridge.secrets.create_secret(Name="mixed", SecretString="x", Tags=[{"Key": "vaultgate:owners", "Value": "shop"}])
    bridge.secrets.delete_secret(SecretId=many[0].name)
    before = bridge.everything()
    outcomes = unlisted(Wanted("shop", (KEY, WHOLE)), bridge.target)
    assert [one.entry.target for one in outcomes] == [*(one.target for one in many[1:]), "ssm /shop/old"]
    assert next(lines(outcomes[-1])) == (
        "! ssm /shop/old  target-unlisted: its tag vaultgate:owner is 'shop', and the file doesn't name it"
    )
    assert bridge.everything() == before
    everywhere = Wanted("shop", (KEY, WHOLE, *many, replace(WHOLE, kind=Kind.ADVANCED, name="/shop/old")))
    assert unlisted(everywhere, bridge.target) == []
    bridge.secrets.replicate_secret_to_regions(SecretId=SECRET, AddReplicaRegions=[{"Region": "eu-west-1"}])
    bridge.secrets = DirectClient(bridge.amazon, "eu-west-1")
    assert SECRET not in {one.entry.name for one in unlisted(Wanted("shop", (WHOLE,)), bridge.target)}


def test_a_replica(bridge: Bridge) -> None:
    """Written in its primary region only."""
    bridge.sync(KEY)
    bridge.secrets.replicate_secret_to_regions(SecretId=SECRET, AddReplicaRegions=[{"Region": "eu-west-1"}])
    assert actions(bridge, KEY) == [Action.NOTHING]
    bridge.secrets.meta.region_name = "eu-west-1"
    assert [one.decision.code for one in bridge.sync(KEY)] == ["replica-region"]


def test_a_secret_that_only_its_tag_calls_managed(bridge: Bridge) -> None:
    """A service that manages a secret also tags it, under the prefix that nobody else may use."""
    bridge.sync(KEY)
    bridge.secrets = Managed(bridge.secrets)  # type: ignore[assignment] - a client
    assert [one.decision.why for one in bridge.sync(KEY)] == ["it is managed by rds"]


def test_what_is_foreign_is_not_removed_with_its_source(bridge: Bridge) -> None:
    """--prune removes by the tags that are there, not by the name."""
    bridge.secrets.create_secret(Name=SECRET, SecretString="their value")
    bridge.root.secrets.kv.v2.delete_latest_version_of_secret(PATH, mount_point="secret")
    assert [one.decision.code for one in bridge.sync(KEY, prune=True)] == ["foreign-secret"]
    assert bridge.amazon.value(SECRET) == "their value"


def test_custom_metadata_keeps_a_secret_in_vault(bridge: Bridge) -> None:
    """``vaultgate-sync=no``: whoever looks after the secret has the last word."""
    bridge.root.secrets.kv.v2.update_metadata(PATH, custom_metadata={"vaultgate-sync": "no"}, mount_point="secret")
    assert [one.decision.code for one in bridge.sync()] == ["source-withheld"] * 2
    bridge.root.secrets.kv.v2.update_metadata(PATH, custom_metadata={"team": "shop"}, mount_point="secret")
    assert actions(bridge) == [Action.CREATE] * 2


def test_paths_fields_and_mounts_that_do_not_fit(bridge: Bridge, stack: Stack) -> None:
    """Nothing there, no such field, KV version 1, no such mount, a mount below another, a path that is denied: each by name."""
    bridge.root.sys.enable_secrets_engine("kv", path="old", options={"version": "1"})
    bridge.root.write_data("old/shop/payment", data={"key": "x"})
    strange = [
        replace(KEY, path="shop/nothing"),
        replace(KEY, field="nothing"),
        replace(KEY, mount="old"),
        replace(KEY, mount="nowhere"),
        replace(KEY, mount="secret/shop", path="payment"),
        replace(KEY, mount="database"),
    ]
    with stack.vault.client() as root:
        bridge.origin = Origin(root)
        codes = [(one.decision.code, one.decision.why) for one in bridge.sync(*strange, KEY)]
    bridge.root.sys.disable_secrets_engine("old")
    assert [code for code, _ in codes] == [
        "source-missing",
        "source-field-missing",
        "vault-refused",
        "vault-denied",
        "vault-refused",
        "vault-refused",
        "",
    ]
    assert [why for _, why in codes[2:5]] == [
        "old/ is no mount of KV version 2",
        "nowhere/ is no mount, or one in which the token may read nothing",
        "secret/shop/ is no mount of KV version 2",
    ]


def test_the_policy_is_enough_and_needed(bridge: Bridge) -> None:
    """It has one line for one secret; every other test runs with it. Without it nothing is read, beyond it neither."""
    other = replace(KEY, path="records", field="greeting", name="other")
    assert [one.decision.code for one in bridge.sync(KEY, other)] == ["", "vault-denied"]
    assert policy().count("capabilities") == 1
    bridge.root.sys.create_or_update_policy("sync", 'path "secret/data/else" { capabilities = ["read"] }')
    (denied,) = bridge.sync(KEY)
    assert (denied.decision.code, denied.decision.hint) == (
        "vault-denied",
        'grant it: path "secret/data/shop/payment" with read',
    )


def test_values_as_they_are_in_vault(bridge: Bridge) -> None:
    """A text stays as it is, anything else becomes JSON; what AWS can't hold is refused before it is sent."""
    bridge.put(text='say "é"\n', number=42, flag=True, nothing=None, deep={"b": 1, "a": [1]}, empty="", large="x" * 5_000)
    entries = [Entry("secret", PATH, name, Kind.SECRET, name) for name in ("text", "number", "flag", "nothing", "deep")]
    bridge.sync(*entries)
    assert [bridge.amazon.value(one.name) for one in entries] == ['say "é"\n', "42", "true", "null", '{"a": [1], "b": 1}']
    small, large = (Entry("secret", PATH, "large", kind, "/large") for kind in (Kind.PARAMETER, Kind.ADVANCED))
    empty = Entry("secret", PATH, "empty", Kind.SECRET, "empty")
    assert [one.decision.code for one in bridge.sync(small, empty, large)] == ["value-too-large", "value-empty", ""]
    assert len(bridge.store.value("/large")) == 5_000


def test_the_order_of_a_secrets_fields() -> None:
    """The same secret is the same text, in whatever order it arrives."""
    assert value_of({"b": 1, "a": {"d": "é", "c": 2}}, "") == Hidden('{"a": {"c": 2, "d": "é"}, "b": 1}')


def test_another_key(bridge: Bridge) -> None:
    """The secret's key is changed before its value is written, and told."""
    bridge.sync(KEY)
    moved = replace(KEY, key="alias/other")
    assert bridge.told(moved)[1] == "    key: alias/other"
    assert bridge.secrets.describe_secret(SecretId=SECRET)["KmsKeyId"] == "alias/other"
    assert bridge.amazon.calls.index("UpdateSecret") < bridge.amazon.calls.index("PutSecretValue")
    assert actions(bridge, moved) == [Action.NOTHING]
    assert bridge.told(replace(KEY, key=""))[1] == "    key: the account's own"


def test_another_key_of_what_is_brought_back(bridge: Bridge) -> None:
    """It comes back under the key that the file names by now, and the tag doesn't say otherwise."""
    bridge.sync(KEY)
    bridge.secrets.delete_secret(SecretId=SECRET)
    bridge.clock.advance(60)
    moved = replace(KEY, key="alias/other")
    assert bridge.told(moved)[1] == "    key: alias/other"
    assert bridge.secrets.describe_secret(SecretId=SECRET)["KmsKeyId"] == "alias/other"
    assert actions(bridge, moved) == [Action.NOTHING]


def test_a_parameter_whose_creation_got_no_answer(bridge: Bridge) -> None:
    """boto3 asks again and hears that it is there: ours, as it was sent, is a success; what somebody else made is not."""
    bridge.parameters = Asking(bridge.parameters)  # type: ignore[assignment] - a client
    assert [(one.decision.action, one.failed) for one in bridge.sync(WHOLE)] == [(Action.CREATE, False)]
    target = bridge.target(WHOLE)
    for value, owner in (("another value", "shop"), ("first value", "billing")):
        with pytest.raises(RotationError, match="ParameterAlreadyExists"):
            target.create(WHOLE, Hidden(value), tags_of(WHOLE, owner, 1))


@pytest.mark.parametrize("entry", [KEY, replace(WHOLE, field="key")])
def test_another_run_in_between(bridge: Bridge, entry: Entry) -> None:
    """It wrote a newer version before we wrote ours: Vault is asked again, and ours is not what stays, however late reads are."""
    bridge.sync(entry)
    bridge.put(key="second value")

    def overtaken() -> None:
        bridge.put(key="third value")
        bridge.sync(entry)
        bridge.clock.advance(6)
        bridge.amazon.lag_s = bridge.store.lag_s = 5

    bridge.secrets = Meanwhile(bridge.secrets, 1, overtaken)  # type: ignore[assignment] - a client
    bridge.parameters = Meanwhile(bridge.parameters, 1, overtaken)  # type: ignore[assignment] - a client
    (told,) = bridge.told(entry)
    assert told.endswith("version 1 -> 3")
    secret = entry.kind is Kind.SECRET
    assert (bridge.amazon.value(SECRET) if secret else bridge.store.value(PARAMETER)) == "third value"
    bridge.clock.advance(6)
    assert actions(bridge, entry) == [Action.NOTHING]


def test_a_new_value_while_only_tags_are_written(bridge: Bridge) -> None:
    """Then a value is written too, and told."""
    bridge.sync(KEY)
    bridge.put(key="first value", user="another")
    bridge.secrets = Meanwhile(bridge.secrets, 1, lambda: bridge.put(key="third value"))  # type: ignore[assignment] - a client
    assert actions(bridge, KEY) == [Action.WRITE]
    assert bridge.amazon.value(SECRET) == "third value"


def test_a_value_that_is_withdrawn_while_it_is_written(bridge: Bridge) -> None:
    """Deleted in Vault by then, it is told so; undeleted while --prune removes it, it is brought back."""
    bridge.sync(KEY)
    vault, amazon = bridge.root.secrets.kv.v2, bridge.secrets
    bridge.put(key="second value")
    bridge.secrets = Meanwhile(amazon, 1, lambda: vault.delete_latest_version_of_secret(PATH, mount_point="secret"))  # type: ignore[assignment] - a client
    assert [(one.decision.action, one.decision.code) for one in bridge.sync(KEY)] == [(Action.LEAVE, "source-deleted")]
    bridge.secrets = Meanwhile(amazon, 1, lambda: vault.undelete_secret_versions(PATH, [2], mount_point="secret"))  # type: ignore[assignment] - a client
    assert actions(bridge, KEY, prune=True) == [Action.BRING_BACK]
    assert bridge.amazon.value(SECRET) == "second value"
    assert actions(bridge, KEY) == [Action.NOTHING]


def test_a_secret_that_never_rests(bridge: Bridge) -> None:
    """Given up after some rounds, with what to do; the others are synced all the same."""
    bridge.sync(KEY)
    bridge.put(key="value 0")
    values = iter(range(1, 99))
    bridge.secrets = Meanwhile(bridge.secrets, 99, lambda: bridge.put(key=f"value {next(values)}"))  # type: ignore[assignment] - a client
    restless, fine = bridge.sync(KEY, WHOLE)
    assert (restless.failed, restless.decision.why) == (True, "secret/data/shop/payment keeps changing in Vault")
    assert not fine.failed


def test_broken_off_between_value_and_tags(bridge: Bridge) -> None:
    """The next run marks what was written, and writes nothing again."""
    bridge.sync(KEY)
    bridge.put(key="second value")
    bridge.amazon.deny("TagResource", 1)
    (failed,) = bridge.sync(KEY)
    assert (failed.failed, failed.decision.code) == (True, "aws-denied")
    assert "tag_resource" in failed.decision.hint
    versions = bridge.amazon.stages(SECRET)
    assert actions(bridge, KEY) == [Action.MARK]
    assert bridge.amazon.stages(SECRET) == versions


def test_throttling_and_inner_errors(bridge: Bridge) -> None:
    """boto3 waits and tries again; a lost answer of a creation makes no second secret; what lasts is that entry's failure."""
    with served(bridge.amazon) as amazon:
        bridge.secrets = amazon.client(attempts=3)
        bridge.amazon.throttle("DescribeSecret", 1)
        bridge.amazon.break_down("CreateSecret", 1)
        assert actions(bridge, KEY) == [Action.CREATE]
        amazon.door.lost["CreateSecret"] = 1
        assert actions(bridge, replace(KEY, name="other")) == [Action.CREATE]
        bridge.secrets = amazon.client(attempts=1)
        bridge.amazon.throttle("DescribeSecret", 1)
        outcomes = bridge.sync(replace(KEY, name="third"), KEY)
        assert [one.decision.code for one in outcomes] == ["aws-throttled", ""]
        assert isinstance(bridge.target(KEY), Secrets)


def test_vault_that_does_not_answer_ends_the_run(bridge: Bridge, stack: Stack) -> None:
    """There is nothing to go on with: neither without Vault nor with a token that it no longer knows."""
    with stack.vault.client("hvs.nobody") as stranger:
        bridge.origin = Origin(stranger)
        with pytest.raises(Denied, match="doesn't know the token"):
            bridge.sync()
    with stack.vault.client() as away:
        away.adapter.base_uri = "https://127.0.0.1:1"
        bridge.origin = Origin(away)
        with pytest.raises(Unreachable):
            bridge.sync()
    assert bridge.amazon.calls == []


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, "<html>not found</html>"),
        (404, "{}"),
        (200, "{}"),
        (200, '{"data": {"data": {"key": "x"}}}'),
        (200, '{"data": null, "wrap_info": {"token": "x"}}'),
        (200, "<html>welcome</html>"),
    ],
)
def test_an_answer_that_says_nothing_of_a_secret_ends_the_run(bridge: Bridge, status: int, body: str) -> None:
    """A proxy's page is neither a secret nor a deletion, --prune or not."""
    bridge.sync()
    before = bridge.everything()
    mount = {"data": {"path": "secret/", "type": "kv", "options": {"version": "2"}}}
    with answering([(200, json.dumps(mount)), (status, body)]) as address:
        client = hvac.Client(address, token="t")
        bridge.origin = Origin(client)
        with pytest.raises(Unreachable, match="is not Vault"):
            bridge.sync(prune=True)
        client.adapter.close()
    assert bridge.everything() == before


def test_no_value_is_told(bridge: Bridge, caplog: pytest.LogCaptureFixture) -> None:
    """Neither in an outcome nor in a line, a log or an exception, whatever AWS quotes of what it refuses."""
    quoting = Quoting(bridge.secrets)
    bridge.secrets = quoting  # type: ignore[assignment] - a client
    outcomes = bridge.sync(KEY)
    assert outcomes[0].decision.why == "create_secret: ValidationException: Value '(hidden)' at 'secretString' is no good"
    try:
        bridge.target(KEY).create(KEY, outcomes[0].source.value, {})  # type: ignore[union-attr, arg-type] - it is live
    except Exception as error:  # noqa: BLE001 - all of it is looked at
        text = "".join(traceback.format_exception(error)) + repr(vars(error)) + repr(error.__context__)
    assert "first value" not in text + repr(outcomes) + caplog.text + "".join(bridge.told())


class Meanwhile:
    """A client of either service: so many times something happens just before it changes a value."""

    def __init__(self, client: DirectClient, times: int, happens: Callable[[], object]) -> None:
        self._client, self._times, self._happens, self.meta = client, times, happens, client.meta

    def __getattr__(self, name: str) -> Callable[..., object]:
        if self._times and name in {"put_secret_value", "put_parameter", "delete_secret", "tag_resource"}:
            self._times -= 1
            self._happens()
        return getattr(self._client, name)  # type: ignore[no-any-return] - a call


class Asking:
    """A client whose first answer to a creation is lost, and that asks again."""

    def __init__(self, client: DirectClient) -> None:
        self._client, self.meta = client, client.meta

    def __getattr__(self, name: str) -> Callable[..., object]:
        return getattr(self._client, name)  # type: ignore[no-any-return] - a call

    def put_parameter(self, **asked: Any) -> object:
        if not asked.get("Overwrite"):
            self._client.put_parameter(**asked)
        return self._client.put_parameter(**asked)


@pytest.mark.parametrize("ascii_only", [False, True])
def test_a_value_that_is_quoted_in_json(bridge: Bridge, *, ascii_only: bool) -> None:
    """A whole secret has quotes, letters beyond ASCII, line ends: it isn't told as JSON would write it either."""
    bridge.put(key='é"first value"')
    bridge.secrets = Quoting(bridge.secrets, lambda text: json.dumps(text, ensure_ascii=ascii_only)[1:-1])  # type: ignore[assignment] - a client
    (outcome,) = bridge.sync(replace(KEY, field=""))
    assert "Value '(hidden)' at" in outcome.decision.why


class Managed:
    """A client whose secrets carry RDS's tag beside others."""

    def __init__(self, client: DirectClient) -> None:
        self._client, self.meta = client, client.meta

    def describe_secret(self, **asked: str) -> dict[str, Any]:
        seen = self._client.describe_secret(**asked)
        return {**seen, "Tags": [*seen["Tags"], {"Key": "aws:secretsmanager:owningService", "Value": "rds"}]}


class Quoting:
    """A client whose service quotes what it refuses."""

    def __init__(self, client: object, escape: Callable[[str], str] = str) -> None:
        self._client, self._escape = client, escape
        self.meta = client.meta  # type: ignore[attr-defined] - boto3's

    def __getattr__(self, name: str) -> Callable[..., object]:
        from botocore.exceptions import ClientError  # noqa: PLC0415 - for this alone

        def refuse(**asked: object) -> object:
            message = f"Value '{self._escape(str(asked['SecretString']))}' at 'secretString' is no good"
            raise ClientError({"Error": {"Code": "ValidationException", "Message": message}}, "CreateSecret")

        return refuse if name == "create_secret" else getattr(self._client, name)
