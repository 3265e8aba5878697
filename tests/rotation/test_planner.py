"""The pure plans: who is admitted, whose login is used, which passwords an account must have, when to take one back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaultgate_ops.rotation import planner
from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.model import CURRENT, PENDING, PREVIOUS, Description, Stages, Step
from vaultgate_ops.rotation.planner import Admission, Entry, Move

ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:app"
OLD, NEW = "the-old-version", "the-new-version"


def seen(**labels: str) -> Description:
    """A secret whose versions have these labels, separated by blanks."""
    return Description(
        ARN, Stages({version.replace("_", "-"): frozenset(text.split()) for version, text in labels.items()}), region="us-east-1"
    )


UNDER_WAY = seen(the_old_version=CURRENT, the_new_version=PENDING)


def refusal(code: str, *parts: str) -> str:
    """A pattern for an error's whole text."""
    return rf"(?s){code}: .*" + ".*".join(parts)


def test_a_pending_token_is_admitted() -> None:
    """A version that is pending is worked on, also if it carries other labels beside."""
    assert planner.admit(NEW, UNDER_WAY) is Admission.PROCEED
    assert planner.admit(NEW, seen(the_old_version=CURRENT, the_new_version=f"{PENDING} MINE")) is Admission.PROCEED


def test_a_finished_token_has_nothing_to_do() -> None:
    """A version that is current is done, though its pending label may still be there."""
    assert planner.admit(NEW, seen(the_new_version=CURRENT)) is Admission.DONE
    assert planner.admit(NEW, seen(the_new_version=f"{CURRENT} {PENDING}")) is Admission.DONE


def test_a_token_without_a_label_is_unseen() -> None:
    """A version that isn't listed may appear yet."""
    assert planner.admit("somewhere-else", UNDER_WAY) is Admission.UNSEEN


def test_a_late_token_is_refused() -> None:
    """A version that was overtaken is refused, with its labels and what to do."""
    late = seen(the_old_version=CURRENT, the_new_version=f"{PREVIOUS} MINE")
    with pytest.raises(RotationError, match=refusal("token-not-pending", NEW, ARN, "AWSPREVIOUS, MINE", "overtaken")):
        planner.admit(NEW, late)


def test_a_secret_without_rotation_is_refused() -> None:
    """Who switched rotation off wants none, whatever labels say."""
    with pytest.raises(RotationError, match=refusal("rotation-disabled", ARN, "Enable it")):
        planner.admit(NEW, replace(UNDER_WAY, rotation_enabled=False))


def test_a_token_that_stays_unseen_is_refused() -> None:
    """Without rotation that is said; else the token is one of a rotation that is over, or of none."""
    assert str(planner.unseen("stray", UNDER_WAY)).startswith(f"token-unknown: {ARN} has no version stray with a label. Nothing")
    never = replace(UNDER_WAY, rotation_enabled=False)
    assert planner.admit("stray", never) is Admission.UNSEEN
    assert str(planner.unseen("stray", never)).startswith(f"rotation-disabled: Rotation isn't enabled for {ARN}. Enable")


def test_a_replica_is_refused() -> None:
    """A replica is rotated where its primary is; the primary itself is not refused."""
    with pytest.raises(RotationError, match=refusal("replica-region", ARN, "eu-west-1", "Rotate it in eu-west-1")):
        planner.admit(NEW, replace(UNDER_WAY, primary_region="eu-west-1"))
    assert planner.admit(NEW, replace(UNDER_WAY, primary_region="us-east-1")) is Admission.PROCEED


def test_another_services_secret_is_refused() -> None:
    """What RDS manages, RDS rotates."""
    with pytest.raises(RotationError, match=refusal("managed-elsewhere", ARN, "rds", "Let rds")):
        planner.admit(NEW, replace(UNDER_WAY, owner="rds"))


def test_who_owns_it_is_looked_at_first() -> None:
    """The most final refusal is told: nobody is asked to enable rotation for a secret that can't be rotated here."""
    worst = replace(UNDER_WAY, owner="rds", primary_region="eu-west-1", rotation_enabled=False)
    with pytest.raises(RotationError, match="managed-elsewhere"):
        planner.admit(NEW, worst)
    with pytest.raises(RotationError, match="replica-region"):
        planner.admit(NEW, replace(worst, owner=""))


@pytest.mark.parametrize(
    ("accepted", "entry"),
    [
        ({PENDING: True, CURRENT: True, PREVIOUS: True}, Entry.NOBODY),
        ({PENDING: True}, Entry.NOBODY),
        ({PENDING: False, CURRENT: True, PREVIOUS: True}, Entry.CURRENT),
        ({CURRENT: True}, Entry.CURRENT),
        ({PENDING: False, CURRENT: False, PREVIOUS: True}, Entry.PREVIOUS),
        ({PENDING: False, CURRENT: False, PREVIOUS: False}, Entry.STUCK),
        ({PENDING: False, CURRENT: False}, Entry.STUCK),
        ({}, Entry.STUCK),
    ],
)
def test_whose_login_changes_a_single_password(accepted: dict[str, bool], entry: Entry) -> None:
    """The newest that the server takes; nobody's if that is the new one."""
    assert planner.single(accepted) is entry


