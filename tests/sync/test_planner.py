"""What a sync decides: each row of the table, and what holds whatever is true."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaultgate_ops.bootstrap.model import Hidden
from vaultgate_ops.sync.model import (
    FIELD,
    KEY,
    OWNER,
    SOURCE,
    VERSION,
    Action,
    Decision,
    Drift,
    Entry,
    Fate,
    Found,
    Kind,
    Source,
    tags_of,
)
from vaultgate_ops.sync.planner import decide, left, needs_older

ENTRY = Entry("secret", "shop/payment", "key", Kind.SECRET, "shop/payment-key", "alias/shop")
PARAMETER = Entry("secret", "shop/payment", "key", Kind.PARAMETER, "/shop/payment-key")
ADVANCED = Entry("secret", "shop/payment", "key", Kind.ADVANCED, "/shop/payment-key")
LIVE = Source(Fate.LIVE, 7, Hidden("new"))
OURS = tags_of(ENTRY, "shop", 7)


def decided(
    source: Source = LIVE, found: Found | None = None, older: str | None = None, *, entry: Entry = ENTRY, prune: bool = False
) -> tuple[Action, Drift, str]:
    """What is decided, with what a person is told of it."""
    made = decide(entry, "shop", source, found, None if older is None else Hidden(older), prune=prune)
    return made.action, made.drift, made.code


def there(value: str | None = "new", **tags: str) -> Found:
    """A target of ours that is as version 7 left it, but for this."""
    changed = {f"vaultgate:{name}": text for name, text in tags.items()}
    return Found({**OURS, **changed, "team": "theirs"}, None if value is None else Hidden(value))


def gone(fate: Fate) -> Source:
    """A secret that Vault has no more."""
    return Source(fate, 7)


@pytest.mark.parametrize("entry", [ENTRY, PARAMETER, ADVANCED])
def test_what_is_left_of_a_change(entry: Entry) -> None:
    """The value with its tags; of what was removed, a secret that waits for its end, or no parameter."""
    tags = tags_of(entry, "shop", 7)
    for action in (Action.CREATE, Action.WRITE, Action.MARK, Action.BRING_BACK):
        assert left(entry, "shop", LIVE, Decision(action)) == Found(tags, Hidden("new"))
    removed = left(entry, "shop", gone(Fate.DELETED), Decision(Action.REMOVE))
    assert removed == (Found(tags, going=True) if entry is ENTRY else None)


def test_the_tags_of_a_target() -> None:
    """Whose it is, which field of which path, which version, which key; a whole secret and the account's key are empty texts."""
    assert OURS == {
        "vaultgate:owner": "shop",
        "vaultgate:source": "secret/data/shop/payment",
        "vaultgate:field": "key",
        "vaultgate:version": "7",
        "vaultgate:key": "alias/shop",
    }
    assert tags_of(Entry("a", "b", "", Kind.PARAMETER, "/n"), "x", 1)[FIELD] == ""


@pytest.mark.parametrize(
    ("found", "action", "drift"),
    [
        (None, Action.CREATE, Drift.NONE),
        (there(), Action.NOTHING, Drift.NONE),
        (there("old"), Action.WRITE, Drift.CHANGED),
        (there(None), Action.WRITE, Drift.CHANGED),
        (there(version="6"), Action.MARK, Drift.NONE),
        (there(version=""), Action.MARK, Drift.NONE),
        (there(source="secret/data/else"), Action.MARK, Drift.NONE),
        (there(field="other"), Action.MARK, Drift.NONE),
        (there(key=""), Action.WRITE, Drift.NONE),
        (there("old", version="6"), Action.WRITE, Drift.UNKNOWN),
        (there("old", version="9"), Action.WRITE, Drift.UNKNOWN),
        (there("old", source="secret/data/else"), Action.WRITE, Drift.UNKNOWN),
        (there("old", field="other"), Action.WRITE, Drift.UNKNOWN),
        (Found(OURS, going=True), Action.BRING_BACK, Drift.NONE),
    ],
)
def test_a_live_secret(found: Found | None, action: Action, drift: Drift) -> None:
    """Made, written, marked, brought back or left as it is."""
    assert decided(LIVE, found) == (action, drift, "")


