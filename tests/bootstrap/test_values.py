"""Normal forms: what the file says and what Vault answers mean the same, or don't."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaultgate_ops.bootstrap import values


@given(st.integers(min_value=0, max_value=10**9))
def test_a_duration_survives_being_written_and_read(seconds: int) -> None:
    """Any number of seconds, written the short way, is read as the same number."""
    assert values.seconds(values.duration_text(seconds)) == seconds


@pytest.mark.parametrize("same", [3600, "3600", "1h", "60m", "1h0m0s", 3600.0, "3600s", "0h3600s"])
def test_vaults_ways_to_say_an_hour_are_one(same: object) -> None:
    """Vault answers a duration as number, float or text; all are the hour that the file declares."""
    assert values.DURATION.answered(same) == values.DURATION.declared("1h")


@pytest.mark.parametrize("wrong", ["", "h", "1 h", "1w", "-1s", "1h30", -1, True, 1.5, None, [], "٣s", "٣"])
def test_what_is_no_duration_is_refused(wrong: object) -> None:
    """A duration in the file has a number and a unit, or is whole seconds."""
    with pytest.raises(values.Mistyped):
        values.DURATION.declared(wrong)


@pytest.mark.parametrize(
    ("kind", "declared", "answered"),
    [
        (values.NAMES, ["b", "a", "a"], ["a", "b"]),
        (values.NAMES, [], None),
        (values.TEXTS, ["DROP USER x "], ["DROP USER x"]),
        (values.NUMBER, 4, "4"),
        (values.NUMBER, 0, None),
        (values.SWITCH, False, None),
        (values.SWITCH, True, "true"),
        (values.HEADERS, ["x-FOO-bar"], ["X-Foo-Bar"]),
        (values.CIDRS, ["10.0.0.1/32", "10.1.0.0/16"], ["10.1.0.0/16", "10.0.0.1"]),
        (values.BLOCK, 'path "a" {\n}\n', '\npath "a" {   \r\n}'),
        (values.TEXT, "", None),
    ],
)
def test_the_same_thing_said_differently_is_the_same(kind: values.ValueType, declared: object, answered: object) -> None:
    """Order of names, trailing blanks, nothing for empty, text for number: none of it is a difference."""
    assert kind.answered(answered) == kind.declared(declared)


@pytest.mark.parametrize(
    ("kind", "declared", "answered"),
    [
        (values.TEXTS, ["a", "b"], ["b", "a"]),
        (values.NAMES, ["a"], ["a", "b"]),
        (values.NUMBER, 4, "many"),
        (values.DURATION, "0s", "for ever"),
        (values.CIDRS, ["10.0.0.0/8"], ["nonsense"]),
        (values.BLOCK, "a\nb", "a b"),
    ],
)
def test_different_things_differ(kind: values.ValueType, declared: object, answered: object) -> None:
    """The order of statements counts, and an answer that can't be understood is a difference rather than a crash."""
    assert kind.answered(answered) != kind.declared(declared)


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (values.TEXT, 600),
        (values.NUMBER, "4"),
        (values.NUMBER, True),
        (values.SWITCH, "yes"),
        (values.NAMES, "records"),
        (values.TEXTS, ["a", 1]),
        (values.PEM, "-----BEGIN PRIVATE KEY-----"),
        (values.MYSQL_ADDRESS, "root:secret@tcp(127.0.0.1:3306)/"),
        (values.CIDRS, ["10.0.0.1/8"]),
    ],
)
def test_a_value_of_another_type_is_refused(kind: values.ValueType, wrong: object) -> None:
    """Nothing is converted silently: text is no number, one text no list, a private key no certificate."""
    with pytest.raises(values.Mistyped):
        kind.declared(wrong)


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("{{username}}:{{password}}@tcp(db:3306)/", "{{username}}:{{password}}@tcp(db:3306)/"),
        ("root:geheim@tcp(db:3306)/", "root:(hidden)@tcp(db:3306)/"),
        ("{{username}}:p@ss:w@rd@tcp(db:3306)/", "{{username}}:(hidden)@tcp(db:3306)/"),
        ("tcp(db:3306)/", "tcp(db:3306)/"),
    ],
)
def test_an_address_is_shown_without_the_password_in_it(stored: str, shown: str) -> None:
    """A password that somebody wrote into a connection's address is masked, whatever characters it has."""
    assert values.MYSQL_ADDRESS.shown(stored) == shown


def test_certificates_are_shown_by_count_and_digest() -> None:
    """A bundle of certificates is one line."""
    bundle = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n" * 2

    assert values.PEM.shown(values.PEM.declared(bundle)).startswith("2 certificates, sha256 ")