def test_an_account_that_is_right_is_left_alone() -> None:
    """Just the wanted hashes in the wanted order are no change."""
    assert planner.passwords(["new", "old"], ["new", "old"]) is None
    assert planner.passwords(["same"], ["same", "same"]) is None


@pytest.mark.parametrize("stored", [[], ["old"], ["old", "older"], ["old", "new"], ["new"], ["new", "old", "stray"], ["stray"]])
def test_an_account_that_isnt_gets_just_the_wanted_ones(stored: list[str]) -> None:
    """Whatever a crash left there."""
    assert planner.passwords(stored, ["new", "old"]) == ["new", "old"]


class Account:
    """A MySQL account by its documented rules: setting leaves the secondary alone, adding makes the primary the secondary."""

    def __init__(self, primary: str, secondary: str) -> None:
        self.primary, self.secondary = primary, secondary
        self.accepted: list[set[str]] = [self.now()]

    def now(self) -> set[str]:
        """The passwords that log in."""
        return {password for password in (self.primary, self.secondary) if password}

    def plan(self, newer: str, older: str) -> list[Move]:
        """What the planner wants done."""
        return list(
            planner.two_passwords(
                newer_is_primary=self.primary == newer,
                older_is_primary=self.primary == older,
                older_is_secondary=self.secondary == older,
                has_secondary=bool(self.secondary),
                keep_older=newer != older,
            )
        )

    def make(self, move: Move, newer: str, older: str) -> None:
        """Do one move."""
        if move is Move.SET_OLDER:
            self.primary = older
        elif move is Move.SET_NEWER:
            self.primary = newer
        elif move is Move.ADD_NEWER:
            self.primary, self.secondary = newer, self.primary
        else:
            self.secondary = ""
        self.accepted.append(self.now())


@given(st.sampled_from(["new", "old", "stray"]), st.sampled_from(["", "new", "old", "stray"]), st.integers(0, 3))
def test_two_passwords_from_any_state(primary: str, secondary: str, crash_after: int) -> None:
    """From any state, with a crash after any move, MySQL ends with both passwords, and the older works throughout."""
    account = Account(primary, secondary)
    worked = "old" in account.now()
    for move in account.plan("new", "old")[:crash_after]:
        account.make(move, "new", "old")
    for move in account.plan("new", "old"):
        account.make(move, "new", "old")
    assert (account.primary, account.secondary) == ("new", "old")
    assert not worked or all("old" in now for now in account.accepted)
    assert account.plan("new", "old") == []


@given(st.sampled_from(["new", "old", "stray"]), st.sampled_from(["", "new", "old", "stray"]))
def test_one_password_from_any_state(primary: str, secondary: str) -> None:
    """Taken back, MySQL's older password is gone, and the newer worked throughout if it worked before."""
    account = Account(primary, secondary)
    worked = "new" in account.now()
    for move in account.plan("new", "new"):
        account.make(move, "new", "new")
    assert account.now() == {"new"}
    assert not worked or all("new" in now for now in account.accepted)
    assert account.plan("new", "new") == []


def test_as_few_moves_as_possible() -> None:
    """The usual rotation is one statement."""
    assert Account("old", "older").plan("new", "old") == [Move.ADD_NEWER]
    assert Account("new", "old").plan("new", "new") == [Move.DISCARD]
    assert Account("new", "").plan("new", "new") == []


def test_the_grace_counts_from_the_latest_date() -> None:
    """From when the value was stored, or from the secret's latest change if that is later: promotion has no date of its own."""
    rested = seen(the_new_version=f"{CURRENT} {PENDING}", the_old_version=PREVIOUS)
    assert not planner.sweepable(rested, now_s=1099.9, current_since_s=1000, grace_s=100)
    assert planner.sweepable(rested, now_s=1100, current_since_s=1000, grace_s=100)
    promoted_later = replace(rested, changed_at=1050)
    assert not planner.sweepable(promoted_later, now_s=1149.9, current_since_s=1000, grace_s=100)
    assert planner.sweepable(promoted_later, now_s=1150, current_since_s=1000, grace_s=100)
    assert planner.sweepable(rested, now_s=1000, current_since_s=1000, grace_s=0)


def test_without_a_grace_nothing_is_swept() -> None:
    """An older password lives until the next rotation unless somebody said how long."""
    assert not planner.sweepable(seen(the_new_version=CURRENT), now_s=1e12, current_since_s=0, grace_s=None)


def test_nothing_is_swept_during_a_rotation() -> None:
    """A pending version may have to fall back on the older one."""
    with pytest.raises(RotationError, match=refusal("rotation-unfinished", NEW, ARN, "repair")):
        planner.sweepable(UNDER_WAY, now_s=1e12, current_since_s=0, grace_s=1)


def test_only_ones_own_secrets_are_swept() -> None:
    """Nor is what belongs to another service or region."""
    rested = seen(the_new_version=CURRENT)
    for foreign in (replace(rested, owner="rds"), replace(rested, primary_region="eu-west-1")):
        with pytest.raises(RotationError, match=r"managed-elsewhere|replica-region"):
            planner.sweepable(foreign, now_s=1e12, current_since_s=0, grace_s=1)


def test_steps_that_can_do_without_a_value() -> None:
    """A dry run tests a version that may have no value; nothing is set or promoted without one."""
    assert {Step.SET, Step.FINISH} == planner.STEPS_THAT_NEED_A_VALUE