@pytest.mark.parametrize(("older", "drift"), [("old", Drift.NONE), ("another", Drift.CHANGED), (None, Drift.UNKNOWN)])
def test_drift_before_an_update(older: str | None, drift: Drift) -> None:
    """Whether the target still has what its version was tells drift from an update."""
    assert decided(LIVE, there("old", version="6"), older) == (Action.WRITE, drift, "")


def test_another_key_is_told() -> None:
    """The decision says so, and what was there before."""
    made = decide(ENTRY, "shop", LIVE, there(key="alias/old", version="6"), None, prune=False)
    assert (made.action, made.rekey, made.was) == (Action.WRITE, True, "6")
    assert not decide(ENTRY, "shop", LIVE, there("old"), None, prune=False).rekey


@pytest.mark.parametrize(("key", "rekey"), [("alias/shop", False), ("alias/old", True)])
def test_another_key_of_what_is_brought_back(key: str, *, rekey: bool) -> None:
    """It is written under the key that is wanted by now, not under the one that it had when it was deleted."""
    made = decide(ENTRY, "shop", LIVE, Found({**OURS, KEY: key}, going=True), None, prune=False)
    assert (made.action, made.rekey) == (Action.BRING_BACK, rekey)


@pytest.mark.parametrize("source", [LIVE, *map(gone, (Fate.DELETED, Fate.DESTROYED, Fate.ABSENT))])
@pytest.mark.parametrize("prune", [False, True])
@pytest.mark.parametrize(
    ("found", "code", "told"),
    [
        (Found({}), "foreign-secret", "no tag vaultgate:owner"),
        (Found({"vaultgate:owner": "billing"}), "foreign-secret", "'billing'"),
        (Found({"vaultgate:owner": ""}), "foreign-secret", "no tag vaultgate:owner"),
        (Found(OURS, manager="rds"), "managed-elsewhere", "rds"),
        (Found({}, manager="rds"), "managed-elsewhere", "rds"),
        (Found(OURS, primary="eu-west-1"), "replica-region", "eu-west-1"),
        (Found(OURS, Hidden("new"), open=True), "parameter-open", "no SecureString"),
        (Found(OURS, rotated=True), "target-rotated", "a rotation function"),
    ],
)
def test_what_is_not_ours_to_change(source: Source, found: Found, code: str, told: str, *, prune: bool) -> None:
    """Whatever Vault has, and also to be pruned: refused by name, with a way out."""
    made = decide(ENTRY, "shop", source, found, None, prune=prune)
    assert (made.action, made.code) == (Action.REFUSE, code)
    assert told in made.why
    assert made.hint


@pytest.mark.parametrize("fate", [Fate.DELETED, Fate.DESTROYED])
def test_a_secret_that_vault_has_no_more(fate: Fate) -> None:
    """The target stays until somebody says --prune; what is on its way out already is left to it."""
    made = decide(ENTRY, "shop", gone(fate), there(), None, prune=False)
    assert (made.action, made.code, made.was) == (Action.LEAVE, "source-deleted", "7")
    assert made.why == f"secret/data/shop/payment is {fate.value} in Vault"
    assert made.hint == "Remove it with --prune (recoverable for 30 days)."
    assert decide(PARAMETER, "shop", gone(fate), there(), None, prune=False).hint == "Remove it with --prune (at once)."
    made = decide(ENTRY, "shop", gone(fate), there(), None, prune=True)
    assert (made.action, made.was, made.why) == (Action.REMOVE, "7", f"secret/data/shop/payment is {fate.value} in Vault")
    assert decided(gone(fate), Found(OURS, going=True), prune=True) == (Action.NOTHING, Drift.NONE, "")


@pytest.mark.parametrize("prune", [False, True])
def test_what_vault_has_no_trace_of_is_never_removed(*, prune: bool) -> None:
    """No trace is no deletion: the path may be wrong, or the Vault, and the target may be the last copy."""
    made = decide(ENTRY, "shop", gone(Fate.ABSENT), there(), None, prune=prune)
    assert (made.action, made.code, made.was) == (Action.LEAVE, "source-missing", "7")
    assert made.why == "Vault has no trace of secret/data/shop/payment"
    assert made.hint == "Correct the path, or delete the target by hand."


@pytest.mark.parametrize("fate", [Fate.DELETED, Fate.DESTROYED])
@pytest.mark.parametrize("found", [there(source="secret/data/else"), Found({OWNER: "shop"}, Hidden("new"))])
def test_what_was_written_from_another_secret_is_never_removed(fate: Fate, found: Found) -> None:
    """That a secret was deleted says nothing of a target that has another one's value, or that we never wrote."""
    made = decide(ENTRY, "shop", gone(fate), found, None, prune=True)
    assert (made.action, made.code, made.hint) == (Action.LEAVE, "source-deleted", "Correct the path.")
    assert made.why == f"secret/data/shop/payment is {fate.value} in Vault, and the target has another one's value"
    moved = there(field="other")
    assert decide(ENTRY, "shop", gone(fate), moved, None, prune=True).action is Action.REMOVE


def test_a_secret_that_neither_has() -> None:
    """One that was deleted needs nothing; a path where nothing ever was is a mistake in the file."""
    assert decided(gone(Fate.DELETED))[0] is Action.NOTHING
    assert decided(gone(Fate.DESTROYED))[0] is Action.NOTHING
    assert decided(gone(Fate.ABSENT)) == (Action.REFUSE, Drift.NONE, "source-missing")


@pytest.mark.parametrize("found", [None, there(), there("old")])
def test_a_secret_that_is_not_to_leave_vault(found: Found | None) -> None:
    """Its custom metadata has the last word, dead or alive."""
    assert decided(Source(Fate.LIVE, 7, Hidden("new"), withheld=True), found)[2] == "source-withheld"
    assert decided(Source(Fate.DELETED, 7, withheld=True), found, prune=True)[2] == "source-withheld"


@pytest.mark.parametrize(
    ("entry", "most"), [(ENTRY, 65_536), (PARAMETER, 4_096), (ADVANCED, 8_192)], ids=["secret", "standard", "advanced"]
)
def test_a_value_that_does_not_fit(entry: Entry, most: int) -> None:
    """By its bytes, not its letters; the refusal has both numbers and a way out."""

    def of(text: str) -> Source:
        return Source(Fate.LIVE, 7, Hidden(text))

    assert decided(of("x" * most), entry=entry)[0] is Action.CREATE
    made = decide(entry, "shop", of("x" * (most + 1)), None, None, prune=False)
    assert (made.action, made.code) == (Action.REFUSE, "value-too-large")
    assert made.why == f"{most + 1} bytes, {most} fit"
    assert made.hint
    assert decided(of("é" * (most // 2)), entry=entry)[0] is Action.CREATE
    assert decided(of("é" * (most // 2 + 1)), entry=entry)[2] == "value-too-large"


@pytest.mark.parametrize(
    ("source", "found", "code", "why", "hint"),
    [
        (Source(Fate.LIVE, 7, Hidden("")), None, "value-empty", "Vault's value is empty", "AWS stores no empty value."),
        (Source(Fate.LIVE, 7, Hidden(5)), None, "value-empty", "Vault's value is empty", "AWS stores no empty value."),
        (
            Source(Fate.LIVE, 7),
            None,
            "source-field-missing",
            "version 7 of secret/data/shop/payment has no 'key'",
            "Correct the field.",
        ),
        (
            LIVE,
            Found(OURS, Hidden("new"), rotated=True),
            "target-rotated",
            "a rotation function looks after it",
            "Rotate it or sync it, not both.",
        ),
        (
            Source(Fate.ABSENT),
            None,
            "source-missing",
            "Vault has nothing at secret/data/shop/payment",
            "Correct the path, or write the secret.",
        ),
        (
            Source(Fate.LIVE, 7, Hidden("new"), withheld=True),
            None,
            "source-withheld",
            "Vault's custom metadata has vaultgate-sync=no",
            "Ask whoever looks after the secret in Vault.",
        ),
        (
            LIVE,
            Found(OURS, Hidden("new"), open=True),
            "parameter-open",
            "it is no SecureString",
            "Delete the parameter shop/payment-key; a parameter's type is for life.",
        ),
    ],
)
def test_what_can_not_be_written(source: Source, found: Found | None, code: str, why: str, hint: str) -> None:
    """Refused with a reason and a way out, before anything is written."""
    made = decide(ENTRY, "shop", source, found, None, prune=True)
    assert (made.action, made.code, made.why, made.hint) == (Action.REFUSE, code, why, hint)


def test_what_was_written_before_is_told() -> None:
    """Each decision about a target of ours says which version it had; empty where its tags don't."""
    bare = Found({OWNER: "shop"}, Hidden("new"))
    for found, was in ((there(version="6"), "6"), (replace(there(), tags={**OURS, VERSION: "3"}, going=True), "3"), (bare, "")):
        assert decide(replace(ENTRY, key=""), "shop", LIVE, found, None, prune=False).was == was
        assert decide(ENTRY, "shop", gone(Fate.DELETED), found, None, prune=False).was == was
    assert decide(ENTRY, "shop", LIVE, there(), None, prune=False).was == "7"
    for elsewhere in (there("old", source="secret/data/else"), there("old", field="other")):
        assert decide(ENTRY, "shop", LIVE, elsewhere, None, prune=False).was == "", "another secret's number"


def test_a_target_that_somebody_tagged_by_hand() -> None:
    """The owner's tag alone makes it ours: written under our key, marked, or left to the account's key if that is wanted."""
    bare = Found({OWNER: "shop"}, Hidden("new"))
    assert decided(LIVE, bare)[0] is Action.WRITE
    assert decided(LIVE, bare, entry=replace(ENTRY, key=""))[0] is Action.MARK
    assert decided(LIVE, Found({OWNER: "shop"}, Hidden("old")))[:2] == (Action.WRITE, Drift.UNKNOWN)
    assert needs_older(ENTRY, "shop", LIVE, Found({OWNER: "shop"}, Hidden("old"))) is None
    placed = {name: text for name, text in OURS.items() if name != VERSION}
    assert needs_older(ENTRY, "shop", LIVE, Found(placed, Hidden("old"))) is None
    whole = replace(ENTRY, field="")
    assert needs_older(whole, "shop", LIVE, Found({**OURS, FIELD: "", VERSION: "6"}, Hidden("old"))) == 6


def test_which_older_version_is_asked_for() -> None:
    """The one that the tags name, where the values differ and the place is the same; no other, and nothing for a foreign one."""
    assert needs_older(ENTRY, "shop", LIVE, there("old", version="6")) == 6
    assert needs_older(ENTRY, "shop", LIVE, there(None, version="6")) == 6
    for found in (
        None,
        there(version="6"),
        there("old"),
        there("old", version="six"),
        there("old", version="0"),
        there("old", version="8"),
        there("old", version="99999999999999999999"),
        there("old", version="²"),
        there("old", version=""),
        there("old", version="6", source="secret/data/else"),
        there("old", version="6", field="else"),
        there("old", version="6", owner="billing"),
        Found({**OURS, VERSION: "6"}, going=True),
    ):
        assert needs_older(ENTRY, "shop", LIVE, found) is None
    assert needs_older(ENTRY, "shop", gone(Fate.DELETED), there("old", version="6")) is None


TEXTS = st.sampled_from(["", "old", "new", "x" * 4_097, "x" * 65_537])
TAGS = st.fixed_dictionaries(
    {},
    optional={
        OWNER: st.sampled_from(["shop", "billing", ""]),
        SOURCE: st.sampled_from([ENTRY.source, "secret/data/else"]),
        FIELD: st.sampled_from(["key", "", "other"]),
        VERSION: st.sampled_from(["", "6", "7", "9", "seven"]),
        KEY: st.sampled_from(["", "alias/shop", "alias/old"]),
    },
)
VALUES = st.none() | TEXTS.map(Hidden)
SOURCES = st.builds(Source, st.sampled_from(Fate), st.integers(1, 9), VALUES, st.booleans())
TARGETS = st.none() | st.builds(
    Found,
    TAGS,
    VALUES,
    manager=st.sampled_from(["", "", "rds"]),
    primary=st.sampled_from(["", "", "eu-west-1"]),
    rotated=st.booleans(),
    open=st.booleans(),
    going=st.booleans(),
)
ENTRIES = st.sampled_from([ENTRY, PARAMETER, ADVANCED])
TOUCHED = {Action.WRITE, Action.MARK, Action.BRING_BACK, Action.REMOVE}


def carried_out(action: Action, entry: Entry, source: Source, found: Found | None) -> Found | None:
    """The target afterwards, as `run` would leave it."""
    marked = {**(found.tags if found else {}), **tags_of(entry, "shop", source.version)}
    if action is Action.REMOVE:
        return None if found is None or entry.kind is not Kind.SECRET else Found(found.tags, going=True)
    if action in {Action.CREATE, Action.WRITE, Action.BRING_BACK}:
        return Found(marked, source.value)
    return Found(marked, found.value) if action is Action.MARK and found else found


@given(ENTRIES, SOURCES, TARGETS, VALUES, st.booleans())
def test_what_holds_whatever_is_true(
    entry: Entry,
    source: Source,
    found: Found | None,
    older: Hidden | None,
    prune: bool,  # noqa: FBT001 - drawn
) -> None:
    """Foreign ones are never touched, nothing is removed unasked, a second run finds nothing to do, no value is told."""
    made = decide(entry, "shop", source, found, older, prune=prune)
    if made.action in TOUCHED:
        assert found is not None
        assert (found.tags.get(OWNER), found.manager, found.primary, found.rotated) == ("shop", "", "", False)
    assert (made.action is Action.REMOVE) <= (prune and source.fate in {Fate.DELETED, Fate.DESTROYED})
    if made.action is Action.REMOVE:
        assert found is not None
        assert found.tags.get(SOURCE) == entry.source
    assert (made.action is Action.CREATE) <= (found is None)
    if made.action in {Action.CREATE, Action.WRITE, Action.BRING_BACK}:
        assert source.value is not None
        assert 0 < len(str(source.value.reveal()).encode()) <= entry.kind.most_bytes
        assert not source.withheld
    told = made.action in {Action.REFUSE, Action.LEAVE}
    assert bool(made.code) == told
    assert "old" not in repr(made).replace("alias/old", "")
    assert made.action is Action.REFUSE or "new" not in repr((made, source, found))
    after = carried_out(made.action, entry, source, found)
    again = decide(entry, "shop", source, after, None, prune=prune).action
    assert again is (made.action if told else Action.NOTHING)


@given(ENTRIES, SOURCES, TARGETS)
def test_a_write_that_was_broken_off(entry: Entry, source: Source, found: Found | None) -> None:
    """After the value and before the tags: the next run only marks, or, under another key, writes once more."""
    made = decide(entry, "shop", source, found, None, prune=False)
    if made.action is not Action.WRITE or found is None:
        return
    halfway = Found(found.tags, source.value)
    again = decide(entry, "shop", source, halfway, None, prune=False)
    assert again.action is (Action.WRITE if made.rekey else Action.MARK if made.drift is not Drift.CHANGED else again.action)
    assert again.drift is Drift.NONE
